/* model_verify.h - verifies model files by their digests. */
#ifndef T2I_MODEL_VERIFY_H
#define T2I_MODEL_VERIFY_H

#include <stddef.h>
#include "base/error.h"

/* Verifies every file, and the model, all checkpoints and the log (log_chain.h) of every run
 * folder. Prints one line per sound file and logs one line per other file. A file without digests
 * is read completely and reported as such. Returns the status of the first failure; the message is
 * the number of failed files, or, with a single file, its failure, which is then not logged. */
T2I_CHECKED t2i_status t2i_model_verify(const char *const *files, size_t count, t2i_error *err);

#endif
