/* trie.h - the distinct prefixes of a shard's prompts.
 *
 * In a causal model the state at a position depends on the characters up to it alone. So prompts
 * that begin alike share those states: each distinct prefix (a "node") is computed once, and equal
 * prompts are one "path". Sorted, a path shares with the one before it a number of positions, and
 * all others are new: a path's own nodes are neighbours, and nodes count up from path to path.
 *
 * An empty prompt is a path of one node, <PAD>, that shares nothing.
 *
 * What does not look at other positions depends on a node's character and position alone: nodes
 * that agree in both are one "pair".
 */
#ifndef T2I_TRIE_H
#define T2I_TRIE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* A prompt, borrowed: character ids. */
typedef struct {
    const uint16_t *ids;
    size_t length;
} t2i_row;

typedef struct {
    size_t rows, paths, nodes, longest; /* longest: positions of the longest path */
    size_t tokens;      /* characters of all rows, and one for each empty prompt: what a plain model
                           computes */
    uint16_t *id, *pos; /* nodes: character and position */
    size_t *path_of;    /* rows */
    size_t *length;     /* paths: positions, at least 1 */
    size_t *shared;     /* paths: of them, those of the path before it */
    size_t *first;      /* paths: the first of its own nodes */
    uint32_t *last;     /* paths: node of its last position */
    unsigned char *none;          /* paths: is it the empty prompt? */
    size_t *order;                /* of rows, while it is made */
    uint32_t *node;               /* see t2i_trie_walk */
    size_t pairs;                 /* 0 where nothing is shared */
    uint16_t *pair_id, *pair_pos; /* pairs, in the order of their first nodes */
    uint32_t *pair_of;            /* nodes */
    uint32_t *slot;               /* a hash table of pairs, while they are found */
} t2i_trie;

/* Room for `rows` prompts of `longest` characters. Empty on failure. */
T2I_CHECKED t2i_status t2i_trie_new(t2i_trie *out, size_t rows, size_t longest, t2i_error *err);
void t2i_trie_free(t2i_trie *trie);

/* The trie of these rows, at least one; pad: the id that stands in an empty prompt. share 0: each
 * row is a path of its own, in the order of rows, that shares nothing. A function of the rows'
 * characters and their order. */
void t2i_trie_fill(t2i_trie *trie, const t2i_row *row, size_t rows, uint16_t pad, int share);

/* The nodes of path's positions. Paths must be asked for one after the other, from 0 on; the result
 * holds until the next call. */
const uint32_t *t2i_trie_walk(t2i_trie *trie, size_t path);

#endif
