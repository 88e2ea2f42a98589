#include "checkpoint/model_file.h"

#include <string.h>

#include "formats/dtype.h"
#include "base/fs.h"
#include "base/mem.h"
#include "checkpoint/run_folder.h"
#include "checkpoint/tutorial_model.h"

int t2i_model_file_is_model(const t2i_model_file *file)
{
    return file->kind == T2I_FILE_MODEL || file->kind == T2I_FILE_TUTORIAL;
}

int t2i_model_file_has_run(const t2i_model_file *file)
{
    const t2i_run_state *run = &file->model.run;
    return file->model.ours && (run->step > 0 || run->dataset[0] != '\0');
}

static t2i_status fill(t2i_model_file *out, const char *run_or_file, t2i_error *err)
{
    T2I_TRY(t2i_run_folder_model(run_or_file, &out->path, err));
    T2I_TRY(t2i_tensors_open(&out->file, out->path, err));
    T2I_TRY(t2i_fs_size(out->path, &out->size, err));
    out->kind = t2i_checkpoint_kind(out->file);
    return t2i_model_file_is_model(out)
               ? t2i_checkpoint_load(&out->model, out->path, 1, T2I_ITS_OWN, err)
               : T2I_OK;
}

t2i_status t2i_model_file_open(t2i_model_file *out, const char *run_or_file, t2i_error *err)
{
    *out = (t2i_model_file){0};
    t2i_status status = fill(out, run_or_file, err);
    if (status != T2I_OK) t2i_model_file_close(out);
    return status;
}

void t2i_model_file_close(t2i_model_file *file)
{
    t2i_checkpoint_free(&file->model);
    t2i_tensors_close(file->file);
    t2i_free(file->number);
    t2i_free(file->path);
    *file = (t2i_model_file){0};
}

const char *t2i_model_file_kind_name(const t2i_model_file *file)
{
    switch (file->kind) {
    case T2I_FILE_MODEL:
        return !file->model.ours       ? "a safetensors model of another program"
               : file->model.m != NULL ? "a checkpoint of t2i-train"
                                       : "a model of t2i-train";
    case T2I_FILE_TUTORIAL:
        return "a torch model in the tutorial's layout";
    case T2I_FILE_TORCH:
        return "a torch file that is not a t2i model";
    default:
        return "a safetensors file that is not a t2i model";
    }
}

const char *t2i_model_file_name(const t2i_model_file *file, const t2i_tensor_info *tensor,
                                char room[T2I_NAME_MAX])
{
    return file->kind == T2I_FILE_TUTORIAL && t2i_tutorial_model_ours(tensor->name, room)
               ? room
               : tensor->name;
}

t2i_status t2i_model_file_floats(t2i_model_file *file, const t2i_tensor_info *tensor,
                                 const float **out, t2i_error *err)
{
    *out = NULL;
    if (!t2i_dtype_is_float(tensor->dtype)) return T2I_OK;
    if (tensor->count > file->size) /* a view can repeat stored values */
        return t2i_fail(err, T2I_DATA, "%s: tensor %s claims more values than the file has bytes",
                        file->path, tensor->name);
    size_t count = (size_t)tensor->count;
    if (file->number == NULL || count > file->room) {
        t2i_free(file->number);
        file->number = t2i_alloc(count, sizeof *file->number);
        if (file->number == NULL)
            return t2i_fail_memory(err, count * sizeof *file->number, "a tensor");
        file->room = count;
    }
    T2I_TRY(t2i_tensors_floats(file->file, tensor, file->number, err));
    *out = file->number;
    return T2I_OK;
}
