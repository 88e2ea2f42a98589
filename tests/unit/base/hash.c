/* Digests: XXH3 and SHA-256, whole or in pieces. */
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

static void sha256_is(const char *text, size_t piece, size_t times, const char *wanted)
{
    t2i_hash_sha256 hash;
    char hex[T2I_SHA256_HEX];
    size_t size = strlen(text);
    t2i_hash_sha256_begin(&hash);
    for (size_t n = 0; n < times; n++)
        for (size_t at = 0; at < size; at += piece)
            t2i_hash_sha256_add(&hash, text + at, size - at < piece ? size - at : piece);
    t2i_hash_sha256_end(&hash, hex);
    CU_ASSERT_STRING_EQUAL(hex, wanted);
}

/* The examples of the standard (FIPS 180), and the empty text. */
static void test_sha256(void)
{
    static const char long_one[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    sha256_is("", 1, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_is("abc", 3, 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t piece = 1; piece < sizeof long_one; piece++)
        sha256_is(long_one, piece, 1,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    sha256_is("a", 1, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"digests are XXH3's, in pieces or whole", test_hash},
        {"SHA-256 is that of the standard", test_sha256},
    };
    return t2i_test_main("hash", tests, sizeof tests / sizeof *tests);
}
