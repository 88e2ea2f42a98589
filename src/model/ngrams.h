/* ngrams.h - pieces of words: embeddings of the n-grams that end at each position, and the direct
 * layer that leads their sum to the heads.
 *
 * Why: a character model has to spell a word out of single letters and carry it through its last
 * state. Here whole pieces of words have embeddings of their own (as in Bojanowski, Grave, Joulin,
 * Mikolov, "Enriching word vectors with subword information", TACL 2017), which are an input of the
 * transformer and also reach the outputs directly.
 *
 * A prompt is read as if one space stood before and one after it. At each position these pieces
 * end: the 2- to 6-grams of characters, and the word so far; at a space, that is the whole word
 * before it with the space. Each piece is hashed to a row of `ngram.weight` (t2i_ngrams_row).
 * Different pieces may share a row. The sum of the rows of a position is added to its character's
 * embedding. The sum over all positions of the prompt and the space after it passes through the
 * direct layer, whose output is added to that of the heads:
 *
 *     x = ngram.ln (sum),  ngram.head [ReLU (ngram.ffn1 x), x]
 *
 * All of this is a function of the prefix alone, so prompts that share prefixes share it (trie.h).
 * An empty prompt has no pieces. Functions here allocate nothing and are pure, like those of
 * transformer.h, which calls them.
 */
#ifndef T2I_NGRAMS_H
#define T2I_NGRAMS_H

#include <stddef.h>
#include <stdint.h>
#include "base/carver.h"
#include "model/dropout.h"
#include "model/packed_weights.h"
#include "model/trie.h"
#include "model/vocab.h"

enum { T2I_NGRAM_LEAST = 2, T2I_NGRAM_MOST = 6, T2I_PIECES = 6 /* that end at a position */ };

/* Buffers of a shard: N nodes, P paths of trie.h, H = ngram_hidden. */
typedef struct {
    uint32_t *row; /* (N, T2I_PIECES): rows of the pieces that end at each node, or T2I_NO_ROW */
    uint32_t *end_row;  /* (P, T2I_PIECES): of those that end at the space after the prompt */
    float *sum;         /* (N, d): sum of the rows of all positions up to each node */
    float *path_sum;    /* (P, d): the whole sum */
    float *mean, *rstd; /* (P) */
    float *normal;      /* (P, d) */
    float *hidden;      /* (P, H + d): ReLU units, then a copy of normal */
    float *dhidden, *dnormal, *dsum;
    float scale; /* of the rows: 1, or 1 / (1 - rate) with dropout */
} t2i_ngrams;

void t2i_ngrams_carve(t2i_ngrams *ngrams, t2i_carver *from, const t2i_config *config, size_t rows,
                      size_t N);

/* Row of the table with `buckets` rows for a piece of `count` code points; word: 1 for the word so
 * far, 0 for an n-gram of T2I_NGRAM_LEAST to T2I_NGRAM_MOST characters. The unknown character has
 * the code T2I_NO_CODE. The hash is part of the model format (docs/file-formats.md). */
uint32_t t2i_ngrams_row(const uint32_t *code, size_t count, int word, size_t buckets);

/* Sets row, sum and path_sum, and adds the rows of each node to x (N, d). dropout: of single rows,
 * NULL: none; prefix (N): hashes of the nodes, for dropout. */
void t2i_ngrams_forward(t2i_ngrams *ngrams, const t2i_packed_weights *packed, t2i_trie *trie,
                        const t2i_vocab *vocab, const t2i_dropout *dropout, const uint64_t *prefix,
                        float *x);
/* Adds the direct layer's output to features (P, D) and, with embed_dim, to query (P, E). */
void t2i_ngrams_direct(t2i_ngrams *ngrams, const t2i_packed_weights *packed, size_t paths,
                       float *features, float *query);

/* Backward pass of t2i_ngrams_direct: sets the gradients of the direct layer, and dsum. */
void t2i_ngrams_direct_back(t2i_ngrams *ngrams, const t2i_packed_weights *packed, size_t paths,
                            const float *dfeatures, const float *dquery, float *gradient);
/* Backward pass of t2i_ngrams_forward: dx (N, d), which is changed, and dsum to the rows of the
 * table, of which those that are used were cleared before. */
void t2i_ngrams_back(t2i_ngrams *ngrams, const t2i_packed_weights *packed, t2i_trie *trie,
                     float *dx, float *gradient);

#endif
