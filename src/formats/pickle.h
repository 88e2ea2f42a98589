/* pickle.h - reads the pickles of torch.save without executing them.
 *
 * A pickle is a program that may call any Python function. This interpreter supports only the
 * instructions that build plain values and the functions that torch.load(weights_only=True) allows
 * by default, without those that need NumPy; everything else is refused, and the message names it.
 * A set becomes a list, torch.Size a tuple, a Counter a dict; devices, dtypes, bytes, complex
 * numbers and integers of more than 64 bits become texts.
 *
 * Bounds: at most a million values and four million items in containers for all pickles of a file,
 * and 64 MB and depth 64 for each. A pickle of N bytes has at most 4 N + 64 items, and as many
 * values as a tree, in which what occurs several times counts each time. So it takes at most 512 N
 * bytes of memory (a value, which may be one byte, has 256) and time in proportion.
 *
 * Instructions: Python's pickletools, protocols 2 to 4.
 */
#ifndef T2I_PICKLE_H
#define T2I_PICKLE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "formats/pyvalue.h"
#include "formats/byte_source.h"

/* A storage: the values that tensors view. The pickle has its key, type and number of values. */
typedef struct {
    const char *key; /* in the arena; size bytes and a terminator */
    size_t size;
    const char *dtype;
    uint64_t count;
    uint64_t begin; /* for the caller: offset of its data in the file */
    int known;      /* for the caller: begin is set */
    int checked;    /* for the caller: its data was verified */
} t2i_pickle_storage;

/* What persistent ids may occur, and what they refer to. */
typedef enum {
    T2I_PICKLE_PLAIN,  /* none: plain values only */
    T2I_PICKLE_ZIP,    /* storages: ('storage', type, key, location, count) */
    T2I_PICKLE_STREAM, /* the same, and a view of the storage or None */
    T2I_PICKLE_NAMED,  /* numbers of values in `named`, which the caller has filled */
    T2I_PICKLE_TABLE   /* none, but the result may contain types */
} t2i_pickle_kind;

typedef struct {
    int64_t key;
    t2i_py *value; /* in the arena */
} t2i_pickle_named;

typedef struct {
    t2i_py_arena *arena; /* owned, like the rest */
    t2i_pickle_storage *storage;
    size_t storages, room;
    size_t *slot; /* hash table: index + 1 of a storage, or 0 */
    size_t slots;
    t2i_pickle_named *named; /* sorted by key, for T2I_PICKLE_NAMED */
    size_t names;
    size_t values, items;      /* created so far */
    t2i_py *none, *boolean[2]; /* None, False and True, shared by all uses */
} t2i_pickle;

T2I_CHECKED t2i_status t2i_pickle_new(t2i_pickle *pickle, t2i_error *err);
void t2i_pickle_free(t2i_pickle *pickle); /* an empty one is legal */

/* Reads one pickle from offset *at of the source, and sets *at to the byte after its STOP; it must
 * lie before offset `end`. Storages are added to pickle->storage. *root is in the arena and has no
 * cycles; keys of dicts are strings, numbers, bools, None or tuples, and unique
 * (of tuples that is not checked). T2I_DATA, T2I_IO,
 * T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_pickle_read(t2i_pickle *pickle, t2i_pickle_kind kind,
                                       const t2i_byte_source *source, uint64_t *at, uint64_t end,
                                       t2i_py **root, t2i_error *err);

#endif
