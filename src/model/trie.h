/* trie.h - the distinct prefixes of a shard's prompts.
 *
 * In a causal model the state at a position depends only on the characters up to it. So prompts
 * with a common prefix share its states: each distinct prefix (a "node") is computed once, and
 * equal prompts are one "path". Paths are sorted: a path shares its first positions with the
 * previous path, and all others are new. A path's own nodes are consecutive, and nodes are numbered
 * from path to path.
 *
 * An empty prompt is a path of one node, <PAD>, that shares nothing.
 *
 * Layer norm, queries, keys and values of the first layer depend on a node's character and position
 * alone. Nodes that agree in both form a "pair", and these are computed once per pair; if more than
 * 90 % of the nodes are distinct pairs, per node. The shard alone decides this, so the bits do not
 * depend on ranks.
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
    size_t tokens; /* characters of all rows, and one per empty prompt: the positions that a model
                      without a trie computes */
    uint16_t *id, *pos;           /* nodes: character and position */
    size_t *path_of;              /* rows */
    size_t *length;               /* paths: positions, at least 1 */
    size_t *shared;               /* paths: positions shared with the previous path */
    size_t *first;                /* paths: the first of its own nodes */
    uint32_t *last;               /* paths: node of its last position */
    unsigned char *none;          /* paths: is it the empty prompt? */
    size_t *order;                /* of rows, used by t2i_trie_fill */
    uint32_t *node;               /* see t2i_trie_walk */
    size_t pairs;                 /* 0: not used */
    uint16_t *pair_id, *pair_pos; /* pairs, in the order of their first nodes */
    uint32_t *pair_of;            /* nodes */
    uint32_t *slot;               /* hash table of pairs, used by t2i_trie_fill */
} t2i_trie;

/* Allocates for `rows` prompts of `longest` characters. *out is empty on failure. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_trie_new(t2i_trie *out, size_t rows, size_t longest, t2i_error *err);
void t2i_trie_free(t2i_trie *trie);

/* Computes the trie of the rows (at least one); pad: the id that represents an empty prompt. share
 * 0: each row is a path of its own, in the order of rows, that shares nothing. The result is a
 * function of the rows' characters and their order. */
void t2i_trie_fill(t2i_trie *trie, const t2i_row *row, size_t rows, uint16_t pad, int share);

/* Nodes of the positions of a path. Must be called for all paths in order, from 0; the result is
 * valid until the next call. */
const uint32_t *t2i_trie_walk(t2i_trie *trie, size_t path);

#endif
