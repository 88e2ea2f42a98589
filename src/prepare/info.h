/* info.h - statistics of a dataset file, and its verification. */
#ifndef T2I_INFO_H
#define T2I_INFO_H

#include "base/error.h"
#include "base/text.h"

/* Appends the statistics to *out: a table, or with `json` a JSON object and a newline. T2I_NOINPUT,
 * T2I_DATA, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_info(const char *path, int json, t2i_text *out, t2i_error *err);
/* Reads the whole file and checks it (dataset_verify.c). Appends "F.h5: sound" when no check fails.
 * T2I_NOINPUT, T2I_DATA. */
T2I_CHECKED t2i_status t2i_info_verify(const char *path, t2i_text *out, t2i_error *err);

#endif
