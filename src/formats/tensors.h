/* tensors.h - named tensors in a file of any kind that we read: safetensors, .pt, .pth.
 *
 * Why: weights come in all three, and who wants them need not know in which. The kind is told by
 * the file's first bytes, not by its name. The tree of a torch file is laid flat: keys of dicts and
 * positions in lists are joined by dots, as in "mha_qkv_linears.0.weight" or
 * "state_dict.layer1.0.conv1.weight".
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
    uint64_t dim[8];
    uint64_t count; /* numbers */
} t2i_tensor_info;

typedef struct t2i_tensors t2i_tensors;

/* T2I_NOINPUT; T2I_DATA when it is not sound, is of no such kind, or has two tensors of one name.
 * *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_tensors_open(t2i_tensors **out, const char *path, t2i_error *err);
void t2i_tensors_close(t2i_tensors *tensors); /* NULL is legal */

size_t t2i_tensors_count(const t2i_tensors *tensors); /* in the file's order */
const t2i_tensor_info *t2i_tensors_at(const t2i_tensors *tensors, size_t index);
const t2i_tensor_info *t2i_tensors_find(const t2i_tensors *tensors, const char *name); /* or NULL */
/* A whole tensor as floats, row by row; out has tensor->count of them. T2I_DATA for integers. */
T2I_CHECKED t2i_status t2i_tensors_floats(t2i_tensors *tensors, const t2i_tensor_info *tensor,
                                          float *out, t2i_error *err);

/* What lies behind: the tree of a torch file, or the safetensors file; NULL for the other kind. */
const t2i_py *t2i_tensors_tree(const t2i_tensors *tensors);
const t2i_st *t2i_tensors_st(const t2i_tensors *tensors);

#endif
