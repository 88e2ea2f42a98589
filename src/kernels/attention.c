#include "kernels/attention.h"

#include <math.h>
#include <string.h>

#include "kernels/lanes.h"
#include "kernels/gemm.h"
#include "kernels/ops.h"

/* Layers other than the last use the products of gemm.h for up to ROWS queries (or keys) at a time,
 * so that few masked scores are computed. */
enum { ROWS = 8 };

/* Paths longer than SHORT: BLOCK queries meet BLOCK keys at a time, so that all operands are in the
 * second-level cache; TALL of them where some scores are masked. Both are whole tiles of a product
 * at every vector level. Rows of scores are SCORES floats apart, an odd number of cache lines,
 * because columns are read, too. KEPT floats of a query are kept for the backward pass. */
enum { SHORT = T2I_ATTENTION_SHORT, BLOCK = 96, TALL = 24, SCORES = BLOCK + LANES, KEPT = 2 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Number of columns from `column`, of `width`, in the same panel. */
static size_t panel_columns(size_t column, size_t width)
{
    return least(T2I_PANEL, width - column);
}

static size_t whole_panels(size_t width)
{
    return (width + T2I_PANEL - 1) / T2I_PANEL * T2I_PANEL;
}

/* -1 in the first `count` lanes (count may be negative), 0 in the others. */
T2I_INLINE void first_lanes(t2i_part_int *out, ptrdiff_t count)
{
    static const int32_t lane[LANES / 2] = {0, 1, 2, 3, 4, 5, 6, 7};
    t2i_part_int number;
    memcpy(&number, lane, sizeof number);
    *out = number < (int32_t)count;
}

/* Computes softmax(scale * row) in place for rows of `seen` scores in the first and one more in
 * each following row; the rest of the P elements is set to 0. Three loops over the rows, so that
 * the CPU overlaps several of them. */
T2I_STATIC_KERNEL(void, soften, (float *score, size_t rows, size_t seen, size_t P, float scale),
                  (score, rows, seen, P, scale))
{
    enum { PARTS = LANES / T2I_PART };
    const t2i_part nothing = (t2i_part){0} - INFINITY;
    size_t width = t2i_padded(seen + rows - 1); /* no row is longer */
    t2i_part x, sum[PARTS];
    t2i_part_int mine;
    for (size_t r = 0; r < rows; r++) {
        float *row = score + r * P;
        t2i_part most = nothing;
        for (size_t j = 0; j < width; j += T2I_PART) {
            memcpy(&x, row + j, sizeof x);
            first_lanes(&mine, (ptrdiff_t)(seen + r) - (ptrdiff_t)j);
            x = T2I_CHOOSE(t2i_part, mine, x, nothing);
            memcpy(row + j, &x, sizeof x);
            most = T2I_LARGER(t2i_part, x, most);
        }
        float top = t2i_largest(&most);
        for (size_t j = 0; j < width; j++) row[j] = (row[j] - top) * scale;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j += T2I_PART) {
            memcpy(&x, score + r * P + j, sizeof x);
            t2i_exp_part(&x);
            memcpy(score + r * P + j, &x, sizeof x);
        }
    for (size_t r = 0; r < rows; r++) {
        float *row = score + r * P;
        for (size_t h = 0; h < PARTS; h++) sum[h] = (t2i_part){0};
        for (size_t j = 0; j < width; j += LANES)
            for (size_t h = 0; h < PARTS; h++) {
                memcpy(&x, row + j + h * T2I_PART, sizeof x);
                sum[h] += x;
            }
        float inverse = 1.0f / t2i_reduce_parts(sum);
        for (size_t j = 0; j < width; j++) row[j] *= inverse;
        for (size_t j = width; j < P; j += LANES) memset(row + j, 0, LANES * sizeof *row);
    }
}

/* Converts rows of dprob, of the lengths as in soften, to gradients of the scores; the rest is set
 * to 0. */
T2I_STATIC_KERNEL(void, soften_back,
                  (float *restrict dprob, const float *restrict prob, size_t rows, size_t seen,
                   size_t P, float scale),
                  (dprob, prob, rows, seen, P, scale))
{
    enum { PARTS = LANES / T2I_PART };
    size_t width = t2i_padded(seen + rows - 1);
    t2i_part x, y, sum[PARTS];
    t2i_part_int mine;
    for (size_t r = 0; r < rows; r++) {
        float *d = dprob + r * P;
        const float *p = prob + r * P;
        for (size_t h = 0; h < PARTS; h++) sum[h] = (t2i_part){0};
        for (size_t j = 0; j < width; j += LANES)
            for (size_t h = 0; h < PARTS; h++) {
                memcpy(&x, d + j + h * T2I_PART, sizeof x);
                memcpy(&y, p + j + h * T2I_PART, sizeof y);
                first_lanes(&mine, (ptrdiff_t)(seen + r) - (ptrdiff_t)(j + h * T2I_PART));
                x = T2I_CHOOSE(t2i_part, mine, x, (t2i_part){0});
                memcpy(d + j + h * T2I_PART, &x, sizeof x);
                sum[h] += y * x;
            }
        float mean = t2i_reduce_parts(sum);
        for (size_t j = 0; j < width; j++) d[j] = p[j] * (d[j] - mean) * scale;
        for (size_t j = width; j < P; j += LANES) memset(d + j, 0, LANES * sizeof *d);
    }
}

/* Scores from `seen` on become -infinity, of which the exponential is 0. */
T2I_INLINE void hide(float *row, size_t seen, size_t width)
{
    const t2i_part nothing = (t2i_part){0} - INFINITY;
    t2i_part x;
    t2i_part_int mine;
    for (size_t j = seen / T2I_PART * T2I_PART; j < width; j += T2I_PART) {
        memcpy(&x, row + j, sizeof x);
        first_lanes(&mine, (ptrdiff_t)seen - (ptrdiff_t)j);
        x = T2I_CHOOSE(t2i_part, mine, x, nothing);
        memcpy(row + j, &x, sizeof x);
    }
}

/* Rows of queries that meet a block of keys. */
typedef struct {
    size_t rows, seen, width; /* row r sees seen + r keys; width: the last row's, padded */
    const float *mask;        /* rows SCORES floats apart; NULL: none */
} span;

/* The two steps of exp(score - top), for a row and for a part of it. */
T2I_INLINE void begin_row(float *row, float *power, size_t width, float top)
{
    t2i_part x, n;
    for (size_t j = 0; j < width; j += T2I_PART) {
        memcpy(&x, row + j, sizeof x);
        x -= top;
        t2i_exp_begin(&x, &n);
        memcpy(row + j, &x, sizeof x);
        memcpy(power + j, &n, sizeof n);
    }
}

T2I_INLINE void end_part(t2i_part *x, const float *row, const float *power)
{
    t2i_part n;
    memcpy(x, row, sizeof *x);
    memcpy(&n, power, sizeof n);
    t2i_exp_end(x, &n);
}

/* The next block of a softmax over blocks of keys (Milakov, Gimelshein, "Online normalizer
 * calculation for softmax", 2018). Each row of scores becomes exp(score - top), with dropout. top
 * is the largest score up to here, sum the sum of exponentials; sum and result, the sum of values
 * (rows, dk), shrink as top grows. */
T2I_STATIC_KERNEL(void, weigh,
                  (float *restrict score, const span *s, float *restrict top, float *restrict sum,
                   float *restrict result, size_t dk),
                  (score, s, top, sum, result, dk))
{
    enum { PARTS = LANES / T2I_PART };
    float shrink[BLOCK] = {0};
    t2i_part x, y, total[PARTS];
    for (size_t r = 0; r < s->rows; r++) {
        float *row = score + r * SCORES;
        t2i_part most = (t2i_part){0} + top[r];
        hide(row, s->seen + r, s->width);
        for (size_t j = 0; j < s->width; j += T2I_PART) {
            memcpy(&x, row + j, sizeof x);
            most = T2I_LARGER(t2i_part, x, most);
        }
        float larger = t2i_largest(&most);
        shrink[r] = top[r] - larger;
        top[r] = larger;
    }
    for (size_t r = 0; r < s->rows; r += T2I_PART) {
        memcpy(&x, shrink + r, sizeof x);
        t2i_exp_part(&x);
        memcpy(shrink + r, &x, sizeof x);
    }
    for (size_t r = 0; r < s->rows; r++) {
        float *row = score + r * SCORES, power[BLOCK];
        const float *mask = s->mask == NULL ? NULL : s->mask + r * SCORES;
        for (size_t h = 0; h < PARTS; h++) total[h] = (t2i_part){0};
        begin_row(row, power, s->width, top[r]);
        for (size_t j = 0; j < s->width; j += LANES)
            for (size_t h = 0, k = j; h < PARTS; h++, k += T2I_PART) {
                end_part(&x, row + k, power + k);
                total[h] += x;
                if (mask != NULL) {
                    memcpy(&y, mask + k, sizeof y);
                    x *= y;
                }
                memcpy(row + k, &x, sizeof x);
            }
        sum[r] = sum[r] * shrink[r] + t2i_reduce_parts(total);
        for (size_t c = 0; c < dk; c++) result[r * dk + c] *= shrink[r];
    }
}

/* The scores become the softmax weights of the forward pass, with dropout, and the gradients of the
 * weights, in dscore, those of the scores. kept: of each row, as t2i_attention keeps it; mean: of
 * each row, the mean gradient of its weights. */
T2I_STATIC_KERNEL(void, weigh_back,
                  (float *restrict score, float *restrict dscore, const span *s,
                   const float *restrict kept, const float *restrict mean),
                  (score, dscore, s, kept, mean))
{
    t2i_part x, d, y;
    for (size_t r = 0; r < s->rows; r++) {
        float *p = score + r * SCORES, *ds = dscore + r * SCORES;
        float inverse = kept[KEPT * r + 1], power[BLOCK];
        const float *mask = s->mask == NULL ? NULL : s->mask + r * SCORES;
        hide(p, s->seen + r, s->width);
        begin_row(p, power, s->width, kept[KEPT * r]);
        for (size_t j = 0; j < s->width; j += T2I_PART) {
            end_part(&x, p + j, power + j);
            memcpy(&d, ds + j, sizeof d);
            x *= inverse;
            if (mask != NULL) {
                memcpy(&y, mask + j, sizeof y);
                d = x * (d * y - mean[r]);
                x *= y;
            } else {
                d = x * (d - mean[r]);
            }
            memcpy(p + j, &x, sizeof x);
            memcpy(ds + j, &d, sizeof d);
        }
    }
}

/* out[r] = a[r] . b[r] */
T2I_STATIC_KERNEL(void, dots,
                  (float *out, const float *a, const float *b, size_t row, size_t rows, size_t dk),
                  (out, a, b, row, rows, dk))
{
    for (size_t r = 0; r < rows; r++, a += row, b += row) {
        float sum[LANES] = {0};
        size_t c = 0;
        for (; c + LANES <= dk; c += LANES)
            for (size_t l = 0; l < LANES; l++) sum[l] += a[c + l] * b[c + l];
        for (size_t l = 0; c + l < dk; l++) sum[l] += a[c + l] * b[c + l];
        out[r] = t2i_reduce_lanes(sum);
    }
}

size_t t2i_attention_row(size_t T)
{
    return t2i_padded(T);
}

size_t t2i_attention_kept(size_t T)
{
    return T <= SHORT ? t2i_padded(T) : KEPT;
}

size_t t2i_attention_scratch(size_t longest, size_t dk)
{
    size_t width = whole_panels(longest), wide = whole_panels(dk), some = least(longest, SHORT),
           rooms = 2 * some * t2i_padded(some);
    size_t long_rooms =
        longest > SHORT ? 3 * BLOCK * SCORES + 3 * BLOCK * dk + 2 * BLOCK * wide : 0;
    return 2 * width * dk + 3 * longest * wide + (rooms > long_rooms ? rooms : long_rooms) +
           ROWS * dk;
}

/* Transposes the dk floats at `from` of the path's own positions to across (dk, T), in panels. */
T2I_STATIC_KERNEL(void, put_across,
                  (float *across, const float *from, const t2i_path *path, size_t dk,
                   size_t stride),
                  (across, from, path, dk, stride))
{
    enum { PART = 4 };
    for (size_t t = path->shared / PART * PART; t < path->T; t += PART) {
        const float *row[PART]; /* complete groups; columns beyond T are not used */
        float *to = across + t / T2I_PANEL * T2I_PANEL * dk + t % T2I_PANEL;
        size_t c = 0;
        for (size_t j = 0; j < PART; j++)
            row[j] = from + path->node[least(t + j, path->T - 1)] * stride;
        for (; c + PART <= dk; c += PART) {
            const float *part[PART] = {row[0] + c, row[1] + c, row[2] + c, row[3] + c};
            t2i_turn_4x4(to + c * T2I_PANEL, T2I_PANEL, part);
        }
        for (; c < dk; c++)
            for (size_t j = 0; j < PART; j++) to[c * T2I_PANEL + j] = row[j][c];
    }
}

/* The same without transposition: positions shared .. T-1 become rows from `at` of panels of
 * `longest` rows. */
T2I_STATIC_KERNEL(void, put_along,
                  (float *along, const float *from, const t2i_path *path, size_t at, size_t longest,
                   size_t dk, size_t stride),
                  (along, from, path, at, longest, dk, stride))
{
    const float *row = from + path->node[path->shared] * stride;
    for (size_t t = 0; t < path->T - path->shared; t++, row += stride)
        for (size_t c = 0; c < dk; c += T2I_PANEL) {
            float *to = along + c * longest + (at + t) * T2I_PANEL;
            if (dk - c >= T2I_PANEL)
                memcpy(to, row + c, T2I_PANEL * sizeof *to);
            else
                memcpy(to, row + c, (dk - c) * sizeof *to);
        }
}

/* out (rows, P) = a (rows, dk) x across (dk, ..): the first `sees` columns, rounded up to lanes. */
static void score(float *out, size_t P, const float *a, size_t a_row, const float *across,
                  size_t dk, size_t rows, size_t sees)
{
    for (size_t j = 0; j < sees; j += T2I_PANEL)
        t2i_gemm_panel(out + j, P, a, a_row, 1, across + j * dk, rows,
                       panel_columns(j, t2i_padded(sees)), dk, 0);
}

/* out (rows, dk) = a (rows, terms), with any strides, x rows of `along` from `first`; add: chains
 * start from out. */
static void gather(float *out, size_t out_row, const float *a, size_t a_row, size_t a_step,
                   const float *along, size_t first, size_t longest, size_t dk, size_t rows,
                   size_t terms, int add)
{
    for (size_t c = 0; c < dk; c += T2I_PANEL)
        t2i_gemm_panel(out + c, out_row, a, a_row, a_step, along + c * longest + first * T2I_PANEL,
                       rows, panel_columns(c, dk), terms, add);
}

/* to = factor x from, rows of dk floats, which are to_stride and from_stride apart. */
T2I_STATIC_KERNEL(void, copy_rows,
                  (float *to, size_t to_stride, const float *from, size_t from_stride, size_t rows,
                   size_t dk, float factor),
                  (to, to_stride, from, from_stride, rows, dk, factor))
{
    for (size_t r = 0; r < rows; r++, to += to_stride, from += from_stride)
        for (size_t c = 0; c < dk; c++) to[c] = factor * from[c];
}

/* Number of positions from i on in the same block of `most` positions. */
static size_t block_of(size_t i, size_t most, size_t T)
{
    return least(most - i % most, T - i);
}

/* The masks of `rows` queries from `own` on, for `width` keys from j on; NULL: none. */
static const float *draw(float *room, const t2i_attention_mask *mask, size_t own, size_t rows,
                         size_t j, size_t width)
{
    if (mask == NULL) return NULL;
    for (size_t r = 0; r < rows; r++)
        mask->draw(mask->source, own + r, j, room + r * SCORES, width);
    return room;
}

/* Forward pass of a path longer than SHORT. */
static void long_forward(float *out, float *kept, const t2i_attention_mask *mask, const float *qkv,
                         const float *keys, const float *values, float *scratch,
                         const t2i_path *path, size_t longest, size_t dk, size_t stride,
                         size_t out_stride)
{
    size_t T = path->T, first = path->shared;
    float *query = scratch, *result = query + BLOCK * dk, *scores = result + BLOCK * dk,
          *masks = scores + BLOCK * SCORES;
    float scale = 1.0f / sqrtf((float)dk);
    for (size_t i = first, queries; i < T; i += queries) {
        size_t node = path->node[i];
        float top[BLOCK], sum[BLOCK] = {0};
        queries = block_of(i, BLOCK, T);
        copy_rows(query, dk, qkv + node * stride, stride, queries, dk, scale);
        memset(result, 0, queries * dk * sizeof *result);
        for (size_t r = 0; r < queries; r++) top[r] = -INFINITY;
        for (size_t j = 0; j < i + queries; j += BLOCK)
            for (size_t r = 0, rows; r < queries; r += rows) {
                rows = block_of(i + r, j + BLOCK <= i ? BLOCK : TALL, T);
                size_t sees = least(BLOCK, i + r + rows - j), width = t2i_padded(sees);
                const span s = {rows, i + r + 1 - j, width,
                                draw(masks, mask, i + r - first, rows, j, width)};
                score(scores, SCORES, query + r * dk, dk, keys + j * dk, dk, rows, sees);
                weigh(scores, &s, top + r, sum + r, result + r * dk, dk);
                gather(result + r * dk, dk, scores, SCORES, 1, values, j, longest, dk, rows, sees,
                       1);
            }
        for (size_t r = 0; r < queries; r++, kept += KEPT) {
            kept[0] = top[r];
            kept[1] = 1.0f / sum[r];
            copy_rows(out + (node + r) * out_stride, 0, result + r * dk, 0, 1, dk, kept[1]);
        }
    }
}

void t2i_attention(float *out, float *prob, const t2i_attention_mask *mask, const float *qkv,
                   float *scratch, const t2i_path *path, size_t longest, size_t dk, size_t stride,
                   size_t out_stride)
{
    size_t T = path->T, first = path->shared, P = t2i_padded(T);
    float *keys = scratch, *values = keys + whole_panels(longest) * dk,
          *rooms = values + longest * whole_panels(dk);
    float scale = 1.0f / sqrtf((float)dk);
    put_across(keys, qkv + dk, path, dk, stride);
    put_along(values, qkv + 2 * dk, path, first, longest, dk, stride);
    if (T > SHORT) {
        long_forward(out, prob, mask, qkv, keys, values, rooms, path, longest, dk, stride,
                     out_stride);
        return;
    }
    for (size_t i = first; i < T; i += ROWS) {
        size_t rows = least(ROWS, T - i), node = path->node[i]; /* own nodes are consecutive */
        float *p = prob + (i - first) * P;
        score(p, P, qkv + node * stride, stride, keys, dk, rows, i + rows);
        soften(p, rows, i + 1, P, scale);
        if (mask != NULL) t2i_ops_mask(rooms, p, mask->rows + (i - first) * P, rows * P);
        gather(out + node * out_stride, out_stride, mask != NULL ? rooms : p, P, 1, values, 0,
               longest, dk, rows, i + rows, 0);
    }
}

/* Gradients of keys or values of positions j ..: weight (queries, P)^T x along (queries, ..). Set
 * for the path's own positions, accumulated for others. */
static void give_back(float *to, size_t stride, const float *weight, size_t P, const float *along,
                      const t2i_path *path, size_t j, size_t rows, size_t longest, size_t dk,
                      float *room)
{
    size_t first = path->shared, own = j > first ? j - first : 0; /* those before do not see j */
    size_t terms = path->T - first - own;
    weight += own * P + j;
    if (j >= first) {
        gather(to + path->node[j] * stride, stride, weight, 1, P, along, own, longest, dk, rows,
               terms, 0);
        return;
    }
    gather(room, dk, weight, 1, P, along, own, longest, dk, rows, terms, 0);
    for (size_t r = 0; r < rows; r++)
        t2i_ops_add(to + path->node[j + r] * stride, room + r * dk, dk);
}

/* The operands of a backward pass in the scratch memory. */
typedef struct {
    float *values, *keys_across; /* (dk, T) */
    float *keys;                 /* (T, dk) */
    float *query, *dresult;      /* (T, dk); of a long path dkeys and dvalues */
    float *room;                 /* (ROWS, dk) */
    float *rooms;                /* the rest */
} operands;

/* Backward pass of a path longer than SHORT (Dao, "FlashAttention-2", 2023). The mean gradient of a
 * query's softmax weights is its result times the gradient of that. */
static void long_back(float *dqkv, const float *out, const float *dout, const float *kept,
                      const t2i_attention_mask *mask, const float *qkv, const operands *o,
                      const t2i_path *path, size_t longest, size_t dk, size_t stride,
                      size_t out_stride)
{
    size_t T = path->T, first = path->shared;
    float *prob = o->rooms, *dscore = prob + BLOCK * SCORES, *query = dscore + BLOCK * SCORES,
          *dresult = query + BLOCK * dk, *dquery = dresult + BLOCK * dk,
          *queries_along = dquery + BLOCK * dk,
          *dresults_along = queries_along + BLOCK * whole_panels(dk),
          *masks = dresults_along + BLOCK * whole_panels(dk), *dkeys = o->query,
          *dvalues = o->dresult;
    float scale = 1.0f / sqrtf((float)dk);
    memset(dkeys, 0, T * dk * sizeof *dkeys);
    memset(dvalues, 0, T * dk * sizeof *dvalues);
    for (size_t i = first, queries; i < T; i += queries) {
        size_t node = path->node[i];
        float mean[BLOCK];
        queries = block_of(i, BLOCK, T);
        copy_rows(query, dk, qkv + node * stride, stride, queries, dk, scale);
        copy_rows(dresult, dk, dout + node * out_stride, out_stride, queries, dk, 1.0f);
        t2i_gemm_pack(queries_along, query, dk, queries, dk);
        t2i_gemm_pack(dresults_along, dresult, dk, queries, dk);
        dots(mean, out + node * out_stride, dout + node * out_stride, out_stride, queries, dk);
        memset(dquery, 0, queries * dk * sizeof *dquery);
        for (size_t j = 0; j < i + queries; j += BLOCK) {
            size_t keys = least(BLOCK, i + queries - j), most = j + BLOCK <= i ? BLOCK : TALL;
            for (size_t r = 0, rows; r < queries; r += rows) {
                rows = block_of(i + r, most, T);
                size_t sees = least(BLOCK, i + r + rows - j), own = i + r - first,
                       width = t2i_padded(sees);
                const span s = {rows, i + r + 1 - j, width, draw(masks, mask, own, rows, j, width)};
                float *p = prob + r * SCORES, *ds = dscore + r * SCORES;
                score(p, SCORES, query + r * dk, dk, o->keys_across + j * dk, dk, rows, sees);
                score(ds, SCORES, dresult + r * dk, dk, o->values + j * dk, dk, rows, sees);
                weigh_back(p, ds, &s, kept + own * KEPT, mean + r);
                gather(dquery + r * dk, dk, ds, SCORES, 1, o->keys, j, longest, dk, rows, sees, 1);
            }
            for (size_t k = 0, rows; k < keys; k += rows) {
                size_t from = j + k > i ? j + k - i : 0; /* those before do not see these keys */
                rows = least(most, keys - k);
                gather(dkeys + (j + k) * dk, dk, dscore + from * SCORES + k, 1, SCORES,
                       queries_along, from, queries, dk, rows, queries - from, 1);
                gather(dvalues + (j + k) * dk, dk, prob + from * SCORES + k, 1, SCORES,
                       dresults_along, from, queries, dk, rows, queries - from, 1);
            }
        }
        copy_rows(dqkv + node * stride, stride, dquery, dk, queries, dk, scale);
    }
    for (size_t j = 0; j < first; j++) {
        t2i_ops_add(dqkv + path->node[j] * stride + dk, dkeys + j * dk, dk);
        t2i_ops_add(dqkv + path->node[j] * stride + 2 * dk, dvalues + j * dk, dk);
    }
    float *to = dqkv + path->node[first] * stride + dk;
    copy_rows(to, stride, dkeys + first * dk, dk, T - first, dk, 1.0f);
    copy_rows(to + dk, stride, dvalues + first * dk, dk, T - first, dk, 1.0f);
}

void t2i_attention_back(float *dqkv, const float *out, const float *dout, const float *prob,
                        const t2i_attention_mask *mask, const float *qkv, float *scratch,
                        const t2i_path *path, size_t longest, size_t dk, size_t stride,
                        size_t out_stride)
{
    size_t T = path->T, first = path->shared, P = t2i_padded(T), wide = whole_panels(dk),
           across = whole_panels(longest) * dk, most = least(longest, SHORT);
    operands o = {.values = scratch};
    o.keys = o.values + across;
    o.query = o.keys + longest * wide;
    o.dresult = o.query + longest * wide;
    o.keys_across = o.dresult + longest * wide;
    o.room = o.keys_across + across;
    o.rooms = o.room + ROWS * dk;
    float *values = o.values, *keys = o.keys, *query = o.query, *dresult = o.dresult,
          *dscore = o.rooms, *kept = dscore + most * t2i_padded(most), *room = o.room;
    const float *weight = mask != NULL ? kept : prob; /* of the values */
    float scale = 1.0f / sqrtf((float)dk);
    put_across(values, qkv + 2 * dk, path, dk, stride);
    put_along(keys, qkv + dk, path, first, longest, dk, stride);
    if (longest > SHORT) put_across(o.keys_across, qkv + dk, path, dk, stride);
    if (T > SHORT) {
        long_back(dqkv, out, dout, prob, mask, qkv, &o, path, longest, dk, stride, out_stride);
        return;
    }
    put_along(query, qkv, path, 0, longest, dk, stride);
    put_along(dresult, dout, path, 0, longest, dk, out_stride);
    if (mask != NULL) t2i_ops_mask(kept, prob, mask->rows, (T - first) * P);
    for (size_t i = first; i < T; i += ROWS) {
        size_t rows = least(ROWS, T - i), node = path->node[i];
        float *ds = dscore + (i - first) * P;
        score(ds, P, dout + node * out_stride, out_stride, values, dk, rows, i + rows);
        if (mask != NULL) t2i_ops_mask(ds, ds, mask->rows + (i - first) * P, rows * P);
        soften_back(ds, prob + (i - first) * P, rows, i + 1, P, scale);
        gather(dqkv + node * stride, stride, ds, P, 1, keys, 0, longest, dk, rows, i + rows, 0);
    }
    for (size_t j = 0, rows; j < T; j += rows) {
        rows = least(ROWS, (j < first ? first : T) - j);
        give_back(dqkv + dk, stride, dscore, P, query, path, j, rows, longest, dk, room);
        give_back(dqkv + 2 * dk, stride, weight, P, dresult, path, j, rows, longest, dk, room);
    }
}

/* ---- the last layer ---- */

enum { TILE = 4 };

/* For TILE rows r: out[r] (LANES wide) = sum over t < terms of weight[r * row_step + t * term_step]
 * * (LANES floats at from[t * from_step]). */
T2I_INLINE void full_tile(float out[TILE][LANES], const float *restrict weight, size_t row_step,
                          size_t term_step, const float *restrict from, size_t from_step,
                          size_t terms)
{
    float sum0[LANES] = {0}, sum1[LANES] = {0}, sum2[LANES] = {0}, sum3[LANES] = {0};
    for (size_t t = 0; t < terms; t++) {
        const float *x = from + t * from_step, *w = weight + t * term_step;
        float w0 = w[0], w1 = w[row_step], w2 = w[2 * row_step], w3 = w[3 * row_step];
        for (size_t l = 0; l < LANES; l++) {
            sum0[l] = fmaf(x[l], w0, sum0[l]);
            sum1[l] = fmaf(x[l], w1, sum1[l]);
            sum2[l] = fmaf(x[l], w2, sum2[l]);
            sum3[l] = fmaf(x[l], w3, sum3[l]);
        }
    }
    memcpy(out[0], sum0, sizeof sum0);
    memcpy(out[1], sum1, sizeof sum1);
    memcpy(out[2], sum2, sizeof sum2);
    memcpy(out[3], sum3, sizeof sum3);
}

/* The same for 1 .. TILE rows. */
T2I_INLINE void tile(float out[TILE][LANES], const float *restrict weight, size_t row_step,
                     size_t term_step, const float *restrict from, size_t from_step, size_t terms,
                     size_t rows)
{
    if (rows == TILE) {
        full_tile(out, weight, row_step, term_step, from, from_step, terms);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        float sum[LANES] = {0};
        for (size_t t = 0; t < terms; t++) {
            const float *x = from + t * from_step;
            float w = weight[r * row_step + t * term_step];
            for (size_t l = 0; l < LANES; l++) sum[l] = fmaf(x[l], w, sum[l]);
        }
        memcpy(out[r], sum, sizeof sum);
    }
}

size_t t2i_attention_reach_scratch(size_t longest, size_t heads, size_t d)
{
    return longest * t2i_padded(d) + 2 * heads * t2i_padded(d) + 2 * heads * t2i_padded(longest);
}

/* out (heads, P) = x (heads, dp) x h (T, dp)^T. */
T2I_INLINE void all_dots(float *out, const float *x, const float *h, size_t heads, size_t T,
                         size_t P, size_t dp)
{
    for (size_t j = 0; j < T; j++)
        for (size_t a = 0; a < heads; a++) {
            const float *w = x + a * dp, *row = h + j * dp;
            float sum[LANES] = {0};
            for (size_t c = 0; c < dp; c += LANES)
                for (size_t l = 0; l < LANES; l++) sum[l] = fmaf(w[c + l], row[c + l], sum[l]);
            out[a * P + j] = t2i_reduce_lanes(sum);
        }
}

/* out (heads, d) = weight (heads, P) x h (T, dp). */
T2I_INLINE void all_sums(float *out, const float *weight, const float *h, size_t heads, size_t T,
                         size_t P, size_t d, size_t dp)
{
    float result[TILE][LANES];
    for (size_t a = 0; a < heads; a += TILE)
        for (size_t c = 0; c < d; c += LANES) {
            size_t rows = least(TILE, heads - a);
            tile(result, weight + a * P, P, 1, h + c, dp, T, rows);
            for (size_t r = 0; r < rows; r++)
                memcpy(out + (a + r) * d + c, result[r], least(LANES, d - c) * sizeof(float));
        }
}

/* Copies (rows, d) to (rows, dp); columns from d on stay 0. */
T2I_INLINE void widen(float *out, const float *x, size_t rows, size_t d, size_t dp)
{
    for (size_t r = 0; r < rows; r++) {
        memcpy(out + r * dp, x + r * d, d * sizeof *out);
        for (size_t c = d; c < dp; c++) out[r * dp + c] = 0.0f;
    }
}

/* Copies the rows of h of the path; rows of shared positions are already there. */
T2I_INLINE void put_path(float *dense, const float *h, const t2i_path *path, size_t d, size_t dp)
{
    for (size_t t = path->shared; t < path->T; t++)
        widen(dense + t * dp, h + path->node[t] * d, 1, d, dp);
}

T2I_KERNEL(void, t2i_attention_reach,
           (float *sum, float *prob, const float *mask, const float *query, const float *h,
            float *scratch, const t2i_path *path, size_t heads, size_t d, float scale),
           (sum, prob, mask, query, h, scratch, path, heads, d, scale))
{
    size_t T = path->T, P = t2i_padded(T), dp = t2i_padded(d);
    float *wide = scratch, *dense = wide + 2 * heads * dp, *kept = dense + T * dp;
    put_path(dense, h, path, d, dp);
    widen(wide, query, heads, d, dp);
    all_dots(prob, wide, dense, heads, T, P, dp);
    for (size_t a = 0; a < heads; a++) soften(prob + a * P, 1, T, P, scale);
    if (mask != NULL) t2i_ops_mask(kept, prob, mask, heads * P);
    all_sums(sum, mask != NULL ? kept : prob, dense, heads, T, P, d, dp);
}

T2I_KERNEL(void, t2i_attention_reach_back,
           (float *dquery, float *dh, const float *dsum, const float *prob, const float *mask,
            const float *query, const float *h, float *scratch, const t2i_path *path, size_t heads,
            size_t d, float scale),
           (dquery, dh, dsum, prob, mask, query, h, scratch, path, heads, d, scale))
{
    size_t T = path->T, P = t2i_padded(T), dp = t2i_padded(d);
    float *wide = scratch, *asked = wide + heads * dp, *dense = asked + heads * dp;
    float *dscore =
        dense + T * dp; /* behind the path's rows, whose previous contents are not needed */
    float *kept = dscore + heads * P;
    const float *weight = mask != NULL ? kept : prob;
    put_path(dense, h, path, d, dp);
    widen(wide, dsum, heads, d, dp);
    widen(asked, query, heads, d, dp);
    all_dots(dscore, wide, dense, heads, T, P, dp);
    if (mask != NULL) {
        t2i_ops_mask(kept, prob, mask, heads * P);
        t2i_ops_mask(dscore, dscore, mask, heads * P);
    }
    for (size_t a = 0; a < heads; a++) soften_back(dscore + a * P, prob + a * P, 1, T, P, scale);
    all_sums(dquery, dscore, dense, heads, T, P, d, dp);
    for (size_t j = 0; j < T; j++) {
        float *to = dh + path->node[j] * d;
        for (size_t c = 0; c < d; c += LANES) {
            float more[LANES] = {0};
            for (size_t a = 0; a < heads; a++) {
                float p = weight[a * P + j], ds = dscore[a * P + j];
                const float *x = wide + a * dp + c, *y = asked + a * dp + c;
                for (size_t l = 0; l < LANES; l++) more[l] = fmaf(y[l], ds, fmaf(x[l], p, more[l]));
            }
            for (size_t l = 0; l < least(LANES, d - c); l++) to[c + l] += more[l];
        }
    }
}
