/* portable_math.h - exp, log, sin, cos and powers in plain double operations.
 *
 * Why: the C library picks another variant of these on another CPU (with or without fused
 * multiply-adds), and the last bits differ. What a run's bits depend on uses these instead: sums
 * and products whose order is in the source, and which the compiler does not fuse. sqrt, floor,
 * frexp and ldexp are exact everywhere and need no replacement.
 *
 * Argument reductions by constants in several pieces (Cody and Waite, "Software Manual for the
 * Elementary Functions", 1980), then Taylor series on what is left. Within 1 unit in the last
 * place (pow: 2) where the result is a normal number.
 */
#ifndef T2I_PORTABLE_MATH_H
#define T2I_PORTABLE_MATH_H

/* Infinities and NaN as in C. */
double t2i_exp64(double x);
double t2i_log64(double x);

/* |x| at most this; beyond it, and of a NaN, NaN. */
#define T2I_ANGLE_MOST 65536.0
double t2i_sin64(double x);
double t2i_cos64(double x);

/* x to the power n, for x in [0, 1]; 0 to the power 0 is 1. */
double t2i_pow64(double x, unsigned long n);

#endif
