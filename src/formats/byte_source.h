/* byte_source.h - bytes at an offset, of an open file or of memory.
 *
 * Why: a reader that asks for a range at a time need not hold a file of many gigabytes, and the
 * same reader works on bytes in memory, for tests.
 */
#ifndef T2I_BYTE_SOURCE_H
#define T2I_BYTE_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct {
    char *name;                 /* owned; stands in messages */
    const unsigned char *bytes; /* borrowed memory, or NULL */
    int fd;                     /* of a file; -1 for memory */
    uint64_t size;
} t2i_byte_source;

/* A regular file: T2I_NOINPUT when it cannot be opened. On failure *out is empty, so that
 * t2i_byte_source_close is always legal. */
T2I_CHECKED t2i_status t2i_byte_source_open(t2i_byte_source *out, const char *path, t2i_error *err);
/* Memory, borrowed until close. */
T2I_CHECKED t2i_status t2i_byte_source_memory(t2i_byte_source *out, const void *bytes, size_t size,
                                              const char *name, t2i_error *err);
void t2i_byte_source_close(t2i_byte_source *source);

/* Exactly size bytes from offset. T2I_DATA when the source has fewer, T2I_IO. */
T2I_CHECKED t2i_status t2i_byte_source_read(const t2i_byte_source *source, uint64_t offset,
                                            void *out, size_t size, t2i_error *err);

#endif
