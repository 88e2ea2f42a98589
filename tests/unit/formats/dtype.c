/* Number types of tensor files. */
#include "test.h"

#include <math.h>
#include <stdint.h>

#include "formats/dtype.h"

static void test_sizes(void)
{
    static const struct {
        const char *name;
        size_t size;
        int is_float;
    } known[] = {{"F64", 8, 1}, {"F32", 4, 1}, {"F16", 2, 1}, {"BF16", 2, 1}, {"I64", 8, 0},
                 {"I32", 4, 0}, {"I16", 2, 0}, {"I8", 1, 0},  {"U8", 1, 0},   {"BOOL", 1, 0},
                 {"F33", 0, 0}, {"f32", 0, 0}, {"", 0, 0}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        CU_ASSERT_EQUAL(t2i_dtype_size(known[i].name), known[i].size);
        CU_ASSERT_EQUAL(t2i_dtype_is_float(known[i].name) != 0, known[i].is_float);
    }
}

static void test_floats(void)
{
    /* one byte first: no alignment */
    static const unsigned char f16[] = {0,    0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff,
                                        0x7b, 0x00, 0x7c, 0x00, 0x80, 0x01, 0x7e};
    static const unsigned char bf16[] = {0, 0x80, 0x3f, 0x00, 0xc0, 0x80, 0x7f};
    float out[7];
    t2i_dtype_floats("F16", f16 + 1, 7, out);
    CU_ASSERT_TRUE(out[0] == 1.0f && out[1] == -2.0f);
    CU_ASSERT_EQUAL(out[2], ldexpf(1.0f, -24)); /* the smallest subnormal number */
    CU_ASSERT_EQUAL(out[3], 65504.0f);
    CU_ASSERT_TRUE(isinf(out[4]) && out[4] > 0);
    CU_ASSERT_TRUE(out[5] == 0.0f && signbit(out[5]));
    CU_ASSERT_TRUE(isnan(out[6]));
    t2i_dtype_floats("BF16", bf16 + 1, 3, out);
    CU_ASSERT_TRUE(out[0] == 1.0f && out[1] == -2.0f && isinf(out[2]));
    unsigned char bytes[17] = {0};
    double doubles[2] = {0.1, -3.0};
    memcpy(bytes + 1, doubles, sizeof doubles);
    t2i_dtype_floats("F64", bytes + 1, 2, out);
    CU_ASSERT_TRUE(out[0] == 0.1f && out[1] == -3.0f);
    float floats[2] = {0.1f, -3.0f};
    memcpy(bytes + 1, floats, sizeof floats);
    t2i_dtype_floats("F32", bytes + 1, 2, out);
    CU_ASSERT_TRUE(out[0] == 0.1f && out[1] == -3.0f);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"names and sizes", test_sizes},
        {"halves, bfloats, doubles and floats become floats", test_floats},
    };
    return t2i_test_main("dtype", tests, sizeof tests / sizeof *tests);
}
