#include "lists/list_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* The usual names; the first are those that messages suggest. */
static const struct {
    const char *name;
    t2i_list_field field;
} usual[] = {
    {"prompt", T2I_LIST_PROMPT},
    {"image_path", T2I_LIST_IMAGE},
    {"split", T2I_LIST_SPLIT},
    {"group", T2I_LIST_GROUP},
    {"caption", T2I_LIST_PROMPT},
    {"text", T2I_LIST_PROMPT},
    {"title", T2I_LIST_PROMPT},
    {"sentence", T2I_LIST_PROMPT},
    {"raw", T2I_LIST_PROMPT},
    {"comment", T2I_LIST_PROMPT},
    {"prompts", T2I_LIST_PROMPT},
    {"captions", T2I_LIST_PROMPT},
    {"texts", T2I_LIST_PROMPT},
    {"sentences", T2I_LIST_PROMPT},
    {"image", T2I_LIST_IMAGE},
    {"image_name", T2I_LIST_IMAGE},
    {"file_name", T2I_LIST_IMAGE},
    {"filename", T2I_LIST_IMAGE},
    {"file_path", T2I_LIST_IMAGE},
    {"filepath", T2I_LIST_IMAGE},
    {"file", T2I_LIST_IMAGE},
    {"path", T2I_LIST_IMAGE},
    {"url", T2I_LIST_URL},
    {"image_url", T2I_LIST_URL},
    {"image_link", T2I_LIST_URL},
    {"photo_url", T2I_LIST_URL},
    {"photo_image_url", T2I_LIST_URL},
    {"coco_url", T2I_LIST_URL},
};
enum { USUAL = sizeof usual / sizeof *usual };

/* Of each field: what it is in a sentence, and the option that names its column. */
static const char *const what[] = {"the prompt", "the picture's file name", "the split",
                                   "the group"};
static const char *const option[] = {"--prompt-column", "--image-column", "--split-column",
                                     "--group-column"};

static char folded(char c)
{
    if (c == ' ' || c == '-') return '_';
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int t2i_list_same_name(t2i_span a, t2i_span b)
{
    a = t2i_utf8_trim(a);
    b = t2i_utf8_trim(b);
    if (a.size != b.size) return 0;
    for (size_t i = 0; i < a.size; i++)
        if (folded(a.data[i]) != folded(b.data[i])) return 0;
    return 1;
}

static const char *given_name(const t2i_list_columns *given, int field)
{
    const char *const names[] = {given->prompt, given->image, given->split, given->group};
    return names[field];
}

t2i_list_field t2i_list_find_field(const t2i_list_columns *given, t2i_span name)
{
    for (int f = 0; f < T2I_LIST_FIELDS; f++) {
        const char *wanted = given_name(given, f);
        if (wanted != NULL && t2i_list_same_name(name, (t2i_span){wanted, strlen(wanted)}))
            return (t2i_list_field)f;
    }
    for (int i = 0; i < USUAL; i++) {
        if (!t2i_list_same_name(name, (t2i_span){usual[i].name, strlen(usual[i].name)})) continue;
        if (usual[i].field < T2I_LIST_FIELDS && given_name(given, (int)usual[i].field) != NULL)
            return T2I_LIST_FIELDS; /* another one was chosen */
        return usual[i].field;
    }
    return T2I_LIST_FIELDS;
}

t2i_status t2i_list_fail_many(const t2i_list_reader *r, size_t line, t2i_list_field field,
                              const char *names, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s:%zu: each of %.300s can be %s: choose one with %s NAME",
                    r->path, line, names, what[field], option[field]);
}

t2i_status t2i_list_fail_none(const t2i_list_reader *r, size_t line, t2i_list_field field, int url,
                              const char *names, t2i_error *err)
{
    const char *given = given_name(r->columns, (int)field);
    if (given != NULL)
        return t2i_fail(err, T2I_USAGE, "%s %s: %s has no such %s; it has: %.300s", option[field],
                        given, r->path, r->part, names);
    if (field == T2I_LIST_IMAGE && url)
        return t2i_fail(
            err, T2I_DATA,
            "%s:%zu: it names web addresses and no files, and nothing is downloaded: "
            "get the pictures, for example with img2dataset, whose output is read as it "
            "is; or add a %s image_path",
            r->path, line, r->part);
    return t2i_fail(err, T2I_DATA,
                    "%s:%zu: no %s is named %s%s; it has: %.300s; name the one that holds %s "
                    "with %s NAME",
                    r->path, line, r->part, usual[field].name,
                    field == T2I_LIST_PROMPT  ? " (or caption, text, title, ...)"
                    : field == T2I_LIST_IMAGE ? " (or image, file_name, path, ...)"
                                              : "",
                    names, what[field], option[field]);
}

void t2i_list_log_format(const t2i_list_reader *r, const char *format,
                         const t2i_span name[T2I_LIST_FIELDS])
{
    static const char *const from[] = {"prompts", "pictures", "splits", "groups"};
    static const t2i_span first[] = {{"prompt", 6}, {"image_path", 10}};
    char text[512] = "";
    size_t size = 0;
    if (t2i_list_same_name(name[T2I_LIST_PROMPT], first[0]) &&
        t2i_list_same_name(name[T2I_LIST_IMAGE], first[1]))
        return;
    for (int f = 0; f < T2I_LIST_FIELDS; f++)
        if (name[f].size > 0)
            size += (size_t)snprintf(text + size, sizeof text - size, ", %s from \"%.*s\"", from[f],
                                     name[f].size < 64 ? (int)name[f].size : 64, name[f].data);
    t2i_log_note("reads %s: %s%s", r->path, format, text);
}
