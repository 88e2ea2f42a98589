/* portable_math.h - exp, log, sin, cos and powers with the same bits on every CPU.
 *
 * Why: the C library selects variants of these functions by CPU (with or without fused
 * multiply-adds), whose results differ in the last bits. Everything that a run's bits depend on
 * uses these functions instead. They consist of double additions and multiplications in the order
 * of the source, which the compiler does not contract. sqrt, floor, frexp and ldexp are exact
 * everywhere and need no replacement.
 *
 * Method: argument reduction by constants that are split into several parts (Cody and Waite,
 * "Software Manual for the Elementary Functions", 1980), then a Taylor series. The error is at most
 * 1 unit in the last place (pow: 2) if the result is a normal number.
 */
#ifndef T2I_PORTABLE_MATH_H
#define T2I_PORTABLE_MATH_H

/* Infinities and NaN as in C. */
double t2i_exp64(double x);
double t2i_log64(double x);

/* Largest |x|; the result is NaN beyond it and for NaN. */
#define T2I_ANGLE_MOST 65536.0
double t2i_sin64(double x);
double t2i_cos64(double x);

/* x to the power n, for x in [0, 1]; 0 to the power 0 is 1. */
double t2i_pow64(double x, unsigned long n);

#endif
