/* gzip: members one after another, and what is damaged. */
#include "lists/gzip.h"

#include <string.h>

#include "test.h"

/* gzip -n of "a cat\n" */
#define MEMBER                                                                                     \
    "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x54\x48\x4e\x2c\xe1\x02\0\x4e\xfe\xab\x78\x06\0\0\0"

static t2i_error err;

static t2i_status read_bytes(const char *bytes, size_t size, size_t limit, t2i_text *out)
{
    out->size = 0;
    return t2i_gzip_read(bytes, size, limit, "x.gz", out, &err);
}

static void members(void)
{
    t2i_text out = {0};
    const size_t size = sizeof MEMBER - 1;
    CU_ASSERT(t2i_gzip_is(MEMBER, size) && !t2i_gzip_is("a cat", 5));
    OK(read_bytes(MEMBER, size, 6, &out));
    CU_ASSERT_STRING_EQUAL(out.data, "a cat\n");
    OK(read_bytes(MEMBER MEMBER "\0\0", 2 * size + 2, 12, &out));
    CU_ASSERT_STRING_EQUAL(out.data, "a cat\na cat\n");
    FAILS(read_bytes(MEMBER, size, 5, &out), T2I_DATA, "holds more than");
    for (size_t cut = 3; cut < size; cut++)
        FAILS(read_bytes(MEMBER, cut, 99, &out), T2I_DATA, "is cut off");
    FAILS(read_bytes(MEMBER "x", size + 1, 99, &out), T2I_DATA, "other bytes follow");
    char damaged[] = MEMBER;
    damaged[12] ^= 1;
    FAILS(read_bytes(damaged, size, 99, &out), T2I_DATA, "is damaged");
    t2i_text_free(&out);
}

int main(void)
{
    static const t2i_test tests[] = {{"members", members}};
    return t2i_test_main("gzip", tests, sizeof tests / sizeof *tests);
}
