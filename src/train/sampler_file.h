/* sampler_file.h - the sampler that is a file: one line of `batch` row numbers a step. */
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
    char name[T2I_HEX + 8]; /* of the sampler, as checkpoints remember it: "sharded", "uniform",
                               "file:DIGEST" */
    const char *path;       /* borrowed from the options */
} t2i_sampler_file;

/* The file options->sampler_path. T2I_NOINPUT; T2I_DATA: a line whose length differs from batch,
 * what is no number, fewer lines than steps. Close it in any case. */
T2I_CHECKED t2i_status t2i_sampler_file_read(t2i_sampler_file *out,
                                             const t2i_train_options *options, t2i_error *err);

/* Collective. The same on rank 0 where options->sampler is T2I_SAMPLER_FILE; everyone gets the
 * numbers. Empty on failure. */
T2I_CHECKED t2i_status t2i_sampler_file_open(t2i_sampler_file *out, t2i_comm *comm,
                                             const t2i_train_options *options, t2i_error *err);
void t2i_sampler_file_close(t2i_sampler_file *sampler_file);

/* Turns the user's row numbers into indices of user_row[0..count), which are distinct. T2I_DATA: a
 * number that is not there (out of range, or a row that was left out when the dataset was built).
 */
T2I_CHECKED t2i_status t2i_sampler_file_map(t2i_sampler_file *sampler_file,
                                            const uint32_t *user_row, size_t count, t2i_error *err);

#endif
