/* elementary: within a unit in the last place of the C library's long double, the corners, and the
 * same bits on every machine. */
#include "test.h"

#include <math.h>

#include "base/portable_math.h"
#include "base/hash.h"
#include "base/rng.h"

/* In (0, 1). */
static double some(uint64_t stream, uint64_t i)
{
    return ((double)(t2i_rng_bits(31, stream, i) >> 11) + 0.5) / 9007199254740992.0;
}

/* How far got is from what is right, in units of its last place (half of one is the best a double
 * can do). */
static double off(double got, long double right)
{
    int exponent;
    frexp((double)right, &exponent);
    double units = (double)fabsl(((long double)got - right) / ldexpl(1, exponent - 53));
    return isfinite(units) ? units : INFINITY;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static void test_exp(void)
{
    double worst = 0;
    for (uint64_t i = 0; i < 50000; i++) {
        const double x[] = {700 * (2 * some(1, i) - 1), 2 * some(2, i) - 1, -20 * some(3, i)};
        for (size_t k = 0; k < 3; k++) worst = larger(worst, off(t2i_exp64(x[k]), expl(x[k])));
    }
    CU_ASSERT_TRUE(worst < 1.0);
    CU_ASSERT_EQUAL(t2i_exp64(0), 1);
    CU_ASSERT_EQUAL(t2i_exp64(-0.0), 1);
    CU_ASSERT_EQUAL(t2i_exp64(709.9), INFINITY);
    CU_ASSERT_EQUAL(t2i_exp64(INFINITY), INFINITY);
    CU_ASSERT_EQUAL(t2i_exp64(-746), 0);
    CU_ASSERT_EQUAL(t2i_exp64(-INFINITY), 0);
    CU_ASSERT_DOUBLE_EQUAL(t2i_exp64(-740), exp(-740), 1e-323);
    CU_ASSERT_TRUE(isnan(t2i_exp64(NAN)));
}

static void test_log(void)
{
    double worst = 0;
    for (uint64_t i = 0; i < 50000; i++) {
        const double x[] = {ldexp(some(1, i), (int)(i % 2000) - 990), 4 * some(2, i),
                            1 + 1e-3 * (some(3, i) - 0.5)};
        for (size_t k = 0; k < 3; k++) worst = larger(worst, off(t2i_log64(x[k]), logl(x[k])));
    }
    CU_ASSERT_TRUE(worst < 1.0);
    CU_ASSERT_EQUAL(t2i_log64(1), 0);
    CU_ASSERT_EQUAL(t2i_log64(0), -INFINITY);
    CU_ASSERT_EQUAL(t2i_log64(INFINITY), INFINITY);
    CU_ASSERT_DOUBLE_EQUAL(t2i_log64(5e-324), log(5e-324), 1e-12);
    CU_ASSERT_TRUE(isnan(t2i_log64(-1)) && isnan(t2i_log64(-INFINITY)) && isnan(t2i_log64(NAN)));
}

/* Also beside multiples of pi / 2, where all that is left is in the last bits. */
static void test_angles(void)
{
    double worst = 0;
    for (uint64_t i = 0; i < 50000; i++) {
        double beside = (double)(i % 41720) * 1.5707963267948966;
        const double x[] = {T2I_ANGLE_MOST * (2 * some(1, i) - 1), 4 * (2 * some(2, i) - 1),
                            (double)(float)(65535 * some(3, i)), beside, nextafter(beside, -1)};
        for (size_t k = 0; k < 5; k++) {
            worst = larger(worst, off(t2i_sin64(x[k]), sinl(x[k])));
            worst = larger(worst, off(t2i_cos64(x[k]), cosl(x[k])));
            CU_ASSERT_EQUAL(t2i_sin64(-x[k]), -t2i_sin64(x[k]));
            CU_ASSERT_EQUAL(t2i_cos64(-x[k]), t2i_cos64(x[k]));
        }
    }
    CU_ASSERT_TRUE(worst < 1.0);
    CU_ASSERT_EQUAL(t2i_cos64(0), 1);
    CU_ASSERT_EQUAL(t2i_cos64(3.141592653589793), -1);
    CU_ASSERT_TRUE(t2i_sin64(-0.0) == 0 && signbit(t2i_sin64(-0.0)));
    CU_ASSERT_DOUBLE_EQUAL(t2i_sin64(T2I_ANGLE_MOST), sin(T2I_ANGLE_MOST), 1e-15);
    const double beyond[] = {65537, -65537, INFINITY, NAN};
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_TRUE(isnan(t2i_sin64(beyond[i])) && isnan(t2i_cos64(beyond[i])));
}

static void test_pow(void)
{
    double worst = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        const double x[] = {some(1, i), 1 - 0.1 * some(2, i), 0.999};
        for (size_t k = 0; k < 3; k++) {
            unsigned long n = (unsigned long)(some(3 + k, i) * 600 / -log(x[k]));
            worst = larger(worst, off(t2i_pow64(x[k], n), powl(x[k], (long double)n)));
        }
    }
    CU_ASSERT_TRUE(worst < 1.0);
    CU_ASSERT_EQUAL(t2i_pow64(0, 0), 1);
    CU_ASSERT_EQUAL(t2i_pow64(0, 7), 0);
    CU_ASSERT_EQUAL(t2i_pow64(1, 1000000007), 1);
    CU_ASSERT_EQUAL(t2i_pow64(0.5, 60), ldexp(1, -60));
    CU_ASSERT_EQUAL(t2i_pow64(0.999, 1000000000), 0);
}

/* No machine and no compiler may change a bit: this digest is everyone's. */
static void test_bits(void)
{
    enum { COUNT = 5000 };
    static double value[5 * COUNT];
    char hex[T2I_HEX];
    for (uint64_t i = 0; i < COUNT; i++) {
        double u = some(9, i), *v = value + 5 * i;
        v[0] = t2i_exp64(60 * u - 50);
        v[1] = t2i_log64(5 * u);
        v[2] = t2i_sin64(65535 * u);
        v[3] = t2i_cos64(65535 * u);
        v[4] = t2i_pow64(u, (unsigned long)(i % 100));
    }
    t2i_hash_hex(value, sizeof value, hex);
    CU_ASSERT_STRING_EQUAL(hex, "6368f21dad7325079874227c72f5c295");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"exp", test_exp},
        {"log", test_log},
        {"sin and cos", test_angles},
        {"powers", test_pow},
        {"the same bits everywhere", test_bits},
    };
    return t2i_test_main("elementary", tests, sizeof tests / sizeof *tests);
}
