#include "checkpoint/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/writer_lease.h"
#include "checkpoint/checkpoint.h"

char *t2i_run_folder_checkpoint(const char *run, long step, t2i_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "checkpoints/step-%ld.safetensors", step);
    return t2i_fs_join(run, name, err);
}

static int newest_first(const void *a, const void *b)
{
    long x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x < y) - (x > y);
}

/* N of "step-N.safetensors"; -1 for any other name, temporary files included. */
static long step_of(const char *name, const char *suffix)
{
    char *end, again[64];
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9') return -1;
    errno = 0;
    long step = strtol(name + 5, &end, 10);
    snprintf(again, sizeof again, "step-%ld%s", step, suffix);
    return errno == 0 && strcmp(again, name) == 0 ? step : -1;
}

static t2i_status list_steps(const char *run, const char *place, const char *suffix, long **steps,
                             size_t *count, t2i_error *err)
{
    *steps = NULL;
    *count = 0;
    char *folder = t2i_fs_join(run, place, err);
    if (folder == NULL) return T2I_SYSTEM;
    DIR *dir = opendir(folder);
    t2i_status status = T2I_OK;
    if (dir == NULL && errno != ENOENT)
        status =
            t2i_fail(err, T2I_NOINPUT, "cannot read the folder %s: %s", folder, strerror(errno));
    for (struct dirent *entry; dir != NULL && status == T2I_OK && (entry = readdir(dir)) != NULL;) {
        long step = step_of(entry->d_name, suffix);
        if (step < 0) continue;
        if (t2i_grow(steps, *count, *count + 1, sizeof **steps) != 0)
            status = t2i_fail_memory(err, *count, "a list of files");
        else
            (*steps)[(*count)++] = step;
    }
    if (dir != NULL) closedir(dir);
    t2i_free(folder);
    if (status == T2I_OK && *count > 0) qsort(*steps, *count, sizeof **steps, newest_first);
    if (status != T2I_OK) {
        t2i_free(*steps);
        *steps = NULL;
        *count = 0;
    }
    return status;
}

t2i_status t2i_run_folder_checkpoints(const char *run, long **steps, size_t *count, t2i_error *err)
{
    return list_steps(run, "checkpoints", ".safetensors", steps, count, err);
}

t2i_status t2i_run_folder_samples(const char *run, long **steps, size_t *count, t2i_error *err)
{
    return list_steps(run, "samples", ".png", steps, count, err);
}

/* Removes the files BEGIN*.tmp. The lease is checked after a name was read: a later owner has made
 * no file with this name before, nor will it. */
static void sweep(const char *folder, const char *begin)
{
    DIR *dir = opendir(folder);
    t2i_error lost;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        const char *name = entry->d_name;
        size_t size = strlen(name);
        if (strncmp(name, begin, strlen(begin)) != 0 || size < 4 ||
            strcmp(name + size - 4, ".tmp") != 0)
            continue;
        if (t2i_writer_lease_check(&lost) != T2I_OK) break;
        char *path = t2i_fs_join(folder, name, NULL);
        if (path != NULL) unlink(path);
        t2i_free(path);
    }
    if (dir != NULL) closedir(dir);
}

void t2i_run_folder_sweep(const char *run)
{
    /* not those of report.html, which t2i-model report writes at any time: who writes it next
     * removes them, unless their writer lives (fs.h) */
    static const char *const places[][2] = {
        {"checkpoints", "step-"}, {"samples", "step-"}, {"", "model."},        {"", "best."},
        {"", "log.jsonl."},       {"", "status.json."}, {"", "events.jsonl."}, {"", "loss.png."},
        {"", "job.ini."}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *folder = t2i_fs_join(run, places[i][0], NULL);
        if (folder != NULL) sweep(folder, places[i][1]);
        t2i_free(folder);
    }
}

/* Does the folder look like that of a run? */
static int is_run(const char *folder)
{
    char *job = t2i_fs_join(folder, "job.ini", NULL);
    int there = job != NULL && t2i_fs_exists(job);
    t2i_free(job);
    return there;
}

t2i_status t2i_run_folder_model(const char *run_or_file, char **path, t2i_error *err)
{
    if (!t2i_fs_exists(run_or_file))
        return t2i_fail(err, T2I_NOINPUT,
                        "cannot open %s: there is no such run folder or model file", run_or_file);
    if (!t2i_fs_is_folder(run_or_file)) {
        *path = t2i_fs_copy_path(run_or_file, err);
        return *path == NULL ? T2I_SYSTEM : T2I_OK;
    }
    *path = t2i_fs_join(run_or_file, "model.safetensors", err);
    if (*path == NULL) return T2I_SYSTEM;
    if (t2i_fs_exists(*path)) return T2I_OK;
    t2i_free(*path);
    *path = NULL;
    long *steps;
    size_t count;
    T2I_TRY(t2i_run_folder_checkpoints(run_or_file, &steps, &count, err));
    t2i_error why = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0; i < count && *path == NULL && status != T2I_SYSTEM; i++) {
        t2i_checkpoint probe;
        char *candidate = t2i_run_folder_checkpoint(run_or_file, steps[i], &why);
        status =
            candidate == NULL ? T2I_SYSTEM : t2i_checkpoint_load(&probe, candidate, 0, 0, &why);
        if (status == T2I_OK) {
            t2i_checkpoint_free(&probe);
            *path = candidate;
        } else
            t2i_free(candidate);
    }
    t2i_free(steps);
    if (*path != NULL) return T2I_OK;
    /* if memory was lacking, the checkpoints may be valid */
    if (status == T2I_SYSTEM) return t2i_fail(err, status, "%s", why.text);
    if (count > 0)
        return t2i_fail(err, T2I_DATA, "no checkpoint in %s is sound: %s", run_or_file, why.text);
    return t2i_fail(err, T2I_NOINPUT,
                    "%s holds no model yet: no model.safetensors and no checkpoint%s", run_or_file,
                    is_run(run_or_file) ? "" : "; it is no run folder, as it has no job.ini");
}

/* *value: the rest of the line that begins so, newly allocated; NULL: there is none. */
static t2i_status find_line(const char *text, const char *begin, char **value, t2i_error *err)
{
    size_t length = strlen(begin);
    while (text != NULL && strncmp(text, begin, length) != 0) {
        text = strchr(text, '\n');
        if (text != NULL) text++;
    }
    *value = NULL;
    if (text == NULL) return T2I_OK;
    size_t size = strcspn(text + length, "\r\n");
    *value = t2i_alloc(size + 1, 1);
    if (*value == NULL) return t2i_fail_memory(err, size, "a file name");
    memcpy(*value, text + length, size);
    return T2I_OK;
}

/* *path: the value of an option in RUN/job.ini; *start as in run_folder.h. Both NULL if absent. */
static t2i_status find_option(const char *run, const char *option, char **path, char **start,
                              t2i_error *err)
{
    char *job = t2i_fs_join(run, "job.ini", err);
    t2i_text text = {0};
    *path = NULL;
    if (start != NULL) *start = NULL;
    t2i_status status = job == NULL ? T2I_SYSTEM : t2i_fs_read(job, 1 << 20, &text, err);
    if (status == T2I_OK) status = find_line(text.data, option, path, err);
    if (status == T2I_OK && start != NULL)
        status = find_line(text.data, T2I_STARTED_IN, start, err);
    if (status != T2I_OK) {
        t2i_free(*path);
        *path = NULL;
    }
    t2i_text_free(&text);
    t2i_free(job);
    return status;
}

t2i_status t2i_run_folder_dataset(const char *run, char **path, char **start, t2i_error *err)
{
    T2I_TRY(find_option(run, "data = ", path, start, err));
    if (*path != NULL) return T2I_OK;
    if (start != NULL) {
        t2i_free(*start);
        *start = NULL;
    }
    return t2i_fail(err, T2I_DATA,
                    "%s/job.ini does not name the run's dataset (data = ...); give it with --data",
                    run);
}

t2i_status t2i_run_folder_init(const char *run, char **path, t2i_error *err)
{
    char *name, *start;
    *path = NULL;
    T2I_TRY(find_option(run, "init = ", &name, &start, err));
    if (name != NULL && name[0] != '\0')
        *path = start != NULL ? t2i_fs_join(start, name, err) : t2i_fs_copy_path(name, err);
    t2i_status status = *path == NULL && name != NULL && name[0] != '\0' ? T2I_SYSTEM : T2I_OK;
    t2i_free(name);
    t2i_free(start);
    return status;
}
