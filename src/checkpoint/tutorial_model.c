#include "checkpoint/tutorial_model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "formats/torchfile.h"
#include "formats/torchfile_out.h"

/* Modules outside the layers: our name and the name in the file. */
typedef struct {
    const char *ours, *theirs;
} module_name;

static const module_name whole_modules[] = {{"embedding", "token_embedding_table"},
                                            {"final_ln", "final_layer_norm"},
                                            {"head", "text_to_image_feature_layer"}};
/* Modules of a layer, one list per module; in the file's order. */
static const module_name layer_modules[] = {
    {"ln1", "layer_norms_1"}, {"qkv", "mha_qkv_linears"}, {"out", "mha_output_linears"},
    {"ln2", "layer_norms_2"}, {"ffn1", "ffn_linear_1"},   {"ffn2", "ffn_linear_2"},
};
enum {
    WHOLE = sizeof whole_modules / sizeof *whole_modules,
    LAYERED = sizeof layer_modules / sizeof *layer_modules
};

int t2i_tutorial_model_is(const t2i_py *root)
{
    return t2i_py_get(root, "config") != NULL && t2i_py_get(root, "tokenizer") != NULL &&
           t2i_py_get(root, "token_embedding_table") != NULL;
}

/* ---- names ---- */

/* The rest of a text that begins with "word.", or NULL. */
static const char *after(const char *text, const char *word)
{
    size_t size = strlen(word);
    return strncmp(text, word, size) == 0 && text[size] == '.' ? text + size + 1 : NULL;
}

/* Length of a layer's number and the dot after it; 0 if there is none. */
static size_t number_size(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == '.' ? digits + 1 : 0;
}

/* Joins the parts of a name. Returns 0 and leaves out unchanged if it is too long. */
static int put_name(char out[T2I_NAME_MAX], const char *a, const char *number, size_t digits,
                    const char *b, const char *c)
{
    char made[T2I_NAME_MAX];
    int size = snprintf(made, sizeof made, "%s.%.*s%s%s%s", a, (int)digits, number, b,
                        *b == '\0' ? "" : ".", c);
    if (size < 0 || (size_t)size >= sizeof made) return 0;
    memcpy(out, made, sizeof made);
    return 1;
}

int t2i_tutorial_model_name(const char *ours, char out[T2I_NAME_MAX])
{
    const char *rest, *layer = after(ours, "layers");
    for (size_t i = 0; i < WHOLE; i++)
        if ((rest = after(ours, whole_modules[i].ours)) != NULL)
            return put_name(out, whole_modules[i].theirs, "", 0, "", rest);
    size_t digits = layer == NULL ? 0 : number_size(layer);
    for (size_t i = 0; i < LAYERED && digits > 0; i++)
        if ((rest = after(layer + digits, layer_modules[i].ours)) != NULL)
            return put_name(out, layer_modules[i].theirs, layer, digits, "", rest);
    return 0;
}

int t2i_tutorial_model_ours(const char *theirs, char out[T2I_NAME_MAX])
{
    const char *rest;
    for (size_t i = 0; i < WHOLE; i++)
        if ((rest = after(theirs, whole_modules[i].theirs)) != NULL)
            return put_name(out, whole_modules[i].ours, "", 0, "", rest);
    for (size_t i = 0; i < LAYERED; i++) {
        rest = after(theirs, layer_modules[i].theirs);
        size_t digits = rest == NULL ? 0 : number_size(rest);
        if (digits > 0)
            return put_name(out, "layers", rest, digits, layer_modules[i].ours, rest + digits);
    }
    return 0;
}

/* ---- configuration ---- */

t2i_status t2i_tutorial_model_config(const t2i_py *root, const char *path, t2i_config *out,
                                     t2i_error *err)
{
    const t2i_py *config = t2i_py_get(root, "config");
    for (size_t i = 0; i < T2I_MODEL_TUTORIAL_SIZES; i++) {
        const t2i_py *value = t2i_py_get(config, t2i_model_size_name(i));
        if (value == NULL || value->kind != T2I_PY_INT ||
            !t2i_model_set_size(out, i, value->integer))
            return t2i_fail(err, T2I_DATA, "%s: config has no valid '%s'", path,
                            t2i_model_size_name(i));
    }
    return T2I_OK;
}

/* ---- vocabulary ---- */

/* A token as a C string; NULL if it is not a string or contains a NUL byte. */
static const char *token_of(const t2i_py *value)
{
    int fine = value != NULL && value->kind == T2I_PY_TEXT && strlen(value->text) == value->size;
    return fine ? value->text : NULL;
}

static int id_of(const t2i_py *value, size_t size, size_t *id)
{
    if (value == NULL || value->kind != T2I_PY_INT || value->integer < 0 ||
        (uint64_t)value->integer >= size)
        return 0;
    *id = (size_t)value->integer;
    return 1;
}

static t2i_status check_table(const t2i_py *table, const char *key, const char *path, size_t size,
                              t2i_error *err)
{
    if (table == NULL || table->kind != T2I_PY_DICT)
        return t2i_fail(err, T2I_DATA, "%s: tokenizer has no dict %s", path, key);
    if (table->size != size)
        return t2i_fail(err, T2I_DATA,
                        "%s: tokenizer.%s has %zu entries, but config.vocab_size is %zu", path, key,
                        table->size, size);
    return T2I_OK;
}

/* Fills the tokens by id. There are as many entries as ids, and none occurs twice, so none is
 * missing. */
static t2i_status read_char_to_int(const t2i_py *table, const char *path, const char **token,
                                   t2i_error *err)
{
    for (size_t i = 0; i < table->size; i++) {
        size_t id;
        const char *text = token_of(table->key[i]);
        if (text == NULL)
            return t2i_fail(err, T2I_DATA, "%s: entry %zu of tokenizer.char_to_int is not a string",
                            path, i);
        if (!id_of(table->item[i], table->size, &id))
            return t2i_fail(err, T2I_DATA,
                            "%s: tokenizer.char_to_int['%s'] is not a number from 0 to %zu", path,
                            text, table->size - 1);
        if (token[id] != NULL)
            return t2i_fail(err, T2I_DATA,
                            "%s: tokenizer.char_to_int assigns '%s' and '%s' the same number %zu",
                            path, token[id], text, id);
        token[id] = text;
    }
    return T2I_OK;
}

static t2i_status check_int_to_char(const t2i_py *table, const char *path, const char *const *token,
                                    unsigned char *seen, t2i_error *err)
{
    for (size_t i = 0; i < table->size; i++) {
        size_t id;
        const char *text = token_of(table->item[i]);
        if (!id_of(table->key[i], table->size, &id))
            return t2i_fail(err, T2I_DATA,
                            "%s: key %zu of tokenizer.int_to_char is not a number from 0 to %zu",
                            path, i, table->size - 1);
        if (text == NULL || strcmp(text, token[id]) != 0)
            return t2i_fail(
                err, T2I_DATA,
                "%s: tokenizer.int_to_char[%zu] is '%s', but char_to_int has '%s' for it", path, id,
                text == NULL ? "(not a string)" : text, token[id]);
        if (seen[id]++)
            return t2i_fail(err, T2I_DATA, "%s: tokenizer.int_to_char has %zu twice", path, id);
    }
    return T2I_OK;
}

t2i_status t2i_tutorial_model_vocab(const t2i_py *root, const char *path, size_t size,
                                    t2i_vocab *out, t2i_error *err)
{
    const t2i_py *tokenizer = t2i_py_get(root, "tokenizer");
    const t2i_py *to_int = t2i_py_get(tokenizer, "char_to_int");
    const t2i_py *to_char = t2i_py_get(tokenizer, "int_to_char");
    *out = (t2i_vocab){0};
    T2I_TRY(check_table(to_int, "char_to_int", path, size, err));
    T2I_TRY(check_table(to_char, "int_to_char", path, size, err));
    const char **token = t2i_alloc(size, sizeof *token);
    unsigned char *seen = t2i_alloc(size, 1);
    t2i_error why = {0};
    t2i_status status = token == NULL || seen == NULL
                            ? t2i_fail_memory(err, size * sizeof *token, "a vocabulary")
                            : read_char_to_int(to_int, path, token, err);
    if (status == T2I_OK) status = check_int_to_char(to_char, path, token, seen, err);
    if (status == T2I_OK && t2i_vocab_new(out, token, size, &why) != T2I_OK)
        status = t2i_fail(err, why.status, "%s: %s", path, why.text);
    t2i_free(token);
    t2i_free(seen);
    return status;
}

/* ---- positions ---- */

t2i_status t2i_tutorial_model_positions(t2i_tensors *file, const char *path, const t2i_model *model,
                                        t2i_error *err)
{
    static const char name[] = "positional_encoding";
    const double rounding = 1.2e-7; /* of a frequency of at most 1, as a float: 2^-23 */
    size_t block = model->config.block_size, d = model->config.d_model;
    const t2i_tensor_info *found = t2i_tensors_find(file, name);
    if (found == NULL) return t2i_fail(err, T2I_DATA, "%s has no tensor %s", path, name);
    if (found->dims != 3 || found->dim[0] != 1 || found->dim[1] != block || found->dim[2] != d)
        return t2i_fail(err, T2I_DATA,
                        "%s: tensor %s does not have the shape (1, %zu, %zu) of the configuration",
                        path, name, block, d);
    float *table = t2i_alloc(block * d, sizeof *table);
    t2i_status status = table == NULL
                            ? t2i_fail_memory(err, block * d * sizeof *table, "the positions")
                            : t2i_tensors_floats(file, found, table, err);
    for (size_t i = 0; status == T2I_OK && i < block * d; i++) {
        double off = fabs((double)table[i] - (double)model->position[i]);
        if (!(off <= 1e-5 + rounding * (double)(i / d))) /* also true for NaN */
            status =
                t2i_fail(err, T2I_DATA,
                         "%s: %s at position %zu, dimension %zu is %g, not %g: only the "
                         "tutorial's sinusoidal encoding is supported",
                         path, name, i / d, i % d, (double)table[i], (double)model->position[i]);
    }
    t2i_free(table);
    return status;
}

/* ---- unused entries ---- */

static int is_known(const char *key)
{
    static const char *const others[] = {"config", "tokenizer", "positional_encoding"};
    int known = 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) known |= !strcmp(key, others[i]);
    for (size_t i = 0; i < WHOLE; i++) known |= !strcmp(key, whole_modules[i].theirs);
    for (size_t i = 0; i < LAYERED; i++) known |= !strcmp(key, layer_modules[i].theirs);
    return known;
}

static int is_config_key(const char *key)
{
    int known = 0;
    for (size_t i = 0; i < T2I_MODEL_TUTORIAL_SIZES; i++)
        known |= !strcmp(key, t2i_model_size_name(i));
    return known;
}

static int is_table(const char *key)
{
    return strcmp(key, "char_to_int") == 0 || strcmp(key, "int_to_char") == 0;
}

/* Adds the unknown keys of a dict, as "PREFIXkey". */
static t2i_status add_unknown(const t2i_py *dict, const char *prefix, int (*known)(const char *),
                              t2i_string_table *out, t2i_error *err)
{
    size_t number;
    for (size_t i = 0; dict != NULL && dict->kind == T2I_PY_DICT && i < dict->size; i++) {
        char name[256];
        const char *key = token_of(dict->key[i]);
        if (key != NULL && known(key)) continue;
        snprintf(name, sizeof name, "%s%.200s", prefix,
                 key == NULL ? "(a key that is not a string)" : key);
        T2I_TRY(t2i_string_table_add(out, name, &number, err));
    }
    return T2I_OK;
}

t2i_status t2i_tutorial_model_unused(const t2i_py *root, t2i_string_table *out, t2i_error *err)
{
    T2I_TRY(add_unknown(root, "", is_known, out, err));
    T2I_TRY(add_unknown(t2i_py_get(root, "config"), "config.", is_config_key, out, err));
    return add_unknown(t2i_py_get(root, "tokenizer"), "tokenizer.", is_table, out, err);
}

/* ---- writing ---- */

/* Makes the state_dict of the module PREFIX: its weight and, if the model has one, its bias. */
static t2i_py *module_dict(t2i_py_arena *arena, const t2i_checkpoint *c, const char *prefix)
{
    static const char *const parts[] = {"weight", "bias"};
    t2i_py *dict = t2i_py_dict(arena, 1);
    for (size_t i = 0; i < 2; i++) {
        char name[T2I_NAME_MAX];
        snprintf(name, sizeof name, "%s.%s", prefix, parts[i]);
        const t2i_tensor *tensor = t2i_layout_find(&c->model.layout, name);
        if (tensor == NULL) continue;
        const uint64_t dim[2] = {tensor->rows > 0 ? tensor->rows : tensor->columns,
                                 tensor->columns};
        t2i_py_set(
            arena, dict, parts[i],
            t2i_py_floats(arena, tensor->rows > 0 ? 2 : 1, dim, c->weights + tensor->offset));
    }
    return dict;
}

static t2i_py *config_dict(t2i_py_arena *arena, const t2i_config *config)
{
    t2i_py *dict = t2i_py_dict(arena, 0);
    for (size_t i = 0; i < T2I_MODEL_TUTORIAL_SIZES; i++)
        t2i_py_set(arena, dict, t2i_model_size_name(i),
                   t2i_py_int(arena, (int64_t)t2i_model_size(config, i)));
    return dict;
}

static t2i_py *tokenizer_dict(t2i_py_arena *arena, const t2i_vocab *vocab)
{
    t2i_py *both = t2i_py_dict(arena, 0), *to_int = t2i_py_dict(arena, 0),
           *to_char = t2i_py_dict(arena, 0);
    for (size_t i = 0; i < vocab->size; i++) {
        const char *name = vocab->name[i];
        t2i_py_set(arena, to_int, name, t2i_py_int(arena, (int64_t)i));
        t2i_py_set_pair(arena, to_char, t2i_py_int(arena, (int64_t)i),
                        t2i_py_text(arena, name, strlen(name)));
    }
    t2i_py_set(arena, both, "char_to_int", to_int);
    t2i_py_set(arena, both, "int_to_char", to_char);
    return both;
}

static t2i_py *layer_list(t2i_py_arena *arena, const t2i_checkpoint *c, const char *module)
{
    t2i_py *list = t2i_py_list(arena);
    for (size_t i = 0; i < c->model.config.n_layers; i++) {
        char prefix[T2I_NAME_MAX];
        snprintf(prefix, sizeof prefix, "layers.%zu.%s", i, module);
        t2i_py_append(arena, list, module_dict(arena, c, prefix));
    }
    return list;
}

static t2i_py *make_tree(t2i_py_arena *arena, const t2i_checkpoint *c)
{
    const uint64_t table[] = {1, c->model.config.block_size, c->model.config.d_model};
    t2i_py *root = t2i_py_dict(arena, 0);
    t2i_py_set(arena, root, "config", config_dict(arena, &c->model.config));
    t2i_py_set(arena, root, "tokenizer", tokenizer_dict(arena, &c->vocab));
    t2i_py_set(arena, root, "token_embedding_table", module_dict(arena, c, "embedding"));
    t2i_py_set(arena, root, "positional_encoding",
               t2i_py_floats(arena, 3, table, c->model.position));
    for (size_t i = 0; i < LAYERED; i++)
        t2i_py_set(arena, root, layer_modules[i].theirs,
                   layer_list(arena, c, layer_modules[i].ours));
    t2i_py_set(arena, root, "final_layer_norm", module_dict(arena, c, "final_ln"));
    if (c->has_head)
        t2i_py_set(arena, root, "text_to_image_feature_layer", module_dict(arena, c, "head"));
    return root;
}

t2i_status t2i_tutorial_model_save(const t2i_checkpoint *c, const char *path, t2i_error *err)
{
    t2i_py_arena *arena = t2i_py_arena_new();
    if (arena == NULL) return t2i_fail_memory(err, 64, "a model file");
    t2i_status status = t2i_torchfile_out_save(path, arena, make_tree(arena, c), err);
    t2i_py_arena_free(arena);
    return status;
}
