#include "lists/caption_json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/string_table.h"
#include "formats/json.h"
#include "lists/gzip.h"
#include "formats/json_scan.h"

static const size_t FILE_MAX = (size_t)4 << 30;

/* ---- the arrays of a file ---- */

typedef struct {
    const char *path;
    t2i_pair_list *list;
    t2i_text text;               /* owned: the file */
    t2i_json_part images, notes; /* arrays of the file; value.data is NULL where there is none */
} caption_file;

static int is(t2i_span text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

/* Does it begin as an array does, of objects if it is not empty? */
static int is_array(t2i_span value)
{
    size_t at = 1;
    if (value.size == 0 || value.data[0] != '[') return 0;
    while (at < value.size && strchr(" \t\r\n", value.data[at]) != NULL) at++;
    return at < value.size && (value.data[at] == '{' || value.data[at] == ']');
}

t2i_caption_kind t2i_caption_json_kind(t2i_span head)
{
    t2i_json_scan file, array, entry;
    t2i_json_part member, first;
    t2i_caption_kind kind = T2I_CAPTION_NONE;
    t2i_status status = t2i_json_scan_begin(&file, t2i_utf8_without_mark(head), 1, NULL);
    if (status != T2I_OK || file.closing != '}') return T2I_CAPTION_NONE;
    for (;;) {
        status = t2i_json_scan_next(&file, &member, NULL);
        if (member.value.data == NULL) break;
        int images = is(member.key, "images");
        if ((images || is(member.key, "annotations")) && is_array(member.value)) {
            if (kind == T2I_CAPTION_NONE) kind = T2I_CAPTION_COCO;
            if (images && t2i_json_scan_begin(&array, member.value, 1, NULL) == T2I_OK &&
                t2i_json_scan_next(&array, &first, NULL) == T2I_OK && first.value.data != NULL &&
                t2i_json_scan_begin(&entry, first.value, 1, NULL) == T2I_OK)
                while (t2i_json_scan_next(&entry, &first, NULL) == T2I_OK &&
                       first.value.data != NULL)
                    if (is(first.key, "sentences")) kind = T2I_CAPTION_KARPATHY;
        }
        if (status != T2I_OK) return kind;
    }
    /* a whole object: more after it are the lines of another kind of list */
    return t2i_utf8_trim((t2i_span){file.at, (size_t)(file.end - file.at)}).size == 0
               ? kind
               : T2I_CAPTION_NONE;
}

static t2i_status find_arrays(caption_file *file, t2i_error *why)
{
    t2i_json_scan scan;
    t2i_json_part member;
    T2I_TRY(t2i_json_scan_begin(
        &scan, t2i_utf8_without_mark((t2i_span){file->text.data, file->text.size}), 1, why));
    if (scan.closing != '}') return t2i_fail(why, T2I_DATA, "it holds no JSON object");
    for (;;) {
        T2I_TRY(t2i_json_scan_next(&scan, &member, why));
        if (member.value.data == NULL) break;
        t2i_json_part *array = is(member.key, "images")        ? &file->images
                               : is(member.key, "annotations") ? &file->notes
                                                               : NULL;
        if (array == NULL || !is_array(member.value)) continue;
        if (array->value.data != NULL)
            return t2i_fail(why, T2I_DATA, "it holds two arrays \"%.*s\"", (int)member.key.size,
                            member.key.data);
        *array = member;
    }
    if (t2i_utf8_trim((t2i_span){scan.at, (size_t)(scan.end - scan.at)}).size > 0)
        return t2i_fail(why, T2I_DATA, "text follows the JSON object at line %zu", scan.line);
    return T2I_OK;
}

static t2i_status open_file(caption_file *file, t2i_pair_list *list, const char *path,
                            const char *kind, t2i_error *err)
{
    t2i_error why = {0};
    *file = (caption_file){.path = path, .list = list};
    T2I_TRY(t2i_fs_read_stream(path, FILE_MAX, &file->text, err));
    if (t2i_gzip_is(file->text.data, file->text.size)) {
        t2i_text packed = file->text;
        file->text = (t2i_text){0};
        t2i_status read = t2i_gzip_read(packed.data, packed.size, FILE_MAX, path, &file->text, err);
        t2i_text_free(&packed);
        T2I_TRY(read);
    }
    t2i_status status =
        file->text.size == 0 ? t2i_fail(&why, T2I_DATA, "it is empty") : find_arrays(file, &why);
    if (status == T2I_OK && file->images.value.data == NULL)
        status = t2i_fail(&why, T2I_DATA, "it has no array \"images\"");
    if (status == T2I_DATA)
        return t2i_fail(err, status, "%s is no file of %s: %s", path, kind, why.text);
    if (status != T2I_OK) *err = why;
    return status;
}

/* Goes through the objects of an array; an entry that is no sound object gets NULL and the reason.
 */
typedef t2i_status (*use_entry)(void *context, const t2i_json *entry, size_t line,
                                const t2i_error *why, t2i_error *err);

static t2i_status each_entry(const caption_file *file, const t2i_json_part *array, use_entry use,
                             void *context, t2i_error *err)
{
    t2i_json_scan scan;
    t2i_json_part entry;
    T2I_TRY(t2i_json_scan_begin(&scan, array->value, array->line, err));
    for (;;) {
        t2i_error why = {0};
        t2i_json *json = NULL;
        t2i_status status = t2i_json_scan_next(&scan, &entry, &why);
        if (status != T2I_OK) return t2i_fail(err, status, "%s: %s", file->path, why.text);
        if (entry.value.data == NULL) return T2I_OK;
        status = t2i_json_parse(&json, entry.value.data, entry.value.size, "the entry", &why);
        if (status == T2I_OK && !t2i_json_is_object(json))
            status = t2i_fail(&why, T2I_DATA, "the entry is no JSON object");
        if (status == T2I_OK || status == T2I_DATA)
            status = use(context, status == T2I_OK ? json : NULL, entry.line, &why, err);
        else
            *err = why;
        t2i_json_free(json);
        T2I_TRY(status);
    }
}

static t2i_span string_of(const t2i_json *object, const char *key)
{
    t2i_span text = {NULL, 0};
    if (!t2i_json_as_string(t2i_json_get(object, key), &text.data, &text.size))
        return (t2i_span){NULL, 0};
    return text;
}

/* ---- COCO ---- */

typedef struct {
    caption_file file;
    t2i_string_table ids;
    t2i_text names; /* file names, each with a terminator */
    size_t *name;   /* of each id: offset in names */
    size_t room;
    uint8_t *used; /* a caption names the picture */
} coco;

/* An id as text, from a number or a string. Returns 0 if it is neither. */
static int id_of(const t2i_json *object, const char *key, char out[128])
{
    int64_t number;
    const t2i_json *value = t2i_json_get(object, key);
    t2i_span text = string_of(object, key);
    if (t2i_json_as_integer(value, &number))
        return snprintf(out, 128, "%lld", (long long)number) > 0;
    if (text.data == NULL || text.size >= 128 || memchr(text.data, '\0', text.size) != NULL)
        return 0;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return 1;
}

static t2i_status add_picture(void *context, const t2i_json *entry, size_t line,
                              const t2i_error *why, t2i_error *err)
{
    coco *c = context;
    char id[128];
    size_t number, known = c->ids.count;
    if (entry == NULL)
        return t2i_fail(err, T2I_DATA, "%s:%zu: in \"images\", %s", c->file.path, line, why->text);
    t2i_span name = string_of(entry, "file_name");
    if (!id_of(entry, "id", id) || name.size == 0 || memchr(name.data, '\0', name.size) != NULL)
        return t2i_fail(err, T2I_DATA, "%s:%zu: entry %zu of \"images\" has no \"%s\"",
                        c->file.path, line, known + 1, name.size == 0 ? "file_name" : "id");
    T2I_TRY(t2i_string_table_add(&c->ids, id, &number, err));
    if (number < known)
        return t2i_fail(err, T2I_DATA, "%s:%zu: two pictures have the id %s", c->file.path, line,
                        id);
    if (known == c->room) {
        size_t room = 2 * c->room + 64;
        if (t2i_grow(&c->name, c->room, room, sizeof *c->name) != 0 ||
            t2i_grow(&c->used, c->room, room, sizeof *c->used) != 0)
            return t2i_fail_memory(err, room * sizeof *c->name, "names of pictures");
        c->room = room;
    }
    c->name[number] = c->names.size;
    T2I_TRY(t2i_text_add(&c->names, name.data, name.size, err));
    return t2i_text_add(&c->names, "", 1, err);
}

static t2i_status add_caption(void *context, const t2i_json *entry, size_t line,
                              const t2i_error *why, t2i_error *err)
{
    coco *c = context;
    char id[128], reason[256];
    if (entry == NULL) return t2i_pairs_add_bad(c->file.list, c->file.path, line, why->text, err);
    t2i_pair_fields fields = {.prompt = string_of(entry, "caption")};
    if (fields.prompt.data == NULL && c->file.list->rows == 0)
        return t2i_fail(err, T2I_DATA,
                        "%s holds no captions: its annotations describe %s; of COCO, "
                        "captions_train2017.json or captions_val2017.json is wanted",
                        c->file.path,
                        t2i_json_get(entry, "keypoints") != NULL ? "poses of people"
                        : t2i_json_get(entry, "bbox") != NULL    ? "boxes and outlines of objects"
                        : t2i_json_get(entry, "segments_info") != NULL ? "segments of pictures"
                                                                       : "something else");
    if (!id_of(entry, "image_id", id))
        return t2i_pairs_add_bad(c->file.list, c->file.path, line, "has no \"image_id\"", err);
    size_t number = t2i_string_table_find(&c->ids, id);
    if (number == SIZE_MAX) {
        snprintf(reason, sizeof reason, "its image_id %s is not among \"images\"", id);
        return t2i_pairs_add_bad(c->file.list, c->file.path, line, reason, err);
    }
    c->used[number] = 1;
    fields.image.data = c->names.data + c->name[number];
    fields.image.size = strlen(fields.image.data);
    return t2i_pairs_add(c->file.list, c->file.path, line, &fields, err);
}

static t2i_status read_coco(coco *c, t2i_error *err)
{
    size_t used = 0;
    if (c->file.notes.value.data == NULL)
        return t2i_fail(err, T2I_DATA,
                        "%s names pictures only, without captions: of COCO, "
                        "captions_train2017.json or captions_val2017.json is wanted",
                        c->file.path);
    T2I_TRY(each_entry(&c->file, &c->file.images, add_picture, c, err));
    T2I_TRY(each_entry(&c->file, &c->file.notes, add_caption, c, err));
    for (size_t i = 0; i < c->ids.count; i++) used += c->used[i];
    t2i_log_note("reads %s: captions of COCO, %zu captions of %zu pictures", c->file.path,
                 c->file.list->rows, used);
    if (used < c->ids.count)
        t2i_log_note("%s: %zu pictures have no caption and are left out", c->file.path,
                     c->ids.count - used);
    return T2I_OK;
}

t2i_status t2i_caption_json_coco(t2i_pair_list *out, const char *path, t2i_error *err)
{
    coco c = {.room = 0};
    t2i_status status = open_file(&c.file, out, path, "COCO", err);
    if (status == T2I_OK) status = read_coco(&c, err);
    t2i_text_free(&c.file.text);
    t2i_string_table_free(&c.ids);
    t2i_text_free(&c.names);
    t2i_free(c.name);
    t2i_free(c.used);
    return status;
}

/* ---- Karpathy ---- */

typedef struct {
    caption_file file;
    t2i_text name;
    size_t pictures;
} karpathy;

static t2i_status add_sentences(void *context, const t2i_json *entry, size_t line,
                                const t2i_error *why, t2i_error *err)
{
    karpathy *k = context;
    t2i_pair_list *list = k->file.list;
    if (entry == NULL) return t2i_pairs_add_bad(list, k->file.path, line, why->text, err);
    const t2i_span folder = string_of(entry, "filepath"), name = string_of(entry, "filename");
    const t2i_json *sentences = t2i_json_get(entry, "sentences");
    t2i_pair_fields fields = {.split = string_of(entry, "split")};
    if (name.size == 0 || t2i_json_size(sentences) == 0 || !t2i_json_is_array(sentences))
        return t2i_pairs_add_bad(list, k->file.path, line,
                                 name.size == 0 ? "has no \"filename\"" : "has no \"sentences\"",
                                 err);
    k->name.size = 0;
    T2I_TRY(t2i_text_add(&k->name, folder.data, folder.size, err));
    if (folder.size > 0 && folder.data[folder.size - 1] != '/')
        T2I_TRY(t2i_text_add(&k->name, "/", 1, err));
    T2I_TRY(t2i_text_add(&k->name, name.data, name.size, err));
    fields.image = (t2i_span){k->name.data, k->name.size};
    k->pictures++;
    for (size_t i = 0; i < t2i_json_size(sentences); i++) {
        fields.prompt = string_of(t2i_json_at(sentences, i), "raw");
        T2I_TRY(t2i_pairs_add(list, k->file.path, line, &fields, err));
    }
    return T2I_OK;
}

t2i_status t2i_caption_json_karpathy(t2i_pair_list *out, const char *path, t2i_error *err)
{
    karpathy k = {.pictures = 0};
    t2i_status status = open_file(&k.file, out, path, "Karpathy", err);
    if (status == T2I_OK) status = each_entry(&k.file, &k.file.images, add_sentences, &k, err);
    if (status == T2I_OK)
        t2i_log_note("reads %s: captions divided by Karpathy, %zu captions of %zu pictures", path,
                     out->rows, k.pictures);
    t2i_text_free(&k.file.text);
    t2i_text_free(&k.name);
    return status;
}
