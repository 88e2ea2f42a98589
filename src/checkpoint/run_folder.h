/* run_folder.h - where the files of a run folder are.
 *
 * RUN/checkpoints/step-N.safetensors, RUN/samples/step-N.png, RUN/model.safetensors, RUN/job.ini
 * and others (docs/file-formats.md). Names of temporary files and of anything else are passed over.
 */
#ifndef T2I_RUN_FOLDER_H
#define T2I_RUN_FOLDER_H

#include <stddef.h>
#include "base/error.h"

/* The model file of a run folder: model.safetensors, else the newest checkpoint that loads; a path
 * to a file is itself. Newly allocated. T2I_NOINPUT when there is none, T2I_DATA when none is
 * sound. */
T2I_CHECKED t2i_status t2i_run_folder_model(const char *run_or_file, char **path, t2i_error *err);

/* Steps of checkpoints/step-N.safetensors in a run folder, newest first; newly allocated, count may
 * be 0. */
T2I_CHECKED t2i_status t2i_run_folder_checkpoints(const char *run, long **steps, size_t *count,
                                                  t2i_error *err);
/* The same of samples/step-N.png. */
T2I_CHECKED t2i_status t2i_run_folder_samples(const char *run, long **steps, size_t *count,
                                              t2i_error *err);
/* "RUN/checkpoints/step-N.safetensors", as t2i_fs_join makes it. */
char *t2i_run_folder_checkpoint(const char *run, long step, t2i_error *err);

/* Removes temporary files that a killed run left in its folder and nothing would write again. */
void t2i_run_folder_sweep(const char *run);

/* The value of `data` in RUN/job.ini (newly allocated), for programs that are given a run only;
 * T2I_NOINPUT; T2I_DATA when it names none. */
T2I_CHECKED t2i_status t2i_run_folder_dataset(const char *run, char **path, t2i_error *err);

#endif
