#include "checkpoint/model_show.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/json.h"
#include "base/mem.h"
#include "checkpoint/model_file.h"

enum {
    CHARACTERS_SHOWN = 120, /* characters of the vocabulary */
    VALUES_SHOWN = 40,      /* other values of a torch file */
    TEXT_SHOWN = 60,        /* bytes of such a value */
    NAME_SHOWN = 60,        /* greatest width of the column of names */
    SHAPE_SIZE = 8 * 24
};

/* ---- common to text and JSON ---- */

/* Range of the values of a tensor. */
typedef struct {
    int numbers;              /* 1 if it has finite floating-point values */
    double least, most, mean; /* of finite values; mean of absolute values */
    uint64_t not_finite;
} range;

static t2i_status find_range(t2i_model_file *file, const t2i_tensor_info *tensor, range *out,
                             t2i_error *err)
{
    const float *x;
    double sum = 0.0;
    uint64_t finite = 0;
    *out = (range){0};
    T2I_TRY(t2i_model_file_floats(file, tensor, &x, err));
    for (uint64_t i = 0; x != NULL && i < tensor->count; i++) {
        double value = (double)x[i];
        if (!isfinite(value)) continue;
        if (finite == 0 || value < out->least) out->least = value;
        if (finite == 0 || value > out->most) out->most = value;
        sum += fabs(value);
        finite++;
    }
    out->numbers = finite > 0;
    out->mean = finite > 0 ? sum / (double)finite : 0.0;
    out->not_finite = x != NULL ? tensor->count - finite : 0;
    return T2I_OK;
}

/* Visits the values of a torch file that are not tensors, named by their path in the tree. */
typedef struct {
    t2i_status (*visit)(void *context, const char *name, const t2i_py *value, t2i_error *err);
    void *context;
    t2i_text name;
} walk;

static t2i_status walk_values(walk *w, const t2i_py *value, t2i_error *err);

static t2i_status walk_item(walk *w, const t2i_py *key, size_t index, const t2i_py *item,
                            t2i_error *err)
{
    size_t before = w->name.size;
    const char *dot = before == 0 ? "" : ".";
    t2i_status status =
        key == NULL                ? t2i_text_addf(&w->name, err, "%s%zu", dot, index)
        : key->kind == T2I_PY_TEXT ? t2i_text_addf(&w->name, err, "%s%s", dot, key->text)
        : key->kind == T2I_PY_INT  ? t2i_text_addf(&w->name, err, "%s%" PRId64, dot, key->integer)
                                   : t2i_text_addf(&w->name, err, "%s?", dot);
    if (status == T2I_OK) status = walk_values(w, item, err);
    w->name.size = before;
    if (w->name.data != NULL) w->name.data[before] = '\0';
    return status;
}

/* The recursion is bounded, as the reader limits depth and size of a tree. */
static t2i_status walk_values(walk *w, const t2i_py *value, t2i_error *err)
{
    int dict = value->kind == T2I_PY_DICT;
    if (value->kind == T2I_PY_TENSOR) return T2I_OK;
    if (!dict && value->kind != T2I_PY_LIST && value->kind != T2I_PY_TUPLE)
        return w->visit(w->context, w->name.size > 0 ? w->name.data : "", value, err);
    for (size_t i = 0; i < value->size; i++)
        T2I_TRY(walk_item(w, dict ? value->key[i] : NULL, i, value->item[i], err));
    return T2I_OK;
}

/* ---- as JSON ---- */

static t2i_status run_json(const t2i_run_state *run, t2i_json **out, t2i_error *err)
{
    t2i_json *options = NULL, *json;
    *out = NULL;
    if (run->options != NULL)
        T2I_TRY(
            t2i_json_parse(&options, run->options, strlen(run->options), "the run's options", err));
    json = *out = t2i_json_object();
    t2i_json_set_integer(json, "step", run->step);
    t2i_json_set_integer(json, "updates", run->updates);
    t2i_json_set_integer(json, "skipped", run->skipped);
    t2i_json_set_integer(json, "shards", run->shards);
    t2i_json_set(json, "best", run->best >= 0.0 ? t2i_json_real(run->best) : t2i_json_null());
    if (run->best_mrr > 0.0) t2i_json_set_real(json, "best_mrr", run->best_mrr);
    if (run->waited > 0) t2i_json_set_integer(json, "waited", run->waited);
    if (run->index_weight > 0.0) t2i_json_set_real(json, "index_weight", run->index_weight);
    t2i_json_set_string(json, "dataset", run->dataset);
    t2i_json_set(json, "options", options == NULL ? t2i_json_object() : options);
    return T2I_OK;
}

static t2i_status model_json(const t2i_model_file *file, t2i_json *json, t2i_error *err)
{
    const t2i_checkpoint *c = &file->model;
    t2i_json *vocab = t2i_json_array(), *run = NULL;
    size_t numbers;
    t2i_checkpoint_tensors(c, &numbers);
    for (size_t i = 0; i < c->vocab.size; i++)
        t2i_json_append(vocab, t2i_json_string(c->vocab.name[i], strlen(c->vocab.name[i])));
    t2i_json_set(json, "verified", t2i_json_bool(c->ours));
    t2i_json_set(json, "head", t2i_json_bool(c->has_head));
    t2i_json_set(json, "moments", t2i_json_bool(c->m != NULL));
    t2i_json_set(json, "config", t2i_checkpoint_config_json(&c->model.config));
    t2i_json_set_integer(json, "parameters", (int64_t)numbers);
    t2i_json_set(json, "vocab", vocab);
    t2i_json_set_integer(json, "unused", (int64_t)c->unused);
    if (!t2i_model_file_has_run(file)) return T2I_OK;
    T2I_TRY(run_json(&c->run, &run, err));
    t2i_json_set(json, "run", run);
    return T2I_OK;
}

static t2i_status tensor_json(t2i_model_file *file, const t2i_tensor_info *tensor, t2i_json *list,
                              t2i_error *err)
{
    range r;
    T2I_TRY(find_range(file, tensor, &r, err));
    t2i_json *json = t2i_json_object(), *shape = t2i_json_array();
    for (size_t i = 0; i < tensor->dims; i++)
        t2i_json_append(shape, t2i_json_integer((int64_t)tensor->dim[i]));
    t2i_json_set_string(json, "name", tensor->name);
    t2i_json_set_string(json, "dtype", tensor->dtype);
    t2i_json_set(json, "shape", shape);
    t2i_json_set(json, "min", r.numbers ? t2i_json_real(r.least) : t2i_json_null());
    t2i_json_set(json, "max", r.numbers ? t2i_json_real(r.most) : t2i_json_null());
    t2i_json_set(json, "mean_abs", r.numbers ? t2i_json_real(r.mean) : t2i_json_null());
    t2i_json_set_integer(json, "not_finite", (int64_t)r.not_finite);
    t2i_json_append(list, json);
    return T2I_OK;
}

static t2i_status value_json(void *context, const char *name, const t2i_py *value, t2i_error *err)
{
    t2i_json *json = value->kind == T2I_PY_BOOL    ? t2i_json_bool(value->integer != 0)
                     : value->kind == T2I_PY_INT   ? t2i_json_integer(value->integer)
                     : value->kind == T2I_PY_FLOAT ? t2i_json_real(value->real)
                     : value->kind == T2I_PY_TEXT  ? t2i_json_string(value->text, value->size)
                                                   : t2i_json_null();
    (void)err;
    t2i_json_set(context, name, json);
    return T2I_OK;
}

static t2i_status file_json(t2i_model_file *file, t2i_json *json, t2i_error *err)
{
    static const char *const kinds[] = {[T2I_FILE_MODEL] = "model",
                                        [T2I_FILE_TUTORIAL] = "tutorial",
                                        [T2I_FILE_SAFETENSORS] = "safetensors",
                                        [T2I_FILE_TORCH] = "torch"};
    t2i_status status = T2I_OK;
    t2i_json_set_string(json, "file", file->path);
    t2i_json_set_string(json, "kind", kinds[file->kind]);
    if (t2i_model_file_is_model(file)) status = model_json(file, json, err);
    t2i_json *list = t2i_json_array();
    for (size_t i = 0; status == T2I_OK && i < t2i_tensors_count(file->file); i++)
        status = tensor_json(file, t2i_tensors_at(file->file, i), list, err);
    t2i_json_set(json, "tensors", list);
    if (status != T2I_OK || file->kind != T2I_FILE_TORCH) return status;
    t2i_json *values = t2i_json_object();
    walk w = {.visit = value_json, .context = values};
    status = walk_values(&w, t2i_tensors_tree(file->file), err);
    t2i_json_set(json, "values", values);
    t2i_text_free(&w.name);
    return status;
}

/* ---- as text ---- */

/* Appends untrusted text, at most `most` bytes of it. */
static t2i_status add_plain(t2i_text *out, const char *text, size_t size, size_t most,
                            t2i_error *err)
{
    size_t length = size;
    if (size > most)
        for (length = most; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80;) length--;
    T2I_TRY(t2i_text_add_plain(out, text, length, err));
    return size > length ? t2i_text_add(out, "...", 3, err) : T2I_OK;
}

static t2i_status add_characters(const t2i_vocab *vocab, t2i_text *out, t2i_error *err)
{
    size_t shown = 0, hidden = 0;
    T2I_TRY(t2i_text_addf(out, err, "  characters     %zu: \"", vocab->characters));
    for (size_t i = 0; i < vocab->size && shown < CHARACTERS_SHOWN; i++) {
        if (vocab->code[i] == T2I_NO_CODE) continue;
        shown++;
        if (t2i_utf8_is_visible(vocab->code[i]))
            T2I_TRY(t2i_text_addf(out, err, "%s", vocab->name[i]));
        else
            hidden++;
    }
    T2I_TRY(t2i_text_addf(out, err, "\"%s", shown < vocab->characters ? " ..." : ""));
    for (size_t i = 0; i < vocab->size && hidden > 0; i++) {
        if (vocab->code[i] == T2I_NO_CODE || t2i_utf8_is_visible(vocab->code[i])) continue;
        T2I_TRY(t2i_text_addf(out, err, " U+%04X", (unsigned)vocab->code[i]));
        hidden--;
    }
    return t2i_text_add(out, "\n", 1, err);
}

static t2i_status add_specials(const t2i_vocab *vocab, t2i_text *out, t2i_error *err)
{
    const char *comma = "";
    T2I_TRY(t2i_text_addf(out, err, "  specials       "));
    for (size_t i = 0; i < vocab->size; i++) {
        if (vocab->code[i] != T2I_NO_CODE) continue;
        T2I_TRY(t2i_text_addf(out, err, "%s%zu ", comma, i));
        T2I_TRY(add_plain(out, vocab->name[i], strlen(vocab->name[i]), TEXT_SHOWN, err));
        comma = ", ";
    }
    return t2i_text_add(out, "\n", 1, err);
}

static t2i_status add_options(const t2i_run_state *run, t2i_text *out, t2i_error *err)
{
    t2i_json *json = NULL;
    const char *key = NULL, *comma = "", *value;
    if (run->options == NULL) return T2I_OK;
    T2I_TRY(t2i_json_parse(&json, run->options, strlen(run->options), "the run's options", err));
    t2i_status status = t2i_text_addf(out, err, "  options        ");
    while (status == T2I_OK && (key = t2i_json_next_key(json, key)) != NULL) {
        if (!t2i_json_as_string(t2i_json_get(json, key), &value, NULL)) value = "?";
        status = t2i_text_addf(out, err, "%s", comma);
        if (status == T2I_OK) status = add_plain(out, key, strlen(key), TEXT_SHOWN, err);
        if (status == T2I_OK) status = t2i_text_addf(out, err, " = ");
        if (status == T2I_OK) status = add_plain(out, value, strlen(value), TEXT_SHOWN, err);
        comma = ", ";
    }
    t2i_json_free(json);
    return status == T2I_OK ? t2i_text_add(out, "\n", 1, err) : status;
}

static t2i_status add_run(const t2i_model_file *file, t2i_text *out, t2i_error *err)
{
    const t2i_run_state *run = &file->model.run;
    if (!file->model.ours) return T2I_OK;
    if (!t2i_model_file_has_run(file))
        return t2i_text_addf(out, err, "  run            none (imported model)\n");
    T2I_TRY(t2i_text_addf(out, err,
                          "  run            step %ld, updates %ld, skipped %ld, shards %ld",
                          run->step, run->updates, run->skipped, run->shards));
    if (run->best >= 0.0) T2I_TRY(t2i_text_addf(out, err, ", best validation %.6g", run->best));
    if (run->best_mrr > 0.0) T2I_TRY(t2i_text_addf(out, err, ", best MRR %.6g", run->best_mrr));
    if (run->waited > 0)
        T2I_TRY(t2i_text_addf(out, err, ", %ld validations since the best", run->waited));
    if (run->index_weight > 0.0)
        T2I_TRY(t2i_text_addf(out, err, ", index weight %.6g", run->index_weight));
    T2I_TRY(t2i_text_addf(out, err, "\n  dataset        "));
    T2I_TRY(t2i_text_add_plain(out, run->dataset, strlen(run->dataset), err));
    T2I_TRY(t2i_text_addf(out, err, "\n"));
    return add_options(run, out, err);
}

static t2i_status add_model(const t2i_model_file *file, t2i_text *out, t2i_error *err)
{
    const t2i_checkpoint *c = &file->model;
    T2I_TRY(t2i_text_addf(out, err, "  verified       %s\n",
                          c->ours ? "yes: header and tensors match their digests"
                                  : "no: it has no checksums"));
    T2I_TRY(t2i_text_addf(out, err, "  configuration  "));
    for (size_t i = 0; i < T2I_MODEL_SIZES; i++)
        if (i < T2I_MODEL_TUTORIAL_SIZES || t2i_model_size(&c->model.config, i) > 0)
            T2I_TRY(t2i_text_addf(out, err, "%s%s %zu", i == 0 ? "" : ", ", t2i_model_size_name(i),
                                  t2i_model_size(&c->model.config, i)));
    size_t numbers, tensors = t2i_checkpoint_tensors(c, &numbers);
    T2I_TRY(t2i_text_addf(out, err, "\n  parameters     %zu in %zu tensors%s%s\n", numbers, tensors,
                          c->m == NULL ? "" : ", with AdamW's moments",
                          c->has_head ? "" : "; no head"));
    T2I_TRY(t2i_text_addf(out, err, "  vocabulary     %zu entries\n", c->vocab.size));
    T2I_TRY(add_characters(&c->vocab, out, err));
    T2I_TRY(add_specials(&c->vocab, out, err));
    T2I_TRY(add_run(file, out, err));
    if (c->unused == 0) return T2I_OK;
    return t2i_text_addf(out, err, "  not used       %zu: %s\n", c->unused, c->unused_names);
}

static t2i_status value_text(void *context, const char *name, const t2i_py *value, t2i_error *err)
{
    t2i_text *out = context;
    T2I_TRY(t2i_text_addf(out, err, "\n  "));
    T2I_TRY(add_plain(out, name, strlen(name), NAME_SHOWN, err));
    switch (value->kind) {
    case T2I_PY_BOOL:
        return t2i_text_addf(out, err, " = %s", value->integer ? "True" : "False");
    case T2I_PY_INT:
        return t2i_text_addf(out, err, " = %" PRId64, value->integer);
    case T2I_PY_FLOAT:
        return t2i_text_addf(out, err, " = %.9g", value->real);
    case T2I_PY_NONE:
        return t2i_text_addf(out, err, " = None");
    default:
        T2I_TRY(t2i_text_addf(out, err, " = \""));
        T2I_TRY(add_plain(out, value->text, value->size, TEXT_SHOWN, err));
        return t2i_text_add(out, "\"", 1, err);
    }
}

/* Appends the first values, one per line. */
static t2i_status add_values(const t2i_model_file *file, t2i_text *out, t2i_error *err)
{
    t2i_text all = {0};
    walk w = {.visit = value_text, .context = &all};
    t2i_status status = walk_values(&w, t2i_tensors_tree(file->file), err);
    size_t lines = 0, end = 0;
    for (size_t i = 0; i < all.size; i++) {
        lines += all.data[i] == '\n';
        if (lines <= VALUES_SHOWN) end = i + 1;
    }
    if (status == T2I_OK && lines > 0)
        status = t2i_text_addf(out, err, "  other values   %zu%.*s\n", lines, (int)end, all.data);
    if (status == T2I_OK && lines > VALUES_SHOWN)
        status = t2i_text_addf(out, err, "  ... and %zu more (--json shows all)\n",
                               lines - VALUES_SHOWN);
    t2i_text_free(&w.name);
    t2i_text_free(&all);
    return status;
}

static const char *shape_of(const t2i_tensor_info *tensor, char out[SHAPE_SIZE])
{
    size_t used = 0;
    snprintf(out, SHAPE_SIZE, "()");
    for (size_t i = 0; i < tensor->dims; i++)
        used += (size_t)snprintf(out + used, SHAPE_SIZE - used, "%s%" PRIu64, i == 0 ? "" : "x",
                                 tensor->dim[i]);
    return out;
}

/* The text report leaves out the moments, which are twice as many as the model's tensors. */
static int is_left_out(const t2i_model_file *file, const t2i_tensor_info *tensor)
{
    return file->kind == T2I_FILE_MODEL && strncmp(tensor->name, "adamw.", 6) == 0;
}

static t2i_status add_tensor(t2i_model_file *file, const t2i_tensor_info *tensor, int width,
                             t2i_text *out, t2i_error *err)
{
    range r;
    char shape[SHAPE_SIZE];
    T2I_TRY(find_range(file, tensor, &r, err));
    T2I_TRY(t2i_text_addf(out, err, "  "));
    size_t from = out->size;
    T2I_TRY(add_plain(out, tensor->name, strlen(tensor->name), 200, err));
    for (size_t shown = out->size - from; shown < (size_t)width; shown++)
        T2I_TRY(t2i_text_add(out, " ", 1, err));
    T2I_TRY(t2i_text_addf(out, err, "  %-12s %-5s", shape_of(tensor, shape), tensor->dtype));
    if (r.numbers)
        T2I_TRY(t2i_text_addf(out, err, " %11.4g %11.4g %11.4g", r.least, r.most, r.mean));
    if (r.not_finite > 0)
        T2I_TRY(t2i_text_addf(out, err, "  %" PRIu64 " not finite", r.not_finite));
    return t2i_text_add(out, "\n", 1, err);
}

static t2i_status add_tensors(t2i_model_file *file, t2i_text *out, t2i_error *err)
{
    size_t count = t2i_tensors_count(file->file), width = 6, left_out = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(t2i_tensors_at(file->file, i)->name);
        if (size > width && !is_left_out(file, t2i_tensors_at(file->file, i))) width = size;
    }
    if (width > NAME_SHOWN) width = NAME_SHOWN;
    if (count > 0)
        T2I_TRY(t2i_text_addf(out, err, "\n  %-*s  %-12s %-5s %11s %11s %11s\n", (int)width,
                              "tensor", "shape", "dtype", "min", "max", "mean |x|"));
    for (size_t i = 0; i < count; i++) {
        const t2i_tensor_info *tensor = t2i_tensors_at(file->file, i);
        if (is_left_out(file, tensor))
            left_out++;
        else
            T2I_TRY(add_tensor(file, tensor, (int)width, out, err));
    }
    if (left_out == 0) return T2I_OK;
    return t2i_text_addf(out, err, "  adamw.m.*, adamw.v.*: %zu tensors (--json shows them)\n",
                         left_out);
}

static t2i_status add_file(t2i_model_file *file, t2i_text *out, t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, "%s", out->size > 0 ? "\n" : ""));
    T2I_TRY(t2i_text_add_plain(out, file->path, strlen(file->path), err));
    T2I_TRY(t2i_text_addf(out, err, ": %s\n", t2i_model_file_kind_name(file)));
    if (t2i_model_file_is_model(file))
        T2I_TRY(add_model(file, out, err));
    else
        T2I_TRY(t2i_text_addf(out, err, "  tensors        %zu\n", t2i_tensors_count(file->file)));
    if (file->kind == T2I_FILE_TORCH) T2I_TRY(add_values(file, out, err));
    return add_tensors(file, out, err);
}

/* ---- all ---- */

t2i_status t2i_model_show(const char *const *files, size_t count, int json, t2i_text *out,
                          t2i_error *err)
{
    t2i_json *array = json ? t2i_json_array() : NULL;
    t2i_status status = T2I_OK;
    char *text = NULL;
    for (size_t i = 0; status == T2I_OK && i < count; i++) {
        t2i_model_file file;
        status = t2i_model_file_open(&file, files[i], err);
        if (status != T2I_OK) break;
        t2i_json *object = json ? t2i_json_object() : NULL;
        status = json ? file_json(&file, object, err) : add_file(&file, out, err);
        if (json) t2i_json_append(array, object);
        t2i_model_file_close(&file);
    }
    if (status == T2I_OK && json) status = t2i_json_text(array, 2, &text, err);
    if (status == T2I_OK && json) status = t2i_text_addf(out, err, "%s\n", text);
    t2i_free(text);
    t2i_json_free(array);
    return status;
}
