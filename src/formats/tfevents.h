/* tfevents.h - event files that TensorBoard shows: records of protobuf messages, written by us.
 *
 * A record is its length (u64), the masked CRC32C of these 8 bytes, the message, and the masked
 * CRC32C of that, all little-endian (tensorflow/core/lib/io/record_writer.h). The message is an
 * Event (event.proto): wall_time = 1, step = 2, and one of file_version = 3, summary = 5,
 * session_log = 7.
 *
 * Nothing that was written is ever changed, as a TensorBoard may be reading it: each session has a
 * file of its own, whose name sorts behind all others. It begins with a session_log START at the
 * first step to come, upon which readers drop what older files say of that step and later ones.
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

/* A new file in the folder, which is made when it is not there; step: the first to come. Closed on
 * failure: T2I_CANTCREATE, T2I_IO. */
T2I_CHECKED t2i_status t2i_tfevents_open(t2i_tfevents *out, const char *folder, long step,
                                         t2i_error *err);
void t2i_tfevents_close(t2i_tfevents *events); /* legal when closed or zeroed */

typedef struct {
    const char *tag;
    double value; /* written as a float; one that is not finite is left out */
} t2i_scalar;
/* One event with these. A whole record or nothing. */
T2I_CHECKED t2i_status t2i_tfevents_scalars(const t2i_tfevents *events, long step,
                                            const t2i_scalar *scalar, size_t count, t2i_error *err);
/* A PNG of that size. */
T2I_CHECKED t2i_status t2i_tfevents_picture(const t2i_tfevents *events, long step, const char *tag,
                                            const t2i_text *png, size_t width, size_t height,
                                            t2i_error *err);

/* Of `size` bytes: reflected polynomial 0x82f63b78 (Castagnoli), not masked. */
uint32_t t2i_tfevents_crc32c(const void *bytes, size_t size);
/* Appends a message as a record. */
T2I_CHECKED t2i_status t2i_tfevents_frame(t2i_text *out, const void *message, size_t size,
                                          t2i_error *err);

#endif
