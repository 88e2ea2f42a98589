/* encode_shards.c - a file of rows is a head, records in the order of the samples, and an end with
 * the number of records and a checksum over them. Numbers are in the byte order of the machine,
 * which is part of the key. */
#include "prepare/encode_shards.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/commit.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/stop_signal.h"
#include "formats/byte_source.h"
#include "formats/npy.h"
#include "lists/picture_folder.h"
#include "prepare/webdataset.h"

#define MAGIC "t2i rows 1\n"
enum {
    FEATURES_MAX = 65536,
    BUFFER = 1 << 20,
    ROW = 1,
    BAD = 2,
    FAILED = 3,
    NAME_BYTES = 4096,
    TEXT_BYTES = 4 << 20
};

typedef struct {
    char magic[16];
    char key[T2I_HEX + 15]; /* of the journals, and of the column */
    t2i_file_stamp stamp;   /* of the shard */
} rows_head;

typedef struct {
    uint32_t kind; /* ROW: a prompt of a picture; BAD: why a sample is bad; FAILED: no download */
    uint32_t sample;
    uint32_t name_bytes, text_bytes; /* of what follows */
} rows_record;

typedef struct {
    uint64_t records, digest;
} rows_end;

static const char *shard_path(const t2i_shards *shards, size_t shard)
{
    return t2i_string_table_at(shards->shards, shard);
}

/* Name of a shard in the names of its pictures. */
static const char *shard_name(const t2i_shards *shards, size_t shard)
{
    return shard_path(shards, shard) + shards->common;
}

/* The file of rows of a shard; the caller frees it. */
static char *rows_path(const t2i_shards *shards, size_t shard, t2i_error *err)
{
    char name[T2I_HEX + 8];
    const char *path = shard_path(shards, shard);
    t2i_hash_hex(path, strlen(path), name);
    strcpy(name + T2I_HEX - 1, T2I_ROWS_SUFFIX);
    return t2i_fs_join(shards->kind->folder, name, err);
}

static t2i_status make_head(const t2i_shards *shards, size_t shard, rows_head *head, t2i_error *err)
{
    t2i_text key = {0};
    *head = (rows_head){.magic = MAGIC};
    T2I_TRY(t2i_text_addf(&key, err, "%s %s", shards->kind->key,
                          shards->column == NULL ? "" : shards->column));
    t2i_hash_hex(key.data, key.size, head->key);
    t2i_text_free(&key);
    const t2i_build_journal_kind anywhere = {.images = ""};
    return t2i_build_journal_stamp_file(&head->stamp, &anywhere, shard_path(shards, shard), err);
}

/* ---- one shard ---- */

typedef struct {
    const t2i_shards *shards;
    uint8_t *have; /* of each shard: 1 if it is finished */
    size_t todo;   /* shards that are not */
    size_t done;   /* shards done by this rank */
    size_t mine;   /* shards to do by this rank */
    int alone;     /* no other rank may ask to stop */
    t2i_progress progress;
    t2i_build_journal_writer *journal;
    t2i_webdataset_sample sample;
    t2i_text name; /* of a picture */
    uint8_t *pixels;
    float *features;
    /* the present shard */
    t2i_string_table seen; /* names of its pictures */
    t2i_fs_out out;
    t2i_text buffer;
    rows_end end;
} share;

static t2i_status flush(share *s, t2i_error *err)
{
    size_t size = s->buffer.size;
    s->buffer.size = 0;
    return t2i_fs_out_write(&s->out, s->buffer.data, size, err);
}

static t2i_status put_record(share *s, uint32_t kind, size_t sample, const char *name,
                             const char *text, t2i_error *err)
{
    t2i_text *buffer = &s->buffer;
    rows_record record = {kind, (uint32_t)sample, (uint32_t)strlen(name), (uint32_t)strlen(text)};
    size_t begin = buffer->size;
    T2I_TRY(t2i_text_add(buffer, &record, sizeof record, err));
    T2I_TRY(t2i_text_add(buffer, name, record.name_bytes, err));
    T2I_TRY(t2i_text_add(buffer, text, record.text_bytes, err));
    s->end.records++;
    s->end.digest ^= t2i_hash_64(buffer->data + begin, buffer->size - begin);
    s->end.digest = t2i_hash_64(&s->end, sizeof s->end);
    return buffer->size < BUFFER ? T2I_OK : flush(s, err);
}

/* ---- ready features ---- */

static t2i_status open_features(const t2i_text *bytes, const char *name, t2i_byte_source *source,
                                t2i_npy *npy, uint64_t *count, t2i_error *why)
{
    *source = (t2i_byte_source){.fd = -1};
    T2I_TRY(t2i_byte_source_memory(source, bytes->data == NULL ? "" : bytes->data, bytes->size,
                                   name, why));
    T2I_TRY(t2i_npy_open(npy, source, why));
    *count = npy->width == 0 || npy->rows > FEATURES_MAX / npy->width ? 0 : npy->rows * npy->width;
    if (*count > 0) return T2I_OK;
    return t2i_fail(why, T2I_DATA, "%s holds no vector of 1 to %d features", name, FEATURES_MAX);
}

/* Reads a .npy member of `dim` features; with dim 0 only its length. */
static t2i_status read_features(const t2i_text *bytes, const char *name, size_t dim, float *out,
                                uint64_t *count, t2i_error *why)
{
    t2i_byte_source source;
    t2i_npy npy;
    t2i_status status = open_features(bytes, name, &source, &npy, count, why);
    if (status == T2I_OK && dim > 0 && *count != dim)
        status = t2i_fail(why, T2I_DATA, "%s has %llu features, but the first sample has %zu", name,
                          (unsigned long long)*count, dim);
    if (status == T2I_OK && dim > 0) status = t2i_npy_rows(&npy, &source, 0, npy.rows, out, why);
    for (size_t i = 0; status == T2I_OK && i < dim; i++)
        if (!isfinite(out[i]))
            status = t2i_fail(why, T2I_DATA, "feature %zu of %s is not finite", i, name);
    t2i_byte_source_close(&source);
    return status;
}

/* ---- one sample ---- */

/* Encodes the picture of a sample into the journal, or the reason why it cannot be used. */
static t2i_status put_picture(share *s, t2i_error *err)
{
    const t2i_shards *shards = s->shards;
    const t2i_file_stamp stamp = {0}; /* the file of rows has that of the shard */
    const t2i_text *bytes =
        &s->sample.bytes[shards->features > 0 ? T2I_PART_FEATURES : T2I_PART_PICTURE];
    unsigned found = 0;
    uint64_t count;
    t2i_error why = {0};
    t2i_status status =
        shards->features > 0
            ? read_features(bytes, s->name.data, shards->features, s->features, &count, &why)
            : t2i_encode_picture(shards->form, shards->net, bytes->data, bytes->size, s->name.data,
                                 s->pixels, s->features, &found, &why);
    if (status == T2I_OK)
        return t2i_build_journal_writer_put(s->journal, s->name.data, &stamp, found, s->pixels,
                                            s->features, err);
    if (status == T2I_DATA)
        return t2i_build_journal_writer_put_reason(s->journal, s->name.data, why.text, err);
    *err = why;
    return status;
}

static t2i_status put_sample(share *s, size_t shard, size_t number, t2i_error *err)
{
    const t2i_webdataset_sample *sample = &s->sample;
    int ready = s->shards->features > 0;
    const t2i_text *name = &sample->name[ready ? T2I_PART_FEATURES : T2I_PART_PICTURE];
    const char *key =
        sample->key.size == 0 || sample->key.size > NAME_BYTES ? "" : sample->key.data;
    if (sample->failed) return put_record(s, FAILED, number, "", "", err);
    if (sample->count == 0) return put_record(s, BAD, number, key, sample->reason.data, err);
    if (name->size == 0)
        return put_record(s, BAD, number, key,
                          ready ? "it has a picture, but the first sample has features (.npy)"
                                : "it has features (.npy), but the first sample has a picture",
                          err);
    size_t place, before = s->seen.count;
    T2I_TRY(t2i_string_table_add(&s->seen, name->data, &place, err));
    if (s->seen.count == before)
        return put_record(s, BAD, number, key, "an earlier sample of the shard has the same key",
                          err);
    s->name.size = 0;
    T2I_TRY(t2i_text_addf(&s->name, err, "%s/%s", shard_name(s->shards, shard), name->data));
    T2I_TRY(put_picture(s, err));
    const char *prompt = sample->prompts.data;
    for (size_t i = 0; i < sample->count; i++, prompt += strlen(prompt) + 1)
        T2I_TRY(put_record(s, ROW, number, name->data, prompt, err));
    return T2I_OK;
}

static int must_stop(const share *s, size_t number)
{
    if (t2i_stop_signal_received() != 0) return 1;
    return !s->alone && number % 16 == 0 && t2i_build_journal_stopped(s->shards->kind->folder);
}

static t2i_status put_samples(share *s, size_t shard, int *stopped, t2i_error *err)
{
    t2i_webdataset_reader *reader;
    int more = 1;
    T2I_TRY(t2i_webdataset_open(&reader, shard_path(s->shards, shard), s->shards->column, err));
    t2i_status status = T2I_OK;
    for (size_t number = 0; status == T2I_OK && more; number++) {
        if ((*stopped = must_stop(s, number)) != 0) break;
        status = t2i_webdataset_next(reader, &s->sample, &more, err);
        if (status == T2I_OK && more) status = put_sample(s, shard, number, err);
        t2i_progress_at(&s->progress,
                        ((double)s->done + t2i_webdataset_position(reader)) / (double)s->mine);
    }
    t2i_webdataset_close(reader);
    return status;
}

/* Writes the file of rows of a shard, unless it was stopped. */
static t2i_status encode_shard(share *s, size_t shard, int *stopped, t2i_error *err)
{
    rows_head head;
    T2I_TRY(make_head(s->shards, shard, &head, err));
    char *path = rows_path(s->shards, shard, err);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = t2i_fs_out_open(&s->out, path, err);
    t2i_free(path);
    if (status != T2I_OK) return status;
    s->end = (rows_end){0};
    s->buffer.size = 0;
    status = t2i_text_add(&s->buffer, &head, sizeof head, err);
    if (status == T2I_OK) status = put_samples(s, shard, stopped, err);
    if (status == T2I_OK && !*stopped) status = t2i_build_journal_writer_flush(s->journal, err);
    if (status == T2I_OK && !*stopped)
        status = t2i_text_add(&s->buffer, &s->end, sizeof s->end, err);
    if (status == T2I_OK && !*stopped) status = flush(s, err);
    if (status == T2I_OK && !*stopped) status = t2i_commit(&s->out, err);
    t2i_fs_out_drop(&s->out);
    t2i_string_table_free(&s->seen);
    return status;
}

/* Encodes every size-th of the remaining shards. */
static t2i_status encode_share(share *s, size_t journal, int rank, int size, t2i_error *err)
{
    size_t turn = 0;
    int stopped = 0;
    const t2i_build_journal_kind *kind = s->shards->kind;
    s->alone = size == 1;
    s->mine = s->todo / (size_t)size + ((size_t)rank < s->todo % (size_t)size);
    if (s->mine == 0) return T2I_OK;
    T2I_TRY(t2i_build_journal_writer_new(&s->journal, kind, journal + (size_t)rank, err));
    t2i_status status = T2I_OK;
    t2i_progress_begin(&s->progress, "reading shards");
    for (size_t i = 0; status == T2I_OK && !stopped && i < s->shards->shards->count; i++) {
        if (s->have[i] || turn++ % (size_t)size != (size_t)rank) continue;
        status = encode_shard(s, i, &stopped, err);
        s->done += status == T2I_OK && !stopped;
    }
    t2i_progress_end(&s->progress);
    if (!s->alone && s->done < s->mine) t2i_build_journal_stop(kind->folder);
    t2i_error why;
    t2i_status closed = t2i_build_journal_writer_close(s->journal, status == T2I_OK ? err : &why);
    return status == T2I_OK ? closed : status;
}

/* ---- files of rows: rank 0 ---- */

typedef struct {
    t2i_text file;
    size_t at, end; /* of the records */
} rows_reader;

/* Reads the file of rows of a shard. T2I_DATA if it is not that of the shard as it is now. */
static t2i_status open_rows(const t2i_shards *shards, size_t shard, rows_reader *rows,
                            t2i_error *err)
{
    rows_head head;
    rows_end end, seen = {0};
    T2I_TRY(make_head(shards, shard, &head, err));
    char *path = rows_path(shards, shard, err);
    if (path == NULL) return T2I_SYSTEM;
    rows->file.size = 0;
    t2i_status status = t2i_fs_read(path, (size_t)4 << 30, &rows->file, err);
    if (status == T2I_OK && (rows->file.size < sizeof head + sizeof end ||
                             memcmp(rows->file.data, &head, sizeof head) != 0))
        status = t2i_fail(err, T2I_DATA, "%s is not the file of rows of %s", path,
                          shard_path(shards, shard));
    rows->at = sizeof head;
    rows->end = rows->file.size - sizeof end;
    if (status == T2I_OK) memcpy(&end, rows->file.data + rows->end, sizeof end);
    for (size_t at = rows->at; status == T2I_OK && at < rows->end;) {
        rows_record record = {0};
        if (rows->end - at >= sizeof record) memcpy(&record, rows->file.data + at, sizeof record);
        size_t size = sizeof record + (size_t)record.name_bytes + record.text_bytes;
        if (record.kind == 0 || record.name_bytes > NAME_BYTES || record.text_bytes > TEXT_BYTES ||
            size > rows->end - at)
            break;
        seen.records++;
        seen.digest ^= t2i_hash_64(rows->file.data + at, size);
        seen.digest = t2i_hash_64(&seen, sizeof seen);
        at += size;
    }
    if (status == T2I_OK && (seen.records != end.records || seen.digest != end.digest))
        status = t2i_fail(err, T2I_DATA, "%s is damaged", path);
    t2i_free(path);
    return status;
}

/* The next record; 0 at the end. */
static int next_record(rows_reader *rows, rows_record *record, const char **name, const char **text)
{
    if (rows->at >= rows->end) return 0;
    memcpy(record, rows->file.data + rows->at, sizeof *record);
    *name = rows->file.data + rows->at + sizeof *record;
    *text = *name + record->name_bytes;
    rows->at += sizeof *record + record->name_bytes + record->text_bytes;
    return 1;
}

/* Marks the shards with a file of rows, and adds the names of their pictures to *names. */
static t2i_status find_rows(share *s, t2i_string_table *names, size_t *shard_of, t2i_error *err)
{
    rows_reader rows = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < s->shards->shards->count; i++) {
        rows_record record;
        const char *name, *text;
        t2i_error why;
        s->have[i] = open_rows(s->shards, i, &rows, &why) == T2I_OK;
        while (status == T2I_OK && s->have[i] && next_record(&rows, &record, &name, &text)) {
            size_t number;
            if (record.kind != ROW) continue;
            s->name.size = 0;
            status = t2i_text_addf(&s->name, err, "%s/%.*s", shard_name(s->shards, i),
                                   (int)record.name_bytes, name);
            if (status == T2I_OK) status = t2i_string_table_add(names, s->name.data, &number, err);
        }
        shard_of[i] = names->count;
    }
    t2i_text_free(&rows.file);
    return status;
}

/* Finds the shards that are finished: their files of rows are there, and all results of their
 * pictures. */
static t2i_status find_finished(share *s, uint64_t *next, t2i_error *err)
{
    const t2i_shards *shards = s->shards;
    size_t count = shards->shards->count, kept = 0;
    t2i_string_table names = {0};
    t2i_build_journal *results = NULL;
    if (!shards->resume) t2i_build_journal_clear(shards->kind->folder);
    size_t *names_end = t2i_alloc(count, sizeof *names_end);
    t2i_status status = names_end == NULL
                            ? t2i_fail_memory(err, count * sizeof *names_end, "shards")
                            : find_rows(s, &names, names_end, err);
    if (status == T2I_OK) status = t2i_build_journal_open(&results, shards->kind, &names, 0, err);
    for (size_t i = 0, name = 0; status == T2I_OK && i < count; i++) {
        for (; name < names_end[i]; name++)
            s->have[i] = s->have[i] && t2i_build_journal_state(results, name) != 0;
        kept += s->have[i];
    }
    if (status == T2I_OK) *next = t2i_build_journal_next(results);
    if (status == T2I_OK && t2i_build_journal_foreign(results) > 0 && kept == 0)
        status = t2i_fail(err, T2I_USAGE,
                          "%s holds results of another encoder, other weights, other options or "
                          "another CPU type: use the same, or leave out --resume to start again",
                          shards->kind->folder);
    else if (status == T2I_OK && shards->resume)
        t2i_log_note("%zu of %zu shards are done already in %s", kept, count, shards->kind->folder);
    t2i_build_journal_close(results);
    t2i_string_table_free(&names);
    t2i_free(names_end);
    return status;
}

/* Collective. Catches stop signals while it runs. */
static t2i_status encode_all(t2i_comm *comm, share *s, t2i_error *err)
{
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    size_t count = s->shards->shards->count;
    uint64_t next = 0;
    t2i_status mine = rank == 0 ? find_finished(s, &next, err) : T2I_OK;
    T2I_TRY(t2i_comm_agree(comm, mine, err));
    t2i_comm_bcast(comm, 0, &next, sizeof next);
    t2i_comm_bcast(comm, 0, s->have, count);
    for (size_t i = 0; i < count; i++) s->todo += !s->have[i];
    t2i_stop_signal_catch();
    mine = encode_share(s, (size_t)next, rank, size, err);
    t2i_stop_signal_release();
    T2I_TRY(t2i_comm_agree(comm, mine, err));
    size_t done = (size_t)t2i_comm_sum(comm, (int64_t)s->done);
    if (done == s->todo) return T2I_OK;
    return t2i_fail(err, T2I_STOPPED,
                    "stopped with %zu of %zu shards done, which are kept in %s; run it again with "
                    "--resume",
                    count - s->todo + done, count, s->shards->kind->folder);
}

t2i_status t2i_encode_shards(t2i_comm *comm, const t2i_shards *shards, t2i_error *err)
{
    const t2i_build_journal_kind *kind = shards->kind;
    share *s = t2i_alloc(1, sizeof *s);
    uint8_t *have = t2i_alloc(shards->shards->count, 1), *pixels = t2i_alloc(kind->pixels, 1);
    float *features = t2i_alloc(kind->features, sizeof *features);
    t2i_status mine = s == NULL || have == NULL || pixels == NULL || features == NULL
                          ? t2i_fail_memory(err, kind->pixels, "the shards")
                          : T2I_OK;
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        *s = (share){.shards = shards, .have = have, .pixels = pixels, .features = features};
        s->out.fd = -1;
        status = encode_all(comm, s, err);
        t2i_webdataset_sample_free(&s->sample);
        t2i_text_free(&s->name);
        t2i_text_free(&s->buffer);
    }
    t2i_free(s);
    t2i_free(have);
    t2i_free(pixels);
    t2i_free(features);
    return status;
}

/* ---- rows become pairs: rank 0 ---- */

typedef struct {
    uint64_t hash;
    uint32_t shard, row;
} sample_key;

typedef struct {
    const t2i_shards *shards;
    t2i_pair_list *list;
    t2i_text text;
    sample_key *key; /* of each good sample */
    size_t keys, room;
    size_t failed; /* downloads */
    int by_folder; /* the folders of the shards are splits */
} row_adder;

/* The split of a shard, by the first folder in its name; NULL: none. */
static const char *split_of(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash == NULL ? NULL : t2i_picture_folder_split(name, (size_t)(slash - name));
}

/* Are the folders of the shards splits, and at least two? */
static int have_splits(const t2i_shards *shards)
{
    const char *first = split_of(shard_name(shards, 0));
    int differ = 0;
    for (size_t i = 0; first != NULL && i < shards->shards->count; i++) {
        const char *split = split_of(shard_name(shards, i));
        if (split == NULL) return 0;
        differ |= split != first;
    }
    return differ;
}

static size_t key_bytes(const char *name, size_t size)
{
    size_t last = size;
    while (last > 0 && name[last - 1] != '/') last--;
    const char *dot = memchr(name + last, '.', size - last);
    return dot == NULL ? size : (size_t)(dot - name);
}

static t2i_status note_key(row_adder *a, size_t shard, const char *name, size_t size,
                           t2i_error *err)
{
    if (a->keys == a->room) {
        size_t room = 2 * a->room + 1024;
        if (t2i_grow(&a->key, a->keys, room, sizeof *a->key) != 0)
            return t2i_fail_memory(err, room * sizeof *a->key, "the keys of samples");
        a->room = room;
    }
    a->key[a->keys++] = (sample_key){t2i_hash_64(name, key_bytes(name, size)), (uint32_t)shard,
                                     (uint32_t)a->list->rows};
    return T2I_OK;
}

static t2i_status add_rows(row_adder *a, size_t shard, rows_reader *rows, t2i_error *err)
{
    const char *path = a->shards->source, *known = shard_name(a->shards, shard);
    const char *name, *text, *split = a->by_folder ? split_of(known) : NULL;
    rows_record record;
    size_t last = SIZE_MAX;
    while (next_record(rows, &record, &name, &text)) {
        size_t line = (size_t)record.sample + 1;
        a->text.size = 0;
        a->failed += record.kind == FAILED;
        if (record.kind == FAILED) continue;
        T2I_TRY(t2i_text_addf(&a->text, err, "%s%s%.*s", known, record.name_bytes > 0 ? "/" : "",
                              (int)record.name_bytes, name));
        if (record.kind == BAD) {
            T2I_TRY(t2i_text_addf(&a->text, err, ": %.*s", (int)record.text_bytes, text));
            T2I_TRY(t2i_pairs_add_bad(a->list, path, line, a->text.data, err));
            continue;
        }
        if (record.sample != last) T2I_TRY(note_key(a, shard, name, record.name_bytes, err));
        last = record.sample;
        const t2i_pair_fields fields = {.prompt = {text, record.text_bytes},
                                        .image = {a->text.data, a->text.size},
                                        .split = {split, split == NULL ? 0 : strlen(split)}};
        T2I_TRY(t2i_pairs_add(a->list, path, line, &fields, err));
    }
    return T2I_OK;
}

static int by_hash(const void *a, const void *b)
{
    const sample_key *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static void tell_repeated_keys(const row_adder *a)
{
    size_t repeated = 0;
    const sample_key *first = NULL;
    if (a->keys > 0) qsort(a->key, a->keys, sizeof *a->key, by_hash);
    for (size_t i = 1; i < a->keys; i++) {
        if (a->key[i].hash != a->key[i - 1].hash) continue;
        repeated++;
        if (first == NULL || a->key[i].row < first->row) first = &a->key[i];
    }
    if (first == NULL) return;
    const t2i_pair_row *row = a->list->row; /* rows that are bad are not in it */
    while (row->row < first->row) row++;
    t2i_log_warn("%zu samples have the key of a sample in another shard, such as %s and one in %s: "
                 "each is read as a picture of its own",
                 repeated, a->list->text.data + row->image, shard_name(a->shards, first[-1].shard));
}

t2i_status t2i_encode_shards_rows(const t2i_shards *shards, t2i_pair_list *list, t2i_error *err)
{
    row_adder a = {.shards = shards, .list = list, .by_folder = have_splits(shards)};
    rows_reader rows = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < shards->shards->count; i++) {
        status = open_rows(shards, i, &rows, err);
        if (status == T2I_NOINPUT || status == T2I_DATA)
            status = t2i_fail(err, T2I_IO,
                              "%s lacks the rows of another rank for %s: the folder must be on a "
                              "file system that all nodes share, and the shard must not change",
                              shards->kind->folder, shard_path(shards, i));
        if (status == T2I_OK) status = add_rows(&a, i, &rows, err);
    }
    if (status == T2I_OK) tell_repeated_keys(&a);
    if (status == T2I_OK && a.failed > 0)
        t2i_log_note("%zu pictures could not be downloaded by img2dataset: they are left out",
                     a.failed);
    t2i_text_free(&rows.file);
    t2i_text_free(&a.text);
    t2i_free(a.key);
    return status;
}

t2i_status t2i_encode_shards_peek(const t2i_shards *shards, size_t *dim, t2i_error *err)
{
    static const char *const captions[T2I_PARTS] = {
        [T2I_PART_TXT] = ".txt",
        [T2I_PART_JSON] = ".json",
        [T2I_PART_CLS] = ".cls (the name of the class is the prompt)"};
    t2i_webdataset_reader *reader;
    t2i_webdataset_sample sample = {0};
    size_t count = shards->shards->count;
    int more = 1;
    *dim = 0;
    T2I_TRY(t2i_webdataset_open(&reader, shard_path(shards, 0), shards->column, err));
    t2i_status status = T2I_OK;
    while (status == T2I_OK && more && sample.count == 0)
        status = t2i_webdataset_next(reader, &sample, &more, err);
    int ready = sample.name[T2I_PART_FEATURES].size > 0;
    if (status == T2I_OK && more)
        t2i_log_note("reads %s: WebDataset, %zu shard%s, %scaptions from %s%s", shards->source,
                     count, count == 1 ? "" : "s", ready ? "features from .npy, " : "",
                     captions[sample.caption], have_splits(shards) ? "; splits by folder" : "");
    if (status == T2I_OK && more && ready) {
        uint64_t features;
        status = read_features(&sample.bytes[T2I_PART_FEATURES],
                               sample.name[T2I_PART_FEATURES].data, 0, NULL, &features, err);
        if (status == T2I_OK) *dim = (size_t)features;
    }
    t2i_webdataset_sample_free(&sample);
    t2i_webdataset_close(reader);
    return status;
}
