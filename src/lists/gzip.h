/* gzip.h - gzip'd bytes in memory. */
#ifndef T2I_GZIP_H
#define T2I_GZIP_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

int t2i_gzip_is(const void *bytes, size_t size);

/* Appends what one or several gzip members hold. name: for messages. T2I_DATA when they are
 * damaged, cut off, followed by other bytes, or hold more than limit bytes; T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_gzip_read(const void *bytes, size_t size, size_t limit, const char *name,
                                     t2i_text *out, t2i_error *err);

#endif
