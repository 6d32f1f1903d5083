/* Page checksums: a layer between SQLite and the file system. `log.c` has those of the write-ahead log.
 *
 * SQLite believes what it reads from the database file: a byte that a disk has changed becomes a wrong answer. This layer
 * puts a checksum into the last eight bytes of each page that is written to a database file, and compares it when the
 * page is read. SQLite leaves these bytes alone where the header reserves exactly eight of them, which every database
 * does that a connection of this program creates.
 *
 * In memory, in the write-ahead log and in a rollback journal these bytes are zero. A page that another program's SQLite
 * has copied from the log into the file therefore has no checksum, which is accepted unless its end was lost, and its
 * checksum with it; one that it has changed has the checksum of its former content, which is not accepted.
 */

#include "sealed.h"
#include <string.h>

#define SEAL_BYTES 8
#define HEADER_BYTES 100
#define RESERVED_AT 20 /* in the header: how many bytes of each page SQLite leaves alone */
#define NOT_KNOWN (-1)
#define LOST_BYTES_MIN 64 /* so many zeros before a missing checksum are no content */

static sqlite3_vfs *below;
static sqlite3_vfs layer;

static uint64_t rotated(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

static uint64_t word_at(const unsigned char *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

/* Four lanes of multiply and rotate. Each step can be reversed, so a change within one word is always found; others are
 * missed once in 2^64. The number of the page is part of it: a page in the wrong place is found too. Never zero. */
static uint64_t checksum(const unsigned char *page, int bytes, uint64_t number) {
  static const uint64_t odd = 0x9E3779B97F4A7C15u, other = 0xC2B2AE3D27D4EB4Fu;
  uint64_t lane[4] = {number, number ^ odd, number + other, ~number};
  int at = 0;
  for (; at + 32 <= bytes; at += 32)
    for (int nth = 0; nth < 4; nth++)
      lane[nth] = rotated(lane[nth] + word_at(page + at + nth * 8) * other, 31) * odd;
  for (int nth = 0; at + 8 <= bytes; at += 8, nth++)
    lane[nth] = rotated(lane[nth] + word_at(page + at) * other, 31) * odd;
  uint64_t sum = rotated(lane[0], 1) + rotated(lane[1], 7) + rotated(lane[2], 12) + rotated(lane[3], 18);
  sum = (sum ^ (sum >> 33)) * other;
  sum ^= sum >> 29;
  return sum ? sum : 1;
}

/* Takes from a header whether pages have checksums. */
static void look_at_header(SealedFile *file, const unsigned char *header) {
  int page_bytes = header[16] << 8 | header[17];
  if (page_bytes == 1) page_bytes = 65536;
  int reserves = memcmp(header, "SQLite format 3", 16) == 0 && header[RESERVED_AT] == SEAL_BYTES;
  file->page_bytes = reserves && page_bytes >= 512 && (page_bytes & (page_bytes - 1)) == 0 ? page_bytes : 0;
}

/* The same for a file that was empty when it was opened. */
static void look_for_header(sqlite3_file *file) {
  unsigned char header[HEADER_BYTES];
  if (sealed(file)->page_bytes != NOT_KNOWN) return;
  if (inner(file)->pMethods->xRead(inner(file), header, HEADER_BYTES, 0) == SQLITE_OK)
    look_at_header(sealed(file), header);
}

static int is_page(const SealedFile *file, int bytes, sqlite3_int64 offset) {
  return file->page_bytes > 0 && bytes == file->page_bytes && offset % bytes == 0;
}

/* Whether this is a first page with a checksum that was made when its header reserved the bytes of it: the header has
 * changed since, and no page of the file would be compared. */
static int lost_its_header(unsigned char *page, int bytes) {
  if (bytes < 512 || page[RESERVED_AT] == SEAL_BYTES) return 0;
  uint64_t found = word_at(page + bytes - SEAL_BYTES);
  unsigned char reserved = page[RESERVED_AT];
  page[RESERVED_AT] = SEAL_BYTES;
  int lost = found != 0 && found == checksum(page, bytes - SEAL_BYTES, 1);
  page[RESERVED_AT] = reserved;
  return lost;
}

/* Whether the end of a page was lost: its last bytes are zeros, where SQLite has put something. A page of a tree is
 * filled from its end, and a page of a long value that goes on in another one is full; but a list of free pages is not.
 * No row of a store ends with so many zeros. */
static int has_lost_its_end(const unsigned char *page, int bytes, uint64_t number) {
  const unsigned char *head = page + (number == 1 ? HEADER_BYTES : 0), *end = page + bytes - SEAL_BYTES;
  for (const unsigned char *at = end - LOST_BYTES_MIN; at < end; at++)
    if (*at != 0) return 0;
  switch (head[0]) {
    case 0x02: case 0x05: case 0x0a: case 0x0d:
      return head[3] != 0 || head[4] != 0;
    default: {
      uint32_t next = four_at(head), free_pages = four_at(head + 4);
      return next != 0 && free_pages > (uint32_t)bytes / 4;
    }
  }
}

static int damaged(sqlite3_int64 offset, int bytes) {
  sqlite3_log(SQLITE_IOERR_DATA, "page %lld is not what was written", offset / bytes + 1);
  return SQLITE_IOERR_DATA;
}

/* A file that ends within a page was cut off. The layer below has filled the rest with zeros; SQLite would read on. */
static int read_short(sqlite3_file *file, const unsigned char *page, int bytes, sqlite3_int64 offset) {
  if (is_page(sealed(file), bytes, offset))
    for (int nth = 0; nth < bytes; nth++)
      if (page[nth] != 0) return damaged(offset, bytes);
  return SQLITE_IOERR_SHORT_READ;
}

static int read_page(sqlite3_file *file, void *to, int bytes, sqlite3_int64 offset) {
  int done = inner(file)->pMethods->xRead(inner(file), to, bytes, offset);
  if (done == SQLITE_IOERR_SHORT_READ) return read_short(file, to, bytes, offset);
  if (done != SQLITE_OK) return done;
  if (offset == 0 && bytes >= HEADER_BYTES) {
    if (lost_its_header(to, bytes)) return damaged(offset, bytes);
    look_at_header(sealed(file), to);
  } else {
    look_for_header(file);
  }
  if (!is_page(sealed(file), bytes, offset)) return SQLITE_OK;
  uint64_t number = (uint64_t)(offset / bytes) + 1;
  unsigned char *seal = (unsigned char *)to + bytes - SEAL_BYTES;
  uint64_t found = word_at(seal);
  if (found == 0 ? has_lost_its_end(to, bytes, number) : found != checksum(to, bytes - SEAL_BYTES, number))
    return damaged(offset, bytes);
  memset(seal, 0, SEAL_BYTES);
  return SQLITE_OK;
}

static int write_page(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset) {
  if (offset == 0 && bytes >= HEADER_BYTES) look_at_header(sealed(file), from);
  else look_for_header(file);
  if (!is_page(sealed(file), bytes, offset)) return inner(file)->pMethods->xWrite(inner(file), from, bytes, offset);
  /* The buffer is one of SQLite's pages, whose last bytes belong to this layer. */
  unsigned char *seal = (unsigned char *)from + bytes - SEAL_BYTES;
  uint64_t sum = checksum(from, bytes - SEAL_BYTES, (uint64_t)(offset / bytes) + 1);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  sum = __builtin_bswap64(sum);
#endif
  memcpy(seal, &sum, SEAL_BYTES);
  int done = inner(file)->pMethods->xWrite(inner(file), from, bytes, offset);
  memset(seal, 0, SEAL_BYTES);
  return done;
}

static int control(sqlite3_file *file, int what, void *argument) {
  if (what == SQLITE_FCNTL_PRAGMA) {
    char **arguments = argument;
    if (sqlite3_stricmp(arguments[1], "page_checksums") == 0) {
      arguments[0] = sqlite3_mprintf("%d", sealed(file)->page_bytes > 0);
      return SQLITE_OK;
    }
  }
  return inner(file)->pMethods->xFileControl(inner(file), what, argument);
}

/* Parts of pages are never read past the checksum. */
static int traits(sqlite3_file *file) {
  return inner(file)->pMethods->xDeviceCharacteristics(inner(file)) & ~SQLITE_IOCAP_SUBPAGE_READ;
}

/* Pages are not mapped into memory: nothing could compare them. */
static int fetch(sqlite3_file *file, sqlite3_int64 offset, int bytes, void **page) {
  (void)file, (void)offset, (void)bytes;
  *page = 0;
  return SQLITE_OK;
}

static int unfetch(sqlite3_file *file, sqlite3_int64 offset, void *page) {
  (void)file, (void)offset, (void)page;
  return SQLITE_OK;
}

/* What the layer below does alone. */
static int close_file(sqlite3_file *f) { return inner(f)->pMethods->xClose(inner(f)); }
static int cut(sqlite3_file *f, sqlite3_int64 bytes) { return inner(f)->pMethods->xTruncate(inner(f), bytes); }
static int flush(sqlite3_file *f, int flags) { return inner(f)->pMethods->xSync(inner(f), flags); }
static int size(sqlite3_file *f, sqlite3_int64 *bytes) { return inner(f)->pMethods->xFileSize(inner(f), bytes); }
static int lock(sqlite3_file *f, int level) { return inner(f)->pMethods->xLock(inner(f), level); }
static int unlock(sqlite3_file *f, int level) { return inner(f)->pMethods->xUnlock(inner(f), level); }
static int reserved(sqlite3_file *f, int *is) { return inner(f)->pMethods->xCheckReservedLock(inner(f), is); }
static int sector(sqlite3_file *f) { return inner(f)->pMethods->xSectorSize(inner(f)); }
static int shm_map(sqlite3_file *f, int page, int bytes, int extend, void volatile **to) {
  return inner(f)->pMethods->xShmMap(inner(f), page, bytes, extend, to);
}
/* The first of these locks is the right to write to the log. What was put off until it ends was rolled back, and others
 * may write in its place. */
static int shm_lock(sqlite3_file *f, int offset, int n, int flags) {
  if (offset == 0 && flags == (SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE)) {
    memset(&sealed(f)->writing, 0, sizeof(Writing));
    if (sealed(f)->log != 0) tradewind_forget_gathered(&sealed(f)->log->base);
  }
  return inner(f)->pMethods->xShmLock(inner(f), offset, n, flags);
}
/* Between the two copies of the head of the index, of which others look for both: what it tells of is written first. It is
 * already, but where nothing is flushed; then the frame that is missing does not match. */
static void shm_barrier(sqlite3_file *f) {
  if (sealed(f)->log != 0) (void)tradewind_write_gathered(&sealed(f)->log->base);
  inner(f)->pMethods->xShmBarrier(inner(f));
}
static int shm_unmap(sqlite3_file *f, int delete) { return inner(f)->pMethods->xShmUnmap(inner(f), delete); }

#define PAGES \
  close_file, read_page, write_page, cut, flush, size, lock, unlock, reserved, control, sector, traits
static const sqlite3_io_methods with_log = {3, PAGES, shm_map, shm_lock, shm_barrier, shm_unmap, fetch, unfetch};
static const sqlite3_io_methods without_log = {1, PAGES, 0, 0, 0, 0, 0, 0};

/* Of a log: what was put off goes first. */
static int close_log(sqlite3_file *f) {
  int written = tradewind_write_gathered(f);
  sqlite3_free(sealed(f)->gathered);
  sealed(f)->database->log = 0;
  int closed = close_file(f);
  return written != SQLITE_OK ? written : closed;
}
static int cut_log(sqlite3_file *f, sqlite3_int64 bytes) {
  int written = tradewind_write_gathered(f);
  return written != SQLITE_OK ? written : cut(f, bytes);
}
static int log_size(sqlite3_file *f, sqlite3_int64 *bytes) {
  int written = tradewind_write_gathered(f);
  return written != SQLITE_OK ? written : size(f, bytes);
}
static const sqlite3_io_methods of_log = {
  1, close_log, tradewind_log_read, tradewind_log_write, cut_log, tradewind_log_flush, log_size, lock, unlock, reserved,
  control, sector, traits, 0, 0, 0, 0, 0, 0};

/* SQLite names a log by a part of what it knows of the database. */
static int open_log(const char *name, sqlite3_file *file, int flags, int *out_flags) {
  sqlite3_file *database = sqlite3_database_file_object(name);
  if (database->pMethods != &with_log) return below->xOpen(below, name, file, flags, out_flags);
  memset(file, 0, sizeof(SealedFile));
  sealed(file)->database = sealed(database);
  int done = below->xOpen(below, name, inner(file), flags, out_flags);
  if (inner(file)->pMethods == 0) return done;
  file->pMethods = &of_log;
  sealed(database)->log = sealed(file);
  return done;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
  (void)vfs;
  if (flags & SQLITE_OPEN_WAL) return open_log(name, file, flags, out_flags);
  if (!(flags & SQLITE_OPEN_MAIN_DB)) return below->xOpen(below, name, file, flags, out_flags);
  memset(file, 0, sizeof(SealedFile));
  sealed(file)->page_bytes = NOT_KNOWN;
  int done = below->xOpen(below, name, inner(file), flags, out_flags);
  if (inner(file)->pMethods == 0) return done;
  int has_log = inner(file)->pMethods->iVersion >= 2 && inner(file)->pMethods->xShmMap != 0;
  file->pMethods = has_log ? &with_log : &without_log;
  return done;
}

/* Reserves the bytes of the checksums in a database that is created; one that is there keeps what it has. */
static int reserve(sqlite3 *connection, char **error, const sqlite3_api_routines *api) {
  (void)error, (void)api;
  int bytes = SEAL_BYTES;
  sqlite3_file_control(connection, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
  return SQLITE_OK;
}

/* Before `main`, so that there is no database that is opened without it. */
__attribute__((constructor)) static void register_layer(void) {
  below = sqlite3_vfs_find(0);
  if (below == 0) return;
  layer = *below;
  layer.pNext = 0;
  layer.zName = "tradewind";
  layer.szOsFile = (int)sizeof(SealedFile) + below->szOsFile;
  layer.xOpen = open_file;
  if (sqlite3_vfs_register(&layer, 1) == SQLITE_OK) sqlite3_auto_extension((void (*)(void))reserve);
}
