/* The write-ahead log, as the layer of `sealed.c` sees it. Its form: https://www.sqlite.org/fileformat2.html#walformat
 *
 * Each frame of the log has a checksum, which goes on from that of the frame before it. SQLite compares it only when it
 * recovers a log that a crash has left. This layer compares it with each page that is read: what a disk has changed is no
 * part of an answer, and no checkpoint copies it.
 *
 * Recovery ends at the first frame that does not match, because a crash tears the end of a log. Where committed work is
 * behind that frame, it is damage, and to end there would drop what was acknowledged. Either of these shows it:
 * - Behind each commit that is flushed, this layer writes a mark. The next commit overwrites it. It is not flushed itself, so
 *   a failure of the power may lose it.
 * - A commit is flushed before the next one is written. So a frame that goes on from the end of a commit shows that this
 *   commit was on the disk. Without the mark, damage in the last commit looks like a commit that was torn, and so may damage
 *   in the last frame of the one before.
 */

#include "sealed.h"
#include <string.h>

#define HEADER_BYTES 32
#define LINK_BYTES 16 /* the salts and the checksum, of the header as of the head of a frame */
#define MAGIC 0x377f0682u /* but for the last bit, which says the order of bytes */
#define MARK "TRWD-end"
#define SECTOR_BYTES 512 /* that a failure of the power leaves whole or as they were */
#define PAGE_BYTES_MIN 512
#define PAGE_BYTES_MAX 65536

/* A code of this layer's own; as in `error.rs`. */
#define LOG_DAMAGED (SQLITE_IOERR | (97 << 8))

static int read_below(sqlite3_file *file, void *to, int bytes, sqlite3_int64 offset) {
  return inner(file)->pMethods->xRead(inner(file), to, bytes, offset);
}

static int is_page_size(int bytes) {
  return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

/* SQLite's checksum. Each step can be reversed, so a change within eight bytes is always found. */
static void add(uint32_t sum[2], const unsigned char *from, int bytes, int big_endian) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  int swapped = !big_endian;
#else
  int swapped = big_endian;
#endif
  uint32_t first = sum[0], second = sum[1];
  for (int at = 0; at < bytes; at += 8) {
    uint32_t words[2];
    memcpy(words, from + at, sizeof words);
    first += (swapped ? __builtin_bswap32(words[0]) : words[0]) + second;
    second += (swapped ? __builtin_bswap32(words[1]) : words[1]) + first;
  }
  sum[0] = first;
  sum[1] = second;
}

/* Whether the checksum of this frame goes on from the one before. The header says the order of bytes, and may be damaged
 * while all frames are whole; so both are tried. */
static int goes_on(const unsigned char *link, const unsigned char *head, const unsigned char *page, int page_bytes) {
  if (four_at(head) == 0) return 0; /* a frame has the number of its page; a hole in the file would match itself */
  for (int big_endian = 0; big_endian < 2; big_endian++) {
    uint32_t sum[2] = {four_at(link + 8), four_at(link + 12)};
    add(sum, head, 8, big_endian);
    add(sum, page, page_bytes, big_endian);
    if (sum[0] == four_at(head + 16) && sum[1] == four_at(head + 20)) return 1;
  }
  return 0;
}

static int is_same_log(const unsigned char *salts, const unsigned char *others) { return memcmp(salts, others, 8) == 0; }

static int read_link(sqlite3_file *file, unsigned char *link, sqlite3_int64 frame, int frame_bytes) {
  return read_below(file, link, LINK_BYTES, frame == HEADER_BYTES ? HEADER_BYTES - LINK_BYTES : frame - frame_bytes + 8);
}

static int is_mark(const unsigned char *at, sqlite3_int64 offset, const unsigned char *salts) {
  if (memcmp(at, MARK, 8) != 0 || !is_same_log(at + 16, salts)) return 0;
  return ((uint64_t)four_at(at + 8) << 32 | four_at(at + 12)) == (uint64_t)offset;
}

/* Whether a commit that was flushed ends behind the beginning of this frame. Without salts it is one of any log.
 *
 * In the torn end of a log any sectors may be there. A head that lies in two of them may have the end of one commit and the
 * checksum of another, unless its frame is whole. */
static int lost_behind(sqlite3_file *file, sqlite3_int64 from, int page_bytes, const unsigned char *salts, int *lost) {
  int frame_bytes = page_bytes + FRAME_HEAD_BYTES, ends_commit = 0;
  sqlite3_int64 end;
  int done = inner(file)->pMethods->xFileSize(inner(file), &end);
  unsigned char *frame = sqlite3_malloc(frame_bytes), before[FRAME_HEAD_BYTES] = {0};
  if (frame == 0) return SQLITE_NOMEM;
  *lost = 0;
  for (sqlite3_int64 at = from; done == SQLITE_OK && !*lost && at + FRAME_HEAD_BYTES <= end; at += frame_bytes) {
    const unsigned char *of_log = salts ? salts : before + 8;
    done = read_below(file, frame, frame_bytes, at);
    if (done == SQLITE_IOERR_SHORT_READ) done = SQLITE_OK; /* the rest are zeros */
    int is_next = at > from && at + frame_bytes <= end && is_same_log(frame + 8, of_log) &&
                  goes_on(before + 8, frame, frame + FRAME_HEAD_BYTES, page_bytes);
    *lost = (is_next && ends_commit) || (at > from && is_mark(frame, at, of_log));
    ends_commit = four_at(frame + 4) != 0 && (is_next || at % SECTOR_BYTES <= SECTOR_BYTES - FRAME_HEAD_BYTES);
    memcpy(before, frame, FRAME_HEAD_BYTES);
  }
  sqlite3_free(frame);
  return done;
}

static int damaged(sqlite3_file *file, const char *what, sqlite3_int64 offset) {
  sealed(file)->damaged = 1;
  sqlite3_log(LOG_DAMAGED, "%s at byte %lld of the log is not what was written", what, offset);
  return LOG_DAMAGED;
}

/* Before recovery. SQLite takes a log with another header for an empty one. The header is within one sector. */
static int check_header(sqlite3_file *file, const unsigned char *header) {
  uint32_t sum[2] = {0, 0};
  add(sum, header, 24, header[3] & 1);
  int is_whole = sum[0] == four_at(header + 24) && sum[1] == four_at(header + 28);
  if (is_whole && (four_at(header) & ~1u) == MAGIC) return SQLITE_OK;
  int lost = 0, done = SQLITE_OK;
  for (int page_bytes = PAGE_BYTES_MIN; done == SQLITE_OK && !lost && page_bytes <= PAGE_BYTES_MAX; page_bytes *= 2)
    done = lost_behind(file, HEADER_BYTES, page_bytes, 0, &lost);
  return lost ? damaged(file, "the header", 0) : done;
}

/* A frame that recovery reads. */
static int check_frame(sqlite3_file *file, unsigned char *frame, int frame_bytes, sqlite3_int64 offset) {
  unsigned char link[LINK_BYTES];
  int page_bytes = frame_bytes - FRAME_HEAD_BYTES, lost = 0;
  int done = read_link(file, link, offset, frame_bytes);
  /* Without locks, as one who may only read, it may have been read while it was written: it is looked at twice. */
  for (int nth = 0; nth < 2 && done == SQLITE_OK; nth++) {
    if (is_same_log(link, frame + 8) && goes_on(link, frame, frame + FRAME_HEAD_BYTES, page_bytes)) return SQLITE_OK;
    if (nth == 0) done = lost_behind(file, offset, page_bytes, link, &lost);
    if (!lost) return done;
    if (nth == 0) done = read_below(file, frame, frame_bytes, offset);
  }
  return done == SQLITE_OK ? damaged(file, "the frame", offset) : done;
}

/* A page that a reader or a checkpoint reads. */
static int check_page(sqlite3_file *file, const unsigned char *page, int page_bytes, sqlite3_int64 offset) {
  unsigned char head[FRAME_HEAD_BYTES], link[LINK_BYTES];
  sqlite3_int64 frame = offset - FRAME_HEAD_BYTES;
  int done = read_below(file, head, FRAME_HEAD_BYTES, frame);
  if (done == SQLITE_OK) done = read_link(file, link, frame, page_bytes + FRAME_HEAD_BYTES);
  if (done != SQLITE_OK || goes_on(link, head, page, page_bytes)) return done;
  return damaged(file, "the frame", frame);
}

int tradewind_log_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 offset) {
  int done = tradewind_write_gathered(file);
  if (done == SQLITE_OK) done = read_below(file, to, bytes, offset);
  sqlite3_int64 rewritten_from = sealed(file)->database->writing.rewritten_from;
  if (done != SQLITE_OK) return done;
  if (bytes == HEADER_BYTES && offset == 0) return check_header(file, to);
  if (rewritten_from != 0 && offset >= rewritten_from) return SQLITE_OK;
  if (is_page_size(bytes) && (offset - HEADER_BYTES) % (bytes + FRAME_HEAD_BYTES) == FRAME_HEAD_BYTES)
    return check_page(file, to, bytes, offset);
  if (is_page_size(bytes - FRAME_HEAD_BYTES) && (offset - HEADER_BYTES) % bytes == 0)
    return check_frame(file, to, bytes, offset);
  return SQLITE_OK;
}

/* Nothing is written behind damage, because the next start would not find it. */
int tradewind_log_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset) {
  Writing *writing = &sealed(file)->database->writing;
  if (sealed(file)->damaged) return LOG_DAMAGED;
  if (bytes == FRAME_HEAD_BYTES) {
    memcpy(writing->head, from, FRAME_HEAD_BYTES);
    writing->head_at = offset;
  } else if (is_page_size(bytes) && writing->head_at + FRAME_HEAD_BYTES == offset) {
    writing->head_at = 0;
    writing->end = four_at(writing->head + 4) != 0 ? offset + bytes : 0;
  } else if (is_page_size(bytes)) {
    /* A large transaction changes a page once more that it has written already. */
    sqlite3_int64 frame = offset - FRAME_HEAD_BYTES;
    if (writing->rewritten_from == 0 || frame < writing->rewritten_from) writing->rewritten_from = frame;
  }
  return tradewind_gather(file, from, bytes, offset);
}

/* The head that was written last is that of the frame that ends the commit. Without its mark a commit is none the worse. */
int tradewind_log_flush(sqlite3_file *file, int flags) {
  Writing *writing = &sealed(file)->database->writing;
  unsigned char mark[FRAME_HEAD_BYTES] = MARK;
  int done = tradewind_write_gathered(file);
  if (done == SQLITE_OK) done = inner(file)->pMethods->xSync(inner(file), flags);
  if (done != SQLITE_OK || writing->end == 0) return done;
  for (int nth = 0; nth < 8; nth++) mark[8 + nth] = (unsigned char)(writing->end >> (56 - 8 * nth));
  memcpy(mark + 16, writing->head + 8, 8);
  (void)inner(file)->pMethods->xWrite(inner(file), mark, FRAME_HEAD_BYTES, writing->end);
  writing->end = 0;
  return SQLITE_OK;
}
