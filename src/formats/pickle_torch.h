/* pickle_torch.h - the functions of torch in a pickle: storages, tensors, parameters. */
#ifndef T2I_PICKLE_TORCH_H
#define T2I_PICKLE_TORCH_H

#include "formats/pickle_reader.h"

/* Name of the kind of a value, for messages. */
const char *t2i_pickle_torch_kind_name(const t2i_py *value);
/* *out: the function or type of that name. T2I_DATA if it is not in the allow-list. */
t2i_status t2i_pickle_torch_global(t2i_pickle_reader *r, const char *module, const char *name,
                                   t2i_py **out);
/* REDUCE: *out is the result of a function for its arguments. */
t2i_status t2i_pickle_torch_reduce(t2i_pickle_reader *r, const t2i_py *function, const t2i_py *args,
                                   t2i_py **out);
/* BUILD: *out is the value after its attributes were set. */
t2i_status t2i_pickle_torch_build(t2i_pickle_reader *r, t2i_py *value, const t2i_py *state,
                                  t2i_py **out);
/* *out: the storage (or tensor) that a persistent id refers to. */
t2i_status t2i_pickle_torch_persistent(t2i_pickle_reader *r, const t2i_py *id, t2i_py **out);
/* The dtype of a storage type; NULL if the value is not a storage type. */
const char *t2i_pickle_torch_dtype(const t2i_py *value);
/* A new value for `count` elements of a storage from element `begin`; NULL when out of memory. */
t2i_py *t2i_pickle_torch_storage_value(t2i_pickle *pickle, size_t index, uint64_t begin,
                                       uint64_t count);
/* Index of the storage with that key, which is added if it is new; SIZE_MAX when out of memory.
 * *steps: number of steps of the search in the hash table. */
size_t t2i_pickle_torch_add(t2i_pickle *pickle, const t2i_py *key, const char *dtype,
                            uint64_t count, size_t *steps);
/* A new tensor with the dimensions, strides and offset of `shape`, which views a storage value.
 * *problem: what is wrong with it, or NULL. Returns NULL with *problem NULL when out of memory. */
t2i_py *t2i_pickle_torch_view(t2i_pickle *pickle, const t2i_py *storage, const t2i_py_tensor *shape,
                              const char **problem);
/* T2I_DATA unless the result is a tree of plain values within the limits of depth and size. */
t2i_status t2i_pickle_torch_check_tree(t2i_pickle_reader *r, t2i_py *root);
/* Index of the storage with that key; SIZE_MAX if there is none. */
size_t t2i_pickle_torch_find(const t2i_pickle *pickle, const char *key, size_t size);

#endif
