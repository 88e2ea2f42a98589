#include "retrieval/psnr.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

enum { HELD = 64 << 20, TOGETHER = 32 /* pictures per call of the decoder */ };

double t2i_psnr(const uint8_t *a, const uint8_t *b, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        int d = a[i] - b[i];
        sum += (uint64_t)(d * d);
    }
    if (sum == 0) return T2I_PSNR_MOST;
    return fmin(10.0 * log10(255.0 * 255.0 * (double)count / (double)sum), T2I_PSNR_MOST);
}

/* A request of query `query` for a picture. Sorted by picture, so that each chunk of the file is
 * decompressed once. */
typedef struct {
    uint32_t image;
    size_t at;
} request;

static int by_image(const void *a, const void *b)
{
    const request *x = a, *y = b;
    if (x->image != y->image) return x->image < y->image ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

typedef struct {
    t2i_gallery *gallery;
    size_t pixels;  /* bytes of a picture */
    uint8_t *truth; /* the true pictures of a batch */
    size_t *which;  /* of each query: index of its picture in truth */
    uint8_t *rgb;   /* TOGETHER pictures */
    request *request;
} batch;

/* Lists the requests in the order of the pictures. */
static void sort_requests(batch *b, const uint32_t *image, size_t count)
{
    for (size_t i = 0; i < count; i++) b->request[i] = (request){image[i], i};
    qsort(b->request, count, sizeof *b->request, by_image);
}

static t2i_status read_truth(batch *b, const uint32_t *truth, size_t count, t2i_error *err)
{
    size_t have = 0;
    sort_requests(b, truth, count);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || b->request[i].image != b->request[i - 1].image)
            T2I_TRY(t2i_dataset_pixels(b->gallery->dataset, b->request[i].image, 1,
                                       b->truth + have++ * b->pixels, err));
        b->which[b->request[i].at] = have - 1;
    }
    return T2I_OK;
}

static const uint8_t *truth_of(const batch *b, size_t query)
{
    return b->truth + b->which[query] * b->pixels;
}

static t2i_status decode(batch *b, const float *prediction, size_t count, double *decoded,
                         t2i_error *err)
{
    size_t D = b->gallery->features;
    for (size_t at = 0; at < count; at += TOGETHER) {
        size_t some = count - at < TOGETHER ? count - at : TOGETHER;
        T2I_TRY(t2i_gallery_decode(b->gallery, prediction + at * D, some, b->rgb, err));
        for (size_t i = 0; i < some; i++)
            decoded[at + i] = t2i_psnr(b->rgb + i * b->pixels, truth_of(b, at + i), b->pixels);
    }
    return T2I_OK;
}

static t2i_status compare(batch *b, const uint32_t *other, size_t count, double *compared,
                          t2i_error *err)
{
    sort_requests(b, other, count);
    for (size_t i = 0; i < count; i++) {
        const request *w = &b->request[i];
        if (i == 0 || w->image != b->request[i - 1].image)
            T2I_TRY(t2i_dataset_pixels(b->gallery->dataset, w->image, 1, b->rgb, err));
        compared[w->at] = t2i_psnr(b->rgb, truth_of(b, w->at), b->pixels);
    }
    return T2I_OK;
}

t2i_status t2i_psnr_of(t2i_gallery *gallery, const float *prediction, const uint32_t *truth,
                       const uint32_t *other, size_t count, double *decoded, double *compared,
                       t2i_error *err)
{
    batch b = {.gallery = gallery, .pixels = gallery->height * gallery->width * 3};
    size_t most = HELD / b.pixels > 0 ? HELD / b.pixels : 1, room = count < most ? count : most;
    b.truth = t2i_alloc(room, b.pixels);
    b.which = t2i_alloc(room, sizeof *b.which);
    b.request = t2i_alloc(room, sizeof *b.request);
    b.rgb = t2i_alloc(TOGETHER, b.pixels);
    t2i_status status = T2I_OK;
    if (b.truth == NULL || b.which == NULL || b.request == NULL || b.rgb == NULL)
        status = t2i_fail_memory(err, (room + TOGETHER) * b.pixels, "the pictures");
    for (size_t at = 0; status == T2I_OK && at < count; at += room) {
        size_t some = count - at < room ? count - at : room;
        status = read_truth(&b, truth + at, some, err);
        if (status == T2I_OK && decoded != NULL)
            status = decode(&b, prediction + at * gallery->features, some, decoded + at, err);
        if (status == T2I_OK && compared != NULL)
            status = compare(&b, other + at, some, compared + at, err);
    }
    t2i_free(b.truth);
    t2i_free(b.which);
    t2i_free(b.request);
    t2i_free(b.rgb);
    return status;
}
