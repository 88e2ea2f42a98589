/* protobuf.h - writes fields in the wire format of Protocol Buffers, for TensorBoard and ONNX. */
#ifndef T2I_PROTOBUF_H
#define T2I_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* Appends an integer field (varint). Negative numbers are passed as their two's complement. */
T2I_CHECKED t2i_status t2i_protobuf_integer(t2i_text *out, unsigned field, uint64_t value,
                                            t2i_error *err);
/* Appends a little-endian field of 4 or 8 bytes. */
T2I_CHECKED t2i_status t2i_protobuf_fixed(t2i_text *out, unsigned field, uint64_t value,
                                          size_t bytes, t2i_error *err);
/* Appends a string, bytes or a message. */
T2I_CHECKED t2i_status t2i_protobuf_bytes(t2i_text *out, unsigned field, const void *bytes,
                                          size_t size, t2i_error *err);
/* Appends the begin of such a field. Its `size` bytes are written by the caller. */
T2I_CHECKED t2i_status t2i_protobuf_begin(t2i_text *out, unsigned field, uint64_t size,
                                          t2i_error *err);

#endif
