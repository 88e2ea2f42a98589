#include "retrieval/loaded_model.h"

#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "checkpoint/run_folder.h"

static t2i_status open_dataset(t2i_loaded_model *out, const char *source, const char *data,
                               t2i_error *err)
{
    char *named = NULL;
    if (data != NULL) return t2i_dataset_open(&out->dataset, data, err);
    if (!t2i_fs_is_folder(source))
        return t2i_fail(
            err, T2I_USAGE,
            "%s is a model file, which names no dataset: give the dataset with --data FILE.h5",
            source);
    T2I_TRY(t2i_run_folder_dataset(source, &named, err));
    t2i_status status = t2i_fs_exists(named)
                            ? t2i_dataset_open(&out->dataset, named, err)
                            : t2i_fail(err, T2I_NOINPUT,
                                       "%s, which %s/job.ini names as its dataset, does not exist: "
                                       "give the dataset with --data FILE.h5",
                                       named, source);
    t2i_free(named);
    return status;
}

static void say_what_is_not_sure(const t2i_loaded_model *trained)
{
    const t2i_run_state *run = &trained->checkpoint.run;
    t2i_log_detail("model: %s, dataset: %s", trained->path, t2i_dataset_path(trained->dataset));
    t2i_checkpoint_log(&trained->checkpoint, trained->path);
    if (trained->checkpoint.ours && run->dataset[0] != '\0' &&
        strcmp(run->dataset, t2i_dataset_get_info(trained->dataset)->digest) != 0)
        t2i_log_warn("%s was trained on another dataset than %s (the digests differ)",
                     trained->path, t2i_dataset_path(trained->dataset));
}

static t2i_status fill(t2i_loaded_model *out, const char *source, const char *data, t2i_error *err)
{
    T2I_TRY(t2i_run_folder_model(source, &out->path, err));
    T2I_TRY(open_dataset(out, source, data, err));
    T2I_TRY(t2i_checkpoint_load(&out->checkpoint, out->path, 0, 0, err));
    size_t predicted = out->checkpoint.model.config.vision_feature_dim;
    const t2i_dataset_info *info = t2i_dataset_get_info(out->dataset);
    if (info->features != predicted)
        return t2i_fail(err, T2I_DATA,
                        "the model in %s predicts %zu features, but the pictures of %s have %llu: "
                        "give the dataset that it was trained on",
                        out->path, predicted, t2i_dataset_path(out->dataset),
                        (unsigned long long)info->features);
    t2i_gallery_open(&out->gallery, out->dataset);
    say_what_is_not_sure(out);
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
