/* What `sealed.c` and `log.c` share: the files that SQLite opens through the layer. */

#ifndef TRADEWIND_SEALED_H
#define TRADEWIND_SEALED_H

#include <sqlite3.h>
#include <stdint.h>

#define FRAME_HEAD_BYTES 24

/* What a connection has written to its log since it has the right to write. */
typedef struct {
  /* Frames from here on are checksummed when they are committed, and not compared before that; 0: none. */
  sqlite3_int64 rewritten_from;
  sqlite3_int64 head_at; /* of a frame that has its head only; 0: there is none */
  unsigned char head[FRAME_HEAD_BYTES]; /* the last one */
  sqlite3_int64 end; /* behind the frame that ends a commit; 0: there is none */
} Writing;

/* Writes that were put off. */
typedef struct Gathered Gathered;

/* An open database file or log. The file of the layer below follows it. */
typedef struct SealedFile {
  sqlite3_file base;
  int page_bytes; /* of a database: 0 if its pages have no checksums, NOT_KNOWN until its header is there */
  Writing writing; /* of a database */
  struct SealedFile *log; /* of a database: 0 while it is not open */
  struct SealedFile *database; /* of a log */
  int damaged; /* of a log */
  Gathered *gathered; /* of a log: 0 before the first write */
} SealedFile;

static inline SealedFile *sealed(sqlite3_file *file) { return (SealedFile *)file; }
static inline sqlite3_file *inner(sqlite3_file *file) { return (sqlite3_file *)(sealed(file) + 1); }

static inline uint32_t four_at(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* `gather.c` */
int tradewind_gather(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset);
int tradewind_write_gathered(sqlite3_file *file);
void tradewind_forget_gathered(sqlite3_file *file);

/* `log.c` */
int tradewind_log_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 offset);
int tradewind_log_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset);
int tradewind_log_flush(sqlite3_file *file, int flags);

#endif
