/* Attention over a prefix trie against a textbook in double: every query of every path looks at the
 * nodes of its own path, and the gradients of a node are the sums over all paths that go through
 * it. Sizes are around the 16 lanes and the 4 rows of a tile. */
#include "test.h"

#include <math.h>

#include "kernels/attention.h"
#include "base/rng.h"

enum { PATHS = 4, MOST_LENGTH = 280 };

/* What each path has in common with the one before it, and its length. */
typedef struct {
    size_t shared[PATHS], length[PATHS];
} shape;
static const shape shapes[] = {
    {{0, 0, 0, 0}, {1, 1, 1, 2}},
    {{0, 1, 3, 2}, {3, 5, 4, 3}},
    {{0, 15, 16, 4}, {16, 17, 33, 5}},
    {{0, 16, 20, 19}, {17, 21, 22, 20}},
    {{0, 1, 0, 31}, {50, 2, 32, 34}},
    /* paths whose weights are computed again, beside others */
    {{0, 100, 133, 40}, {150, 200, 280, 60}},
    {{0, 70, 129, 128}, {90, 130, 161, 128 + 1}},
    {{0, 0, 128, 1}, {128, 129, 180, 2}},
    /* around the 96 positions of a block and the 24 of a part of it; one new position */
    {{0, 191, 95, 119}, {192, 193, 191, 216}},
    {{0, 1, 96, 279}, {145, 97, 280, 280}},
    {{0, 96, 97, 215}, {280, 217, 241, 264}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void fill(float *out, size_t count, uint64_t stream)
{
    for (size_t i = 0; i < count; i++) out[i] = (float)t2i_rng_normal(11, stream, i);
}

static void taint(float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = NAN;
}

/* Largest difference, relative to the largest number; what is not finite is as far off as can be.
 */
static double off(const float *got, const double *right, size_t rows, size_t stride, size_t width)
{
    double most = 0, worst = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < width; c++) {
            double x = (double)got[r * stride + c], y = right[r * stride + c];
            if (!isfinite(x)) return INFINITY;
            most = fmax(most, fabs(y));
            worst = fmax(worst, fabs(x - y));
        }
    return most > 0 ? worst / most : worst;
}

/* The nodes of all paths, row p at p * MOST_LENGTH; how many there are. */
static size_t number_nodes(const shape *s, uint32_t *node)
{
    size_t nodes = 0;
    for (size_t p = 0; p < PATHS; p++)
        for (size_t t = 0; t < s->length[p]; t++)
            node[p * MOST_LENGTH + t] =
                t < s->shared[p] ? node[(p - 1) * MOST_LENGTH + t] : (uint32_t)nodes++;
    return nodes;
}

static size_t longest(const shape *s)
{
    size_t most = 0;
    for (size_t p = 0; p < PATHS; p++) most = s->length[p] > most ? s->length[p] : most;
    return most;
}

/* One query with `seen` keys: softmax weights p, and with dout the gradient of the scores. */
static void weigh(double *p, size_t seen, const double *score)
{
    double most = -INFINITY, sum = 0;
    for (size_t j = 0; j < seen; j++) most = fmax(most, score[j]);
    for (size_t j = 0; j < seen; j++) sum += p[j] = exp(score[j] - most);
    for (size_t j = 0; j < seen; j++) p[j] /= sum;
}

static void weigh_back(double *dscore, size_t seen, const double *p, const double *dp)
{
    double mean = 0;
    for (size_t j = 0; j < seen; j++) mean += p[j] * dp[j];
    for (size_t j = 0; j < seen; j++) dscore[j] = p[j] * (dp[j] - mean);
}

/* ---- all layers but the last ---- */

typedef struct {
    size_t nodes, dk, stride, out_stride;
    float *qkv, *out, *dout, *dqkv, *prob, *mask, *scratch; /* mask NULL: no dropout */
    double *rout, *rdqkv;
} state;

static void reference(const state *a, const shape *s, const uint32_t *node)
{
    size_t dk = a->dk, st = a->stride;
    double scale = 1 / sqrt((double)dk), score[MOST_LENGTH], p[MOST_LENGTH], dp[MOST_LENGTH],
           ds[MOST_LENGTH];
    const float *mask = a->mask;
    for (size_t path = 0; path < PATHS; path++)
        for (size_t t = s->shared[path]; t < s->length[path]; t++) {
            const uint32_t *n = node + path * MOST_LENGTH;
            const float *q = a->qkv + n[t] * st, *d = a->dout + n[t] * a->out_stride;
            for (size_t j = 0; j <= t; j++) {
                score[j] = dp[j] = 0;
                for (size_t c = 0; c < dk; c++) {
                    score[j] += scale * (double)q[c] * (double)a->qkv[n[j] * st + dk + c];
                    dp[j] += (double)d[c] * (double)a->qkv[n[j] * st + 2 * dk + c];
                }
            }
            weigh(p, t + 1, score);
            for (size_t j = 0; mask != NULL && j <= t; j++) dp[j] *= (double)mask[j];
            weigh_back(ds, t + 1, p, dp);
            for (size_t j = 0; mask != NULL && j <= t; j++) p[j] *= (double)mask[j];
            if (mask != NULL) mask += t2i_attention_row(s->length[path]);
            for (size_t j = 0; j <= t; j++)
                for (size_t c = 0; c < dk; c++) {
                    a->rout[n[t] * a->out_stride + c] +=
                        p[j] * (double)a->qkv[n[j] * st + 2 * dk + c];
                    a->rdqkv[n[t] * st + c] += scale * ds[j] * (double)a->qkv[n[j] * st + dk + c];
                    a->rdqkv[n[j] * st + dk + c] += scale * ds[j] * (double)q[c];
                    a->rdqkv[n[j] * st + 2 * dk + c] += p[j] * (double)d[c];
                }
        }
}

/* Rows of masks of a path as t2i_attention_row has them. */
typedef struct {
    const float *rows;
    size_t row;
} drawn;

static void draw(const void *source, size_t query, size_t begin, float *out, size_t count)
{
    const drawn *from = source;
    memcpy(out, from->rows + query * from->row + begin, count * sizeof *out);
}

static void pass(const state *a, const shape *s, const uint32_t *node, int back)
{
    const float *mask = a->mask;
    float *prob = a->prob;
    for (size_t p = 0; p < PATHS; p++) {
        t2i_path path = {node + p * MOST_LENGTH, s->length[p], s->shared[p]};
        const drawn from = {mask, t2i_attention_row(path.T)};
        const t2i_attention_mask all = {path.T <= T2I_ATTENTION_SHORT ? mask : NULL, draw, &from},
                                 *given = mask == NULL ? NULL : &all;
        if (back)
            t2i_attention_back(a->dqkv, a->out, a->dout, prob, given, a->qkv, a->scratch, &path,
                               longest(s), a->dk, a->stride, a->out_stride);
        else
            t2i_attention(a->out, prob, given, a->qkv, a->scratch, &path, longest(s), a->dk,
                          a->stride, a->out_stride);
        if (mask != NULL) mask += (path.T - path.shared) * t2i_attention_row(path.T);
        prob += (path.T - path.shared) * t2i_attention_kept(path.T);
    }
}

static void run(const state *a, const shape *s, const uint32_t *node)
{
    pass(a, s, node, 0);
    pass(a, s, node, 1);
}

static void check(const shape *s, size_t dk, int drops)
{
    static uint32_t node[PATHS * MOST_LENGTH];
    state a = {.dk = dk, .stride = 3 * dk + 5, .out_stride = dk + 3};
    a.nodes = number_nodes(s, node);
    size_t in = a.nodes * a.stride, out = a.nodes * a.out_stride, untouched = 0;
    size_t prob = PATHS * MOST_LENGTH * t2i_attention_row(MOST_LENGTH),
           scratch = t2i_attention_scratch(longest(s), dk);
    a.qkv = t2i_alloc(in, sizeof(float));
    a.dqkv = t2i_alloc(2 * in, sizeof(float));
    a.out = t2i_alloc(out, sizeof(float));
    a.dout = t2i_alloc(out, sizeof(float));
    a.prob = t2i_alloc(prob, sizeof(float));
    a.scratch = t2i_alloc(scratch + 1, sizeof(float));
    a.rout = t2i_alloc(out, sizeof(double));
    a.rdqkv = t2i_alloc(in, sizeof(double));
    fill(a.qkv, in, 1);
    fill(a.dout, out, 2);
    if (drops) a.mask = t2i_alloc(prob, sizeof(float));
    for (size_t i = 0; drops && i < prob; i++) a.mask[i] = t2i_rng_bits(8, 1, i) % 4 ? 1.25f : 0;
    taint(a.dqkv, in);
    taint(a.out, out);
    taint(a.prob, prob);
    taint(a.scratch, scratch);
    a.scratch[scratch] = 12345.0f;
    reference(&a, s, node);
    run(&a, s, node);
    CU_ASSERT_TRUE(off(a.out, a.rout, a.nodes, a.out_stride, dk) < 1e-5);
    CU_ASSERT_TRUE(off(a.dqkv, a.rdqkv, a.nodes, a.stride, 3 * dk) < 1e-5);
    for (size_t n = 0; n < a.nodes; n++) { /* what lies between belongs to other heads */
        for (size_t c = 3 * dk; c < a.stride; c++)
            untouched += isnan(a.dqkv[n * a.stride + c]) != 0;
        for (size_t c = dk; c < a.out_stride; c++)
            untouched += isnan(a.out[n * a.out_stride + c]) != 0;
    }
    CU_ASSERT_EQUAL(untouched, a.nodes * (5 + 3));
    CU_ASSERT_EQUAL(a.scratch[scratch], 12345.0f);
    memcpy(a.dqkv + in, a.dqkv, in * sizeof(float));
    fill(a.scratch, scratch, 3); /* what was there before does not matter */
    run(&a, s, node);
    CU_ASSERT_TRUE(memcmp(a.dqkv, a.dqkv + in, in * sizeof(float)) == 0);
    float *own[] = {a.qkv, a.dqkv, a.out, a.dout, a.prob, a.mask, a.scratch};
    for (size_t i = 0; i < 7; i++) t2i_free(own[i]);
    t2i_free(a.rout);
    t2i_free(a.rdqkv);
}

static void test_attention(void)
{
    static const size_t widths[] = {1, 3, 16, 17, 32, 33};
    for (size_t i = 0; i < SHAPES; i++)
        for (size_t d = 0; d < sizeof widths / sizeof *widths; d++)
            for (int drops = 0; drops < 2; drops++) check(&shapes[i], widths[d], drops);
}

/* Ten times as many positions take ten times the memory. */
static void test_memory(void)
{
    for (size_t T = 512; T <= 2048; T *= 4) {
        CU_ASSERT_EQUAL(t2i_attention_kept(T), 2);
        CU_ASSERT_TRUE((double)t2i_attention_scratch(10 * T, 64) <
                       10.0 * (double)t2i_attention_scratch(T, 64));
    }
    CU_ASSERT_EQUAL(t2i_attention_kept(128), t2i_attention_row(128));
}

/* Scores of a thousand must not overflow: only their differences count. */
static void test_large_scores(void)
{
    float qkv[3 * 3] = {1000, 1, 1, 1000, 2, 2, 1000, 1.5f, 3}, out[3], prob[3 * 16], scratch[1000];
    static const uint32_t node[3] = {0, 1, 2};
    CU_ASSERT_TRUE(t2i_attention_scratch(3, 1) <= 1000);
    t2i_attention(out, prob, NULL, qkv, scratch, &(t2i_path){node, 3, 0}, 3, 1, 3, 1);
    CU_ASSERT_TRUE(out[0] == 1.0f && out[1] == 2.0f && out[2] == 2.0f);
    CU_ASSERT_TRUE(prob[2 * 16 + 1] == 1.0f && prob[2 * 16] == 0.0f && prob[2 * 16 + 2] == 0.0f);
}

/* The same over several blocks of keys: with keys that grow every position looks at itself, with
 * keys that shrink at the first. */
static void test_long_large_scores(void)
{
    enum { T = 250 };
    static uint32_t node[T];
    static float qkv[3 * T], out[T], dout[T], dqkv[3 * T], kept[2 * T];
    float *scratch = t2i_alloc(t2i_attention_scratch(T, 1), sizeof(float));
    for (int grows = 0; grows < 2; grows++) {
        size_t wrong = 0, lost = 0;
        for (size_t t = 0; t < T; t++) {
            node[t] = (uint32_t)t;
            qkv[3 * t] = 1000;
            qkv[3 * t + 1] = (float)(grows ? t : T - t);
            qkv[3 * t + 2] = (float)t + 1;
            dout[t] = 1;
        }
        const t2i_path path = {node, T, 0};
        t2i_attention(out, kept, NULL, qkv, scratch, &path, T, 1, 3, 1);
        t2i_attention_back(dqkv, out, dout, kept, NULL, qkv, scratch, &path, T, 1, 3, 1);
        for (size_t t = 0; t < T; t++) {
            wrong += out[t] != (grows ? (float)t + 1 : 1);
            lost += dqkv[3 * t] != 0 || dqkv[3 * t + 1] != 0 ||
                    dqkv[3 * t + 2] != (grows    ? 1.0f
                                        : t == 0 ? (float)T
                                                 : 0);
        }
        CU_ASSERT_EQUAL(wrong, 0);
        CU_ASSERT_EQUAL(lost, 0);
    }
    t2i_free(scratch);
}

/* ---- the last layer ---- */

static void reach_by_hand(const shape *s, const uint32_t *node, size_t heads, size_t d,
                          const float *query, const float *h, const float *dsum, double *sum,
                          double *dquery, double *dh)
{
    double score[MOST_LENGTH], p[MOST_LENGTH], dp[MOST_LENGTH], ds[MOST_LENGTH];
    for (size_t path = 0; path < PATHS; path++)
        for (size_t a = 0; a < heads; a++) {
            const uint32_t *n = node + path * MOST_LENGTH;
            size_t at = (path * heads + a) * d, T = s->length[path];
            for (size_t j = 0; j < T; j++) {
                score[j] = dp[j] = 0;
                for (size_t c = 0; c < d; c++) {
                    score[j] += 0.25 * (double)query[at + c] * (double)h[n[j] * d + c];
                    dp[j] += (double)dsum[at + c] * (double)h[n[j] * d + c];
                }
            }
            weigh(p, T, score);
            weigh_back(ds, T, p, dp);
            for (size_t j = 0; j < T; j++)
                for (size_t c = 0; c < d; c++) {
                    sum[at + c] += p[j] * (double)h[n[j] * d + c];
                    dquery[at + c] += 0.25 * ds[j] * (double)h[n[j] * d + c];
                    dh[n[j] * d + c] +=
                        p[j] * (double)dsum[at + c] + 0.25 * ds[j] * (double)query[at + c];
                }
        }
}

static void check_reach(const shape *s, size_t heads, size_t d)
{
    static uint32_t node[PATHS * MOST_LENGTH];
    size_t nodes = number_nodes(s, node), asked = PATHS * heads * d,
           row = heads * t2i_attention_row(MOST_LENGTH),
           scratch = t2i_attention_reach_scratch(longest(s), heads, d);
    float *query = t2i_alloc(asked, sizeof(float)), *h = t2i_alloc(nodes * d, sizeof(float)),
          *dsum = t2i_alloc(asked, sizeof(float)), *sum = t2i_alloc(asked, sizeof(float)),
          *dquery = t2i_alloc(asked, sizeof(float)), *dh = t2i_alloc(nodes * d, sizeof(float)),
          *prob = t2i_alloc(PATHS * row, sizeof(float)),
          *room = t2i_alloc(scratch + 1, sizeof(float));
    double *rsum = t2i_alloc(asked, sizeof(double)), *rdquery = t2i_alloc(asked, sizeof(double)),
           *rdh = t2i_alloc(nodes * d, sizeof(double));
    fill(query, asked, 4);
    fill(h, nodes * d, 5);
    fill(dsum, asked, 6);
    fill(dh, nodes * d, 7); /* is added to */
    for (size_t i = 0; i < nodes * d; i++) rdh[i] = (double)dh[i];
    taint(room, scratch);
    room[scratch] = 12345.0f;
    reach_by_hand(s, node, heads, d, query, h, dsum, rsum, rdquery, rdh);
    for (size_t p = 0; p < PATHS; p++) {
        t2i_path path = {node + p * MOST_LENGTH, s->length[p], s->shared[p]};
        size_t at = p * heads * d;
        t2i_attention_reach(sum + at, prob + p * row, NULL, query + at, h, room, &path, heads, d,
                            0.25f);
    }
    for (size_t p = 0; p < PATHS; p++) {
        t2i_path path = {node + p * MOST_LENGTH, s->length[p], s->shared[p]};
        size_t at = p * heads * d;
        t2i_attention_reach_back(dquery + at, dh, dsum + at, prob + p * row, NULL, query + at, h,
                                 room, &path, heads, d, 0.25f);
    }
    CU_ASSERT_TRUE(off(sum, rsum, 1, asked, asked) < 1e-5);
    CU_ASSERT_TRUE(off(dquery, rdquery, 1, asked, asked) < 1e-5);
    CU_ASSERT_TRUE(off(dh, rdh, 1, nodes * d, nodes * d) < 1e-5);
    CU_ASSERT_EQUAL(room[scratch], 12345.0f);
    float *own[] = {query, h, dsum, sum, dquery, dh, prob, room};
    for (size_t i = 0; i < 8; i++) t2i_free(own[i]);
    t2i_free(rsum);
    t2i_free(rdquery);
    t2i_free(rdh);
}

static void test_reach(void)
{
    static const size_t heads[] = {1, 4, 5}, widths[] = {3, 16, 40};
    for (size_t i = 0; i < SHAPES; i++)
        for (size_t a = 0; a < 3; a++)
            for (size_t d = 0; d < 3; d++) check_reach(&shapes[i], heads[a], widths[d]);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"attention and its gradient", test_attention},
        {"memory of long paths", test_memory},
        {"large scores", test_large_scores},
        {"large scores, long path", test_long_large_scores},
        {"the last layer's", test_reach},
    };
    return t2i_test_main("attention", tests, sizeof tests / sizeof *tests);
}
