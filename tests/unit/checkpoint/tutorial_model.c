/* The tutorial's layout: its golden files are read and written again, and what does not fit is
 * refused by the name of its entry. */
#include "checkpoint/tutorial_model.h"

#include <math.h>

#include "scratch.h"
#include "test.h"
#include "base/fs.h"
#include "formats/torchfile.h"
#include "formats/torchfile_out.h"

static t2i_error err;

#define GOLDEN "tests/golden/seed/"

/* ---- a small file, built here by hand ---- */

enum { VOCAB = 3, WIDTH = 2, LAYERS = 2, INNER = 3, BLOCK = 4, FEATURES = 2, NUMBERS = 64 };

static float number[NUMBERS]; /* of all tensors: the k-th of each is k + 1 */
static float spoilt[NUMBERS]; /* the same, one not finite */
static float position[BLOCK * WIDTH];

static t2i_py *tensor(t2i_py_arena *arena, uint64_t rows, uint64_t columns)
{
    const uint64_t dim[2] = {rows > 0 ? rows : columns, columns};
    return t2i_py_floats(arena, rows > 0 ? 2 : 1, dim, number);
}

static t2i_py *module(t2i_py_arena *arena, uint64_t rows, uint64_t columns, uint64_t bias)
{
    t2i_py *dict = t2i_py_dict(arena, 1);
    t2i_py_set(arena, dict, "weight", tensor(arena, rows, columns));
    if (bias > 0) t2i_py_set(arena, dict, "bias", tensor(arena, 0, bias));
    return dict;
}

static void set_list(t2i_py_arena *arena, t2i_py *root, const char *key, uint64_t rows,
                     uint64_t columns, uint64_t bias)
{
    t2i_py *list = t2i_py_list(arena);
    for (int i = 0; i < LAYERS; i++) t2i_py_append(arena, list, module(arena, rows, columns, bias));
    t2i_py_set(arena, root, key, list);
}

static void set_tokenizer(t2i_py_arena *arena, t2i_py *root)
{
    static const char *const names[VOCAB] = {"a", "<PAD>", "\xc3\xa9"};
    t2i_py *both = t2i_py_dict(arena, 0), *to_int = t2i_py_dict(arena, 0),
           *to_char = t2i_py_dict(arena, 0);
    for (int i = 0; i < VOCAB; i++) {
        t2i_py_set(arena, to_int, names[i], t2i_py_int(arena, i));
        t2i_py_set_pair(arena, to_char, t2i_py_int(arena, i),
                        t2i_py_text(arena, names[i], strlen(names[i])));
    }
    t2i_py_set(arena, both, "char_to_int", to_int);
    t2i_py_set(arena, both, "int_to_char", to_char);
    t2i_py_set(arena, root, "tokenizer", both);
}

static t2i_py *small_tree(t2i_py_arena *arena)
{
    static const struct {
        const char *key;
        int value;
    } sizes[] = {{"vocab_size", VOCAB},
                 {"d_model", WIDTH},
                 {"n_heads", 1},
                 {"n_layers", LAYERS},
                 {"d_ff", INNER},
                 {"block_size", BLOCK},
                 {"vision_feature_dim", FEATURES}};
    const uint64_t table[] = {1, BLOCK, WIDTH};
    t2i_py *root = t2i_py_dict(arena, 0), *config = t2i_py_dict(arena, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        t2i_py_set(arena, config, sizes[i].key, t2i_py_int(arena, sizes[i].value));
    t2i_py_set(arena, root, "config", config);
    set_tokenizer(arena, root);
    t2i_py_set(arena, root, "token_embedding_table", module(arena, VOCAB, WIDTH, 0));
    t2i_py_set(arena, root, "positional_encoding", t2i_py_floats(arena, 3, table, position));
    set_list(arena, root, "layer_norms_1", 0, WIDTH, WIDTH);
    set_list(arena, root, "mha_qkv_linears", 3 * WIDTH, WIDTH, 0);
    set_list(arena, root, "mha_output_linears", WIDTH, WIDTH, WIDTH);
    set_list(arena, root, "layer_norms_2", 0, WIDTH, WIDTH);
    set_list(arena, root, "ffn_linear_1", INNER, WIDTH, INNER);
    set_list(arena, root, "ffn_linear_2", WIDTH, INNER, 0);
    t2i_py_set(arena, root, "final_layer_norm", module(arena, 0, WIDTH, WIDTH));
    t2i_py_set(arena, root, "text_to_image_feature_layer",
               module(arena, FEATURES, WIDTH, FEATURES));
    return root;
}

static void fill_numbers(void)
{
    for (int i = 0; i < NUMBERS; i++) number[i] = spoilt[i] = (float)(i + 1);
    spoilt[1] = NAN;
    for (int t = 0; t < BLOCK; t++) { /* of two dimensions: the rate is 1 */
        position[t * WIDTH] = (float)sin((double)t);
        position[t * WIDTH + 1] = (float)cos((double)t);
    }
}

/* ---- bending it ---- */

/* The value that a path such as "ffn_linear_1.0.bias" leads to, and the container and place that
 * hold it. Of a dict with numbers for keys, the number is a place too. */
static t2i_py *find(t2i_py *root, const char *path, t2i_py **holder, size_t *place)
{
    char part[64];
    t2i_py *at = root;
    while (at != NULL && *path != '\0') {
        size_t size = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)size, path);
        path += size + (path[size] == '.');
        size_t k = (size_t)strtoul(part, NULL, 10);
        for (size_t i = 0; at->kind == T2I_PY_DICT && i < at->size; i++)
            if (at->key[i]->kind == T2I_PY_TEXT && strcmp(at->key[i]->text, part) == 0) k = i;
        if (k >= at->size) return NULL;
        *holder = at;
        *place = k;
        at = at->item[k];
    }
    return at;
}

typedef struct {
    const char *path;
    char action; /* d delete, i another int, k another key (an int), t another text, n None, s a row
                    or column less, x not finite */
    long value;
    const char *text;
    const char *expected;
} bend;

static void apply(t2i_py_arena *arena, t2i_py *root, const bend *b)
{
    t2i_py *holder = NULL;
    size_t k = 0;
    t2i_py *value = find(root, b->path, &holder, &k);
    CU_ASSERT_PTR_NOT_NULL_FATAL(value);
    switch (b->action) {
    case 'd':
        for (holder->size--; k < holder->size; k++) {
            holder->item[k] = holder->item[k + 1];
            if (holder->key != NULL) holder->key[k] = holder->key[k + 1];
        }
        break;
    case 'i':
        holder->item[k] = t2i_py_int(arena, b->value);
        break;
    case 'k':
        holder->key[k] = t2i_py_int(arena, b->value);
        break;
    case 't':
        holder->item[k] = t2i_py_text(arena, b->text, strlen(b->text));
        break;
    case 'n':
        holder->item[k] = t2i_py_none(arena);
        break;
    case 's':
        value->tensor.dim[0]--;
        value->tensor.count =
            value->tensor.dim[0] * (value->tensor.dims > 1 ? value->tensor.dim[1] : 1);
        break;
    default:
        value->tensor.data = spoilt;
    }
}

/* Writes the small file, bent (or not), and gives its name. */
static const char *write_bent(const bend *b, size_t bends)
{
    const char *path = in_scratch("small.pt");
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_py *root = small_tree(arena);
    for (size_t i = 0; i < bends; i++) apply(arena, root, &b[i]);
    OK(t2i_torchfile_out_save(path, arena, root, &err));
    t2i_py_arena_free(arena);
    return path;
}

static void expect_refused(const char *path, size_t features, const char *part)
{
    t2i_checkpoint c;
    FAILS(t2i_checkpoint_load(&c, path, 1, features, &err), T2I_DATA, part);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    CU_ASSERT_TRUE(c.weights == NULL && c.vocab.name == NULL && c.unused_names == NULL);
    t2i_checkpoint_free(&c);
}

/* ---- reading ---- */

static void test_names(void)
{
    static const char *const pairs[][2] = {
        {"embedding.weight", "token_embedding_table.weight"},
        {"layers.0.qkv.bias", "mha_qkv_linears.0.bias"},
        {"layers.12.ln1.weight", "layer_norms_1.12.weight"},
        {"layers.999.out.weight", "mha_output_linears.999.weight"},
        {"layers.1.ln2.bias", "layer_norms_2.1.bias"},
        {"layers.1.ffn1.weight", "ffn_linear_1.1.weight"},
        {"layers.1.ffn2.bias", "ffn_linear_2.1.bias"},
        {"final_ln.bias", "final_layer_norm.bias"},
        {"head.weight", "text_to_image_feature_layer.weight"},
    };
    char out[T2I_NAME_MAX];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        CU_ASSERT_TRUE(t2i_tutorial_model_name(pairs[i][0], out) && strcmp(out, pairs[i][1]) == 0);
        CU_ASSERT_TRUE(t2i_tutorial_model_ours(pairs[i][1], out) && strcmp(out, pairs[i][0]) == 0);
    }
    snprintf(out, sizeof out, "as it was");
    static const char *const none[] = {"output_linear_layer.weight",
                                       "layer_norms_1.weight",
                                       "layer_norms_1.x.weight",
                                       "positional_encoding",
                                       "",
                                       "token_embedding_tables.weight"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CU_ASSERT_FALSE(t2i_tutorial_model_ours(none[i], out));
    CU_ASSERT_FALSE(t2i_tutorial_model_name("layers.qkv.weight", out));
    CU_ASSERT_FALSE(t2i_tutorial_model_name("layers.0.qkvs.weight", out));
    char longer[200] = "layer_norms_1.0.";
    memset(longer + strlen(longer), 'w', 100);
    CU_ASSERT_FALSE(t2i_tutorial_model_ours(longer, out));
    CU_ASSERT_STRING_EQUAL(out, "as it was");
}

static void test_small(void)
{
    t2i_checkpoint c;
    OK(t2i_checkpoint_load(&c, write_bent(NULL, 0), 1, 0, &err));
    const t2i_config *config = &c.model.config;
    CU_ASSERT_TRUE(!c.ours && c.has_head && c.m == NULL && c.unused == 0 && c.run.options == NULL);
    CU_ASSERT_TRUE(config->vocab_size == VOCAB && config->d_model == WIDTH &&
                   config->n_layers == LAYERS && config->d_ff == INNER &&
                   config->block_size == BLOCK && config->vision_feature_dim == FEATURES);
    CU_ASSERT_TRUE(!config->qkv_bias && config->out_bias && config->ffn1_bias &&
                   !config->ffn2_bias && config->head_bias);
    CU_ASSERT_TRUE(c.vocab.size == VOCAB && c.vocab.pad == 1 && c.vocab.unknown == 1);
    CU_ASSERT_STRING_EQUAL(c.vocab.name[2], "\xc3\xa9");
    for (size_t i = 0; i < c.model.layout.tensors; i++)
        for (size_t k = 0; k < t2i_tensor_count(&c.model.layout.tensor[i]); k++)
            CU_ASSERT_EQUAL(c.weights[c.model.layout.tensor[i].offset + k], (float)(k + 1));
    t2i_checkpoint_free(&c);
}

static void test_refused(void)
{
    static const bend bad[] = {
        {"config", 'd', 0, NULL, "not a model in the tutorial's layout"},
        {"token_embedding_table", 'd', 0, NULL, "not a model in the tutorial's layout"},
        {"config", 'n', 0, NULL, "config has no valid 'vocab_size'"},
        {"config.d_model", 'd', 0, NULL, "config has no valid 'd_model'"},
        {"config.n_layers", 'i', 0, NULL, "config has no valid 'n_layers'"},
        {"config.n_layers", 'i', 1L << 40, NULL, "config has no valid 'n_layers'"},
        {"config.n_heads", 't', 0, "1", "config has no valid 'n_heads'"},
        {"config.n_heads", 'i', 3, NULL, "not a multiple of heads"},
        {"config.n_layers", 'i', 3, NULL, "has no tensor layer_norms_1.2.weight"},
        {"config.n_layers", 'i', 1000, NULL, "has no tensor layer_norms_1.2.weight"},
        {"config.vocab_size", 'i', 4, NULL,
         "tokenizer.char_to_int has 3 entries, but config.vocab_size is 4"},
        {"config.block_size", 'i', 5, NULL,
         "tensor positional_encoding does not have the shape (1, 5, 2)"},
        {"config.vision_feature_dim", 'i', 5, NULL,
         "tensor text_to_image_feature_layer.weight does not have the shape (5, 2)"},
        {"config.d_ff", 'i', 1 << 20, NULL, "tensor ffn_linear_1.0.weight does not have the shape"},
        {"tokenizer", 'n', 0, NULL, "tokenizer has no dict char_to_int"},
        {"tokenizer.int_to_char", 'd', 0, NULL, "tokenizer has no dict int_to_char"},
        {"tokenizer.char_to_int.a", 'd', 0, NULL, "tokenizer.char_to_int has 2 entries"},
        {"tokenizer.char_to_int.a", 'i', 7, NULL,
         "tokenizer.char_to_int['a'] is not a number from 0 to 2"},
        {"tokenizer.char_to_int.a", 'i', -1, NULL,
         "tokenizer.char_to_int['a'] is not a number from 0 to 2"},
        {"tokenizer.char_to_int.a", 't', 0, "0",
         "tokenizer.char_to_int['a'] is not a number from 0 to 2"},
        {"tokenizer.char_to_int.<PAD>", 'i', 0, NULL, "'a' and '<PAD>' the same number 0"},
        {"tokenizer.char_to_int.a", 'k', 5, NULL,
         "entry 0 of tokenizer.char_to_int is not a string"},
        {"tokenizer.int_to_char.0", 't', 0, "b",
         "tokenizer.int_to_char[0] is 'b', but char_to_int has 'a' for it"},
        {"tokenizer.int_to_char.0", 'n', 0, NULL, "tokenizer.int_to_char[0] is '(not a string)'"},
        {"tokenizer.int_to_char.0", 'k', 9, NULL,
         "key 0 of tokenizer.int_to_char is not a number from 0 to 2"},
        {"tokenizer.int_to_char.2", 'd', 0, NULL, "tokenizer.int_to_char has 2 entries"},
        {"positional_encoding", 'd', 0, NULL, "has no tensor positional_encoding"},
        {"positional_encoding", 'x', 0, NULL, "positional_encoding at position 0, dimension 0"},
        {"mha_qkv_linears.1.weight", 'd', 0, NULL, "has no tensor mha_qkv_linears.1.weight"},
        {"mha_qkv_linears", 'd', 0, NULL, "has no tensor mha_qkv_linears.0.weight"},
        {"ffn_linear_1.1.bias", 'd', 0, NULL, "has ffn_linear_1.0.bias but no ffn_linear_1.1.bias"},
        {"mha_output_linears.0.bias", 'd', 0, NULL,
         "has mha_output_linears.1.bias but no mha_output_linears.0.bias"},
        {"layer_norms_1.1.bias", 'd', 0, NULL, "has no tensor layer_norms_1.1.bias"},
        {"final_layer_norm.weight", 's', 0, NULL,
         "tensor final_layer_norm.weight does not have the shape (2)"},
        {"token_embedding_table.weight", 's', 0, NULL,
         "tensor token_embedding_table.weight does not have the shape (3, 2)"},
        {"layer_norms_2.0.bias", 'x', 0, NULL,
         "element 1 of tensor layer_norms_2.0.bias is not finite"},
        {"text_to_image_feature_layer.weight", 'd', 0, NULL,
         "has a bias of the head, but no tensor text_to_image_feature_layer.weight"},
        {"text_to_image_feature_layer", 'd', 0, NULL,
         "has no text_to_image_feature_layer.weight: it cannot predict"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refused(write_bent(&bad[i], 1), 0, bad[i].expected);
    static const bend no_pad[] = {{"tokenizer.char_to_int.<PAD>", 'd', 0, NULL, NULL},
                                  {"tokenizer.int_to_char.1", 'd', 0, NULL, NULL},
                                  {"config.vocab_size", 'i', 2, NULL, NULL}};
    expect_refused(write_bent(no_pad, 2), 0, "has 2 entries, but config.vocab_size is 3");
    expect_refused(write_bent(no_pad, 3), 0, "is not a number from 0 to 1");
}

/* Nearer than 1e-5 is near enough, and a rounding more for each position. */
static void test_positions(void)
{
    static const struct {
        float off;
        int fits;
    } cases[] = {{0.9e-5f, 1},  {1.02e-5f, 1}, {1.2e-5f, 0},
                 {-0.9e-5f, 1}, {-1.2e-5f, 0}, {1.0f, 0}};
    t2i_checkpoint c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fill_numbers();
        position[3 * WIDTH] += cases[i].off; /* sin 3 is small: it can be moved that little */
        const char *path = write_bent(NULL, 0);
        if (!cases[i].fits) {
            expect_refused(path, 0, "positional_encoding at position 3, dimension 0 is ");
            continue;
        }
        OK(t2i_checkpoint_load(&c, path, 0, 0, &err));
        t2i_checkpoint_free(&c);
    }
    fill_numbers();
}

static void test_without_head(void)
{
    static const bend none = {"text_to_image_feature_layer", 'd', 0, NULL, NULL};
    t2i_checkpoint c;
    const char *path = write_bent(&none, 1);
    OK(t2i_checkpoint_load(&c, path, 0, 7, &err)); /* the width of a dataset */
    CU_ASSERT_TRUE(!c.has_head && c.model.config.vision_feature_dim == 7);
    t2i_checkpoint_free(&c);
    OK(t2i_checkpoint_load(&c, path, 0, T2I_ITS_OWN, &err));
    CU_ASSERT_TRUE(!c.has_head && c.model.config.vision_feature_dim == FEATURES &&
                   c.model.config.head_bias);
    size_t numbers = 0, tensors = t2i_checkpoint_tensors(&c, &numbers);
    CU_ASSERT_TRUE(tensors == c.model.layout.tensors - 2 && numbers == c.model.layout.count - 6);
    /* out without a head, and in again */
    OK(t2i_tutorial_model_save(&c, in_scratch("headless.pt"), &err));
    t2i_checkpoint_free(&c);
    OK(t2i_checkpoint_load(&c, in_scratch("headless.pt"), 0, T2I_ITS_OWN, &err));
    CU_ASSERT_TRUE(!c.has_head && c.model.config.vision_feature_dim == FEATURES);
    t2i_checkpoint_free(&c);
}

/* Views that repeat a few numbers many times: memory is not given for them. */
static void refuse_repeated(size_t many, const char *why)
{
    static const char *const wide[] = {"ffn_linear_1.0.weight", "ffn_linear_1.1.weight",
                                       "ffn_linear_1.0.bias",   "ffn_linear_1.1.bias",
                                       "ffn_linear_2.0.weight", "ffn_linear_2.1.weight"};
    const char *path = in_scratch("wide.pt");
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_py *root = small_tree(arena), *holder;
    size_t place;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        t2i_py_tensor *t = &find(root, wide[i], &holder, &place)->tensor;
        size_t k = i < 4 ? 0 : 1; /* which of its dimensions is d_ff */
        t->dim[k] = many;
        t->stride[k] = 0;
    }
    find(root, "config.d_ff", &holder, &place)->integer = (int64_t)many;
    OK(t2i_torchfile_out_save(path, arena, root, &err));
    t2i_py_arena_free(arena);
    expect_refused(path, 0, why);
}

static void test_repeated(void)
{
    refuse_repeated(1 << 15, "its tensors share storage");
    refuse_repeated(1 << 20, "its tensors have more than 20 times the bytes of the file");
}

/* A table of positions that the file does not hold, and memory is not given for it either. */
static void test_long(void)
{
    const char *path = in_scratch("long.pt");
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_py *root = small_tree(arena), *holder;
    size_t place;
    find(root, "config.block_size", &holder, &place)->integer = 65535;
    find(root, "config.d_model", &holder, &place)->integer = 4096;
    OK(t2i_torchfile_out_save(path, arena, root, &err));
    t2i_py_arena_free(arena);
    size_t before = t2i_alloc_bytes();
    expect_refused(path, 0, "a table of 65535 positions of 4096 numbers, which is impossible");
    CU_ASSERT_TRUE(t2i_alloc_bytes() - before < 1 << 20);
}

/* A flipped bit anywhere is found, or it changes nothing that is read (dates, padding). */
static void test_every_byte(void)
{
    const char *path = write_bent(NULL, 0);
    t2i_checkpoint whole, c;
    t2i_text text = {0};
    size_t refused = 0, wrong = 0;
    OK(t2i_checkpoint_load(&whole, path, 0, 0, &err));
    OK(t2i_fs_read(path, 1 << 20, &text, &err));
    FILE *file = fopen(path, "r+b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    setvbuf(file, NULL, _IONBF, 0);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        fseek(file, (long)i, SEEK_SET);
        fputc(byte ^ (1 << i % 8), file);
        if (t2i_checkpoint_load(&c, path, 0, 0, &err) != T2I_OK) {
            wrong += err.status != T2I_DATA || strstr(err.text, path) == NULL;
            refused++;
        } else {
            wrong +=
                c.model.layout.floats != whole.model.layout.floats ||
                memcmp(c.weights, whole.weights, c.model.layout.floats * sizeof *c.weights) != 0 ||
                strcmp(c.vocab.name[2], whole.vocab.name[2]) != 0;
            t2i_checkpoint_free(&c);
        }
        fseek(file, (long)i, SEEK_SET);
        fputc(byte, file);
    }
    fclose(file);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(refused > text.size / 4); /* half of such a small file is padding */
    t2i_text_free(&text);
    t2i_checkpoint_free(&whole);
}

static void unused_are(const char *path, size_t count, const char *names)
{
    t2i_checkpoint c;
    OK(t2i_checkpoint_load(&c, path, 0, T2I_ITS_OWN, &err));
    CU_ASSERT_EQUAL(c.unused, count);
    CU_ASSERT_STRING_EQUAL(c.unused_names == NULL ? "" : c.unused_names, names);
    t2i_checkpoint_free(&c);
}

static void test_unused(void)
{
    const char *path = in_scratch("more.pt");
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_py *root = small_tree(arena), *holder;
    size_t place;
    t2i_py_set(arena, root, "optimizer\n", module(arena, 2, 2, 2));
    t2i_py_set(arena, root, "epoch", t2i_py_int(arena, 3));
    t2i_py_set_pair(arena, root, t2i_py_int(arena, 5), t2i_py_none(arena));
    OK(t2i_torchfile_out_save(path, arena, root, &err));
    unused_are(path, 3, "optimizer?, epoch, (a key that is not a string)");
    t2i_py_set(arena, find(root, "config", &holder, &place), "dropout", t2i_py_float(arena, 0.1));
    t2i_py_set(arena, find(root, "tokenizer", &holder, &place), "unk", t2i_py_int(arena, 1));
    t2i_py_append(arena, find(root, "ffn_linear_2", &holder, &place), module(arena, 2, 3, 0));
    t2i_py_set(arena, find(root, "final_layer_norm", &holder, &place), "eps", tensor(arena, 0, 1));
    OK(t2i_torchfile_out_save(path, arena, root, &err));
    unused_are(path, 7, "optimizer?, epoch, (a key that is not a string), config.dropout, ...");
    t2i_py_arena_free(arena);
    unused_are(GOLDEN "multimodal_model.pt", 2, "output_linear_layer, vision_projection_layer");
    unused_are(GOLDEN "text_to_image_model.pt", 0, "");
}

/* ---- the golden files ---- */

/* Every tensor of the model is as in a safetensors file, under a prefix. */
static size_t same_tensors(const t2i_checkpoint *c, const char *file, const char *prefix)
{
    size_t same = 0;
    t2i_tensors *tensors;
    OK(t2i_tensors_open(&tensors, file, &err));
    for (size_t i = 0; tensors != NULL && i < c->model.layout.tensors; i++) {
        const t2i_tensor *mine = &c->model.layout.tensor[i];
        char name[2 * T2I_NAME_MAX];
        snprintf(name, sizeof name, "%s%s", prefix, mine->name);
        const t2i_tensor_info *theirs = t2i_tensors_find(tensors, name);
        size_t count = t2i_tensor_count(mine);
        if (theirs == NULL || theirs->count != count) continue;
        float *numbers = t2i_alloc(count, sizeof *numbers);
        OK(t2i_tensors_floats(tensors, theirs, numbers, &err));
        same += memcmp(numbers, c->weights + mine->offset, count * sizeof *numbers) == 0;
        t2i_free(numbers);
    }
    t2i_tensors_close(tensors);
    return same;
}

static void test_golden(void)
{
    t2i_checkpoint c, st;
    OK(t2i_checkpoint_load(&c, GOLDEN "text_to_image_model.pt", 1, 0, &err));
    OK(t2i_checkpoint_load(&st, GOLDEN "initial.safetensors", 1, 0, &err));
    CU_ASSERT_TRUE(c.has_head && c.model.layout.tensors == 38);
    CU_ASSERT_EQUAL(memcmp(&c.model.config, &st.model.config, sizeof c.model.config), 0);
    CU_ASSERT_EQUAL_FATAL(c.vocab.size, st.vocab.size);
    for (size_t i = 0; i < c.vocab.size; i++)
        CU_ASSERT_STRING_EQUAL(c.vocab.name[i], st.vocab.name[i]);
    CU_ASSERT_EQUAL(same_tensors(&c, GOLDEN "final.safetensors", "final."), 38);
    t2i_checkpoint_free(&st);
    t2i_checkpoint_free(&c);
    OK(t2i_checkpoint_load(&c, GOLDEN "multimodal_model.pt", 1, T2I_ITS_OWN, &err));
    CU_ASSERT_EQUAL(same_tensors(&c, GOLDEN "initial.safetensors", ""), 36);
    t2i_checkpoint_free(&c);
}

/* Both trees alike: kinds, keys and their order, numbers; tensors of one shape. */
static int same_tree(const t2i_py *a, const t2i_py *b)
{
    if (a->kind != b->kind || a->size != b->size || a->ordered != b->ordered) return 0;
    if (a->kind == T2I_PY_INT) return a->integer == b->integer;
    if (a->kind == T2I_PY_TEXT) return memcmp(a->text, b->text, a->size) == 0;
    if (a->kind == T2I_PY_TENSOR)
        return strcmp(a->tensor.dtype, b->tensor.dtype) == 0 && a->tensor.dims == b->tensor.dims &&
               memcmp(a->tensor.dim, b->tensor.dim, a->tensor.dims * sizeof *a->tensor.dim) == 0;
    for (size_t i = 0; i < a->size; i++)
        if ((a->kind == T2I_PY_DICT && !same_tree(a->key[i], b->key[i])) ||
            !same_tree(a->item[i], b->item[i]))
            return 0;
    return 1;
}

/* What PyTorch wrote is what we write, down to the order of the keys. */
static void test_written_again(void)
{
    const char *path = in_scratch("again.pt");
    t2i_checkpoint c, again;
    t2i_torchfile *theirs = NULL, *ours = NULL;
    OK(t2i_checkpoint_load(&c, GOLDEN "text_to_image_model.pt", 1, 0, &err));
    OK(t2i_tutorial_model_save(&c, path, &err));
    OK(t2i_checkpoint_load(&again, path, 1, 0, &err));
    CU_ASSERT_TRUE(again.has_head && again.unused == 0);
    CU_ASSERT_EQUAL(memcmp(&c.model.config, &again.model.config, sizeof c.model.config), 0);
    CU_ASSERT_EQUAL(memcmp(c.weights, again.weights, c.model.layout.floats * sizeof *c.weights), 0);
    OK(t2i_torchfile_open(&theirs, GOLDEN "text_to_image_model.pt", &err));
    OK(t2i_torchfile_open(&ours, path, &err));
    if (theirs != NULL && ours != NULL)
        CU_ASSERT_TRUE(same_tree(t2i_torchfile_root(theirs), t2i_torchfile_root(ours)));
    t2i_torchfile_close(theirs);
    t2i_torchfile_close(ours);
    t2i_checkpoint_free(&again);
    t2i_checkpoint_free(&c);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"names both ways", test_names},
        {"a small file, tensor by tensor", test_small},
        {"what does not fit is refused by name", test_refused},
        {"positions near enough, and not", test_positions},
        {"without a head", test_without_head},
        {"tensors that repeat themselves", test_repeated},
        {"positions that are not there", test_long},
        {"a flipped bit in any byte", test_every_byte},
        {"what is not used is told", test_unused},
        {"PyTorch's files hold the golden weights", test_golden},
        {"written again, the tree is PyTorch's", test_written_again},
    };
    fill_numbers();
    if (scratch_begin("tutorial") != 0) return 1;
    int failed = t2i_test_main("tutorial", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
