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
    size_t D, room, queries; /* room: pictures */
    float *dot;              /* (queries, room): inner products */
    /* the pictures */
    const float *feature; /* borrowed */
    size_t first, count;
    double *length;           /* of each */
    double *square;           /* of the length */
    double *trained;          /* the same, infinite where it is no training picture */
    double *inverse;          /* 1 / length; 0 where it has none */
    double shortest, longest; /* shortest: that is not 0 */
};

t2i_nearby t2i_nobody(void)
{
    return (t2i_nearby){INFINITY, T2I_NO_PICTURE};
}

static int is_nearer(double distance, uint32_t image, t2i_nearby than)
{
    return distance < than.distance || (distance == than.distance && image < than.image);
}

void t2i_nearer(t2i_nearby *best, t2i_nearby other)
{
    if (is_nearer(other.distance, other.image, *best)) *best = other;
}

void t2i_found_add(t2i_found *into, const t2i_found *from)
{
    for (int metric = 0; metric < T2I_METRICS; metric++) {
        into->by[metric].closer += from->by[metric].closer;
        into->by[metric].tied += from->by[metric].tied;
        t2i_nearer(&into->by[metric].first, from->by[metric].first);
    }
    t2i_nearer(&into->trained, from->trained);
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
    s->trained = t2i_alloc(pictures, sizeof *s->trained);
    s->inverse = t2i_alloc(pictures, sizeof *s->inverse);
    if (s->dot != NULL && s->length != NULL && s->square != NULL && s->trained != NULL &&
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
    t2i_free(search->trained);
    t2i_free(search->inverse);
    t2i_free(search);
}

void t2i_search_pictures(t2i_search *s, const float *feature, size_t first, size_t count,
                         const uint8_t *trained)
{
    T2I_ASSERT(count <= s->room);
    s->feature = feature;
    s->first = first;
    s->count = count;
    s->shortest = INFINITY;
    s->longest = 0.0;
    for (size_t m = 0; m < count; m++) {
        double length = t2i_length(feature + m * s->D, s->D);
        s->length[m] = length;
        s->square[m] = length * length;
        s->trained[m] = trained[m] ? s->square[m] : INFINITY;
        s->inverse[m] = length > 0.0 ? 1.0 / length : 0.0;
        if (length > 0.0 && length < s->shortest) s->shortest = length;
        if (length > s->longest) s->longest = length;
    }
}

/* ---- what single precision decides ---- */

/* A value grows with the distance; pictures whose value is below `below` are nearer than the limit
 * for certain, those beyond `beyond` farther. */
typedef struct {
    double below, beyond;
} bounds;

typedef struct {
    size_t below, within; /* values; within: up to `beyond` */
    double least, least_trained;
} seen;

static inline void look_at_one(seen *out, double value, double of_trained, bounds b)
{
    out->below += value < b.below;
    out->within += value <= b.beyond;
    out->least = value < out->least ? value : out->least;
    out->least_trained = of_trained < out->least_trained ? of_trained : out->least_trained;
}

/* Values square - 2 dot: the squared distance less the prediction's squared length. Lanes, and a
 * loop for each of what is found, as that is what compilers turn into vectors. */
T2I_STATIC_KERNEL(void, look_euclidean,
                  (const float *restrict dot, const double *restrict square,
                   const double *restrict trained, size_t count, bounds b, seen *out),
                  (dot, square, trained, count, b, out))
{
    double least[LANES], least_trained[LANES], value[LANES], of_trained[LANES];
    size_t m = 0, below = 0, within = 0;
    for (size_t l = 0; l < LANES; l++) least[l] = least_trained[l] = INFINITY;
    for (; m + LANES <= count; m += LANES) {
        for (size_t l = 0; l < LANES; l++) value[l] = square[m + l] - 2.0 * (double)dot[m + l];
        for (size_t l = 0; l < LANES; l++)
            of_trained[l] = trained[m + l] - 2.0 * (double)dot[m + l];
        for (size_t l = 0; l < LANES; l++) below += value[l] < b.below;
        for (size_t l = 0; l < LANES; l++) within += value[l] <= b.beyond;
        for (size_t l = 0; l < LANES; l++) least[l] = value[l] < least[l] ? value[l] : least[l];
        for (size_t l = 0; l < LANES; l++)
            least_trained[l] = of_trained[l] < least_trained[l] ? of_trained[l] : least_trained[l];
    }
    *out = (seen){below, within, INFINITY, INFINITY};
    for (size_t l = 0; l < LANES; l++) {
        out->least = least[l] < out->least ? least[l] : out->least;
        if (least_trained[l] < out->least_trained) out->least_trained = least_trained[l];
    }
    for (; m < count; m++)
        look_at_one(out, square[m] - 2.0 * (double)dot[m], trained[m] - 2.0 * (double)dot[m], b);
}

/* Values -dot / length: less the similarity, times the prediction's length. */
T2I_STATIC_KERNEL(void, look_cosine,
                  (const float *restrict dot, const double *restrict inverse, size_t count,
                   bounds b, seen *out),
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
    *out = (seen){below, within, INFINITY, INFINITY};
    for (size_t l = 0; l < LANES; l++) out->least = least[l] < out->least ? least[l] : out->least;
    for (; m < count; m++) look_at_one(out, -(double)dot[m] * inverse[m], INFINITY, b);
}

/* ---- the comparison ---- */

/* One prediction, one metric. */
typedef struct {
    const t2i_search *s;
    const float *x; /* the prediction, D */
    const float *dot;
    double length;
    int sound; /* no product over- or underflowed: the bound on the error holds */
    t2i_metric metric;
} query;

/* Where a picture at that distance has its value, give or take the errors of single and double
 * precision: the latter with room to spare. */
static bounds bounds_of(const query *q, double distance)
{
    const t2i_search *s = q->s;
    double X = q->length, F = s->longest;
    double single = 1.01 * (double)(s->D + 16) * 0x1p-24, twofold = (double)(s->D + 64) * 0x1p-50;
    if (!q->sound || isinf(distance)) return (bounds){-INFINITY, INFINITY};
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

static t2i_nearby exact(const query *q, size_t m)
{
    const t2i_search *s = q->s;
    double distance =
        t2i_distance(q->metric, q->x, q->length, s->feature + m * s->D, s->length[m], s->D);
    return (t2i_nearby){distance, (uint32_t)(s->first + m)};
}

/* Counts those that single precision could not tell from the limit; all of them where it is not
 * sound. */
static void count_close(const query *q, size_t from, size_t end, bounds b, t2i_compared *c)
{
    for (size_t m = from; m < end; m++) {
        double value = q->sound ? value_of(q, m) : 0.0;
        if (value < b.below || value > b.beyond) continue;
        t2i_nearby picture = exact(q, m);
        c->closer += (uint64_t)is_nearer(picture.distance, picture.image, c->limit);
        c->tied += picture.distance == c->limit.distance;
    }
}

/* trained: looks at training pictures only. */
static void find_first(const query *q, size_t from, size_t end, int trained, t2i_nearby *best)
{
    double beyond = bounds_of(q, best->distance).beyond;
    for (size_t m = from; m < end; m++) {
        if (trained && isinf(q->s->trained[m])) continue;
        if (q->sound && value_of(q, m) > beyond) continue;
        t2i_nearby picture = exact(q, m);
        if (!is_nearer(picture.distance, picture.image, *best)) continue;
        *best = picture;
        beyond = bounds_of(q, picture.distance).beyond;
    }
}

/* What is close or first is looked at one by one, so in pieces: most have nothing of it. */
static void compare_piece(const query *q, size_t from, size_t end, bounds b, t2i_found *found)
{
    const t2i_search *s = q->s;
    t2i_compared *c = &found->by[q->metric];
    seen saw = {0, end - from, -INFINITY, -INFINITY};
    if (q->sound && q->metric == T2I_EUCLIDEAN)
        look_euclidean(q->dot + from, s->square + from, s->trained + from, end - from, b, &saw);
    else if (q->sound)
        look_cosine(q->dot + from, s->inverse + from, end - from, b, &saw);
    c->closer += saw.below;
    if (saw.within > saw.below) count_close(q, from, end, b, c);
    if (saw.least <= bounds_of(q, c->first.distance).beyond) find_first(q, from, end, 0, &c->first);
    if (q->metric == T2I_EUCLIDEAN &&
        saw.least_trained <= bounds_of(q, found->trained.distance).beyond)
        find_first(q, from, end, 1, &found->trained);
}

/* What a call of t2i_search_compare is about. */
typedef struct {
    t2i_search *s;
    const float *prediction;
    size_t count;
    t2i_found *found;
} comparison;

/* A thread's share of the predictions. */
static void compare_some(void *context, int thread)
{
    static const double least = 1e-20, most = 1e37; /* far from where floats end, for any D */
    enum { PIECE = 128 };
    const comparison *all = context;
    t2i_search *s = all->s;
    t2i_found *found = all->found;
    int threads = s->pool == NULL ? 1 : t2i_thread_pool_threads(s->pool);
    size_t first = t2i_share(all->count, thread, threads);
    size_t end = t2i_share(all->count, thread + 1, threads);
    if (first == end) return;
    t2i_blas_gemm_nt(s->dot + first * s->count, all->prediction + first * s->D, s->feature,
                     end - first, s->count, s->D);
    for (size_t i = first; i < end; i++) {
        query q = {.s = s, .x = all->prediction + i * s->D, .dot = s->dot + i * s->count};
        q.length = t2i_length(q.x, s->D);
        q.sound = q.length * s->shortest > least && q.length * s->longest < most;
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

void t2i_search_compare(t2i_search *s, const float *prediction, size_t count, t2i_found *found)
{
    comparison all = {s, prediction, count, found};
    T2I_ASSERT(count <= s->queries);
    if (s->pool == NULL)
        compare_some(&all, 0);
    else
        t2i_thread_pool_run(s->pool, compare_some, &all);
}

void t2i_search_distances(const t2i_search *s, const float *x, double *distance)
{
    double length = t2i_length(x, s->D);
    for (size_t m = 0; m < s->count; m++)
        distance[m] =
            t2i_distance(T2I_EUCLIDEAN, x, length, s->feature + m * s->D, s->length[m], s->D);
}
