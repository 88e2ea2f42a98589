/* pickle_torch.h - what the functions of torch in a pickle mean: storages, tensors, parameters. */
#ifndef T2I_PICKLE_TORCH_H
#define T2I_PICKLE_TORCH_H

#include "formats/pickle_reader.h"

/* What a value is, for messages. */
const char *t2i_pickle_torch_kind_name(const t2i_py *value);
/* A function or type of the allow-list. */
t2i_status t2i_pickle_torch_global(t2i_pickle_reader *r, const char *module, const char *name,
                                   t2i_py **out);
/* What a function makes of its arguments. */
t2i_status t2i_pickle_torch_reduce(t2i_pickle_reader *r, const t2i_py *function, const t2i_py *args,
                                   t2i_py **out);
/* What becomes of a value that is given attributes. */
t2i_status t2i_pickle_torch_build(t2i_pickle_reader *r, t2i_py *value, const t2i_py *state,
                                  t2i_py **out);
/* The storage (or tensor) that a persistent id names. */
t2i_status t2i_pickle_torch_persistent(t2i_pickle_reader *r, const t2i_py *id, t2i_py **out);
/* The type that a storage type's numbers have; NULL when the value is no storage type. */
const char *t2i_pickle_torch_dtype(const t2i_py *value);
/* A new storage, and the value that stands for so many of its numbers; NULL when out of memory. */
t2i_py *t2i_pickle_torch_storage_value(t2i_pickle *pickle, size_t index, uint64_t begin,
                                       uint64_t count);
/* The index of a storage, a new one where the key is new; SIZE_MAX when out of memory. *steps is
 * how long the search was. */
size_t t2i_pickle_torch_add(t2i_pickle *pickle, const t2i_py *key, const char *dtype,
                            uint64_t count, size_t *steps);
/* A tensor of `dims` dimensions at `offset` of what a storage value stands for. *problem says what
 * is wrong with it, else NULL; NULL with *problem NULL when out of memory. */
t2i_py *t2i_pickle_torch_view(t2i_pickle *pickle, const t2i_py *storage, const t2i_py_tensor *shape,
                              const char **problem);
/* Is the result a tree of plain values, not too deep and not too large? */
t2i_status t2i_pickle_torch_check_tree(t2i_pickle_reader *r, t2i_py *root);
/* The index of a storage; SIZE_MAX when there is none. */
size_t t2i_pickle_torch_find(const t2i_pickle *pickle, const char *key, size_t size);

#endif
