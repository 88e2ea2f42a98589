/* model_verify.h - is every byte of model files as it was written? */
#ifndef T2I_MODEL_VERIFY_H
#define T2I_MODEL_VERIFY_H

#include <stddef.h>
#include "base/error.h"

/* Looks at every file; of a run folder at its model and all its checkpoints. Prints a line for each
 * sound one, logs a line for each other one as it is found. Files that carry no digests are read as
 * far as they can be checked, which is said. The failure of the first file that failed, with a text
 * that says how many did (one file: what is wrong with it, which is then not logged). */
T2I_CHECKED t2i_status t2i_model_verify(const char *const *files, size_t count, t2i_error *err);

#endif
