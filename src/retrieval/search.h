/* search.h - exact nearest-neighbour search by matrix products: counts the pictures that are nearer
 * to a prediction than a given one.
 *
 * Why exact: a rank is a count of comparisons, and sums in single precision depend on the processor
 * and on the shapes of the blocks. The error of an inner product of sgemm is at most
 * D u / (1 - D u) times both lengths (u = 2^-24; Higham, "Accuracy and Stability of Numerical
 * Algorithms", 3.1), in any order of summation. Pictures within that error of the limit, a few in a
 * million, are compared by the double-precision distance of gallery.h. So all counts, ties
 * included, equal those of gallery.h on any processor and for any division into blocks.
 */
#ifndef T2I_SEARCH_H
#define T2I_SEARCH_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "retrieval/gallery.h"
#include "base/thread_pool.h"

#define T2I_NO_PICTURE UINT32_MAX
enum { T2I_METRICS = 2 };

typedef struct {
    double distance;
    uint32_t image; /* T2I_NO_PICTURE: none yet */
} t2i_search_neighbour;

/* Results for one prediction and one metric. Initialise to {0} with `limit` set and `first` set to
 * t2i_search_none(). Of equal distances the lower number is nearer. */
typedef struct {
    t2i_search_neighbour limit; /* set by the caller: the picture to compare the others with */
    uint64_t closer;            /* number of nearer pictures */
    uint64_t tied;              /* number of pictures at the same distance, `limit` included */
    t2i_search_neighbour first; /* the nearest picture */
} t2i_search_count;

typedef struct {
    t2i_search_count by[T2I_METRICS]; /* t2i_metric */
    t2i_search_neighbour training;    /* the nearest training picture, by Euclidean distance */
} t2i_search_result;

/* No picture, at infinite distance. */
t2i_search_neighbour t2i_search_none(void);
/* Sets *best to the nearer of *best and other. */
void t2i_search_nearer(t2i_search_neighbour *best, t2i_search_neighbour other);
/* Merges results over disjoint sets of pictures. Both have the same limits. */
void t2i_search_merge(t2i_search_result *into, const t2i_search_result *from);

typedef struct t2i_search t2i_search;

/* A search for up to `pictures` pictures and `queries` predictions of D features per call. pool
 * (borrowed): its threads share the predictions; NULL: the caller's thread only. T2I_SYSTEM. *out
 * is NULL on failure. */
T2I_CHECKED t2i_status t2i_search_new(t2i_search **out, size_t pictures, size_t queries, size_t D,
                                      t2i_thread_pool *pool, t2i_error *err);
void t2i_search_free(t2i_search *search);

/* Sets the current pictures: numbers first .. first + count - 1, feature (count, D), borrowed until
 * the next call; training (count): 1 for a training picture. */
void t2i_search_pictures(t2i_search *search, const float *feature, size_t first, size_t count,
                         const uint8_t *training);
/* Compares predictions (count, D) with the current pictures and adds to found (count). A metric
 * whose limit is t2i_search_none() is skipped; otherwise the prediction is finite. */
void t2i_search_compare(t2i_search *search, const float *prediction, size_t count,
                        t2i_search_result *found);

#endif
