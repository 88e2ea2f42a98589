#include "lists/picture_folder.h"

#include <stdint.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/string_table.h"
#include "dataset/dataset.h"

enum { NAMED_MAX = 6 };
static const size_t TEXT_MAX = (size_t)16 << 20;

/* Returns the next picture from `at` on; tree->count at the end. */
static size_t next_picture(const t2i_folder_tree *tree, size_t at)
{
    while (at < tree->count && tree->file[at].kind != T2I_TREE_PICTURE) at++;
    return at;
}

/* ---- folders that are splits ---- */

/* Names of Hugging Face's datasets, and of t2i-data export. */
static const struct {
    const char *folder, *split;
} split_folders[] = {{"train", "train"},
                     {"training", "train"},
                     {"validation", "validation"},
                     {"valid", "validation"},
                     {"val", "validation"},
                     {"dev", "validation"},
                     {"test", "test"},
                     {"testing", "test"},
                     {"eval", "test"},
                     {"evaluation", "test"},
                     {"unseen-prompts", "unseen prompts"},
                     {"unseen-pictures", "unseen pictures"}};

const char *t2i_picture_folder_split(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof split_folders / sizeof *split_folders; i++)
        if (strlen(split_folders[i].folder) == size &&
            memcmp(split_folders[i].folder, name, size) == 0)
            return split_folders[i].split;
    return NULL;
}

typedef struct {
    size_t skip; /* bytes of the folders that all pictures share */
    int on;      /* the next folder names the split */
} splits;

/* The split of a picture, by its path; NULL: none. */
static const char *split_of(splits s, const char *path)
{
    if (strlen(path) < s.skip) return NULL;
    const char *slash = strchr(path + s.skip, '/');
    if (slash == NULL) return NULL;
    return t2i_picture_folder_split(path + s.skip, (size_t)(slash - path) - s.skip);
}

static splits find_splits(const t2i_folder_tree *tree)
{
    splits s = {0, 0};
    size_t first = next_picture(tree, 0);
    if (first == tree->count) return s;
    const char *path = tree->file[first].path, *slash = strrchr(path, '/');
    s.skip = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    for (size_t i = first; i < tree->count; i = next_picture(tree, i + 1)) {
        size_t same = 0;
        for (size_t c = 0; c < s.skip && path[c] == tree->file[i].path[c]; c++)
            if (path[c] == '/') same = c + 1;
        s.skip = same;
    }
    const char *split = split_of(s, path);
    for (size_t i = first; split != NULL && i < tree->count; i = next_picture(tree, i + 1)) {
        const char *other = split_of(s, tree->file[i].path);
        if (other == NULL) return (splits){s.skip, 0};
        s.on |= other != split;
    }
    return s;
}

static t2i_span split_span(splits s, const char *path)
{
    const char *split = s.on ? split_of(s, path) : NULL;
    return (t2i_span){split, split == NULL ? 0 : strlen(split)};
}

static const char *said_splits(splits s)
{
    return s.on ? "; splits by folder" : "";
}

static t2i_span span(const char *text)
{
    return (t2i_span){text, strlen(text)};
}

/* ---- a text beside each picture ---- */

/* Adds a row for each line of the text. */
static t2i_status add_lines(t2i_pair_list *out, const char *path, t2i_span text,
                            t2i_pair_fields *fields, t2i_error *err)
{
    text = t2i_utf8_without_mark(text);
    const char *at = text.size == 0 ? "" : text.data, *end = at + text.size;
    if (t2i_utf8_trim(text).size == 0) {
        fields->prompt = (t2i_span){"", 0};
        return t2i_pairs_add(out, path, 1, fields, err);
    }
    for (size_t line = 1; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        fields->prompt = (t2i_span){at, (size_t)(stop - at)};
        if (stop > at && stop[-1] == '\r') fields->prompt.size--;
        if (t2i_utf8_trim(fields->prompt).size > 0)
            T2I_TRY(t2i_pairs_add(out, path, line, fields, err));
        at = stop == end ? end : stop + 1;
    }
    return T2I_OK;
}

static t2i_status add_text(t2i_pair_list *out, const char *folder, const char *picture,
                           const char *text_path, t2i_span split, t2i_text *text, t2i_error *err)
{
    t2i_error why = {0};
    t2i_pair_fields fields = {.image = span(picture), .split = split};
    char *path = t2i_fs_join(folder, text_path, err);
    if (path == NULL) return T2I_SYSTEM;
    text->size = 0;
    t2i_status status = t2i_fs_read(path, TEXT_MAX, text, &why);
    if (status == T2I_OK)
        status = add_lines(out, path, (t2i_span){text->data, text->size}, &fields, err);
    else if (status == T2I_SYSTEM)
        *err = why;
    else
        status = t2i_pairs_add_bad(out, path, 1, why.text, err);
    t2i_free(path);
    return status;
}

/* Path of the first picture without a text. */
static const char *first_without_text(const t2i_folder_tree *tree)
{
    size_t i = next_picture(tree, 0);
    while (i < tree->count && tree->file[i].text != SIZE_MAX) i = next_picture(tree, i + 1);
    return i < tree->count ? tree->file[i].path : "";
}

t2i_status t2i_picture_folder_texts(t2i_pair_list *out, const t2i_folder_tree *tree,
                                    const char *folder, t2i_error *err)
{
    const splits by_folder = find_splits(tree);
    const size_t pictures = tree->of[T2I_TREE_PICTURE];
    t2i_progress progress;
    t2i_text text = {0};
    t2i_status status = T2I_OK;
    if (tree->matched == 0)
        return t2i_fail(err, T2I_DATA,
                        "%s holds no picture with a text of the same name beside it, such as a.jpg "
                        "and a.txt",
                        folder);
    t2i_log_note("reads %s: texts beside pictures, %zu pictures, prompts from .txt or .caption%s",
                 folder, tree->matched, said_splits(by_folder));
    if (tree->doubled > 0)
        t2i_log_note("%s: %zu pictures have both .txt and .caption: .txt is used", folder,
                     tree->doubled);
    if (tree->matched < pictures)
        t2i_log_warn("%s: %zu of %zu pictures have no text beside them and are left out; the first "
                     "is %s",
                     folder, pictures - tree->matched, pictures, first_without_text(tree));
    if (tree->lonely > 0)
        t2i_log_warn("%s: %zu texts have no picture of their name", folder, tree->lonely);
    t2i_progress_begin(&progress, "reading texts");
    for (size_t i = next_picture(tree, 0); status == T2I_OK && i < tree->count;
         i = next_picture(tree, i + 1)) {
        const t2i_tree_file *file = &tree->file[i];
        if (file->text != SIZE_MAX)
            status = add_text(out, folder, file->path, tree->file[file->text].path,
                              split_span(by_folder, file->path), &text, err);
        t2i_progress_at(&progress, (double)(i + 1) / (double)tree->count);
    }
    t2i_progress_end(&progress);
    t2i_text_free(&text);
    return status;
}

/* ---- a folder per class ---- */

/* The name of the folder that holds a picture, below that of the split; NULL: there is none. */
static const char *class_of(splits s, const char *path, size_t *size)
{
    const char *end = strrchr(path, '/'), *begin = end;
    if (end == NULL) return NULL;
    while (begin > path && begin[-1] != '/') begin--;
    if (s.on && (size_t)(begin - path) <= s.skip) return NULL;
    *size = (size_t)(end - begin);
    return begin;
}

int t2i_picture_folder_count_classes(const t2i_folder_tree *tree)
{
    const splits by_folder = find_splits(tree);
    const char *first = NULL;
    size_t first_size = 0, size;
    int count = 0;
    for (size_t i = next_picture(tree, 0); i < tree->count; i = next_picture(tree, i + 1)) {
        const char *name = class_of(by_folder, tree->file[i].path, &size);
        if (name == NULL) return 0;
        if (first == NULL) {
            first = name;
            first_size = size;
            count = 1;
        }
        if (size != first_size || memcmp(name, first, size) != 0) count = 2;
    }
    return count;
}

static t2i_status add_classes(t2i_pair_list *out, const t2i_folder_tree *tree, const char *folder,
                              splits by_folder, t2i_string_table *classes, t2i_error *err)
{
    for (size_t i = next_picture(tree, 0); i < tree->count; i = next_picture(tree, i + 1)) {
        const char *path = tree->file[i].path;
        t2i_pair_fields fields = {.image = span(path), .split = split_span(by_folder, path)};
        t2i_text name = {0};
        size_t number;
        fields.prompt.data = class_of(by_folder, path, &fields.prompt.size);
        if (fields.prompt.data == NULL)
            return t2i_fail(err, T2I_DATA,
                            "%s/%s is in no folder of a class: put each picture into the folder "
                            "whose name is its prompt",
                            folder, path);
        t2i_status status = t2i_text_add(&name, fields.prompt.data, fields.prompt.size, err);
        if (status == T2I_OK) status = t2i_string_table_add(classes, name.data, &number, err);
        if (status == T2I_OK) status = t2i_pairs_add(out, folder, i + 1, &fields, err);
        t2i_text_free(&name);
        T2I_TRY(status);
    }
    return T2I_OK;
}

t2i_status t2i_picture_folder_classes(t2i_pair_list *out, const t2i_folder_tree *tree,
                                      const char *folder, t2i_error *err)
{
    const splits by_folder = find_splits(tree);
    t2i_string_table classes = {0};
    t2i_text names = {0};
    t2i_status status = add_classes(out, tree, folder, by_folder, &classes, err);
    for (size_t i = 0; status == T2I_OK && i < classes.count && i < NAMED_MAX; i++)
        status = t2i_text_addf(&names, err, "%s'%s'", i == 0 ? "" : ", ",
                               t2i_string_table_at(&classes, i));
    if (status == T2I_OK)
        t2i_log_note("reads %s: a folder per class, %zu pictures, prompts are the names of %zu "
                     "folders: %s%s%s",
                     folder, tree->of[T2I_TREE_PICTURE], classes.count, names.data,
                     classes.count > NAMED_MAX ? ", ..." : "", said_splits(by_folder));
    t2i_string_table_free(&classes);
    t2i_text_free(&names);
    return status;
}

/* ---- Hugging Face's imagefolder ---- */

/* Adds the rows of a part, whose pictures are relative to a folder. */
static t2i_status add_part(t2i_pair_list *out, const t2i_pair_list *part, const char *path,
                           t2i_span folder, splits by_folder, t2i_error *err)
{
    const size_t before = out->rows;
    const char *text = part->text.data;
    t2i_text image = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < part->count; i++) {
        const t2i_pair_row *row = &part->row[i];
        t2i_pair_fields fields = {.prompt = {text + row->prompt, row->prompt_size}};
        image.size = 0;
        status = t2i_text_add(&image, folder.data, folder.size, err);
        if (status == T2I_OK)
            status = t2i_text_add(&image, text + row->image, strlen(text + row->image), err);
        if (status != T2I_OK) break;
        fields.image = (t2i_span){image.data, image.size};
        fields.split = row->split < 0 ? split_span(by_folder, image.data)
                                      : span(t2i_dataset_split_names[row->split]);
        if (row->group != T2I_NO_GROUP) fields.group = span(text + row->group);
        out->rows = before + row->row;
        status = t2i_pairs_add(out, path, row->line, &fields, err);
    }
    out->rows = before + part->rows;
    out->bad += part->bad;
    out->reported += part->reported;
    out->trimmed += part->trimmed;
    for (int i = 0; i < T2I_OTHER_SPLITS; i++) out->other_splits[i] += part->other_splits[i];
    if (status == T2I_OK)
        status = t2i_text_add(&out->report, part->report.data, part->report.size, err);
    t2i_text_free(&image);
    return status;
}

static t2i_status add_metadata(t2i_pair_list *out, const char *folder, const char *name,
                               const t2i_list_columns *columns, splits by_folder, t2i_error *err)
{
    t2i_pair_list part;
    const char *slash = strrchr(name, '/');
    char *path = t2i_fs_join(folder, name, err);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = t2i_list_read(&part, path, columns, err);
    if (status == T2I_OK) {
        status = add_part(out, &part, path,
                          (t2i_span){name, slash == NULL ? 0 : (size_t)(slash - name) + 1},
                          by_folder, err);
        t2i_pairs_free(&part);
    }
    t2i_free(path);
    return status;
}

/* Two metadata files of one folder are next to each other in the tree, or nearly so. */
static t2i_status check_metadata(const t2i_folder_tree *tree, const char *folder, t2i_error *err)
{
    const char *before = NULL;
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->file[i].kind != T2I_TREE_METADATA) continue;
        const char *path = tree->file[i].path;
        if (before != NULL && t2i_folder_tree_stem(before) == t2i_folder_tree_stem(path) &&
            memcmp(before, path, t2i_folder_tree_stem(path)) == 0)
            return t2i_fail(err, T2I_DATA, "%s holds both %s and %s: remove one of them", folder,
                            before, path);
        before = path;
    }
    if (before != NULL) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s holds no metadata.csv and no metadata.jsonl", folder);
}

/* Number of pictures that no row names. */
static t2i_status count_unnamed(const t2i_pair_list *list, const t2i_folder_tree *tree,
                                size_t *unnamed, t2i_error *err)
{
    t2i_string_table names = {0};
    t2i_status status = T2I_OK;
    size_t number;
    *unnamed = 0;
    for (size_t i = 0; status == T2I_OK && i < list->count; i++)
        status = t2i_string_table_add(&names, list->text.data + list->row[i].image, &number, err);
    for (size_t i = next_picture(tree, 0); status == T2I_OK && i < tree->count;
         i = next_picture(tree, i + 1))
        *unnamed += t2i_string_table_find(&names, tree->file[i].path) == SIZE_MAX;
    t2i_string_table_free(&names);
    return status;
}

t2i_status t2i_picture_folder_metadata(t2i_pair_list *out, const t2i_folder_tree *tree,
                                       const char *folder, const t2i_list_columns *columns,
                                       t2i_error *err)
{
    const splits by_folder = find_splits(tree);
    size_t unnamed;
    T2I_TRY(check_metadata(tree, folder, err));
    t2i_log_note("reads %s: imagefolder of Hugging Face, %zu pictures, prompts from %zu metadata "
                 "file%s%s",
                 folder, tree->of[T2I_TREE_PICTURE], tree->of[T2I_TREE_METADATA],
                 tree->of[T2I_TREE_METADATA] == 1 ? "" : "s", said_splits(by_folder));
    for (size_t i = 0; i < tree->count; i++)
        if (tree->file[i].kind == T2I_TREE_METADATA)
            T2I_TRY(add_metadata(out, folder, tree->file[i].path, columns, by_folder, err));
    T2I_TRY(count_unnamed(out, tree, &unnamed, err));
    if (unnamed > 0)
        t2i_log_note("%s: %zu pictures are in no metadata file and are left out", folder, unnamed);
    return T2I_OK;
}
