/* Writes of SQLite to its log, gathered: it writes the head of a frame and its page one by one, and a commit has many
 * frames that stand behind each other. Here they go to the file in one piece.
 *
 * What is gathered is written before anybody can look for it: before the log is flushed, read, cut, measured or closed,
 * and before the index of the log tells other connections of it. A commit is flushed before the index tells of it, so an
 * error of a write that was put off ends the commit.
 */

#include "sealed.h"
#include <string.h>

/* At most so much is put off. The layer below takes no more than 128 KiB at a time. */
#define GATHERED_BYTES_MAX (120 * 1024)

struct Gathered {
  sqlite3_int64 offset; /* where it goes in the file */
  int bytes;
  unsigned char content[GATHERED_BYTES_MAX];
};

static int write_below(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset) {
  return inner(file)->pMethods->xWrite(inner(file), from, bytes, offset);
}

/* After an error it is still there, so nothing that comes later hides the error. */
int tradewind_write_gathered(sqlite3_file *file) {
  Gathered *gathered = sealed(file)->gathered;
  if (gathered == 0 || gathered->bytes == 0) return SQLITE_OK;
  int done = write_below(file, gathered->content, gathered->bytes, gathered->offset);
  if (done == SQLITE_OK) gathered->bytes = 0;
  return done;
}

void tradewind_forget_gathered(sqlite3_file *file) {
  if (sealed(file)->gathered != 0) sealed(file)->gathered->bytes = 0;
}

int tradewind_gather(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset) {
  Gathered *gathered = sealed(file)->gathered;
  if (gathered == 0 && (gathered = sqlite3_malloc(sizeof *gathered)) != 0) {
    gathered->bytes = 0;
    sealed(file)->gathered = gathered;
  }
  if (gathered == 0) return write_below(file, from, bytes, offset);
  if (offset != gathered->offset + gathered->bytes || gathered->bytes + bytes > GATHERED_BYTES_MAX) {
    int done = tradewind_write_gathered(file);
    if (done != SQLITE_OK) return done;
  }
  if (bytes > GATHERED_BYTES_MAX) return write_below(file, from, bytes, offset);
  if (gathered->bytes == 0) gathered->offset = offset;
  memcpy(gathered->content + gathered->bytes, from, bytes);
  gathered->bytes += bytes;
  return SQLITE_OK;
}
