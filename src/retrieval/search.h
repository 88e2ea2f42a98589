/* search.h - which pictures are nearer to a prediction than the right one: exactly, by matrix
 * products.
 *
 * Why exact: a rank is a count of comparisons, and sums in single precision depend on the
 * processor and on the shapes of the blocks. Here sgemm only decides what it can: the error of
 * its inner products is at most D u / (1 - D u) times both lengths (u = 2^-24; Higham, "Accuracy
 * and Stability of Numerical Algorithms", 3.1), whatever the order of the sum. Pictures within
 * that error of a limit, a few of a million, are compared by the distance in double of gallery.h.
 * So the counts are those of gallery.h alone, ties included, on any processor and for any cut
 * into blocks.
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
} t2i_nearby;

/* What a search found out about one prediction by one metric; {0} with `first` set to
 * t2i_nobody() begins. Of equal distances the lower number is nearer. */
typedef struct {
    t2i_nearby limit; /* set by the caller: the picture that the others are compared with */
    uint64_t closer;  /* pictures nearer than that one */
    uint64_t tied;    /* pictures at its distance, itself included */
    t2i_nearby first; /* the nearest of all */
} t2i_compared;

typedef struct {
    t2i_compared by[T2I_METRICS]; /* t2i_metric */
    t2i_nearby trained;           /* Euclidean: the nearest of the training pictures */
} t2i_found;

t2i_nearby t2i_nobody(void);
/* *best = the nearer of the two. */
void t2i_nearer(t2i_nearby *best, t2i_nearby other);
/* Puts together what was found among different pictures; the limits are the same in both. */
void t2i_found_add(t2i_found *into, const t2i_found *from);

typedef struct t2i_search t2i_search;

/* For blocks of up to `pictures` pictures and `queries` predictions of D features. pool (borrowed):
 * who compares, each thread some of the predictions; NULL: the caller alone. */
T2I_CHECKED t2i_status t2i_search_new(t2i_search **out, size_t pictures, size_t queries, size_t D,
                                      t2i_thread_pool *pool, t2i_error *err);
void t2i_search_free(t2i_search *search);

/* The pictures to look at next: count of them from number first on, feature (count, D), borrowed;
 * trained (count): is it a training picture? */
void t2i_search_pictures(t2i_search *search, const float *feature, size_t first, size_t count,
                         const uint8_t *trained);
/* Compares predictions (count, D) with them; adds to found (count). A metric whose limit names no
 * picture is passed over; with any other the prediction is finite. */
void t2i_search_compare(t2i_search *search, const float *prediction, size_t count,
                        t2i_found *found);
/* distance: Euclidean ones of x (D) to each of them. */
void t2i_search_distances(const t2i_search *search, const float *x, double *distance);

#endif
