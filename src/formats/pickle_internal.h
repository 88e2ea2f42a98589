/* pickle_internal.h - what pickle.c (instructions) and pickle_torch.c (what torch's functions mean)
 * share. */
#ifndef T2I_PICKLE_INTERNAL_H
#define T2I_PICKLE_INTERNAL_H

#include "formats/pickle.h"

/* Kinds that only live while a pickle is read. A parameter becomes a tensor once it has its data.
 */
enum { KIND_FUNCTION = T2I_PY_TENSOR + 1, KIND_STORAGE, KIND_PARAMETER };

typedef struct {
    t2i_pickle *to;
    t2i_pickle_kind kind;
    const t2i_byte_source *source;
    t2i_error *err;
    uint64_t begin, opcode, at, end; /* of the pickle; its instruction; the next byte */
    const char *name;                /* of the instruction */
    unsigned char *buffer;           /* held bytes from `from` */
    uint64_t from;
    size_t held;
    t2i_py **stack;
    size_t size, room;
    size_t *mark; /* heights of the stack */
    size_t marks;
    t2i_py **memo;
    size_t memos, memo_room;
    int stopped;
} t2i_pickle_reader;

t2i_status t2i_pickle_refuse(t2i_pickle_reader *r, const char *format, ...) T2I_PRINTF(2, 3);
t2i_status t2i_pickle_count_items(t2i_pickle_reader *r, size_t count);
const char *t2i_pickle_kind_name(const t2i_py *value);

/* A function or type of the allow-list. */
t2i_status t2i_pickle_global(t2i_pickle_reader *r, const char *module, const char *name,
                             t2i_py **out);
/* What a function makes of its arguments. */
t2i_status t2i_pickle_reduce(t2i_pickle_reader *r, const t2i_py *function, const t2i_py *args,
                             t2i_py **out);
/* What becomes of a value that is given attributes. */
t2i_status t2i_pickle_build(t2i_pickle_reader *r, t2i_py *value, const t2i_py *state, t2i_py **out);
/* The storage (or tensor) that a persistent id names. */
t2i_status t2i_pickle_persistent(t2i_pickle_reader *r, const t2i_py *id, t2i_py **out);
/* The type that a storage type's numbers have; NULL when the value is no storage type. */
const char *t2i_pickle_dtype(const t2i_py *value);
/* A new storage, and the value that stands for so many of its numbers; NULL when out of memory. */
t2i_py *t2i_pickle_storage_value(t2i_pickle *pickle, size_t index, uint64_t begin, uint64_t count);
/* The index of a storage, a new one where the key is new; SIZE_MAX when out of memory. *steps is
 * how long the search was. */
size_t t2i_pickle_add(t2i_pickle *pickle, const t2i_py *key, const char *dtype, uint64_t count,
                      size_t *steps);
/* A tensor of `dims` dimensions at `offset` of what a storage value stands for. *problem says what
 * is wrong with it, else NULL; NULL with *problem NULL when out of memory. */
t2i_py *t2i_pickle_view(t2i_pickle *pickle, const t2i_py *storage, const t2i_py_tensor *shape,
                        const char **problem);
/* Is the result a tree of plain values, not too deep and not too large? */
t2i_status t2i_pickle_check_tree(t2i_pickle_reader *r, t2i_py *root);

#endif
