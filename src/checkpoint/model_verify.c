#include "checkpoint/model_verify.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "formats/json.h"
#include "base/log.h"
#include "checkpoint/log_chain.h"
#include "base/mem.h"
#include "checkpoint/run_folder.h"
#include "checkpoint/model_file.h"
#include "base/string_table.h"
#include "base/progress.h"
#include "formats/byte_source.h"
#include "base/text.h"
#include "formats/zip.h"

/* Checks the digests of all tensors; loading has checked the header and the tensors of the model.
 */
static t2i_status check_digests(t2i_model_file *file, size_t *digests, t2i_error *err)
{
    t2i_json *recorded = NULL;
    t2i_status status = T2I_OK;
    const char *text = t2i_st_meta(t2i_tensors_st(file->file), "t2i.xxh3");
    *digests = 1; /* that of the header */
    T2I_TRY(t2i_json_parse(&recorded, text, strlen(text), file->path, err));
    t2i_progress progress;
    t2i_progress_begin(&progress, "checking the digests");
    for (size_t i = 0; status == T2I_OK && i < t2i_tensors_count(file->file); i++) {
        const t2i_tensor_info *tensor = t2i_tensors_at(file->file, i);
        const char *hex = NULL;
        char own[T2I_HEX];
        const float *x;
        if (!t2i_json_as_string(t2i_json_get(recorded, tensor->name), &hex, NULL)) continue;
        status = t2i_model_file_floats(file, tensor, &x, err);
        if (status == T2I_OK && x != NULL) {
            t2i_hash_hex(x, (size_t)tensor->count * sizeof *x, own);
            if (strcmp(own, hex) != 0)
                status =
                    t2i_fail(err, T2I_DATA, "%s is damaged: tensor %s does not match its checksum",
                             file->path, tensor->name);
            ++*digests;
        }
        t2i_progress_at(&progress, (double)(i + 1) / (double)t2i_tensors_count(file->file));
    }
    t2i_progress_end(&progress);
    t2i_json_free(recorded);
    return status;
}

/* Checks the CRC-32 of each entry of a zip archive. */
static t2i_status check_archive(const t2i_byte_source *source, size_t *entries, t2i_error *err)
{
    t2i_zip *zip;
    T2I_TRY(t2i_zip_open(&zip, source, err));
    t2i_status status = T2I_OK;
    *entries = t2i_zip_entries(zip);
    for (size_t i = 0; status == T2I_OK && i < *entries; i++)
        status = t2i_zip_check(zip, t2i_zip_at(zip, i), err);
    t2i_zip_close(zip);
    return status;
}

/* Reads all tensors of a file without digests. *entries: number of archive entries checked. */
static t2i_status read_all(t2i_model_file *file, size_t *entries, t2i_error *err)
{
    const float *ignored;
    char head[2];
    t2i_byte_source source;
    for (size_t i = 0; i < t2i_tensors_count(file->file); i++)
        T2I_TRY(t2i_model_file_floats(file, t2i_tensors_at(file->file, i), &ignored, err));
    if (t2i_tensors_tree(file->file) == NULL) return T2I_OK;
    T2I_TRY(t2i_byte_source_open(&source, file->path, err));
    t2i_status status = t2i_byte_source_read(&source, 0, head, sizeof head, err);
    if (status == T2I_OK && memcmp(head, "PK", sizeof head) == 0)
        status = check_archive(&source, entries, err);
    t2i_byte_source_close(&source);
    return status;
}

static t2i_status add_line(const t2i_model_file *file, size_t digests, size_t entries,
                           t2i_text *line, t2i_error *err)
{
    size_t tensors = t2i_tensors_count(file->file);
    T2I_TRY(t2i_text_add_plain(line, file->path, strlen(file->path), err));
    if (file->model.ours)
        return t2i_text_addf(line, err, ": sound (%zu tensors, %zu digests)\n", tensors, digests);
    T2I_TRY(t2i_text_addf(line, err, ": readable: %s, %zu tensors", t2i_model_file_kind_name(file),
                          tensors));
    if (entries > 0)
        T2I_TRY(t2i_text_addf(line, err, ", checksums of %zu archive entries match", entries));
    return t2i_text_addf(line, err, "; has no checksums\n");
}

static t2i_status verify_file(const char *path, t2i_text *line, t2i_error *err)
{
    t2i_model_file file;
    size_t digests = 0, entries = 0;
    T2I_TRY(t2i_model_file_open(&file, path, err));
    t2i_status status =
        file.model.ours ? check_digests(&file, &digests, err) : read_all(&file, &entries, err);
    if (status == T2I_OK) status = add_line(&file, digests, entries, line, err);
    t2i_model_file_close(&file);
    return status;
}

/* Lists the files of a run folder, or the file itself. */
static t2i_status add_paths(const char *given, t2i_string_table *paths, t2i_error *err)
{
    size_t number, count = 0;
    long *steps = NULL;
    if (!t2i_fs_is_folder(given)) return t2i_string_table_add(paths, given, &number, err);
    static const char *const models[] = {"model.safetensors", "best.safetensors"};
    size_t before = paths->count;
    char *path;
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < sizeof models / sizeof *models; i++) {
        path = t2i_fs_join(given, models[i], err);
        if (path == NULL) status = T2I_SYSTEM;
        if (path != NULL && t2i_fs_exists(path))
            status = t2i_string_table_add(paths, path, &number, err);
        t2i_free(path);
    }
    if (status == T2I_OK) status = t2i_run_folder_checkpoints(given, &steps, &count, err);
    for (size_t i = 0; status == T2I_OK && i < count; i++) {
        path = t2i_run_folder_checkpoint(given, steps[i], err);
        status = path == NULL ? T2I_SYSTEM : t2i_string_table_add(paths, path, &number, err);
        t2i_free(path);
    }
    t2i_free(steps);
    if (status == T2I_OK && paths->count == before)
        status =
            t2i_fail(err, T2I_NOINPUT,
                     "%s holds no model: it has no model.safetensors and no checkpoint", given);
    return status;
}

/* Logs a failure, unless it is that of a single file. Lack of memory ends the verification, because
 * it is not a property of the file. */
static t2i_status note_failure(t2i_error *first, size_t *failed, const t2i_error *why, int alone,
                               t2i_error *err)
{
    if (why->status == T2I_SYSTEM) return t2i_fail(err, why->status, "%s", why->text);
    if (++*failed == 1) *first = *why;
    if (!alone) t2i_log_error(why);
    return T2I_OK;
}

t2i_status t2i_model_verify(const char *const *files, size_t count, t2i_error *err)
{
    t2i_string_table paths = {0};
    t2i_text line = {0};
    t2i_error why = {0}, first = {0};
    t2i_status status = T2I_OK;
    size_t failed = 0, all = 0;
    for (size_t i = 0; status == T2I_OK && i < count; i++) {
        size_t before = failed;
        t2i_string_table_free(&paths);
        if (add_paths(files[i], &paths, &why) != T2I_OK) {
            status = note_failure(&first, &failed, &why, count == 1, err);
            all++;
        }
        for (size_t k = 0; status == T2I_OK && k < paths.count; k++, all++) {
            const char *path = t2i_string_table_at(&paths, k);
            line.size = 0;
            t2i_status is = verify_file(path, &line, &why);
            if (is == T2I_NOINPUT && t2i_fs_is_folder(files[i]) && !t2i_fs_exists(path))
                all--; /* it was removed since: the run trains */
            else if (is != T2I_OK)
                status = note_failure(&first, &failed, &why, count == 1 && paths.count == 1, err);
            else
                status = t2i_log_print(line.data, err);
        }
        if (status != T2I_OK || failed > before || !t2i_fs_is_folder(files[i])) continue;
        line.size = 0; /* the log of a run whose files are sound */
        all++;
        if (t2i_log_chain_verify(files[i], &line, &why) != T2I_OK)
            status = note_failure(&first, &failed, &why, 0, err);
        else if (line.size > 0)
            status = t2i_log_print(line.data, err);
    }
    t2i_string_table_free(&paths);
    t2i_text_free(&line);
    if (status != T2I_OK || failed == 0) return status;
    if (all == 1) return t2i_fail(err, first.status, "%s", first.text);
    return t2i_fail(err, first.status, "%zu of %zu files are not sound (named above)", failed, all);
}
