/* quiz: ranks against a plain sort in double, whichever rank asks; what is right, left out, equal
 * or not finite; and which prompts and pictures are taken of many. */
#include "dataset/dataset_writer.h"
#include "train/validation_recall.h"

#include <math.h>

#include "scratch.h"
#include "test.h"
#include "retrieval/gallery.h"
#include "kernels/blas.h"
#include "base/mem.h"
#include "lists/pairs.h"
#include "base/rng.h"
#include "train/rows.h"

enum { D = 4, NAME = 32 };

static t2i_error err;
/* Without embed-dim only the sizes of a model matter. */
static const t2i_model model = {.config = {.vision_feature_dim = D}};
static const t2i_packed_weights packed = {.model = &model};

/* A dataset of which everything is held here too. */
typedef struct {
    size_t pairs, images;
    t2i_dataset *dataset;
    t2i_vocab vocab;
    t2i_rows rows; /* of validation */
    float *feature;
    uint32_t *image; /* of each pair of the dataset */
    uint8_t *split;
    char (*prompt)[NAME];
    float *prediction; /* one a row */
} set;

static void write_set(set *s, t2i_pair_set *pairs)
{
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1};
    const t2i_pairs view = t2i_pairs_set_view(pairs);
    t2i_dataset_writer *out;
    for (size_t i = 0; i < s->images * D; i++) s->feature[i] = (float)t2i_rng_normal(5, 0, i);
    /* every third picture is drawn like the one before it */
    for (size_t m = 2; m < s->images; m += 3)
        memcpy(s->feature + m * D, s->feature + (m - 1) * D, D * sizeof(float));
    OK(t2i_dataset_writer_create(&out, in_scratch("d.h5"), "test", &view, D, &encoder, &err));
    OK(t2i_dataset_writer_put_features(out, s->images, s->feature, &err));
    OK(t2i_dataset_writer_commit(out, &err));
    t2i_pairs_set_free(pairs);
}

static void read_set(set *s)
{
    t2i_text text = {0};
    OK(t2i_dataset_open(&s->dataset, in_scratch("d.h5"), &err));
    OK(t2i_rows_vocab(&s->vocab, s->dataset, 1, &err));
    uint64_t counts[T2I_SPLITS];
    OK(t2i_rows_count(s->dataset, counts, &err));
    OK(t2i_rows_load(
        &s->rows,
        &(t2i_row_range){s->dataset, T2I_VALIDATION, 0, counts[T2I_VALIDATION], &s->vocab, 16, 0},
        &err));
    s->image = t2i_alloc(s->pairs, sizeof *s->image);
    s->split = t2i_alloc(s->pairs, 1);
    s->prompt = t2i_alloc(s->pairs, NAME);
    OK(t2i_dataset_pairs(s->dataset, 0, s->pairs, s->image, NULL, s->split, &err));
    for (size_t i = 0; i < s->pairs; i++) {
        OK(t2i_prompts_text(s->dataset, i, &text, &err));
        memcpy(s->prompt[i], text.data, text.size + 1);
    }
    t2i_text_free(&text);
    s->prediction = t2i_alloc(s->rows.count * D, sizeof *s->prediction);
    for (size_t i = 0; i < s->rows.count; i++) /* near the right picture, more or less */
        for (size_t d = 0; d < D; d++)
            s->prediction[i * D + d] = s->feature[s->rows.image[i] * D + d] +
                                       (float)(i % 4) * 0.3f * (float)t2i_rng_normal(7, i, d);
}

/* `every`: how many pictures have a pair of each kind. Prompts are few enough to be shared. */
static int begin(set *s, size_t images, size_t prompts, size_t every)
{
    t2i_pair_set pairs = {.pairs = 0};
    char text[NAME];
    *s = (set){.images = images, .feature = t2i_alloc(images * D, sizeof(float))};
    int failed = scratch_begin("quiz") != 0 || s->feature == NULL;
    CU_ASSERT_EQUAL(failed, 0);
    if (failed) return -1;
    t2i_blas_begin();
    for (size_t m = 0; m < images; m++) {
        snprintf(text, sizeof text, "%zu.png", m);
        OK(t2i_pairs_set_image(&pairs, text, (uint32_t)m, &err));
    }
    for (size_t m = 0; m < images; m++)
        for (int k = 0; k < 3; k++) {
            /* each picture once; some of them again, for validation and for unseen prompts */
            if (k > 0 && m % every != (size_t)k) continue;
            int split = k == 0   ? m % 7 == 3 ? T2I_UNSEEN_PICTURES : T2I_TRAIN
                        : k == 1 ? T2I_VALIDATION
                                 : T2I_UNSEEN_PROMPTS;
            snprintf(text, sizeof text, "p%zu", (size_t)t2i_rng_below(3, m, (uint64_t)k, prompts));
            OK(t2i_pairs_set_pair(&pairs, text, strlen(text), (uint32_t)m, (uint32_t)s->pairs++,
                                  split, &err));
        }
    /* two pictures that are drawn alike, the first of which is left out */
    OK(t2i_pairs_set_pair(&pairs, "tie", 3, 1, (uint32_t)s->pairs++, T2I_TRAIN, &err));
    OK(t2i_pairs_set_pair(&pairs, "tie", 3, 2, (uint32_t)s->pairs++, T2I_VALIDATION, &err));
    write_set(s, &pairs);
    read_set(s);
    return 0;
}

static void end(set *s)
{
    t2i_rows_free(&s->rows);
    t2i_vocab_free(&s->vocab);
    t2i_dataset_close(s->dataset);
    t2i_free(s->feature);
    t2i_free(s->image);
    t2i_free(s->split);
    t2i_free(s->prompt);
    t2i_free(s->prediction);
    scratch_end();
}

/* What the rows from `first` on give when one rank has them; asks and hears in blocks. */
static void ask(set *s, uint64_t first, uint64_t end_row, uint32_t *rank, size_t *pictures)
{
    t2i_validation_recall recall;
    t2i_rows rows;
    t2i_comm *comm;
    t2i_shared_features store;
    uint8_t *wanted = t2i_alloc(s->images / 8 + 1, 1);
    OK(t2i_rows_load(&rows,
                     &(t2i_row_range){s->dataset, T2I_VALIDATION, first, end_row, &s->vocab, 16, 0},
                     &err));
    OK(t2i_validation_recall_new(&recall, s->dataset, &model.config, &rows, first, s->rows.count,
                                 &err));
    t2i_validation_recall_want(&recall, wanted);
    OK(t2i_comm_alone(&comm, &err));
    OK(t2i_shared_features_new(&store, comm, s->dataset, wanted, &err));
    OK(t2i_validation_recall_begin(&recall, &store, &packed, &err));
    for (size_t at = 0; at < rows.count; at += 5)
        t2i_validation_recall_add_predictions(
            &recall, at, rows.count - at < 5 ? rows.count - at : 5,
            &(t2i_outputs){.features = s->prediction + (first + at) * D});
    t2i_validation_recall_rank(&recall, rank + first);
    *pictures = recall.pictures;
    t2i_validation_recall_free(&recall);
    t2i_shared_features_free(&store);
    t2i_comm_close(comm);
    t2i_rows_free(&rows);
    t2i_free(wanted);
}

static int same_prompt(const set *s, size_t a, size_t b)
{
    return strcmp(s->prompt[a], s->prompt[b]) == 0;
}

/* The rank of a row's best right picture among what is shown and does not fit the prompt. */
static uint32_t plain_rank(const set *s, size_t row, const uint8_t *shown)
{
    const float *x = s->prediction + row * D;
    uint8_t *fits = t2i_alloc(s->images, 1);
    double own = t2i_gallery_length(x, D), limit = INFINITY;
    size_t best = 0, closer = 0;
    for (size_t i = 0; i < s->pairs; i++) {
        if (!same_prompt(s, i, s->rows.pair[row])) continue;
        fits[s->image[i]] = 1;
        if (s->split[i] != T2I_VALIDATION) continue;
        const float *f = s->feature + s->image[i] * D;
        double distance = t2i_gallery_distance(T2I_COSINE, x, own, f, t2i_gallery_length(f, D), D);
        if (distance > limit || (distance == limit && s->image[i] > best)) continue;
        limit = distance;
        best = s->image[i];
    }
    for (size_t m = 0; m < s->images; m++) {
        if (!shown[m] || fits[m]) continue;
        const float *f = s->feature + m * D;
        double distance = t2i_gallery_distance(T2I_COSINE, x, own, f, t2i_gallery_length(f, D), D);
        closer += distance < limit || (distance == limit && m < best);
    }
    t2i_free(fits);
    return (uint32_t)closer + 1;
}

/* `most` of the things marked in `these`, evenly spread, stay marked. */
static void thin(uint8_t *these, size_t count, size_t most)
{
    size_t marked = 0, seen = 0, k = 0;
    for (size_t i = 0; i < count; i++) marked += these[i];
    for (size_t i = 0; i < count && marked > most; i++) {
        if (!these[i]) continue;
        if (k * marked / most == seen++)
            k++;
        else
            these[i] = 0;
    }
}

static void check_against_plain(const set *s, const uint32_t *rank, size_t every)
{
    size_t asked = 0, prompts = 0;
    uint8_t *shown = t2i_alloc(s->images, 1), *chosen = t2i_alloc(s->rows.count, 1);
    for (size_t i = 0; i < s->pairs; i++)
        shown[s->image[i]] |= s->split[i] == T2I_TRAIN || s->split[i] == T2I_VALIDATION;
    memset(chosen, 1, s->rows.count);
    thin(shown, s->images, T2I_VALIDATION_RECALL_PICTURES);
    thin(chosen, s->rows.count, T2I_VALIDATION_RECALL_MOST);
    size_t before = SIZE_MAX; /* the chosen row before */
    for (size_t row = 0; row < s->rows.count; row++) {
        int asks = chosen[row] &&
                   (before == SIZE_MAX || !same_prompt(s, s->rows.pair[row], s->rows.pair[before]));
        if (chosen[row]) before = row;
        prompts += (size_t)asks;
        asked += rank[row] != 0;
        CU_ASSERT_EQUAL(rank[row] != 0, asks);
        if (asks && row % every == 0) CU_ASSERT_EQUAL(rank[row], plain_rank(s, row, shown));
    }
    CU_ASSERT_EQUAL(asked, prompts);
    t2i_free(shown);
    t2i_free(chosen);
}

static void test_few(void)
{
    set s;
    size_t pictures;
    if (begin(&s, 200, 60, 3) != 0) return;
    uint32_t *rank = t2i_alloc(s.rows.count, sizeof *rank);
    CU_ASSERT_EQUAL(s.rows.count, 68);
    ask(&s, 0, s.rows.count, rank, &pictures);
    CU_ASSERT_EQUAL(pictures, 171 + 10); /* of 29 that do not train, 10 are validated */
    check_against_plain(&s, rank, 1);
    for (uint64_t cut = 1; cut < s.rows.count; cut += 7) { /* as two ranks */
        uint32_t *two = t2i_alloc(s.rows.count, sizeof *two);
        ask(&s, 0, cut, two, &pictures);
        ask(&s, cut, s.rows.count, two, &pictures);
        CU_ASSERT_EQUAL(memcmp(two, rank, s.rows.count * sizeof *two), 0);
        t2i_free(two);
    }
    s.prediction[0] = NAN;
    s.prediction[D] = INFINITY;
    memset(rank, 0, s.rows.count * sizeof *rank);
    ask(&s, 0, s.rows.count, rank, &pictures);
    CU_ASSERT_EQUAL(rank[0], T2I_RANK_NONE);
    t2i_free(rank);
    end(&s);
}

static void test_many(void)
{
    set s;
    size_t pictures;
    if (begin(&s, 80000, 9000, 40) != 0) return;
    uint32_t *rank = t2i_alloc(s.rows.count, sizeof *rank);
    CU_ASSERT_EQUAL(s.rows.count, 2001);
    ask(&s, 0, 900, rank, &pictures);
    ask(&s, 900, s.rows.count, rank, &pictures);
    CU_ASSERT_EQUAL(pictures, T2I_VALIDATION_RECALL_PICTURES);
    check_against_plain(&s, rank, 50);
    t2i_free(rank);
    end(&s);
}

static void test_scores(void)
{
    static const uint32_t rank[] = {1, 0, 10, 0, 11, T2I_RANK_NONE, 0};
    t2i_recall s = t2i_scores_recall(rank, 7);
    CU_ASSERT_TRUE(s.prompts == 4 && s.r1 == 0.25 && s.r10 == 0.5);
    CU_ASSERT_DOUBLE_EQUAL(s.mrr, (1 + 0.1 + 1.0 / 11) / 4, 1e-15);
    s = t2i_scores_recall(rank + 1, 1);
    CU_ASSERT_TRUE(s.prompts == 0 && s.r1 == 0 && s.r10 == 0 && s.mrr == 0);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"few prompts", test_few},
        {"many prompts and pictures", test_many},
        {"scores", test_scores},
    };
    return t2i_test_main("quiz", tests, sizeof tests / sizeof *tests);
}
