/* Random numbers: the published vectors of Philox4x32-10 (Random123, kat_vectors), permutations
 * that are permutations, and moments and frequencies within what chance allows (the numbers are
 * fixed, so these tests cannot flicker). */
#include "test.h"

#include <math.h>

#include "base/rng.h"

static void test_vectors(void)
{
    static const struct {
        uint64_t key, hi, lo;
        uint32_t out[4];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         0x0370734413198a2e,
         0x85a308d3243f6a88,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        t2i_rng_block(known[i].key, known[i].hi, known[i].lo, out);
        CU_ASSERT_EQUAL(memcmp(out, known[i].out, sizeof out), 0);
    }
    CU_ASSERT_EQUAL(t2i_rng_bits(0, 0, 0), 0xe169c58d6627e8d5u);
    CU_ASSERT_EQUAL(t2i_rng_bits(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
                    0x94fdccebd16cfe09u);
}

/* Keys, streams and numbers that differ in one bit have nothing in common. */
static void test_streams_differ(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t other = (uint64_t)1 << bit;
        int equal_bits[3] = {0};
        for (uint64_t i = 0; i < 64; i++) {
            uint64_t a = t2i_rng_bits(7, 9, i);
            uint64_t x[3] = {a ^ t2i_rng_bits(7 ^ other, 9, i), a ^ t2i_rng_bits(7, 9 ^ other, i),
                             a ^ t2i_rng_bits(7, 9, i ^ other)};
            for (int k = 0; k < 3; k++)
                for (unsigned b = 0; b < 64; b++) equal_bits[k] += (x[k] >> b & 1) == 0;
        }
        for (int k = 0; k < 3; k++)
            CU_ASSERT_TRUE(abs(equal_bits[k] - 2048) < 300); /* of 4096; sigma 32 (or 45) */
    }
}

static void test_uniform_and_normal(void)
{
    enum { COUNT = 100000 };
    double sum = 0, square = 0, normal[5] = {0};
    int low = 0, grid = 0, finite = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        double u = t2i_rng_uniform(3, 4, i), z = t2i_rng_normal(5, 6, i), power = z;
        low += u >= 0.0 && u < 1.0;
        grid += u * 16777216.0 == floor(u * 16777216.0) && (double)(float)u == u;
        finite += isfinite(z) != 0;
        sum += u;
        square += u * u;
        for (int k = 1; k < 5; k++, power *= z) normal[k] += power;
    }
    CU_ASSERT_EQUAL(low, COUNT);
    CU_ASSERT_EQUAL(grid, COUNT);
    CU_ASSERT_EQUAL(finite, COUNT);
    CU_ASSERT_DOUBLE_EQUAL(sum / COUNT, 0.5, 0.005);
    CU_ASSERT_DOUBLE_EQUAL(square / COUNT, 1.0 / 3, 0.005);
    CU_ASSERT_DOUBLE_EQUAL(normal[1] / COUNT, 0.0, 0.02);
    CU_ASSERT_DOUBLE_EQUAL(normal[2] / COUNT, 1.0, 0.03);
    CU_ASSERT_DOUBLE_EQUAL(normal[3] / COUNT, 0.0, 0.06);
    CU_ASSERT_DOUBLE_EQUAL(normal[4] / COUNT, 3.0, 0.2);
}

/* Chi-square of counts that should be alike; its mean is cells - 1. */
static double chi_square(const unsigned *count, size_t cells)
{
    double total = 0, chi = 0;
    for (size_t i = 0; i < cells; i++) total += count[i];
    for (size_t i = 0; i < cells; i++)
        chi += pow(count[i] - total / (double)cells, 2) / (total / (double)cells);
    return chi;
}

static void test_below(void)
{
    static const uint64_t sizes[] = {1,
                                     2,
                                     3,
                                     7,
                                     1000,
                                     UINT32_MAX - 1,
                                     UINT32_MAX,
                                     1ull << 32,
                                     3ull << 31,
                                     1ull << 33,
                                     (1ull << 63) - 1,
                                     UINT64_MAX};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint64_t n = sizes[k], most = 0, least = UINT64_MAX;
        for (uint64_t i = 0; i < 4000; i++) {
            uint64_t x = t2i_rng_below(1, k, i, n);
            if (x > most) most = x;
            if (x < least) least = x;
        }
        CU_ASSERT_TRUE(most < n);
        CU_ASSERT_TRUE((double)most >= 0.99 * (double)(n - 1)); /* and it uses the whole range */
        CU_ASSERT_TRUE((double)least <= 0.01 * (double)n);
    }
    unsigned ten[10] = {0}, third[3] = {0};
    for (uint64_t i = 0; i < 100000; i++) {
        ten[t2i_rng_below(2, 0, i, 10)]++;
        third[t2i_rng_below(2, 1, i, 3u << 30) >>
              30]++; /* a modulo of 32 bits would favour the first */
    }
    CU_ASSERT_TRUE(chi_square(ten, 10) < 30);
    CU_ASSERT_TRUE(chi_square(third, 3) < 15);
}

static int is_permutation(uint64_t key, uint64_t stream, uint64_t n)
{
    unsigned char seen[4096] = {0};
    for (uint64_t i = 0; i < n; i++) {
        uint64_t x = t2i_rng_permute(key, stream, n, i);
        if (x >= n || seen[x]++ != 0) return 0;
    }
    return 1;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void test_permute(void)
{
    static const uint64_t large[] = {4095, 4096};
    static const uint64_t huge[] = {(1ull << 32) + 12345, 1000000007, 1ull << 62};
    static uint64_t value[20000];
    size_t count = sizeof value / sizeof *value;
    for (uint64_t n = 1; n <= 300; n++) CU_ASSERT_TRUE(is_permutation(1, n % 3, n));
    for (size_t k = 0; k < 2; k++) CU_ASSERT_TRUE(is_permutation(UINT64_MAX, 1ull << 44, large[k]));
    for (size_t k = 0; k < sizeof huge / sizeof *huge; k++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            value[i] = t2i_rng_permute(2, 3, huge[k], i % 2 == 0 ? i : huge[k] - i);
            sum += (double)value[i] / (double)huge[k];
        }
        qsort(value, count, sizeof *value, ascending);
        size_t distinct = 1;
        for (size_t i = 1; i < count; i++) distinct += value[i] != value[i - 1];
        CU_ASSERT_EQUAL(distinct, count);
        CU_ASSERT_TRUE(value[count - 1] < huge[k]);
        CU_ASSERT_DOUBLE_EQUAL(sum / (double)count, 0.5, 0.01);
    }
}

/* All orders come about equally often, and neither neighbours nor streams show a pattern. */
static void test_permutations_are_random(void)
{
    unsigned order[6] = {0}, place[100] = {0};
    for (uint64_t stream = 0; stream < 6000; stream++) {
        uint64_t a = t2i_rng_permute(1, stream, 3, 0), b = t2i_rng_permute(1, stream, 3, 1);
        order[a * 2 + (b > a ? b - 1 : b)]++;
        place[t2i_rng_permute(1, stream, 100, 17)]++;
    }
    CU_ASSERT_TRUE(chi_square(order, 6) < 21);
    CU_ASSERT_TRUE(chi_square(place, 100) < 160);
    int same_stream = 0, same_key = 0, steps = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t x = t2i_rng_permute(1, 1, 1000, i);
        same_stream += x == t2i_rng_permute(1, 2, 1000, i);
        same_key += x == t2i_rng_permute(2, 1, 1000, i);
        steps += t2i_rng_permute(1, 1, 1000, (i + 1) % 1000) == (x + 1) % 1000;
    }
    CU_ASSERT_TRUE(same_stream < 10); /* about one is expected */
    CU_ASSERT_TRUE(same_key < 10);
    CU_ASSERT_TRUE(steps < 10);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"Philox4x32-10 gives Random123's published numbers", test_vectors},
        {"keys, streams and numbers one bit apart are unrelated", test_streams_differ},
        {"uniform has 24 bits in [0, 1), normal its moments", test_uniform_and_normal},
        {"below is in range and even", test_below},
        {"permute is a permutation, for any n", test_permute},
        {"permutations are spread evenly", test_permutations_are_random},
    };
    return t2i_test_main("rng", tests, sizeof tests / sizeof *tests);
}
