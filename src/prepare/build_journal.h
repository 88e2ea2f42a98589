/* build_journal.h - the pictures that a build has looked at so far, kept beside the dataset.
 *
 * Why: decoding and encoding a million pictures takes hours, and may be stopped. Every rank appends
 * its results to a journal of its own in the folder OUT.parts: no two write to one file, and a torn
 * end costs one picture. A record says what picture it is (name, bytes, time of change), so that a
 * later build takes only what still is as it was, whatever became of the list of pairs. `key` names
 * the encoder: journals of another one are passed over. Nothing here is collective.
 */
#ifndef T2I_BUILD_JOURNAL_H
#define T2I_BUILD_JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/hash.h"
#include "base/string_table.h"

typedef struct {
    const char *folder; /* OUT.parts */
    const char *images; /* what the pictures' names are relative to */
    char key[T2I_HEX];
    size_t pixels, features; /* bytes, and floats, of one picture's result */
} t2i_build_journal_kind;

/* Makes the folder and keeps other builds off it until *lock, a file descriptor, is closed.
 * T2I_CANTCREATE when another build holds it. */
T2I_CHECKED t2i_status t2i_build_journal_lock(const char *folder, int *lock, t2i_error *err);

/* One rank failed, or was told to stop: the others see it before their next picture. */
void t2i_build_journal_give_up(const char *folder);
int t2i_build_journal_given_up(const char *folder);

/* ---- writing: one journal ---- */

typedef struct t2i_build_journal_writer t2i_build_journal_writer;

/* Creates journal `number` of the folder, which must not be there. T2I_CANTCREATE. NULL on failure.
 */
T2I_CHECKED t2i_status t2i_build_journal_writer_new(t2i_build_journal_writer **out,
                                                    const t2i_build_journal_kind *kind,
                                                    size_t number, t2i_error *err);
/* What a picture's file is before it is read: kept with its result. T2I_DATA when it is not there.
 */
typedef struct {
    uint64_t bytes;
    int64_t seconds, nanoseconds;
} t2i_file_stamp;
T2I_CHECKED t2i_status t2i_file_stamp_file(t2i_file_stamp *out, const t2i_build_journal_kind *kind,
                                           const char *name, t2i_error *err);
/* A picture's result, or why it cannot be used. T2I_IO. */
T2I_CHECKED t2i_status t2i_build_journal_writer_put(t2i_build_journal_writer *journal,
                                                    const char *name, const t2i_file_stamp *stamp,
                                                    const uint8_t *pixels, const float *features,
                                                    t2i_error *err);
T2I_CHECKED t2i_status t2i_build_journal_writer_put_bad(t2i_build_journal_writer *journal,
                                                        const char *name, const char *reason,
                                                        t2i_error *err);
/* T2I_IO when what was written did not reach the file. NULL is legal. */
T2I_CHECKED t2i_status t2i_build_journal_writer_close(t2i_build_journal_writer *journal,
                                                      t2i_error *err);

/* ---- reading: all journals of the folder ---- */

typedef struct t2i_build_journal t2i_build_journal;

/* Finds the results of these pictures (kind and names are borrowed until close). again = 1: what an
 * earlier build left; records that are damaged, of pictures that have changed since, or that say
 * why a picture could not be used do not count. A folder that is not there holds nothing. T2I_IO,
 * T2I_SYSTEM. NULL on failure. */
T2I_CHECKED t2i_status t2i_build_journal_open(t2i_build_journal **out,
                                              const t2i_build_journal_kind *kind,
                                              const t2i_string_table *names, int again,
                                              t2i_error *err);
void t2i_build_journal_close(t2i_build_journal *parts); /* NULL is legal */

/* Is there a result (1), a reason why not (-1), or nothing (0) for picture `number` of the names?
 */
int t2i_build_journal_state(const t2i_build_journal *parts, size_t number);
size_t t2i_build_journal_next(
    const t2i_build_journal *parts); /* a number that no journal has, nor those after */
size_t t2i_build_journal_foreign(const t2i_build_journal *parts); /* journals with another key */

/* The result of a picture whose state is 1 (either may be NULL), checked. T2I_IO. */
T2I_CHECKED t2i_status t2i_build_journal_read(const t2i_build_journal *parts, size_t number,
                                              uint8_t *pixels, float *features, t2i_error *err);
/* The reason, state -1, newly allocated. */
T2I_CHECKED t2i_status t2i_build_journal_reason(const t2i_build_journal *parts, size_t number,
                                                char **out, t2i_error *err);

/* Removes the journals. */
void t2i_build_journal_empty(const char *folder);
/* Removes journals and lock, and the folder, if it is there; other files in it stay, and so does it
 * then. */
void t2i_build_journal_remove(const char *folder);

#endif
