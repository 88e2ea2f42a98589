#include "retrieval/search.h"

#include <float.h>
#include <math.h>

#include "comm/comm.h"
#include "base/cpu.h"
#include "kernels/blas.h"
#include "base/mem.h"

enum { LANES = 16 };

struct t2i_search {
    t2i_thread_pool *pool;   /* borrowed, may be NULL */
    size_t D, room, queries; /* room: greatest number of pictures */
    float *dot;              /* (queries, room): inner products */
    /* current pictures */
    const float *feature; /* borrowed */
    size_t first, count;
    double *length;           /* lengths of the features */
    double *square;           /* squared lengths */
    double *training;         /* the same; infinite for other than training pictures */
    double *inverse;          /* 1 / length; 0 if the length is 0 */
    double shortest, longest; /* shortest: of those that are not 0 */
};

t2i_search_neighbour t2i_search_none(void)
{
    return (t2i_search_neighbour){INFINITY, T2I_NO_PICTURE};
}

static int is_nearer(double distance, uint32_t image, t2i_search_neighbour than)
{
    return distance < than.distance || (distance == than.distance && image < than.image);
}

void t2i_search_nearer(t2i_search_neighbour *best, t2i_search_neighbour other)
{
    if (is_nearer(other.distance, other.image, *best)) *best = other;
}

void t2i_search_merge(t2i_search_result *into, const t2i_search_result *from)
{
    for (int metric = 0; metric < T2I_METRICS; metric++) {
        into->by[metric].closer += from->by[metric].closer;
        into->by[metric].tied += from->by[metric].tied;
        t2i_search_nearer(&into->by[metric].first, from->by[metric].first);
    }
    t2i_search_nearer(&into->training, from->training);
}

t2i_status t2i_search_new(t2i_search **out, size_t pictures, size_t queries, size_t D,
                          t2i_thread_pool *pool, t2i_error *err)
{
    t2i_search *s = *out = t2i_alloc(1, sizeof *s);
    if (s == NULL) return t2i_fail_memory(err, sizeof *s, "a search");
    s->pool = pool;
    s->D = D;
    s->room = pictures;
    s->queries = queries;
    s->dot = t2i_alloc(queries, pictures * sizeof *s->dot);
    s->length = t2i_alloc(pictures, sizeof *s->length);
    s->square = t2i_alloc(pictures, sizeof *s->square);
    s->training = t2i_alloc(pictures, sizeof *s->training);
    s->inverse = t2i_alloc(pictures, sizeof *s->inverse);
    if (s->dot != NULL && s->length != NULL && s->square != NULL && s->training != NULL &&
        s->inverse != NULL)
        return T2I_OK;
    t2i_search_free(s);
    *out = NULL;
    return t2i_fail_memory(err, queries * pictures * sizeof *s->dot, "a search");
}

void t2i_search_free(t2i_search *search)
{
    if (search == NULL) return;
    t2i_free(search->dot);
    t2i_free(search->length);
    t2i_free(search->square);
    t2i_free(search->training);
    t2i_free(search->inverse);
    t2i_free(search);
}

void t2i_search_pictures(t2i_search *s, const float *feature, size_t first, size_t count,
                         const uint8_t *training)
{
    T2I_ASSERT(count <= s->room);
    s->feature = feature;
    s->first = first;
    s->count = count;
    s->shortest = INFINITY;
    s->longest = 0.0;
    for (size_t m = 0; m < count; m++) {
        double length = t2i_gallery_length(feature + m * s->D, s->D);
        s->length[m] = length;
        s->square[m] = length * length;
        s->training[m] = training[m] ? s->square[m] : INFINITY;
        s->inverse[m] = length > 0.0 ? 1.0 / length : 0.0;
        if (length > 0.0 && length < s->shortest) s->shortest = length;
        if (length > s->longest) s->longest = length;
    }
}

/* ---- comparison in single precision ---- */

/* A value increases with the distance. Pictures with a value less than `below` are certainly nearer
 * than the limit, those with a value greater than `beyond` certainly farther. */
typedef struct {
    double below, beyond;
} bounds;

typedef struct {
    size_t below, within; /* number of values less than `below`; from there up to `beyond` */
    double least, least_training;
} value_counts;

static inline void count_value(value_counts *out, double value, double of_training, bounds b)
{
    out->below += value < b.below;
    out->within += value <= b.beyond;
    out->least = value < out->least ? value : out->least;
    out->least_training = of_training < out->least_training ? of_training : out->least_training;
}

/* Value: square - 2 dot, the squared distance minus the squared length of the prediction. Written
 * in lanes, with one loop per result, so that compilers vectorise it. */
T2I_STATIC_KERNEL(void, count_euclidean,
                  (const float *restrict dot, const double *restrict square,
                   const double *restrict training, size_t count, bounds b, value_counts *out),
                  (dot, square, training, count, b, out))
{
    double least[LANES], least_training[LANES], value[LANES], of_training[LANES];
    size_t m = 0, below = 0, within = 0;
    for (size_t l = 0; l < LANES; l++) least[l] = least_training[l] = INFINITY;
    for (; m + LANES <= count; m += LANES) {
        for (size_t l = 0; l < LANES; l++) value[l] = square[m + l] - 2.0 * (double)dot[m + l];
        for (size_t l = 0; l < LANES; l++)
            of_training[l] = training[m + l] - 2.0 * (double)dot[m + l];
        for (size_t l = 0; l < LANES; l++) below += value[l] < b.below;
        for (size_t l = 0; l < LANES; l++) within += value[l] <= b.beyond;
        for (size_t l = 0; l < LANES; l++) least[l] = value[l] < least[l] ? value[l] : least[l];
        for (size_t l = 0; l < LANES; l++)
            least_training[l] =
                of_training[l] < least_training[l] ? of_training[l] : least_training[l];
    }
    *out = (value_counts){below, within, INFINITY, INFINITY};
    for (size_t l = 0; l < LANES; l++) {
        out->least = least[l] < out->least ? least[l] : out->least;
        if (least_training[l] < out->least_training) out->least_training = least_training[l];
    }
    for (; m < count; m++)
        count_value(out, square[m] - 2.0 * (double)dot[m], training[m] - 2.0 * (double)dot[m], b);
}

/* Value: -dot / length, the negative similarity times the length of the prediction. */
T2I_STATIC_KERNEL(void, count_cosine,
                  (const float *restrict dot, const double *restrict inverse, size_t count,
                   bounds b, value_counts *out),
                  (dot, inverse, count, b, out))
{
    double least[LANES], value[LANES];
    size_t m = 0, below = 0, within = 0;
    for (size_t l = 0; l < LANES; l++) least[l] = INFINITY;
    for (; m + LANES <= count; m += LANES) {
        for (size_t l = 0; l < LANES; l++) value[l] = -(double)dot[m + l] * inverse[m + l];
        for (size_t l = 0; l < LANES; l++) below += value[l] < b.below;
        for (size_t l = 0; l < LANES; l++) within += value[l] <= b.beyond;
        for (size_t l = 0; l < LANES; l++) least[l] = value[l] < least[l] ? value[l] : least[l];
    }
    *out = (value_counts){below, within, INFINITY, INFINITY};
    for (size_t l = 0; l < LANES; l++) out->least = least[l] < out->least ? least[l] : out->least;
    for (; m < count; m++) count_value(out, -(double)dot[m] * inverse[m], INFINITY, b);
}

/* ---- exact comparison ---- */

/* One prediction, one metric. */
typedef struct {
    const t2i_search *s;
    const float *x; /* the prediction, D */
    const float *dot;
    double length;
    int bounded; /* 1 if no product over- or underflows, so that the error bound holds */
    t2i_metric metric;
} query;

/* Bounds of the value of a picture at that distance, including the rounding errors of single and
 * double precision, the latter with a margin. */
static bounds bounds_of(const query *q, double distance)
{
    const t2i_search *s = q->s;
    double X = q->length, F = s->longest;
    double single = 1.01 * (double)(s->D + 16) * 0x1p-24, twofold = (double)(s->D + 64) * 0x1p-50;
    if (!q->bounded || isinf(distance)) return (bounds){-INFINITY, INFINITY};
    double value, error;
    if (q->metric == T2I_EUCLIDEAN) {
        double square = distance * distance;
        value = square - X * X;
        error = 2.0 * single * X * F + twofold * (X * X + F * F + square);
    } else {
        value = X * (distance - 1.0);
        error = X * (2.0 * single + twofold);
    }
    return (bounds){value - error, value + error};
}

static double value_of(const query *q, size_t m)
{
    double dot = (double)q->dot[m];
    return q->metric == T2I_EUCLIDEAN ? q->s->square[m] - 2.0 * dot : -dot * q->s->inverse[m];
}

static t2i_search_neighbour exact(const query *q, size_t m)
{
    const t2i_search *s = q->s;
    double distance =
        t2i_gallery_distance(q->metric, q->x, q->length, s->feature + m * s->D, s->length[m], s->D);
    return (t2i_search_neighbour){distance, (uint32_t)(s->first + m)};
}

/* Counts pictures that single precision cannot distinguish from the limit; all pictures if the
 * error bound does not hold. */
static void count_close(const query *q, size_t from, size_t end, bounds b, t2i_search_count *c)
{
    for (size_t m = from; m < end; m++) {
        double value = q->bounded ? value_of(q, m) : 0.0;
        if (value < b.below || value > b.beyond) continue;
        t2i_search_neighbour picture = exact(q, m);
        c->closer += (uint64_t)is_nearer(picture.distance, picture.image, c->limit);
        c->tied += picture.distance == c->limit.distance;
    }
}

/* Finds the nearest picture; `training`: the nearest training picture. */
static void find_first(const query *q, size_t from, size_t end, int training,
                       t2i_search_neighbour *best)
{
    double beyond = bounds_of(q, best->distance).beyond;
    for (size_t m = from; m < end; m++) {
        if (training && isinf(q->s->training[m])) continue;
        if (q->bounded && value_of(q, m) > beyond) continue;
        t2i_search_neighbour picture = exact(q, m);
        if (!is_nearer(picture.distance, picture.image, *best)) continue;
        *best = picture;
        beyond = bounds_of(q, picture.distance).beyond;
    }
}

/* Compares one piece of the pictures. Most pieces need no exact comparison. */
static void compare_piece(const query *q, size_t from, size_t end, bounds b,
                          t2i_search_result *found)
{
    const t2i_search *s = q->s;
    t2i_search_count *c = &found->by[q->metric];
    value_counts saw = {0, end - from, -INFINITY, -INFINITY};
    if (q->bounded && q->metric == T2I_EUCLIDEAN)
        count_euclidean(q->dot + from, s->square + from, s->training + from, end - from, b, &saw);
    else if (q->bounded)
        count_cosine(q->dot + from, s->inverse + from, end - from, b, &saw);
    c->closer += saw.below;
    if (saw.within > saw.below) count_close(q, from, end, b, c);
    if (saw.least <= bounds_of(q, c->first.distance).beyond) find_first(q, from, end, 0, &c->first);
    if (q->metric == T2I_EUCLIDEAN &&
        saw.least_training <= bounds_of(q, found->training.distance).beyond)
        find_first(q, from, end, 1, &found->training);
}

/* Arguments of one call of t2i_search_compare. */
typedef struct {
    t2i_search *s;
    const float *prediction;
    size_t count;
    t2i_search_result *found;
} comparison;

/* Compares one thread's share of the predictions. */
static void compare_share(void *context, int thread)
{
    static const double least = 1e-20, most = 1e37; /* far from the limits of float, for any D */
    enum { PIECE = 128 };
    const comparison *all = context;
    t2i_search *s = all->s;
    t2i_search_result *found = all->found;
    int threads = s->pool == NULL ? 1 : t2i_thread_pool_threads(s->pool);
    size_t first = t2i_comm_share(all->count, thread, threads);
    size_t end = t2i_comm_share(all->count, thread + 1, threads);
    if (first == end) return;
    t2i_blas_gemm_nt(s->dot + first * s->count, all->prediction + first * s->D, s->feature,
                     end - first, s->count, s->D);
    for (size_t i = first; i < end; i++) {
        query q = {.s = s, .x = all->prediction + i * s->D, .dot = s->dot + i * s->count};
        q.length = t2i_gallery_length(q.x, s->D);
        q.bounded = q.length * s->shortest > least && q.length * s->longest < most;
        for (int metric = 0; metric < T2I_METRICS; metric++) {
            if (found[i].by[metric].limit.image == T2I_NO_PICTURE) continue;
            q.metric = (t2i_metric)metric;
            bounds b = bounds_of(&q, found[i].by[metric].limit.distance);
            for (size_t from = 0; from < s->count; from += PIECE)
                compare_piece(&q, from, s->count - from < PIECE ? s->count : from + PIECE, b,
                              &found[i]);
        }
    }
}

void t2i_search_compare(t2i_search *s, const float *prediction, size_t count,
                        t2i_search_result *found)
{
    comparison all = {s, prediction, count, found};
    T2I_ASSERT(count <= s->queries);
    if (s->pool == NULL)
        compare_share(&all, 0);
    else
        t2i_thread_pool_run(s->pool, compare_share, &all);
}
