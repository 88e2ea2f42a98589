#include "lists/folder_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/string_table.h"
#include "lists/unicode_form.h"

enum { DEEPEST = 64 };

/* Pictures also by suffixes that are not read: their rows are refused with the reason. */
static const struct {
    const char *end;
    t2i_tree_kind kind;
} ends[] = {
    {".jpg", T2I_TREE_PICTURE},   {".jpeg", T2I_TREE_PICTURE},   {".png", T2I_TREE_PICTURE},
    {".webp", T2I_TREE_PICTURE},  {".gif", T2I_TREE_PICTURE},    {".bmp", T2I_TREE_PICTURE},
    {".tif", T2I_TREE_PICTURE},   {".tiff", T2I_TREE_PICTURE},   {".jpe", T2I_TREE_PICTURE},
    {".jfif", T2I_TREE_PICTURE},  {".avif", T2I_TREE_PICTURE},   {".heic", T2I_TREE_PICTURE},
    {".heif", T2I_TREE_PICTURE},  {".jxl", T2I_TREE_PICTURE},    {".ppm", T2I_TREE_PICTURE},
    {".txt", T2I_TREE_TEXT},      {".caption", T2I_TREE_TEXT},   {".tar", T2I_TREE_SHARD},
    {".tar.gz", T2I_TREE_SHARD},  {".tgz", T2I_TREE_SHARD},      {".csv", T2I_TREE_LIST},
    {".tsv", T2I_TREE_LIST},      {".json", T2I_TREE_LIST},      {".jsonl", T2I_TREE_LIST},
    {".ndjson", T2I_TREE_LIST},   {".parquet", T2I_TREE_PACKED}, {".csv.gz", T2I_TREE_LIST},
    {".tsv.gz", T2I_TREE_LIST},   {".jsonl.gz", T2I_TREE_LIST},  {".json.gz", T2I_TREE_LIST},
    {".token", T2I_TREE_LIST},    {".xlsx", T2I_TREE_LIST},      {".arrow", T2I_TREE_PACKED},
    {".zip", T2I_TREE_PACKED},    {".7z", T2I_TREE_PACKED},      {".rar", T2I_TREE_PACKED},
    {".tar.bz2", T2I_TREE_PACKED}};

static t2i_tree_kind kind_of(const char *name)
{
    static const char *const no_prompts[] = {"readme", "license", "licence", "labels", "classes"};
    for (size_t i = 0; i < sizeof no_prompts / sizeof *no_prompts; i++) {
        size_t head = strlen(no_prompts[i]);
        if (strncasecmp(name, no_prompts[i], head) == 0 &&
            (name[head] == '.' || name[head] == '\0'))
            return T2I_TREE_OTHER;
    }
    if (t2i_text_ends(name, ".bad.tsv")) return T2I_TREE_OTHER;
    if (strcasecmp(name, "metadata.csv") == 0 || strcasecmp(name, "metadata.jsonl") == 0 ||
        strcasecmp(name, "metadata.parquet") == 0)
        return T2I_TREE_METADATA;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (t2i_text_ends(name, ends[i].end)) return ends[i].kind;
    return T2I_TREE_OTHER;
}

/* ---- walking; each file is its kind in a byte, its path and a terminator in `paths` ---- */

typedef struct {
    t2i_folder_tree *tree;
    const char *folder, *slash; /* for messages */
    t2i_text path;              /* of the folder that is read, relative; "" or ends in '/' */
    struct {
        dev_t device;
        ino_t number;
    } above[DEEPEST]; /* the folders on the way to it */
    int depth;
} walk;

static t2i_status add_file(walk *w, const char *name, t2i_error *err)
{
    t2i_tree_kind kind = kind_of(name);
    const char byte = (char)kind;
    w->tree->of[kind]++;
    if (kind == T2I_TREE_OTHER) return T2I_OK;
    w->tree->count++;
    T2I_TRY(t2i_text_add(&w->tree->paths, &byte, 1, err));
    T2I_TRY(t2i_text_add(&w->tree->paths, w->path.data, w->path.size, err));
    return t2i_text_add(&w->tree->paths, name, strlen(name) + 1, err);
}

static t2i_status read_folder(walk *w, int folder, t2i_error *err);

static t2i_status add_entry(walk *w, int folder, const char *name, t2i_error *err)
{
    struct stat info;
    /* a link to nothing is a file that cannot be opened: its row is reported */
    int there = fstatat(folder, name, &info, 0) == 0;
    if (there && !S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) return T2I_OK;
    if (!there || !S_ISDIR(info.st_mode)) return add_file(w, name, err);
    size_t size = w->path.size;
    T2I_TRY(t2i_text_addf(&w->path, err, "%s/", name));
    t2i_status status =
        read_folder(w, openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err);
    w->path.data[w->path.size = size] = '\0';
    return status;
}

/* Is the open folder one of those above it? Adds it to them. */
static t2i_status enter(walk *w, int folder, t2i_error *err)
{
    struct stat info;
    if (fstat(folder, &info) != 0)
        return t2i_fail(err, T2I_NOINPUT, "cannot read the folder %s%s%s: %s", w->folder, w->slash,
                        w->path.data, strerror(errno));
    for (int i = 0; i < w->depth; i++)
        if (w->above[i].device == info.st_dev && w->above[i].number == info.st_ino)
            return t2i_fail(err, T2I_DATA, "the folder %s%s%s is a link to a folder that holds it",
                            w->folder, w->slash, w->path.data);
    if (w->depth == DEEPEST)
        return t2i_fail(err, T2I_DATA, "the folder %s%s%s is nested deeper than %d levels",
                        w->folder, w->slash, w->path.data, DEEPEST);
    w->above[w->depth].device = info.st_dev;
    w->above[w->depth++].number = info.st_ino;
    return T2I_OK;
}

/* Reads the open folder and closes it. */
static t2i_status read_folder(walk *w, int folder, t2i_error *err)
{
    DIR *dir = folder < 0 ? NULL : fdopendir(folder);
    if (dir == NULL) {
        t2i_fail(err, T2I_NOINPUT, "cannot read the folder %s%s%s: %s", w->folder, w->slash,
                 w->path.data, strerror(errno));
        if (folder >= 0) close(folder);
        return T2I_NOINPUT;
    }
    t2i_status status = enter(w, folder, err);
    if (status == T2I_OK) {
        errno = 0;
        for (struct dirent *entry; status == T2I_OK && (entry = readdir(dir)) != NULL; errno = 0)
            if (entry->d_name[0] != '.') status = add_entry(w, folder, entry->d_name, err);
        if (status == T2I_OK && errno != 0)
            status = t2i_fail(err, T2I_NOINPUT, "cannot read the folder %s%s%s: %s", w->folder,
                              w->slash, w->path.data, strerror(errno));
        w->depth--;
    }
    closedir(dir);
    return status;
}

/* ---- order, and the texts of pictures ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const t2i_tree_file *)a)->path, ((const t2i_tree_file *)b)->path);
}

static t2i_status sort_files(t2i_folder_tree *tree, t2i_error *err)
{
    tree->file = t2i_alloc(tree->count, sizeof *tree->file);
    if (tree->file == NULL)
        return t2i_fail_memory(err, tree->count * sizeof *tree->file, "names of files");
    const char *at = tree->paths.data;
    for (size_t i = 0; i < tree->count; i++, at += strlen(at) + 1) {
        tree->file[i] = (t2i_tree_file){at + 1, (t2i_tree_kind)*at, SIZE_MAX};
        at++;
    }
    qsort(tree->file, tree->count, sizeof *tree->file, by_path);
    return T2I_OK;
}

size_t t2i_folder_tree_stem(const char *path)
{
    const char *slash = strrchr(path, '/'), *last = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(last, '.');
    return dot == NULL || dot == last ? strlen(path) : (size_t)(dot - path);
}

/* Finds the stem of a file in the table, or adds it; two forms of a letter are the same. *number is
 * SIZE_MAX where it is not found. */
static t2i_status find_stem(t2i_string_table *stems, const char *path, int add, t2i_text *stem,
                            size_t *number, t2i_error *err)
{
    stem->size = 0;
    T2I_TRY(t2i_unicode_form_compose(stem, (t2i_span){path, t2i_folder_tree_stem(path)}, err));
    if (add) return t2i_string_table_add(stems, stem->data, number, err);
    *number = t2i_string_table_find(stems, stem->data);
    return T2I_OK;
}

typedef struct {
    t2i_string_table stems;
    t2i_text stem;
    size_t *text;  /* of each stem: number of NAME.txt, else of NAME.caption */
    uint8_t *both; /* the stem has both texts: 1; a picture: 2 */
} matching;

static t2i_status match(matching *m, t2i_folder_tree *tree, t2i_error *err)
{
    size_t number;
    m->text = t2i_alloc(tree->of[T2I_TREE_TEXT], sizeof *m->text);
    m->both = t2i_alloc(tree->of[T2I_TREE_TEXT], sizeof *m->both);
    if (m->text == NULL || m->both == NULL)
        return t2i_fail_memory(err, tree->of[T2I_TREE_TEXT] * sizeof *m->text, "names of texts");
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->file[i].kind != T2I_TREE_TEXT) continue;
        size_t known = m->stems.count;
        T2I_TRY(find_stem(&m->stems, tree->file[i].path, 1, &m->stem, &number, err));
        m->both[number] = m->stems.count == known;
        m->text[number] = i; /* .txt comes after .caption */
    }
    tree->lonely = m->stems.count;
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->file[i].kind != T2I_TREE_PICTURE) continue;
        T2I_TRY(find_stem(&m->stems, tree->file[i].path, 0, &m->stem, &number, err));
        if (number == SIZE_MAX) continue;
        tree->file[i].text = m->text[number];
        tree->matched++;
        tree->doubled += m->both[number] & 1;
        tree->lonely -= !(m->both[number] & 2);
        m->both[number] |= 2;
    }
    return T2I_OK;
}

static t2i_status match_texts(t2i_folder_tree *tree, t2i_error *err)
{
    matching m = {.text = NULL};
    t2i_status status = match(&m, tree, err);
    t2i_string_table_free(&m.stems);
    t2i_text_free(&m.stem);
    t2i_free(m.text);
    t2i_free(m.both);
    return status;
}

t2i_status t2i_folder_tree_read(t2i_folder_tree *out, const char *folder, t2i_error *err)
{
    *out = (t2i_folder_tree){.file = NULL};
    size_t size = strlen(folder);
    walk w = {
        .tree = out, .folder = folder, .slash = size > 0 && folder[size - 1] == '/' ? "" : "/"};
    t2i_status status = t2i_text_add(&w.path, "", 0, err);
    if (status == T2I_OK)
        status = read_folder(&w, open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err);
    t2i_text_free(&w.path);
    if (status == T2I_OK) status = sort_files(out, err);
    if (status == T2I_OK) status = match_texts(out, err);
    if (status != T2I_OK) t2i_folder_tree_free(out);
    return status;
}

void t2i_folder_tree_free(t2i_folder_tree *tree)
{
    t2i_text_free(&tree->paths);
    t2i_free(tree->file);
    *tree = (t2i_folder_tree){.file = NULL};
}
