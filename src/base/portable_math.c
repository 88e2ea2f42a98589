#include "base/portable_math.h"

#include <math.h>
#include <stddef.h>

/* ln 2 and pi / 2 split into parts, each with the next bits of the number. The leading parts have
 * 32 and 33 bits, so that their products with the integers below (at most 11 and 16 bits) are
 * exact. */
static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33,
                    quarter_high = 0x1.921fb544p+0, quarter_middle = 0x1.0b4611a6p-34,
                    quarter_low = 0x1.3198a2e037073p-69;

/* c[0] + x c[1] + x^2 c[2] + ... */
static double series(const double *c, size_t terms, double x)
{
    double sum = c[--terms];
    while (terms-- > 0) sum = sum * x + c[terms];
    return sum;
}

double t2i_exp64(double x)
{
    static const double c[] = {/* 1 / n! from n = 2 */
                               1 / 2.0,       1 / 6.0,        1 / 24.0,        1 / 120.0,
                               1 / 720.0,     1 / 5040.0,     1 / 40320.0,     1 / 362880.0,
                               1 / 3628800.0, 1 / 39916800.0, 1 / 479001600.0, 1 / 6227020800.0};
    if (isnan(x)) return x;
    if (x > 710) return INFINITY;
    if (x < -750) return 0;
    double n = floor(x * 1.4426950408889634 + 0.5);
    double high = x - n * ln2_high, low = n * ln2_low, r = high - low; /* |r| < 0.35 */
    low = (high - r) - low;                                            /* rounding error of r */
    return ldexp(1 + (r + (low + r * r * series(c, sizeof c / sizeof *c, r))), (int)n);
}

double t2i_log64(double x)
{
    static const double c[] = {2 / 3.0,  2 / 5.0,  2 / 7.0,  2 / 9.0,  2 / 11.0, 2 / 13.0,
                               2 / 15.0, 2 / 17.0, 2 / 19.0, 2 / 21.0, 2 / 23.0};
    int exponent;
    if (!(x > 0)) return x == 0 ? -INFINITY : NAN;
    if (isinf(x)) return x;
    double f = frexp(x, &exponent); /* x = f 2^exponent */
    if (f < 0.70710678118654752) {
        f *= 2;
        exponent--;
    }
    f -= 1; /* exact; in [-0.3, 0.42] */
    /* with s = f / (2 + f), log(1 + f) = 2 (s + s^3 / 3 + ...), and 2 s = f - s f */
    double s = f / (2 + f), rest = s * s * series(c, sizeof c / sizeof *c, s * s), k = exponent;
    return k * ln2_high - ((s * (f - rest) - k * ln2_low) - f);
}

/* Argument reduction: returns r with x = n pi / 2 + r + *low, |r| < 0.8, and *quarter = n mod 4. */
static double reduce_quarters(double x, double *low, int *quarter)
{
    double n = floor(x * 0.63661977236758134 + 0.5);
    double first = x - n * quarter_high; /* exact: its lowest bit is not below that of x */
    double middle = n * quarter_middle, sum = first - middle, back = sum - first;
    double lost = (first - (sum - back)) - (middle + back); /* exact: first - middle - sum */
    double small = lost - n * quarter_low, r = sum + small;
    *low = (sum - r) + small;
    *quarter = (int)(n - 4 * floor(n / 4));
    return r;
}

/* sin(x + low), |x| < 0.8 and low tiny. */
static double sine(double x, double low)
{
    static const double c[] = {
        -1 / 6.0,        1 / 120.0,        -1 / 5040.0,          1 / 362880.0,
        -1 / 39916800.0, 1 / 6227020800.0, -1 / 1307674368000.0, 1 / 355687428096000.0};
    double z = x * x;
    return x + (x * z * series(c, sizeof c / sizeof *c, z) + low * (1 - z / 2));
}

static double cosine(double x, double low)
{
    static const double c[] = {
        1 / 24.0,        -1 / 720.0,         1 / 40320.0,          -1 / 3628800.0,
        1 / 479001600.0, -1 / 87178291200.0, 1 / 20922789888000.0, -1 / 6402373705728000.0};
    double z = x * x, half = z / 2, most = 1 - half;
    return most + (((1 - most) - half) + (z * z * series(c, sizeof c / sizeof *c, z) - x * low));
}

double t2i_sin64(double x)
{
    double low, r;
    int quarter;
    if (!(fabs(x) <= T2I_ANGLE_MOST)) return NAN;
    if (x == 0) return x; /* keeps the sign of zero */
    r = reduce_quarters(x, &low, &quarter);
    double value = quarter % 2 == 0 ? sine(r, low) : cosine(r, low);
    return quarter < 2 ? value : -value;
}

double t2i_cos64(double x)
{
    double low, r;
    int quarter;
    if (!(fabs(x) <= T2I_ANGLE_MOST)) return NAN;
    r = reduce_quarters(x, &low, &quarter);
    double value = quarter % 2 == 0 ? cosine(r, low) : sine(r, low);
    return quarter == 0 || quarter == 3 ? value : -value;
}

/* A number in double-double precision. */
typedef struct {
    double high, low;
} pair;

/* Dekker, "A floating-point technique for extending the available precision", 1971. */
static pair multiply(pair a, pair b)
{
    const double split = 134217729; /* 2^27 + 1 */
    double t = split * a.high, ah = t - (t - a.high), al = a.high - ah;
    double u = split * b.high, bh = u - (u - b.high), bl = b.high - bh;
    double product = a.high * b.high;
    double rest = ((ah * bh - product) + ah * bl + al * bh) + al * bl;
    rest += a.high * b.low + a.low * b.high;
    double high = product + rest;
    return (pair){high, (product - high) + rest};
}

double t2i_pow64(double x, unsigned long n)
{
    pair power = {1, 0}, square = {x, 0};
    for (; n > 0; n /= 2) {
        if (n % 2 == 1) power = multiply(power, square);
        square = multiply(square, square);
    }
    return power.high;
}
