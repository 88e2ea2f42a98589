/* run_folder.h - locates the files of a run folder.
 *
 * RUN/checkpoints/step-N.safetensors, RUN/samples/step-N.png, RUN/model.safetensors, RUN/job.ini
 * and others (docs/file-formats.md). Temporary files and files with other names are ignored.
 */
#ifndef T2I_RUN_FOLDER_H
#define T2I_RUN_FOLDER_H

#include <stddef.h>
#include "base/error.h"

/* *path: the model file of a run folder: model.safetensors, or else the newest checkpoint that can
 * be loaded; the path of a file is copied. The caller frees it. T2I_NOINPUT if there is no model,
 * T2I_DATA if no checkpoint can be loaded. */
T2I_CHECKED t2i_status t2i_run_folder_model(const char *run_or_file, char **path, t2i_error *err);

/* Steps of checkpoints/step-N.safetensors in a run folder, newest first. The caller frees *steps;
 * count may be 0. */
T2I_CHECKED t2i_status t2i_run_folder_checkpoints(const char *run, long **steps, size_t *count,
                                                  t2i_error *err);
/* The same for samples/step-N.png. */
T2I_CHECKED t2i_status t2i_run_folder_samples(const char *run, long **steps, size_t *count,
                                              t2i_error *err);
/* Returns "RUN/checkpoints/step-N.safetensors", which the caller frees; NULL without memory. */
char *t2i_run_folder_checkpoint(const char *run, long step, t2i_error *err);

/* Removes all temporary files of runs in the folder, except of report.html: those that killed ones
 * left, and those of an owner that was thought dead, so that no rename of its own comes later.
 * Right after the folder was taken (writer_lease.h), before it is looked at. */
void t2i_run_folder_sweep(const char *run);

/* *path: the value of `data` in RUN/job.ini, for programs whose only operand is a run. *start: the
 * folder in which t2i-train was started, by the comment T2I_STARTED_IN there; NULL: it has none, or
 * start is NULL. The caller frees both. T2I_NOINPUT; T2I_DATA if job.ini names no dataset. */
#define T2I_STARTED_IN "; started in "
T2I_CHECKED t2i_status t2i_run_folder_dataset(const char *run, char **path, char **start,
                                              t2i_error *err);
/* *path: the value of `init` there, from the root if the folder of the start is known; NULL: it has
 * none. The caller frees it. T2I_NOINPUT. */
T2I_CHECKED t2i_status t2i_run_folder_init(const char *run, char **path, t2i_error *err);

#endif
