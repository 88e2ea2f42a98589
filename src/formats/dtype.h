/* dtype.h - element types of tensor files, by their safetensors names, and conversion to float. */
#ifndef T2I_DTYPE_H
#define T2I_DTYPE_H

#include <stddef.h>

/* Bits of an element ("F32": 32); 0 for an unknown name. */
size_t t2i_dtype_bits(const char *dtype);
/* Bytes of an element ("F32": 4); 0 for an unknown name and where elements share bytes. */
size_t t2i_dtype_size(const char *dtype);

/* The same name, which stays valid; NULL for an unknown one. */
const char *t2i_dtype_name(const char *dtype);

/* Is it F32, F64, F16 or BF16? */
int t2i_dtype_is_float(const char *dtype);

/* Converts count little-endian elements of such a type, at any alignment, to floats. */
void t2i_dtype_floats(const char *dtype, const void *bytes, size_t count, float *out);

#endif
