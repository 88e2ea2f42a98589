#include "protobuf/protobuf.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */

static t2i_status add_varint(t2i_text *out, uint64_t value, t2i_error *err)
{
    uint8_t bytes[10];
    size_t count = 0;
    do {
        bytes[count] = (uint8_t)(value & 127);
        value >>= 7;
        bytes[count++] |= (uint8_t)(value > 0 ? 128 : 0);
    } while (value > 0);
    return t2i_text_add(out, bytes, count, err);
}

static t2i_status add_key(t2i_text *out, unsigned field, unsigned kind, t2i_error *err)
{
    return add_varint(out, field << 3 | kind, err);
}

t2i_status t2i_protobuf_integer(t2i_text *out, unsigned field, uint64_t value, t2i_error *err)
{
    T2I_TRY(add_key(out, field, VARINT, err));
    return add_varint(out, value, err);
}

t2i_status t2i_protobuf_fixed(t2i_text *out, unsigned field, uint64_t value, size_t bytes,
                              t2i_error *err)
{
    uint8_t little[8];
    for (size_t i = 0; i < bytes; i++) little[i] = (uint8_t)(value >> 8 * i);
    T2I_TRY(add_key(out, field, bytes == 8 ? FIXED64 : FIXED32, err));
    return t2i_text_add(out, little, bytes, err);
}

t2i_status t2i_protobuf_bytes(t2i_text *out, unsigned field, const void *bytes, size_t size,
                              t2i_error *err)
{
    T2I_TRY(t2i_protobuf_begin(out, field, size, err));
    return t2i_text_add(out, bytes, size, err);
}

t2i_status t2i_protobuf_begin(t2i_text *out, unsigned field, uint64_t size, t2i_error *err)
{
    T2I_TRY(add_key(out, field, BYTES, err));
    return add_varint(out, size, err);
}
