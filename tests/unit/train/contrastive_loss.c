/* contrast: the loss against a plain sum in double, its gradient against differences, what is right
 * for a prompt however the rows are cut, and samples of the pictures. */
#include "dataset/dataset_writer.h"
#include "train/contrastive_loss.h"

#include <math.h>

#include "scratch.h"
#include "test.h"
#include "unit/model/space_model.h"
#include "lists/pairs.h"
#include "base/rng.h"

enum { D = 6, E = 4, IMAGES = 12, PAIRS = 22 };

static t2i_error err;
static t2i_dataset *dataset;
static t2i_vocab vocab;
static t2i_comm *comm;
static t2i_shared_features store;
static float feature[IMAGES * D];
static uint8_t trains[(IMAGES + 7) / 8];

/* Prompts "a" .. ; pictures 0..9 train, 10 and 11 do not. "face" is right for pictures 0, 3, 4, 7.
 */
static const struct {
    const char *prompt;
    uint32_t image;
    int split;
} pairs[PAIRS] = {
    {"ant", 0, T2I_TRAIN},        {"bee", 1, T2I_TRAIN},        {"cat", 2, T2I_TRAIN},
    {"dog", 3, T2I_TRAIN},        {"eel", 4, T2I_TRAIN},        {"face", 0, T2I_TRAIN},
    {"face", 3, T2I_TRAIN},       {"face", 4, T2I_TRAIN},       {"face", 7, T2I_TRAIN},
    {"fox", 5, T2I_TRAIN},        {"gnu", 6, T2I_TRAIN},        {"hen", 7, T2I_TRAIN},
    {"ibis", 8, T2I_TRAIN},       {"jay", 9, T2I_TRAIN},        {"kiwi", 9, T2I_TRAIN},
    {"lion", 10, T2I_VALIDATION}, {"mole", 2, T2I_TRAIN},       {"mole", 2, T2I_TRAIN},
    {"mole", 5, T2I_TRAIN},       {"newt", 11, T2I_VALIDATION}, {"face", 10, T2I_VALIDATION},
    {"owl", 1, T2I_TRAIN},
};

static void begin(void)
{
    t2i_pair_set set = {.pairs = 0};
    char name[16];
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1};
    t2i_dataset_writer *out;
    CU_ASSERT_EQUAL(scratch_begin("contrast"), 0);
    static const uint32_t by_use[IMAGES] = {0, 1, 2, 3, 4, 7, 5, 6, 8, 9, 10, 11};
    uint32_t number[IMAGES];
    for (uint32_t i = 0; i < IMAGES; i++) {
        number[by_use[i]] = i;
        snprintf(name, sizeof name, "%u.png", by_use[i]);
        OK(t2i_pairs_set_image(&set, name, i, &err));
    }
    for (uint32_t i = 0; i < PAIRS; i++)
        OK(t2i_pairs_set_pair(&set, pairs[i].prompt, strlen(pairs[i].prompt),
                              number[pairs[i].image], i, pairs[i].split, &err));
    for (size_t i = 0; i < IMAGES * D; i++) feature[i] = (float)t2i_rng_normal(5, 0, i);
    const t2i_pairs view = t2i_pairs_set_view(&set);
    OK(t2i_dataset_writer_create(&out, in_scratch("d.h5"), "test", &view, D, &encoder, &err));
    OK(t2i_dataset_writer_put_features(out, IMAGES, feature, &err));
    OK(t2i_dataset_writer_commit(out, &err));
    t2i_pairs_set_free(&set);
    OK(t2i_dataset_open(&dataset, in_scratch("d.h5"), &err));
    OK(t2i_rows_vocab(&vocab, dataset, 1, &err));
    uint8_t wanted[2] = {0xff, 0xff};
    memset(trains, 0, sizeof trains);
    OK(t2i_dataset_mark_split(dataset, T2I_TRAIN, trains, &err));
    OK(t2i_comm_alone(&comm, &err));
    OK(t2i_shared_features_new(&store, comm, dataset, wanted, &err));
}

static void end(void)
{
    t2i_shared_features_free(&store);
    t2i_comm_close(comm);
    t2i_vocab_free(&vocab);
    t2i_dataset_close(dataset);
    scratch_end();
}

/* The cross-entropy of one row in double; right[i]: picture i of the file is right for it. */
static double plain(const float *p, const float *target, const uint8_t *candidate,
                    const uint8_t *right, double temperature)
{
    double pp = 0, tt = 0, pt = 0, sum = 0;
    for (size_t d = 0; d < D; d++) {
        pp += (double)p[d] * p[d];
        tt += (double)target[d] * target[d];
        pt += (double)p[d] * target[d];
    }
    double own = pt / sqrt(pp * tt) / temperature;
    for (size_t i = 0; i < IMAGES; i++) {
        double ff = 0, pf = 0;
        if (!candidate[i] || right[i]) continue;
        for (size_t d = 0; d < D; d++) {
            ff += (double)feature[i * D + d] * feature[i * D + d];
            pf += (double)p[d] * feature[i * D + d];
        }
        sum += exp(pf / sqrt(pp * ff) / temperature);
    }
    return log(sum + exp(own)) - own;
}

/* Which pictures of the file (numbered in order of use) are right for a prompt, by training. */
static void find_right(const t2i_rows *rows, size_t row, uint8_t *right)
{
    t2i_rows all;
    OK(t2i_rows_load(&all, &(t2i_row_range){dataset, T2I_TRAIN, 0, PAIRS - 3, &vocab, 16, 1},
                     &err));
    memset(right, 0, IMAGES);
    for (size_t i = 0; i < all.count; i++)
        if (all.row[i].length == rows->row[row].length &&
            memcmp(all.row[i].ids, rows->row[row].ids, all.row[i].length * 2) == 0)
            right[all.image[i]] = 1;
    t2i_rows_free(&all);
}

static const uint8_t all_trained[IMAGES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0};

static void fill(float *p, size_t count, uint64_t stream)
{
    for (size_t i = 0; i < count * D; i++) p[i] = (float)t2i_rng_normal(9, stream, i);
}

/* Loss of rows first .. end of the training split, against the plain sum; and its gradient. */
static void check_rows(uint64_t first, uint64_t end_row)
{
    const t2i_contrastive_loss_options options = {.temperature = 0.2, .negatives = 100, .seed = 1};
    t2i_contrastive_loss *c;
    t2i_rights rights;
    t2i_rows rows;
    size_t count = (size_t)(end_row - first), row[PAIRS];
    float p[PAIRS * D], target[PAIRS * D], gradient[PAIRS * D] = {0};
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_TRAIN, first, end_row, &vocab, 16, 1},
                     &err));
    OK(t2i_contrastive_loss_new(&c, dataset, trains, &store, &options, PAIRS, 2, &err));
    OK(t2i_contrastive_loss_rights_new(
        &rights, c, &rows,
        &(t2i_row_range){dataset, T2I_TRAIN, first, first + rows.count, &vocab, 16, 0}, PAIRS - 3,
        &err));
    fill(p, count, first);
    double wanted = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t right[IMAGES];
        row[i] = i;
        memcpy(target + i * D, t2i_shared_features_feature(&store, rows.image[i]),
               D * sizeof(float));
        find_right(&rows, i, right);
        wanted += plain(p + i * D, target + i * D, all_trained, right, 0.2);
    }
    t2i_contrastive_loss_begin(c, NULL, 1);
    double got = t2i_contrastive_loss_add(
        c, 0, &(t2i_contrastive_batch){&rights, row, count, target}, p, 0.5f, gradient, NULL);
    CU_ASSERT_DOUBLE_EQUAL(got, wanted, 1e-5 * wanted);
    for (size_t i = 0; i < count * D; i++) { /* central differences of the plain sum */
        uint8_t right[IMAGES];
        size_t r = i / D;
        float kept = p[i];
        find_right(&rows, r, right);
        p[i] = kept + 1e-3f;
        double up = plain(p + r * D, target + r * D, all_trained, right, 0.2);
        p[i] = kept - 1e-3f;
        double down = plain(p + r * D, target + r * D, all_trained, right, 0.2);
        p[i] = kept;
        CU_ASSERT_DOUBLE_EQUAL(gradient[i], 0.5 * (up - down) / 2e-3, 2e-3);
    }
    t2i_contrastive_loss_rights_free(&rights);
    t2i_contrastive_loss_free(c);
    t2i_rows_free(&rows);
}

/* Wherever the rows of a rank end: inside "face", before it, behind it. */
static void test_loss_and_gradient(void)
{
    begin();
    check_rows(0, PAIRS - 3);
    for (uint64_t cut = 1; cut < PAIRS - 3; cut += 1) {
        check_rows(0, cut);
        check_rows(cut, PAIRS - 3);
    }
    check_rows(6, 8);
    end();
}

/* A row of another split: its own picture is none of the candidates. */
static void test_validation(void)
{
    const t2i_contrastive_loss_options options = {.temperature = 0.1, .negatives = 100, .seed = 1};
    t2i_contrastive_loss *c;
    t2i_rights rights;
    t2i_rows rows;
    float p[3 * D], target[3 * D];
    size_t row[3] = {0, 1, 2};
    static const uint8_t none[IMAGES];
    begin();
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_VALIDATION, 0, 3, &vocab, 16, 0}, &err));
    OK(t2i_contrastive_loss_new(&c, dataset, trains, &store, &options, 3, 1, &err));
    OK(t2i_contrastive_loss_rights_new(
        &rights, c, &rows,
        &(t2i_row_range){dataset, T2I_VALIDATION, 0, 0 + rows.count, &vocab, 16, 0}, 3, &err));
    fill(p, 3, 77);
    double wanted = 0;
    for (size_t i = 0; i < 3; i++) {
        memcpy(target + i * D, t2i_shared_features_feature(&store, rows.image[i]),
               D * sizeof(float));
        wanted += plain(p + i * D, target + i * D, all_trained, none, 0.1);
    }
    t2i_contrastive_loss_begin(c, NULL, 0);
    double got = t2i_contrastive_loss_add(c, 0, &(t2i_contrastive_batch){&rights, row, 3, target},
                                          p, 1, NULL, NULL);
    CU_ASSERT_DOUBLE_EQUAL(got, wanted, 1e-5 * wanted);
    t2i_contrastive_loss_rights_free(&rights);
    t2i_contrastive_loss_free(c);
    t2i_rows_free(&rows);
    end();
}

/* With more pictures than negatives: the same ones for the same step, others for another, each
 * picture's turn comes, and the loss is that over the sample. */
static void test_sample(void)
{
    const t2i_contrastive_loss_options options = {.temperature = 0.3, .negatives = 4, .seed = 3};
    t2i_contrastive_loss *c, *again;
    t2i_rights rights;
    t2i_rows rows;
    float p[PAIRS * D], target[PAIRS * D];
    size_t row[PAIRS], count = PAIRS - 3;
    int differ = 0;
    begin();
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_TRAIN, 0, count, &vocab, 16, 1}, &err));
    OK(t2i_contrastive_loss_new(&c, dataset, trains, &store, &options, PAIRS, 2, &err));
    OK(t2i_contrastive_loss_new(&again, dataset, trains, &store, &options, PAIRS, 2, &err));
    OK(t2i_contrastive_loss_rights_new(
        &rights, c, &rows, &(t2i_row_range){dataset, T2I_TRAIN, 0, 0 + rows.count, &vocab, 16, 0},
        count, &err));
    fill(p, count, 1);
    for (size_t i = 0; i < count; i++) {
        row[i] = i;
        memcpy(target + i * D, t2i_shared_features_feature(&store, rows.image[i]),
               D * sizeof(float));
    }
    double before = -1;
    for (uint64_t step = 1; step < 20; step++) {
        t2i_contrastive_loss_begin(c, NULL, step);
        t2i_contrastive_loss_begin(again, NULL, 40 - step); /* another history */
        t2i_contrastive_loss_begin(again, NULL, step);
        double x = t2i_contrastive_loss_add(
            c, 0, &(t2i_contrastive_batch){&rights, row, count, target}, p, 1, NULL, NULL);
        double y = t2i_contrastive_loss_add(
            again, 1, &(t2i_contrastive_batch){&rights, row, count, target}, p, 1, NULL, NULL);
        CU_ASSERT(x == y);
        differ += x != before;
        before = x;
        double wanted = 0;
        uint8_t candidate[IMAGES] = {0};
        for (uint64_t k = 0; k < 4; k++) candidate[t2i_rng_permute(3, (1 << 20) + step, 10, k)] = 1;
        for (size_t i = 0; i < count; i++) {
            uint8_t right[IMAGES];
            find_right(&rows, i, right);
            wanted += plain(p + i * D, target + i * D, candidate, right, 0.3);
        }
        CU_ASSERT_DOUBLE_EQUAL(x, wanted, 1e-5 * wanted);
    }
    CU_ASSERT(differ > 15);
    t2i_contrastive_loss_rights_free(&rights);
    t2i_contrastive_loss_free(c);
    t2i_contrastive_loss_free(again);
    t2i_rows_free(&rows);
    end();
}

/* ---- a space of their own ---- */

static space_model tower;

static void begin_tower(void)
{
    begin();
    space_model_begin(&tower, D, E, &err);
    for (size_t i = 0; i < E * D; i++)
        tower.weights[tower.model.picture_weight + i] = (float)t2i_rng_normal(6, 0, i);
    space_model_pack(&tower);
}

static void end_tower(void)
{
    space_model_end(&tower);
    end();
}

/* picture.weight x features, in double. */
static void place_of(const float *x, double *y)
{
    for (size_t e = 0; e < E; e++) {
        y[e] = 0;
        for (size_t d = 0; d < D; d++)
            y[e] += (double)tower.weights[tower.model.picture_weight + e * D + d] * (double)x[d];
    }
}

static double cosine(const float *p, const float *x)
{
    double y[E], pp = 0, yy = 0, py = 0;
    place_of(x, y);
    for (size_t e = 0; e < E; e++) {
        pp += (double)p[e] * (double)p[e];
        yy += y[e] * y[e];
        py += (double)p[e] * y[e];
    }
    return py / sqrt(pp * yy);
}

/* As plain, in the space of the pictures. */
static double plain_in_space(const float *p, const float *target, const uint8_t *candidate,
                             const uint8_t *right, double temperature)
{
    double own = cosine(p, target) / temperature, sum = exp(own);
    for (size_t i = 0; i < IMAGES; i++)
        if (candidate[i] && !right[i]) sum += exp(cosine(p, feature + i * D) / temperature);
    return log(sum) - own;
}

/* The rows of a call and what is right for them. */
typedef struct {
    size_t count, row[PAIRS];
    float p[PAIRS * E], target[PAIRS * D];
    uint8_t candidate[IMAGES], right[PAIRS][IMAGES];
} tower_case;

static double plain_sum(const tower_case *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->count; i++)
        sum += plain_in_space(t->p + i * E, t->target + i * D, t->candidate, t->right[i], 0.2);
    return sum;
}

/* The loss, and its gradients by the queries and by picture.weight, against central differences. */
static void check_tower(t2i_contrastive_loss *c, const t2i_rights *rights, tower_case *t)
{
    enum { PLACES = PAIRS * E + E * D };
    float dquery[PAIRS * E] = {0}, dpicture[E * D], got[PLACES], *at[PLACES];
    size_t places = 0;
    double sum = t2i_contrastive_loss_add(
        c, 1, &(t2i_contrastive_batch){rights, t->row, t->count, t->target}, t->p, 0.5f, dquery,
        dpicture);
    CU_ASSERT_DOUBLE_EQUAL(sum, plain_sum(t), 1e-5 * sum);
    for (size_t i = 0; i < t->count * E; i++) {
        got[places] = dquery[i];
        at[places++] = &t->p[i];
    }
    for (size_t i = 0; i < E * D; i++) {
        got[places] = dpicture[i];
        at[places++] = &tower.weights[tower.model.picture_weight + i];
    }
    for (size_t k = 0; k < places; k++) {
        float kept = *at[k];
        *at[k] = kept + 1e-3f;
        double up = plain_sum(t);
        *at[k] = kept - 1e-3f;
        double down = plain_sum(t);
        *at[k] = kept;
        CU_ASSERT_DOUBLE_EQUAL(got[k], 0.5 * (up - down) / 2e-3, 2e-3);
    }
}

/* All training pictures; and the batch's own, one of them twice. */
static void test_tower(void)
{
    for (int batch = 0; batch < 2; batch++) {
        const t2i_contrastive_loss_options options = {.temperature = 0.2,
                                                      .negatives =
                                                          batch ? T2I_NEGATIVES_BATCH : 100,
                                                      .batch = PAIRS,
                                                      .embed_dim = E,
                                                      .seed = 1};
        static tower_case t;
        t2i_contrastive_loss *c;
        t2i_rights rights;
        t2i_rows rows;
        begin_tower();
        t = (tower_case){.count = batch ? 9 : PAIRS - 3};
        OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_TRAIN, 0, PAIRS - 3, &vocab, 16, 1},
                         &err));
        OK(t2i_contrastive_loss_new(&c, dataset, trains, &store, &options, PAIRS, 2, &err));
        OK(t2i_contrastive_loss_rights_new(
            &rights, c, &rows, &(t2i_row_range){dataset, T2I_TRAIN, 0, rows.count, &vocab, 16, 0},
            PAIRS - 3, &err));
        for (size_t i = 0; i < t.count * E; i++) t.p[i] = (float)t2i_rng_normal(9, 3, i);
        for (size_t i = 0; i < t.count; i++) {
            t.row[i] = i;
            memcpy(t.target + i * D, t2i_shared_features_feature(&store, rows.image[i]),
                   D * sizeof(float));
            find_right(&rows, i, t.right[i]);
            t.candidate[rows.image[i]] = 1;
        }
        if (batch)
            t2i_contrastive_loss_begin_batch(c, &tower.packed, rows.image, t.target, t.count);
        else
            t2i_contrastive_loss_begin(c, &tower.packed, 1);
        check_tower(c, &rights, &t);
        t2i_contrastive_loss_rights_free(&rights);
        t2i_contrastive_loss_free(c);
        t2i_rows_free(&rows);
        end_tower();
    }
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a space of their own: loss and gradients", test_tower},
        {"loss and gradient, wherever the rows are cut", test_loss_and_gradient},
        {"rows of another split", test_validation},
        {"a sample of the pictures", test_sample},
    };
    return t2i_test_main("contrast", tests, sizeof tests / sizeof *tests);
}
