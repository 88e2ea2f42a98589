/* tensors.h - named tensors of a file of any supported format: safetensors, .pt, .pth.
 *
 * "FILE:PART", where no file has that name, stands for the tensors of FILE below PART, such as the
 * state_dict "ema" of a checkpoint, without PART in their names; PART may also be the name of a
 * tensor. "FILE:." is the whole file.
 *
 * The format is detected by the file's first bytes, not by its name. The tree of a torch file is
 * flattened: keys of dicts and indices of lists are joined by dots, as in
 * "mha_qkv_linears.0.weight" or "state_dict.layer1.0.conv1.weight".
 */
#ifndef T2I_TENSORS_H
#define T2I_TENSORS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "formats/pyvalue.h"
#include "formats/safetensors.h"

typedef struct {
    const char *name;  /* borrowed from the file, like dtype */
    const char *dtype; /* "F32", ... */
    size_t dims;
    uint64_t dim[T2I_ST_DIMS];
    uint64_t count; /* elements */
} t2i_tensor_info;

typedef struct t2i_tensors t2i_tensors;

/* T2I_NOINPUT; T2I_DATA if the file is not valid, has another format, or has two tensors with the
 * same name. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_tensors_open(t2i_tensors **out, const char *path, t2i_error *err);
void t2i_tensors_close(t2i_tensors *tensors); /* NULL is legal */

size_t t2i_tensors_count(const t2i_tensors *tensors); /* in the file's order */
const t2i_tensor_info *t2i_tensors_at(const t2i_tensors *tensors, size_t index);
const t2i_tensor_info *t2i_tensors_find(const t2i_tensors *tensors, const char *name); /* or NULL */
/* out (tensor->count): the elements of a tensor in row-major order. T2I_DATA for integers. */
T2I_CHECKED t2i_status t2i_tensors_floats(t2i_tensors *tensors, const t2i_tensor_info *tensor,
                                          float *out, t2i_error *err);

/* out (count * width): rows [first, first + count) of a tensor of two dimensions, likewise. */
T2I_CHECKED t2i_status t2i_tensors_rows(t2i_tensors *tensors, const t2i_tensor_info *tensor,
                                        uint64_t first, uint64_t count, float *out, t2i_error *err);

const char *t2i_tensors_path(const t2i_tensors *tensors); /* without PART */
const char *t2i_tensors_part(const t2i_tensors *tensors); /* NULL when not given */

/* The underlying file: the tree of a torch file, the safetensors file; NULL for the other format.
 */
const t2i_py *t2i_tensors_tree(const t2i_tensors *tensors);
const t2i_st *t2i_tensors_st(const t2i_tensors *tensors);

#endif
