/* info.h - what a dataset file holds, in numbers. */
#ifndef T2I_INFO_H
#define T2I_INFO_H

#include "base/error.h"
#include "base/text.h"

/* Appends a table for people, or a JSON object, with a newline at its end. T2I_NOINPUT, T2I_DATA.
 */
T2I_CHECKED t2i_status t2i_info(const char *path, int json, t2i_text *out, t2i_error *err);
/* Reads every byte of it; appends "F.h5: sound" when all is well. T2I_NOINPUT, T2I_DATA. */
T2I_CHECKED t2i_status t2i_verify(const char *path, t2i_text *out, t2i_error *err);

#endif
