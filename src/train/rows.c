#include "train/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum { BLOCK = 8192 }; /* pairs read at a time */

void t2i_rows_free(t2i_rows *rows)
{
    t2i_free(rows->row);
    t2i_free(rows->ids);
    t2i_free(rows->user_row);
    t2i_free(rows->pair);
    t2i_free(rows->image);
    *rows = (t2i_rows){0};
}

/* ---- reading pairs in blocks ---- */

typedef struct {
    uint64_t first; /* pair */
    size_t count;
    uint8_t split[BLOCK];
    uint32_t image[BLOCK], user_row[BLOCK];
    uint64_t offset[BLOCK + 1];
    char *bytes; /* owned: prompts of the block */
    size_t room;
} pass;

static t2i_status pass_new(pass **out, t2i_error *err)
{
    *out = t2i_alloc(1, sizeof **out);
    return *out == NULL ? t2i_fail_memory(err, sizeof **out, "reading the dataset") : T2I_OK;
}

static void pass_free(pass *p)
{
    if (p != NULL) t2i_free(p->bytes);
    t2i_free(p);
}

/* Reads the splits of the block that begins at pair `first`. */
static t2i_status pass_splits(pass *p, t2i_dataset *dataset, uint64_t first, t2i_error *err)
{
    uint64_t left = t2i_dataset_get_info(dataset)->pairs - first;
    p->first = first;
    p->count = left < BLOCK ? (size_t)left : BLOCK;
    return t2i_dataset_pairs(dataset, first, p->count, NULL, NULL, p->split, err);
}

/* Splits and prompts. */
static t2i_status pass_prompts(pass *p, t2i_dataset *dataset, uint64_t first, t2i_error *err)
{
    T2I_TRY(pass_splits(p, dataset, first, err));
    T2I_TRY(t2i_dataset_prompt_offsets(dataset, first, p->count, p->offset, err));
    size_t size = (size_t)(p->offset[p->count] - p->offset[0]);
    if (size > p->room) {
        if (t2i_grow(&p->bytes, 0, size, 1) != 0) return t2i_fail_memory(err, size, "prompts");
        p->room = size;
    }
    return t2i_dataset_prompt_bytes(dataset, p->offset[0], size, p->bytes, err);
}

static const char *prompt(const pass *p, size_t i, size_t *size)
{
    *size = (size_t)(p->offset[i + 1] - p->offset[i]);
    return p->bytes + (p->offset[i] - p->offset[0]);
}

t2i_status t2i_rows_count(t2i_dataset *dataset, uint64_t counts[T2I_SPLITS], t2i_error *err)
{
    pass *p;
    T2I_TRY(pass_new(&p, err));
    t2i_status status = T2I_OK;
    memset(counts, 0, T2I_SPLITS * sizeof *counts);
    for (uint64_t at = 0; status == T2I_OK && at < t2i_dataset_get_info(dataset)->pairs;
         at += BLOCK) {
        status = pass_splits(p, dataset, at, err);
        for (size_t i = 0; status == T2I_OK && i < p->count; i++) counts[p->split[i]]++;
    }
    pass_free(p);
    return status;
}

t2i_status t2i_rows_vocab(t2i_vocab *out, t2i_dataset *dataset, size_t min_count, t2i_error *err)
{
    pass *p;
    t2i_vocab_builder *builder;
    *out = (t2i_vocab){0};
    T2I_TRY(t2i_vocab_builder_new(&builder, err));
    t2i_status status = pass_new(&p, err);
    for (uint64_t at = 0; status == T2I_OK && at < t2i_dataset_get_info(dataset)->pairs;
         at += BLOCK) {
        status = pass_prompts(p, dataset, at, err);
        for (size_t i = 0; status == T2I_OK && i < p->count; i++) {
            size_t size;
            const char *text = prompt(p, i, &size);
            if (p->split[i] == T2I_TRAIN) t2i_vocab_builder_add(builder, text, size);
        }
    }
    if (status == T2I_OK) status = t2i_vocab_builder_end(builder, min_count, out, err);
    t2i_vocab_builder_free(builder);
    pass_free(p);
    return status;
}

/* ---- loading ---- */

/* The range of pairs that contains the wanted rows, and the total bytes of their prompts.
 */
typedef struct {
    uint64_t begin, end; /* pairs */
    size_t bytes;
} extent;

static t2i_status measure(extent *out, pass *p, const t2i_row_range *range, t2i_error *err)
{
    t2i_dataset *dataset = range->dataset;
    int split = range->split;
    uint64_t first = range->first, end = range->end;
    uint64_t seen = 0, pairs = t2i_dataset_get_info(dataset)->pairs;
    *out = (extent){.begin = pairs, .end = 0};
    for (uint64_t at = 0; at < pairs && seen < end; at += BLOCK) {
        uint64_t here = 0;
        T2I_TRY(pass_splits(p, dataset, at, err));
        for (size_t i = 0; i < p->count; i++)
            here += split == T2I_ANY_SPLIT || p->split[i] == split;
        if (seen + here <= first) { /* rows of another rank */
            seen += here;
            continue;
        }
        T2I_TRY(t2i_dataset_prompt_offsets(dataset, at, p->count, p->offset, err));
        for (size_t i = 0; i < p->count; i++) {
            if (split != T2I_ANY_SPLIT && p->split[i] != split) continue;
            if (seen >= first && seen < end) {
                if (at + i < out->begin) out->begin = at + i;
                out->end = at + i + 1;
                out->bytes += (size_t)(p->offset[i + 1] - p->offset[i]);
            }
            seen++;
        }
    }
    T2I_ASSERT(seen >= end);
    return T2I_OK;
}

static t2i_status add_row(t2i_rows *r, size_t *used, const pass *p, size_t i,
                          const t2i_row_range *range, t2i_error *err)
{
    size_t size;
    const char *text = prompt(p, i, &size);
    t2i_encoded e = t2i_vocab_encode(range->vocab, text, size, range->block_size, r->ids + *used);
    if (range->known && e.unknown > 0) {
        char shown[8] = "";
        t2i_utf8_encode(e.first_unknown, shown);
        return t2i_fail(err, T2I_DATA,
                        "%s: row %u has the character '%s' (U+%04X), which is not in the model's "
                        "vocabulary; train a new model, or leave the row out",
                        t2i_dataset_path(range->dataset), (unsigned)p->user_row[i], shown,
                        (unsigned)e.first_unknown);
    }
    r->row[r->count] = (t2i_row){r->ids + *used, e.length};
    r->image[r->count] = p->image[i];
    r->user_row[r->count] = p->user_row[i];
    r->pair[r->count] = p->first + i;
    r->count++;
    *used += e.length;
    if (e.length > r->longest) r->longest = e.length;
    if (e.cut > 0) r->cut++;
    return T2I_OK;
}

static t2i_status load(t2i_rows *r, pass *p, const t2i_row_range *range, t2i_error *err)
{
    extent e;
    t2i_dataset *dataset = range->dataset;
    T2I_TRY(measure(&e, p, range, err));
    size_t count = (size_t)(range->end - range->first), used = 0;
    r->row = t2i_alloc(count, sizeof *r->row);
    r->ids = t2i_alloc(e.bytes, sizeof *r->ids);
    r->image = t2i_alloc(count, sizeof *r->image);
    r->user_row = t2i_alloc(count, sizeof *r->user_row);
    r->pair = t2i_alloc(count, sizeof *r->pair);
    if (r->row == NULL || r->ids == NULL || r->image == NULL || r->user_row == NULL ||
        r->pair == NULL)
        return t2i_fail_memory(err, count * sizeof *r->row + e.bytes * 2, "prompts");
    for (uint64_t at = e.begin; at < e.end && r->count < count; at += BLOCK) {
        T2I_TRY(pass_prompts(p, dataset, at, err));
        T2I_TRY(t2i_dataset_pairs(dataset, at, p->count, p->image, p->user_row, NULL, err));
        for (size_t i = 0; i < p->count && r->count < count; i++)
            if (range->split == T2I_ANY_SPLIT || p->split[i] == range->split)
                T2I_TRY(add_row(r, &used, p, i, range, err));
    }
    return T2I_OK;
}

t2i_status t2i_rows_load(t2i_rows *out, const t2i_row_range *range, t2i_error *err)
{
    pass *p;
    *out = (t2i_rows){0};
    if (range->first == range->end) return T2I_OK;
    T2I_TRY(pass_new(&p, err));
    t2i_status status = load(out, p, range, err);
    pass_free(p);
    if (status != T2I_OK) t2i_rows_free(out);
    return status;
}
