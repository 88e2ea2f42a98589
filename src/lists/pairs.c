#include "lists/pairs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    PROMPT_MAX = 1 << 20, /* bytes, as in a dataset file */
    NAME_MAX_BYTES = 4096
};

/* Names of splits in the lists of other programs. */
static const struct {
    const char *name;
    int split;
} other_splits[T2I_OTHER_SPLITS] = {
    {"training", T2I_TRAIN},   {"restval", T2I_TRAIN}, /* Karpathy's lists of COCO */
    {"valid", T2I_VALIDATION}, {"dev", T2I_VALIDATION}, {"test", T2I_UNSEEN_PICTURES},
};

/* ---- a row; T2I_DATA: it is bad ---- */

static t2i_status check_bytes(const char *what, t2i_span text, t2i_error *why)
{
    const char *nul = text.size == 0 ? NULL : memchr(text.data, '\0', text.size);
    if (nul != NULL)
        return t2i_fail(why, T2I_DATA, "its %s holds a NUL at byte %zu", what,
                        (size_t)(nul - text.data) + 1);
    size_t valid = t2i_utf8_valid(text.data, text.size);
    if (valid == text.size) return T2I_OK;
    return t2i_fail(why, T2I_DATA, "its %s is not UTF-8 at byte %zu", what, valid + 1);
}

static t2i_status find_split(t2i_pair_list *list, t2i_span text, int *split, t2i_error *why)
{
    char name[64];
    *split = -1;
    text = t2i_utf8_trim(text);
    if (text.size == 0) return T2I_OK;
    snprintf(name, sizeof name, "%.*s", text.size < sizeof name ? (int)text.size : 63, text.data);
    for (char *c = name; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    if (text.size < sizeof name && (*split = t2i_dataset_split_find(name)) >= 0) return T2I_OK;
    for (int i = 0; i < T2I_OTHER_SPLITS; i++)
        if (strcmp(name, other_splits[i].name) == 0) {
            *split = other_splits[i].split;
            list->other_splits[i]++;
            return T2I_OK;
        }
    return t2i_fail(why, T2I_DATA,
                    "unknown split \"%.*s\": use train, validation (or val, valid, dev), test (or "
                    "unseen pictures), or unseen prompts",
                    text.size < 64 ? (int)text.size : 63, text.data);
}

/* "https://...", "s3://...": not a file. */
static int is_address(t2i_span name)
{
    size_t letters = 0;
    while (letters < name.size && letters < 10 &&
           ((name.data[letters] | 32) >= 'a'
                ? (name.data[letters] | 32) <= 'z'
                : name.data[letters] >= '0' && name.data[letters] <= '9'))
        letters++;
    return letters > 1 && name.size - letters >= 3 && memcmp(name.data + letters, "://", 3) == 0 &&
           strncasecmp(name.data, "file", 4) != 0;
}

static t2i_status check_row(const t2i_pair_fields *fields, t2i_error *why)
{
    const t2i_span image = fields->image, prompt = fields->prompt, group = fields->group;
    if (prompt.data == NULL) return t2i_fail(why, T2I_DATA, "has no prompt");
    if (image.data == NULL || t2i_utf8_trim(image).size == 0)
        return t2i_fail(why, T2I_DATA, "names no picture");
    if (prompt.size > PROMPT_MAX) return t2i_fail(why, T2I_DATA, "its prompt is longer than 1 MiB");
    if (image.size > NAME_MAX_BYTES || group.size > NAME_MAX_BYTES)
        return t2i_fail(why, T2I_DATA, "its %s is longer than %d bytes",
                        image.size > NAME_MAX_BYTES ? "file name" : "group", NAME_MAX_BYTES);
    if (is_address(t2i_utf8_trim(image)))
        return t2i_fail(why, T2I_DATA,
                        "names a web address, and nothing is downloaded: get the pictures, for "
                        "example with img2dataset, and name their files");
    T2I_TRY(check_bytes("prompt", prompt, why));
    T2I_TRY(check_bytes("file name", image, why));
    T2I_TRY(check_bytes("group", group, why));
    return check_bytes("split", fields->split, why);
}

static t2i_status store_text(t2i_pair_list *list, t2i_span text, size_t *at, t2i_error *err)
{
    *at = list->text.size;
    T2I_TRY(t2i_text_add(&list->text, text.data, text.size, err));
    return t2i_text_add(&list->text, "", 1, err);
}

static t2i_status add_row(t2i_pair_list *list, size_t line, const t2i_pair_fields *fields,
                          t2i_error *why)
{
    t2i_pair_row row = {.line = line, .row = (uint32_t)list->rows, .group = T2I_NO_GROUP};
    T2I_TRY(check_row(fields, why));
    T2I_TRY(find_split(list, fields->split, &row.split, why));
    const t2i_span prompt = t2i_utf8_trim(fields->prompt), group = t2i_utf8_trim(fields->group);
    list->splits += row.split >= 0;
    list->trimmed += prompt.size < fields->prompt.size;
    row.prompt_size = prompt.size;
    T2I_TRY(store_text(list, prompt, &row.prompt, why));
    T2I_TRY(store_text(list, fields->image, &row.image, why));
    if (group.size > 0) T2I_TRY(store_text(list, group, &row.group, why));
    if (list->count == list->room) {
        size_t room = 2 * list->room + 64;
        if (t2i_grow(&list->row, list->count, room, sizeof *list->row) != 0)
            return t2i_fail_memory(why, room * sizeof *list->row, "the pairs");
        list->room = room;
    }
    list->row[list->count++] = row;
    return T2I_OK;
}

/* ---- t2i_pair_list ---- */

t2i_status t2i_pairs_bad(t2i_pair_list *list, const char *path, size_t line, uint32_t row,
                         size_t rows, const char *reason, t2i_error *err)
{
    t2i_error text;
    char more[64] = "";
    if (rows > 1) snprintf(more, sizeof more, " (%zu more rows name it)", rows - 1);
    t2i_fail(&text, T2I_DATA, "%s%s", reason, more);
    list->bad += rows;
    if (list->reported++ < T2I_BAD_SHOWN)
        t2i_log_warn("%s:%zu: row %lu: %s", path, line, (unsigned long)row, text.text);
    return t2i_text_addf(&list->report, err, "%zu\t%lu\t%s\n", line, (unsigned long)row, text.text);
}

static t2i_status count_row(t2i_pair_list *list, const char *path, t2i_error *err)
{
    if (++list->rows < UINT32_MAX) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s has more than 4,294,967,294 rows", path);
}

t2i_status t2i_pairs_add_bad(t2i_pair_list *list, const char *path, size_t line, const char *reason,
                             t2i_error *err)
{
    T2I_TRY(t2i_pairs_bad(list, path, line, (uint32_t)list->rows, 1, reason, err));
    return count_row(list, path, err);
}

t2i_status t2i_pairs_add(t2i_pair_list *list, const char *path, size_t line,
                         const t2i_pair_fields *fields, t2i_error *err)
{
    t2i_error why = {0};
    t2i_status status = add_row(list, line, fields, &why);
    if (status == T2I_DATA) return t2i_pairs_add_bad(list, path, line, why.text, err);
    if (status == T2I_OK) return count_row(list, path, err);
    *err = why;
    return status;
}

void t2i_pairs_log(const t2i_pair_list *list, const char *path)
{
    if (list->trimmed > 0)
        t2i_log_note("%s: trimmed blanks at the ends of %zu prompts", path, list->trimmed);
    for (int i = 0; i < T2I_OTHER_SPLITS; i++)
        if (list->other_splits[i] > 0)
            t2i_log_note("%s: %zu rows of the split %s are read as %s", path, list->other_splits[i],
                         other_splits[i].name, t2i_dataset_split_names[other_splits[i].split]);
}

void t2i_pairs_free(t2i_pair_list *list)
{
    t2i_text_free(&list->text);
    t2i_text_free(&list->report);
    t2i_free(list->row);
    *list = (t2i_pair_list){0};
}

/* ---- t2i_pair_set ---- */

t2i_status t2i_pairs_set_image(t2i_pair_set *set, const char *name, uint32_t group, t2i_error *err)
{
    if (set->images == set->image_room) {
        size_t room = 2 * set->image_room + 64;
        if (t2i_grow(&set->name, set->images, room, sizeof *set->name) != 0 ||
            t2i_grow(&set->group, set->images, room, sizeof *set->group) != 0)
            return t2i_fail_memory(err, room * sizeof *set->name, "the pictures' names");
        set->image_room = room;
    }
    set->name[set->images] = t2i_strdup(name);
    if (set->name[set->images] == NULL)
        return t2i_fail_memory(err, strlen(name) + 1, "a picture's name");
    set->group[set->images++] = group;
    return T2I_OK;
}

t2i_status t2i_pairs_set_pair(t2i_pair_set *set, const char *prompt, size_t size, size_t image,
                              uint32_t row, int split, t2i_error *err)
{
    if (set->pairs + 1 >= set->pair_room) {
        size_t room = 2 * set->pair_room + 64, pairs = set->pairs;
        if (t2i_grow(&set->offset, set->offset == NULL ? 0 : pairs + 1, room,
                     sizeof *set->offset) != 0 ||
            t2i_grow(&set->image, pairs, room, sizeof *set->image) != 0 ||
            t2i_grow(&set->row, pairs, room, sizeof *set->row) != 0 ||
            t2i_grow(&set->split, pairs, room, sizeof *set->split) != 0)
            return t2i_fail_memory(err, room * sizeof *set->offset, "the pairs");
        set->pair_room = room;
    }
    T2I_TRY(t2i_text_add(&set->prompts, prompt, size, err));
    set->image[set->pairs] = (uint32_t)image;
    set->row[set->pairs] = row;
    set->split[set->pairs] = (uint8_t)split;
    set->offset[++set->pairs] = set->prompts.size;
    return T2I_OK;
}

t2i_pairs t2i_pairs_set_view(const t2i_pair_set *set)
{
    return (t2i_pairs){.pairs = set->pairs,
                       .images = set->images,
                       .prompt_bytes = set->prompts.data,
                       .prompt_offset = set->offset,
                       .image = set->image,
                       .row = set->row,
                       .split = set->split,
                       .image_name = (const char *const *)set->name,
                       .group = set->group};
}

void t2i_pairs_set_free(t2i_pair_set *set)
{
    t2i_text_free(&set->prompts);
    t2i_free(set->offset);
    t2i_free(set->image);
    t2i_free(set->row);
    t2i_free(set->split);
    for (size_t i = 0; i < set->images; i++) t2i_free(set->name[i]);
    t2i_free(set->name);
    t2i_free(set->group);
    *set = (t2i_pair_set){0};
}
