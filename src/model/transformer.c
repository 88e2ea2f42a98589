#include "model/transformer.h"

#include <math.h>
#include <string.h>

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "base/carver.h"
#include "base/mem.h"
#include "kernels/ops.h"
#include "model/ngrams.h"

/* Sizes: N nodes (distinct prefixes) of a shard, P paths (distinct prompts), d = d_model, H heads.
 * Q is N, but P in the last layer. */

/* Activations of a layer, needed by its backward pass. */
typedef struct {
    float *x;             /* (N, d) input                         */
    float *mean1, *rstd1; /* (N)                                 */
    float *h;             /* (N, d) ln1                           */
    float *qkv;           /* (N, 3d), per head [q k v]; not in the last layer */
    float *prob;          /* softmax weights */
    float *o;             /* (Q, d) attention's output            */
    float *mid;           /* (Q, d) after the first residual      */
    float *mean2, *rstd2; /* (Q)                                 */
    float *h2;            /* (Q, d) ln2                           */
    float *f;             /* (Q, d_ff) after ReLU, t2i_gemm_row apart */
    t2i_zeros *zeros;     /* of f, for each block of rows */
    uint64_t *words;      /* of these */
    float *mask;          /* of prob; of the output of attention, and of the ffn's (Q, d): NULL */
    float *mask1, *mask2; /* without dropout */
} t2i_layer_work;

/* What a shard keeps from its forward pass to its backward pass. */
typedef struct {
    t2i_trie trie;
    const t2i_dropout *dropout; /* drop, or NULL: none */
    t2i_dropout drop;
    size_t pairs; /* rows of ln1, queries, keys and values in the first layer where these are
                     computed once for each pair (trie.h); else 0 */
    t2i_layer_work *layer; /* owned: n_layers */
    uint64_t *prefix;      /* (N) hashes, with dropout */
    float *pair_x;         /* (pairs, d) */
    /* the last layer's: */
    float *end;        /* (P, d) h of the last positions */
    float *query;      /* (P, d) */
    float *query_proj; /* (P, H, d) Wk^T query */
    float *context;    /* (P, H, d) softmax-weighted sums of h */
    float *top;        /* (P, d) output of the last layer */
    t2i_ngrams ngrams;
    float *dx;     /* (N, d) */
    size_t end_at; /* where the memory of the next pass begins */
} pass;

struct t2i_work {
    pass *pass; /* owned: passes */
    pass *now;  /* the one that is computed */
    size_t passes;
    int share, drops;
    /* one layer of one pass at a time: */
    float *dbranch;                /* (N, d), with dropout: gradient of what a layer adds */
    float *dquery, *dend;          /* (P, d) */
    float *dquery_proj, *dcontext; /* (P, H, d) */
    float *mean, *rstd, *normal;   /* the final norm */
    float *path_features;          /* (P, D) */
    float *path_query;             /* (P, E) */
    t2i_outputs outputs;           /* (rows, D), (rows, E) */
    float *dy;                     /* (N, d) */
    float *dqkv;                   /* (N, 3d) */
    float *df;                     /* (MOST, d_ff), t2i_gemm_row apart */
    float *transposed;             /* (d_ff, d): gradient of ffn2's weight, transposed */
    float *scratch;                /* of attention */
    t2i_packed_layer packed;       /* with T2I_TO_TRAIN_BY_LAYER */
    float *floats;                 /* owned: memory of all of the above */
    size_t first_pass, size;       /* floats: where that of the passes begins and ends */
};

/* Rows per block of the feed-forward layers (at most MOST): their activations of width d_ff stay in
 * the level-2 cache. */
enum { BLOCK = 192, MOST = BLOCK * 3 / 2 };

/* Number of blocks of Q rows, which are as equal as possible, and the begin of the i-th: a short
 * last block would cost as much as a full one in the gradients of weights. */
static size_t blocks_of(size_t Q)
{
    return Q < MOST ? 1 : (Q + BLOCK / 2) / BLOCK;
}

static size_t block_begin(size_t i, size_t Q)
{
    return i * Q / blocks_of(Q);
}

/* The sizes of a pass. */
typedef struct {
    size_t rows, P, N; /* N and P as above */
    size_t prob;       /* floats of the softmax weights of a head in a layer other than the last, */
    size_t mask;       /* and of their masks that are kept; */
    size_t ends;       /* of both in the last */
    size_t longest;
} pass_sizes;

static pass_sizes largest_pass(size_t rows, size_t longest)
{
    size_t N = rows * longest, row = t2i_attention_row(longest),
           some = longest < T2I_ATTENTION_SHORT ? longest : T2I_ATTENTION_SHORT,
           shorts = rows * some * t2i_attention_row(some), longs = N * t2i_attention_kept(longest);
    return (pass_sizes){.rows = rows,
                        .P = rows,
                        .N = N,
                        .prob = shorts > longs ? shorts : longs,
                        .mask = shorts,
                        .ends = rows * row,
                        .longest = longest};
}

static pass_sizes sizes_of(const t2i_trie *t)
{
    pass_sizes sizes = {.rows = t->rows, .P = t->paths, .N = t->nodes, .longest = t->longest};
    for (size_t p = 0; p < t->paths; p++) {
        size_t T = t->length[p], row = t2i_attention_row(T);
        sizes.prob += (T - t->shared[p]) * t2i_attention_kept(T);
        if (T <= T2I_ATTENTION_SHORT) sizes.mask += (T - t->shared[p]) * row;
        sizes.ends += row;
    }
    return sizes;
}

static void carve_layers(const t2i_config *c, t2i_layer_work *layer, t2i_carver *from,
                         const pass_sizes *sizes, int drops)
{
    size_t N = sizes->N, d = c->d_model;
    for (size_t i = 0; i < c->n_layers; i++) {
        int last = i + 1 == c->n_layers;
        size_t Q = last ? sizes->P : N, H = c->n_heads;
        t2i_layer_work unused, *l = layer == NULL ? &unused : &layer[i];
        l->x = t2i_carve(from, N * d);
        l->mean1 = t2i_carve(from, N);
        l->rstd1 = t2i_carve(from, N);
        l->h = t2i_carve(from, N * d);
        l->qkv = last ? NULL : t2i_carve(from, N * 3 * d);
        l->prob = t2i_carve(from, H * (last ? sizes->ends : sizes->prob));
        l->o = t2i_carve(from, Q * d);
        l->mid = t2i_carve(from, Q * d);
        l->mean2 = t2i_carve(from, Q);
        l->rstd2 = t2i_carve(from, Q);
        l->h2 = t2i_carve(from, Q * d);
        l->f = t2i_carve(from, Q * t2i_gemm_row(c->d_ff));
        size_t blocks = blocks_of(Q), words = t2i_gemm_zeros_words(MOST, c->d_ff);
        l->zeros = t2i_carve(from, blocks * sizeof *l->zeros / sizeof(float));
        l->words = t2i_carve(from, blocks * words * sizeof *l->words / sizeof(float));
        if (!drops) continue;
        l->mask = t2i_carve(from, H * (last ? sizes->ends : sizes->mask));
        l->mask1 = t2i_carve(from, Q * d);
        l->mask2 = t2i_carve(from, Q * d);
    }
}

/* The memory of a pass, without gaps: it touches no more than it needs. */
static void carve_pass(const t2i_config *c, pass *p, t2i_carver *from, const pass_sizes *sizes,
                       int drops)
{
    size_t N = sizes->N, P = sizes->P, d = c->d_model, H = c->n_heads;
    pass unused, *o = p == NULL ? &unused : p;
    carve_layers(c, p == NULL ? NULL : p->layer, from, sizes, drops);
    if (drops) o->prefix = t2i_carve(from, 2 * N);
    o->pair_x = t2i_carve(from, N * d);
    o->end = t2i_carve(from, P * d);
    o->query = t2i_carve(from, P * d);
    o->query_proj = t2i_carve(from, P * H * d);
    o->context = t2i_carve(from, P * H * d);
    o->top = t2i_carve(from, P * d);
    if (c->ngram_buckets > 0) t2i_ngrams_carve(&o->ngrams, from, c, P, N);
    o->dx = t2i_carve(from, N * d);
}

static void carve_shared(const t2i_config *c, t2i_work *w, t2i_carver *from,
                         const pass_sizes *sizes, int drops)
{
    size_t N = sizes->N, rows = sizes->rows, longest = sizes->longest, d = c->d_model,
           H = c->n_heads;
    size_t attention = t2i_attention_scratch(longest, d / H),
           reach = t2i_attention_reach_scratch(longest, H, d);
    t2i_work unused, *o = w == NULL ? &unused : w;
    if (drops) o->dbranch = t2i_carve(from, N * d);
    o->dquery = t2i_carve(from, rows * d);
    o->dend = t2i_carve(from, rows * d);
    o->dquery_proj = t2i_carve(from, rows * H * d);
    o->dcontext = t2i_carve(from, rows * H * d);
    o->mean = t2i_carve(from, rows);
    o->rstd = t2i_carve(from, rows);
    o->normal = t2i_carve(from, rows * d);
    o->path_features = t2i_carve(from, rows * c->vision_feature_dim);
    o->outputs.features = t2i_carve(from, rows * c->vision_feature_dim);
    o->path_query = t2i_carve(from, rows * c->embed_dim);
    o->outputs.query = c->embed_dim == 0 ? NULL : t2i_carve(from, rows * c->embed_dim);
    o->dy = t2i_carve(from, N * d);
    o->dqkv = t2i_carve(from, N * 3 * d);
    o->df = t2i_carve(from, MOST * t2i_gemm_row(c->d_ff));
    o->transposed = t2i_carve(from, c->d_ff * d);
    o->scratch = t2i_carve(from, attention > reach ? attention : reach);
}

/* Floats of the passes. */
static size_t floats_of_passes(const t2i_config *c, const t2i_work_sizes *sizes)
{
    t2i_carver one = {0}, alone = {0};
    size_t longest = sizes->longest == 0 ? 1 : sizes->longest;
    const pass_sizes many = largest_pass(sizes->rows, longest),
                     most = largest_pass(sizes->most_rows, longest);
    carve_pass(c, NULL, &one, &many, sizes->drops);
    carve_pass(c, NULL, &alone, &most, sizes->drops);
    return sizes->passes * one.used > alone.used ? sizes->passes * one.used : alone.used;
}

static size_t floats_of_shared(const t2i_config *c, t2i_work *w, const t2i_work_sizes *sizes,
                               float *base)
{
    t2i_carver from = {.base = base};
    const pass_sizes most =
        largest_pass(sizes->most_rows, sizes->longest == 0 ? 1 : sizes->longest);
    carve_shared(c, w, &from, &most, sizes->drops);
    return from.used;
}

size_t t2i_transformer_work_bytes(const t2i_model *model, const t2i_work_sizes *sizes)
{
    const t2i_config *c = &model->config;
    return (floats_of_shared(c, NULL, sizes, NULL) + floats_of_passes(c, sizes)) * sizeof(float) +
           (sizes->by_layer ? t2i_packed_layer_bytes(model) : 0);
}

static t2i_status begin_work(t2i_work *w, const t2i_model *model, const t2i_work_sizes *sizes,
                             t2i_error *err)
{
    const t2i_config *c = &model->config;
    size_t longest = sizes->longest == 0 ? 1 : sizes->longest; /* an empty prompt is one token */
    w->share = sizes->share;
    w->drops = sizes->drops;
    w->first_pass = floats_of_shared(c, NULL, sizes, NULL);
    w->size = w->first_pass + floats_of_passes(c, sizes);
    w->floats = t2i_alloc_untouched(w->size, sizeof *w->floats);
    w->pass = t2i_alloc(sizes->passes, sizeof *w->pass);
    if (w->floats == NULL || w->pass == NULL)
        return t2i_fail_memory(err, w->size * sizeof *w->floats,
                               "the activations of a shard; use more shards or a smaller batch");
    w->passes = sizes->passes;
    floats_of_shared(c, w, sizes, w->floats);
    for (size_t k = 0; k < w->passes; k++) {
        pass *p = &w->pass[k];
        p->layer = t2i_alloc(c->n_layers, sizeof *p->layer);
        if (p->layer == NULL)
            return t2i_fail_memory(err, c->n_layers * sizeof *p->layer, "a shard's buffers");
        T2I_TRY(t2i_trie_new(&p->trie, k == 0 ? sizes->most_rows : sizes->rows, longest, err));
    }
    return sizes->by_layer ? t2i_packed_layer_new(&w->packed, model, err) : T2I_OK;
}

t2i_status t2i_transformer_work_new(t2i_work **out, const t2i_model *model,
                                    const t2i_work_sizes *sizes, t2i_error *err)
{
    t2i_work *w = *out = t2i_alloc(1, sizeof *w);
    if (w == NULL) return t2i_fail_memory(err, sizeof *w, "a shard's buffers");
    t2i_status status = begin_work(w, model, sizes, err);
    if (status == T2I_OK) return T2I_OK;
    t2i_transformer_work_free(w);
    *out = NULL;
    return status;
}

void t2i_transformer_work_free(t2i_work *work)
{
    if (work == NULL) return;
    for (size_t k = 0; k < work->passes; k++) {
        t2i_trie_free(&work->pass[k].trie);
        t2i_free(work->pass[k].layer);
    }
    t2i_packed_layer_free(&work->packed);
    t2i_free(work->pass);
    t2i_free(work->floats);
    t2i_free(work);
}

size_t t2i_transformer_work_tokens(const t2i_work *work)
{
    return work->now->trie.tokens;
}

size_t t2i_transformer_work_prefixes(const t2i_work *work)
{
    return work->now->trie.nodes;
}

static const float *at(const float *weights, size_t offset)
{
    return offset == T2I_ABSENT ? NULL : weights + offset;
}

/* ---- attention ---- */

/* Where the masks of a path's softmax weights come from. */
typedef struct {
    const t2i_dropout *dropout;
    size_t place, head;
    const uint64_t *prefix; /* of the path's own nodes */
} mask_source;

static void draw_mask(const void *source, size_t query, size_t begin, float *out, size_t count)
{
    const mask_source *s = source;
    t2i_dropout_mask(s->dropout, s->place,
                     s->prefix[query] + ((uint64_t)s->head << 32) + begin / T2I_DROP_EACH, out,
                     count);
}

/* Attention of every head and path of a layer other than the last; backward if dout is not NULL. An
 * empty prompt attends to nothing. */
static void attend(const t2i_config *c, t2i_work *w, size_t number, const float *dout, float *dqkv)
{
    size_t d = c->d_model, dk = d / c->n_heads, longest = w->now->trie.longest;
    t2i_layer_work *l = &w->now->layer[number];
    const float *rows = l->mask;
    float *prob = l->prob;
    for (size_t head = 0; head < c->n_heads; head++)
        for (size_t p = 0; p < w->now->trie.paths; p++) {
            t2i_path path = {t2i_trie_walk(&w->now->trie, p), w->now->trie.length[p],
                             w->now->trie.shared[p]};
            const float *qkv = l->qkv + head * 3 * dk;
            size_t node = w->now->trie.first[p];
            const mask_source source = {w->now->dropout,
                                        number * T2I_DROP_PLACES + T2I_DROP_ATTENTION, head,
                                        w->now->dropout == NULL ? NULL : w->now->prefix + node};
            const t2i_attention_mask all = {rows, draw_mask, &source},
                                     *mask = w->now->dropout == NULL ? NULL : &all;
            if (w->now->trie.none[p] && dout == NULL)
                memset(l->o + node * d + head * dk, 0, dk * sizeof(float));
            else if (w->now->trie.none[p])
                memset(dqkv + node * 3 * d + head * 3 * dk, 0, 3 * dk * sizeof(float));
            else if (dout == NULL)
                t2i_attention(l->o + head * dk, prob, mask, qkv, w->scratch, &path, longest, dk,
                              3 * d, d);
            else
                t2i_attention_back(dqkv + head * 3 * dk, l->o + head * dk, dout + head * dk, prob,
                                   mask, qkv, w->scratch, &path, longest, dk, 3 * d, d);
            prob += (path.T - path.shared) * t2i_attention_kept(path.T);
            if (mask != NULL && path.T <= T2I_ATTENTION_SHORT)
                rows += (path.T - path.shared) * t2i_attention_row(path.T);
        }
}

/* Copies the rows of x (N, d) of the last positions to out (P, d). */
static void gather_ends(float *out, const float *x, const t2i_trie *trie, size_t d)
{
    for (size_t p = 0; p < trie->paths; p++)
        memcpy(out + p * d, x + trie->last[p] * d, d * sizeof *out);
}

static float score_scale(size_t dk)
{
    return 1.0f / sqrtf((float)dk);
}

/* l->o (P, d) from l->h (N, d). The bias of keys adds a constant to all scores of a path, which
 * softmax cancels. */
static void attend_last(const t2i_packed_weights *packed, t2i_work *w, t2i_layer_work *l,
                        const t2i_layer_at *offset)
{
    const t2i_config *c = &packed->model->config;
    const t2i_layer_operands *operand =
        t2i_packed_weights_layer(packed, c->n_layers - 1, 0, &w->packed);
    const float *bias = at(packed->weights, offset->qkv_bias);
    size_t d = c->d_model, H = c->n_heads, dk = d / H, P = w->now->trie.paths;
    const float *mask = w->now->dropout == NULL ? NULL : l->mask;
    float *prob = l->prob;
    gather_ends(w->now->end, l->h, &w->now->trie, d);
    t2i_gemm(w->now->query, d, w->now->end, d, operand->query.forward, P, d, d, NULL);
    for (size_t a = 0; a < H; a++) {
        if (bias != NULL)
            for (size_t p = 0; p < P; p++)
                for (size_t i = 0; i < dk; i++)
                    w->now->query[p * d + a * dk + i] += bias[a * 3 * dk + i];
        t2i_gemm(w->now->query_proj + a * d, H * d, w->now->query + a * dk, d, operand->key[a].back,
                 P, d, dk, NULL);
    }
    for (size_t p = 0; p < P; p++) {
        t2i_path path = {t2i_trie_walk(&w->now->trie, p), w->now->trie.length[p],
                         w->now->trie.shared[p]};
        float *context = w->now->context + p * H * d;
        if (w->now->trie.none[p])
            memset(context, 0, H * d * sizeof *context);
        else
            t2i_attention_reach(context, prob, mask, w->now->query_proj + p * H * d, l->h,
                                w->scratch, &path, H, d, score_scale(dk));
        prob += H * t2i_attention_row(path.T);
        if (mask != NULL) mask += H * t2i_attention_row(path.T);
    }
    for (size_t a = 0; a < H; a++) {
        t2i_gemm_end end = {.bias = bias == NULL ? NULL : bias + a * 3 * dk + 2 * dk};
        t2i_gemm(l->o + a * dk, d, w->now->context + a * d, H * d, operand->value[a].forward, P, dk,
                 d, &end);
    }
    for (size_t p = 0; p < P; p++)
        if (w->now->trie.none[p]) memset(l->o + p * d, 0, d * sizeof(float));
}

/* dh (N, d) and the gradients of the query, key and value weights from dout (P, d), which is
 * changed. */
static void attend_last_back(const t2i_packed_weights *packed, t2i_work *w, const t2i_layer_work *l,
                             const t2i_layer_at *offset, float *dout, float *dh, float *gradient)
{
    const t2i_config *c = &packed->model->config;
    const t2i_layer_operands *operand =
        t2i_packed_weights_layer(packed, c->n_layers - 1, 1, &w->packed);
    size_t d = c->d_model, H = c->n_heads, dk = d / H, P = w->now->trie.paths;
    const float *prob = l->prob, *mask = w->now->dropout == NULL ? NULL : l->mask;
    for (size_t p = 0; p < P; p++)
        if (w->now->trie.none[p]) memset(dout + p * d, 0, d * sizeof *dout);
    for (size_t a = 0; a < H; a++)
        t2i_gemm(w->dcontext + a * d, H * d, dout + a * dk, d, operand->value[a].back, P, d, dk,
                 NULL);
    memset(dh, 0, w->now->trie.nodes * d * sizeof *dh);
    for (size_t p = 0; p < P; p++) {
        t2i_path path = {t2i_trie_walk(&w->now->trie, p), w->now->trie.length[p],
                         w->now->trie.shared[p]};
        size_t own = p * H * d;
        if (w->now->trie.none[p])
            memset(w->dquery_proj + own, 0, H * d * sizeof(float));
        else
            t2i_attention_reach_back(w->dquery_proj + own, dh, w->dcontext + own, prob, mask,
                                     w->now->query_proj + own, l->h, w->scratch, &path, H, d,
                                     score_scale(dk));
        prob += H * t2i_attention_row(path.T);
        if (mask != NULL) mask += H * t2i_attention_row(path.T);
    }
    for (size_t a = 0; a < H; a++) {
        float *head = gradient + offset->qkv_weight + a * 3 * dk * d;
        t2i_gemm(w->dquery + a * dk, d, w->dquery_proj + a * d, H * d, operand->key[a].forward, P,
                 dk, d, NULL);
        t2i_gemm_outer(head, d, w->dquery + a * dk, d, w->now->end, d, dk, d, P, 0, NULL);
        t2i_gemm_outer(head + dk * d, d, w->now->query + a * dk, d, w->dquery_proj + a * d, H * d,
                       dk, d, P, 0, NULL);
        t2i_gemm_outer(head + 2 * dk * d, d, dout + a * dk, d, w->now->context + a * d, H * d, dk,
                       d, P, 0, NULL);
        if (offset->qkv_bias == T2I_ABSENT) continue;
        float *bias = gradient + offset->qkv_bias + a * 3 * dk;
        memset(bias, 0, 3 * dk * sizeof *bias);
        for (size_t p = 0; p < P; p++)
            for (size_t i = 0; i < dk; i++) {
                bias[i] += w->dquery[p * d + a * dk + i];
                bias[2 * dk + i] += dout[p * d + a * dk + i];
            }
    }
    t2i_gemm(w->dend, d, w->dquery, d, operand->query.back, P, d, d, NULL);
    for (size_t p = 0; p < P; p++)
        for (size_t i = 0; i < d; i++) dh[w->now->trie.last[p] * d + i] += w->dend[p * d + i];
}

/* ---- dropout ---- */

static void hash_prefixes(t2i_work *w)
{
    t2i_trie *t = &w->now->trie;
    for (size_t p = 0; p < t->paths; p++) {
        const uint32_t *node = t2i_trie_walk(t, p);
        for (size_t i = t->shared[p]; i < t->length[p]; i++)
            w->now->prefix[node[i]] = t2i_dropout_prefix(
                i > 0 ? w->now->prefix[node[i - 1]] : T2I_NO_PREFIX, t->id[node[i]]);
    }
}

/* The masks of a layer that are kept, in the layouts of prob and of (Q, d). */
static void draw_masks(const t2i_config *c, t2i_work *w, size_t number)
{
    t2i_layer_work *l = &w->now->layer[number];
    const t2i_trie *t = &w->now->trie;
    int last = number + 1 == c->n_layers;
    size_t Q = last ? t->paths : t->nodes, d = c->d_model, H = c->n_heads,
           place = number * T2I_DROP_PLACES;
    float *mask = l->mask;
    for (size_t q = 0; q < Q; q++) {
        uint64_t prefix = w->now->prefix[last ? t->last[q] : q];
        t2i_dropout_mask(w->now->dropout, place + T2I_DROP_AFTER_ATTENTION, prefix,
                         l->mask1 + q * d, d);
        t2i_dropout_mask(w->now->dropout, place + T2I_DROP_AFTER_FFN, prefix, l->mask2 + q * d, d);
    }
    /* heads come first in prob; in the last layer they lie side by side for each path */
    for (size_t head = 0; head < (last ? 1 : H); head++)
        for (size_t p = 0; p < t->paths; p++) {
            size_t row = t2i_attention_row(t->length[p]) * (last ? H : 1);
            if (!last && t->length[p] > T2I_ATTENTION_SHORT) continue; /* drawn by attend */
            const mask_source source = {w->now->dropout, place + T2I_DROP_ATTENTION, head,
                                        w->now->prefix};
            for (size_t n = last ? t->last[p] : t->first[p]; n <= t->last[p]; n++, mask += row)
                draw_mask(&source, n, 0, mask, row);
        }
}

/* x (Q, d) = residual + x with dropout of x; without dropout the product before has added it. */
static void add_dropped(const t2i_work *w, float *x, const float *mask, const float *residual,
                        size_t count)
{
    if (w->now->dropout != NULL) t2i_ops_mask_add(x, mask, residual, count);
}

/* The gradient of what a layer added, from dx (Q, d), that of the sum. */
static const float *branch_back(const t2i_work *w, const float *mask, size_t count)
{
    if (w->now->dropout == NULL) return w->now->dx;
    t2i_ops_mask(w->dbranch, w->now->dx, mask, count);
    return w->dbranch;
}

/* ---- forward ---- */

/* Layer norm, queries, keys and values of the first layer: computed per pair, copied per node. */
static void pairs_forward(const t2i_packed_weights *packed, t2i_work *w)
{
    const t2i_model *m = packed->model;
    const t2i_layer_at *p = &m->layer[0];
    const float *weights = packed->weights;
    const t2i_trie *t = &w->now->trie;
    t2i_layer_work *l = &w->now->layer[0];
    t2i_gemm_end end = {.bias = at(weights, p->qkv_bias)};
    size_t d = m->config.d_model, row = 3 * d;
    t2i_ops_embed(w->now->pair_x, weights + m->embedding, m->position, t->pair_id, t->pair_pos,
                  w->now->pairs, d);
    t2i_ops_layer_norm(l->h, l->mean1, l->rstd1, w->now->pair_x, weights + p->ln1_weight,
                       weights + p->ln1_bias, w->now->pairs, d);
    t2i_gemm(w->dqkv, row, l->h, d, t2i_packed_weights_layer(packed, 0, 0, &w->packed)->qkv.forward,
             w->now->pairs, row, d, &end);
    for (size_t n = 0; n < t->nodes; n++)
        memcpy(l->qkv + n * row, w->dqkv + t->pair_of[n] * row, row * sizeof(float));
}

/* out (Q, d) = mid + ffn2(ReLU(ffn1(h2))). */
static void ffn_forward(const t2i_packed_weights *packed, t2i_work *w, size_t number, float *out,
                        size_t Q)
{
    const t2i_config *c = &packed->model->config;
    const t2i_layer_at *p = &packed->model->layer[number];
    const t2i_layer_operands *operand = t2i_packed_weights_layer(packed, number, 0, &w->packed);
    size_t d = c->d_model, ff = c->d_ff, ff_row = t2i_gemm_row(c->d_ff),
           words = t2i_gemm_zeros_words(MOST, ff);
    t2i_layer_work *l = &w->now->layer[number];
    t2i_gemm_end first = {.bias = at(packed->weights, p->ffn1_bias), .relu = 1};
    for (size_t i = 0; i < blocks_of(Q); i++) {
        size_t r = block_begin(i, Q), rows = block_begin(i + 1, Q) - r;
        float *f = l->f + r * ff_row;
        t2i_gemm(f, ff_row, l->h2 + r * d, d, operand->ffn1.forward, rows, ff, d, &first);
        l->zeros[i] = (t2i_zeros){0};
        if (d >= T2I_WIDE) /* otherwise no product skips zeros */
            t2i_gemm_zeros_find(&l->zeros[i], l->words + i * words, f, ff_row, rows, ff);
        t2i_gemm_end second = {.bias = at(packed->weights, p->ffn2_bias),
                               .residual = w->now->dropout != NULL ? NULL : l->mid + r * d,
                               .zeros = &l->zeros[i]};
        t2i_gemm(out + r * d, d, f, ff_row, operand->ffn2.forward, rows, d, ff, &second);
    }
    add_dropped(w, out, l->mask2, l->mid, Q * d);
}

static void layer_forward(const t2i_packed_weights *packed, t2i_work *w, size_t number, float *out)
{
    const t2i_config *c = &packed->model->config;
    const t2i_layer_at *p = &packed->model->layer[number];
    const t2i_layer_operands *operand = t2i_packed_weights_layer(packed, number, 0, &w->packed);
    const float *weights = packed->weights, *residual;
    t2i_layer_work *l = &w->now->layer[number];
    int last = number + 1 == c->n_layers;
    size_t N = w->now->trie.nodes, Q = last ? w->now->trie.paths : N, d = c->d_model;
    if (w->now->dropout != NULL) draw_masks(c, w, number);
    if (number == 0 && w->now->pairs > 0)
        pairs_forward(packed, w);
    else
        t2i_ops_layer_norm(l->h, l->mean1, l->rstd1, l->x, weights + p->ln1_weight,
                           weights + p->ln1_bias, N, d);
    if (last) {
        attend_last(packed, w, l, p);
        gather_ends(w->now->dx, l->x, &w->now->trie, d);
        residual = w->now->dx;
    } else {
        t2i_gemm_end end = {.bias = at(weights, p->qkv_bias)};
        if (number > 0 || w->now->pairs == 0)
            t2i_gemm(l->qkv, 3 * d, l->h, d, operand->qkv.forward, N, 3 * d, d, &end);
        attend(c, w, number, NULL, NULL);
        residual = l->x;
    }
    t2i_gemm_end first = {.bias = at(weights, p->out_bias),
                          .residual = w->now->dropout != NULL ? NULL : residual};
    t2i_gemm(l->mid, d, l->o, d, operand->out.forward, Q, d, d, &first);
    add_dropped(w, l->mid, l->mask1, residual, Q * d);
    t2i_ops_layer_norm(l->h2, l->mean2, l->rstd2, l->mid, weights + p->ln2_weight,
                       weights + p->ln2_bias, Q, d);
    ffn_forward(packed, w, number, out, Q);
}

/* Copies the output of each row's path. */
static void spread_paths(float *out, const float *of_path, const t2i_trie *trie, size_t width)
{
    for (size_t r = 0; r < trie->rows; r++)
        memcpy(out + r * width, of_path + trie->path_of[r] * width, width * sizeof *out);
}

/* The heads, from w->normal. */
static void heads_forward(const t2i_packed_weights *packed, t2i_work *w)
{
    const t2i_model *model = packed->model;
    const t2i_config *c = &model->config;
    size_t d = c->d_model, D = c->vision_feature_dim, E = c->embed_dim, P = w->now->trie.paths;
    t2i_gemm_end end = {.bias = at(packed->weights, model->head_bias)};
    t2i_gemm(w->path_features, D, w->normal, d, packed->head.forward, P, D, d, &end);
    if (E > 0) {
        end.bias = packed->weights + model->query_bias;
        t2i_gemm(w->path_query, E, w->normal, d, packed->query_head.forward, P, E, d, &end);
    }
    if (c->ngram_buckets > 0)
        t2i_ngrams_direct(&w->now->ngrams, packed, P, w->path_features, w->path_query);
    spread_paths(w->outputs.features, w->path_features, &w->now->trie, D);
    if (E > 0) spread_paths(w->outputs.query, w->path_query, &w->now->trie, E);
}

void t2i_transformer_begin(const t2i_packed_weights *packed, t2i_work *w, size_t number,
                           const t2i_row *row, size_t rows, const t2i_vocab *vocab,
                           const t2i_dropout *dropout)
{
    const t2i_model *model = packed->model;
    const t2i_config *c = &model->config;
    int ngrams = c->ngram_buckets > 0;
    T2I_ASSERT(number < w->passes && (dropout == NULL || w->drops));
    pass *p = w->now = &w->pass[number];
    t2i_trie_fill(&p->trie, row, rows, vocab->pad, w->share);
    const pass_sizes sizes = sizes_of(&p->trie);
    t2i_carver from = {w->floats, number == 0 ? w->first_pass : p[-1].end_at};
    carve_pass(c, p, &from, &sizes, w->drops);
    p->end_at = from.used;
    T2I_ASSERT(p->end_at <= w->size);
    p->dropout = dropout == NULL ? NULL : &p->drop;
    if (dropout != NULL) {
        p->drop = *dropout;
        hash_prefixes(w);
    }
    /* with more than nine tenths distinct pairs it does not pay; with n-grams the input depends on
     * more than the pair */
    p->pairs =
        !ngrams && c->n_layers > 1 && 10 * p->trie.pairs <= 9 * p->trie.nodes ? p->trie.pairs : 0;
    t2i_ops_embed(p->layer[0].x, packed->weights + model->embedding, model->position, p->trie.id,
                  p->trie.pos, p->trie.nodes, c->d_model);
    if (ngrams)
        t2i_ngrams_forward(&p->ngrams, packed, &p->trie, vocab, dropout, p->prefix, p->layer[0].x);
}

void t2i_transformer_layer(const t2i_packed_weights *packed, t2i_work *w, size_t number, size_t i)
{
    pass *p = w->now = &w->pass[number];
    layer_forward(packed, w, i,
                  i + 1 < packed->model->config.n_layers ? p->layer[i + 1].x : p->top);
}

t2i_outputs t2i_transformer_heads(const t2i_packed_weights *packed, t2i_work *w, size_t number)
{
    const t2i_model *model = packed->model;
    const pass *p = w->now = &w->pass[number];
    t2i_ops_layer_norm(w->normal, w->mean, w->rstd, p->top, packed->weights + model->final_weight,
                       packed->weights + model->final_bias, p->trie.paths, model->config.d_model);
    heads_forward(packed, w);
    return w->outputs;
}

t2i_outputs t2i_transformer_forward(const t2i_packed_weights *packed, t2i_work *w,
                                    const t2i_row *row, size_t rows, const t2i_vocab *vocab,
                                    const t2i_dropout *dropout)
{
    t2i_transformer_begin(packed, w, 0, row, rows, vocab, dropout);
    for (size_t i = 0; i < packed->model->config.n_layers; i++)
        t2i_transformer_layer(packed, w, 0, i);
    return t2i_transformer_heads(packed, w, 0);
}

/* ---- backward ---- */

/* Gradients of W and b of a layer y = x W^T + b. */
static void linear_back(float *gradient, size_t weight_at, size_t bias_at, const float *dy,
                        const float *x, size_t T, size_t outputs, size_t inputs)
{
    t2i_gemm_outer(gradient + weight_at, inputs, dy, outputs, x, inputs, outputs, inputs, T, 0,
                   NULL);
    if (bias_at != T2I_ABSENT) t2i_ops_bias_back(gradient + bias_at, dy, outputs, T, outputs, 0);
}

/* w->dy (Q, d), the gradient of h2, and the gradients of both layers' weights, from dout (Q, d).
 * Elements that ReLU set to 0 have no gradient. The gradient of the second weight is computed
 * transposed if zeros can then be skipped. */
static void ffn_back(const t2i_packed_weights *packed, t2i_work *w, size_t number,
                     const float *dout, float *gradient, size_t Q)
{
    enum { WORTH = 128 }; /* rows from which transposing saves time */
    const t2i_config *c = &packed->model->config;
    const t2i_layer_at *p = &packed->model->layer[number];
    const t2i_layer_operands *operand = t2i_packed_weights_layer(packed, number, 1, &w->packed);
    const t2i_layer_work *l = &w->now->layer[number];
    size_t d = c->d_model, ff = c->d_ff, ff_row = t2i_gemm_row(c->d_ff);
    float *weight = gradient + p->ffn2_weight;
    int turn = d >= T2I_WIDE && Q >= WORTH;
    for (size_t i = 0; i < blocks_of(Q); i++) {
        size_t r = block_begin(i, Q), rows = block_begin(i + 1, Q) - r;
        const t2i_zeros *zeros = &l->zeros[i];
        const float *f = l->f + r * ff_row, *dx = dout + r * d;
        t2i_gemm_end mask = {.mask = f}, masked = {.zeros = zeros};
        if (turn)
            t2i_gemm_outer(w->transposed, d, f, ff_row, dx, d, ff, d, rows, r > 0, zeros);
        else
            t2i_gemm_outer(weight, ff, dx, d, f, ff_row, d, ff, rows, r > 0, NULL);
        t2i_gemm(w->df, ff_row, dx, d, operand->ffn2.back, rows, ff, d, &mask);
        t2i_gemm_outer(gradient + p->ffn1_weight, d, w->df, ff_row, l->h2 + r * d, d, ff, d, rows,
                       r > 0, zeros);
        if (p->ffn1_bias != T2I_ABSENT)
            t2i_ops_bias_back(gradient + p->ffn1_bias, w->df, ff_row, rows, ff, r > 0);
        t2i_gemm(w->dy + r * d, d, w->df, ff_row, operand->ffn1.back, rows, d, ff, &masked);
    }
    if (turn) t2i_gemm_transpose(weight, ff, w->transposed, d, ff, d);
    if (p->ffn2_bias != T2I_ABSENT) t2i_ops_bias_back(gradient + p->ffn2_bias, dout, d, Q, d, 0);
}

/* Scatters dx (P, d) of the paths to their last nodes (N, d). top is no longer needed. */
static void scatter_ends(t2i_work *w, size_t d)
{
    memcpy(w->now->top, w->now->dx, w->now->trie.paths * d * sizeof(float));
    memset(w->now->dx, 0, w->now->trie.nodes * d * sizeof(float));
    for (size_t p = 0; p < w->now->trie.paths; p++)
        memcpy(w->now->dx + w->now->trie.last[p] * d, w->now->top + p * d, d * sizeof(float));
}

/* Reduces x (N, width) to (pairs, width) in place: adds up the rows of a pair's nodes in order. The
 * row of a pair is not after that of its first node. */
static void add_pairs(float *x, const t2i_trie *trie, size_t width)
{
    for (size_t n = 0, found = 0; n < trie->nodes; n++) {
        float *to = x + trie->pair_of[n] * width;
        if (trie->pair_of[n] < found)
            t2i_ops_add(to, x + n * width, width);
        else if (found++ < n)
            memcpy(to, x + n * width, width * sizeof *x);
    }
}

/* w->now->dx: gradient of the layer's output (Q, d) on entry, of its input (N, d) on return; in the
 * first layer (pairs, d), where there are pairs. */
static void layer_back(const t2i_packed_weights *packed, t2i_work *w, size_t number,
                       float *gradient)
{
    const t2i_config *c = &packed->model->config;
    const t2i_layer_at *p = &packed->model->layer[number];
    const t2i_layer_operands *operand = t2i_packed_weights_layer(packed, number, 1, &w->packed);
    t2i_layer_work *l = &w->now->layer[number];
    const float *weights = packed->weights, *x = l->x;
    int last = number + 1 == c->n_layers;
    size_t N = w->now->trie.nodes, Q = last ? w->now->trie.paths : N, d = c->d_model;
    ffn_back(packed, w, number, branch_back(w, l->mask2, Q * d), gradient, Q);
    t2i_ops_layer_norm_back(w->now->dx, gradient + p->ln2_weight, gradient + p->ln2_bias, w->dy,
                            l->mid, l->mean2, l->rstd2, weights + p->ln2_weight, Q, d);
    const float *dbranch = branch_back(w, l->mask1, Q * d);
    linear_back(gradient, p->out_weight, p->out_bias, dbranch, l->o, Q, d, d);
    float *dout = last ? w->normal : w->dy; /* the buffer of the final norm is no longer needed */
    t2i_gemm(dout, d, dbranch, d, operand->out.back, Q, d, d, NULL);
    if (last) {
        attend_last_back(packed, w, l, p, dout, w->dy, gradient);
        scatter_ends(w, d);
    } else {
        attend(c, w, number, dout, w->dqkv);
        if (number == 0 && w->now->pairs > 0) {
            add_pairs(w->dqkv, &w->now->trie, 3 * d);
            add_pairs(w->now->dx, &w->now->trie, d);
            x = w->now->pair_x;
            N = w->now->pairs;
        }
        linear_back(gradient, p->qkv_weight, p->qkv_bias, w->dqkv, l->h, N, 3 * d, d);
        t2i_gemm(w->dy, d, w->dqkv, 3 * d, operand->qkv.back, N, d, 3 * d, NULL);
    }
    t2i_ops_layer_norm_back(w->now->dx, gradient + p->ln1_weight, gradient + p->ln1_bias, w->dy, x,
                            l->mean1, l->rstd1, weights + p->ln1_weight, N, d);
}

/* A table of rows, few of which a shard uses: floats begin .. end - 1 of the block. */
typedef struct {
    size_t begin, end, width;
} table;

/* Marks the chunks that lie wholly in the table as unused. */
static void begin_table(const table *t, uint8_t *used)
{
    for (size_t k = (t->begin + T2I_CHUNK - 1) / T2I_CHUNK; (k + 1) * T2I_CHUNK <= t->end; k++)
        used[k] = 0;
}

static void use_row(const table *t, size_t row, uint8_t *used)
{
    size_t first = t->begin + row * t->width;
    for (size_t k = first / T2I_CHUNK; k <= (first + t->width - 1) / T2I_CHUNK; k++) used[k] = 1;
}

/* Clears the table's floats in the used chunks. */
static void clear_table(const table *t, float *gradient, const uint8_t *used)
{
    for (size_t k = t->begin / T2I_CHUNK; k * T2I_CHUNK < t->end; k++) {
        size_t from = k * T2I_CHUNK < t->begin ? t->begin : k * T2I_CHUNK,
               to = (k + 1) * T2I_CHUNK < t->end ? (k + 1) * T2I_CHUNK : t->end;
        if (used[k]) memset(gradient + from, 0, (to - from) * sizeof *gradient);
    }
}

/* Gradients of the embedding and of the n-gram table, and the chunks of the block that were
 * written. */
static void tables_back(const t2i_packed_weights *packed, t2i_work *w, float *gradient,
                        uint8_t *used)
{
    const t2i_model *model = packed->model;
    const t2i_config *c = &model->config;
    size_t d = c->d_model;
    const table characters = {model->embedding, model->embedding + c->vocab_size * d, d},
                pieces = {model->ngram_weight, model->ngram_weight + c->ngram_buckets * d, d};
    memset(used, 1, model->layout.floats / T2I_CHUNK);
    begin_table(&characters, used);
    begin_table(&pieces, used);
    for (size_t n = 0; n < w->now->trie.nodes; n++) use_row(&characters, w->now->trie.id[n], used);
    const uint32_t *const rows[] = {w->now->ngrams.row, w->now->ngrams.end_row};
    const size_t of[] = {w->now->trie.nodes * T2I_PIECES, w->now->trie.paths * T2I_PIECES};
    for (size_t k = 0; c->ngram_buckets > 0 && k < 2; k++)
        for (size_t i = 0; i < of[k]; i++)
            if (rows[k][i] != T2I_NO_ROW) use_row(&pieces, rows[k][i], used);
    clear_table(&characters, gradient, used);
    clear_table(&pieces, gradient, used);
    t2i_ops_embed_back(gradient + model->embedding, w->now->dx,
                       w->now->pairs > 0 ? w->now->trie.pair_id : w->now->trie.id,
                       w->now->pairs > 0 ? w->now->pairs : w->now->trie.nodes, d);
    if (c->ngram_buckets > 0)
        t2i_ngrams_back(&w->now->ngrams, packed, &w->now->trie, w->now->dx, gradient);
}

/* out (P, width): gradients of the rows, added up for each path. */
static void gather_paths(float *out, const float *of_row, const t2i_trie *trie, size_t width)
{
    memset(out, 0, trie->paths * width * sizeof *out);
    for (size_t r = 0; r < trie->rows; r++)
        t2i_ops_add(out + trie->path_of[r] * width, of_row + r * width, width);
}

/* The gradients of the heads; w->dy (P, d): that of w->normal. */
static void heads_back(const t2i_packed_weights *packed, t2i_work *w, const t2i_outputs *doutputs,
                       float *gradient)
{
    const t2i_model *model = packed->model;
    const t2i_config *c = &model->config;
    size_t d = c->d_model, D = c->vision_feature_dim, E = c->embed_dim, P = w->now->trie.paths;
    gather_paths(w->path_features, doutputs->features, &w->now->trie, D);
    linear_back(gradient, model->head_weight, model->head_bias, w->path_features, w->normal, P, D,
                d);
    t2i_gemm(w->dy, d, w->path_features, D, packed->head.back, P, d, D, NULL);
    if (E > 0) {
        t2i_gemm_end add = {.add = 1};
        gather_paths(w->path_query, doutputs->query, &w->now->trie, E);
        linear_back(gradient, model->query_weight, model->query_bias, w->path_query, w->normal, P,
                    E, d);
        t2i_gemm(w->dy, d, w->path_query, E, packed->query_head.back, P, d, E, &add);
    }
    if (c->ngram_buckets > 0)
        t2i_ngrams_direct_back(&w->now->ngrams, packed, P, w->path_features, w->path_query,
                               gradient);
}

/* Gradients of the final norm and of the heads, and w->now->dx (P, d): that of the last layer's
 * output. */
static void end_back(const t2i_packed_weights *packed, t2i_work *w, const t2i_outputs *doutputs,
                     float *gradient)
{
    const t2i_model *model = packed->model;
    size_t d = model->config.d_model, P = w->now->trie.paths;
    heads_back(packed, w, doutputs, gradient);
    memset(w->now->dx, 0, P * d * sizeof *w->now->dx);
    t2i_ops_layer_norm_back(w->now->dx, gradient + model->final_weight,
                            gradient + model->final_bias, w->dy, w->now->top, w->mean, w->rstd,
                            packed->weights + model->final_weight, P, d);
}

/* Clears what lies between the tensors of a section, and behind them. */
static void clear_gaps(const t2i_layout *layout, const t2i_section *section, float *gradient)
{
    for (size_t i = 0; i < layout->tensors; i++) {
        const t2i_tensor *t = &layout->tensor[i];
        size_t from = t->offset + t2i_tensor_count(t),
               to = i + 1 < layout->tensors ? t[1].offset : layout->floats;
        if (t->offset >= section->begin && t->offset < section->end && from < to)
            memset(gradient + from, 0, (to - from) * sizeof *gradient);
    }
}

void t2i_transformer_section_back(const t2i_packed_weights *packed, t2i_work *w, size_t number,
                                  size_t section, const t2i_outputs *doutputs, float *gradient,
                                  uint8_t *used)
{
    const t2i_model *model = packed->model;
    size_t L = model->config.n_layers;
    const t2i_section part = t2i_model_section(model, section);
    T2I_ASSERT(packed->purpose != T2I_TO_PREDICT);
    w->now = &w->pass[number];
    if (section == 0)
        end_back(packed, w, doutputs, gradient);
    else if (section <= L)
        layer_back(packed, w, L - section, gradient);
    else
        tables_back(packed, w, gradient, used);
    clear_gaps(&model->layout, &part, gradient);
}

void t2i_transformer_backward(const t2i_packed_weights *packed, t2i_work *w,
                              const t2i_outputs *doutputs, float *gradient, uint8_t *used)
{
    for (size_t i = 0; i < t2i_model_sections(&packed->model->config); i++)
        t2i_transformer_section_back(packed, w, 0, i, doutputs, gradient, used);
}
