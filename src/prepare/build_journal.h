/* build_journal.h - results of a build, kept beside the dataset until it is complete.
 *
 * Why: decoding and encoding a million pictures takes hours, and a build may be stopped. Each rank
 * appends its results to its own journal in the folder OUT.parts. No two ranks write to one file,
 * and a torn end costs one picture. A record identifies its picture by name, file size and
 * modification time, so that a later build uses only results of unchanged files, even if the list
 * of pairs has changed. `key` identifies the encoder and its options; journals with another key are
 * ignored.
 *
 * The folder is removed when the dataset is complete, stays when it holds results that can be used,
 * and is emptied by a build without --resume. docs/file-formats.md describes the files. No function
 * of this module is collective.
 */
#ifndef T2I_BUILD_JOURNAL_H
#define T2I_BUILD_JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/hash.h"
#include "base/string_table.h"
#include "base/text.h"

typedef struct {
    const char *folder; /* OUT.parts */
    const char *images; /* prefix of the pictures' file names */
    char key[T2I_HEX];
    size_t pixels, features; /* bytes and floats of the result of one picture */
} t2i_build_journal_kind;

/* Creates the folder and locks it against other builds until the caller closes the file descriptor
 * *lock. T2I_CANTCREATE when another build holds the lock. */
T2I_CHECKED t2i_status t2i_build_journal_lock(const char *folder, int *lock, t2i_error *err);

/* Asks the other ranks of this build to stop: they check before each picture. Called by a rank that
 * failed or got a stop signal. */
void t2i_build_journal_stop(const char *folder);
int t2i_build_journal_stopped(const char *folder);

/* ---- writing one journal ---- */

typedef struct t2i_build_journal_writer t2i_build_journal_writer;

/* Creates journal `number` in the folder; it must not exist. T2I_CANTCREATE. *out is NULL on
 * failure. */
T2I_CHECKED t2i_status t2i_build_journal_writer_new(t2i_build_journal_writer **out,
                                                    const t2i_build_journal_kind *kind,
                                                    size_t number, t2i_error *err);
/* Size and modification time of a picture's file, taken before it is read, kept with its result. */
typedef struct {
    uint64_t bytes;
    int64_t seconds, nanoseconds;
} t2i_file_stamp;
/* T2I_DATA when the file cannot be opened. */
T2I_CHECKED t2i_status t2i_build_journal_stamp_file(t2i_file_stamp *out,
                                                    const t2i_build_journal_kind *kind,
                                                    const char *name, t2i_error *err);
/* Appends the result of a picture (found: see t2i_encode_picture), or the reason why it cannot be
 * used. T2I_IO. */
T2I_CHECKED t2i_status t2i_build_journal_writer_put(t2i_build_journal_writer *journal,
                                                    const char *name, const t2i_file_stamp *stamp,
                                                    unsigned found, const uint8_t *pixels,
                                                    const float *features, t2i_error *err);
T2I_CHECKED t2i_status t2i_build_journal_writer_put_reason(t2i_build_journal_writer *journal,
                                                           const char *name, const char *reason,
                                                           t2i_error *err);
/* Hands buffered data to the system. T2I_IO. */
T2I_CHECKED t2i_status t2i_build_journal_writer_flush(t2i_build_journal_writer *journal,
                                                      t2i_error *err);
/* Closes the journal and frees it. T2I_IO when buffered data cannot be written. NULL is legal. */
T2I_CHECKED t2i_status t2i_build_journal_writer_close(t2i_build_journal_writer *journal,
                                                      t2i_error *err);

/* ---- reading all journals of the folder ---- */

typedef struct t2i_build_journal t2i_build_journal;

/* Finds the results of these pictures. `kind` and `names` are borrowed until close. Damaged records
 * are ignored. resume = 1: the journals are those of an earlier build; records of changed files and
 * records that hold a reason are ignored too. A missing folder is an empty one. T2I_IO, T2I_SYSTEM.
 * *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_build_journal_open(t2i_build_journal **out,
                                              const t2i_build_journal_kind *kind,
                                              const t2i_string_table *names, int resume,
                                              t2i_error *err);
void t2i_build_journal_close(t2i_build_journal *results); /* NULL is legal */

/* State of picture `number` of the names: 1 a result, -1 a reason, 0 nothing. */
int t2i_build_journal_state(const t2i_build_journal *results, size_t number);
/* What was found in a picture whose state is 1. */
unsigned t2i_build_journal_found(const t2i_build_journal *results, size_t number);
/* The lowest number above those of all journals. */
size_t t2i_build_journal_next(const t2i_build_journal *results);
/* Number of journals with another key. */
size_t t2i_build_journal_foreign(const t2i_build_journal *results);

/* Appends to *out where the results of so many pictures are, in the order of number[]. From it,
 * another process that sees the folder opens them as pictures 0 to count - 1, all of state 1,
 * without names. T2I_DATA, T2I_IO, T2I_SYSTEM. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_build_journal_pack(const t2i_build_journal *results,
                                              const size_t *number, size_t count, t2i_text *out,
                                              t2i_error *err);
T2I_CHECKED t2i_status t2i_build_journal_unpack(t2i_build_journal **out,
                                                const t2i_build_journal_kind *kind,
                                                const t2i_text *packed, t2i_error *err);

/* Reads the result of a picture whose state is 1 and checks its checksum. Either output may be
 * NULL. T2I_IO. */
T2I_CHECKED t2i_status t2i_build_journal_read(const t2i_build_journal *results, size_t number,
                                              uint8_t *pixels, float *features, t2i_error *err);
/* Reads the reason of a picture whose state is -1. The caller frees *out. T2I_IO, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_build_journal_reason(const t2i_build_journal *results, size_t number,
                                                char **out, t2i_error *err);

/* Removes the journals, and the files of rows that encode_shards.h keeps beside them; the folder
 * and its lock stay. */
#define T2I_ROWS_SUFFIX ".rows"
void t2i_build_journal_clear(const char *folder);
/* Removes journals, lock and folder. The folder stays if it holds other files; a missing folder is
 * no error. */
void t2i_build_journal_remove(const char *folder);

#endif
