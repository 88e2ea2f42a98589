/* Fields byte for byte; the examples are those of the encoding's documentation. */
#include "test.h"

#include "protobuf/protobuf.h"

static t2i_error err;

#define IS(text, bytes)                                                                            \
    do {                                                                                           \
        CU_ASSERT_EQUAL((text).size, sizeof bytes - 1);                                            \
        CU_ASSERT((text).size == sizeof bytes - 1 &&                                               \
                  memcmp((text).data, bytes, sizeof bytes - 1) == 0);                              \
        t2i_text_free(&(text));                                                                    \
    } while (0)

static void test_fields(void)
{
    t2i_text out = {0};
    OK(t2i_protobuf_integer(&out, 1, 150, &err));
    IS(out, "\x08\x96\x01");
    OK(t2i_protobuf_integer(&out, 20, 0, &err));
    IS(out, "\xa0\x01\0");
    OK(t2i_protobuf_integer(&out, 3, (uint64_t)-2, &err));
    IS(out, "\x18\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    OK(t2i_protobuf_bytes(&out, 2, "testing", 7, &err));
    IS(out, "\x12\x07testing");
    OK(t2i_protobuf_bytes(&out, 2, "", 0, &err));
    IS(out, "\x12\0");
    OK(t2i_protobuf_begin(&out, 9, (uint64_t)1 << 31, &err));
    IS(out, "\x4a\x80\x80\x80\x80\x08");
    OK(t2i_protobuf_fixed(&out, 2, 0x3f800000, 4, &err));
    IS(out, "\x15\0\0\x80\x3f");
    OK(t2i_protobuf_fixed(&out, 1, 0x0102030405060708, 8, &err));
    IS(out, "\x09\x08\x07\x06\x05\x04\x03\x02\x01");
}

int main(void)
{
    static const t2i_test tests[] = {{"fields", test_fields}};
    return t2i_test_main("protobuf", tests, sizeof tests / sizeof *tests);
}
