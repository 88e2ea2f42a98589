/* dtype.h - the number types of tensor files, by their safetensors names, and how they become
 * floats. */
#ifndef T2I_DTYPE_H
#define T2I_DTYPE_H

#include <stddef.h>

/* Bytes of a number ("F32" is 4); 0 when the name is unknown. */
size_t t2i_dtype_size(const char *dtype);

/* Is it F32, F64, F16 or BF16? */
int t2i_dtype_is_float(const char *dtype);

/* count little-endian numbers of such a type, at any alignment, as floats. */
void t2i_dtype_floats(const char *dtype, const void *bytes, size_t count, float *out);

#endif
