/* NumPy's .npy: versions, orders, types, and what is refused. */
#include "test.h"

#include <math.h>
#include <stdint.h>

#include "formats/npy.h"

/* A file: version, header and data. */
static size_t make(unsigned char *out, int version, const char *header, const void *data,
                   size_t size)
{
    size_t length = strlen(header), begin = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)version;
    out[7] = 0;
    for (size_t i = 8; i < begin; i++) out[i] = (unsigned char)(length >> 8 * (i - 8));
    memcpy(out + begin, header, length);
    if (size > 0) memcpy(out + begin + length, data, size);
    return begin + length + size;
}

static unsigned char file[4096];
static t2i_error err;
static t2i_npy npy;
static t2i_byte_source source;

static t2i_status open_bytes(size_t size)
{
    OK(t2i_byte_source_memory(&source, file, size, "a.npy", &err));
    return t2i_npy_open(&npy, &source, &err);
}

/* Reads rows one by one, and all at once; both must be 0, 1, 2, ... */
static void counts(const char *header, int version, const void *data, size_t size, uint64_t rows,
                   uint64_t width)
{
    float out[64] = {0};
    OK(open_bytes(make(file, version, header, data, size)));
    CU_ASSERT_EQUAL(npy.rows, rows);
    CU_ASSERT_EQUAL(npy.width, width);
    CU_ASSERT_EQUAL(npy.extra, 0);
    OK(t2i_npy_rows(&npy, &source, 0, rows, out, &err));
    for (uint64_t i = 0; i < rows * width; i++) CU_ASSERT_EQUAL(out[i], (float)i);
    for (uint64_t r = 0; r < rows; r++) {
        OK(t2i_npy_rows(&npy, &source, r, 1, out, &err));
        for (uint64_t i = 0; i < width; i++) CU_ASSERT_EQUAL(out[i], (float)(r * width + i));
    }
    t2i_byte_source_close(&source);
}

static const float six[] = {0, 1, 2, 3, 4, 5};

static void test_versions(void)
{
    static const char header[] =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }    \n";
    for (int version = 1; version <= 3; version++) counts(header, version, six, sizeof six, 2, 3);
    /* as other programs write it: other blanks, order and quotes, without the last comma */
    counts("{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}", 1, six, sizeof six, 2, 3);
    counts("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L)}", 1, six, sizeof six, 2, 3);
}

static void test_shapes(void)
{
    static const float fortran[] = {0, 3, 1, 4, 2, 5};
    /* (2, 3, 2): 0..11 in Fortran's order */
    float deep[12];
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 2; k++) deep[i + 2 * (j + 3 * k)] = (float)(i * 6 + j * 2 + k);
    counts("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 1, fortran, 24, 2, 3);
    counts("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3, 2), }", 1, deep, 48, 2, 6);
    counts("{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }", 1, six, 24, 6, 1);
    counts("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 1), }", 1, six, 24, 2, 3);
    counts("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 1, six, 4, 1, 1);
    counts("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", 1, six, 0, 0, 3);
    counts("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 0), }", 1, six, 0, 3, 0);
}

static void test_types(void)
{
    static const double doubles[] = {0, 1, 2, 3};
    static const uint16_t halves[] = {0, 0x3c00, 0x4000, 0x4200};
    static const uint16_t bfloats[] = {0, 0x3f80, 0x4000, 0x4040};
    static const unsigned char big4[] = {0, 0, 0, 0, 0x3f, 0x80, 0, 0, 0x40, 0, 0, 0},
                               big2[] = {0, 0, 0x3c, 0, 0x40, 0};
    counts("{'descr': '<f8', 'fortran_order': False, 'shape': (4,)}", 1, doubles, 32, 4, 1);
    counts("{'descr': '<f2', 'fortran_order': False, 'shape': (4,)}", 1, halves, 8, 4, 1);
    counts("{'descr': '<V2', 'fortran_order': False, 'shape': (4,)}", 1, bfloats, 8, 4, 1);
    counts("{'descr': 'bfloat16', 'fortran_order': False, 'shape': (4,)}", 1, bfloats, 8, 4, 1);
    counts("{'descr': '>f4', 'fortran_order': False, 'shape': (3,)}", 1, big4, 12, 3, 1);
    counts("{'descr': '>f4', 'fortran_order': True, 'shape': (1, 3)}", 1, big4, 12, 1, 3);
    counts("{'descr': '>f2', 'fortran_order': False, 'shape': (3, 1)}", 1, big2, 6, 3, 1);
}

static void refuse(const char *header, size_t size, const char *part)
{
    static const unsigned char data[200];
    FAILS(open_bytes(make(file, 1, header, data, size)), T2I_DATA, part);
    t2i_byte_source_close(&source);
}

#define HEAD(descr, shape) "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }"

static void test_refusals(void)
{
    refuse(HEAD("|O", "(2,)"), 16, "a.npy holds Python objects, which are never read");
    refuse(HEAD("<i8", "(2,)"), 16, "a.npy holds integers (<i8)");
    refuse(HEAD("|u1", "(2,)"), 2, "holds integers (|u1); float16");
    refuse(HEAD("|b1", "(2,)"), 2, "holds truth values");
    refuse(HEAD("<c8", "(2,)"), 16, "holds complex numbers");
    refuse(HEAD("<f16", "(2,)"), 32, "a type that depends on the machine");
    refuse(HEAD("<U5", "(2,)"), 40, "holds text");
    refuse(HEAD("<V4", "(2,)"), 8, "is not an array of floating-point numbers (<V4)");
    refuse("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8,
           "is an array of records");
    refuse(HEAD("<f4", "(2, 3)"), 23, "its data is shorter than its shape says");
    refuse(HEAD("<f4", "(2)"), 8, "its shape is not a tuple");
    refuse(HEAD("<f4", "(-2,)"), 8, "its shape is not a tuple");
    refuse(HEAD("<f4", "(2, 3"), 24, "its shape is not a tuple");
    refuse(HEAD("<f4", "(99999999999999999999,)"), 8, "its shape is not a tuple");
    refuse(HEAD("<f4", "(4294967296, 4294967296)"), 8, "its shape is too large");
    refuse(HEAD("<f8", "(9223372036854775807,)"), 8, "its shape is too large");
    refuse("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", 8, "its header is not");
    refuse("{'descr': '<f4', 'shape': (2,)}", 8, "its header is not");
    refuse("{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", 8, "its header is not");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", 8,
           "its header is not");
    refuse("{'descr': '<f4", 8, "its header is not");
    refuse("", 8, "its header is not");
    size_t size = make(file, 1, HEAD("<f4", "(2,)"), six, 8);
    for (size_t cut = 0; cut < size; cut++) {
        CU_ASSERT_EQUAL(open_bytes(cut), T2I_DATA);
        t2i_byte_source_close(&source);
    }
    make(file, 4, HEAD("<f4", "(2,)"), six, 8);
    FAILS(open_bytes(200), T2I_DATA, "version 4.0");
    t2i_byte_source_close(&source);
    make(file, 2, HEAD("<f4", "(2,)"), six, 8);
    file[10] = 2;
    FAILS(open_bytes(200), T2I_DATA, "its header is over 64 KiB");
    t2i_byte_source_close(&source);
    memcpy(file, "\x89PNG\r\n\x1a\n....", 12);
    FAILS(open_bytes(12), T2I_DATA, "a.npy is a PNG picture, not a .npy file");
    t2i_byte_source_close(&source);
}

static void test_extra_bytes(void)
{
    OK(open_bytes(make(file, 1, HEAD("<f4", "(2,)"), six, 20)));
    CU_ASSERT_EQUAL(npy.extra, 12);
    t2i_byte_source_close(&source);
}

/* What is written is read again; the header is that of numpy.save. */
static void test_header(void)
{
    float value[2];
    t2i_npy_header((char *)file, 3, 2);
    CU_ASSERT(memcmp(file,
                     "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': "
                     "(3, 2), }",
                     10 + 59) == 0);
    for (size_t i = 0; i < 6; i++) {
        float number = (float)i / 4;
        memcpy(file + T2I_NPY_HEADER + i * 4, &number, 4);
    }
    OK(open_bytes(T2I_NPY_HEADER + 24));
    CU_ASSERT(npy.rows == 3 && npy.width == 2 && npy.extra == 0);
    OK(t2i_npy_rows(&npy, &source, 1, 1, value, &err));
    CU_ASSERT(value[0] == 0.5f && value[1] == 0.75f);
    t2i_byte_source_close(&source);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"versions and ways to write the header", test_versions},
        {"shapes and orders", test_shapes},
        {"types and byte orders", test_types},
        {"what is refused", test_refusals},
        {"bytes after the array", test_extra_bytes},
        {"the header that is written", test_header},
    };
    return t2i_test_main("npy", tests, sizeof tests / sizeof *tests);
}
