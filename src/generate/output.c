#include "generate/output.h"

#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "image/image_file.h"

enum { PROMPT_BYTES = 60 }; /* of a prompt in a name */

/* Letters and digits of any script, and emoji; not punctuation, blanks and controls. */
static int is_safe(uint32_t code)
{
    if (code < 0x80)
        return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') ||
               (code >= 'a' && code <= 'z') || code == '_';
    int is_mark = code >= 0x300 && code <= 0x36f;
    int is_sign = code < 0xc0 || (code >= 0x2000 && code <= 0x206f) ||
                  (code >= 0x3000 && code <= 0x303f) || (code >= 0xff00 && code <= 0xff0f);
    return is_mark || (t2i_utf8_is_visible(code) && !is_sign);
}

t2i_status t2i_output_name(t2i_text *out, const char *const *prompt, size_t prompts, t2i_error *err)
{
    size_t begin = out->size, size = strlen(prompt[0]), length;
    uint32_t code = 0;
    int gap = 0;
    for (size_t at = 0; at < size; at += length) {
        length = t2i_utf8_decode(prompt[0] + at, size - at, &code);
        int safe = length > 0 && is_safe(code);
        if (length == 0) length = 1;
        if (safe && out->size - begin + (size_t)gap + length > PROMPT_BYTES) break;
        if (safe && gap) T2I_TRY(t2i_text_add(out, "-", 1, err));
        if (safe) T2I_TRY(t2i_text_add(out, prompt[0] + at, length, err));
        gap = !safe && out->size > begin;
    }
    if (out->size == begin) T2I_TRY(t2i_text_addf(out, err, "prompt"));
    return prompts < 2 ? T2I_OK : t2i_text_addf(out, err, "-and-%zu-more", prompts - 1);
}

/* Bytes of a path without its suffix. */
static size_t stem_size(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash == NULL ? path : slash, '.');
    return dot == NULL ? strlen(path) : (size_t)(dot - path);
}

char *t2i_output_drawing(const char *sheet, size_t number, t2i_error *err)
{
    t2i_text path = {0};
    size_t stem = stem_size(sheet);
    if (t2i_text_addf(&path, err, "%.*s-drawn-%zu%s", (int)stem, sheet, number, sheet + stem) ==
        T2I_OK)
        return path.data;
    t2i_text_free(&path);
    return NULL;
}

t2i_status t2i_output_is_free(const char *path, int force, t2i_error *err)
{
    if (force || !t2i_fs_exists(path)) return T2I_OK;
    return t2i_fail(err, T2I_CANTCREATE, "%s exists: give another name, or --force to replace it",
                    path);
}

/* Does no file of a call exist, or may all be replaced? */
static t2i_status all_free(const t2i_output_options *o, const char *sheet, t2i_error *err)
{
    T2I_TRY(t2i_output_is_free(sheet, o->force, err));
    for (size_t i = 1; i <= o->drawings; i++) {
        char *drawing = t2i_output_drawing(sheet, i, err);
        if (drawing == NULL) return T2I_SYSTEM;
        t2i_status status = t2i_output_is_free(drawing, o->force, err);
        t2i_free(drawing);
        T2I_TRY(status);
    }
    return T2I_OK;
}

t2i_status t2i_output_check(const t2i_output_options *o, t2i_error *err)
{
    if (o->out == NULL || t2i_fs_is_folder(o->out)) return T2I_OK;
    T2I_TRY(t2i_image_file_check_suffix(o->out, err));
    return o->number ? T2I_OK : all_free(o, o->out, err);
}

/* The folder for pictures without --out, newly allocated: "" is the current one. */
static t2i_status choose_folder(const char *run, char **folder, t2i_error *err)
{
    t2i_error why;
    *folder = t2i_fs_join(run == NULL ? "" : run, run == NULL ? "" : "generated", err);
    if (*folder == NULL) return T2I_SYSTEM;
    t2i_status made = run == NULL ? T2I_OK : t2i_fs_mkdir(*folder, &why);
    if (made == T2I_SYSTEM) {
        t2i_free(*folder);
        return t2i_fail(err, made, "%s", why.text);
    }
    if (run == NULL || (made == T2I_OK && access(*folder, W_OK | X_OK) == 0)) return T2I_OK;
    t2i_log_note("%s cannot be written: pictures go to the current folder", *folder);
    (*folder)[0] = '\0';
    return T2I_OK;
}

/* Appends the sheet's path without number and suffix. */
static t2i_status add_stem(t2i_text *path, const t2i_output_options *o, const char *const *prompt,
                           size_t prompts, t2i_error *err)
{
    char *folder;
    if (o->out != NULL && !t2i_fs_is_folder(o->out))
        return t2i_text_add(path, o->out, stem_size(o->out), err);
    if (o->out != NULL) {
        folder = t2i_fs_copy_path(o->out, err);
        if (folder == NULL) return T2I_SYSTEM;
    } else
        T2I_TRY(choose_folder(o->run, &folder, err));
    size_t size = strlen(folder);
    const char *slash = size > 0 && folder[size - 1] != '/' ? "/" : "";
    t2i_status status = t2i_text_addf(path, err, "%s%s", folder, slash);
    t2i_free(folder);
    T2I_TRY(status);
    return t2i_output_name(path, prompt, prompts, err);
}

t2i_status t2i_output_choose(const t2i_output_options *o, const char *const *prompt, size_t prompts,
                             char **sheet, t2i_error *err)
{
    int named = o->out != NULL && !t2i_fs_is_folder(o->out);
    const char *suffix = named ? o->out + stem_size(o->out) : ".png";
    t2i_text path = {0};
    t2i_error why;
    t2i_status status = add_stem(&path, o, prompt, prompts, err);
    size_t stem = path.size;
    if (status == T2I_OK) status = t2i_text_addf(&path, err, "%s", suffix);
    for (size_t n = 2; status == T2I_OK && (!named || o->number); n++) {
        t2i_status taken = all_free(o, path.data, &why);
        if (taken == T2I_OK) break;
        if (taken == T2I_SYSTEM) status = t2i_fail(err, taken, "%s", why.text);
        path.size = stem;
        if (status == T2I_OK) status = t2i_text_addf(&path, err, "-%zu%s", n, suffix);
    }
    if (status == T2I_OK)
        *sheet = path.data;
    else
        t2i_text_free(&path);
    return status;
}
