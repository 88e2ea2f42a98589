/* The tutorial's run against PyTorch's own numbers (tests/golden/seed/, tolerances from its
 * README): gradients of the first step, losses, weights after 1 and 100 steps. The optimizer is
 * driven by hand here; tests/e2e/golden.sh shows the same through t2i-train. */
#include "test.h"

#include <math.h>

#include "checkpoint/checkpoint.h"
#include "base/fs.h"
#include "kernels/ops.h"
#include "kernels/optim.h"
#include "formats/safetensors.h"

enum { PAIRS = 7, BATCH = 4, STEPS = 5000, D = 512, COMPARED = 500 };

static t2i_error err;
static t2i_checkpoint model;
static t2i_st *steps_file;
static uint16_t ids[PAIRS][64];
static t2i_row row[PAIRS];
static float feature[PAIRS][D];
static int batch[STEPS][BATCH];
static double loss[STEPS], wanted[STEPS];

static void read_pairs(void)
{
    t2i_text text = {0};
    t2i_st *st = NULL;
    OK(t2i_fs_read("tests/golden/seed/pairs.tsv", 1 << 20, &text, &err));
    OK(t2i_st_open(&st, "tests/golden/seed/features.safetensors", &err));
    size_t i = 0;
    for (char *line = strtok(text.data, "\n"); line != NULL && i < PAIRS;
         line = strtok(NULL, "\n"), i++) {
        char *tab = strchr(line, '\t');
        *strstr(tab, ".png") = '\0';
        t2i_encoded e = t2i_vocab_encode(&model.vocab, line, (size_t)(tab - line), 64, ids[i]);
        CU_ASSERT_EQUAL(e.unknown, 0);
        row[i] = (t2i_row){ids[i], e.length};
        OK(t2i_st_floats(st, t2i_st_find(st, tab + 1), feature[i], &err));
    }
    CU_ASSERT_EQUAL(i, PAIRS);
    t2i_st_close(st);
    t2i_text_free(&text);
}

static void read_numbers(void)
{
    t2i_text text = {0};
    OK(t2i_fs_read("tests/golden/seed/batches.txt", 1 << 20, &text, &err));
    char *at = text.data;
    for (size_t i = 0; i < STEPS * BATCH; i++)
        batch[i / BATCH][i % BATCH] = (int)strtol(at, &at, 10);
    text.size = 0;
    OK(t2i_fs_read("tests/golden/seed/losses.txt", 1 << 20, &text, &err));
    at = text.data;
    for (size_t i = 0; i < STEPS; i++) wanted[i] = strtod(at, &at);
    t2i_text_free(&text);
}

/* A tensor of steps.safetensors, in the model's place of it; the caller frees it. */
static float *golden(const char *prefix, const t2i_tensor *t)
{
    char name[T2I_NAME_MAX + 8];
    snprintf(name, sizeof name, "%s%s", prefix, t->name);
    const t2i_st_tensor *found = t2i_st_find(steps_file, name);
    float *out = t2i_alloc(t2i_tensor_count(t), sizeof *out);
    CU_ASSERT_TRUE(found != NULL && found->count == t2i_tensor_count(t));
    if (found != NULL && found->count == t2i_tensor_count(t))
        OK(t2i_st_floats(steps_file, found, out, &err));
    return out;
}

static void check_gradients(const float *gradient)
{
    for (size_t i = 0; i < model.model.layout.tensors; i++) {
        const t2i_tensor *t = &model.model.layout.tensor[i];
        float *right = golden("grad0.", t);
        double largest = 0, worst = 0;
        for (size_t k = 0; k < t2i_tensor_count(t); k++) {
            largest = fmax(largest, fabs((double)right[k]));
            worst = fmax(worst, fabs((double)right[k] - (double)gradient[t->offset + k]));
        }
        if (!(worst <= 5e-6 * largest))
            fprintf(stderr, "%s: off by %g of %g\n", t->name, worst, largest);
        CU_ASSERT_TRUE(worst <= 5e-6 * largest);
        t2i_free(right);
    }
}

/* 99.5 % of all weights within `near` learning rates (and all within `far`, where it is given); the
 * update as a whole within 1e-3 of its length. */
static void check_weights(const char *prefix, const float *first, double near, double far)
{
    size_t close = 0, count = 0;
    double difference = 0, length = 0;
    for (size_t i = 0; i < model.model.layout.tensors; i++) {
        const t2i_tensor *t = &model.model.layout.tensor[i];
        float *right = golden(prefix, t);
        for (size_t k = 0; k < t2i_tensor_count(t); k++) {
            double d = fabs((double)right[k] - (double)model.weights[t->offset + k]);
            count++;
            close += d <= near * 1e-4;
            if (far > 0) CU_ASSERT_TRUE(d <= far * 1e-4);
            difference += d * d;
            length += pow((double)right[k] - (double)first[t->offset + k], 2);
        }
        t2i_free(right);
    }
    CU_ASSERT_TRUE((double)close >= 0.995 * (double)count);
    if (far <= 0) CU_ASSERT_TRUE(sqrt(difference) <= 1e-3 * sqrt(length));
}

static int by_value(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void test_run(void)
{
    const t2i_adamw adamw = {1e-4, 0.9, 0.999, 1e-8, 0.01};
    const t2i_layout *layout = &model.model.layout;
    t2i_work *work = NULL;
    t2i_packed_weights packed;
    OK(t2i_transformer_work_new(
        &work, &model.model,
        &(t2i_work_sizes){.passes = 1, .most_rows = BATCH, .longest = 64, .share = 1}, &err));
    OK(t2i_packed_weights_new(&packed, &model.model, 1, NULL, &err));
    uint8_t *used = t2i_alloc(layout->floats / T2I_CHUNK, 1);
    float *g = t2i_block_new(layout), *m = t2i_block_new(layout), *v = t2i_block_new(layout);
    float *first = t2i_block_new(layout);
    memcpy(first, model.weights, layout->floats * sizeof *first);
    static float target[BATCH][D], dprediction[BATCH * D];
    for (size_t s = 0; s < STEPS; s++) {
        t2i_row rows[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            rows[i] = row[batch[s][i]];
            memcpy(target[i], feature[batch[s][i]], sizeof target[i]);
        }
        t2i_packed_weights_fill(&packed, model.weights, 0, 1);
        const float *p =
            t2i_transformer_forward(&packed, work, rows, BATCH, &model.vocab, NULL).features;
        loss[s] = t2i_ops_squared_error(dprediction, p, target[0], 2.0f / (BATCH * D), BATCH * D) /
                  (BATCH * D);
        t2i_transformer_backward(&packed, work, &(t2i_outputs){.features = dprediction}, g, used);
        if (s == 0) check_gradients(g);
        const t2i_adamw_factors factors = t2i_optim_adamw_begin(&adamw, 1.0f, s + 1);
        t2i_optim_adamw_update(model.weights, m, v, g, layout->floats, &factors);
        if (s == 0) check_weights("w1.", first, 0.05, 2.0);
        if (s == 99) check_weights("w100.", first, 1.0, 0.0);
        if (s < COMPARED)
            CU_ASSERT_TRUE(fabs(loss[s] - wanted[s]) <= (s < 100 ? 1e-5 : 3e-4) * wanted[s]);
    }
    qsort(loss + STEPS - 500, 500, sizeof *loss, by_value);
    CU_ASSERT_TRUE(loss[STEPS - 250] < 1e-5);
    t2i_free(g);
    t2i_free(m);
    t2i_free(v);
    t2i_free(first);
    t2i_free(used);
    t2i_packed_weights_free(&packed);
    t2i_transformer_work_free(work);
}

static void test_load(void)
{
    OK(t2i_checkpoint_load(&model, "tests/golden/seed/initial.safetensors", 0, 0, &err));
    OK(t2i_st_open(&steps_file, "tests/golden/seed/steps.safetensors", &err));
    CU_ASSERT_EQUAL(model.model.layout.tensors, 38);
    CU_ASSERT_EQUAL(model.model.layout.count, 185472);
    CU_ASSERT_FALSE(model.model.config.qkv_bias);
    CU_ASSERT_FALSE(model.ours);
    read_pairs();
    read_numbers();
}

static void test_close(void)
{
    t2i_checkpoint_free(&model);
    t2i_st_close(steps_file);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"the golden files are read", test_load},
        {"gradients, losses and weights are PyTorch's", test_run},
        {"all is freed", test_close},
    };
    return t2i_test_main("golden seed", tests, sizeof tests / sizeof *tests);
}
