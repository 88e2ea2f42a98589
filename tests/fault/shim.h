/* shim.h - the log of file operations that shim.c writes and powerloss.c reads.
 *
 * A log is records end to end: a t2i_shim_record, then the bytes of path, other and data. Only what
 * succeeded is there, in the order in which it happened.
 */
#ifndef T2I_SHIM_H
#define T2I_SHIM_H

#include <stdint.h>

enum {
    SHIM_BEGIN,    /* another process: its descriptors are its own */
    SHIM_OPEN,     /* fd, path; offset: the flags */
    SHIM_CLOSE,    /* fd */
    SHIM_WRITE,    /* fd, offset, data */
    SHIM_TRUNCATE, /* fd; offset: the new size */
    SHIM_FSYNC,    /* fd */
    SHIM_RENAME,   /* path -> other */
    SHIM_UNLINK,   /* path */
    SHIM_MKDIR     /* path */
};

typedef struct {
    int32_t kind, fd;
    uint32_t path, other; /* bytes */
    uint64_t offset, data;
} t2i_shim_record;

#endif
