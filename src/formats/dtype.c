#include "formats/dtype.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files are little-endian, as we are");

/* The types of safetensors 0.8; C128 is of PyTorch alone. */
static const struct {
    const char *name;
    size_t bits;
} dtypes[] = {{"F32", 32},        {"F64", 64},        {"F16", 16},    {"BF16", 16},
              {"I64", 64},        {"I32", 32},        {"I16", 16},    {"I8", 8},
              {"U64", 64},        {"U32", 32},        {"U16", 16},    {"U8", 8},
              {"C64", 64},        {"BOOL", 8},        {"F8_E4M3", 8}, {"F8_E5M2", 8},
              {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6},
              {"F6_E3M2", 6},     {"C128", 128},      {"F4", 4}};

size_t t2i_dtype_bits(const char *dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, dtype) == 0) return dtypes[i].bits;
    return 0;
}

const char *t2i_dtype_name(const char *dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, dtype) == 0) return dtypes[i].name;
    return NULL;
}

size_t t2i_dtype_size(const char *dtype)
{
    size_t bits = t2i_dtype_bits(dtype);
    return bits % 8 == 0 ? bits / 8 : 0;
}

int t2i_dtype_is_float(const char *dtype)
{
    return strcmp(dtype, "F32") == 0 || strcmp(dtype, "F64") == 0 || strcmp(dtype, "F16") == 0 ||
           strcmp(dtype, "BF16") == 0;
}

static float from_half(uint16_t half)
{
    int exponent = half >> 10 & 31;
    float fraction = (float)(half & 1023);
    float size = exponent == 0   ? ldexpf(fraction, -24)
                 : exponent < 31 ? ldexpf(1024 + fraction, exponent - 25)
                 : fraction == 0 ? INFINITY
                                 : NAN;
    return half & 0x8000 ? -size : size;
}

static float from_bfloat(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void t2i_dtype_floats(const char *dtype, const void *bytes, size_t count, float *out)
{
    const unsigned char *at = bytes;
    T2I_ASSERT(t2i_dtype_is_float(dtype));
    if (strcmp(dtype, "F32") == 0) {
        if (count > 0) memcpy(out, at, count * sizeof *out);
    } else if (strcmp(dtype, "F64") == 0) {
        for (size_t i = 0; i < count; i++) {
            double value;
            memcpy(&value, at + i * sizeof value, sizeof value);
            out[i] = (float)value;
        }
    } else {
        int half = strcmp(dtype, "F16") == 0;
        for (size_t i = 0; i < count; i++) {
            uint16_t value;
            memcpy(&value, at + i * sizeof value, sizeof value);
            out[i] = half ? from_half(value) : from_bfloat(value);
        }
    }
}
