/* pickle.h - the pickles of torch.save, interpreted and never executed.
 *
 * Why: a pickle is a program that may call any function of Python. Only the instructions that build
 * plain values are understood here, and of functions those that rebuild a tensor; anything else is
 * refused by its name. What a file may make us hold is bounded: in all its pickles a million values
 * and four million items in containers; in each 64 MB and depth 64.
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

/* Numbers that tensors view; the pickle names them and says their type and count. */
typedef struct {
    const char *key; /* in the arena; size bytes and a terminator */
    size_t size;
    const char *dtype;
    uint64_t count;
    uint64_t begin; /* for the caller: where its bytes are */
    int known;      /* for the caller: begin is set */
    int checked;    /* for the caller */
} t2i_pickle_storage;

/* How tensors are named by persistent ids. */
typedef enum {
    T2I_PICKLE_PLAIN,  /* not at all: plain values only */
    T2I_PICKLE_ZIP,    /* ('storage', type, key, location, count) */
    T2I_PICKLE_STREAM, /* the same and a view of it, or None */
    T2I_PICKLE_NAMED,  /* by a number, of what the caller read before */
    T2I_PICKLE_TABLE   /* not at all, but types may stand in the result */
} t2i_pickle_kind;

typedef struct {
    int64_t key;
    t2i_py *value; /* in the arena */
} t2i_pickle_named;

typedef struct {
    t2i_py_arena *arena; /* owned, like the rest */
    t2i_pickle_storage *storage;
    size_t storages, room;
    size_t *slot; /* a hash table: index + 1 of a storage, or 0 */
    size_t slots;
    t2i_pickle_named *named; /* sorted by key, for T2I_PICKLE_NAMED */
    size_t names;
    size_t values, items;      /* made so far */
    t2i_py *none, *boolean[2]; /* shared by all who mean them */
} t2i_pickle;

T2I_CHECKED t2i_status t2i_pickle_new(t2i_pickle *pickle, t2i_error *err);
void t2i_pickle_free(t2i_pickle *pickle); /* an empty one is legal */

/* Reads one pickle from *at, which moves behind its STOP; end is where it must have ended. Storages
 * are added to those that are known. *root lives in the arena, has no cycles, and its dicts have
 * texts, whole numbers, bools or None as keys, each once. T2I_DATA, T2I_IO, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_pickle_read(t2i_pickle *pickle, t2i_pickle_kind kind,
                                       const t2i_byte_source *source, uint64_t *at, uint64_t end,
                                       t2i_py **root, t2i_error *err);

#endif
