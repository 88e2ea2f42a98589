/* search: the counts and the first pictures that the distances of gallery.h give one by one,
 * whatever single precision makes of them. */
#include "retrieval/search.h"

#include <math.h>

#include "test.h"
#include "kernels/blas.h"

enum { MANY = 301, WIDE = 37, ASKED = 24 };

static t2i_error err;
static float feature[MANY * WIDE], prediction[ASKED * WIDE];
static double length[MANY], distance[ASKED * MANY];
static uint8_t trained[MANY];
static uint32_t limit[ASKED];

static float value(size_t i)
{
    return (float)((i * 2654435761u) % 100003u) / 50000.0f - 1.0f;
}

/* What must come out, from all distances. */
static t2i_search_count plain(size_t q, t2i_search_neighbour *of_trained)
{
    const double *d = distance + q * MANY;
    t2i_search_count c = {.limit = {d[limit[q]], limit[q]}, .first = t2i_search_none()};
    *of_trained = t2i_search_none();
    for (uint32_t m = 0; m < MANY; m++) {
        c.closer += d[m] < c.limit.distance || (d[m] == c.limit.distance && m < limit[q]);
        c.tied += d[m] == c.limit.distance;
        if (d[m] < c.first.distance) c.first = (t2i_search_neighbour){d[m], m};
        if (trained[m] && d[m] < of_trained->distance)
            *of_trained = (t2i_search_neighbour){d[m], m};
    }
    return c;
}

static void set_limits(t2i_search_result *found, int metric)
{
    for (size_t q = 0; q < ASKED; q++) {
        t2i_search_neighbour at = {distance[q * MANY + limit[q]], limit[q]};
        found[q].by[metric] = (t2i_search_count){.limit = at, .first = t2i_search_none()};
        found[q].training = t2i_search_none();
    }
}

/* In blocks of `rows` pictures, which two searches look at in turn, and predictions by `some`. */
static void search(t2i_search_result *found, size_t rows, size_t some, t2i_thread_pool *pool)
{
    static t2i_search_result part[2][ASKED];
    t2i_search *s;
    OK(t2i_search_new(&s, rows, some, WIDE, pool, &err));
    if (s == NULL) return;
    memcpy(part[0], found, sizeof part[0]);
    memcpy(part[1], found, sizeof part[1]);
    for (size_t first = 0, turn = 0; first < MANY; first += rows, turn++) {
        size_t count = MANY - first < rows ? MANY - first : rows;
        t2i_search_pictures(s, feature + first * WIDE, first, count, trained + first);
        for (size_t q = 0; q < ASKED; q += some)
            t2i_search_compare(s, prediction + q * WIDE, ASKED - q < some ? ASKED - q : some,
                               part[turn % 2] + q);
    }
    t2i_search_free(s);
    for (size_t q = 0; q < ASKED; q++) {
        found[q] = part[0][q];
        t2i_search_merge(&found[q], &part[1][q]);
    }
}

static int is_same(t2i_search_neighbour a, t2i_search_neighbour b)
{
    return a.image == b.image && a.distance == b.distance;
}

/* All cuts into blocks, by 1 to 8 threads, against the plain way. Returns the largest number of
 * ties. */
static uint64_t check(const char *what)
{
    static const size_t rows[] = {MANY, 128, 16, 7}, some[] = {ASKED, 5};
    static t2i_search_result found[ASKED];
    uint64_t ties = 0;
    for (size_t m = 0; m < MANY; m++) length[m] = t2i_gallery_length(feature + m * WIDE, WIDE);
    const t2i_gallery g = {.images = MANY, .dim = WIDE, .place = feature, .length = length};
    for (size_t cut = 0; cut < 8; cut++) {
        t2i_thread_pool *pool;
        OK(t2i_thread_pool_new(&pool, (int)cut + 1, 0, &err));
        for (int metric = 0; metric < T2I_METRICS; metric++) {
            t2i_gallery_distances(&g, (t2i_metric)metric, prediction, ASKED, distance);
            set_limits(found, metric);
        }
        search(found, rows[cut / 2], some[cut % 2], pool);
        t2i_thread_pool_free(pool);
        for (int metric = 0; metric < T2I_METRICS; metric++) {
            t2i_gallery_distances(&g, (t2i_metric)metric, prediction, ASKED, distance);
            for (size_t q = 0; q < ASKED; q++) {
                t2i_search_neighbour of_trained;
                t2i_search_count right = plain(q, &of_trained), got = found[q].by[metric];
                if (got.closer != right.closer || got.tied != right.tied ||
                    !is_same(got.first, right.first) ||
                    (metric == T2I_EUCLIDEAN && !is_same(found[q].training, of_trained))) {
                    fprintf(stderr, "%s, metric %d, question %zu: %llu closer, not %llu\n", what,
                            metric, q, (unsigned long long)got.closer,
                            (unsigned long long)right.closer);
                    CU_FAIL("not what the distances say");
                }
                if (right.tied > ties) ties = right.tied;
            }
        }
    }
    return ties;
}

static void scale(float by)
{
    for (size_t i = 0; i < MANY * WIDE; i++) feature[i] *= by;
    for (size_t i = 0; i < ASKED * WIDE; i++) prediction[i] *= by;
}

/* Nothing in particular. */
static void fill(void)
{
    for (size_t i = 0; i < MANY * WIDE; i++) feature[i] = value(i);
    for (size_t i = 0; i < ASKED * WIDE; i++) prediction[i] = value(i + 77777);
    for (size_t m = 0; m < MANY; m++) trained[m] = m % 3 != 1;
    for (uint32_t q = 0; q < ASKED; q++) limit[q] = q * 83 % MANY;
}

static void ordinary(void)
{
    fill();
    CU_ASSERT(check("ordinary") == 1);
    scale(1e15f);
    check("large");
    scale(1e-30f);
    check("small");
    scale(1e-7f); /* products below the smallest float */
    check("tiny");
}

/* Every picture thrice, some equal to predictions. */
static void ties(void)
{
    fill();
    for (size_t m = 0; m < MANY; m++)
        memcpy(feature + m * WIDE, feature + (m % 100) * WIDE, WIDE * sizeof *feature);
    for (size_t q = 0; q < ASKED; q += 3)
        memcpy(prediction + q * WIDE, feature + q * 4 * WIDE, WIDE * sizeof *feature);
    CU_ASSERT(check("ties") >= 3);
}

/* Pictures that differ by less than single precision can tell in a sum. */
static void close_ones(void)
{
    fill();
    for (size_t m = 0; m < MANY; m++)
        for (size_t d = 0; d < WIDE; d++)
            feature[m * WIDE + d] = value(d) + (d == m % WIDE ? 1e-6f * (float)m : 0.0f);
    check("close");
    for (size_t i = 0; i < ASKED * WIDE; i++)
        prediction[i] = value(i % WIDE) * (1.0f + 1e-7f * (float)(i / WIDE));
    check("close to the predictions");
}

static void special(void)
{
    fill();
    memset(feature + 5 * WIDE, 0, 3 * WIDE * sizeof *feature);
    memset(prediction, 0, WIDE * sizeof *prediction);
    limit[2] = 6;
    CU_ASSERT(check("without a length") == MANY); /* by cosine, to a prediction of zeros */
    for (size_t d = 0; d < WIDE; d++) {
        feature[9 * WIDE + d] *= 1e30f; /* products that single precision cannot hold */
        prediction[WIDE + d] *= 1e20f;
        feature[11 * WIDE + d] *= 1e-35f;
        prediction[2 * WIDE + d] *= 1e-30f;
    }
    check("beyond single precision");
    memset(trained, 0, sizeof trained);
    check("nothing trained");
}

/* Questions without a limit are skipped. */
static void others(void)
{
    static t2i_search_result found[ASKED];
    t2i_search *s;
    fill();
    OK(t2i_search_new(&s, MANY, ASKED, WIDE, NULL, &err));
    if (s == NULL) return;
    for (size_t q = 0; q < ASKED; q++)
        for (int metric = 0; metric < T2I_METRICS; metric++)
            found[q].by[metric].limit = t2i_search_none();
    t2i_search_pictures(s, feature, 0, MANY, trained);
    t2i_search_compare(s, prediction, ASKED, found);
    CU_ASSERT(found[3].by[0].closer == 0 && found[3].by[1].tied == 0);
    t2i_search_free(s);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"ordinary vectors, large and small", ordinary},
        {"equal pictures", ties},
        {"pictures that single precision cannot tell apart", close_ones},
        {"zero, huge and tiny vectors", special},
        {"questions without a limit", others},
    };
    t2i_blas_begin();
    return t2i_test_main("search", tests, sizeof tests / sizeof *tests);
}
