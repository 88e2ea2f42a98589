/* safetensors.h - named tensors in one file, read strictly.
 *
 * Format: u64 little-endian header length, a JSON header, then the data; see
 * https://github.com/huggingface/safetensors. All that its library (0.8) writes is read; further
 * fields of an entry are ignored, as there. Refused (T2I_DATA, one line that names file and
 * tensor): header over 100 MB or longer than the file, not UTF-8, not starting with '{', duplicate
 * keys (the format forbids them), unknown dtype, more than 32 dimensions, offsets out of order,
 * overlapping, with holes or beyond the file, size that differs from shape x dtype, overflow in a
 * product, trailing bytes, __metadata__ that is not strings, an entry of more than 64 KB of text.
 *
 * Entries are parsed one at a time: a header of N bytes takes at most 48 N bytes of memory, with
 * what is freed again (the shortest entry has 47 bytes, a t2i_st_tensor 304).
 *
 * This module does not depend on models: a file has named tensors and metadata.
 */
#ifndef T2I_SAFETENSORS_H
#define T2I_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fs.h"
#include "formats/json.h"

#define T2I_ST_DIMS 32

typedef struct {
    const char *name;  /* borrowed from the file's header */
    const char *dtype; /* "F32", "F64", "I64", ... */
    size_t dims;
    uint64_t dim[T2I_ST_DIMS];
    uint64_t count;      /* elements */
    uint64_t begin, end; /* bytes within the data section */
} t2i_st_tensor;

typedef struct t2i_st t2i_st; /* an open file: owns its descriptor and header */

/* T2I_NOINPUT if it cannot be opened, T2I_DATA if it is not valid. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_st_open(t2i_st **out, const char *path, t2i_error *err);
void t2i_st_close(t2i_st *st);

size_t t2i_st_tensors(const t2i_st *st); /* in file order (by offset) */
const t2i_st_tensor *t2i_st_at(const t2i_st *st, size_t index);
const t2i_st_tensor *t2i_st_find(const t2i_st *st, const char *name); /* NULL when there is none */
const char *t2i_st_meta(const t2i_st *st, const char *key);           /* NULL when there is none */
/* The raw header (JSON text with padding), without the length in front of it. */
const char *t2i_st_header(const t2i_st *st, size_t *size);

/* Reads bytes [offset, offset + size) of a tensor's data. T2I_IO; T2I_DATA if the file became
 * shorter. */
T2I_CHECKED t2i_status t2i_st_read(const t2i_st *st, const t2i_st_tensor *tensor, uint64_t offset,
                                   size_t size, void *out, t2i_error *err);
/* Reads a whole tensor and converts F32, F64, F16 or BF16 to floats; out has space for
 * tensor->count. T2I_DATA for another dtype. */
T2I_CHECKED t2i_status t2i_st_floats(const t2i_st *st, const t2i_st_tensor *tensor, float *out,
                                     t2i_error *err);

/* Writing: description and data of the tensors (float32), in file order. */
typedef struct {
    const char *name;
    size_t dims;
    uint64_t dim[T2I_ST_DIMS];
    const float *data;
} t2i_st_part;

/* Header for parts and metadata (an object of strings, may be NULL), newly allocated. It is padded
 * with spaces so that the data is 64-byte aligned in the file. Deterministic. */
T2I_CHECKED t2i_status t2i_st_make_header(const t2i_st_part *part, size_t parts,
                                          const t2i_json *metadata, char **out, size_t *size,
                                          t2i_error *err);
/* Writes length, header (unchanged) and data to an open file; the caller commits. */
T2I_CHECKED t2i_status t2i_st_write(t2i_fs_out *out, const char *header, size_t header_size,
                                    const t2i_st_part *part, size_t parts, t2i_error *err);
/* t2i_st_make_header, open, t2i_st_write and commit. */
T2I_CHECKED t2i_status t2i_st_save(const char *path, const t2i_st_part *part, size_t parts,
                                   const t2i_json *metadata, t2i_error *err);

#endif
