/* Checkpoints: what goes in comes out, and nothing damaged comes out. */
#include "test.h"

#include <math.h>
#include <unistd.h>

#include "scratch.h"
#include "checkpoint/checkpoint.h"
#include "base/commit.h"
#include "base/fs.h"
#include "formats/json.h"
#include "formats/safetensors.h"

static t2i_error err;

/* ---- a small model ---- */

static const t2i_config small = {.vocab_size = 3,
                                 .d_model = 2,
                                 .n_heads = 1,
                                 .n_layers = 1,
                                 .d_ff = 3,
                                 .block_size = 4,
                                 .vision_feature_dim = 2,
                                 .ffn1_bias = 1,
                                 .head_bias = 1};

static float *filled(const t2i_layout *layout, float start)
{
    float *block = t2i_block_new(layout);
    for (size_t i = 0; i < layout->tensors; i++)
        for (size_t k = 0; k < t2i_tensor_count(&layout->tensor[i]); k++)
            block[layout->tensor[i].offset + k] = start + (float)i + 0.01f * (float)k;
    return block;
}

static t2i_checkpoint deep_sample(size_t layers, long step, int moments)
{
    static const char *const names[] = {"a", "\xc3\xa9", "<PAD>"};
    t2i_checkpoint c = {.ours = 1, .has_head = 1};
    t2i_config config = small;
    config.n_layers = layers;
    OK(t2i_model_new(&c.model, &config, &err));
    OK(t2i_vocab_new(&c.vocab, names, 3, &err));
    c.weights = filled(&c.model.layout, -1.5f);
    if (moments) c.m = filled(&c.model.layout, 0.25f);
    if (moments) c.v = filled(&c.model.layout, 1e-12f);
    c.run = (t2i_run_state){
        .step = step, .updates = step - 1, .skipped = 1, .shards = 8, .best = 0.125, .waited = 3};
    snprintf(c.run.dataset, sizeof c.run.dataset, "0123456789abcdef0123456789abcdef");
    c.run.options = t2i_strdup("{\"batch\":\"4\",\"lr\":\"0.1\"}");
    return c;
}

static t2i_checkpoint sample(long step, int moments)
{
    return deep_sample(1, step, moments);
}

static void save(const char *path, long step, int moments)
{
    t2i_checkpoint c = sample(step, moments);
    OK(t2i_checkpoint_save(&c, path, &err));
    t2i_checkpoint_free(&c);
}

static void expect_refused(const char *path, int moments, size_t features, t2i_status status,
                           const char *part)
{
    t2i_checkpoint c;
    FAILS(t2i_checkpoint_load(&c, path, moments, features, &err), status, part);
    CU_ASSERT_TRUE(c.weights == NULL && c.m == NULL && c.v == NULL && c.vocab.name == NULL &&
                   c.run.options == NULL && c.model.layout.tensor == NULL);
    t2i_checkpoint_free(&c);
}

static int same_block(const t2i_checkpoint *a, const float *x, const float *y)
{
    return x != NULL && y != NULL && memcmp(x, y, a->model.layout.floats * sizeof *x) == 0;
}

/* ---- out and in ---- */

static void test_round_trip(void)
{
    const char *path = in_scratch("a.safetensors");
    t2i_checkpoint out = sample(12, 1), in;
    out.ema = filled(&out.model.layout, 3.0f);
    OK(t2i_checkpoint_save(&out, path, &err));
    OK(t2i_checkpoint_load(&in, path, 1, 0, &err));
    CU_ASSERT_TRUE(same_block(&in, in.ema, out.ema));
    CU_ASSERT_TRUE(in.ours && in.has_head);
    CU_ASSERT_EQUAL(memcmp(&in.model.config, &small, sizeof small), 0);
    CU_ASSERT_TRUE(same_block(&in, in.weights, out.weights) && same_block(&in, in.m, out.m) &&
                   same_block(&in, in.v, out.v)); /* gaps and tail, which stay zero, too */
    CU_ASSERT_TRUE(in.run.step == 12 && in.run.updates == 11 && in.run.skipped == 1 &&
                   in.run.shards == 8);
    CU_ASSERT_TRUE(in.run.best == 0.125 && in.run.waited == 3 &&
                   strcmp(in.run.dataset, out.run.dataset) == 0);
    CU_ASSERT_STRING_EQUAL(in.run.options, out.run.options);
    CU_ASSERT_TRUE(in.vocab.size == 3 && strcmp(in.vocab.name[1], "\xc3\xa9") == 0 &&
                   in.vocab.pad == 2);
    OK(t2i_checkpoint_save(&in, in_scratch("b.safetensors"), &err)); /* as often as one likes */
    t2i_text a = {0}, b = {0};
    OK(t2i_fs_read(path, 1 << 20, &a, &err));
    OK(t2i_fs_read(in_scratch("b.safetensors"), 1 << 20, &b, &err));
    CU_ASSERT_TRUE(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    t2i_text_free(&a);
    t2i_text_free(&b);
    t2i_checkpoint_free(&in);
    OK(t2i_checkpoint_load(&in, path, 0, 0, &err)); /* moments are not wanted */
    CU_ASSERT_TRUE(in.m == NULL && in.v == NULL && in.ema == NULL &&
                   same_block(&in, in.weights, out.weights));
    t2i_checkpoint_free(&in);
    t2i_checkpoint_free(&out);
}

static void test_model_file(void)
{
    const char *path = in_scratch("a.safetensors");
    t2i_checkpoint out = sample(3, 0), in;
    out.run.best = -1.0;
    OK(t2i_checkpoint_save(&out, path, &err));
    OK(t2i_checkpoint_load(&in, path, 1, 0, &err)); /* wanted, but it has none */
    CU_ASSERT_TRUE(in.ours && in.m == NULL && in.v == NULL && in.run.best < 0.0 &&
                   in.run.step == 3);
    t2i_checkpoint_free(&in);
    t2i_checkpoint_free(&out);
    expect_refused(in_scratch("none"), 1, 0, T2I_NOINPUT, "none");
    expect_refused(scratch, 1, 0, T2I_NOINPUT, scratch);
}

/* What a run that went wrong may hold must not be taken for sound. */
static void test_not_finite(void)
{
    const char *path = in_scratch("a.safetensors");
    for (int which = 0; which < 3; which++) {
        t2i_checkpoint c = sample(3, 1);
        float *block[] = {c.weights, c.m, c.v};
        static const char *const name[] = {"element 1 of tensor head.bias is not finite",
                                           "element 1 of tensor adamw.m.head.bias is not finite",
                                           "element 1 of tensor adamw.v.head.bias is not finite"};
        block[which][c.model.head_bias + 1] = which == 1 ? INFINITY : NAN;
        OK(t2i_checkpoint_save(&c, path, &err));
        expect_refused(path, 1, 0, T2I_DATA, name[which]);
        t2i_checkpoint_free(&c);
    }
}

/* ---- damage ---- */

static int loads(const char *path)
{
    t2i_checkpoint c;
    t2i_status status = t2i_checkpoint_load(&c, path, 1, 4, &err);
    t2i_checkpoint_free(&c);
    if (status != T2I_OK && (status != T2I_DATA || strstr(err.text, path) == NULL)) return -1;
    return status == T2I_OK;
}

/* Every byte, the eight of the length too, in one bit and then in another. */
/* A state that no run can have is refused, although the checksums are right. */
static void test_impossible_state(void)
{
    const t2i_run_state bad[] = {
        {.step = 3, .updates = 4, .shards = 8},
        {.step = -1, .updates = -1, .shards = 8},
        {.step = 3, .updates = 3, .skipped = -1, .shards = 8},
        {.step = 3, .updates = 3, .shards = 0},
        {.step = 3, .updates = 3, .shards = (1 << 20) + 1},
        {.step = 3, .updates = 3, .shards = 8, .dataset = "x\nforged: all is sound"},
        {.step = 3, .updates = 3, .shards = 8, .dataset = "0123456789ABCDEF0123456789abcdef"},
    };
    char path[800];
    snprintf(path, sizeof path, "%s", in_scratch("impossible"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        t2i_checkpoint c = sample(3, 1);
        c.run.step = bad[i].step;
        c.run.updates = bad[i].updates;
        c.run.skipped = bad[i].skipped;
        c.run.shards = bad[i].shards;
        strcpy(c.run.dataset, bad[i].dataset);
        OK(t2i_checkpoint_save(&c, path, &err));
        t2i_checkpoint_free(&c);
        expect_refused(path, 1, 0, T2I_DATA, "t2i.run lacks a valid step");
    }
}

static void test_every_byte(void)
{
    const char *path = in_scratch("a.safetensors");
    t2i_text text = {0};
    save(path, 5, 1);
    OK(t2i_fs_read(path, 1 << 20, &text, &err));
    FILE *file = fopen(path, "r+b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    setvbuf(file, NULL, _IONBF, 0);
    for (size_t i = 0; i < text.size; i++)
        for (unsigned k = 0; k < 2; k++) {
            unsigned char byte = (unsigned char)text.data[i];
            fseek(file, (long)i, SEEK_SET);
            fputc(byte ^ (1 << (i + 3 * k) % 8), file);
            int taken = loads(path);
            if (taken != 0)
                fprintf(stderr, "byte %zu, bit %zu: %d, %s\n", i, (i + 3 * k) % 8, taken, err.text);
            CU_ASSERT_EQUAL(taken, 0);
            fseek(file, (long)i, SEEK_SET);
            fputc(byte, file);
        }
    CU_ASSERT_EQUAL(loads(path), 1); /* whole again */
    fclose(file);
    t2i_text_free(&text);
}

static void test_cut(void)
{
    const char *path = in_scratch("a.safetensors");
    uint64_t size = 0;
    save(path, 5, 1);
    OK(t2i_fs_size(path, &size, &err));
    FILE *file = fopen(path, "ab");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputc(0, file);
    fclose(file);
    CU_ASSERT_EQUAL(loads(path), 0); /* one byte more */
    int taken = 0;
    for (uint64_t left = size; left-- > 0;)
        if (truncate(path, (off_t)left) != 0 || loads(path) != 0) taken++;
    CU_ASSERT_EQUAL(taken, 0);
}

/* ---- files from elsewhere ---- */

enum { MOST_PARTS = 40 };

/* A foreign file of the small model with so many layers: its tensors but those whose names begin
 * with `without`, the tensor `bent` with a dimension less, `more` besides, the configuration's
 * `key` (NULL: none) another. */
typedef struct {
    size_t layers;
    const char *without, *bent, *more, *key;
    int64_t value;
} foreign;

static void write_file(const char *path, const foreign *f)
{
    static const char *const keys[] = {"vocab_size", "d_model",    "n_heads",           "n_layers",
                                       "d_ff",       "block_size", "vision_feature_dim"};
    const int64_t values[] = {3, 2, 1, (int64_t)f->layers, 3, 4, 2};
    t2i_checkpoint c = deep_sample(f->layers, 1, 0);
    t2i_st_part part[MOST_PARTS] = {0};
    size_t parts = 0;
    for (size_t i = 0; i < c.model.layout.tensors; i++) {
        const t2i_tensor *t = &c.model.layout.tensor[i];
        if (f->without != NULL && strncmp(t->name, f->without, strlen(f->without)) == 0) continue;
        part[parts] = (t2i_st_part){
            .name = t->name, .dims = t->rows > 0 ? 2 : 1, .data = c.weights + t->offset};
        part[parts].dim[0] = t->rows > 0 ? t->rows : t->columns;
        part[parts].dim[1] = t->columns;
        if (f->bent != NULL && strcmp(t->name, f->bent) == 0) part[parts].dim[0]--;
        parts++;
    }
    if (f->more != NULL)
        part[parts++] = (t2i_st_part){.name = f->more, .dims = 1, .dim = {1}, .data = c.weights};
    t2i_json *meta = t2i_json_object(), *config = t2i_json_object();
    char *text = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        t2i_json_set_integer(config, keys[i],
                             f->key != NULL && strcmp(f->key, keys[i]) == 0 ? f->value : values[i]);
    OK(t2i_json_text(config, 0, &text, &err));
    t2i_json_set_string(meta, "t2i.config", text);
    t2i_json_set_string(meta, "t2i.vocab", "[\"a\",\"b\",\"<PAD>\"]");
    OK(t2i_st_save(path, part, parts, meta, &err));
    t2i_free(text);
    t2i_json_free(config);
    t2i_json_free(meta);
    t2i_checkpoint_free(&c);
}

static void write_foreign(const char *path, const char *without, const char *bent, const char *key,
                          int64_t value)
{
    const foreign f = {1, without, bent, NULL, key, value};
    write_file(path, &f);
}

static void test_foreign(void)
{
    const char *path = in_scratch("a.safetensors");
    t2i_checkpoint c;
    write_foreign(path, NULL, NULL, NULL, 0);
    OK(t2i_checkpoint_load(&c, path, 1, 7, &err)); /* it has a head: 7 is not asked for */
    CU_ASSERT_TRUE(!c.ours && c.has_head && c.m == NULL && c.run.step == 0 &&
                   c.run.options == NULL);
    CU_ASSERT_TRUE(c.model.config.vision_feature_dim == 2 && c.model.config.ffn1_bias &&
                   !c.model.config.qkv_bias);
    t2i_checkpoint right = sample(1, 0);
    CU_ASSERT_TRUE(same_block(&c, c.weights, right.weights));
    t2i_checkpoint_free(&right);
    t2i_checkpoint_free(&c);

    write_foreign(path, "head.", NULL, NULL, 0);
    expect_refused(path, 0, 0, T2I_DATA, "has no head.weight");
    OK(t2i_checkpoint_load(&c, path, 0, 7, &err));
    CU_ASSERT_TRUE(!c.has_head && c.model.config.vision_feature_dim == 7 &&
                   c.model.config.head_bias);
    const t2i_tensor *head = t2i_layout_find(&c.model.layout, "head.weight");
    CU_ASSERT_TRUE(head != NULL && head->rows == 7 && head->columns == 2);
    for (size_t i = 0; head != NULL && i < 14; i++)
        CU_ASSERT_EQUAL(c.weights[head->offset + i], 0.0f);
    CU_ASSERT_EQUAL(c.weights[0], -1.5f);
    t2i_checkpoint_free(&c);
}

static void test_foreign_refused(void)
{
    const char *path = in_scratch("a.safetensors");
    static const struct {
        const char *without, *bent, *key;
        int64_t value;
        const char *part;
    } bad[] = {
        {"final_ln.bias", NULL, NULL, 0, "has no tensor final_ln.bias"},
        {NULL, "layers.0.qkv.weight", NULL, 0,
         "tensor layers.0.qkv.weight does not have the shape (6, 2)"},
        {NULL, "layers.0.ln1.bias", NULL, 0,
         "tensor layers.0.ln1.bias does not have the shape (2)"},
        {NULL, "head.weight", NULL, 0, "tensor head.weight does not have the shape (2, 2)"},
        {NULL, NULL, "d_ff", 4, "tensor layers.0.ffn1.weight does not have the shape (4, 2)"},
        {NULL, NULL, "n_layers", 2, "has no tensor layers.1.ln1.weight"},
        {NULL, NULL, "n_layers", 0, "no valid 'n_layers'"},
        {NULL, NULL, "d_model", -2, "no valid 'd_model'"},
        {NULL, NULL, "n_heads", 3, "not a multiple of heads"},
        {NULL, NULL, "vocab_size", 4, "t2i.vocab is not an array of vocab_size = 4"},
        {NULL, NULL, "block_size", 1000000, "too large"},
        /* vast sizes are refused by the tensors that are not so, before memory is asked for */
        {NULL, NULL, "n_layers", 1000, "has no tensor layers.1.ln1.weight"},
        {NULL, NULL, "d_ff", 1 << 20, "does not have the shape"},
        {NULL, NULL, "d_model", 1 << 20, "does not have the shape"},
        {NULL, NULL, "vision_feature_dim", 1 << 20, "head.weight does not have the shape"},
        {NULL, NULL, "block_size", (int64_t)1 << 40, "no valid 'block_size'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_foreign(path, bad[i].without, bad[i].bent, bad[i].key, bad[i].value);
        expect_refused(path, 0, 0, T2I_DATA, bad[i].part);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    }
    const float one = 1;
    const t2i_st_part part = {.name = "x", .dims = 1, .dim = {1}, .data = &one};
    OK(t2i_st_save(path, &part, 1, NULL, &err));
    expect_refused(path, 0, 0, T2I_DATA, "has no t2i.config in its metadata");
    OK(t2i_commit_file(path, "not a model at all", 18, &err));
    expect_refused(path, 0, 0, T2I_DATA, path);
}

/* A bias that was lost in one layer is not one that the model never had. */
static void test_some_biases(void)
{
    const char *path = in_scratch("a.safetensors");
    static const struct {
        const char *without, *more, *part;
    } bad[] = {
        {"layers.2.ffn1.bias", NULL, "has layers.0.ffn1.bias but no layers.2.ffn1.bias"},
        {"layers.0.ffn1.bias", NULL, "has layers.1.ffn1.bias but no layers.0.ffn1.bias"},
        {NULL, "layers.1.qkv.bias", "has layers.1.qkv.bias but no layers.0.qkv.bias"},
        {NULL, "layers.0.out.bias", "has layers.0.out.bias but no layers.1.out.bias"},
        {NULL, "layers.2.ffn2.bias", "has layers.2.ffn2.bias but no layers.0.ffn2.bias"},
        {"head.weight", NULL, "has a bias of the head, but no tensor head.weight"},
    };
    t2i_checkpoint c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const foreign f = {3, bad[i].without, NULL, bad[i].more, NULL, 0};
        write_file(path, &f);
        expect_refused(path, 0, 7, T2I_DATA, bad[i].part);
    }
    const foreign whole = {3, NULL, NULL, NULL, NULL, 0},
                  lost = {3, "layers.1.", NULL, NULL, NULL, 0};
    write_file(path, &lost); /* the whole layer: then it is not about its biases */
    expect_refused(path, 0, 0, T2I_DATA, "has no tensor layers.1.ln1.weight");
    write_file(path, &whole);
    OK(t2i_checkpoint_load(&c, path, 0, 0, &err));
    CU_ASSERT_TRUE(c.model.config.ffn1_bias && !c.model.config.ffn2_bias && c.unused == 0);
    t2i_checkpoint_free(&c);
}

static void unused_is(const char *more, size_t count)
{
    const char *path = in_scratch("a.safetensors");
    const foreign f = {1, NULL, NULL, more, NULL, 0};
    t2i_checkpoint c;
    write_file(path, &f);
    OK(t2i_checkpoint_load(&c, path, 0, 0, &err));
    CU_ASSERT_EQUAL(c.unused, count);
    if (count > 0) CU_ASSERT_STRING_EQUAL(c.unused_names, more);
    t2i_checkpoint_free(&c);
}

static void test_unused(void)
{
    unused_is("ema.head.bias", 0);
    unused_is("adamw.v.layers.0.ln1.weight", 0);
    unused_is("adamw.v.layers.1.ln1.weight", 1);
    unused_is("layers.1.ln1.weight", 1);
    unused_is("head.weights", 1);
    unused_is("ema.adamw.m.head.bias", 1);
}

/* A file without a head is saved without one, and its digests know it. */
static void test_without_head(void)
{
    const char *path = in_scratch("a.safetensors");
    t2i_checkpoint out = sample(3, 1), in;
    out.has_head = 0;
    OK(t2i_checkpoint_save(&out, path, &err));
    expect_refused(path, 1, 0, T2I_DATA, "has no head.weight");
    OK(t2i_checkpoint_load(&in, path, 1, T2I_ITS_OWN, &err));
    CU_ASSERT_TRUE(in.ours && !in.has_head && in.m != NULL && in.unused == 0 &&
                   in.model.config.vision_feature_dim == 2);
    CU_ASSERT_EQUAL(in.weights[in.model.head_bias], 0.0f);
    CU_ASSERT_EQUAL(in.weights[0], out.weights[0]);
    t2i_checkpoint_free(&in);
    t2i_checkpoint_free(&out);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"what goes in comes out, with the same bytes again", test_round_trip},
        {"a model has no moments", test_model_file},
        {"what is not finite is refused", test_not_finite},
        {"states that no run can have", test_impossible_state},
        {"a flipped bit in any byte is found", test_every_byte},
        {"a cut anywhere is found", test_cut},
        {"files from elsewhere, with or without a head", test_foreign},
        {"files that do not fit", test_foreign_refused},
        {"a bias in some layers only", test_some_biases},
        {"tensors that a model does not have", test_unused},
        {"without a head, out and in", test_without_head},
    };
    if (scratch_begin("checkpoint") != 0) return 1;
    int failed = t2i_test_main("checkpoint", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
