/* exif.c - orientations of good, odd and damaged EXIF data. */
#include "image/exif.h"

#include "test.h"

/* One directory with one entry; both byte orders. */
static void make(uint8_t out[26], int big, unsigned tag, unsigned type, unsigned count,
                 unsigned value)
{
    const struct {
        size_t at;
        int bytes;
        unsigned value;
    } fields[] = {{2, 2, 42},
                  {4, 4, 8},
                  {8, 2, 1},
                  {10, 2, tag},
                  {12, 2, type},
                  {14, 4, count},
                  {18, type == 4 ? 4 : 2, value},
                  {22, 4, 0}};
    memset(out, 0, 26);
    memcpy(out, big ? "MM" : "II", 2);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (int k = 0; k < fields[i].bytes; k++) {
            int shift = 8 * (big ? fields[i].bytes - 1 - k : k);
            out[fields[i].at + (size_t)k] = (uint8_t)(fields[i].value >> shift);
        }
}

static void values(void)
{
    uint8_t data[26], marked[32] = "Exif\0";
    for (int big = 0; big < 2; big++)
        for (unsigned o = 0; o <= 9; o++) {
            unsigned right = o >= 1 && o <= 8 ? o : 1;
            make(data, big, T2I_EXIF_ORIENTATION, 3, 1, o);
            CU_ASSERT_EQUAL(t2i_exif_orientation(data, sizeof data), right);
            memcpy(marked + 6, data, sizeof data);
            CU_ASSERT_EQUAL(t2i_exif_orientation(marked, sizeof marked), right);
        }
    make(data, 1, T2I_EXIF_ORIENTATION, 4, 1, 6); /* a LONG */
    CU_ASSERT_EQUAL(t2i_exif_orientation(data, sizeof data), 6);
    make(data, 0, T2I_EXIF_ORIENTATION, 2, 1, 6); /* a text */
    CU_ASSERT_EQUAL(t2i_exif_orientation(data, sizeof data), 1);
    make(data, 0, T2I_EXIF_ORIENTATION, 3, 3, 6); /* an offset in place of the values */
    CU_ASSERT_EQUAL(t2i_exif_orientation(data, sizeof data), 1);
    make(data, 0, T2I_EXIF_COMPRESSION, 3, 1, 5);
    CU_ASSERT_EQUAL(t2i_exif_orientation(data, sizeof data), 1);
    CU_ASSERT_EQUAL(t2i_exif_value(data, sizeof data, T2I_EXIF_COMPRESSION, 1), 5);
    CU_ASSERT_EQUAL(t2i_exif_value(data, sizeof data, T2I_EXIF_ORIENTATION, 77), 77);
}

/* Copies of just that size, so that the sanitizer sees a read beyond them. */
static void damage(void)
{
    uint8_t data[26];
    make(data, 0, T2I_EXIF_ORIENTATION, 3, 1, 6);
    for (size_t size = 0; size < sizeof data; size++) {
        uint8_t *part = t2i_alloc(size, 1);
        if (size > 0) memcpy(part, data, size);
        CU_ASSERT_EQUAL(t2i_exif_orientation(part, size), size < 22 ? 1 : 6);
        t2i_free(part);
    }
    for (size_t bit = 0; bit < sizeof data * 8; bit++) {
        data[bit / 8] = (uint8_t)(data[bit / 8] ^ 1 << bit % 8);
        unsigned o = t2i_exif_orientation(data, sizeof data);
        CU_ASSERT(o >= 1 && o <= 8);
        data[bit / 8] = (uint8_t)(data[bit / 8] ^ 1 << bit % 8);
    }
    memset(data + 4, 255, 4); /* the directory far beyond the end */
    CU_ASSERT_EQUAL(t2i_exif_orientation(data, sizeof data), 1);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"orientations in both byte orders, of odd types", values},
        {"cut and damaged data", damage},
    };
    return t2i_test_main("exif", tests, sizeof tests / sizeof *tests);
}
