#include "formats/dtype.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files are little-endian, as we are");

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {{"F32", 4}, {"F64", 8},  {"F16", 2},     {"BF16", 2},    {"I64", 8},    {"I32", 4},
              {"I16", 2}, {"I8", 1},   {"U64", 8},     {"U32", 4},     {"U16", 2},    {"U8", 1},
              {"C64", 8}, {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}};

size_t t2i_dtype_size(const char *dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, dtype) == 0) return dtypes[i].size;
    return 0;
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
