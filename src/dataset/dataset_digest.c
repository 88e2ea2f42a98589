#include "dataset/dataset_digest.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "dataset/dataset_column.h"

typedef struct {
    t2i_column *column;
    uint8_t *picture; /* (M, 16): digest of the pixels or features of each picture */
    t2i_progress progress;
    double all, done; /* bytes */
    /* pairs with one prompt */
    t2i_text prompt;
    uint8_t *run; /* (runs, 16): digests of their pictures */
    size_t runs, run_room;
} digester;

static t2i_status begin(digester *d, const char *what, t2i_error *err)
{
    size_t images = (size_t)d->column[FEATURES].rows;
    d->picture = t2i_alloc(images, T2I_HASH_BYTES);
    if (d->picture == NULL) return t2i_fail_memory(err, images * T2I_HASH_BYTES, "digests");
    t2i_progress_begin(&d->progress, what);
    return T2I_OK;
}

static void end(digester *d)
{
    t2i_free(d->picture);
    t2i_free(d->run);
    t2i_text_free(&d->prompt);
}

/* The column that shows what a picture is. */
static int picture_column(const t2i_column *column)
{
    return column[PIXELS].present ? PIXELS : FEATURES;
}

/* Adds all values of a column to `hash`, unless that is NULL, and sets d->picture from the column
 * that has the pictures. */
static t2i_status read_values(digester *d, int which, t2i_hash *hash, t2i_error *err)
{
    t2i_column *column = &d->column[which];
    int shows = which == picture_column(d->column);
    for (uint64_t block = 0; block < column->blocks; block++) {
        const uint8_t *bytes;
        T2I_TRY(t2i_column_block(column, block, &bytes, err));
        size_t size = t2i_column_block_bytes(column, block);
        uint64_t rows = shows ? t2i_column_block_rows(column, block) : 0;
        uint8_t *out = d->picture + block * column->block_rows * T2I_HASH_BYTES;
        for (uint64_t i = 0; i < rows; i++)
            t2i_hash_128(bytes + i * column->row_bytes, (size_t)column->row_bytes,
                         out + i * T2I_HASH_BYTES);
        if (hash != NULL) t2i_hash_add(hash, bytes, size);
        d->done += (double)size;
        t2i_progress_at(&d->progress, d->done / d->all);
    }
    return T2I_OK;
}

/* ---- content ---- */

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, T2I_HASH_BYTES);
}

static t2i_status bad(const digester *d, const char *what, uint64_t number, const char *why,
                      t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a valid t2i dataset: %s %llu %s", d->column->file,
                    what, (unsigned long long)number, why);
}

/* Adds the pairs of one prompt in the order of their pictures' digests. */
static void end_run(digester *d, t2i_hash *hash)
{
    uint64_t size = d->prompt.size;
    if (d->runs > 1) qsort(d->run, d->runs, T2I_HASH_BYTES, by_bytes);
    for (size_t i = 0; i < d->runs; i++) {
        t2i_hash_add(hash, &size, sizeof size);
        t2i_hash_add(hash, d->prompt.data, d->prompt.size);
        t2i_hash_add(hash, d->run + i * T2I_HASH_BYTES, T2I_HASH_BYTES);
    }
    d->runs = 0;
}

static t2i_status add_to_run(digester *d, uint64_t pair, t2i_error *err)
{
    uint32_t image;
    T2I_TRY(t2i_column_read(&d->column[PAIR_IMAGE], pair, 1, &image, err));
    if (image >= d->column[FEATURES].rows)
        return bad(d, "pair", pair, "names a picture that does not exist", err);
    if (d->runs == d->run_room) {
        size_t room = 2 * d->run_room + 64;
        if (t2i_grow(&d->run, d->runs, room, T2I_HASH_BYTES) != 0)
            return t2i_fail_memory(err, room * T2I_HASH_BYTES, "digests");
        d->run_room = room;
    }
    memcpy(d->run + d->runs++ * T2I_HASH_BYTES, d->picture + (size_t)image * T2I_HASH_BYTES,
           T2I_HASH_BYTES);
    return T2I_OK;
}

static t2i_status read_prompt(digester *d, uint64_t pair, t2i_text *out, t2i_error *err)
{
    uint64_t at[2];
    T2I_TRY(t2i_column_read(&d->column[PROMPT_OFFSETS], pair, 2, at, err));
    if (at[0] > at[1] || at[1] > d->column[PROMPT_BYTES].rows || at[1] - at[0] > STRING_MAX)
        return bad(d, "row", pair, "of /prompts/offsets has an impossible length", err);
    size_t size = (size_t)(at[1] - at[0]);
    if (out->room < size) {
        if (t2i_grow(&out->data, 0, 2 * size, 1) != 0)
            return t2i_fail_memory(err, 2 * size, "a prompt");
        out->room = 2 * size;
    }
    out->size = size;
    return t2i_column_read(&d->column[PROMPT_BYTES], at[0], size, out->data, err);
}

/* The pairs are sorted by prompt. */
static t2i_status add_pairs(digester *d, t2i_hash *hash, t2i_text *next, t2i_error *err)
{
    for (uint64_t i = 0; i < d->column[PAIR_IMAGE].rows; i++) {
        T2I_TRY(read_prompt(d, i, next, err));
        if (i > 0 && t2i_dataset_schema_compare_prompts(d->prompt.data, d->prompt.size, next->data,
                                                        next->size) != 0)
            end_run(d, hash);
        t2i_text swap = d->prompt;
        d->prompt = *next;
        *next = swap;
        T2I_TRY(add_to_run(d, i, err));
    }
    end_run(d, hash);
    return T2I_OK;
}

/* d->picture is filled. */
static t2i_status content_of(digester *d, char out[T2I_HEX], t2i_error *err)
{
    t2i_hash *hash;
    t2i_text next = {0};
    T2I_TRY(t2i_hash_new(&hash, err));
    t2i_status status = add_pairs(d, hash, &next, err);
    if (status == T2I_OK) t2i_hash_end(hash, out);
    t2i_text_free(&next);
    t2i_hash_free(hash);
    return status;
}

t2i_status t2i_dataset_digest_content(t2i_column *column, char out[T2I_HEX], t2i_error *err)
{
    int which = picture_column(column);
    digester d = {.column = column,
                  .all = (double)column[which].rows * (double)column[which].row_bytes};
    t2i_status status = begin(&d, "computing the digest of the content", err);
    if (status == T2I_OK) status = read_values(&d, which, NULL, err);
    if (status == T2I_OK) status = content_of(&d, out, err);
    if (status == T2I_OK) t2i_progress_end(&d.progress);
    end(&d);
    return status;
}

/* ---- digest ---- */

static const char *kind_name(t2i_kind kind)
{
    return kind == T2I_U8 ? "u8" : kind == T2I_U32 ? "u32" : kind == T2I_U64 ? "u64" : "f32";
}

static void add_number(t2i_hash *hash, uint64_t number)
{
    t2i_hash_add(hash, &number, sizeof number);
}

static t2i_status add_column(digester *d, int which, t2i_hash *hash, t2i_error *err)
{
    const t2i_column *column = &d->column[which];
    const t2i_column_spec *spec = column->spec;
    const char *kind = kind_name(spec->kind);
    t2i_hash_add(hash, spec->path, strlen(spec->path) + 1);
    t2i_hash_add(hash, kind, strlen(kind) + 1);
    add_number(hash, spec->rank);
    for (unsigned i = 0; i < spec->rank; i++) add_number(hash, column->dim[i]);
    return read_values(d, which, hash, err);
}

static void add_text(t2i_hash *hash, const char *name, const char *value)
{
    t2i_hash_add(hash, name, strlen(name) + 1);
    t2i_hash_add(hash, value, strlen(value) + 1);
}

static void add_attributes(t2i_hash *hash, const char *tool, const char *encoder)
{
    static const char name[] = "format_version";
    const uint32_t version = FORMAT_VERSION;
    add_text(hash, "format", FORMAT);
    t2i_hash_add(hash, name, sizeof name);
    t2i_hash_add(hash, &version, sizeof version);
    t2i_hash_add(hash, "", 1);
    add_text(hash, "tool", tool);
    add_text(hash, "encoder", encoder);
}

t2i_status t2i_dataset_digest(t2i_column *column, const char *tool, const char *encoder,
                              char digest[T2I_HEX], char content[T2I_HEX], t2i_error *err)
{
    digester d = {.column = column};
    t2i_hash *hash;
    T2I_TRY(t2i_hash_new(&hash, err));
    for (int i = 0; i < COLUMNS; i++)
        if (column[i].present) d.all += (double)column[i].rows_put * (double)column[i].row_bytes;
    t2i_status status = begin(&d, "computing the digest", err);
    for (int i = 0; i < COLUMNS && status == T2I_OK; i++)
        if (column[i].present) status = add_column(&d, i, hash, err);
    if (status == T2I_OK) {
        add_attributes(hash, tool, encoder);
        t2i_hash_end(hash, digest);
        status = content_of(&d, content, err);
    }
    if (status == T2I_OK) t2i_progress_end(&d.progress);
    end(&d);
    t2i_hash_free(hash);
    return status;
}
