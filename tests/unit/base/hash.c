/* Digests: XXH3, whole or in pieces. */
#include "test.h"

#include "base/hash.h"

static t2i_error err;

/* The empty input's digests are xxHash's own (XXH3 with seed 0). */
static void test_hash(void)
{
    char hex[T2I_HEX], pieces[T2I_HEX];
    t2i_hash_hex("", 0, hex);
    CU_ASSERT_STRING_EQUAL(hex, "99aa06d3014798d86001c324468d497f");
    CU_ASSERT_EQUAL(t2i_hash_64("", 0), 0x2d06800538d394c2u);
    unsigned char bytes[3000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7 + i / 256);
    t2i_hash_hex(bytes, sizeof bytes, hex);
    CU_ASSERT_EQUAL(strspn(hex, "0123456789abcdef"), T2I_HEX - 1);
    static const size_t cut[] = {1, 7, 64, 255, 256, 257, 1024, 2999, 3000};
    for (size_t k = 0; k < sizeof cut / sizeof *cut; k++) {
        t2i_hash *hash = NULL;
        OK(t2i_hash_new(&hash, &err));
        t2i_hash_add(hash, NULL, 0);
        for (size_t at = 0; at < sizeof bytes; at += cut[k])
            t2i_hash_add(hash, bytes + at, sizeof bytes - at < cut[k] ? sizeof bytes - at : cut[k]);
        t2i_hash_end(hash, pieces);
        CU_ASSERT_STRING_EQUAL(pieces, hex);
        t2i_hash_end(hash, pieces); /* it can be asked again */
        CU_ASSERT_STRING_EQUAL(pieces, hex);
        t2i_hash_free(hash);
    }
    bytes[1234] ^= 1;
    t2i_hash_hex(bytes, sizeof bytes, pieces);
    CU_ASSERT_STRING_NOT_EQUAL(pieces, hex);
    uint8_t binary[T2I_HASH_BYTES];
    t2i_hash_128(bytes, sizeof bytes, binary);
    for (size_t i = 0; i < sizeof binary; i++) snprintf(hex + 2 * i, 3, "%02x", binary[i]);
    CU_ASSERT_STRING_EQUAL(pieces, hex);
    t2i_hash_free(NULL);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"digests are XXH3's, in pieces or whole", test_hash},
    };
    return t2i_test_main("hash", tests, sizeof tests / sizeof *tests);
}
