#include "model/ngrams.h"

#include <string.h>

#include "kernels/gemm.h"
#include "kernels/ops.h"

void t2i_ngrams_carve(t2i_ngrams *ngrams, t2i_carver *from, const t2i_config *config, size_t rows,
                      size_t N)
{
    size_t d = config->d_model, units = config->ngram_hidden;
    ngrams->row = t2i_carve(from, N * T2I_PIECES);
    ngrams->end_row = t2i_carve(from, rows * T2I_PIECES);
    ngrams->sum = t2i_carve(from, N * d);
    ngrams->path_sum = t2i_carve(from, rows * d);
    ngrams->mean = t2i_carve(from, rows);
    ngrams->rstd = t2i_carve(from, rows);
    ngrams->normal = t2i_carve(from, rows * d);
    ngrams->hidden = t2i_carve(from, rows * (units + d));
    ngrams->dhidden = t2i_carve(from, rows * (units + d));
    ngrams->dnormal = t2i_carve(from, rows * d);
    ngrams->dsum = t2i_carve(from, rows * d);
}

/* ---- pieces ---- */

/* The hash of a piece takes in its characters one by one, n-grams from the last to the first,
 * words from the first to the last. */
static const uint64_t hash_of_ngram = 0x6e6772616d000000u, hash_of_word = 0x776f726400000000u;

static uint64_t take_in(uint64_t hash, uint32_t code)
{
    hash = (hash ^ code) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint32_t row_of(uint64_t hash, size_t buckets)
{
    hash *= 0xbf58476d1ce4e5b9u;
    return (uint32_t)((hash >> 32) * buckets >> 32);
}

uint32_t t2i_ngrams_row(const uint32_t *code, size_t count, int word, size_t buckets)
{
    uint64_t hash = word ? hash_of_word : hash_of_ngram;
    for (size_t i = 0; i < count; i++) hash = take_in(hash, code[word ? i : count - 1 - i]);
    return row_of(hash, buckets);
}

/* A prompt with a space before and after it. */
typedef struct {
    const t2i_trie *trie;
    const t2i_vocab *vocab;
    const uint32_t *node; /* of each character */
    size_t length;        /* characters, without the spaces */
} text;

static uint32_t code_at(const text *t, size_t i)
{
    return i == 0 || i > t->length ? ' ' : t->vocab->code[t->trie->id[t->node[i - 1]]];
}

/* The pieces that end at position `at`; word: hash of the word so far. */
static void find_pieces(uint32_t row[T2I_PIECES], const text *t, size_t at, uint64_t word,
                        size_t buckets)
{
    uint64_t hash = take_in(hash_of_ngram, code_at(t, at));
    for (size_t n = T2I_NGRAM_LEAST; n <= T2I_NGRAM_MOST; n++) {
        uint32_t *out = &row[n - T2I_NGRAM_LEAST];
        *out = T2I_NO_ROW;
        if (n > at + 1) continue;
        hash = take_in(hash, code_at(t, at + 1 - n));
        *out = row_of(hash, buckets);
    }
    row[T2I_PIECES - 1] = row_of(word, buckets);
}

/* The rows of the nodes of a path, and of its end. */
static void find_rows(t2i_ngrams *g, const text *t, size_t path, size_t buckets)
{
    uint64_t word = hash_of_word;
    for (size_t at = 1; at <= t->length + 1; at++) {
        int new_word = code_at(t, at - 1) == ' ';
        word = take_in(new_word ? hash_of_word : word, code_at(t, at));
        if (at > t->length)
            find_pieces(g->end_row + path * T2I_PIECES, t, at, word, buckets);
        else if (at > t->trie->shared[path])
            find_pieces(g->row + t->node[at - 1] * T2I_PIECES, t, at, word, buckets);
    }
}

static void no_rows(uint32_t row[T2I_PIECES])
{
    for (size_t k = 0; k < T2I_PIECES; k++) row[k] = T2I_NO_ROW;
}

/* Drops some of the pieces that end at a position. */
static void drop_rows(uint32_t row[T2I_PIECES], const t2i_dropout *dropout, size_t place,
                      uint64_t prefix)
{
    float mask[T2I_PIECES];
    t2i_dropout_mask(dropout, place, prefix, mask, T2I_PIECES);
    for (size_t k = 0; k < T2I_PIECES; k++)
        if (mask[k] == 0.0f) row[k] = T2I_NO_ROW;
}

void t2i_ngrams_forward(t2i_ngrams *g, const t2i_packed_weights *packed, t2i_trie *trie,
                        const t2i_vocab *vocab, const t2i_dropout *dropout, const uint64_t *prefix,
                        float *x)
{
    size_t place = packed->model->config.n_layers * T2I_DROP_PLACES;
    const t2i_model *model = packed->model;
    size_t d = model->config.d_model, N = trie->nodes, P = trie->paths;
    const float *table = packed->weights + model->ngram_weight;
    for (size_t p = 0; p < P; p++) {
        const uint32_t *node = t2i_trie_walk(trie, p);
        if (trie->none[p]) {
            no_rows(g->row + node[0] * T2I_PIECES);
            no_rows(g->end_row + p * T2I_PIECES);
        } else {
            const text t = {trie, vocab, node, trie->length[p]};
            find_rows(g, &t, p, model->config.ngram_buckets);
        }
        if (dropout == NULL) continue;
        for (size_t i = trie->shared[p]; i < trie->length[p]; i++)
            drop_rows(g->row + node[i] * T2I_PIECES, dropout, place, prefix[node[i]]);
        drop_rows(g->end_row + p * T2I_PIECES, dropout, place + 1, prefix[trie->last[p]]);
    }
    g->scale = dropout == NULL ? 1.0f : (float)(1.0 / (1.0 - dropout->rate));
    t2i_ops_embed_bag(g->sum, table, g->row, N, T2I_PIECES, d, g->scale);
    t2i_ops_embed_bag(g->path_sum, table, g->end_row, P, T2I_PIECES, d, g->scale);
    t2i_ops_add(x, g->sum, N * d);
    for (size_t p = 0; p < P; p++) {
        const uint32_t *node = t2i_trie_walk(trie, p);
        for (size_t i = trie->shared[p]; i < trie->length[p]; i++)
            if (i > 0) t2i_ops_add(g->sum + node[i] * d, g->sum + node[i - 1] * d, d);
        t2i_ops_add(g->path_sum + p * d, g->sum + trie->last[p] * d, d);
    }
}

void t2i_ngrams_back(t2i_ngrams *g, const t2i_packed_weights *packed, t2i_trie *trie, float *dx,
                     float *gradient)
{
    size_t d = packed->model->config.d_model;
    float *table = gradient + packed->model->ngram_weight;
    for (size_t p = 0; p < trie->paths; p++) {
        const uint32_t *node = t2i_trie_walk(trie, p);
        for (size_t i = 0; i < trie->length[p]; i++)
            t2i_ops_add(dx + node[i] * d, g->dsum + p * d, d);
    }
    t2i_ops_embed_bag_back(table, dx, g->row, trie->nodes, T2I_PIECES, d, g->scale);
    t2i_ops_embed_bag_back(table, g->dsum, g->end_row, trie->paths, T2I_PIECES, d, g->scale);
}

/* ---- the direct layer ---- */

void t2i_ngrams_direct(t2i_ngrams *g, const t2i_packed_weights *packed, size_t paths,
                       float *features, float *query)
{
    const t2i_model *m = packed->model;
    const t2i_config *c = &m->config;
    const float *weights = packed->weights;
    size_t d = c->d_model, H = c->ngram_hidden, D = c->vision_feature_dim, E = c->embed_dim,
           wide = H + d;
    t2i_gemm_end first = {.bias = weights + m->ngram_ffn1_bias, .relu = 1}, second = {.add = 1};
    t2i_ops_layer_norm(g->normal, g->mean, g->rstd, g->path_sum, weights + m->ngram_ln_weight,
                       weights + m->ngram_ln_bias, paths, d);
    t2i_gemm(g->hidden, wide, g->normal, d, packed->ngram_ffn1.forward, paths, H, d, &first);
    for (size_t p = 0; p < paths; p++)
        memcpy(g->hidden + p * wide + H, g->normal + p * d, d * sizeof *g->normal);
    t2i_gemm(features, D, g->hidden, wide, packed->ngram_head.forward, paths, D, wide, &second);
    if (E > 0)
        t2i_gemm(query, E, g->hidden, wide, packed->ngram_query.forward, paths, E, wide, &second);
}

void t2i_ngrams_direct_back(t2i_ngrams *g, const t2i_packed_weights *packed, size_t paths,
                            const float *dfeatures, const float *dquery, float *gradient)
{
    const t2i_model *m = packed->model;
    const t2i_config *c = &m->config;
    size_t d = c->d_model, H = c->ngram_hidden, D = c->vision_feature_dim, E = c->embed_dim,
           wide = H + d;
    t2i_gemm_end add = {.add = 1};
    t2i_gemm_outer(gradient + m->ngram_head_weight, wide, dfeatures, D, g->hidden, wide, D, wide,
                   paths, 0, NULL);
    t2i_gemm(g->dhidden, wide, dfeatures, D, packed->ngram_head.back, paths, wide, D, NULL);
    if (E > 0) {
        t2i_gemm_outer(gradient + m->ngram_query_weight, wide, dquery, E, g->hidden, wide, E, wide,
                       paths, 0, NULL);
        t2i_gemm(g->dhidden, wide, dquery, E, packed->ngram_query.back, paths, wide, E, &add);
    }
    for (size_t p = 0; p < paths; p++) {
        float *dunit = g->dhidden + p * wide;
        const float *unit = g->hidden + p * wide;
        for (size_t i = 0; i < H; i++)
            if (unit[i] == 0) dunit[i] = 0;
        memcpy(g->dnormal + p * d, dunit + H, d * sizeof *dunit);
    }
    t2i_gemm_outer(gradient + m->ngram_ffn1_weight, d, g->dhidden, wide, g->normal, d, H, d, paths,
                   0, NULL);
    t2i_ops_bias_back(gradient + m->ngram_ffn1_bias, g->dhidden, wide, paths, H, 0);
    t2i_gemm(g->dnormal, d, g->dhidden, wide, packed->ngram_ffn1.back, paths, d, H, &add);
    memset(g->dsum, 0, paths * d * sizeof *g->dsum);
    t2i_ops_layer_norm_back(g->dsum, gradient + m->ngram_ln_weight, gradient + m->ngram_ln_bias,
                            g->dnormal, g->path_sum, g->mean, g->rstd,
                            packed->weights + m->ngram_ln_weight, paths, d);
}
