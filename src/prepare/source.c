#include "prepare/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "prepare/webdataset.h"
#include "lists/caption_json.h"
#include "lists/folder_tree.h"
#include "lists/gzip.h"
#include "lists/picture_folder.h"
#include "lists/picture_names.h"

enum {
    HEAD = 1 << 16,       /* bytes of a file that are looked at */
    HEAD_PLAIN = 1 << 20, /* of them decompressed */
    SAMPLE = 16,          /* pictures that are looked for in a folder */
    FOLDERS_MAX = 256     /* folders near a list that are looked into */
};

static const char *const kind_names[T2I_SOURCE_KINDS] = {
    [T2I_SOURCE_LIST] = "list",
    [T2I_SOURCE_COCO] = "coco",
    [T2I_SOURCE_KARPATHY] = "karpathy",
    [T2I_SOURCE_SIDECAR] = "sidecar",
    [T2I_SOURCE_CLASSES] = "classes",
    [T2I_SOURCE_IMAGEFOLDER] = "imagefolder",
    [T2I_SOURCE_WEBDATASET] = "webdataset",
};

static int is_folder_kind(t2i_source_kind kind)
{
    return kind == T2I_SOURCE_SIDECAR || kind == T2I_SOURCE_CLASSES ||
           kind == T2I_SOURCE_IMAGEFOLDER;
}

/* ---- which kind a file is ---- */

/* The first bytes of a regular file, decompressed if they are gzip'd; the caller frees them. What
 * cannot be read is told by its reader; a pipe must be read once only. */
static t2i_status read_head(const char *path, char **head, size_t *size, t2i_error *err)
{
    struct stat info;
    char bytes[4096];
    t2i_text text = {0}, plain = {0};
    t2i_status status = t2i_text_add(&text, "", 0, err);
    int fd =
        stat(path, &info) == 0 && S_ISREG(info.st_mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    for (ssize_t got = 1; status == T2I_OK && fd >= 0 && got > 0 && text.size < HEAD;) {
        got = t2i_fs_read_at(fd, bytes, sizeof bytes, text.size);
        if (got > 0) status = t2i_text_add(&text, bytes, (size_t)got, err);
    }
    if (fd >= 0) close(fd);
    if (status == T2I_OK && t2i_gzip_is(text.data, text.size)) {
        /* what is cut off here, or damaged, is told by its reader */
        t2i_error why;
        status = t2i_text_add(&plain, "", 0, err);
        if (status == T2I_OK &&
            t2i_gzip_read(text.data, text.size, HEAD_PLAIN, path, &plain, &why) == T2I_SYSTEM)
            status = t2i_fail(err, T2I_SYSTEM, "%s", why.text);
        t2i_text_free(&text);
        text = plain;
    }
    if (status != T2I_OK) t2i_text_free(&text);
    *head = text.data;
    *size = text.size;
    return status;
}

static t2i_status recognise_file(t2i_source *source, t2i_error *err)
{
    static const char *const shards[] = {".tar", ".tar.gz", ".tgz"};
    char *head;
    size_t size;
    T2I_TRY(read_head(source->path, &head, &size, err));
    t2i_caption_kind captions = t2i_caption_json_kind((t2i_span){head, size});
    source->kind = captions == T2I_CAPTION_COCO       ? T2I_SOURCE_COCO
                   : captions == T2I_CAPTION_KARPATHY ? T2I_SOURCE_KARPATHY
                                                      : T2I_SOURCE_LIST;
    int shard = size > 262 && memcmp(head + 257, "ustar", 5) == 0;
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++)
        shard |= t2i_text_ends(source->path, shards[i]);
    shard |= t2i_webdataset_is_pattern(source->path);
    if (shard) source->kind = T2I_SOURCE_WEBDATASET;
    t2i_free(head);
    return T2I_OK;
}

/* ---- which kind a folder is ---- */

static const char *first_of(const t2i_folder_tree *tree, t2i_tree_kind kind)
{
    size_t i = 0;
    while (i < tree->count && tree->file[i].kind != kind) i++;
    return i < tree->count ? tree->file[i].path : "";
}

static const char looked_for[] =
    "looked for a text beside each picture (a.jpg and a.txt), metadata.csv or metadata.jsonl, a "
    "folder per class whose name is the prompt, and tar shards";

static t2i_status fail_folder(const t2i_folder_tree *tree, const char *path, t2i_error *err)
{
    const size_t pictures = tree->of[T2I_TREE_PICTURE];
    const char *list = first_of(tree, tree->of[T2I_TREE_LIST] > 0 ? T2I_TREE_LIST : T2I_TREE_TEXT);
    const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";
    if (*list != '\0')
        return t2i_fail(err, T2I_DATA,
                        "%s holds %zu pictures and %s: if that is the list of prompts, give it by "
                        "--pairs %s%s%s, with --images for the folder of its pictures; %s",
                        path, pictures, list, path, slash, list, looked_for);
    if (pictures == 0 && tree->of[T2I_TREE_PACKED] > 0)
        return t2i_fail(
            err, T2I_DATA,
            "%s holds no pictures, but %s: unpack an archive first; write Parquet and "
            "Arrow of Hugging Face out as pictures first, as docs/datasets.md shows; %s",
            path, first_of(tree, T2I_TREE_PACKED), looked_for);
    if (pictures == 0) return t2i_fail(err, T2I_DATA, "%s holds no pictures: %s", path, looked_for);
    return t2i_fail(err, T2I_DATA,
                    "%s holds %zu pictures without prompts: %s; or give a list by --pairs and this "
                    "folder by --images",
                    path, pictures, looked_for);
}

static t2i_status recognise_tree(t2i_source *source, const t2i_folder_tree *tree, t2i_error *err)
{
    const size_t *of = tree->of;
    if (of[T2I_TREE_SHARD] > 0 && of[T2I_TREE_PICTURE] > 0)
        return t2i_fail(err, T2I_DATA,
                        "%s holds tar shards (%s) and pictures (%s): say --from webdataset to read "
                        "the shards, or move them away",
                        source->path, first_of(tree, T2I_TREE_SHARD),
                        first_of(tree, T2I_TREE_PICTURE));
    if (of[T2I_TREE_METADATA] > 0 && tree->matched > 0)
        return t2i_fail(err, T2I_DATA,
                        "%s holds %s and texts beside pictures: say --from imagefolder or --from "
                        "sidecar",
                        source->path, first_of(tree, T2I_TREE_METADATA));
    if (of[T2I_TREE_SHARD] > 0)
        source->kind = T2I_SOURCE_WEBDATASET;
    else if (of[T2I_TREE_METADATA] > 0)
        source->kind = T2I_SOURCE_IMAGEFOLDER;
    else if (tree->matched > 0)
        source->kind = T2I_SOURCE_SIDECAR;
    else if (of[T2I_TREE_LIST] + of[T2I_TREE_TEXT] == 0 &&
             t2i_picture_folder_count_classes(tree) > 1)
        source->kind = T2I_SOURCE_CLASSES;
    else
        return fail_folder(tree, source->path, err);
    return T2I_OK;
}

static t2i_status recognise(t2i_source *source, t2i_error *err)
{
    t2i_folder_tree tree;
    if (!t2i_fs_is_folder(source->path)) return recognise_file(source, err);
    T2I_TRY(t2i_folder_tree_read(&tree, source->path, err));
    t2i_status status = recognise_tree(source, &tree, err);
    t2i_folder_tree_free(&tree);
    return status;
}

static t2i_status use_kind(t2i_source *source, const char *from, t2i_error *err)
{
    int kind = 0;
    while (kind < T2I_SOURCE_KINDS && strcmp(from, kind_names[kind]) != 0) kind++;
    if (kind == T2I_SOURCE_KINDS) return recognise(source, err);
    source->kind = (t2i_source_kind)kind;
    if (kind == T2I_SOURCE_WEBDATASET) return T2I_OK;
    if (is_folder_kind(source->kind) && !t2i_fs_is_folder(source->path))
        return t2i_fail(err, T2I_NOINPUT, "--from %s needs a folder, which %s is not", from,
                        source->path);
    if (!is_folder_kind(source->kind) && t2i_fs_is_folder(source->path))
        return t2i_fail(err, T2I_NOINPUT, "--from %s needs a file: %s is a folder", from,
                        source->path);
    return T2I_OK;
}

/* ---- where the pictures are ---- */

/* Names in a list are relative to the list's folder, names in a folder to that folder. */
static t2i_status find_images(t2i_source *source, const char *images, t2i_error *err)
{
    const char *from = images != NULL ? images : source->path, *slash = strrchr(from, '/');
    source->given = images != NULL;
    if (images != NULL && !t2i_fs_is_folder(images))
        return t2i_fail(err, T2I_NOINPUT,
                        t2i_fs_exists(images)
                            ? "--images %s: it is a file; give the folder of the pictures, and "
                              "their list with --pairs"
                            : "--images %s: no such folder",
                        images);
    if (images != NULL && is_folder_kind(source->kind) && !t2i_fs_is_same(images, source->path))
        return t2i_fail(err, T2I_USAGE,
                        "--images is for lists: the folder %s holds its pictures itself",
                        source->path);
    source->images = t2i_fs_copy_path(from, err);
    if (source->images == NULL) return T2I_SYSTEM;
    if (images == NULL && !t2i_fs_is_folder(from))
        source->images[slash == NULL ? 0 : slash - from + 1] = '\0';
    return T2I_OK;
}

t2i_status t2i_source_find(t2i_source *out, const char *path, const char *images, const char *from,
                           t2i_error *err)
{
    *out = (t2i_source){.path = path};
    t2i_status status = use_kind(out, from, err);
    if (status == T2I_OK) status = find_images(out, images, err);
    if (status != T2I_OK) t2i_source_free(out);
    return status;
}

typedef struct {
    const t2i_pair_list *list;
    t2i_text folders; /* paths of folders, each with a terminator */
    size_t count;     /* of them */
    size_t at, most;  /* the best of them so far, and how many of the sample it has */
    size_t other;     /* another one that has as many */
} search;

/* How many of a sample of the list's pictures a folder has. */
static size_t count_there(const t2i_pair_list *list, const char *folder)
{
    size_t there = 0, step = list->count / SAMPLE + 1;
    for (size_t i = 0; i < list->count; i += step) {
        char *path = t2i_fs_join(folder, list->text.data + list->row[i].image, NULL);
        there += path != NULL && t2i_fs_exists(path);
        t2i_free(path);
    }
    return there;
}

/* Adds the folders in `folder`, which is "" or ends in '/'. */
static t2i_status add_folders(search *s, const char *folder, t2i_error *err)
{
    DIR *dir = opendir(folder[0] == '\0' ? "." : folder);
    t2i_status status = T2I_OK;
    for (struct dirent *entry; status == T2I_OK && dir != NULL && s->count < FOLDERS_MAX &&
                               (entry = readdir(dir)) != NULL;) {
        size_t size = s->folders.size;
        if (entry->d_name[0] == '.') continue;
        status = t2i_text_addf(&s->folders, err, "%s%s/", folder, entry->d_name);
        if (status != T2I_OK) break;
        if (t2i_fs_is_folder(s->folders.data + size)) {
            status = t2i_text_add(&s->folders, "", 1, err);
            s->count++;
        } else {
            s->folders.size = size;
        }
    }
    if (dir != NULL) closedir(dir);
    return status;
}

/* Two names of one folder are no choice; the lower one is used. */
static void choose_folder(search *s)
{
    const char *folders = s->folders.data;
    for (size_t at = 0; at < s->folders.size; at += strlen(folders + at) + 1) {
        size_t there = count_there(s->list, folders + at);
        int same = there == s->most && there > 0 && t2i_fs_is_same(folders + at, folders + s->at);
        if (there > s->most || (same && strcmp(folders + at, folders + s->at) < 0)) {
            if (!same || s->other == s->at) s->other = at;
            s->at = at;
            s->most = there;
        } else if (there == s->most && there > 0 && !same) {
            s->other = at;
        }
    }
}

/* Looks for the pictures of a list in the folders beside it; those of COCO, whose lists are in a
 * folder `annotations`, also beside that. */
static t2i_status find_near(t2i_source *source, const t2i_pair_list *list, t2i_error *err)
{
    search s = {.list = list};
    t2i_text above = {0};
    if (list->count == 0 || count_there(list, source->images) > 0) return T2I_OK;
    t2i_status status = add_folders(&s, source->images, err);
    if (status == T2I_OK && source->kind != T2I_SOURCE_LIST) {
        status = t2i_text_addf(&above, err, "%s../", source->images);
        if (status == T2I_OK) status = t2i_text_add(&s.folders, above.data, above.size + 1, err);
        if (status == T2I_OK) status = add_folders(&s, above.data, err);
    }
    if (status == T2I_OK) choose_folder(&s);
    const char *found = s.most == 0 ? NULL : s.folders.data + s.at;
    if (status == T2I_OK && s.other != s.at)
        status = t2i_fail(err, T2I_DATA,
                          "%s: its pictures are in %s and in %s: choose a folder with --images",
                          source->path, found, s.folders.data + s.other);
    if (status == T2I_OK && found != NULL) {
        t2i_log_note("%s: pictures are taken from %s", source->path, found);
        t2i_free(source->images);
        source->images = t2i_fs_copy_path(found, err);
        if (source->images == NULL) status = T2I_SYSTEM;
    }
    t2i_text_free(&s.folders);
    t2i_text_free(&above);
    return status;
}

/* ---- reading ---- */

static t2i_status read_folder(const t2i_source *source, const t2i_list_columns *columns,
                              t2i_pair_list *out, t2i_error *err)
{
    t2i_folder_tree tree;
    T2I_TRY(t2i_folder_tree_read(&tree, source->path, err));
    t2i_status status = source->kind == T2I_SOURCE_SIDECAR
                            ? t2i_picture_folder_texts(out, &tree, source->path, err)
                        : source->kind == T2I_SOURCE_CLASSES
                            ? t2i_picture_folder_classes(out, &tree, source->path, err)
                            : t2i_picture_folder_metadata(out, &tree, source->path, columns, err);
    t2i_folder_tree_free(&tree);
    return status;
}

t2i_status t2i_source_read(t2i_source *source, const t2i_list_columns *columns, t2i_pair_list *out,
                           t2i_error *err)
{
    *out = (t2i_pair_list){.count = 0};
    t2i_status status =
        source->kind == T2I_SOURCE_LIST       ? t2i_list_read(out, source->path, columns, err)
        : source->kind == T2I_SOURCE_COCO     ? t2i_caption_json_coco(out, source->path, err)
        : source->kind == T2I_SOURCE_KARPATHY ? t2i_caption_json_karpathy(out, source->path, err)
                                              : read_folder(source, columns, out, err);
    if (status == T2I_OK && !source->given && !is_folder_kind(source->kind))
        status = find_near(source, out, err);
    if (status == T2I_OK) status = t2i_picture_names_find(out, source->path, source->images, err);
    if (status != T2I_OK) t2i_pairs_free(out);
    return status;
}

void t2i_source_free(t2i_source *source)
{
    t2i_free(source->images);
    *source = (t2i_source){.path = NULL};
}
