#include "retrieval/loaded_model.h"

#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "checkpoint/run_folder.h"

t2i_status t2i_loaded_model_dataset(const char *source, const char *data, char **path,
                                    t2i_error *err)
{
    *path = NULL;
    if (data == NULL && !t2i_fs_is_folder(source))
        return t2i_fail(
            err, T2I_USAGE,
            "%s is a model file, which names no dataset: give the dataset with --data FILE.h5",
            source);
    if (data == NULL) {
        T2I_TRY(t2i_run_folder_dataset(source, path, err));
    } else {
        *path = t2i_fs_copy_path(data, err);
        if (*path == NULL) return T2I_SYSTEM;
    }
    if (data != NULL || t2i_fs_exists(*path)) return T2I_OK;
    t2i_fail(err, T2I_NOINPUT,
             "%s, which %s/job.ini names as its dataset, does not exist: give the dataset with "
             "--data FILE.h5",
             *path, source);
    t2i_free(*path);
    *path = NULL;
    return T2I_NOINPUT;
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

static t2i_status fill(t2i_loaded_model *out, const char *source, const char *data, t2i_error *err)
{
    char *path;
    T2I_TRY(t2i_run_folder_model(source, &out->path, err));
    T2I_TRY(t2i_loaded_model_dataset(source, data, &path, err));
    t2i_status status = t2i_dataset_open(&out->dataset, path, err);
    t2i_free(path);
    T2I_TRY(status);
    T2I_TRY(t2i_checkpoint_load(&out->checkpoint, out->path, 0, 0, err));
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
