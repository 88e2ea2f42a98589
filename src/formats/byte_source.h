/* byte_source.h - random access to the bytes of an open file or of memory.
 *
 * Why: a reader of ranges need not hold a file of many gigabytes in memory, and tests can use the
 * same reader on bytes in memory.
 */
#ifndef T2I_BYTE_SOURCE_H
#define T2I_BYTE_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct {
    char *name;                 /* owned; for messages */
    const unsigned char *bytes; /* borrowed memory, or NULL */
    int fd;                     /* of a file; -1 for memory */
    uint64_t size;
} t2i_byte_source;

/* Opens a regular file. T2I_NOINPUT if it cannot be opened. *out is empty on failure, so that
 * t2i_byte_source_close is always legal. */
T2I_CHECKED t2i_status t2i_byte_source_open(t2i_byte_source *out, const char *path, t2i_error *err);
/* Memory, borrowed until close. */
T2I_CHECKED t2i_status t2i_byte_source_memory(t2i_byte_source *out, const void *bytes, size_t size,
                                              const char *name, t2i_error *err);
void t2i_byte_source_close(t2i_byte_source *source);

/* Reads exactly size bytes from offset. T2I_DATA if the source has fewer; T2I_IO. */
T2I_CHECKED t2i_status t2i_byte_source_read(const t2i_byte_source *source, uint64_t offset,
                                            void *out, size_t size, t2i_error *err);

#endif
