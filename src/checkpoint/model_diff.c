#include "checkpoint/model_diff.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json.h"
#include "base/mem.h"
#include "checkpoint/model_file.h"
#include "base/string_table.h"

enum { LINES_SHOWN = 20 }; /* lines per kind of difference */

/* A tensor with different values. */
typedef struct {
    const char *name;
    uint64_t count; /* number of different values */
    double most;    /* largest difference; infinite if one of two values is not finite */
    double share;   /* largest difference / largest value of either tensor */
} change;

typedef struct {
    t2i_model_file file;
    t2i_string_table names; /* names of the tensors that are compared */
    const t2i_tensor_info **tensor;
    size_t moments; /* number of moments left out, as the other file has none */
} side;

typedef struct {
    side a, b;
    int models; /* both files are models */
    t2i_text *out;
    size_t differences, equal, uncompared;
    change *change;
    size_t changes;
} comparison;

/* Appends a line of the report, without control characters, as names are untrusted. */
static t2i_status add_line(comparison *d, t2i_error *err, const char *format, ...) T2I_PRINTF(3, 4);
static t2i_status add_line(comparison *d, t2i_error *err, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    T2I_TRY(t2i_text_add_plain(d->out, line, strlen(line), err));
    return t2i_text_add(d->out, "\n", 1, err);
}

/* ---- configuration, vocabulary, run ---- */

static t2i_status diff_config(comparison *d, t2i_error *err)
{
    const t2i_config *a = &d->a.file.model.model.config, *b = &d->b.file.model.model.config;
    for (size_t i = 0; i < T2I_MODEL_SIZES; i++) {
        size_t x = t2i_model_size(a, i), y = t2i_model_size(b, i);
        if (x == y) continue;
        d->differences++;
        T2I_TRY(add_line(d, err, "configuration: %s is %zu in A, %zu in B", t2i_model_size_name(i),
                         x, y));
    }
    return T2I_OK;
}

static t2i_status diff_vocab(comparison *d, t2i_error *err)
{
    const t2i_vocab *a = &d->a.file.model.vocab, *b = &d->b.file.model.vocab;
    size_t both = a->size < b->size ? a->size : b->size, first = both, count = 0;
    for (size_t i = 0; i < both; i++) {
        if (strcmp(a->name[i], b->name[i]) == 0) continue;
        if (count++ == 0) first = i;
    }
    if (a->size != b->size) {
        d->differences++;
        T2I_TRY(add_line(d, err, "vocabulary: %zu entries in A, %zu in B", a->size, b->size));
    }
    if (count == 0) return T2I_OK;
    d->differences++;
    return add_line(d, err, "vocabulary: %zu entries differ, first %zu: '%s' in A, '%s' in B",
                    count, first, a->name[first], b->name[first]);
}

static t2i_status diff_text(comparison *d, const char *key, const char *a, const char *b,
                            t2i_error *err)
{
    if (strcmp(a, b) == 0) return T2I_OK;
    d->differences++;
    return add_line(d, err, "run: %s is %s in A, %s in B", key, a, b);
}

static t2i_status diff_number(comparison *d, const char *key, double a, double b, t2i_error *err)
{
    char x[32], y[32];
    snprintf(x, sizeof x, a < 0.0 ? "not set" : "%.9g", a);
    snprintf(y, sizeof y, b < 0.0 ? "not set" : "%.9g", b);
    return diff_text(d, key, x, y, err);
}

static const char *option_of(const t2i_json *options, const char *key)
{
    const char *text = "not set";
    t2i_json_as_string(t2i_json_get(options, key), &text, NULL);
    return text;
}

static t2i_status diff_options(comparison *d, const t2i_json *a, const t2i_json *b, t2i_error *err)
{
    for (const char *key = NULL; (key = t2i_json_next_key(a, key)) != NULL;)
        T2I_TRY(diff_text(d, key, option_of(a, key), option_of(b, key), err));
    for (const char *key = NULL; (key = t2i_json_next_key(b, key)) != NULL;)
        if (t2i_json_get(a, key) == NULL)
            T2I_TRY(diff_text(d, key, option_of(a, key), option_of(b, key), err));
    return T2I_OK;
}

static t2i_status diff_run(comparison *d, t2i_error *err)
{
    const t2i_run_state *a = &d->a.file.model.run, *b = &d->b.file.model.run;
    t2i_json *x = NULL, *y = NULL;
    int in_a = t2i_model_file_has_run(&d->a.file), in_b = t2i_model_file_has_run(&d->b.file);
    if (!in_a && !in_b) return T2I_OK;
    if (!in_a || !in_b)
        return add_line(d, err, "run: only %s has the state of its run (does not count)",
                        in_a ? "A" : "B");
    T2I_TRY(diff_number(d, "step", (double)a->step, (double)b->step, err));
    T2I_TRY(diff_number(d, "updates", (double)a->updates, (double)b->updates, err));
    T2I_TRY(diff_number(d, "skipped", (double)a->skipped, (double)b->skipped, err));
    T2I_TRY(diff_number(d, "shards", (double)a->shards, (double)b->shards, err));
    T2I_TRY(diff_number(d, "best", a->best, b->best, err));
    T2I_TRY(diff_number(d, "best_mrr", a->best_mrr, b->best_mrr, err));
    T2I_TRY(diff_number(d, "waited", (double)a->waited, (double)b->waited, err));
    T2I_TRY(diff_text(d, "dataset", a->dataset, b->dataset, err));
    t2i_status status = t2i_json_parse(&x, a->options, strlen(a->options), d->a.file.path, err);
    if (status == T2I_OK)
        status = t2i_json_parse(&y, b->options, strlen(b->options), d->b.file.path, err);
    if (status == T2I_OK) status = diff_options(d, x, y, err);
    t2i_json_free(x);
    t2i_json_free(y);
    return status;
}

/* ---- tensors ---- */

/* Of the tutorial's layout only tensors of the model are compared, as other formats lack the rest.
 */
static int is_compared(const comparison *d, const side *s, const t2i_tensor_info *tensor,
                       const char *name)
{
    return !d->models || s->file.kind != T2I_FILE_TUTORIAL || name != tensor->name;
}

static t2i_status list_tensors(comparison *d, side *s, const side *other, t2i_error *err)
{
    size_t count = t2i_tensors_count(s->file.file), number;
    s->tensor = t2i_alloc(count, sizeof *s->tensor);
    if (s->tensor == NULL) return t2i_fail_memory(err, count * sizeof *s->tensor, "a list");
    for (size_t i = 0; i < count; i++) {
        const t2i_tensor_info *tensor = t2i_tensors_at(s->file.file, i);
        char room[T2I_NAME_MAX];
        const char *name = d->models ? t2i_model_file_name(&s->file, tensor, room) : tensor->name;
        if (!is_compared(d, s, tensor, name)) continue;
        if (d->models && other->file.model.m == NULL && strncmp(name, "adamw.", 6) == 0) {
            s->moments++;
            continue;
        }
        T2I_TRY(t2i_string_table_add(&s->names, name, &number, err));
        s->tensor[number] = tensor;
    }
    return T2I_OK;
}

static int same_shape(const t2i_tensor_info *a, const t2i_tensor_info *b)
{
    int same = a->dims == b->dims;
    for (size_t i = 0; same && i < a->dims; i++) same = a->dim[i] == b->dim[i];
    return same;
}

static change compare_numbers(const float *a, const float *b, uint64_t count)
{
    change c = {0};
    double largest = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        double x = (double)a[i], y = (double)b[i];
        if (isfinite(x) && fabs(x) > largest) largest = fabs(x);
        if (isfinite(y) && fabs(y) > largest) largest = fabs(y);
        if (x == y || (isnan(x) && isnan(y))) continue;
        double off = isfinite(x) && isfinite(y) ? fabs(x - y) : INFINITY;
        if (off > c.most) c.most = off;
        c.count++;
    }
    c.share = c.count == 0 ? 0.0 : c.most / largest; /* infinite if all finite values are 0 */
    return c;
}

static t2i_status compare_tensor(comparison *d, size_t at, size_t other, t2i_error *err)
{
    const t2i_tensor_info *a = d->a.tensor[at], *b = d->b.tensor[other];
    const char *name = t2i_string_table_at(&d->a.names, at);
    const float *x, *y;
    if (!same_shape(a, b)) {
        d->differences++;
        return add_line(d, err, "tensor %s: different shapes in A and B", name);
    }
    T2I_TRY(t2i_model_file_floats(&d->a.file, a, &x, err));
    T2I_TRY(t2i_model_file_floats(&d->b.file, b, &y, err));
    if ((x == NULL) != (y == NULL)) {
        d->differences++;
        return add_line(d, err, "tensor %s: %s in A, %s in B", name, a->dtype, b->dtype);
    }
    if (x == NULL) {
        d->uncompared++;
        return T2I_OK;
    }
    change c = compare_numbers(x, y, a->count);
    if (c.count == 0) {
        d->equal++;
        return T2I_OK;
    }
    c.name = name;
    d->differences++;
    d->change[d->changes++] = c;
    return T2I_OK;
}

/* Lists the names of `in` that `from` lacks. */
static t2i_status list_only(comparison *d, const side *in, const side *from, const char *letter,
                            t2i_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < in->names.count; i++) {
        const char *name = t2i_string_table_at(&in->names, i);
        if (t2i_string_table_find(&from->names, name) != SIZE_MAX) continue;
        if (count++ < LINES_SHOWN) T2I_TRY(add_line(d, err, "tensor %s: only in %s", name, letter));
    }
    d->differences += count;
    if (count <= LINES_SHOWN) return T2I_OK;
    return add_line(d, err, "... and %zu more that are only in %s", count - LINES_SHOWN, letter);
}

static int worst_first(const void *a, const void *b)
{
    const change *x = a, *y = b;
    if (x->share != y->share) return x->share > y->share ? -1 : 1;
    if (x->most != y->most) return x->most > y->most ? -1 : 1;
    return strcmp(x->name, y->name);
}

static t2i_status add_changes(comparison *d, t2i_error *err)
{
    int width = 6;
    if (d->changes == 0) return T2I_OK;
    qsort(d->change, d->changes, sizeof *d->change, worst_first);
    for (size_t i = 0; i < d->changes && i < LINES_SHOWN; i++)
        if (strlen(d->change[i].name) > (size_t)width && strlen(d->change[i].name) <= 60)
            width = (int)strlen(d->change[i].name);
    T2I_TRY(add_line(d, err, "%-*s  %9s  %12s  %12s", width, "tensor", "differ", "largest",
                     "relative"));
    for (size_t i = 0; i < d->changes && i < LINES_SHOWN; i++) {
        const change *c = &d->change[i];
        T2I_TRY(add_line(d, err, "%-*s  %9" PRIu64 "  %12.4g  %12.4g", width, c->name, c->count,
                         c->most, c->share));
    }
    if (d->changes <= LINES_SHOWN) return T2I_OK;
    return add_line(d, err, "... and %zu more tensors", d->changes - LINES_SHOWN);
}

static t2i_status diff_tensors(comparison *d, t2i_error *err)
{
    T2I_TRY(list_tensors(d, &d->a, &d->b, err));
    T2I_TRY(list_tensors(d, &d->b, &d->a, err));
    d->change = t2i_alloc(d->a.names.count, sizeof *d->change);
    if (d->change == NULL)
        return t2i_fail_memory(err, d->a.names.count * sizeof *d->change, "a list");
    T2I_TRY(list_only(d, &d->a, &d->b, "A", err));
    T2I_TRY(list_only(d, &d->b, &d->a, "B", err));
    for (size_t i = 0; i < d->a.names.count; i++) {
        size_t other = t2i_string_table_find(&d->b.names, t2i_string_table_at(&d->a.names, i));
        if (other != SIZE_MAX) T2I_TRY(compare_tensor(d, i, other, err));
    }
    return add_changes(d, err);
}

/* ---- all ---- */

static t2i_status add_end(comparison *d, t2i_error *err)
{
    if (d->a.moments + d->b.moments > 0)
        T2I_TRY(add_line(d, err, "only %s has AdamW's moments (does not count)",
                         d->a.moments > 0 ? "A" : "B"));
    if (d->uncompared > 0)
        T2I_TRY(add_line(d, err, "%zu tensors of integers were not compared", d->uncompared));
    return add_line(d, err, "%zu tensors are equal, %zu have different values%s", d->equal,
                    d->changes, d->differences == 0 ? "; no difference was found" : "");
}

static t2i_status compare(comparison *d, const char *a, const char *b, t2i_error *err)
{
    T2I_TRY(t2i_model_file_open(&d->a.file, a, err));
    T2I_TRY(t2i_model_file_open(&d->b.file, b, err));
    T2I_TRY(add_line(d, err, "A: %s, %s", d->a.file.path, t2i_model_file_kind_name(&d->a.file)));
    T2I_TRY(add_line(d, err, "B: %s, %s", d->b.file.path, t2i_model_file_kind_name(&d->b.file)));
    d->models = t2i_model_file_is_model(&d->a.file) && t2i_model_file_is_model(&d->b.file);
    if (d->models) {
        T2I_TRY(diff_config(d, err));
        T2I_TRY(diff_vocab(d, err));
        T2I_TRY(diff_run(d, err));
    }
    T2I_TRY(diff_tensors(d, err));
    return add_end(d, err);
}

static void free_side(side *s)
{
    t2i_model_file_close(&s->file);
    t2i_string_table_free(&s->names);
    t2i_free(s->tensor);
}

t2i_status t2i_model_diff(const char *a, const char *b, t2i_text *out, size_t *differences,
                          t2i_error *err)
{
    comparison d = {.out = out};
    t2i_status status = compare(&d, a, b, err);
    *differences = d.differences;
    free_side(&d.a);
    free_side(&d.b);
    t2i_free(d.change);
    return status;
}
