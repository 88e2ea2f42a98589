#include "checkpoint/model_convert.h"

#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/run_folder.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "checkpoint/onnx_model.h"
#include "formats/tensors.h"
#include "checkpoint/tutorial_model.h"

static int ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), more = strlen(end);
    return size > more && strcmp(text + size - more, end) == 0;
}

/* What a model is written as. */
typedef enum { OURS, TUTORIAL, ONNX } target_kind;

/* The kind that the suffix of a name stands for; returns 0 for another suffix. */
static int find_kind(const char *to, target_kind *out)
{
    static const struct {
        const char *suffix;
        target_kind kind;
    } known[] = {{".safetensors", OURS}, {".pt", TUTORIAL}, {".pth", TUTORIAL}, {".onnx", ONNX}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        *out = known[i].kind;
        if (ends_with(to, known[i].suffix)) return 1;
    }
    return 0;
}

/* True if the file has moments, so that replacing it by a model would lose them. */
static int is_checkpoint(const char *path)
{
    t2i_tensors *tensors;
    t2i_error ignored;
    if (!t2i_fs_exists(path) || t2i_tensors_open(&tensors, path, &ignored) != T2I_OK) return 0;
    int moments = t2i_tensors_find(tensors, "adamw.m.embedding.weight") != NULL;
    t2i_tensors_close(tensors);
    return moments;
}

static t2i_status check_target(const char *from, const char *to, t2i_error *err)
{
    if (t2i_fs_is_same(from, to))
        return t2i_fail(err, T2I_USAGE, "%s is the input: give --to another name", to);
    if (is_checkpoint(to))
        return t2i_fail(err, T2I_USAGE,
                        "%s is a checkpoint that a run can resume from: give --to another name",
                        to);
    return T2I_OK;
}

/* Our files always have the state of a run; that of an imported model is empty. */
static t2i_status make_ours(t2i_checkpoint *c, t2i_error *err)
{
    if (c->ours) return T2I_OK;
    c->run = (t2i_run_state){.shards = 1, .best = -1.0, .options = t2i_strdup("{}")};
    return c->run.options == NULL ? t2i_fail_memory(err, 2, "a text") : T2I_OK;
}

/* Notes what the target does not hold of a model that has been written. */
static void log_written(const t2i_checkpoint *c, const char *from, const char *to, target_kind kind)
{
    size_t numbers, tensors = t2i_checkpoint_tensors(c, &numbers);
    t2i_log_note("wrote %s: %zu tensors, %zu parameters, %zu vocabulary entries, from %s", to,
                 tensors, numbers, c->vocab.size, from);
    if (kind != OURS && c->ours && c->run.step > 0)
        t2i_log_note("%s does not keep step and options of the run; a .safetensors file does", to);
}

static t2i_status write_model(t2i_checkpoint *c, const char *from, const char *to, target_kind kind,
                              t2i_error *err)
{
    T2I_TRY(check_target(from, to, err));
    for (size_t i = 0; kind == TUTORIAL && i < c->model.layout.tensors; i++)
        if (t2i_model_is_addition(&c->model.layout.tensor[i]))
            return t2i_fail(
                err, T2I_DATA,
                "%s has tensor %s, for which the tutorial's layout has no place; export "
                "to a .safetensors file",
                from, c->model.layout.tensor[i].name);
    if (kind == ONNX && !c->has_head)
        return t2i_fail(err, T2I_DATA, "%s has no head: it predicts nothing that %s could compute",
                        from, to);
    t2i_checkpoint_log(c, from);
    if (!c->has_head) t2i_log_note("%s has no head, so %s has none", from, to);
    if (kind == OURS) T2I_TRY(make_ours(c, err));
    T2I_TRY(kind == OURS       ? t2i_checkpoint_save(c, to, err)
            : kind == TUTORIAL ? t2i_tutorial_model_save(c, to, err)
                               : t2i_onnx_model_save(c, to, err));
    log_written(c, from, to, kind);
    return T2I_OK;
}

t2i_status t2i_model_convert_export(const char *run_or_file, const char *to, t2i_error *err)
{
    target_kind kind;
    char *from;
    if (!find_kind(to, &kind))
        return t2i_fail(err, T2I_USAGE,
                        "%s: the name of a model must end in .safetensors, .pt or .pth, that of "
                        "an ONNX graph in .onnx",
                        to);
    T2I_TRY(t2i_run_folder_model(run_or_file, &from, err));
    t2i_checkpoint c;
    t2i_status status = t2i_checkpoint_load(&c, from, 0, T2I_ITS_OWN, err);
    if (status == T2I_OK) {
        status = write_model(&c, from, to, kind, err);
        t2i_checkpoint_free(&c);
    }
    t2i_free(from);
    return status;
}

t2i_status t2i_model_convert_import(const char *file, const char *to, t2i_error *err)
{
    if (!ends_with(to, ".safetensors"))
        return t2i_fail(err, T2I_USAGE,
                        "%s: import writes .safetensors files; export writes .pt files, and .onnx",
                        to);
    if (t2i_fs_is_folder(file))
        return t2i_fail(err, T2I_USAGE,
                        "%s is a folder: import reads a file; use export for a run folder", file);
    return t2i_model_convert_export(file, to, err);
}
