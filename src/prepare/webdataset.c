#include "prepare/webdataset.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "base/mem.h"
#include "formats/json.h"
#include "formats/tar.h"
#include "lists/folder_tree.h"

enum {
    SHARDS_MAX = 1000000,
    PICTURE_MAX = 256 << 20, /* bytes of a member */
    CAPTION_MAX = 4 << 20,
    NAME_BYTES = 3000 /* of a member; the journal holds 4,096 with the shard's */
};

/* ---- shards ---- */

int t2i_webdataset_is_pattern(const char *path)
{
    return (strpbrk(path, "{*?[") != NULL || strstr(path, "::") != NULL ||
            strncmp(path, "pipe:", 5) == 0) &&
           !t2i_fs_exists(path);
}

static t2i_status add_shard(t2i_string_table *shards, const char *path, t2i_error *err)
{
    size_t number, count = shards->count;
    if (count >= SHARDS_MAX)
        return t2i_fail(err, T2I_USAGE, "more than %d shards are named", SHARDS_MAX);
    T2I_TRY(t2i_string_table_add(shards, path, &number, err));
    if (shards->count == count)
        return t2i_fail(err, T2I_USAGE, "the shard %s is named twice", path);
    return T2I_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the shards of a folder and of the folders in it. */
static t2i_status add_folder(t2i_string_table *shards, const char *path, t2i_error *err)
{
    t2i_folder_tree tree;
    T2I_TRY(t2i_folder_tree_read(&tree, path, err));
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < tree.count; i++) {
        if (tree.file[i].kind != T2I_TREE_SHARD) continue;
        char *shard = t2i_fs_join(path, tree.file[i].path, err);
        status = shard == NULL ? T2I_SYSTEM : add_shard(shards, shard, err);
        t2i_free(shard);
    }
    t2i_folder_tree_free(&tree);
    return status;
}

static t2i_status add_glob(t2i_string_table *shards, const char *pattern, t2i_error *err)
{
    glob_t found;
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return t2i_fail(err, T2I_NOINPUT, "no file matches %s", pattern);
    qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_text);
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < found.gl_pathc; i++)
        status = add_shard(shards, found.gl_pathv[i], err);
    globfree(&found);
    return status;
}

/* Adds a path without braces: a glob, a folder or a file. */
static t2i_status add_path(t2i_string_table *shards, const char *path, t2i_error *err)
{
    if (strstr(path, "://") != NULL || strncmp(path, "pipe:", 5) == 0)
        return t2i_fail(err, T2I_USAGE,
                        "%s is an address: shards are read from files; download them first", path);
    if (strpbrk(path, "*?[") != NULL && !t2i_fs_exists(path)) return add_glob(shards, path, err);
    if (!t2i_fs_exists(path))
        return t2i_fail(err, T2I_NOINPUT, "there is no shard %s: %s", path, strerror(errno));
    if (!t2i_fs_is_folder(path)) return add_shard(shards, path, err);
    size_t before = shards->count;
    T2I_TRY(add_folder(shards, path, err));
    if (shards->count > before) return T2I_OK;
    return t2i_fail(err, T2I_NOINPUT, "%s holds no shard (.tar, .tar.gz, .tgz)", path);
}

static t2i_status expand(t2i_string_table *shards, const char *pattern, t2i_error *err);

/* Expands before + part + after. */
static t2i_status expand_part(t2i_string_table *shards, const char *pattern, size_t before,
                              const char *part, size_t size, const char *after, t2i_error *err)
{
    t2i_text text = {0};
    t2i_status status =
        t2i_text_addf(&text, err, "%.*s%.*s%s", (int)before, pattern, (int)size, part, after);
    if (status == T2I_OK) status = expand(shards, text.data, err);
    t2i_text_free(&text);
    return status;
}

/* Is part[0..size) a range of whole numbers a..b? */
static int is_range(const char *part, size_t size, long *first, long *last, int *digits)
{
    char text[64], *end;
    if (size >= sizeof text) return 0;
    memcpy(text, part, size);
    text[size] = '\0';
    char *dots = strstr(text, "..");
    if (dots == NULL || dots == text || strspn(text, "0123456789") != (size_t)(dots - text))
        return 0;
    const char *second = dots + 2;
    if (second[0] == '\0' || strspn(second, "0123456789") != strlen(second)) return 0;
    errno = 0;
    *first = strtol(text, &end, 10);
    *last = strtol(second, &end, 10);
    size_t width = (size_t)(dots - text) > strlen(second) ? (size_t)(dots - text) : strlen(second);
    int padded = (text[0] == '0' && dots - text > 1) || (second[0] == '0' && strlen(second) > 1);
    *digits = padded ? (int)width : 1;
    return errno == 0;
}

/* Expands the braces that begin at `open` and end at `close`. */
static t2i_status expand_braces(t2i_string_table *shards, const char *pattern, const char *open,
                                const char *close, t2i_error *err)
{
    size_t before = (size_t)(open - pattern);
    long first, last;
    int digits, depth = 0;
    if (is_range(open + 1, (size_t)(close - open - 1), &first, &last, &digits)) {
        if (labs(last - first) >= SHARDS_MAX)
            return t2i_fail(err, T2I_USAGE, "%s names more than %d shards", pattern, SHARDS_MAX);
        for (long i = first;; i += first <= last ? 1 : -1) {
            char number[32];
            int size = snprintf(number, sizeof number, "%0*ld", digits > 20 ? 20 : digits, i);
            T2I_TRY(expand_part(shards, pattern, before, number, (size_t)size, close + 1, err));
            if (i == last) return T2I_OK;
        }
    }
    const char *part = open + 1;
    for (const char *at = part; at <= close; at++) {
        depth += (*at == '{') - (*at == '}' && at < close);
        if ((*at != ',' || depth > 0) && at < close) continue;
        T2I_TRY(expand_part(shards, pattern, before, part, (size_t)(at - part), close + 1, err));
        part = at + 1;
    }
    return T2I_OK;
}

/* Adds the shards of a pattern without "::". */
static t2i_status expand(t2i_string_table *shards, const char *pattern, t2i_error *err)
{
    const char *open = t2i_fs_exists(pattern) ? NULL : strchr(pattern, '{'), *close = open;
    int depth = 0;
    if (open == NULL) return add_path(shards, pattern, err);
    for (; *close != '\0'; close++) {
        depth += (*close == '{') - (*close == '}');
        if (depth == 0) break;
    }
    if (*close == '\0')
        return t2i_fail(err, T2I_USAGE, "%s: a brace is not closed, as in {00000..00099}.tar",
                        pattern);
    return expand_braces(shards, pattern, open, close, err);
}

t2i_status t2i_webdataset_find(t2i_string_table *shards, const char *path, t2i_error *err)
{
    if (t2i_fs_exists(path)) return add_path(shards, path, err);
    for (const char *at = path;;) {
        const char *joint = strstr(at, "::");
        size_t size = joint == NULL ? strlen(at) : (size_t)(joint - at);
        t2i_text part = {0};
        t2i_status status = t2i_text_add(&part, at, size, err);
        if (status == T2I_OK) status = expand(shards, part.data, err);
        t2i_text_free(&part);
        T2I_TRY(status);
        if (joint == NULL) return T2I_OK;
        at = joint + 2;
    }
}

size_t t2i_webdataset_common(const t2i_string_table *shards)
{
    const char *first = shards->count == 0 ? "" : t2i_string_table_at(shards, 0);
    const char *slash = strrchr(first, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - first) + 1;
    for (size_t i = 1; i < shards->count; i++) {
        const char *other = t2i_string_table_at(shards, i);
        size_t same = 0;
        while (same < size && other[same] == first[same]) same++;
        while (same > 0 && first[same - 1] != '/') same--;
        size = same;
    }
    return size;
}

/* ---- samples ---- */

struct t2i_webdataset_reader {
    t2i_tar *tar;
    const char *column;
    t2i_tar_member member; /* read ahead: the first of the next sample */
    t2i_text good;         /* name of the last member that could be read */
    t2i_error why;         /* why the shard ends early */
    int ended;
};

void t2i_webdataset_sample_free(t2i_webdataset_sample *sample)
{
    t2i_text_free(&sample->key);
    for (int i = 0; i < T2I_PARTS; i++) {
        t2i_text_free(&sample->name[i]);
        t2i_text_free(&sample->bytes[i]);
    }
    t2i_text_free(&sample->prompts);
    t2i_text_free(&sample->reason);
    *sample = (t2i_webdataset_sample){0};
}

t2i_status t2i_webdataset_open(t2i_webdataset_reader **out, const char *path, const char *column,
                               t2i_error *err)
{
    t2i_webdataset_reader *reader = *out = t2i_alloc(1, sizeof *reader);
    if (reader == NULL) return t2i_fail_memory(err, sizeof *reader, "a shard");
    reader->column = column;
    t2i_error why = {0};
    t2i_status status = t2i_tar_open(&reader->tar, path, &why);
    reader->ended = status == T2I_DATA;
    reader->why = why;
    if (status == T2I_OK || status == T2I_DATA) return T2I_OK;
    *err = why;
    t2i_webdataset_close(reader);
    *out = NULL;
    return status;
}

void t2i_webdataset_close(t2i_webdataset_reader *reader)
{
    if (reader == NULL) return;
    t2i_tar_close(reader->tar);
    t2i_text_free(&reader->good);
    t2i_free(reader);
}

double t2i_webdataset_position(const t2i_webdataset_reader *reader)
{
    return reader->tar == NULL ? 1 : t2i_tar_position(reader->tar);
}

/* Bytes of the key of a member's name; 0: the member belongs to no sample. Names such as __meta__
 * are left out, as in the webdataset package. */
static size_t key_size(const char *name)
{
    const char *slash = strrchr(name, '/'), *last = slash == NULL ? name : slash + 1;
    const char *dot = strchr(last, '.');
    if (dot == NULL || dot == last || dot[1] == '\0') return 0;
    if (dot - last >= 4 && strncmp(last, "__", 2) == 0 && strncmp(dot - 2, "__", 2) == 0) return 0;
    return (size_t)(dot - name);
}

/* The part that a member is by its extension, T2I_PARTS if none. */
static t2i_part part_of(const char *extension)
{
    static const struct {
        const char *name;
        t2i_part part;
    } known[] = {
        {"jpg", T2I_PART_PICTURE},  {"jpeg", T2I_PART_PICTURE}, {"png", T2I_PART_PICTURE},
        {"webp", T2I_PART_PICTURE}, {"gif", T2I_PART_PICTURE},  {"bmp", T2I_PART_PICTURE},
        {"tif", T2I_PART_PICTURE},  {"tiff", T2I_PART_PICTURE}, {"avif", T2I_PART_PICTURE},
        {"heic", T2I_PART_PICTURE}, {"jfif", T2I_PART_PICTURE}, {"ppm", T2I_PART_PICTURE},
        {"jxl", T2I_PART_PICTURE},  {"npy", T2I_PART_FEATURES}, {"txt", T2I_PART_TXT},
        {"json", T2I_PART_JSON},    {"cls", T2I_PART_CLS},
    };
    const char *dot = strrchr(extension, '.'), *last = dot == NULL ? extension : dot + 1;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(last, known[i].name) == 0) return known[i].part;
    return T2I_PARTS;
}

/* Gives a reason why the sample is bad, unless there is one. */
static t2i_status blame(t2i_webdataset_sample *sample, t2i_error *err, const char *format, ...)
    T2I_PRINTF(3, 4);
static t2i_status blame(t2i_webdataset_sample *sample, t2i_error *err, const char *format, ...)
{
    t2i_error text;
    va_list args;
    if (sample->reason.size > 0) return T2I_OK;
    va_start(args, format);
    vsnprintf(text.text, sizeof text.text, format, args);
    va_end(args);
    return t2i_text_add_plain(&sample->reason, text.text, strlen(text.text), err);
}

static void clear(t2i_text *text)
{
    text->size = 0;
    if (text->data != NULL) text->data[0] = '\0';
}

static void clear_sample(t2i_webdataset_sample *sample)
{
    clear(&sample->key);
    for (int i = 0; i < T2I_PARTS; i++) {
        clear(&sample->name[i]);
        clear(&sample->bytes[i]);
    }
    clear(&sample->prompts);
    clear(&sample->reason);
    sample->count = 0;
    sample->failed = 0;
}

/* Should this member take the place of the one that the sample has? A name such as a.png goes
 * before one such as a.mask.png; two of a rank are one too many. */
static t2i_status choose(t2i_webdataset_sample *sample, t2i_part part, const char *name, int *take,
                         t2i_error *err)
{
    const char *other = sample->name[part].data;
    size_t key = sample->key.size;
    *take = 1;
    if (sample->name[part].size == 0) return T2I_OK;
    int plain = strchr(name + key + 1, '.') == NULL, before = strchr(other + key + 1, '.') == NULL;
    *take = plain && !before;
    if (plain != before) return T2I_OK;
    if (strcmp(name, other) == 0) return blame(sample, err, "%s is in the shard twice", name);
    return blame(sample, err, "it has both %s and %s: leave one out", other, name);
}

/* Takes the reader's present member, which is of this part, into the sample. */
static t2i_status take(t2i_webdataset_reader *reader, t2i_webdataset_sample *sample, t2i_part part,
                       t2i_error *err)
{
    const char *name = reader->member.name;
    int taken;
    if (strlen(name) > NAME_BYTES)
        return blame(sample, err, "the name of a member is longer than %d bytes", NAME_BYTES);
    T2I_TRY(choose(sample, part, name, &taken, err));
    if (!taken) return T2I_OK;
    clear(&sample->name[part]);
    clear(&sample->bytes[part]);
    T2I_TRY(t2i_text_add(&sample->name[part], name, strlen(name), err));
    if (reader->member.kind == T2I_TAR_LINK)
        return blame(sample, err,
                     "%s is a link, without content: write the archive with tar --dereference "
                     "--hard-dereference",
                     name);
    size_t limit = part == T2I_PART_PICTURE ? PICTURE_MAX : CAPTION_MAX;
    if (reader->member.bytes > limit)
        return blame(sample, err, "%s has %llu bytes; the limit is %zu", name,
                     (unsigned long long)reader->member.bytes, limit);
    t2i_error why;
    t2i_status status = t2i_tar_read(reader->tar, limit, &sample->bytes[part], &why);
    if (status == T2I_DATA) {
        reader->ended = 1;
        reader->why = why;
        return blame(sample, err, "%s is cut off (%s)", name, why.text);
    }
    if (status != T2I_OK) *err = why;
    return status;
}

/* Moves to the next member that belongs to a sample. */
static t2i_status advance(t2i_webdataset_reader *reader, t2i_error *err)
{
    t2i_error why;
    for (;;) {
        if (reader->member.kind != T2I_TAR_END) {
            clear(&reader->good);
            T2I_TRY(
                t2i_text_add(&reader->good, reader->member.name, strlen(reader->member.name), err));
        }
        t2i_status status = t2i_tar_next(reader->tar, &reader->member, &why);
        if (status == T2I_DATA) {
            reader->ended = 1;
            reader->why = why;
            return T2I_OK;
        }
        if (status != T2I_OK) {
            *err = why;
            return status;
        }
        if (reader->member.kind == T2I_TAR_END) reader->ended = 1;
        if (reader->ended) return T2I_OK;
        if (reader->member.kind != T2I_TAR_OTHER && key_size(reader->member.name) > 0)
            return T2I_OK;
    }
}

/* ---- captions ---- */

static int is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static t2i_status add_prompt(t2i_webdataset_sample *sample, const char *text, size_t size,
                             t2i_error *err)
{
    sample->count++;
    T2I_TRY(t2i_text_add(&sample->prompts, text, size, err));
    return t2i_text_add(&sample->prompts, "", 1, err);
}

/* Each line that is not blank is a prompt. */
static t2i_status add_lines(t2i_webdataset_sample *sample, t2i_part part, t2i_error *err)
{
    const t2i_text *text = &sample->bytes[part];
    const char *name = sample->name[part].data, *at = text->data;
    if (text->size == 0) return T2I_OK;
    const char *end = at + text->size;
    size_t valid = t2i_utf8_valid(at, text->size);
    if (valid < text->size)
        return blame(sample, err, "%s is not UTF-8 at byte %zu", name, valid + 1);
    if (memchr(at, '\0', text->size) != NULL) return blame(sample, err, "%s holds a NUL", name);
    at = t2i_utf8_without_mark((t2i_span){at, text->size}).data;
    while (at < end) {
        const char *line = at, *next = memchr(at, '\n', (size_t)(end - at));
        const char *last = next == NULL ? end : next;
        at = next == NULL ? end : next + 1;
        const char *from = line, *to = last;
        while (from < to && is_blank(*from)) from++;
        while (to > from && is_blank(to[-1])) to--;
        if (to > from) T2I_TRY(add_prompt(sample, line, (size_t)(last - line), err));
    }
    return T2I_OK;
}

/* Adds a string, or an array of strings; says whether it is one. */
static t2i_status add_value(t2i_webdataset_sample *sample, const t2i_json *value, int *is_text,
                            t2i_error *err)
{
    const char *text;
    size_t size, count = t2i_json_is_array(value) ? t2i_json_size(value) : 1;
    *is_text = 0;
    for (size_t i = 0; i < count; i++) {
        const t2i_json *item = t2i_json_is_array(value) ? t2i_json_at(value, i) : value;
        if (!t2i_json_as_string(item, &text, &size)) return T2I_OK;
        if (memchr(text, '\0', size) != NULL) return T2I_OK;
        T2I_TRY(add_prompt(sample, text, size, err));
    }
    *is_text = 1;
    return T2I_OK;
}

/* The key that holds the caption; NULL if there is none, or more than one that may. */
static const char *find_key(const t2i_webdataset_reader *reader, t2i_webdataset_sample *sample,
                            const t2i_json *json, t2i_error *err)
{
    static const char *const usual[] = {"caption",  "prompt", "text",   "title",
                                        "sentence", "raw",    "comment"};
    const char *found = NULL, *name = sample->name[T2I_PART_JSON].data;
    t2i_status status = T2I_OK;
    if (reader->column != NULL) {
        if (t2i_json_get(json, reader->column) != NULL) return reader->column;
        status = blame(sample, err, "%s has no key \"%s\"", name, reader->column);
    }
    for (size_t i = 0; reader->column == NULL && i < sizeof usual / sizeof *usual; i++) {
        if (t2i_json_get(json, usual[i]) == NULL) continue;
        if (i == 0) return usual[i];
        if (found != NULL)
            status = blame(sample, err,
                           "%s has the keys \"%s\" and \"%s\": name the caption's with "
                           "--prompt-column",
                           name, found, usual[i]);
        found = usual[i];
    }
    (void)status; /* without memory for a reason the sample has no prompt all the same */
    return sample->reason.size > 0 ? NULL : found;
}

/* Takes the caption of a .json member, if it has one. */
static t2i_status add_json(const t2i_webdataset_reader *reader, t2i_webdataset_sample *sample,
                           t2i_error *err)
{
    const t2i_text *text = &sample->bytes[T2I_PART_JSON];
    t2i_json *json;
    t2i_error why;
    t2i_status status = t2i_json_parse(&json, text->data == NULL ? "" : text->data, text->size,
                                       sample->name[T2I_PART_JSON].data, &why);
    if (status == T2I_DATA) return blame(sample, err, "%s", why.text);
    if (status != T2I_OK) {
        *err = why;
        return status;
    }
    const char *state = NULL;
    const t2i_json *said = t2i_json_get(json, "status");
    if (sample->name[T2I_PART_PICTURE].size == 0 && said != NULL &&
        t2i_json_as_string(said, &state, NULL) && strcmp(state, "success") != 0)
        sample->failed = 1;
    const char *key = find_key(reader, sample, json, err);
    int is_text = 1;
    if (key != NULL) status = add_value(sample, t2i_json_get(json, key), &is_text, err);
    if (status == T2I_OK && !is_text)
        status = blame(sample, err, "\"%s\" of %s is not a string", key,
                       sample->name[T2I_PART_JSON].data);
    t2i_json_free(json);
    return status;
}

static t2i_status add_class(t2i_webdataset_sample *sample, t2i_error *err)
{
    T2I_TRY(add_lines(sample, T2I_PART_CLS, err));
    const char *name = sample->count == 0 ? "" : sample->prompts.data;
    if (sample->count != 1 || name[strspn(name, "0123456789 \t\r")] != '\0') return T2I_OK;
    sample->count = 0;
    return blame(sample, err,
                 "%s is class %s, without a name: add a .txt or .json member with a caption",
                 sample->name[T2I_PART_CLS].data, name);
}

/* Finds the prompts. A named column goes before .txt, which goes before .json and .cls. */
static t2i_status find_caption(const t2i_webdataset_reader *reader, t2i_webdataset_sample *sample,
                               t2i_error *err)
{
    int has_json = sample->name[T2I_PART_JSON].size > 0;
    int has_text = sample->name[T2I_PART_TXT].size > 0;
    if (has_json && (reader->column != NULL || !has_text)) {
        sample->caption = T2I_PART_JSON;
        T2I_TRY(add_json(reader, sample, err));
    } else if (has_text) {
        sample->caption = T2I_PART_TXT;
        T2I_TRY(add_lines(sample, T2I_PART_TXT, err));
        /* as of a text beside a picture */
        if (sample->count == 0 && sample->reason.size == 0) T2I_TRY(add_prompt(sample, "", 0, err));
    }
    if (sample->count > 0 || sample->reason.size > 0 || sample->name[T2I_PART_CLS].size == 0)
        return T2I_OK;
    sample->caption = T2I_PART_CLS;
    return add_class(sample, err);
}

/* Checks a sample whose members are all read. */
static t2i_status finish_sample(const t2i_webdataset_reader *reader, t2i_webdataset_sample *sample,
                                t2i_error *err)
{
    const t2i_text *picture = &sample->name[T2I_PART_PICTURE];
    const t2i_text *features = &sample->name[T2I_PART_FEATURES];
    const t2i_text *name = picture->size > 0 ? picture : features;
    if (t2i_utf8_valid(sample->key.data, sample->key.size) != sample->key.size)
        T2I_TRY(blame(sample, err, "the name of %s is not UTF-8", sample->key.data));
    if (sample->reason.size == 0) T2I_TRY(find_caption(reader, sample, err));
    if (sample->failed) return T2I_OK;
    if (picture->size > 0 && features->size > 0)
        T2I_TRY(blame(sample, err, "it has both a picture, %s, and features, %s: leave one out",
                      picture->data, features->data));
    if (name->size == 0) T2I_TRY(blame(sample, err, "%s has no picture", sample->key.data));
    if (sample->count == 0)
        T2I_TRY(blame(sample, err,
                      "%s has no caption (.txt, .json or .cls) beside it; members of a sample must "
                      "be adjacent, as by tar --sort=name",
                      name->data));
    if (sample->reason.size > 0) sample->count = 0;
    return T2I_OK;
}

t2i_status t2i_webdataset_next(t2i_webdataset_reader *reader, t2i_webdataset_sample *out, int *more,
                               t2i_error *err)
{
    *more = 1;
    clear_sample(out);
    if (reader->member.kind == T2I_TAR_END && !reader->ended) T2I_TRY(advance(reader, err));
    if (!reader->ended) {
        size_t size = key_size(reader->member.name);
        T2I_TRY(t2i_text_add(&out->key, reader->member.name, size, err));
        do {
            t2i_part part = part_of(reader->member.name + size + 1);
            if (part < T2I_PARTS) T2I_TRY(take(reader, out, part, err));
            if (!reader->ended) T2I_TRY(advance(reader, err));
        } while (!reader->ended && key_size(reader->member.name) == size &&
                 memcmp(reader->member.name, out->key.data, size) == 0);
        return finish_sample(reader, out, err);
    }
    if (reader->why.status == T2I_OK) {
        *more = 0;
        return T2I_OK;
    }
    if (reader->good.size == 0)
        T2I_TRY(blame(out, err, "it is no tar archive (%s)", reader->why.text));
    T2I_TRY(blame(out, err, "it ends early, after %s (%s): samples that follow are lost",
                  reader->good.data, reader->why.text));
    reader->why.status = T2I_OK;
    return T2I_OK;
}
