/* npy.h - reads NumPy's .npy files (numpy.save), from a file or from memory; their header for
 * arrays of floats that are written.
 *
 * Versions 1.0, 2.0 and 3.0 of the format (numpy/lib/_format_impl.py), C and Fortran order, both
 * byte orders, float16, float32, float64 and bfloat16 as ml_dtypes writes it ('<V2'). The header is
 * a literal of Python and is parsed, not evaluated. Refused with the reason: arrays of Python
 * objects (pickles), integers, text, complex numbers and records; a header over 64 KiB, and data
 * shorter than the shape says.
 */
#ifndef T2I_NPY_H
#define T2I_NPY_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "formats/byte_source.h"

#define T2I_NPY_DIMS 32

typedef struct {
    const char *dtype; /* safetensors name: "F16", "F32", "F64", "BF16" */
    int big_endian, fortran;
    size_t dims;
    uint64_t dim[T2I_NPY_DIMS];
    uint64_t rows, width; /* first dimension, and product of the others; 1 x 1 without dimensions */
    uint64_t begin;       /* offset of the data in the source */
    uint64_t extra;       /* bytes after the data, which numpy.load ignores */
} t2i_npy;

/* Reads the header. T2I_DATA, T2I_IO. */
T2I_CHECKED t2i_status t2i_npy_open(t2i_npy *out, const t2i_byte_source *source, t2i_error *err);
/* out (count * width): the elements of rows [first, first + count) in C order, as floats. */
T2I_CHECKED t2i_status t2i_npy_rows(const t2i_npy *npy, const t2i_byte_source *source,
                                    uint64_t first, uint64_t count, float *out, t2i_error *err);

/* The header of an array of little-endian float32 (rows, columns) in C order, which follow. Version
 * 1.0, padded so that the values begin at a multiple of 64 bytes. */
#define T2I_NPY_HEADER 128
void t2i_npy_header(char out[T2I_NPY_HEADER], uint64_t rows, uint64_t columns);

#endif
