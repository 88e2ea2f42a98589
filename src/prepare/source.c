#include "prepare/source.h"

#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"

static const char *const kind_names[T2I_SOURCE_KINDS] = {
    [T2I_SOURCE_LIST] = "list",
    [T2I_SOURCE_COCO] = "coco",
    [T2I_SOURCE_KARPATHY] = "karpathy",
    [T2I_SOURCE_FLICKR] = "flickr",
    [T2I_SOURCE_SIDECAR] = "sidecar",
    [T2I_SOURCE_CLASSES] = "classes",
    [T2I_SOURCE_IMAGEFOLDER] = "imagefolder",
    [T2I_SOURCE_WEBDATASET] = "webdataset",
};

/* ---- which kind it is ---- */

static int has_suffix(const char *path, const char *suffix)
{
    size_t size = strlen(path), tail = strlen(suffix);
    return size > tail && strcmp(path + size - tail, suffix) == 0;
}

/* A brace pattern names shards that need not exist under that name. */
static int is_pattern(const char *path)
{
    return strchr(path, '{') != NULL && !t2i_fs_exists(path);
}

static t2i_status recognise_folder(t2i_source *source, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is a folder: give the list of its pictures", source->path);
}

static t2i_status recognise(t2i_source *source, t2i_error *err)
{
    source->kind = T2I_SOURCE_LIST;
    if (is_pattern(source->path) || has_suffix(source->path, ".tar"))
        source->kind = T2I_SOURCE_WEBDATASET;
    else if (t2i_fs_is_folder(source->path))
        return recognise_folder(source, err);
    return T2I_OK;
}

static t2i_status use_kind(t2i_source *source, const char *from, t2i_error *err)
{
    for (int kind = 0; kind < T2I_SOURCE_KINDS; kind++)
        if (strcmp(from, kind_names[kind]) == 0) {
            source->kind = (t2i_source_kind)kind;
            return T2I_OK;
        }
    return recognise(source, err);
}

/* ---- where its pictures are ---- */

/* Names in a list are relative to the list's folder, names in a folder to that folder. */
static t2i_status find_images(t2i_source *source, const char *images, t2i_error *err)
{
    const char *from = images != NULL ? images : source->path, *slash = strrchr(from, '/');
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

t2i_status t2i_source_read(const t2i_source *source, const t2i_list_columns *columns,
                           t2i_pair_list *out, t2i_error *err)
{
    *out = (t2i_pair_list){0};
    if (source->kind == T2I_SOURCE_LIST) return t2i_list_read(out, source->path, columns, err);
    return t2i_fail(err, T2I_USAGE, "--from %s cannot be read yet", kind_names[source->kind]);
}

void t2i_source_free(t2i_source *source)
{
    t2i_free(source->images);
    *source = (t2i_source){0};
}
