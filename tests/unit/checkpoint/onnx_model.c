/* Models as ONNX: the file is read by a small reader of its own. Every input of an operator exists
 * before it, nothing is computed that no output needs, and the weights are those of the model.
 * tests/e2e/onnx.sh compares what the graph computes. */
#include "test.h"

#include "base/fs.h"
#include "checkpoint/onnx_model.h"
#include "formats/json.h"
#include "scratch.h"

static t2i_error err;

/* ---- the reader ---- */

typedef struct {
    const unsigned char *at, *end;
} part;

typedef struct {
    unsigned field;
    uint64_t number;
    part bytes;
} field;

static uint64_t varint(part *p)
{
    uint64_t value = 0;
    for (unsigned shift = 0; p->at < p->end && shift < 64; shift += 7) {
        value |= (uint64_t)(*p->at & 127) << shift;
        if (*p->at++ < 128) return value;
    }
    CU_FAIL("a number does not end");
    return 0;
}

/* The next field: a number, or bytes. Returns 0 at the end. */
static int next(part *message, field *out)
{
    if (message->at >= message->end) return 0;
    uint64_t key = varint(message);
    *out = (field){.field = (unsigned)(key >> 3)};
    CU_ASSERT((key & 7) == 0 || (key & 7) == 2);
    out->number = varint(message);
    if ((key & 7) != 2) return 1;
    CU_ASSERT_FATAL(out->number <= (uint64_t)(message->end - message->at));
    out->bytes = (part){message->at, message->at + out->number};
    message->at += out->number;
    return 1;
}

/* The number-th field of that kind; bytes that are empty if there is none. */
static field find(part message, unsigned wanted, size_t number)
{
    field f;
    while (next(&message, &f))
        if (f.field == wanted && number-- == 0) return f;
    return (field){0};
}

static size_t count(part message, unsigned wanted)
{
    field f;
    size_t found = 0;
    while (next(&message, &f)) found += f.field == wanted;
    return found;
}

typedef char name[100];

static const char *text(part bytes, name out)
{
    snprintf(out, sizeof(name), "%.*s", (int)(bytes.end - bytes.at), (const char *)bytes.at);
    return out;
}

/* ---- the graph ---- */

enum { NODE = 1, TENSOR = 5, INPUT = 11, OUTPUT = 12, MOST = 600 };

/* Values: where they are made, and whether they are needed. */
static struct {
    name name;
    int needed;
} value[MOST];
static size_t values;

static size_t find_value(const char *wanted)
{
    size_t i = 0;
    while (i < values && strcmp(value[i].name, wanted) != 0) i++;
    return i;
}

static void add_value(part bytes)
{
    name found;
    CU_ASSERT_EQUAL(find_value(text(bytes, found)), values);
    CU_ASSERT_FATAL(values < MOST);
    value[values].needed = 0;
    memcpy(value[values++].name, found, sizeof found);
}

static void need(part bytes)
{
    name wanted;
    size_t i = find_value(text(bytes, wanted));
    if (i == values) fprintf(stderr, "%s is needed before it is there\n", wanted);
    CU_ASSERT(i < values);
    if (i < values) value[i].needed = 1;
}

static void check_values(part graph)
{
    values = 0;
    for (size_t i = 0; i < count(graph, INPUT); i++)
        add_value(find(find(graph, INPUT, i).bytes, 1, 0).bytes);
    for (size_t i = 0; i < count(graph, TENSOR); i++)
        add_value(find(find(graph, TENSOR, i).bytes, 8, 0).bytes);
    for (size_t i = 0; i < count(graph, NODE); i++) {
        part node = find(graph, NODE, i).bytes;
        CU_ASSERT(count(node, 1) >= 1 && count(node, 2) >= 1 && count(node, 4) == 1);
        for (size_t k = 0; k < count(node, 1); k++) need(find(node, 1, k).bytes);
        for (size_t k = 0; k < count(node, 2); k++) add_value(find(node, 2, k).bytes);
    }
    for (size_t i = 0; i < count(graph, OUTPUT); i++)
        need(find(find(graph, OUTPUT, i).bytes, 1, 0).bytes);
    for (size_t i = 0; i < values; i++) {
        if (!value[i].needed) fprintf(stderr, "%s is needed by nobody\n", value[i].name);
        CU_ASSERT(value[i].needed);
    }
}

/* The names of inputs or outputs, with a blank after each. */
static void check_ends(part graph, unsigned kind, const char *expected)
{
    char all[200] = "";
    for (size_t i = 0; i < count(graph, kind); i++) {
        name one;
        strcat(strcat(all, text(find(find(graph, kind, i).bytes, 1, 0).bytes, one)), " ");
    }
    CU_ASSERT_STRING_EQUAL(all, expected);
}

/* Tensors of the model come first, in its order. */
static void check_weights(part graph, const t2i_checkpoint *c)
{
    for (size_t i = 0; i < c->model.layout.tensors; i++) {
        const t2i_tensor *t = &c->model.layout.tensor[i];
        part tensor = find(graph, TENSOR, i).bytes, raw = find(tensor, 9, 0).bytes;
        int table = strcmp(t->name, "ngram.weight") == 0;
        size_t size = t2i_tensor_count(t) * sizeof(float);
        name found;
        CU_ASSERT_STRING_EQUAL(text(find(tensor, 8, 0).bytes, found), t->name);
        CU_ASSERT_EQUAL(count(tensor, 1), t->rows > 0 ? 2 : 1);
        CU_ASSERT_EQUAL(find(tensor, 1, 0).number,
                        t->rows > 0 ? t->rows + (size_t)table : t->columns);
        CU_ASSERT_EQUAL((size_t)(raw.end - raw.at), size + (table ? t->columns * 4 : 0));
        CU_ASSERT(memcmp(raw.at, c->weights + t->offset, size) == 0);
        for (const unsigned char *at = raw.at + size; at < raw.end; at++) CU_ASSERT(*at == 0);
    }
}

static void check_meta(part model, const char *key, const char *expected)
{
    for (size_t i = 0; i < count(model, 14); i++) {
        part entry = find(model, 14, i).bytes;
        name found;
        if (strcmp(text(find(entry, 1, 0).bytes, found), key) != 0) continue;
        part bytes = find(entry, 2, 0).bytes;
        CU_ASSERT_EQUAL((size_t)(bytes.end - bytes.at), strlen(expected));
        CU_ASSERT(memcmp(bytes.at, expected, strlen(expected)) == 0);
        return;
    }
    CU_FAIL("an entry of the metadata is missing");
}

static void check_json(part model, const char *key, t2i_json *json)
{
    char *expected;
    OK(t2i_json_text(json, 0, &expected, &err));
    check_meta(model, key, expected);
    t2i_free(expected);
    t2i_json_free(json);
}

static void check_model(const t2i_checkpoint *c, const char *inputs, const char *outputs)
{
    t2i_text file = {0}, again = {0};
    OK(t2i_onnx_model_save(c, in_scratch("m.onnx"), &err));
    OK(t2i_fs_read(in_scratch("m.onnx"), 1 << 24, &file, &err));
    part model = {(unsigned char *)file.data, (unsigned char *)file.data + file.size};
    part graph = find(model, 7, 0).bytes;
    check_values(graph);
    check_ends(graph, INPUT, inputs);
    check_ends(graph, OUTPUT, outputs);
    check_weights(graph, c);
    check_json(model, "t2i.config", t2i_checkpoint_config_json(&c->model.config));
    check_json(model, "t2i.vocab", t2i_checkpoint_vocab_json(&c->vocab));
    if (c->model.config.ngram_buckets > 0) check_meta(model, "t2i.ngram_sizes", "[2,3,4,5,6]");
    if (c->run.dataset[0] != '\0') check_meta(model, "t2i.dataset", c->run.dataset);
    OK(t2i_onnx_model_save(c, in_scratch("again.onnx"), &err));
    OK(t2i_fs_read(in_scratch("again.onnx"), 1 << 24, &again, &err));
    CU_ASSERT(again.size == file.size && memcmp(again.data, file.data, file.size) == 0);
    t2i_text_free(&file);
    t2i_text_free(&again);
}

/* ---- models ---- */

static void test_tutorial(void)
{
    t2i_checkpoint c;
    OK(t2i_checkpoint_load(&c, "tests/golden/seed/text_to_image_model.pt", 0, 0, &err));
    check_model(&c, "ids length ", "features ");
    t2i_checkpoint_free(&c);
}

static void test_parts(void)
{
    t2i_checkpoint c;
    OK(t2i_checkpoint_load(&c, "tests/golden/ngrams/initial.safetensors", 0, 0, &err));
    strcpy(c.run.dataset, "0123");
    check_model(&c, "ids length rows ", "features query picture.weight ");
    t2i_checkpoint_free(&c);
}

/* Every combination of biases and parts, made up. */
static void test_combinations(void)
{
    const char *const names[] = {"a", "b", "<PAD>"};
    for (int i = 0; i < 128; i++) {
        const t2i_config config = {.vocab_size = 3,
                                   .d_model = 4,
                                   .n_heads = 2,
                                   .n_layers = 2,
                                   .d_ff = 3,
                                   .block_size = 5,
                                   .vision_feature_dim = 2,
                                   .ngram_buckets = i & 1 ? 7 : 0,
                                   .ngram_hidden = i & 1 ? 2 : 0,
                                   .embed_dim = i & 2 ? 3 : 0,
                                   .qkv_bias = i & 4,
                                   .out_bias = i & 8,
                                   .ffn1_bias = i & 16,
                                   .ffn2_bias = i & 32,
                                   .head_bias = i & 64};
        t2i_checkpoint c = {.has_head = 1};
        OK(t2i_model_new(&c.model, &config, &err));
        OK(t2i_vocab_new(&c.vocab, names, 3, &err));
        c.weights = t2i_block_new(&c.model.layout);
        check_model(&c, i & 1 ? "ids length rows " : "ids length ",
                    i & 2 ? "features query picture.weight " : "features ");
        t2i_checkpoint_free(&c);
    }
}

int main(void)
{
    static const t2i_test tests[] = {
        {"the tutorial's model", test_tutorial},
        {"n-grams and embed-dim", test_parts},
        {"every combination of biases and parts", test_combinations},
    };
    if (scratch_begin("onnx_model") != 0) return 1;
    int failed = t2i_test_main("onnx_model", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
