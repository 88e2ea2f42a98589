/* sampler_file.h - a sampler read from a file: one line of `batch` row numbers per step. */
#ifndef T2I_SAMPLER_FILE_H
#define T2I_SAMPLER_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "base/error.h"
#include "base/hash.h"
#include "train/train_options.h"

typedef struct {
    uint64_t *rows; /* owned: steps x batch; NULL for the other samplers */
    size_t count;
    char name[T2I_HEX +
              8]; /* name of the sampler in checkpoints: "sharded", "uniform" or "file:DIGEST" */
    const char *path; /* borrowed from the options */
} t2i_sampler_file;

/* Reads the file options->sampler_path. T2I_NOINPUT: it cannot be opened; T2I_DATA: a line does not
 * have `batch` numbers, a word is not a number, or there are fewer lines than steps. The caller
 * closes *out in any case. */
T2I_CHECKED t2i_status t2i_sampler_file_read(t2i_sampler_file *out,
                                             const t2i_train_options *options, t2i_error *err);

/* Collective. If options->sampler is T2I_SAMPLER_FILE, rank 0 reads the file and all ranks receive
 * the numbers. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_sampler_file_open(t2i_sampler_file *out, t2i_comm *comm,
                                             const t2i_train_options *options, t2i_error *err);
void t2i_sampler_file_close(t2i_sampler_file *sampler_file);

/* Replaces the user's row numbers by indices into user_row[0..count), whose values are distinct.
 * T2I_DATA: a number is not among them (out of range, or a row that was left out of the dataset).
 */
T2I_CHECKED t2i_status t2i_sampler_file_map(t2i_sampler_file *sampler_file,
                                            const uint32_t *user_row, size_t count, t2i_error *err);

#endif
