#include "checkpoint/checkpoint.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/commit.h"
#include "base/fs.h"
#include "formats/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/string_table.h"
#include "formats/safetensors.h"
#include "base/text.h"
#include "checkpoint/tutorial_model.h"

static const char meta_mark[] = "\"t2i.meta_xxh3\":\"";
static const char no_digits[] = "00000000000000000000000000000000";

const char *t2i_checkpoint_prefix(size_t index)
{
    static const char *const prefixes[] = {"adamw.m.", "adamw.v.", "ema.", NULL};
    return prefixes[index];
}

void t2i_checkpoint_free(t2i_checkpoint *checkpoint)
{
    t2i_model_free(&checkpoint->model);
    t2i_vocab_free(&checkpoint->vocab);
    t2i_free(checkpoint->weights);
    t2i_free(checkpoint->m);
    t2i_free(checkpoint->v);
    t2i_free(checkpoint->ema);
    t2i_free(checkpoint->run.options);
    t2i_free(checkpoint->unused_names);
    *checkpoint = (t2i_checkpoint){0};
}

/* ---- writing ---- */

/* Adds key with the JSON text of value. Takes ownership of value. */
static t2i_status put_json(t2i_json *meta, const char *key, t2i_json *value, t2i_error *err)
{
    char *text = NULL;
    t2i_status status = t2i_json_text(value, 0, &text, err);
    if (status == T2I_OK) t2i_json_set_string(meta, key, text);
    t2i_free(text);
    t2i_json_free(value);
    return status;
}

t2i_json *t2i_checkpoint_config_json(const t2i_config *config)
{
    t2i_json *json = t2i_json_object();
    for (size_t i = 0; i < T2I_MODEL_SIZES; i++)
        if (i < T2I_MODEL_TUTORIAL_SIZES || t2i_model_size(config, i) > 0)
            t2i_json_set_integer(json, t2i_model_size_name(i), (int64_t)t2i_model_size(config, i));
    return json;
}

t2i_json *t2i_checkpoint_vocab_json(const t2i_vocab *vocab)
{
    t2i_json *json = t2i_json_array();
    for (size_t i = 0; i < vocab->size; i++)
        t2i_json_append(json, t2i_json_string(vocab->name[i], strlen(vocab->name[i])));
    return json;
}

static t2i_json *run_json(const t2i_run_state *run, t2i_error *err)
{
    t2i_json *json = t2i_json_object(), *options = NULL;
    t2i_json_set_integer(json, "step", run->step);
    t2i_json_set_integer(json, "updates", run->updates);
    t2i_json_set_integer(json, "skipped", run->skipped);
    t2i_json_set_integer(json, "shards", run->shards);
    if (run->best >= 0.0)
        t2i_json_set_real(json, "best", run->best);
    else
        t2i_json_set(json, "best", t2i_json_null());
    if (run->best_mrr > 0.0) t2i_json_set_real(json, "best_mrr", run->best_mrr);
    if (run->waited > 0) t2i_json_set_integer(json, "waited", run->waited);
    if (run->index_weight > 0.0) t2i_json_set_real(json, "index_weight", run->index_weight);
    if (run->usual.steps > 0) {
        t2i_json *usual = t2i_json_object();
        t2i_json_set_real(usual, "mean", (double)run->usual.mean);
        t2i_json_set_real(usual, "variance", (double)run->usual.variance);
        t2i_json_set_integer(usual, "steps", run->usual.steps);
        t2i_json_set(json, "usual_loss", usual);
    }
    t2i_json_set_string(json, "dataset", run->dataset);
    if (run->options != NULL && t2i_json_parse(&options, run->options, strlen(run->options),
                                               "the run's options", err) != T2I_OK) {
        t2i_json_free(json);
        return NULL;
    }
    t2i_json_set(json, "options", options == NULL ? t2i_json_object() : options);
    return json;
}

static t2i_status make_meta(const t2i_checkpoint *c, const t2i_st_part *part, size_t parts,
                            t2i_json *meta, t2i_error *err)
{
    t2i_json_set_string(meta, "t2i.format", "1");
    T2I_TRY(put_json(meta, "t2i.config", t2i_checkpoint_config_json(&c->model.config), err));
    T2I_TRY(put_json(meta, "t2i.vocab", t2i_checkpoint_vocab_json(&c->vocab), err));
    T2I_TRY(put_json(meta, "t2i.run", run_json(&c->run, err), err));
    t2i_json *digests = t2i_json_object();
    for (size_t i = 0; i < parts; i++) {
        size_t count = (size_t)(part[i].dim[0] * (part[i].dims > 1 ? part[i].dim[1] : 1));
        char hex[T2I_HEX];
        t2i_hash_hex(part[i].data, count * sizeof(float), hex);
        t2i_json_set_string(digests, part[i].name, hex);
    }
    T2I_TRY(put_json(meta, "t2i.xxh3", digests, err));
    t2i_json_set_string(meta, "t2i.meta_xxh3", no_digits);
    return T2I_OK;
}

typedef char part_name[T2I_NAME_MAX + 8];

/* Is it a tensor of a head that the file does not have? */
static int is_absent(const t2i_checkpoint *c, const char *name)
{
    return !c->has_head && strncmp(name, "head.", 5) == 0;
}

size_t t2i_checkpoint_tensors(const t2i_checkpoint *c, size_t *numbers)
{
    size_t count = 0;
    *numbers = 0;
    for (size_t i = 0; i < c->model.layout.tensors; i++) {
        if (is_absent(c, c->model.layout.tensor[i].name)) continue;
        *numbers += t2i_tensor_count(&c->model.layout.tensor[i]);
        count++;
    }
    return count;
}

t2i_status t2i_checkpoint_digest(const t2i_checkpoint *c, char out[T2I_HEX], t2i_error *err)
{
    const float *const block[] = {c->weights, c->m, c->v, c->ema};
    t2i_hash *hash;
    T2I_TRY(t2i_hash_new(&hash, err));
    for (size_t b = 0; b < sizeof block / sizeof *block; b++)
        for (size_t i = 0; block[b] != NULL && i < c->model.layout.tensors; i++) {
            const t2i_tensor *tensor = &c->model.layout.tensor[i];
            if (!is_absent(c, tensor->name))
                t2i_hash_add(hash, block[b] + tensor->offset,
                             t2i_tensor_count(tensor) * sizeof(float));
        }
    t2i_hash_end(hash, out);
    t2i_hash_free(hash);
    return T2I_OK;
}

t2i_status t2i_checkpoint_network(const t2i_checkpoint *c, char out[T2I_HEX], t2i_error *err)
{
    char *text = NULL;
    t2i_json *json = t2i_json_object();
    t2i_json_set(json, "config", t2i_checkpoint_config_json(&c->model.config));
    t2i_json_set(json, "vocab", t2i_checkpoint_vocab_json(&c->vocab));
    t2i_status status = t2i_json_text(json, 0, &text, err);
    if (status == T2I_OK) t2i_hash_hex(text, strlen(text), out);
    t2i_free(text);
    t2i_json_free(json);
    return status;
}

/* Describes a block's tensors under a prefix; returns how many. */
static size_t add_parts(t2i_st_part *part, part_name *name, const t2i_checkpoint *c,
                        const char *prefix, const float *block)
{
    size_t count = 0;
    for (size_t i = 0; block != NULL && i < c->model.layout.tensors; i++) {
        const t2i_tensor *t = &c->model.layout.tensor[i];
        if (is_absent(c, t->name)) continue;
        snprintf(name[count], sizeof *name, "%s%s", prefix, t->name);
        part[count] = (t2i_st_part){
            .name = name[count], .dims = t->rows > 0 ? 2 : 1, .data = block + t->offset};
        part[count].dim[0] = t->rows > 0 ? t->rows : t->columns;
        part[count++].dim[1] = t->columns;
    }
    return count;
}

static t2i_status write_file(const char *path, const char *header, size_t size,
                             const t2i_st_part *part, size_t parts, t2i_error *err)
{
    t2i_fs_out out;
    T2I_TRY(t2i_fs_out_open(&out, path, err));
    t2i_status status = t2i_st_write(&out, header, size, part, parts, err);
    if (status == T2I_OK) return t2i_commit(&out, err);
    t2i_fs_out_drop(&out);
    return status;
}

t2i_status t2i_checkpoint_save(const t2i_checkpoint *c, const char *path, t2i_error *err)
{
    size_t most = 4 * c->model.layout.tensors, parts = 0, size = 0;
    t2i_st_part *part = t2i_alloc(most, sizeof *part);
    part_name *name = t2i_alloc(most, sizeof *name);
    t2i_json *meta = t2i_json_object();
    char *header = NULL;
    t2i_status status = T2I_OK;
    if (part == NULL || name == NULL || meta == NULL) {
        status = t2i_fail_memory(err, most * sizeof *part, "a checkpoint's table");
        goto done;
    }
    parts += add_parts(part, name, c, "", c->weights);
    parts += add_parts(part + parts, name + parts, c, "adamw.m.", c->m);
    parts += add_parts(part + parts, name + parts, c, "adamw.v.", c->v);
    parts += add_parts(part + parts, name + parts, c, "ema.", c->ema);
    status = make_meta(c, part, parts, meta, err);
    if (status == T2I_OK) status = t2i_st_make_header(part, parts, meta, &header, &size, err);
    if (status != T2I_OK) goto done;
    char hex[T2I_HEX], *digits = strstr(header, meta_mark);
    T2I_ASSERT(digits != NULL);
    t2i_hash_hex(header, size, hex);
    memcpy(digits + strlen(meta_mark), hex, T2I_HEX - 1);
    status = write_file(path, header, size, part, parts, err);
done:
    t2i_free(part);
    t2i_free(name);
    t2i_free(header);
    t2i_json_free(meta);
    return status;
}

/* ---- reading ---- */

/* A file being read. */
typedef struct {
    t2i_tensors *file;
    const t2i_st *st;   /* safetensors; NULL for the tutorial's layout */
    const t2i_py *tree; /* the tutorial's layout; NULL for safetensors */
    const char *path;
    t2i_json *digests; /* checksums of the tensors; NULL for files of other programs */
} source;

t2i_file_kind t2i_checkpoint_kind(const t2i_tensors *file)
{
    static const char *const keys[] = {"t2i.config", "t2i.run", "t2i.xxh3", "t2i.meta_xxh3"};
    const t2i_st *st = t2i_tensors_st(file);
    if (st == NULL)
        return t2i_tutorial_model_is(t2i_tensors_tree(file)) ? T2I_FILE_TUTORIAL : T2I_FILE_TORCH;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (t2i_st_meta(st, keys[i]) != NULL) return T2I_FILE_MODEL;
    return T2I_FILE_SAFETENSORS;
}

static t2i_status parse_meta(const source *s, const char *key, t2i_json **out, t2i_error *err)
{
    const char *text = t2i_st_meta(s->st, key);
    *out = NULL;
    if (text == NULL)
        return t2i_fail(err, T2I_DATA,
                        "%s has no %s in its metadata: it is not a model that t2i-train can read "
                        "(t2i-model show lists its tensors)",
                        s->path, key);
    char what[300];
    snprintf(what, sizeof what, "%s in %.200s", key, s->path);
    return t2i_json_parse(out, text, strlen(text), what, err);
}

static t2i_status read_config(const source *s, t2i_config *config, t2i_error *err)
{
    t2i_json *json;
    if (s->tree != NULL) return t2i_tutorial_model_config(s->tree, s->path, config, err);
    T2I_TRY(parse_meta(s, "t2i.config", &json, err));
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < T2I_MODEL_SIZES; i++) {
        int64_t value = 0;
        const t2i_json *size = t2i_json_get(json, t2i_model_size_name(i));
        if (size == NULL && i >= T2I_MODEL_TUTORIAL_SIZES) continue;
        if (!t2i_json_as_integer(size, &value) || !t2i_model_set_size(config, i, value))
            status = t2i_fail(err, T2I_DATA, "%s: t2i.config has no valid '%s'", s->path,
                              t2i_model_size_name(i));
    }
    t2i_json_free(json);
    return status;
}

/* Name of a tensor in the file. */
static void name_in(const source *s, const char *prefix, const char *ours, part_name out)
{
    if (s->tree == NULL || !t2i_tutorial_model_name(ours, out))
        snprintf(out, sizeof(part_name), "%s%s", prefix, ours);
}

static int has_tensor(const source *s, const char *ours)
{
    part_name name;
    name_in(s, "", ours, name);
    return t2i_tensors_find(s->file, name) != NULL;
}

/* Does the file have a tensor of a layer? out: its name in the file. */
static int has_part(const source *s, size_t layer, const char *linear, const char *part,
                    part_name out)
{
    char ours[T2I_NAME_MAX];
    snprintf(ours, sizeof ours, "layers.%zu.%s.%s", layer, linear, part);
    name_in(s, "", ours, out);
    return t2i_tensors_find(s->file, out) != NULL;
}

/* A linear module has a bias in all layers or in none. */
static t2i_status read_bias(const source *s, const char *linear, size_t layers, int *has,
                            t2i_error *err)
{
    part_name first, other, weight;
    *has = has_part(s, 0, linear, "bias", first);
    for (size_t i = 1; i < layers; i++) {
        if (!has_part(s, i, linear, "weight", weight)) continue; /* refused later, with its name */
        if (has_part(s, i, linear, "bias", other) == *has) continue;
        return t2i_fail(err, T2I_DATA,
                        "%s has %s but no %s: such a bias must be in all layers or in none",
                        s->path, *has ? first : other, *has ? other : first);
    }
    return T2I_OK;
}

static t2i_status read_biases(const source *s, t2i_config *config, t2i_error *err)
{
    /* more layers than tensors are refused later, with the name of a missing tensor */
    size_t layers = t2i_tensors_count(s->file);
    if (layers > config->n_layers) layers = config->n_layers;
    T2I_TRY(read_bias(s, "qkv", layers, &config->qkv_bias, err));
    T2I_TRY(read_bias(s, "out", layers, &config->out_bias, err));
    T2I_TRY(read_bias(s, "ffn1", layers, &config->ffn1_bias, err));
    T2I_TRY(read_bias(s, "ffn2", layers, &config->ffn2_bias, err));
    config->head_bias = has_tensor(s, "head.bias");
    return T2I_OK;
}

static t2i_status read_vocab(const source *s, size_t size, t2i_vocab *vocab, t2i_error *err)
{
    const char *path = s->path;
    t2i_json *json;
    if (s->tree != NULL) return t2i_tutorial_model_vocab(s->tree, path, size, vocab, err);
    T2I_TRY(parse_meta(s, "t2i.vocab", &json, err));
    size_t count = t2i_json_size(json);
    const char **name = t2i_alloc(count + 1, sizeof *name);
    t2i_status status = T2I_OK;
    if (name == NULL)
        status = t2i_fail_memory(err, count * sizeof *name, "a vocabulary");
    else if (!t2i_json_is_array(json) || count != size)
        status = t2i_fail(err, T2I_DATA,
                          "%s: t2i.vocab is not an array of vocab_size = %zu strings", path, size);
    for (size_t i = 0; status == T2I_OK && i < count; i++)
        if (!t2i_json_as_string(t2i_json_at(json, i), &name[i], NULL))
            status = t2i_fail(err, T2I_DATA, "%s: entry %zu of t2i.vocab is not a string", path, i);
    t2i_error why = {0};
    if (status == T2I_OK && t2i_vocab_new(vocab, name, count, &why) != T2I_OK)
        status = t2i_fail(err, why.status, "%s: %s", path, why.text);
    t2i_free(name);
    t2i_json_free(json);
    return status;
}

/* Statistics of the loss; all zero if the run does not skip spikes or the value is malformed. */
static t2i_loss_spike read_usual(const t2i_json *json)
{
    double mean, variance;
    int64_t steps;
    if (!t2i_json_as_real(t2i_json_get(json, "mean"), &mean) ||
        !t2i_json_as_real(t2i_json_get(json, "variance"), &variance) || !(variance >= 0.0) ||
        !t2i_json_as_integer(t2i_json_get(json, "steps"), &steps) || steps < 0)
        return (t2i_loss_spike){0};
    return (t2i_loss_spike){(float)mean, (float)variance, (long)steps};
}

static t2i_status read_run(const source *s, t2i_run_state *run, t2i_error *err)
{
    t2i_json *json;
    T2I_TRY(parse_meta(s, "t2i.run", &json, err));
    int64_t step = -1, updates = -1, skipped = -1, shards = -1, waited = 0;
    const char *dataset = "";
    t2i_status status = T2I_OK;
    if (!t2i_json_as_integer(t2i_json_get(json, "step"), &step) || step < 0 ||
        !t2i_json_as_integer(t2i_json_get(json, "updates"), &updates) || updates < 0 ||
        updates > step || !t2i_json_as_integer(t2i_json_get(json, "skipped"), &skipped) ||
        skipped < 0 || !t2i_json_as_integer(t2i_json_get(json, "shards"), &shards) || shards < 1 ||
        shards > 1 << 20 || !t2i_json_as_string(t2i_json_get(json, "dataset"), &dataset, NULL) ||
        strlen(dataset) >= T2I_HEX || dataset[strspn(dataset, "0123456789abcdef")] != '\0')
        status = t2i_fail(err, T2I_DATA,
                          "%s: t2i.run lacks a valid step, updates, skipped, shards or dataset",
                          s->path);
    *run = (t2i_run_state){.step = (long)step,
                           .updates = (long)updates,
                           .skipped = (long)skipped,
                           .shards = (long)shards};
    if (!t2i_json_as_real(t2i_json_get(json, "best"), &run->best)) run->best = -1.0;
    if (!t2i_json_as_real(t2i_json_get(json, "best_mrr"), &run->best_mrr)) run->best_mrr = 0.0;
    if (t2i_json_as_integer(t2i_json_get(json, "waited"), &waited) && waited > 0)
        run->waited = (long)waited;
    if (!t2i_json_as_real(t2i_json_get(json, "index_weight"), &run->index_weight))
        run->index_weight = 0.0;
    run->usual = read_usual(t2i_json_get(json, "usual_loss"));
    if (status == T2I_OK) {
        memcpy(run->dataset, dataset, strlen(dataset) + 1);
        status = t2i_json_text(t2i_json_get(json, "options"), 0, &run->options, err);
    }
    t2i_json_free(json);
    return status;
}

/* Verifies the checksum of the header. */
static t2i_status check_header(const t2i_st *st, const char *path, t2i_error *err)
{
    size_t size;
    const char *header = t2i_st_header(st, &size), *said = t2i_st_meta(st, "t2i.meta_xxh3");
    char *copy = t2i_alloc(size + 1, 1), hex[T2I_HEX] = "";
    if (copy == NULL) return t2i_fail_memory(err, size, "a file's header");
    memcpy(copy, header, size);
    char *digits = strstr(copy, meta_mark);
    if (digits != NULL) digits += strlen(meta_mark);
    /* the mark may also match the end of another key, with fewer digits after it */
    if (digits != NULL && strlen(said) == T2I_HEX - 1 && strncmp(digits, said, T2I_HEX - 1) == 0) {
        memcpy(digits, no_digits, T2I_HEX - 1);
        t2i_hash_hex(copy, size, hex);
    }
    t2i_free(copy);
    if (strcmp(hex, said) != 0)
        return t2i_fail(err, T2I_DATA, "%s is damaged: its header does not match its checksum",
                        path);
    return T2I_OK;
}

/* Finds a tensor of the model under a prefix and checks its shape. */
static t2i_status find_tensor(const t2i_tensor_info **out, const source *s, const char *prefix,
                              const t2i_tensor *tensor, t2i_error *err)
{
    part_name name;
    name_in(s, prefix, tensor->name, name);
    const t2i_tensor_info *found = *out = t2i_tensors_find(s->file, name);
    if (found == NULL) return t2i_fail(err, T2I_DATA, "%s has no tensor %s", s->path, name);
    if (tensor->rows > 0
            ? found->dims == 2 && found->dim[0] == tensor->rows && found->dim[1] == tensor->columns
            : found->dims == 1 && found->dim[0] == tensor->columns)
        return T2I_OK;
    if (tensor->rows > 0)
        return t2i_fail(err, T2I_DATA,
                        "%s: tensor %s does not have the shape (%zu, %zu) of the configuration",
                        s->path, name, tensor->rows, tensor->columns);
    return t2i_fail(err, T2I_DATA,
                    "%s: tensor %s does not have the shape (%zu) of the configuration", s->path,
                    name, tensor->columns);
}

/* Reads the values of a tensor; verifies its checksum, if there is one, and that all are finite. */
static t2i_status read_tensor(const source *s, const t2i_tensor_info *found, float *out,
                              t2i_error *err)
{
    T2I_TRY(t2i_tensors_floats(s->file, found, out, err));
    if (s->digests != NULL) {
        char hex[T2I_HEX];
        const char *said = NULL;
        t2i_hash_hex(out, (size_t)found->count * sizeof(float), hex);
        if (!t2i_json_as_string(t2i_json_get(s->digests, found->name), &said, NULL) ||
            strcmp(said, hex) != 0)
            return t2i_fail(err, T2I_DATA, "%s is damaged: tensor %s does not match its checksum",
                            s->path, found->name);
    }
    for (size_t i = 0; i < found->count; i++)
        if (!isfinite(out[i]))
            return t2i_fail(err, T2I_DATA, "%s: element %zu of tensor %s is not finite", s->path, i,
                            found->name);
    return T2I_OK;
}

/* Several tensors of a torch file may view the same storage. Tensors of a model do not, so the
 * allocation is limited by the size of the file. */
static t2i_status check_size(const source *s, const t2i_checkpoint *c, t2i_error *err)
{
    uint64_t size;
    size_t numbers;
    T2I_TRY(t2i_fs_size(s->path, &size, err));
    t2i_checkpoint_tensors(c, &numbers);
    if (numbers <= size) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "%s has fewer bytes than its model has parameters: its tensors share storage",
                    s->path);
}

static t2i_status read_block(const source *s, const char *prefix, const t2i_checkpoint *c,
                             float **block, t2i_error *err)
{
    const t2i_layout *layout = &c->model.layout;
    /* the first pass only checks that all tensors are present, so that the allocation is limited by
     * the size of the file; the second one reads them */
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) T2I_TRY(check_size(s, c, err));
        if (pass == 1) *block = t2i_block_new(layout);
        if (pass == 1 && *block == NULL)
            return t2i_fail_memory(err, layout->floats * sizeof(float), "a model's weights");
        for (size_t i = 0; i < layout->tensors; i++) {
            const t2i_tensor *tensor = &layout->tensor[i];
            const t2i_tensor_info *found;
            if (is_absent(c, tensor->name)) continue;
            T2I_TRY(find_tensor(&found, s, prefix, tensor, err));
            if (pass == 1) T2I_TRY(read_tensor(s, found, *block + tensor->offset, err));
        }
    }
    return T2I_OK;
}

/* Is a tensor of the file one of the model, its moments or averages? */
static int is_of_model(const source *s, const t2i_string_table *model, const char *name)
{
    char ours[T2I_NAME_MAX];
    if (s->tree != NULL) /* other entries are listed by t2i_tutorial_model_unused */
        return !t2i_tutorial_model_ours(name, ours) ||
               t2i_string_table_find(model, ours) != SIZE_MAX;
    for (size_t i = 0; t2i_checkpoint_prefix(i) != NULL; i++) {
        size_t size = strlen(t2i_checkpoint_prefix(i));
        if (strncmp(name, t2i_checkpoint_prefix(i), size) == 0)
            return t2i_string_table_find(model, name + size) != SIZE_MAX;
    }
    return t2i_string_table_find(model, name) != SIZE_MAX;
}

static t2i_status list_unused(const source *s, const t2i_string_table *model,
                              t2i_string_table *list, t2i_error *err)
{
    size_t number;
    if (s->tree != NULL) T2I_TRY(t2i_tutorial_model_unused(s->tree, list, err));
    for (size_t i = 0; i < t2i_tensors_count(s->file); i++) {
        const char *name = t2i_tensors_at(s->file, i)->name;
        if (!is_of_model(s, model, name)) T2I_TRY(t2i_string_table_add(list, name, &number, err));
    }
    return T2I_OK;
}

/* Lists the entries that the model does not use, as "a, b, c, ...". */
static t2i_status find_unused(const source *s, t2i_checkpoint *out, t2i_error *err)
{
    enum { SHOWN = 4, LONGEST = 80 };
    t2i_string_table model = {0}, list = {0};
    t2i_text text = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0, number; status == T2I_OK && i < out->model.layout.tensors; i++)
        status = t2i_string_table_add(&model, out->model.layout.tensor[i].name, &number, err);
    if (status == T2I_OK) status = list_unused(s, &model, &list, err);
    for (size_t i = 0; status == T2I_OK && i < list.count && i <= SHOWN; i++) {
        const char *name = i == SHOWN ? "..." : t2i_string_table_at(&list, i);
        size_t size = strlen(name);
        status = t2i_text_addf(&text, err, "%s", i == 0 ? "" : ", ");
        if (status == T2I_OK)
            status = t2i_text_add_plain(&text, name, size < LONGEST ? size : LONGEST, err);
    }
    out->unused = list.count;
    out->unused_names = text.data; /* NULL if there are none */
    t2i_string_table_free(&model);
    t2i_string_table_free(&list);
    return status;
}

/* Was the file written by t2i-train? Then verifies its header. */
static t2i_status look_at_digests(source *s, t2i_checkpoint *out, t2i_error *err)
{
    if (s->st == NULL) return T2I_OK;
    /* one of the three keys is enough: a file in which the name of one is damaged must not pass as
     * a file of another program, which is not verified */
    int run = t2i_st_meta(s->st, "t2i.run") != NULL,
        header = t2i_st_meta(s->st, "t2i.meta_xxh3") != NULL,
        tensors = t2i_st_meta(s->st, "t2i.xxh3") != NULL;
    out->ours = run || header || tensors;
    if (!out->ours) return T2I_OK;
    if (!run || !header || !tensors)
        return t2i_fail(err, T2I_DATA, "%s is damaged: t2i.run or the checksums are missing",
                        s->path);
    T2I_TRY(check_header(s->st, s->path, err));
    T2I_TRY(read_run(s, &out->run, err));
    return parse_meta(s, "t2i.xxh3", &s->digests, err);
}

/* The table of positions is not in the file, but its size is: no model is so short and so wide in
 * its positions that it would need more than this. */
static t2i_status check_positions(const source *s, const t2i_config *c, t2i_error *err)
{
    enum { EACH_BYTE = 64, LEAST = 1 << 24 };
    uint64_t size, bytes = (uint64_t)c->block_size * c->d_model * sizeof(float);
    T2I_TRY(t2i_fs_size(t2i_tensors_path(s->file), &size, err));
    if (bytes <= EACH_BYTE * size + LEAST) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "%s: its configuration has a table of %zu positions of %zu numbers, which is "
                    "impossible in a file of %llu bytes",
                    s->path, c->block_size, c->d_model, (unsigned long long)size);
}

static t2i_status make_model(const source *s, t2i_checkpoint *out, size_t features, t2i_error *err)
{
    t2i_config config = {0};
    t2i_error why = {0};
    T2I_TRY(read_config(s, &config, err));
    T2I_TRY(check_positions(s, &config, err));
    T2I_TRY(read_biases(s, &config, err));
    out->has_head = has_tensor(s, "head.weight");
    if (!out->has_head) {
        part_name name;
        name_in(s, "", "head.weight", name);
        if (config.head_bias)
            return t2i_fail(err, T2I_DATA, "%s has a bias of the head, but no tensor %s", s->path,
                            name);
        if (features == 0)
            return t2i_fail(err, T2I_DATA,
                            "%s has no %s: it cannot predict; train from it with t2i-train --init",
                            s->path, name);
        if (features != T2I_ITS_OWN) config.vision_feature_dim = features;
        config.head_bias = 1;
    }
    if (t2i_model_new(&out->model, &config, &why) != T2I_OK)
        return t2i_fail(err, why.status == T2I_USAGE ? T2I_DATA : why.status, "%s: %s", s->path,
                        why.text);
    return read_vocab(s, config.vocab_size, &out->vocab, err);
}

static t2i_status load(t2i_checkpoint *out, source *s, int moments, size_t features, t2i_error *err)
{
    if (t2i_checkpoint_kind(s->file) == T2I_FILE_TORCH)
        return t2i_fail(err, T2I_DATA,
                        "%s is a PyTorch file, but not a model in the tutorial's layout: it lacks "
                        "config, tokenizer or token_embedding_table",
                        s->path);
    T2I_TRY(look_at_digests(s, out, err));
    T2I_TRY(make_model(s, out, features, err));
    T2I_TRY(read_block(s, "", out, &out->weights, err));
    if (s->tree != NULL) T2I_TRY(t2i_tutorial_model_positions(s->file, s->path, &out->model, err));
    if (moments && t2i_tensors_find(s->file, "adamw.m.embedding.weight") != NULL) {
        T2I_TRY(read_block(s, "adamw.m.", out, &out->m, err));
        T2I_TRY(read_block(s, "adamw.v.", out, &out->v, err));
    }
    if (moments && t2i_tensors_find(s->file, "ema.embedding.weight") != NULL)
        T2I_TRY(read_block(s, "ema.", out, &out->ema, err));
    return find_unused(s, out, err);
}

t2i_status t2i_checkpoint_load(t2i_checkpoint *out, const char *path, int moments, size_t features,
                               t2i_error *err)
{
    source s = {.path = path};
    *out = (t2i_checkpoint){0};
    T2I_TRY(t2i_tensors_open(&s.file, path, err));
    s.st = t2i_tensors_st(s.file);
    s.tree = t2i_tensors_tree(s.file);
    t2i_status status = load(out, &s, moments, features, err);
    if (status != T2I_OK) t2i_checkpoint_free(out);
    t2i_json_free(s.digests);
    t2i_tensors_close(s.file);
    return status;
}

void t2i_checkpoint_log(const t2i_checkpoint *c, const char *path)
{
    if (!c->ours) t2i_log_note("%s has no checksums: its contents are not verified", path);
    if (c->unused > 0)
        t2i_log_note("%s: %zu %s not used: %s", path, c->unused,
                     c->unused == 1 ? "entry is" : "entries are", c->unused_names);
}
