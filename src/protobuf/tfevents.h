/* tfevents.h - writes event files for TensorBoard: records of protobuf messages.
 *
 * A record is its length (u64), the masked CRC32C of these 8 bytes, the message, and the masked
 * CRC32C of that, all little-endian (tensorflow/core/lib/io/record_writer.h). The message is an
 * Event (event.proto): wall_time = 1, step = 2, and one of file_version = 3, summary = 5,
 * session_log = 7.
 *
 * A file is never changed, as TensorBoard may be reading it: each session has a file of its own,
 * whose name sorts after all others. It begins with a session_log START at its first step. Readers
 * then drop what older files contain for that step and later ones, including what a process that
 * was taken for dead still appends to its own file.
 */
#ifndef T2I_TFEVENTS_H
#define T2I_TFEVENTS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

typedef struct {
    int fd;     /* -1: closed */
    char *path; /* owned */
} t2i_tfevents;

/* Creates a file in the folder, and the folder if it does not exist. step: the first step of the
 * session. T2I_CANTCREATE, T2I_IO; *out is closed on failure. */
T2I_CHECKED t2i_status t2i_tfevents_open(t2i_tfevents *out, const char *folder, long step,
                                         t2i_error *err);
void t2i_tfevents_close(t2i_tfevents *events); /* legal when closed or zeroed */

typedef struct {
    const char *tag;
    double value; /* written as a float; omitted if not finite */
} t2i_scalar;
/* Writes one event with these values, completely or not at all. */
T2I_CHECKED t2i_status t2i_tfevents_scalars(const t2i_tfevents *events, long step,
                                            const t2i_scalar *scalar, size_t count, t2i_error *err);
/* Writes a PNG of that size. */
T2I_CHECKED t2i_status t2i_tfevents_picture(const t2i_tfevents *events, long step, const char *tag,
                                            const t2i_text *png, size_t width, size_t height,
                                            t2i_error *err);

/* CRC32C: reflected polynomial 0x82f63b78 (Castagnoli), not masked. */
uint32_t t2i_tfevents_crc32c(const void *bytes, size_t size);
/* Appends a message as a record. */
T2I_CHECKED t2i_status t2i_tfevents_frame(t2i_text *out, const void *message, size_t size,
                                          t2i_error *err);

#endif
