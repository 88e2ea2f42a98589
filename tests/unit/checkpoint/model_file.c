/* Files of tensors looked at: what is shown, verified and compared, on numbers worked out by hand.
 */
#include "checkpoint/model_file.h"

#include <math.h>

#include "scratch.h"
#include "test.h"
#include "base/commit.h"
#include "base/fs.h"
#include "formats/json.h"
#include "checkpoint/model_convert.h"
#include "checkpoint/model_diff.h"
#include "checkpoint/model_show.h"
#include "checkpoint/model_verify.h"
#include "formats/safetensors.h"
#include "formats/torchfile.h"
#include "formats/torchfile_out.h"

static t2i_error err;

/* ---- samples ---- */

/* A model of ours; its d_ff, its weights' value. */
static void write_model(const char *path, size_t inner, float value, long step, int moments)
{
    static const char *const names[] = {"a", "\n", "<PAD>"};
    const t2i_config config = {.vocab_size = 3,
                               .d_model = 2,
                               .n_heads = 1,
                               .n_layers = 1,
                               .d_ff = inner,
                               .block_size = 4,
                               .vision_feature_dim = 2,
                               .ffn1_bias = 1,
                               .head_bias = 1};
    t2i_checkpoint c = {.ours = 1, .has_head = 1};
    OK(t2i_model_new(&c.model, &config, &err));
    OK(t2i_vocab_new(&c.vocab, names, 3, &err));
    c.weights = t2i_block_new(&c.model.layout);
    c.m = moments ? t2i_block_new(&c.model.layout) : NULL;
    c.v = moments ? t2i_block_new(&c.model.layout) : NULL;
    for (size_t i = 0; i < c.model.layout.tensors; i++)
        for (size_t k = 0; k < t2i_tensor_count(&c.model.layout.tensor[i]); k++)
            c.weights[c.model.layout.tensor[i].offset + k] = value;
    c.weights[c.model.head_bias] = 2.0f;
    c.run = (t2i_run_state){.step = step, .updates = step, .shards = 1, .best = -1.0};
    snprintf(c.run.dataset, sizeof c.run.dataset, "0123");
    c.run.options = t2i_strdup("{\"lr\":\"0.1\",\"seed\":\"1\"}");
    OK(t2i_checkpoint_save(&c, path, &err));
    t2i_checkpoint_free(&c);
}

/* Two tensors of four numbers each. */
static void write_tensors(const char *path, const char *first, const float *a, const char *second,
                          const float *b)
{
    const t2i_st_part part[] = {{.name = first, .dims = 2, .dim = {2, 2}, .data = a},
                                {.name = second, .dims = 1, .dim = {4}, .data = b}};
    OK(t2i_st_save(path, part, 2, NULL, &err));
}

static void says(const t2i_text *text, const char *part)
{
    if (text->data != NULL && strstr(text->data, part) != NULL) return;
    fprintf(stderr, "'%s' is not in:\n%s\n", part, text->data == NULL ? "" : text->data);
    CU_FAIL("a report lacks something");
}

/* ---- diff ---- */

static size_t diff(const char *a, const char *b, t2i_text *text)
{
    size_t differences = 0;
    text->size = 0;
    OK(t2i_model_diff(a, b, text, &differences, &err));
    return differences;
}

static void test_diff_numbers(void)
{
    static const float one[] = {1, -2, 3, 4}, other[] = {1, -2.5f, 3, 4.25f},
                       small[] = {0, 0, 0, 0}, tiny[] = {0, 0, 1e-6f, 0},
                       bad[] = {NAN, -2, INFINITY, 4}, minus[] = {-0.0f, 0, 0, 0};
    const char *a = in_scratch("a.safetensors"), *b = in_scratch("b.safetensors");
    t2i_text text = {0};
    write_tensors(a, "x", one, "y", small);
    write_tensors(b, "x", other, "y", tiny);
    CU_ASSERT_EQUAL(diff(a, b, &text), 2);
    says(&text, "x               2           0.5        0.1176"); /* 0.5 of 4.25 */
    says(&text, "y               1         1e-06             1");
    CU_ASSERT_TRUE(strstr(text.data, "\ny ") < strstr(text.data, "\nx ")); /* the worst first */
    says(&text, "0 tensors are equal, 2 have different values\n");
    CU_ASSERT_EQUAL(diff(a, a, &text), 0);
    says(&text, "2 tensors are equal, 0 have different values; no difference was found");

    write_tensors(b, "x", bad, "y", minus); /* not a number, infinite, and a zero's sign */
    CU_ASSERT_EQUAL(diff(a, b, &text), 1);
    says(&text, "x               2           inf           inf");
    CU_ASSERT_EQUAL(diff(b, b, &text), 0); /* the same in both */

    write_tensors(b, "y", one, "\x1b[2Jz", small); /* y has another shape */
    CU_ASSERT_EQUAL(diff(a, b, &text), 3);
    says(&text, "tensor x: only in A");
    says(&text, "tensor ?[2Jz: only in B");
    says(&text, "tensor y: different shapes in A and B");
    t2i_text_free(&text);
}

static void test_diff_models(void)
{
    const char *a = in_scratch("a.safetensors"), *b = in_scratch("b.safetensors");
    t2i_text text = {0};
    write_model(a, 3, 0.5f, 7, 1);
    write_model(b, 3, 0.5f, 7, 0);
    CU_ASSERT_EQUAL(diff(a, b, &text), 0);
    says(&text, "only A has AdamW's moments (does not count)");
    CU_ASSERT_EQUAL(diff(b, a, &text), 0);
    says(&text, "only B has AdamW's moments");
    write_model(b, 4, 0.5f, 9, 1);
    CU_ASSERT_EQUAL(diff(a, b, &text),
                    1 + 2 + 9); /* d_ff; step, updates; three and their moments */
    says(&text, "configuration: d_ff is 3 in A, 4 in B");
    says(&text, "run: step is 7 in A, 9 in B");
    says(&text, "run: updates is 7 in A, 9 in B");
    says(&text, "tensor layers.0.ffn2.weight: different shapes");
    /* a torch file and ours are compared as models */
    OK(t2i_model_convert_export(a, in_scratch("c.pt"), &err));
    CU_ASSERT_EQUAL(diff(a, in_scratch("c.pt"), &text), 0);
    says(&text, "run: only A has the state of its run");
    FAILS(t2i_model_convert_import(in_scratch("c.pt"), b, &err), T2I_USAGE,
          "a run can resume from");
    unlink(b);
    OK(t2i_model_convert_import(in_scratch("c.pt"), b, &err)); /* ours, but of no run */
    CU_ASSERT_EQUAL(diff(b, a, &text), 0);
    says(&text, "run: only B has the state of its run");
    FAILS(t2i_model_diff(a, in_scratch("none"), &text, &(size_t){0}, &err), T2I_NOINPUT, "none");
    t2i_text_free(&text);
}

/* ---- show ---- */

static void test_show(void)
{
    static const float one[] = {1, -2, 3, 4}, bad[] = {NAN, -2, INFINITY, 4};
    const char *paths[] = {in_scratch("a.safetensors"), in_scratch("b.safetensors")};
    t2i_text text = {0};
    write_model(paths[0], 3, 0.5f, 7, 1);
    write_tensors(paths[1], "x\n", one, "y", bad);
    OK(t2i_model_show(paths, 2, 0, &text, &err));
    says(&text, "a checkpoint of t2i-train");
    says(&text, "parameters     55 in 14 tensors, with AdamW's moments");
    says(&text, "characters     2: \"a\" U+000A");
    says(&text, "specials       2 <PAD>");
    says(&text, "run            step 7, updates 7, skipped 0, shards 1\n");
    says(&text, "options        lr = 0.1, seed = 1");
    says(&text, "adamw.m.*, adamw.v.*: 28 tensors");
    says(&text, "a safetensors file that is not a t2i model\n  tensors        2\n");
    says(&text, "x?      2x2          F32            -2           4         2.5\n");
    says(&text, "y       4            F32            -2           4           3  2 not finite\n");
    t2i_text_free(&text);
}

static void test_show_json(void)
{
    const char *path = in_scratch("a.safetensors"), *name;
    t2i_text text = {0};
    t2i_json *json;
    int64_t integer = 0;
    double real = 0.0;
    write_model(path, 3, 0.5f, 7, 1);
    OK(t2i_model_show(&path, 1, 1, &text, &err));
    OK(t2i_json_parse(&json, text.data, text.size, "it", &err));
    const t2i_json *file = t2i_json_at(json, 0), *list = t2i_json_get(file, "tensors");
    CU_ASSERT_EQUAL(t2i_json_size(list), 42);
    const t2i_json *last = t2i_json_at(list, 13); /* head.bias: 2 and 0.5 */
    CU_ASSERT_TRUE(t2i_json_as_string(t2i_json_get(last, "name"), &name, NULL) &&
                   strcmp(name, "head.bias") == 0);
    CU_ASSERT_TRUE(t2i_json_as_real(t2i_json_get(last, "mean_abs"), &real) && real == 1.25);
    CU_ASSERT_TRUE(t2i_json_as_integer(t2i_json_get(t2i_json_get(file, "run"), "step"), &integer) &&
                   integer == 7);
    CU_ASSERT_TRUE(t2i_json_as_integer(t2i_json_get(file, "parameters"), &integer) &&
                   integer == 55);
    t2i_json_free(json);
    t2i_text_free(&text);
}

/* A torch file that is no model: its tree's other values are shown by their names. */
static void test_show_torch(void)
{
    const char *path = in_scratch("t.pt");
    const uint64_t dim[] = {2};
    static const float numbers[] = {1, 3};
    t2i_text text = {0};
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_py *root = t2i_py_dict(arena, 0), *list = t2i_py_list(arena),
           *inner = t2i_py_dict(arena, 1);
    t2i_py_append(arena, list, t2i_py_bool(arena, 1));
    t2i_py_append(arena, list, t2i_py_none(arena));
    t2i_py_set(arena, inner, "w", t2i_py_floats(arena, 1, dim, numbers));
    t2i_py_set(arena, root, "epoch", t2i_py_int(arena, -3));
    t2i_py_set(arena, root, "lr", t2i_py_float(arena, 0.5));
    t2i_py_set(arena, root, "note", t2i_py_text(arena, "x\x1b\xc3\xa9", 4));
    t2i_py_set(arena, root, "flags", list);
    t2i_py_set(arena, root, "state", inner);
    OK(t2i_torchfile_out_save(path, arena, root, &err));
    t2i_py_arena_free(arena);
    OK(t2i_model_show(&path, 1, 0, &text, &err));
    says(&text, "a torch file that is not a t2i model\n  tensors        1\n  other values   5\n"
                "  epoch = -3\n  lr = 0.5\n  note = \"x?\xc3\xa9\"\n  flags.0 = True\n"
                "  flags.1 = None\n");
    says(&text, "state.w  2            F32             1           3           2\n");
    text.size = 0;
    OK(t2i_model_show(&path, 1, 1, &text, &err));
    says(&text, "\"flags.1\": null");
    says(&text, "\"epoch\": -3");
    t2i_text_free(&text);
}

/* A view that repeats two numbers a million times: memory is not given for it. */
static void test_repeated(void)
{
    const char *path = in_scratch("t.pt");
    const uint64_t dim[] = {2};
    static const float numbers[] = {1, 3};
    t2i_text text = {0};
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_py *root = t2i_py_dict(arena, 0), *tensor = t2i_py_floats(arena, 1, dim, numbers);
    t2i_py_set(arena, root, "w", tensor);
    tensor->tensor.dim[0] = 1 << 20;
    tensor->tensor.stride[0] = 0;
    OK(t2i_torchfile_out_save(path, arena, root, &err));
    t2i_py_arena_free(arena);
    FAILS(t2i_model_show(&path, 1, 0, &text, &err), T2I_DATA,
          "tensor w claims more values than the file has bytes");
    t2i_text_free(&text);
}

/* ---- export, import, verify ---- */

static int same_bytes(const char *a, const char *b)
{
    t2i_text x = {0}, y = {0};
    OK(t2i_fs_read(a, 1 << 20, &x, &err));
    OK(t2i_fs_read(b, 1 << 20, &y, &err));
    int same = x.size == y.size && x.size > 0 && memcmp(x.data, y.data, x.size) == 0;
    t2i_text_free(&x);
    t2i_text_free(&y);
    return same;
}

static void test_convert(void)
{
    const char *a = in_scratch("a.safetensors"), *b = in_scratch("b.safetensors"),
               *c = in_scratch("c.safetensors"), *pt = in_scratch("m.pt");
    write_model(a, 3, 0.5f, 7, 1);
    write_model(b, 3, 0.5f, 7, 0);
    OK(t2i_model_convert_export(a, c, &err)); /* without the moments */
    CU_ASSERT_TRUE(same_bytes(b, c));
    OK(t2i_model_convert_export(a, pt, &err));
    OK(t2i_model_convert_import(pt, c, &err));
    t2i_checkpoint x, y;
    OK(t2i_checkpoint_load(&x, a, 0, 0, &err));
    OK(t2i_checkpoint_load(&y, c, 1, 0, &err));
    CU_ASSERT_TRUE(y.ours && y.m == NULL && y.run.step == 0 && y.run.dataset[0] == '\0');
    CU_ASSERT_EQUAL(memcmp(&x.model.config, &y.model.config, sizeof x.model.config), 0);
    CU_ASSERT_EQUAL(memcmp(x.weights, y.weights, x.model.layout.floats * sizeof *x.weights), 0);
    for (size_t i = 0; i < 3; i++) CU_ASSERT_STRING_EQUAL(x.vocab.name[i], y.vocab.name[i]);
    t2i_checkpoint_free(&x);
    t2i_checkpoint_free(&y);
    FAILS(t2i_model_convert_export(a, a, &err), T2I_USAGE, "is the input");
    FAILS(t2i_model_convert_export(a, in_scratch("m.txt"), &err), T2I_USAGE,
          "must end in .safetensors, .pt or .pth");
    FAILS(t2i_model_convert_export(in_scratch("none"), pt, &err), T2I_NOINPUT, "none");
    FAILS(t2i_model_convert_import(a, pt, &err), T2I_USAGE, "import writes .safetensors files");
    CU_ASSERT_FALSE(t2i_fs_exists(in_scratch("m.txt")));
}

/* The file with an average of head.bias more, its digest and the header's as they should be. */
static void add_average(const char *from, const char *to, const float average[2])
{
    static const char *const keys[] = {"t2i.format", "t2i.config", "t2i.vocab", "t2i.run"};
    static const char zeros[] = "00000000000000000000000000000000";
    t2i_model_file file;
    t2i_st_part part[100] = {0};
    char hex[T2I_HEX], *text = NULL, *header = NULL;
    size_t size = 0, count;
    t2i_fs_out out;
    t2i_json *meta = t2i_json_object(), *digests = NULL;
    OK(t2i_model_file_open(&file, from, &err));
    const t2i_st *st = t2i_tensors_st(file.file);
    for (count = 0; count < t2i_st_tensors(st); count++) {
        const t2i_st_tensor *tensor = t2i_st_at(st, count);
        float *numbers = t2i_alloc((size_t)tensor->count, sizeof *numbers);
        OK(t2i_st_floats(st, tensor, numbers, &err));
        part[count] = (t2i_st_part){.name = tensor->name, .dims = tensor->dims, .data = numbers};
        memcpy(part[count].dim, tensor->dim, sizeof tensor->dim);
    }
    part[count] = (t2i_st_part){.name = "ema.head.bias", .dims = 1, .dim = {2}, .data = average};
    const char *said = t2i_st_meta(st, "t2i.xxh3");
    OK(t2i_json_parse(&digests, said, strlen(said), from, &err));
    t2i_hash_hex(average, 2 * sizeof *average, hex);
    t2i_json_set_string(digests, "ema.head.bias", hex);
    OK(t2i_json_text(digests, 0, &text, &err));
    for (size_t i = 0; i < 4; i++) t2i_json_set_string(meta, keys[i], t2i_st_meta(st, keys[i]));
    t2i_json_set_string(meta, "t2i.xxh3", text);
    t2i_json_set_string(meta, "t2i.meta_xxh3", zeros);
    OK(t2i_st_make_header(part, count + 1, meta, &header, &size, &err));
    t2i_hash_hex(header, size, hex);
    memcpy(strstr(header, zeros), hex, T2I_HEX - 1);
    OK(t2i_fs_out_open(&out, to, &err));
    OK(t2i_st_write(&out, header, size, part, count + 1, &err));
    OK(t2i_commit(&out, &err));
    while (count-- > 0) {
        float *numbers = (float *)(uintptr_t)part[count].data;
        t2i_free(numbers);
    }
    t2i_free(text);
    t2i_free(header);
    t2i_json_free(meta);
    t2i_json_free(digests);
    t2i_model_file_close(&file);
}

/* What no model is loaded with has its digest as well. */
static void test_verify_more(void)
{
    static const float average[] = {0.25f, 0.5f};
    const char *from = in_scratch("a.safetensors"), *path = in_scratch("b.safetensors");
    write_model(from, 3, 0.5f, 7, 0);
    add_average(from, path, average);
    OK(t2i_model_verify(&path, 1, &err));
    t2i_text text = {0};
    CU_ASSERT_EQUAL(diff(from, path, &text), 1);
    says(&text, "tensor ema.head.bias: only in B");
    t2i_text_free(&text);
    FILE *file = fopen(path, "r+b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fseek(file, -1, SEEK_END);
    fputc(1, file);
    fclose(file);
    FAILS(t2i_model_verify(&path, 1, &err), T2I_DATA, "ema.head.bias does not match its checksum");
}

static void test_verify(void)
{
    const char *paths[] = {in_scratch("a.safetensors"), in_scratch("none")};
    write_model(paths[0], 3, 0.5f, 7, 1);
    OK(t2i_model_verify(paths, 1, &err));
    FAILS(t2i_model_verify(paths + 1, 1, &err), T2I_NOINPUT, "cannot open");
    FAILS(t2i_model_verify(paths, 2, &err), T2I_NOINPUT, "1 of 2 files are not sound");
    FILE *file = fopen(paths[0], "r+b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fseek(file, -1, SEEK_END); /* of the last moment, which only a resumed run would need */
    fputc(1, file);
    fclose(file);
    FAILS(t2i_model_verify(paths, 1, &err), T2I_DATA, "adamw.v.head.bias does not match");
    FAILS(t2i_model_verify(paths, 2, &err), T2I_DATA, "2 of 2 files");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"differences of numbers", test_diff_numbers},
        {"differences of models", test_diff_models},
        {"shown as text", test_show},
        {"shown as JSON", test_show_json},
        {"a torch file that is no model", test_show_torch},
        {"a tensor that repeats itself", test_repeated},
        {"out into both kinds and in again", test_convert},
        {"verified", test_verify},
        {"verified beyond the model", test_verify_more},
    };
    if (scratch_begin("model_file") != 0) return 1;
    int failed = t2i_test_main("model_file", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
