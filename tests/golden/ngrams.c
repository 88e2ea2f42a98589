/* n-gram rows, the search space and both kinds of negatives against PyTorch: tests/golden/ngrams/,
 * made by make.py there in float64. Gradients of the first step, losses, norms, and the weights
 * after all steps of AdamW with clipping. */
#include "test.h"

#include <math.h>

#include "base/fs.h"
#include "checkpoint/checkpoint.h"
#include "dataset/dataset_writer.h"
#include "formats/safetensors.h"
#include "kernels/ops.h"
#include "kernels/optim.h"
#include "lists/pairs.h"
#include "scratch.h"
#include "train/contrastive_loss.h"

#define FOLDER "tests/golden/ngrams/"
enum { PAIRS = 44, PICTURES = 12, BATCH = 12, STEPS = 8, D = 16, E = 8 };
static const double weight = 0.5, clip = 0.5;
static const t2i_adamw adamw = {3e-3, 0.9, 0.98, 1e-8, 0.05};

static t2i_error err;
static t2i_checkpoint model;
static float feature[PICTURES][D];
static t2i_dataset *dataset;
static t2i_comm *comm;
static t2i_shared_features store;
static t2i_row_range range; /* all of them */
static t2i_rows rows;
static uint8_t trains[(PICTURES + 7) / 8];

static void read_pairs(t2i_pair_set *set)
{
    t2i_text text = {0};
    char name[16];
    uint32_t images = 0, row = 0;
    OK(t2i_fs_read(FOLDER "pairs.tsv", 1 << 20, &text, &err));
    for (char *line = text.data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char *tab = strchr(line, '\t');
        uint32_t image = (uint32_t)strtoul(tab + 1, NULL, 10);
        snprintf(name, sizeof name, "%u.png", (unsigned)image);
        if (image == images) OK(t2i_pairs_set_image(set, name, images++, &err));
        OK(t2i_pairs_set_pair(set, line, (size_t)(tab - line), image, row++, T2I_TRAIN, &err));
    }
    CU_ASSERT_EQUAL_FATAL(row, PAIRS);
    CU_ASSERT_EQUAL(images, PICTURES);
    t2i_text_free(&text);
}

static void test_load(void)
{
    t2i_st *st = NULL;
    t2i_pair_set set = {.pairs = 0};
    t2i_dataset_writer *out;
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1};
    uint8_t wanted[(PICTURES + 7) / 8] = {0};
    CU_ASSERT_EQUAL(scratch_begin("ngrams"), 0);
    OK(t2i_checkpoint_load(&model, FOLDER "initial.safetensors", 0, 0, &err));
    CU_ASSERT_EQUAL(model.unused, 0);
    CU_ASSERT_EQUAL(model.model.config.vision_feature_dim, D);
    CU_ASSERT_EQUAL(model.model.config.embed_dim, E);
    OK(t2i_st_open(&st, FOLDER "features.safetensors", &err));
    OK(t2i_st_floats(st, t2i_st_find(st, "pictures"), feature[0], &err));
    t2i_st_close(st);
    read_pairs(&set);
    const t2i_pairs view = t2i_pairs_set_view(&set);
    OK(t2i_dataset_writer_create(&out, in_scratch("d.h5"), "test", &view, D, &encoder, &err));
    OK(t2i_dataset_writer_put_features(out, PICTURES, feature[0], &err));
    OK(t2i_dataset_writer_commit(out, &err));
    OK(t2i_dataset_open(&dataset, in_scratch("d.h5"), &err));
    range = (t2i_row_range){
        dataset, T2I_TRAIN, 0, PAIRS, &model.vocab, model.model.config.block_size, 0};
    OK(t2i_rows_load(&rows, &range, &err));
    for (size_t i = 0; i < PAIRS; i++) CU_ASSERT_EQUAL(rows.image[i], set.image[i]);
    CU_ASSERT_EQUAL(rows.cut, 4);
    t2i_pairs_set_free(&set);
    OK(t2i_dataset_mark_split(dataset, T2I_TRAIN, trains, &err));
    memcpy(wanted, trains, sizeof wanted);
    OK(t2i_comm_alone(&comm, &err));
    OK(t2i_shared_features_new(&store, comm, dataset, wanted, &err));
}

/* Compares a tensor with its golden values of the same name. Returns the largest difference, and
 * the largest value. */
static double furthest(const t2i_st *st, const char *prefix, const t2i_tensor *t,
                       const float *block, double *largest)
{
    char name[T2I_NAME_MAX + 8];
    snprintf(name, sizeof name, "%s%s", prefix, t->name);
    const t2i_st_tensor *found = t2i_st_find(st, name);
    double worst = 0;
    *largest = 0;
    CU_ASSERT_TRUE_FATAL(found != NULL && found->count == t2i_tensor_count(t));
    float *right = t2i_alloc(found->count, sizeof *right);
    OK(t2i_st_floats(st, found, right, &err));
    for (size_t k = 0; k < found->count; k++) {
        *largest = fmax(*largest, fabs((double)right[k]));
        worst = fmax(worst, fabs((double)right[k] - (double)block[t->offset + k]));
    }
    t2i_free(right);
    return worst;
}

static void check_gradient(const t2i_st *st, const float *gradient)
{
    for (size_t i = 0; i < model.model.layout.tensors; i++) {
        const t2i_tensor *t = &model.model.layout.tensor[i];
        double largest, worst = furthest(st, "grad0.", t, gradient, &largest);
        CU_ASSERT_TRUE(largest > 1e-4);
        CU_ASSERT_TRUE(worst <= 3e-6 * largest);
        if (!(worst <= 3e-6 * largest))
            fprintf(stderr, "%s: off by %g of %g\n", t->name, worst, largest);
    }
}

/* Within a part of the learning rate, which is the length of a step. */
static void check_weights(const t2i_st *st, const float *weights)
{
    for (size_t i = 0; i < model.model.layout.tensors; i++) {
        const t2i_tensor *t = &model.model.layout.tensor[i];
        double largest, worst = furthest(st, "final.", t, weights, &largest);
        CU_ASSERT_TRUE(worst <= 0.01 * adamw.lr);
        if (!(worst <= 0.01 * adamw.lr))
            fprintf(stderr, "%s: off by %g learning rates\n", t->name, worst / adamw.lr);
    }
}

/* What a step needs. */
typedef struct {
    const t2i_contrastive_loss_options *options;
    t2i_contrastive_loss *contrastive;
    t2i_rights rights;
    t2i_packed_weights packed;
    t2i_work *work;
} run;

/* Loss and gradient of a batch, as a shard of a step computes them. */
static double compute(run *r, const float *weights, const size_t *index, float *gradient,
                      uint8_t *used)
{
    t2i_row row[BATCH];
    uint32_t image[BATCH];
    float target[BATCH * D], dfeatures[BATCH * D], dquery[BATCH * E] = {0};
    for (size_t i = 0; i < BATCH; i++) {
        row[i] = rows.row[index[i]];
        image[i] = rows.image[index[i]];
        memcpy(target + i * D, feature[image[i]], sizeof feature[0]);
    }
    t2i_packed_weights_fill(&r->packed, weights, 0, 1);
    if (r->options->negatives == T2I_NEGATIVES_BATCH)
        t2i_contrastive_loss_begin_batch(r->contrastive, &r->packed, image, target, BATCH);
    else
        t2i_contrastive_loss_begin(r->contrastive, &r->packed, 1);
    const t2i_outputs out =
        t2i_transformer_forward(&r->packed, r->work, row, BATCH, &model.vocab, NULL);
    double loss =
        t2i_ops_squared_error(dfeatures, out.features, target, 2.0f / (BATCH * D), BATCH * D) /
        (BATCH * D);
    loss += weight / BATCH *
            t2i_contrastive_loss_add(
                r->contrastive, 0, &(t2i_contrastive_batch){&r->rights, index, BATCH, target},
                out.query, (float)(weight / BATCH), dquery, gradient + model.model.picture_weight);
    t2i_transformer_backward(&r->packed, r->work, &(t2i_outputs){dfeatures, dquery}, gradient,
                             used);
    return loss;
}

static void check_run(const char *name, size_t negatives, int share)
{
    const t2i_contrastive_loss_options options = {
        .temperature = 0.1, .negatives = negatives, .batch = BATCH, .embed_dim = E, .seed = 1};
    const t2i_layout *layout = &model.model.layout;
    run r = {.options = &options};
    char path[64];
    t2i_text text = {0};
    t2i_st *st = NULL;
    OK(t2i_contrastive_loss_new(&r.contrastive, dataset, trains, &store, &options, BATCH, 1, &err));
    OK(t2i_contrastive_loss_rights_new(&r.rights, r.contrastive, &rows, &range, PAIRS, &err));
    OK(t2i_transformer_work_new(
        &r.work, &model.model,
        &(t2i_work_sizes){.passes = 1, .most_rows = BATCH, .longest = rows.longest, .share = share},
        &err));
    OK(t2i_packed_weights_new(&r.packed, &model.model, 1, NULL, &err));
    snprintf(path, sizeof path, FOLDER "%s.txt", name);
    OK(t2i_fs_read(path, 1 << 20, &text, &err));
    snprintf(path, sizeof path, FOLDER "%s.safetensors", name);
    OK(t2i_st_open(&st, path, &err));
    uint8_t *used = t2i_alloc(layout->floats / T2I_CHUNK, 1);
    float *w = t2i_block_new(layout), *g = t2i_block_new(layout), *m = t2i_block_new(layout),
          *v = t2i_block_new(layout);
    memcpy(w, model.weights, layout->floats * sizeof *w);
    char *at = text.data;
    for (size_t s = 0; s < STEPS; s++) {
        double wanted = strtod(at, &at), wanted_norm = strtod(at, &at), squares = 0;
        size_t index[BATCH];
        for (size_t i = 0; i < BATCH; i++) index[i] = (size_t)strtoul(at, &at, 10);
        memset(g, 0, layout->floats * sizeof *g);
        double loss = compute(&r, w, index, g, used);
        for (size_t k = 0; k < layout->floats; k++) squares += (double)g[k] * (double)g[k];
        CU_ASSERT_DOUBLE_EQUAL(loss, wanted, 1e-6 * wanted);
        CU_ASSERT_DOUBLE_EQUAL(sqrt(squares), wanted_norm, 2e-6 * wanted_norm);
        if (s == 0) check_gradient(st, g);
        const t2i_adamw_factors factors =
            t2i_optim_adamw_begin(&adamw, t2i_optim_clip_factor(sqrt(squares), clip), s + 1);
        t2i_optim_adamw_update(w, m, v, g, layout->floats, &factors);
    }
    check_weights(st, w);
    t2i_free(w);
    t2i_free(g);
    t2i_free(m);
    t2i_free(v);
    t2i_free(used);
    t2i_st_close(st);
    t2i_text_free(&text);
    t2i_packed_weights_free(&r.packed);
    t2i_transformer_work_free(r.work);
    t2i_contrastive_loss_rights_free(&r.rights);
    t2i_contrastive_loss_free(r.contrastive);
}

static void test_all(void)
{
    check_run("all", 100, 1);
}

static void test_batch(void)
{
    check_run("batch", T2I_NEGATIVES_BATCH, 1);
}

static void test_trie_off(void)
{
    check_run("all", 100, 0);
    check_run("batch", T2I_NEGATIVES_BATCH, 0);
}

static void test_close(void)
{
    t2i_rows_free(&rows);
    t2i_shared_features_free(&store);
    t2i_comm_close(comm);
    t2i_dataset_close(dataset);
    t2i_checkpoint_free(&model);
    scratch_end();
}

int main(void)
{
    static const t2i_test tests[] = {
        {"the golden files are read", test_load},
        {"negatives are all pictures", test_all},
        {"negatives are those of the batch", test_batch},
        {"common prefixes are not shared", test_trie_off},
        {"all is freed", test_close},
    };
    return t2i_test_main("golden ngrams", tests, sizeof tests / sizeof *tests);
}
