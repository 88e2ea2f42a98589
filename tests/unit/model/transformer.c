/* The transformer against a plain reference in double: predictions, and central differences of its
 * loss for every kind of tensor, with every bias present or absent. The reference shares no code
 * with src/. */
#include "test.h"

#include <math.h>

#include "kernels/ops.h"
#include "base/rng.h"
#include "model/dropout.h"
#include "model/ngrams.h"
#include "model/transformer.h"

enum { ROWS = 10, D = 6, LONGEST = 19 };

static t2i_error err;
static const uint16_t ids[LONGEST] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8};
/* among them equal ones, one that another begins with, and two empty ones */
static const t2i_row row[ROWS] = {{ids, 7}, {ids + 2, 1}, {ids, 0}, {ids, LONGEST}, {ids + 3, 16},
                                  {ids, 7}, {ids + 3, 5}, {ids, 0}, {ids + 1, 1},   {ids + 3, 16}};
enum { PAD = 10, SPACE = 5 };
/* Characters a to j, of which f is a space, and <PAD>. */
static uint32_t code[PAD + 1] = {'a', 'b', 'c', 'd', 'e', ' ', 'g', 'h', 'i', 'j', T2I_NO_CODE};
static const t2i_vocab vocab = {.size = PAD + 1, .code = code, .pad = PAD, .unknown = PAD};

/* ---- the reference: one prompt at a time, textbook loops ---- */

/* The tensor's values, or NULL when the model has none of that name. */
static const double *tensor(const t2i_model *m, const double *w, const char *prefix,
                            const char *name, const char *end)
{
    char full[T2I_NAME_MAX];
    snprintf(full, sizeof full, "%s%s%s", prefix, name, end);
    const t2i_tensor *t = t2i_layout_find(&m->layout, full);
    return t == NULL ? NULL : w + t->offset;
}

static void norm(const t2i_model *m, const double *w, const char *prefix, const char *name,
                 const double *x, double *y)
{
    size_t d = m->config.d_model;
    double mean = 0, var = 0;
    const double *weight = tensor(m, w, prefix, name, ".weight"),
                 *bias = tensor(m, w, prefix, name, ".bias");
    for (size_t c = 0; c < d; c++) mean += x[c] / (double)d;
    for (size_t c = 0; c < d; c++) var += (x[c] - mean) * (x[c] - mean) / (double)d;
    for (size_t c = 0; c < d; c++) y[c] = (x[c] - mean) / sqrt(var + 1e-5) * weight[c] + bias[c];
}

static void linear(const t2i_model *m, const double *w, const char *prefix, const char *name,
                   const double *x, double *y, size_t in, size_t out)
{
    const double *weight = tensor(m, w, prefix, name, ".weight"),
                 *bias = tensor(m, w, prefix, name, ".bias");
    for (size_t o = 0; o < out; o++) {
        y[o] = bias == NULL ? 0.0 : bias[o];
        for (size_t i = 0; i < in; i++) y[o] += x[i] * weight[o * in + i];
    }
}

enum { MOST = 24, E = 4 };

/* The dropout of the pass, NULL: none; and a mask of it for the prefix of the first t + 1 ids. */
static const t2i_dropout *drop;
enum { ELEMENTS = 3 * 12 * 32 };
static const float *mask_of(const t2i_row *r, size_t t, size_t place, uint64_t more)
{
    static float mask[ELEMENTS];
    uint64_t prefix = T2I_NO_PREFIX;
    for (size_t i = 0; i <= t; i++)
        prefix = t2i_dropout_prefix(prefix, r->length == 0 ? PAD : r->ids[i]);
    for (size_t i = 0; i < ELEMENTS; i++) mask[i] = 1.0f;
    if (drop != NULL) t2i_dropout_mask(drop, place, prefix + more, mask, ELEMENTS);
    return mask;
}

/* y (d) += the rows of the pieces that end at position `at` of text, which has a space before it
 * and behind it; at is T + 1 behind the prompt. */
static void add_pieces(const t2i_model *m, const double *w, const uint32_t *text, size_t at,
                       const float *mask, double *y)
{
    const double *table = tensor(m, w, "", "ngram", ".weight");
    size_t d = m->config.d_model, buckets = m->config.ngram_buckets, first = at;
    while (first > 0 && text[first - 1] != ' ') first--;
    if (first == 0) first = 1; /* the space before the prompt */
    for (size_t n = 2; n <= 7; n++) {
        if (n <= 6 && n > at + 1) continue;
        size_t piece = n <= 6 ? t2i_ngrams_row(text + at + 1 - n, n, 0, buckets)
                              : t2i_ngrams_row(text + first, at + 1 - first, 1, buckets);
        for (size_t i = 0; i < d; i++) y[i] += (double)mask[n - 2] * table[piece * d + i];
    }
}

/* The direct layer: added to the features and to the query. */
static void add_direct(const t2i_model *m, const double *w, const double *sum, double *features,
                       double *query)
{
    size_t H = m->config.ngram_hidden;
    double h[MOST], f[2 * MOST], y[MOST];
    norm(m, w, "ngram.", "ln", sum, h);
    linear(m, w, "ngram.", "ffn1", h, f, m->config.d_model, H);
    for (size_t i = 0; i < H; i++) f[i] = fmax(f[i], 0.0);
    memcpy(f + H, h, m->config.d_model * sizeof *h);
    H += m->config.d_model;
    linear(m, w, "ngram.", "head", f, y, H, D);
    for (size_t i = 0; i < D; i++) features[i] += y[i];
    if (m->config.embed_dim == 0) return;
    linear(m, w, "ngram.", "query", f, y, H, E);
    for (size_t i = 0; i < E; i++) query[i] += y[i];
}

static void reference_row(const t2i_model *m, const double *w, const t2i_row *r, double *prediction,
                          double *query)
{
    const t2i_config *c = &m->config;
    size_t d = c->d_model, dk = d / c->n_heads, T = r->length == 0 ? 1 : r->length;
    static double x[LONGEST][MOST], h[MOST], qkv[LONGEST][3 * MOST], o[LONGEST][MOST], y[MOST],
        f[2 * MOST];
    const double *embedding = tensor(m, w, "", "embedding", ".weight");
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < d; i++)
            x[t][i] = embedding[(r->length == 0 ? PAD : r->ids[t]) * d + i] +
                      (double)m->position[t * d + i];
    uint32_t text[LONGEST + 2] = {' '};
    double bag[MOST] = {0};
    for (size_t t = 0; t < r->length; t++) text[t + 1] = code[r->ids[t]];
    text[r->length + 1] = ' ';
    for (size_t t = 0; c->ngram_buckets > 0 && r->length > 0 && t <= r->length; t++) {
        double pieces[MOST] = {0};
        size_t end = t == r->length, place = T2I_DROP_PLACES * c->n_layers + end;
        add_pieces(m, w, text, t + 1, mask_of(r, t - end, place, 0), pieces);
        for (size_t i = 0; i < d; i++) {
            bag[i] += pieces[i];
            if (t < r->length) x[t][i] += pieces[i];
        }
    }
    for (size_t l = 0; l < c->n_layers; l++) {
        char p[32];
        snprintf(p, sizeof p, "layers.%zu.", l);
        for (size_t t = 0; t < T; t++) {
            norm(m, w, p, "ln1", x[t], h);
            linear(m, w, p, "qkv", h, qkv[t], d, 3 * d);
        }
        memset(o, 0, sizeof o);
        for (size_t t = 0; r->length > 0 && t < T; t++)
            for (size_t head = 0; head < c->n_heads; head++) {
                double s[LONGEST], sum = 0, most = -INFINITY;
                for (size_t j = 0; j <= t; j++) {
                    s[j] = 0;
                    for (size_t i = 0; i < dk; i++)
                        s[j] += qkv[t][head * 3 * dk + i] * qkv[j][head * 3 * dk + dk + i];
                    s[j] /= sqrt((double)dk);
                    most = fmax(most, s[j]);
                }
                for (size_t j = 0; j <= t; j++) sum += s[j] = exp(s[j] - most);
                int last = l + 1 == c->n_layers; /* where the heads of a path have one mask */
                const float *mask = mask_of(r, t, l * T2I_DROP_PLACES + T2I_DROP_ATTENTION,
                                            last ? 0 : (uint64_t)head << 32);
                if (last) mask += head * ((T + 15) / 16 * 16);
                for (size_t j = 0; j <= t; j++)
                    for (size_t i = 0; i < dk; i++)
                        o[t][head * dk + i] +=
                            (double)mask[j] * s[j] / sum * qkv[j][head * 3 * dk + 2 * dk + i];
            }
        for (size_t t = 0; t < T; t++) {
            linear(m, w, p, "out", o[t], y, d, d);
            const float *mask = mask_of(r, t, l * T2I_DROP_PLACES + T2I_DROP_AFTER_ATTENTION, 0);
            for (size_t i = 0; i < d; i++) x[t][i] += (double)mask[i] * y[i];
            norm(m, w, p, "ln2", x[t], h);
            linear(m, w, p, "ffn1", h, f, d, c->d_ff);
            for (size_t i = 0; i < c->d_ff; i++) f[i] = fmax(f[i], 0.0);
            linear(m, w, p, "ffn2", f, y, c->d_ff, d);
            mask = mask_of(r, t, l * T2I_DROP_PLACES + T2I_DROP_AFTER_FFN, 0);
            for (size_t i = 0; i < d; i++) x[t][i] += (double)mask[i] * y[i];
        }
    }
    norm(m, w, "", "final_ln", x[T - 1], h);
    linear(m, w, "", "head", h, prediction, d, c->vision_feature_dim);
    if (c->embed_dim > 0) linear(m, w, "", "query", h, query, d, E);
    if (c->ngram_buckets > 0) add_direct(m, w, bag, prediction, query);
}

static double target(size_t i)
{
    return t2i_rng_normal(5, 5, i);
}

static double reference_loss(const t2i_model *m, const double *w)
{
    double prediction[D], query[E] = {0}, sum = 0;
    for (size_t r = 0; r < ROWS; r++) {
        reference_row(m, w, &row[r], prediction, query);
        for (size_t i = 0; i < D; i++) sum += pow(prediction[i] - target(r * D + i), 2);
        for (size_t i = 0; m->config.embed_dim > 0 && i < E; i++)
            sum += pow(query[i] - target(1000 + r * E + i), 2);
    }
    return sum / (ROWS * D);
}

/* ---- the tests ---- */

/* Leaves NaN in all memory of `work`, as a step does that is skipped. */
static void leave_nan(t2i_packed_weights *packed, t2i_work *work, const t2i_model *m, float *g,
                      uint8_t *used)
{
    t2i_row longest[ROWS];
    float doutputs[ROWS * (D + E)];
    float *w = t2i_block_new(&m->layout);
    for (size_t i = 0; i < m->layout.floats; i++) w[i] = NAN;
    for (size_t i = 0; i < ROWS * (D + E); i++) doutputs[i] = NAN;
    for (size_t r = 0; r < ROWS; r++) longest[r] = (t2i_row){ids, LONGEST};
    t2i_packed_weights_fill(packed, w, 0, 1);
    t2i_transformer_forward(packed, work, longest, ROWS, &vocab, drop);
    t2i_transformer_backward(packed, work, &(t2i_outputs){doutputs, doutputs + ROWS * D}, g, used);
    t2i_free(w);
}

static void check_model(const t2i_config *config, int share)
{
    t2i_model m;
    t2i_work *work = NULL;
    OK(t2i_model_new(&m, config, &err));
    t2i_packed_weights packed;
    OK(t2i_packed_weights_new(&packed, &m, 1, NULL, &err));
    OK(t2i_transformer_work_new(&work, &m,
                                &(t2i_work_sizes){.passes = 1,
                                                  .most_rows = ROWS,
                                                  .longest = LONGEST,
                                                  .share = share,
                                                  .drops = drop != NULL},
                                &err));
    float *w = t2i_block_new(&m.layout), *g = t2i_block_new(&m.layout);
    uint8_t *used = t2i_alloc(m.layout.floats / T2I_CHUNK, 1);
    double *exact = t2i_alloc(m.layout.floats, sizeof *exact);
    for (size_t i = 0; i < m.layout.tensors; i++) {
        t2i_model_init_tensor(&m, &m.layout.tensor[i], 7, w);
        for (size_t k = 0; k < t2i_tensor_count(&m.layout.tensor[i]);
             k++) /* norms and biases must matter too */
            w[m.layout.tensor[i].offset + k] += (float)(0.1 * t2i_rng_normal(8, i, k));
    }
    for (size_t i = 0; i < m.layout.floats; i++) exact[i] = (double)w[i];

    leave_nan(&packed, work, &m, g, used);
    t2i_packed_weights_fill(&packed, w, 1, 2); /* by two threads */
    t2i_packed_weights_fill(&packed, w, 0, 2);
    const t2i_outputs got = t2i_transformer_forward(&packed, work, row, ROWS, &vocab, drop);
    float wanted[ROWS * D], dfeatures[ROWS * D], dquery[ROWS * E];
    for (size_t i = 0; i < ROWS * D; i++) wanted[i] = (float)target(i);
    for (size_t r = 0; r < ROWS; r++) {
        double plain[D], query[E];
        reference_row(&m, exact, &row[r], plain, query);
        for (size_t i = 0; i < D; i++)
            CU_ASSERT_DOUBLE_EQUAL((double)got.features[r * D + i], plain[i], 5e-6);
        for (size_t i = 0; config->embed_dim > 0 && i < E; i++)
            CU_ASSERT_DOUBLE_EQUAL((double)got.query[r * E + i], query[i], 5e-6);
    }
    double sum =
        t2i_ops_squared_error(dfeatures, got.features, wanted, 2.0f / (ROWS * D), ROWS * D);
    if (config->embed_dim > 0) {
        for (size_t i = 0; i < ROWS * E; i++) wanted[i] = (float)target(1000 + i);
        sum += t2i_ops_squared_error(dquery, got.query, wanted, 2.0f / (ROWS * D), ROWS * E);
    }
    CU_ASSERT_DOUBLE_EQUAL(sum / (ROWS * D), reference_loss(&m, exact), 1e-5);
    for (size_t i = 0; i < m.layout.floats; i++) g[i] = NAN; /* every tensor must be set */
    t2i_transformer_backward(&packed, work, &(t2i_outputs){dfeatures, dquery}, g, used);

    for (size_t i = 0; i < m.layout.tensors; i++) {
        const t2i_tensor *t = &m.layout.tensor[i];
        if (strcmp(t->name, "picture.weight") == 0) continue; /* the loss sets it */
        size_t count = t2i_tensor_count(t);
        double largest = 0, worst = 0;
        for (size_t k = 0; k < count; k++) largest = fmax(largest, fabs((double)g[t->offset + k]));
        for (size_t probe = 0; probe < 6; probe++) {
            size_t k = t->offset + t2i_rng_below(9, i, probe, count);
            double kept = exact[k], step = 1e-5;
            exact[k] = kept + step;
            double up = reference_loss(&m, exact);
            exact[k] = kept - step;
            double down = reference_loss(&m, exact);
            exact[k] = kept;
            double error = fabs((up - down) / (2 * step) - (double)g[k]);
            worst = error > worst || isnan(error) ? error : worst;
        }
        if (!(worst <= 2e-5 * largest + 1e-8))
            fprintf(stderr, "%s: off by %g of %g\n", t->name, worst, largest);
        CU_ASSERT_TRUE(worst <= 2e-5 * largest + 1e-8);
    }
    t2i_free(w);
    t2i_free(g);
    t2i_free(exact);
    t2i_free(used);
    t2i_packed_weights_free(&packed);
    t2i_transformer_work_free(work);
    t2i_model_free(&m);
}

static void check(const t2i_config *config)
{
    check_model(config, 1);
    check_model(config, 0);
}

static void test_every_bias(void)
{
    for (int bits = 0; bits < 32; bits++) {
        t2i_config c = {.vocab_size = 11,
                        .d_model = 12,
                        .n_heads = 3,
                        .n_layers = 2,
                        .d_ff = 20,
                        .block_size = 24,
                        .vision_feature_dim = D,
                        .qkv_bias = bits & 1,
                        .out_bias = bits >> 1 & 1,
                        .ffn1_bias = bits >> 2 & 1,
                        .ffn2_bias = bits >> 3 & 1,
                        .head_bias = bits >> 4 & 1};
        check(&c);
    }
}

/* Pieces of words, the query head, and both, with one and two layers. */
static void test_ngrams_and_query(void)
{
    for (unsigned bits = 1; bits < 8; bits++) {
        t2i_config c = {.vocab_size = 11,
                        .d_model = 12,
                        .n_heads = 3,
                        .n_layers = 1 + (bits >> 2),
                        .d_ff = 20,
                        .block_size = 24,
                        .vision_feature_dim = D,
                        .ngram_buckets = bits & 1 ? 29 : 0,
                        .ngram_hidden = bits & 1 ? 17 : 0,
                        .embed_dim = bits & 2 ? E : 0,
                        .out_bias = 1,
                        .head_bias = 1};
        check(&c);
    }
}

/* The same masks in the reference: each is a function of the prefix, with and without the trie. */
static void test_dropout(void)
{
    static const t2i_dropout third = {.rate = 0.3, .seed = 5, .step = 7, .shard = 2};
    drop = &third;
    for (size_t layers = 1; layers < 3; layers++) {
        t2i_config c = {.vocab_size = 11,
                        .d_model = 12,
                        .n_heads = 3,
                        .n_layers = layers,
                        .d_ff = 20,
                        .block_size = 24,
                        .vision_feature_dim = D,
                        .ngram_buckets = 29,
                        .ngram_hidden = 17,
                        .embed_dim = E,
                        .out_bias = 1,
                        .ffn2_bias = 1,
                        .head_bias = 1};
        check(&c);
        c.ngram_buckets = c.ngram_hidden = 0;
        check(&c);
    }
    drop = NULL;
}

/* The share of zeros, and other masks for another step, shard, place or prefix. */
static void test_masks(void)
{
    enum { MANY = 40000 };
    static float a[MANY], b[MANY];
    const t2i_dropout one = {.rate = 0.2, .seed = 1, .step = 3, .shard = 4};
    const t2i_dropout others[] = {{.rate = 0.2, .seed = 2, .step = 3, .shard = 4},
                                  {.rate = 0.2, .seed = 1, .step = 4, .shard = 4},
                                  {.rate = 0.2, .seed = 1, .step = 3, .shard = 5}};
    double sum = 0;
    size_t zeros = 0;
    t2i_dropout_mask(&one, 1, 99, a, MANY);
    for (size_t i = 0; i < MANY; i++) {
        sum += (double)a[i];
        zeros += a[i] == 0.0f;
        CU_ASSERT_TRUE(a[i] == 0.0f || a[i] == 1.25f);
    }
    CU_ASSERT_DOUBLE_EQUAL(sum / MANY, 1, 0.01);
    CU_ASSERT_DOUBLE_EQUAL((double)zeros / MANY, 0.2, 0.01);
    for (size_t k = 0; k < 5; k++) {
        t2i_dropout_mask(k < 3 ? &others[k] : &one, k == 3 ? 2 : 1, k == 4 ? (uint64_t)1 << 40 : 99,
                         b, MANY);
        size_t both = 0;
        for (size_t i = 0; i < MANY; i++) both += a[i] == 0.0f && b[i] == 0.0f;
        CU_ASSERT_DOUBLE_EQUAL((double)both / MANY, 0.04, 0.01);
    }
}

static void test_wide_heads_and_one_layer(void)
{
    t2i_config c = {.vocab_size = 11,
                    .d_model = 24,
                    .n_heads = 1,
                    .n_layers = 1,
                    .d_ff = 33,
                    .block_size = 19,
                    .vision_feature_dim = D,
                    .out_bias = 1,
                    .ffn1_bias = 1,
                    .ffn2_bias = 1,
                    .head_bias = 1};
    check(&c);
    c.n_heads = 12;
    c.n_layers = 3;
    check(&c);
}

/* A prompt's prediction does not depend on its neighbours beyond rounding, and repeats to the bit.
 */
static void test_rows_stand_alone(void)
{
    t2i_config c = {.vocab_size = 11,
                    .d_model = 16,
                    .n_heads = 2,
                    .n_layers = 2,
                    .d_ff = 32,
                    .block_size = 24,
                    .vision_feature_dim = D,
                    .head_bias = 1};
    t2i_model m;
    t2i_work *work = NULL;
    OK(t2i_model_new(&m, &c, &err));
    t2i_packed_weights packed;
    OK(t2i_packed_weights_new(&packed, &m, 1, NULL, &err));
    OK(t2i_transformer_work_new(
        &work, &m,
        &(t2i_work_sizes){.passes = 1, .most_rows = ROWS, .longest = LONGEST, .share = 1}, &err));
    float *w = t2i_block_new(&m.layout), first[ROWS * D];
    for (size_t i = 0; i < m.layout.tensors; i++)
        t2i_model_init_tensor(&m, &m.layout.tensor[i], 7, w);
    t2i_packed_weights_fill(&packed, w, 0, 1);
    memcpy(first, t2i_transformer_forward(&packed, work, row, ROWS, &vocab, NULL).features,
           sizeof first);
    CU_ASSERT_EQUAL(t2i_transformer_work_tokens(work), 7 + 1 + 1 + 19 + 16 + 7 + 5 + 1 + 1 + 16);
    CU_ASSERT_EQUAL(t2i_transformer_work_prefixes(work),
                    1 + 1 + 19 + 16); /* the others are parts of these */
    size_t calls = t2i_alloc_calls();
    for (size_t r = 0; r < ROWS; r++) {
        const float *alone =
            t2i_transformer_forward(&packed, work, &row[r], 1, &vocab, NULL).features;
        for (size_t i = 0; i < D; i++)
            CU_ASSERT_DOUBLE_EQUAL((double)alone[i], (double)first[r * D + i], 2e-6);
    }
    CU_ASSERT_TRUE(memcmp(first,
                          t2i_transformer_forward(&packed, work, row, ROWS, &vocab, NULL).features,
                          sizeof first) == 0);
    CU_ASSERT_EQUAL(t2i_alloc_calls(), calls);
    t2i_free(w);
    t2i_packed_weights_free(&packed);
    t2i_transformer_work_free(work);
    t2i_model_free(&m);
}

/* Prompts with much in common: shared prefixes and pairs, or all prefixes of each prompt, or
 * prompts that are computed one at a time, whose gradients add up. */
static void three_ways(size_t d_model, size_t buckets)
{
    enum { MANY = 48, LENGTH = 14 };
    static uint16_t letter[MANY][LENGTH];
    t2i_config c = {.vocab_size = 11,
                    .d_model = d_model,
                    .n_heads = 4,
                    .n_layers = 3,
                    .d_ff = 64,
                    .block_size = LENGTH,
                    .vision_feature_dim = D,
                    .ngram_buckets = buckets,
                    .ngram_hidden = buckets > 0 ? 48 : 0,
                    .qkv_bias = 1};
    t2i_row rows[MANY];
    float dprediction[MANY * D], predicted[MANY * D];
    uint8_t used[1024];
    t2i_model m;
    t2i_packed_weights packed;
    OK(t2i_model_new(&m, &c, &err));
    OK(t2i_packed_weights_new(&packed, &m, 1, NULL, &err));
    float *w = t2i_block_new(&m.layout), *g[3], *one = t2i_block_new(&m.layout);
    for (size_t i = 0; i < m.layout.tensors; i++)
        t2i_model_init_tensor(&m, &m.layout.tensor[i], 7, w);
    for (size_t i = 0; i < m.layout.floats; i++) /* a fresh bias is 0 */
        w[i] += 0.1f * (float)t2i_rng_normal(1, 4, i);
    t2i_packed_weights_fill(&packed, w, 0, 1);
    for (size_t r = 0; r < MANY; r++) {
        rows[r] = (t2i_row){letter[r], t2i_rng_below(1, 1, r, LENGTH + 1)};
        for (size_t i = 0; i < LENGTH; i++)
            letter[r][i] = (uint16_t)t2i_rng_below(1, 2, r * LENGTH + i, 2);
    }
    for (size_t i = 0; i < MANY * D; i++) dprediction[i] = (float)t2i_rng_normal(1, 3, i);
    for (int share = 0; share < 2; share++) {
        t2i_work *work = NULL;
        OK(t2i_transformer_work_new(
            &work, &m,
            &(t2i_work_sizes){.passes = 1, .most_rows = MANY, .longest = LENGTH, .share = share},
            &err));
        g[share] = t2i_block_new(&m.layout);
        const float *p = t2i_transformer_forward(&packed, work, rows, MANY, &vocab, NULL).features;
        for (size_t i = 0; share == 1 && i < MANY * D; i++)
            CU_ASSERT_DOUBLE_EQUAL((double)p[i], (double)predicted[i], 2e-6);
        memcpy(predicted, p, sizeof predicted);
        t2i_transformer_backward(&packed, work, &(t2i_outputs){dprediction, NULL}, g[share], used);
        CU_ASSERT_TRUE(
            share ? 5 * t2i_transformer_work_prefixes(work) < 4 * t2i_transformer_work_tokens(work)
                  : t2i_transformer_work_prefixes(work) == t2i_transformer_work_tokens(work));
        t2i_transformer_work_free(work);
    }
    t2i_work *alone = NULL;
    OK(t2i_transformer_work_new(
        &alone, &m, &(t2i_work_sizes){.passes = 1, .most_rows = 1, .longest = LENGTH, .share = 1},
        &err));
    g[2] = t2i_block_new(&m.layout);
    for (size_t r = 0; r < MANY; r++) {
        memset(one, 0, m.layout.floats * sizeof *one); /* unused chunks are not written */
        t2i_transformer_forward(&packed, alone, &rows[r], 1, &vocab, NULL);
        t2i_transformer_backward(&packed, alone, &(t2i_outputs){dprediction + r * D, NULL}, one,
                                 used);
        t2i_ops_add(g[2], one, m.layout.floats);
    }
    t2i_transformer_work_free(alone);
    for (size_t i = 0; i < m.layout.tensors; i++) {
        const t2i_tensor *t = &m.layout.tensor[i];
        double largest = 0, worst = 0;
        for (size_t k = t->offset; k < t->offset + t2i_tensor_count(t); k++) {
            largest = fmax(largest, fabs((double)g[0][k]));
            worst = fmax(worst, fabs((double)g[0][k] - (double)g[1][k]));
            worst = fmax(worst, fabs((double)g[0][k] - (double)g[2][k]));
        }
        CU_ASSERT_TRUE(largest > 0 && worst <= 1e-5 * largest);
    }
    t2i_free(w);
    t2i_free(g[0]);
    t2i_free(g[1]);
    t2i_free(g[2]);
    t2i_free(one);
    t2i_packed_weights_free(&packed);
    t2i_model_free(&m);
}

/* From 128 rows and columns on, zeros are skipped, the rows in blocks of about 192. */
static void test_trie_on_and_off(void)
{
    three_ways(32, 0);
    three_ways(136, 0);
    three_ways(32, 1000);
    three_ways(136, 1000);
}

/* Of a large embedding only the chunks with characters that occur are written. */
static void test_large_vocabulary(void)
{
    enum {
        VOCAB = 3000,
        WIDTH = 10,
        CHUNKS = VOCAB * WIDTH / T2I_CHUNK
    };                                        /* 7 whole ones, and more */
    static const uint16_t far[2] = {1, 2866}; /* 2866 * 10 is in chunk 6, and ends in chunk 7 */
    static const t2i_row rows[2] = {{far, 2}, {far, 1}};
    t2i_config c = {.vocab_size = VOCAB,
                    .d_model = WIDTH,
                    .n_heads = 1,
                    .n_layers = 1,
                    .d_ff = 8,
                    .block_size = 4,
                    .vision_feature_dim = D};
    t2i_model m;
    t2i_packed_weights packed;
    t2i_work *work = NULL;
    OK(t2i_model_new(&m, &c, &err));
    OK(t2i_packed_weights_new(&packed, &m, 1, NULL, &err));
    OK(t2i_transformer_work_new(
        &work, &m, &(t2i_work_sizes){.passes = 1, .most_rows = 2, .longest = 2, .share = 1}, &err));
    float *w = t2i_block_new(&m.layout), *g = t2i_block_new(&m.layout), dprediction[2 * D];
    uint8_t used[16] = {0};
    for (size_t i = 0; i < m.layout.tensors; i++)
        t2i_model_init_tensor(&m, &m.layout.tensor[i], 7, w);
    for (size_t i = 0; i < 2 * D; i++) dprediction[i] = 1.0f;
    for (size_t i = 0; i < m.layout.floats; i++) g[i] = NAN;
    t2i_packed_weights_fill(&packed, w, 0, 1);
    t2i_transformer_forward(&packed, work, rows, 2, &vocab, NULL);
    t2i_transformer_backward(&packed, work, &(t2i_outputs){dprediction, NULL}, g, used);
    for (size_t k = 0; k < m.layout.floats / T2I_CHUNK; k++)
        CU_ASSERT_EQUAL(used[k], k == 0 || k == 6 || k >= CHUNKS);
    size_t written = 0, wrong = 0;
    for (size_t i = 0; i < VOCAB * WIDTH; i++) {
        size_t id = i / WIDTH;
        if (!used[i / T2I_CHUNK]) continue;
        written += g[i] != 0.0f;
        wrong += id == 1 || id == 2866 ? g[i] == 0.0f : g[i] != 0.0f; /* NaN is wrong too */
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(written, 2 * WIDTH);
    for (size_t i = T2I_CHUNK; i < 2 * T2I_CHUNK; i++) CU_ASSERT_TRUE(isnan(g[i]));
    t2i_free(w);
    t2i_free(g);
    t2i_packed_weights_free(&packed);
    t2i_transformer_work_free(work);
    t2i_model_free(&m);
}

/* Of a large n-gram table only the chunks with rows of the prompt are written. */
static void test_large_table(void)
{
    enum { WIDTH = 16, PER_CHUNK = T2I_CHUNK / WIDTH, CHUNKS = 40 };
    static const uint16_t prompt[2] = {1, 3};
    static const t2i_row rows[1] = {{prompt, 2}};
    t2i_config c = {.vocab_size = 11,
                    .d_model = WIDTH,
                    .n_heads = 1,
                    .n_layers = 1,
                    .d_ff = 8,
                    .block_size = 4,
                    .ngram_buckets = CHUNKS * PER_CHUNK,
                    .ngram_hidden = 4,
                    .vision_feature_dim = D};
    t2i_model m;
    t2i_packed_weights packed;
    t2i_work *work = NULL;
    OK(t2i_model_new(&m, &c, &err));
    OK(t2i_packed_weights_new(&packed, &m, 1, NULL, &err));
    OK(t2i_transformer_work_new(
        &work, &m, &(t2i_work_sizes){.passes = 1, .most_rows = 1, .longest = 2, .share = 1}, &err));
    float *w = t2i_block_new(&m.layout), *g = t2i_block_new(&m.layout), dfeatures[D];
    uint8_t used[64] = {0}, *wanted = t2i_alloc(m.layout.floats, 1);
    for (size_t i = 0; i < m.layout.tensors; i++)
        t2i_model_init_tensor(&m, &m.layout.tensor[i], 7, w);
    for (size_t i = 0; i < D; i++) dfeatures[i] = 1.0f;
    for (size_t i = 0; i < m.layout.floats; i++) g[i] = NAN;
    /* " bd ": every piece that ends at b, at d and at the space behind them */
    static const uint32_t text[4] = {' ', 'b', 'd', ' '};
    for (size_t end = 1; end < 4; end++)
        for (size_t n = 2; n <= end + 2; n++) {
            size_t piece = n <= end + 1 ? t2i_ngrams_row(text + end + 1 - n, n, 0, c.ngram_buckets)
                                        : t2i_ngrams_row(text + 1, end, 1, c.ngram_buckets);
            memset(wanted + m.ngram_weight + piece * WIDTH, 1, WIDTH);
        }
    t2i_packed_weights_fill(&packed, w, 0, 1);
    t2i_transformer_forward(&packed, work, rows, 1, &vocab, NULL);
    t2i_transformer_backward(&packed, work, &(t2i_outputs){dfeatures, NULL}, g, used);
    size_t unused = 0, wrong = 0;
    for (size_t k = 0; k < m.layout.floats / T2I_CHUNK; k++) unused += !used[k];
    CU_ASSERT_TRUE(unused >= CHUNKS - 1 - 9);
    for (size_t i = m.ngram_weight; i < m.ngram_weight + c.ngram_buckets * WIDTH; i++)
        wrong += !used[i / T2I_CHUNK] ? wanted[i] : wanted[i] ? isnan(g[i]) != 0 : g[i] != 0.0f;
    CU_ASSERT_EQUAL(wrong, 0);
    t2i_free(w);
    t2i_free(g);
    t2i_free(wanted);
    t2i_packed_weights_free(&packed);
    t2i_transformer_work_free(work);
    t2i_model_free(&m);
}

static void test_bad_sizes(void)
{
    t2i_model m;
    t2i_config c = {.vocab_size = 11,
                    .d_model = 10,
                    .n_heads = 3,
                    .n_layers = 1,
                    .d_ff = 4,
                    .block_size = 4,
                    .vision_feature_dim = 4};
    FAILS(t2i_model_new(&m, &c, &err), T2I_USAGE, "not a multiple of heads 3");
    c.n_heads = 0;
    FAILS(t2i_model_new(&m, &c, &err), T2I_USAGE, "at least 1");
    c = (t2i_config){.vocab_size = 11,
                     .d_model = 9,
                     .n_heads = 3,
                     .n_layers = 1,
                     .d_ff = 4,
                     .block_size = 4,
                     .vision_feature_dim = 4};
    FAILS(t2i_model_new(&m, &c, &err), T2I_USAGE, "odd");
}

static void test_exp(void)
{
    float x[200];
    double worst = 0;
    for (size_t i = 0; i < 200; i++) x[i] = -0.435f * (float)i;
    t2i_ops_exp(x, 200);
    for (size_t i = 0; i < 200; i++) {
        double right = exp((double)(-0.435f * (float)i));
        worst = fmax(worst, fabs((double)x[i] - right) / right);
    }
    CU_ASSERT_TRUE(worst < 2.5e-7);
    float ends[3] = {0.0f, -100.0f, NAN};
    t2i_ops_exp(ends, 3);
    CU_ASSERT_TRUE(ends[0] == 1.0f && ends[1] == 0.0f && isnan(ends[2]));
}

int main(void)
{
    static const t2i_test tests[] = {
        {"gradients with every bias present or absent", test_every_bias},
        {"gradients with n-grams and a query head", test_ngrams_and_query},
        {"gradients with dropout", test_dropout},
        {"masks of dropout", test_masks},
        {"gradients with other shapes", test_wide_heads_and_one_layer},
        {"rows stand alone, no allocation", test_rows_stand_alone},
        {"shared prefixes, or each prompt by itself", test_trie_on_and_off},
        {"a large vocabulary", test_large_vocabulary},
        {"a large n-gram table", test_large_table},
        {"sizes that do not go together", test_bad_sizes},
        {"exp", test_exp},
    };
    return t2i_test_main("transformer", tests, sizeof tests / sizeof *tests);
}
