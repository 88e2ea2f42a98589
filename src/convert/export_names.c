#include "convert/export_names.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

enum { COMPONENT_MAX = 120, PATH_BYTES_MAX = 1000 }; /* bytes */

/* Characters that Windows refuses. */
static const char refused[] = "\\:*?\"<>|";

/* Appends a component of a path as a usual name of a file. */
static t2i_status add_component(t2i_text *out, const char *bytes, size_t size, t2i_error *err)
{
    uint32_t code;
    for (size_t at = 0, step; at < size && at <= COMPONENT_MAX; at += step) {
        int ends = at == 0 || at + 1 == size;
        step = t2i_utf8_decode(bytes + at, size - at, &code);
        int fine = step > 0 && code >= 0x20 && (code < 0x7f || code > 0x9f) &&
                   (code > 0x7f || strchr(refused, (int)code) == NULL) &&
                   !(ends && (code == ' ' || code == '.'));
        if (step == 0) step = 1;
        T2I_TRY(t2i_text_add(out, fine ? bytes + at : "_", fine ? step : 1, err));
    }
    return T2I_OK;
}

static t2i_status add_path(t2i_text *out, const char *name, t2i_error *err)
{
    for (size_t size; *name != '\0'; name += size + (name[size] == '/')) {
        size = strcspn(name, "/");
        if (size == 0 || (size <= 2 && strncmp(name, "..", size) == 0)) continue;
        if (out->size > PATH_BYTES_MAX) out->size = 0;
        if (out->size > 0) T2I_TRY(t2i_text_add(out, "/", 1, err));
        T2I_TRY(add_component(out, name, size, err));
    }
    return out->size == 0 ? t2i_text_add(out, "picture", 7, err) : T2I_OK;
}

/* Removes the suffix of a picture from the last component. */
static void cut_suffix(t2i_text *path)
{
    static const char *const suffix[] = {".png",  ".jpg", ".jpeg", ".jpe", ".jfif",
                                         ".webp", ".gif", ".bmp",  ".tif", ".tiff"};
    for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++) {
        size_t size = strlen(suffix[i]);
        if (path->size <= size || path->data[path->size - size - 1] == '/' ||
            strcasecmp(path->data + path->size - size, suffix[i]) != 0)
            continue;
        path->size -= size;
        path->data[path->size] = '\0';
        return;
    }
}

static int is_there(const t2i_export_names *names, const char *lower)
{
    return t2i_string_table_find(&names->occupied, lower) != SIZE_MAX;
}

/* lower: in lower case; it is changed and restored. */
static int is_free(const t2i_export_names *names, t2i_text *lower)
{
    if (is_there(names, lower->data)) return 0;
    for (char *slash = strchr(lower->data, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int is_file = is_there(names, lower->data);
        *slash = '/';
        if (is_file) return 0;
    }
    return 1;
}

/* Enters a file and its folders, if the file may have that name. A folder is entered with a '/' at
 * its end: a file with the name of a folder is looked up with that, too. */
static t2i_status take(t2i_export_names *names, const t2i_text *path, int *taken, t2i_error *err)
{
    t2i_text lower = {0};
    size_t number;
    T2I_TRY(t2i_text_lower(&lower, path->data, path->size, err));
    t2i_status status = t2i_text_add(&lower, "/", 1, err);
    *taken = status == T2I_OK && !is_there(names, lower.data);
    if (status == T2I_OK) lower.data[--lower.size] = '\0';
    *taken = *taken && is_free(names, &lower);
    if (*taken) status = t2i_string_table_add(&names->occupied, lower.data, &number, err);
    for (char *slash = strrchr(lower.data, '/'); *taken && status == T2I_OK && slash != NULL;
         slash = strrchr(lower.data, '/')) {
        slash[1] = '\0';
        status = t2i_string_table_add(&names->occupied, lower.data, &number, err);
        *slash = '\0';
    }
    t2i_text_free(&lower);
    return status;
}

static t2i_status find_name(t2i_export_names *names, const t2i_text *stem, t2i_text *path,
                            t2i_error *err)
{
    int taken = 0;
    T2I_TRY(t2i_text_addf(path, err, "%s.png", stem->data));
    T2I_TRY(take(names, path, &taken, err));
    for (size_t number = names->files.count; !taken; number++) {
        path->size = 0;
        T2I_TRY(t2i_text_addf(path, err, "%s-%zu.png", stem->data, number));
        for (char *slash = path->data; (slash = strchr(slash, '/')) != NULL;) *slash = '_';
        T2I_TRY(take(names, path, &taken, err));
    }
    return T2I_OK;
}

t2i_status t2i_export_names_add(t2i_export_names *names, const char *name, t2i_error *err)
{
    t2i_text stem = {0}, path = {0};
    size_t number;
    t2i_status status = add_path(&stem, name, err);
    if (status == T2I_OK) cut_suffix(&stem);
    if (status == T2I_OK) status = find_name(names, &stem, &path, err);
    if (status == T2I_OK) status = t2i_string_table_add(&names->files, path.data, &number, err);
    if (status == T2I_OK) names->changed += strcmp(path.data, name) != 0;
    t2i_text_free(&stem);
    t2i_text_free(&path);
    return status;
}

void t2i_export_names_free(t2i_export_names *names)
{
    t2i_string_table_free(&names->files);
    t2i_string_table_free(&names->occupied);
}
