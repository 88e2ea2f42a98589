#include "lists/picture_names.h"

#include <dirent.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/string_table.h"
#include "lists/unicode_form.h"

enum { PART_MAX = 1024 }; /* bytes of a name, which has 255 in its folder, in any normalisation */

typedef struct {
    const char *folder;
    t2i_string_table listed; /* folders whose entries are in `normal`, each by its inode */
    t2i_string_table normal; /* "inode/name" of each entry that is not ASCII, composed (NFC) */
    t2i_text entries;        /* its name as it is, NUL-terminated */
    size_t *entry;           /* of each in `normal`: offset in `entries` */
    size_t room;
    size_t spelled, normalised; /* names that were found in another form */
} finder;

static int is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80) text++;
    return *text == '\0';
}

/* Replaces *out by "folder/name composed". */
static t2i_status compose(t2i_text *out, const char *folder, const char *name, t2i_error *err)
{
    out->size = 0;
    T2I_TRY(t2i_text_addf(out, err, "%s/", folder));
    return t2i_unicode_form_compose(out, (t2i_span){name, strlen(name)}, err);
}

static t2i_status add_entry(finder *f, const char *folder, const char *name, t2i_text *key,
                            t2i_error *err)
{
    size_t number, before = f->normal.count;
    T2I_TRY(compose(key, folder, name, err));
    T2I_TRY(t2i_string_table_add(&f->normal, key->data, &number, err));
    if (f->normal.count == before) return T2I_OK; /* a twin: the first one is used */
    if (number == f->room) {
        size_t room = 2 * f->room + 64;
        if (t2i_grow(&f->entry, f->room, room, sizeof *f->entry) != 0)
            return t2i_fail_memory(err, room * sizeof *f->entry, "file names");
        f->room = room;
    }
    f->entry[number] = f->entries.size;
    return t2i_text_add(&f->entries, name, strlen(name) + 1, err);
}

/* Collects the entries of a folder, once, whatever its path. *inode: its number; "" if there is no
 * such folder. */
static t2i_status list_folder(finder *f, const char *folder, t2i_text *inode, t2i_error *err)
{
    struct stat info;
    size_t number, before = f->listed.count;
    t2i_text key = {0};
    if (*folder == '\0') folder = ".";
    if (stat(folder, &info) != 0) return t2i_text_addf(inode, err, "%s", "");
    T2I_TRY(t2i_text_addf(inode, err, "%llx:%llx", (unsigned long long)info.st_dev,
                          (unsigned long long)info.st_ino));
    T2I_TRY(t2i_string_table_add(&f->listed, inode->data, &number, err));
    if (f->listed.count == before) return T2I_OK;
    DIR *dir = opendir(folder);
    t2i_status status = T2I_OK;
    for (struct dirent *e; status == T2I_OK && dir != NULL && (e = readdir(dir)) != NULL;)
        if (!is_ascii(e->d_name)) status = add_entry(f, inode->data, e->d_name, &key, err);
    if (dir != NULL) closedir(dir);
    t2i_text_free(&key);
    return status;
}

/* The entry of the folder that is `part` in some normalisation; *found is NULL if there is none. */
static t2i_status find_part(finder *f, const char *folder, const char *part, const char **found,
                            t2i_error *err)
{
    t2i_text inode = {0}, key = {0};
    *found = NULL;
    char *as_written = t2i_fs_join(folder, part, err);
    if (as_written == NULL) return T2I_SYSTEM;
    if (t2i_fs_exists(as_written)) *found = part;
    t2i_free(as_written);
    if (*found != NULL || strlen(part) > PART_MAX) return T2I_OK;
    t2i_status status = list_folder(f, folder, &inode, err);
    if (status == T2I_OK && inode.size > 0) {
        status = compose(&key, inode.data, part, err);
        size_t at = status == T2I_OK ? t2i_string_table_find(&f->normal, key.data) : SIZE_MAX;
        if (at != SIZE_MAX) *found = f->entries.data + f->entry[at];
    }
    t2i_text_free(&inode);
    t2i_text_free(&key);
    return status;
}

/* Appends to *path, which names a folder, the entry that is `part`. *there is 0 if there is none;
 * parts in ASCII are not looked for. */
static t2i_status add_part(finder *f, t2i_text *path, const char *part, int *there, t2i_error *err)
{
    if (!is_ascii(part)) T2I_TRY(find_part(f, path->data, part, &part, err));
    *there = part != NULL;
    if (part == NULL) return T2I_OK;
    if (path->size > 0 && path->data[path->size - 1] != '/')
        T2I_TRY(t2i_text_add(path, "/", 1, err));
    return t2i_text_add(path, part, strlen(part), err);
}

/* Is the file there under this name? */
static t2i_status exists(const finder *f, const char *name, int *there, t2i_error *err)
{
    char *path = t2i_fs_join(f->folder, name, err);
    if (path == NULL) return T2I_SYSTEM;
    *there = t2i_fs_exists(path);
    t2i_free(path);
    return T2I_OK;
}

/* The name with each part as it is in its folder; *there is 0 if one is not. */
static t2i_status normalise(finder *f, const char *name, t2i_text *out, int *there, t2i_error *err)
{
    t2i_text path = {0}, parts = {0};
    const int absolute = *name == '/';
    t2i_status status = t2i_text_addf(&path, err, "%s", absolute ? "/" : f->folder);
    const size_t prefix = absolute ? 0 : path.size;
    if (status == T2I_OK) status = t2i_text_add(&parts, name, strlen(name), err);
    char *rest = NULL;
    *there = 1;
    for (char *part = status == T2I_OK ? strtok_r(parts.data, "/", &rest) : NULL;
         status == T2I_OK && *there && part != NULL; part = strtok_r(NULL, "/", &rest))
        status = add_part(f, &path, part, there, err);
    out->size = 0;
    if (status == T2I_OK) {
        const char *found = path.data + prefix;
        if (!absolute && *found == '/') found++;
        status = t2i_text_add(out, found, strlen(found), err);
    }
    t2i_text_free(&path);
    t2i_text_free(&parts);
    return status;
}

static void keep_only(t2i_text *name, t2i_span part)
{
    memmove(name->data, part.data, part.size);
    name->data[name->size = part.size] = '\0';
}

static t2i_span without_dots(t2i_span name)
{
    while (name.size > 2 && name.data[0] == '.' && (name.data[1] == '/' || name.data[1] == '\\'))
        name = (t2i_span){name.data + 2, name.size - 2};
    return name;
}

/* Looks for the name with slashes for backslashes, in any normalisation. */
static t2i_status find_other(finder *f, t2i_text *name, t2i_error *err)
{
    t2i_text other = {0}, found = {0};
    int there = 0;
    t2i_status status = t2i_text_add(&other, name->data, name->size, err);
    for (char *c = other.data; status == T2I_OK && *c != '\0'; c++)
        if (*c == '\\') *c = '/';
    if (status == T2I_OK) status = exists(f, other.data, &there, err);
    f->spelled += (size_t)there;
    if (status == T2I_OK && !there && !is_ascii(other.data)) {
        status = normalise(f, other.data, &found, &there, err);
        if (status == T2I_OK && there) status = exists(f, found.data, &there, err);
        f->normalised += (size_t)there;
    }
    if (status == T2I_OK && there) {
        const t2i_text *as = found.data != NULL ? &found : &other;
        name->size = 0;
        status = t2i_text_add(name, as->data, as->size, err);
    }
    t2i_text_free(&other);
    t2i_text_free(&found);
    return status;
}

/* Replaces *name by the name of the file that it means. */
static t2i_status find(finder *f, t2i_text *name, t2i_error *err)
{
    int there = 0;
    keep_only(name, without_dots((t2i_span){name->data, name->size}));
    T2I_TRY(exists(f, name->data, &there, err));
    if (there) return T2I_OK;
    t2i_span bare = t2i_utf8_trim((t2i_span){name->data, name->size});
    if (bare.size > 7 && strncasecmp(bare.data, "file://", 7) == 0)
        bare = (t2i_span){bare.data + 7, bare.size - 7};
    keep_only(name, without_dots(bare));
    T2I_TRY(exists(f, name->data, &there, err));
    f->spelled += (size_t)there;
    return there ? T2I_OK : find_other(f, name, err);
}

/* Most names are plain, and their files need not be looked for. */
static int is_plain(const char *name)
{
    size_t size = strlen(name);
    return is_ascii(name) && strchr(name, '\\') == NULL && strncmp(name, "./", 2) != 0 &&
           strncasecmp(name, "file:", 5) != 0 && t2i_utf8_trim((t2i_span){name, size}).size == size;
}

static t2i_status find_all(finder *f, t2i_pair_list *list, t2i_error *err)
{
    t2i_string_table known = {0}; /* names of the list, and what was found for each */
    t2i_text name = {0};
    size_t *found = NULL, room = 0;
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < list->count; i++) {
        const char *written = list->text.data + list->row[i].image;
        size_t number = 0, before = known.count;
        if (is_plain(written)) continue;
        status = t2i_string_table_add(&known, written, &number, err);
        if (status == T2I_OK && number == room) {
            room = 2 * room + 64;
            if (t2i_grow(&found, number, room, sizeof *found) != 0)
                status = t2i_fail_memory(err, room * sizeof *found, "file names");
        }
        if (status == T2I_OK && known.count > before) {
            name.size = 0;
            status = t2i_text_add(&name, written, strlen(written), err);
            if (status == T2I_OK) status = find(f, &name, err);
            found[number] = list->text.size;
            if (status == T2I_OK) status = t2i_text_add(&list->text, name.data, name.size + 1, err);
        }
        if (status == T2I_OK) list->row[i].image = found[number];
    }
    t2i_string_table_free(&known);
    t2i_text_free(&name);
    t2i_free(found);
    return status;
}

t2i_status t2i_picture_names_find(t2i_pair_list *list, const char *path, const char *folder,
                                  t2i_error *err)
{
    finder f = {.folder = folder};
    t2i_status status = find_all(&f, list, err);
    if (status == T2I_OK && f.spelled > 0)
        t2i_log_note("%s: %zu file names were found without blanks, \"./\", \"file://\" or "
                     "backslashes",
                     path, f.spelled);
    if (status == T2I_OK && f.normalised > 0)
        t2i_log_note("%s: %zu file names were found in another Unicode normalisation (NFC or NFD)",
                     path, f.normalised);
    t2i_string_table_free(&f.listed);
    t2i_string_table_free(&f.normal);
    t2i_text_free(&f.entries);
    t2i_free(f.entry);
    return status;
}
