/* realpath is of XSI. */
#define _XOPEN_SOURCE 700
#include "retrieval/loaded_model.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "checkpoint/run_folder.h"
#include "formats/json.h"

/* A search for the dataset of a run. */
typedef struct {
    const char *digest; /* "": any file will do */
    char *found;        /* owned: the dataset; NULL: not found yet */
    char *other;        /* owned: the first file that is not it; NULL: none */
    t2i_error why;      /* why it is not: status T2I_OK: another digest */
} hunt;

/* Takes folder/name if it is the dataset. */
static t2i_status consider(hunt *h, const char *folder, const char *name, t2i_error *err)
{
    t2i_dataset *dataset = NULL;
    t2i_error why = {0};
    if (h->found != NULL) return T2I_OK;
    char *path = t2i_fs_join(folder, name, err);
    if (path == NULL) return T2I_SYSTEM;
    if (t2i_fs_exists(path)) {
        int fits = h->digest[0] == '\0';
        if (!fits && t2i_dataset_open(&dataset, path, &why) == T2I_OK) {
            fits = strcmp(t2i_dataset_get_info(dataset)->digest, h->digest) == 0;
            t2i_dataset_close(dataset);
        }
        char **to = fits ? &h->found : &h->other;
        if (*to == NULL) {
            *to = path;
            path = NULL;
            if (!fits) h->why = why;
        }
    }
    t2i_free(path);
    return T2I_OK;
}

/* name: the path in job.ini; start: where the run was started, or NULL. */
static t2i_status search(hunt *h, const char *run, const char *name, const char *start,
                         t2i_error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(name, '/'), *file = slash == NULL ? name : slash + 1;
    T2I_TRY(consider(h, "", name, err));
    if (start != NULL) T2I_TRY(consider(h, start, name, err));
    if (realpath(run, folder) != NULL)
        for (char *end = folder + strlen(folder); end != NULL && h->found == NULL;
             end = strrchr(folder, '/')) {
            *end = '\0';
            T2I_TRY(consider(h, end == folder ? "/" : folder, name, err));
        }
    T2I_TRY(consider(h, "", file, err));
    return consider(h, run, file, err);
}

static t2i_status tell(const hunt *h, const char *run, const char *name, t2i_error *err)
{
    if (h->other == NULL)
        return t2i_fail(err, T2I_NOINPUT,
                        "%s, which %s/job.ini names as its dataset, does not exist: give the "
                        "dataset with --data FILE.h5",
                        name, run);
    if (h->why.status != T2I_OK) return t2i_fail(err, h->why.status, "%s", h->why.text);
    return t2i_fail(err, T2I_DATA,
                    "%s is not the dataset that %s was trained on (the digests differ): give that "
                    "one with --data FILE.h5, or --data %s to use this one nevertheless",
                    h->other, run, h->other);
}

t2i_status t2i_loaded_model_dataset(const char *source, const char *data,
                                    const t2i_checkpoint *checkpoint, char **path, t2i_error *err)
{
    *path = NULL;
    if (data != NULL) {
        *path = t2i_fs_copy_path(data, err);
        return *path == NULL ? T2I_SYSTEM : T2I_OK;
    }
    if (!t2i_fs_is_folder(source))
        return t2i_fail(
            err, T2I_USAGE,
            "%s is a model file, which names no dataset: give the dataset with --data FILE.h5",
            source);
    hunt h = {.digest = checkpoint->run.dataset};
    char *name, *start;
    T2I_TRY(t2i_run_folder_dataset(source, &name, &start, err));
    t2i_status status = search(&h, source, name, start, err);
    if (status == T2I_OK && h.found == NULL) status = tell(&h, source, name, err);
    if (status == T2I_OK)
        *path = h.found;
    else
        t2i_free(h.found);
    t2i_free(h.other);
    t2i_free(name);
    t2i_free(start);
    return status;
}

t2i_status t2i_loaded_model_check(const t2i_checkpoint *checkpoint, const char *path,
                                  const t2i_dataset *dataset, t2i_error *err)
{
    size_t predicted = checkpoint->model.config.vision_feature_dim;
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    if (info->features != predicted)
        return t2i_fail(err, T2I_DATA,
                        "the model in %s predicts %zu features, but the pictures of %s have %llu: "
                        "give the dataset that it was trained on",
                        path, predicted, t2i_dataset_path(dataset),
                        (unsigned long long)info->features);
    t2i_log_detail("model: %s, dataset: %s", path, t2i_dataset_path(dataset));
    t2i_checkpoint_log(checkpoint, path);
    if (checkpoint->ours && checkpoint->run.dataset[0] != '\0' &&
        strcmp(checkpoint->run.dataset, info->digest) != 0)
        t2i_log_warn("%s was trained on another dataset than %s (the digests differ)", path,
                     t2i_dataset_path(dataset));
    return T2I_OK;
}

t2i_metric t2i_loaded_model_metric(const t2i_checkpoint *checkpoint)
{
    t2i_json *options = NULL;
    const char *text = checkpoint->run.options, *loss = "";
    t2i_error ignored; /* options that cannot be read name no loss */
    if (checkpoint->model.config.embed_dim > 0) return T2I_COSINE;
    if (text == NULL || t2i_json_parse(&options, text, strlen(text), "options", &ignored) != T2I_OK)
        return T2I_EUCLIDEAN;
    (void)t2i_json_as_string(t2i_json_get(options, "loss"), &loss, NULL);
    int contrastive = strcmp(loss, "contrastive") == 0;
    t2i_json_free(options);
    return contrastive ? T2I_COSINE : T2I_EUCLIDEAN;
}

static t2i_status fill(t2i_loaded_model *out, const char *source, const char *data, t2i_error *err)
{
    char *path;
    T2I_TRY(t2i_run_folder_model(source, &out->path, err));
    T2I_TRY(t2i_checkpoint_load(&out->checkpoint, out->path, 0, 0, err));
    T2I_TRY(t2i_loaded_model_dataset(source, data, &out->checkpoint, &path, err));
    t2i_status status = t2i_dataset_open(&out->dataset, path, err);
    t2i_free(path);
    T2I_TRY(status);
    T2I_TRY(t2i_loaded_model_check(&out->checkpoint, out->path, out->dataset, err));
    t2i_gallery_open(&out->gallery, out->dataset);
    return T2I_OK;
}

t2i_status t2i_loaded_model_open(t2i_loaded_model *out, const char *source, const char *data,
                                 t2i_error *err)
{
    *out = (t2i_loaded_model){0};
    t2i_status status = fill(out, source, data, err);
    if (status != T2I_OK) t2i_loaded_model_close(out);
    return status;
}

void t2i_loaded_model_close(t2i_loaded_model *trained)
{
    t2i_gallery_free(&trained->gallery);
    t2i_dataset_close(trained->dataset);
    t2i_checkpoint_free(&trained->checkpoint);
    t2i_free(trained->path);
    *trained = (t2i_loaded_model){0};
}
