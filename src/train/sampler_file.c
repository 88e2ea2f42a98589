#include "train/sampler_file.h"

#include <stdio.h>
#include <string.h>

#include "formats/file_kind.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

void t2i_sampler_file_close(t2i_sampler_file *sampler_file)
{
    t2i_free(sampler_file->rows);
    *sampler_file = (t2i_sampler_file){0};
}

/* The numbers of one line into row (room for batch). */
static t2i_status read_line(const char *at, const char *end, size_t batch, uint64_t *row,
                            const char *path, long line, t2i_error *err)
{
    size_t count = 0;
    while (at < end) {
        if (*at == ' ' || *at == '\t' || *at == '\r' || *at == ',') {
            at++;
            continue;
        }
        uint64_t value = 0;
        const char *first = at;
        while (at < end && *at >= '0' && *at <= '9' && value < UINT32_MAX)
            value = value * 10 + (uint64_t)(*at++ - '0');
        if (at == first || (at < end && strchr(" \t\r,", *at) == NULL) || value > UINT32_MAX)
            return t2i_fail(
                err, T2I_DATA, "%s:%ld: '%.*s' is not a row number", path, line,
                (int)(strcspn(first, " \t\r\n,") < 20 ? strcspn(first, " \t\r\n,") : 20), first);
        if (count < batch) row[count] = value;
        count++;
    }
    if (count != batch)
        return t2i_fail(err, T2I_DATA, "%s:%ld: %zu row numbers, but batch is %zu", path, line,
                        count, batch);
    return T2I_OK;
}

static t2i_status parse(t2i_sampler_file *out, const t2i_text *text,
                        const t2i_train_options *options, t2i_error *err)
{
    size_t batch = (size_t)options->batch;
    out->rows = t2i_alloc((size_t)options->steps * batch, sizeof *out->rows);
    if (out->rows == NULL)
        return t2i_fail_memory(err, (size_t)options->steps * batch * 8, "the sampler's rows");
    const char *at = text->data, *end = at + text->size, *advice;
    const char *kind = t2i_file_kind_name(at, text->size, &advice);
    long step = 0;
    if (kind != NULL && text->size > 0 && strcmp(kind, "a text file") != 0 &&
        strncmp(kind, "a list", 6) != 0)
        return t2i_file_kind_refuse(at, text->size, options->sampler_path, "a list of row numbers",
                                    err);
    for (; step < options->steps && at < end; step++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL) newline = end;
        T2I_TRY(read_line(at, newline, batch, out->rows + (size_t)step * batch,
                          options->sampler_path, step + 1, err));
        at = newline + 1;
    }
    if (step < options->steps)
        return t2i_fail(err, T2I_DATA, "%s has %ld lines, but the run has %ld steps",
                        options->sampler_path, step, options->steps);
    out->count = (size_t)options->steps * batch;
    return T2I_OK;
}

t2i_status t2i_sampler_file_read(t2i_sampler_file *out, const t2i_train_options *options,
                                 t2i_error *err)
{
    t2i_text text = {0};
    *out = (t2i_sampler_file){.path = options->sampler_path};
    if (!t2i_fs_exists(options->sampler_path))
        return t2i_fail(err, T2I_NOINPUT,
                        "cannot open %s: there is no such file (sampler = %s; sharded and uniform "
                        "need none)",
                        options->sampler_path, options->sampler_path);
    t2i_status status = t2i_fs_read_stream(options->sampler_path, (size_t)1 << 34, &text, err);
    if (status == T2I_OK) status = parse(out, &text, options, err);
    if (status == T2I_OK) {
        char hex[T2I_HEX];
        t2i_hash_hex(out->rows, out->count * sizeof *out->rows, hex);
        snprintf(out->name, sizeof out->name, "file:%s", hex);
    }
    t2i_text_free(&text);
    return status;
}

t2i_status t2i_sampler_file_open(t2i_sampler_file *out, t2i_comm *comm,
                                 const t2i_train_options *options, t2i_error *err)
{
    *out = (t2i_sampler_file){.path = options->sampler_path};
    snprintf(out->name, sizeof out->name, "%.16s", options->word.sampler);
    if (options->sampler != T2I_SAMPLER_FILE) return T2I_OK;
    int root = t2i_comm_rank(comm) == 0;
    t2i_status status =
        t2i_comm_agree(comm, root ? t2i_sampler_file_read(out, options, err) : T2I_OK, err);
    if (status == T2I_OK) {
        t2i_status mine = T2I_OK;
        t2i_comm_bcast(comm, 0, &out->count, sizeof out->count);
        t2i_comm_bcast(comm, 0, out->name, sizeof out->name);
        if (!root) out->rows = t2i_alloc(out->count, sizeof *out->rows);
        if (out->rows == NULL)
            mine = t2i_fail_memory(err, out->count * sizeof *out->rows, "the sampler's rows");
        status = t2i_comm_agree(comm, mine, err);
    }
    if (status == T2I_OK)
        t2i_comm_bcast(comm, 0, out->rows, out->count * sizeof *out->rows);
    else
        t2i_sampler_file_close(out);
    return status;
}

t2i_status t2i_sampler_file_map(t2i_sampler_file *sampler_file, const uint32_t *user_row,
                                size_t count, t2i_error *err)
{
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) most = user_row[i] > most ? user_row[i] : most;
    uint32_t *index = t2i_alloc((size_t)most + 1, sizeof *index); /* index + 1; 0: no such row */
    if (index == NULL)
        return t2i_fail_memory(err, (size_t)most * sizeof *index, "the sampler's rows");
    for (size_t i = 0; i < count; i++) index[user_row[i]] = (uint32_t)i + 1;
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < sampler_file->count; i++) {
        uint64_t row = sampler_file->rows[i];
        if (row > most || index[row] == 0)
            status = t2i_fail(err, T2I_DATA, "%s names row %llu, which is not in the dataset",
                              sampler_file->path, (unsigned long long)row);
        else
            sampler_file->rows[i] = index[row] - 1;
    }
    t2i_free(index);
    return status;
}
