#include "formats/cldr.h"

#include <dirent.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

enum { DEPTH_MAX = 16, TEXT_MAX = 1 << 16, LOCALES_MAX = 10000 };
#define FILE_MAX ((size_t)64 << 20)

/* Debian, Fedora, openSUSE; own installations. */
static const char *const places[] = {"/usr/share/unicode/cldr", "/usr/local/share/unicode/cldr"};
static const char *const parts[] = {"annotations", "annotationsDerived"};

/* ---- one file ---- */

typedef struct {
    XML_Parser parser;
    const char *name;
    t2i_cldr_take take;
    void *context;
    t2i_error *err;
    t2i_status status; /* why the parser was stopped */
    int depth;
    int reading; /* within the text of an annotation */
    int is_name;
    char emoji[T2I_CLDR_EMOJI];
    t2i_text text;
} reader;

/* Ends the parsing with this message. */
static void stop(reader *r, t2i_status status, const char *what)
{
    if (r->status != T2I_OK) return;
    r->status = t2i_fail(r->err, status, "%s:%lu: %s", r->name,
                         (unsigned long)XML_GetCurrentLineNumber(r->parser), what);
    XML_StopParser(r->parser, XML_FALSE);
}

static void begin_annotation(reader *r, const XML_Char **attribute)
{
    const char *emoji = NULL, *type = NULL;
    for (size_t i = 0; attribute[i] != NULL; i += 2) {
        if (strcmp(attribute[i], "cp") == 0) emoji = attribute[i + 1];
        if (strcmp(attribute[i], "type") == 0) type = attribute[i + 1];
    }
    if (emoji == NULL || emoji[0] == '\0' || strlen(emoji) >= sizeof r->emoji) {
        stop(r, T2I_DATA, "an annotation of no character (cp), or of too many");
        return;
    }
    if (type != NULL && strcmp(type, "tts") != 0) return;
    strcpy(r->emoji, emoji);
    r->is_name = type != NULL;
    r->reading = 1;
    r->text.size = 0;
}

static void XMLCALL on_begin(void *context, const XML_Char *name, const XML_Char **attribute)
{
    reader *r = context;
    if (r->status != T2I_OK) return; /* Expat may complete the current element */
    r->depth++;
    if (r->depth > DEPTH_MAX)
        stop(r, T2I_DATA, "elements are nested too deep for CLDR annotations");
    else if (r->depth == 1 && strcmp(name, "ldml") != 0)
        stop(r, T2I_DATA, "is XML, but not CLDR annotations (its root is not ldml)");
    else if (r->depth == 3 && strcmp(name, "annotation") == 0)
        begin_annotation(r, attribute);
}

static void XMLCALL on_text(void *context, const XML_Char *text, int size)
{
    reader *r = context;
    if (r->status != T2I_OK || !r->reading || r->depth != 3) return;
    if (r->text.size + (size_t)size > TEXT_MAX) {
        stop(r, T2I_DATA, "an annotation is longer than 64 KiB");
        return;
    }
    size_t from = r->text.size;
    t2i_status status = t2i_text_add(&r->text, text, (size_t)size, r->err);
    if (status != T2I_OK) stop(r, status, "no memory for an annotation");
    for (size_t i = from; i < r->text.size; i++)
        if ((unsigned char)r->text.data[i] < ' ' || r->text.data[i] == 127) r->text.data[i] = ' ';
}

/* Trims the text between begin and end and terminates it. */
static t2i_status give(reader *r, char *begin, char *end)
{
    while (begin < end && *begin == ' ') begin++;
    while (begin < end && end[-1] == ' ') end--;
    *end = '\0';
    if (begin == end) return T2I_OK;
    const t2i_cldr_note note = {.emoji = r->emoji, .is_name = r->is_name, .text = begin};
    return r->take(r->context, &note, r->err);
}

/* A name is one text, keywords are several: "face | grin | grinning face". */
static t2i_status give_all(reader *r)
{
    static const char inherited[] = "\xe2\x86\x91\xe2\x86\x91\xe2\x86\x91"; /* three arrows */
    if (r->text.size == 0 || strcmp(r->text.data, inherited) == 0) return T2I_OK;
    char *at = r->text.data, *end = at + r->text.size;
    for (char *bar; !r->is_name && (bar = memchr(at, '|', (size_t)(end - at))) != NULL;) {
        T2I_TRY(give(r, at, bar));
        at = bar + 1;
    }
    return give(r, at, end);
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    reader *r = context;
    (void)name;
    if (r->status != T2I_OK) return;
    if (r->depth-- != 3 || !r->reading) return;
    r->reading = 0;
    r->status = give_all(r);
    if (r->status != T2I_OK) XML_StopParser(r->parser, XML_FALSE);
}

/* CLDR needs only the five entities of XML itself; others could expand a small file to a large one.
 */
static void XMLCALL on_entity(void *context, const XML_Char *name, int is_parameter,
                              const XML_Char *value, int size, const XML_Char *base,
                              const XML_Char *system, const XML_Char *public,
                              const XML_Char *notation)
{
    (void)name, (void)is_parameter, (void)value, (void)size, (void)base, (void)system, (void)public;
    (void)notation;
    stop(context, T2I_DATA, "declares entities, which CLDR annotations do not use");
}

/* Each element would be given them, one after the other. */
static void XMLCALL on_attributes(void *context, const XML_Char *element, const XML_Char *name,
                                  const XML_Char *type, const XML_Char *value, int required)
{
    (void)element, (void)name, (void)type, (void)value, (void)required;
    stop(context, T2I_DATA, "declares attributes, which CLDR annotations do not use");
}

static void XMLCALL on_unknown_entity(void *context, const XML_Char *name, int is_parameter)
{
    (void)name;
    if (!is_parameter) stop(context, T2I_DATA, "uses an entity that XML does not define");
}

static t2i_status parse(reader *r, const char *bytes, size_t size)
{
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_begin, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetEntityDeclHandler(r->parser, on_entity);
    XML_SetAttlistDeclHandler(r->parser, on_attributes);
    XML_SetSkippedEntityHandler(r->parser, on_unknown_entity);
    enum XML_Status status = XML_Parse(r->parser, bytes, (int)size, 1);
    if (r->status != T2I_OK || status == XML_STATUS_OK) return r->status;
    enum XML_Error why = XML_GetErrorCode(r->parser);
    if (why == XML_ERROR_NO_MEMORY) return t2i_fail_memory(r->err, size, "Expat");
    return t2i_fail(r->err, T2I_DATA, "%s:%lu: is cut off or damaged here (%s)", r->name,
                    (unsigned long)XML_GetCurrentLineNumber(r->parser), XML_ErrorString(why));
}

t2i_status t2i_cldr_parse(const char *bytes, size_t size, const char *name, t2i_cldr_take take,
                          void *context, t2i_error *err)
{
    reader r = {.name = name, .take = take, .context = context, .err = err};
    if (size > FILE_MAX)
        return t2i_fail(err, T2I_DATA, "%s is longer than %zu bytes", name, FILE_MAX);
    r.parser = XML_ParserCreate(NULL);
    if (r.parser == NULL) return t2i_fail_memory(err, size, "Expat");
    t2i_status status = parse(&r, bytes, size);
    XML_ParserFree(r.parser);
    t2i_text_free(&r.text);
    return status;
}

/* ---- the folder ---- */

static char *file_path(const char *folder, const char *part, const char *locale, t2i_error *err)
{
    char name[2 * T2I_LOCALE + 16];
    snprintf(name, sizeof name, "%s%s%s%s", part, locale == NULL ? "" : "/",
             locale == NULL ? "" : locale, locale == NULL ? "" : ".xml");
    return t2i_fs_join(folder, name, err);
}

static t2i_status read_file(const char *path, t2i_cldr_take take, void *context, t2i_error *err)
{
    t2i_text file = {0};
    t2i_status status = t2i_fs_read_stream(path, FILE_MAX, &file, err);
    if (status == T2I_OK && file.size == 0) status = t2i_fail(err, T2I_DATA, "%s is empty", path);
    if (status == T2I_OK) status = t2i_cldr_parse(file.data, file.size, path, take, context, err);
    t2i_text_free(&file);
    return status;
}

t2i_status t2i_cldr_read(const t2i_cldr *cldr, const char *locale, t2i_cldr_take take,
                         void *context, t2i_error *err)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *path = file_path(cldr->folder, parts[i], locale, err);
        if (path == NULL) return T2I_SYSTEM;
        /* a few locales have no derived names; their annotations are there, as they were listed */
        t2i_status status =
            i > 0 && !t2i_fs_exists(path) ? T2I_OK : read_file(path, take, context, err);
        t2i_free(path);
        T2I_TRY(status);
    }
    return T2I_OK;
}

static t2i_status add_locale(t2i_cldr *cldr, const char *file, t2i_error *err)
{
    size_t size = strlen(file);
    if (size <= 4 || size - 4 >= T2I_LOCALE || strcmp(file + size - 4, ".xml") != 0) return T2I_OK;
    if (cldr->locales == LOCALES_MAX)
        return t2i_fail(err, T2I_DATA, "%s/%s has more than %d locales", cldr->folder, parts[0],
                        LOCALES_MAX);
    if (cldr->locales == cldr->room) {
        size_t room = 2 * cldr->room + 64;
        if (t2i_grow(&cldr->locale, cldr->locales, room, sizeof *cldr->locale) != 0)
            return t2i_fail_memory(err, room * sizeof *cldr->locale, "locales");
        cldr->room = room;
    }
    memcpy(cldr->locale[cldr->locales++], file, size - 4); /* the rest is 0 */
    return T2I_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static t2i_status list_locales(t2i_cldr *cldr, t2i_error *err)
{
    char *path = file_path(cldr->folder, parts[0], NULL, NULL);
    DIR *dir = path == NULL ? NULL : opendir(path);
    t2i_status status = dir == NULL ? t2i_fail(err, T2I_NOINPUT, "cannot read the folder %s/%s",
                                               cldr->folder, parts[0])
                                    : T2I_OK;
    for (struct dirent *e; status == T2I_OK && (e = readdir(dir)) != NULL;)
        status = add_locale(cldr, e->d_name, err);
    if (dir != NULL) closedir(dir);
    t2i_free(path);
    if (cldr->locales > 0) qsort(cldr->locale, cldr->locales, sizeof *cldr->locale, by_name);
    return status;
}

/* Selects the folder or its subfolder "common", whichever has annotations. */
static t2i_status try_folder(t2i_cldr *cldr, const char *folder, t2i_error *err)
{
    for (int i = 0; i < 2 && cldr->folder == NULL; i++) {
        char *whole = i == 0 ? t2i_fs_copy_path(folder, err) : t2i_fs_join(folder, "common", err);
        char *path = whole == NULL ? NULL : file_path(whole, parts[0], NULL, err);
        int there = path != NULL && t2i_fs_is_folder(path);
        if (there) cldr->folder = whole;
        if (!there) t2i_free(whole);
        t2i_free(path);
        if (path == NULL) return T2I_SYSTEM;
    }
    return T2I_OK;
}

static t2i_status open_folder(t2i_cldr *cldr, const char *folder, t2i_error *err)
{
    if (folder != NULL) T2I_TRY(try_folder(cldr, folder, err));
    for (size_t i = 0; folder == NULL && i < sizeof places / sizeof *places; i++)
        T2I_TRY(try_folder(cldr, places[i], err));
    if (cldr->folder == NULL && folder != NULL)
        return t2i_fail(err, T2I_NOINPUT,
                        "%s has no folder annotations, nor common/annotations: Debian's "
                        "unicode-cldr-core has it in %s",
                        folder, places[0]);
    if (cldr->folder == NULL)
        return t2i_fail(err, T2I_NOINPUT,
                        "cannot find CLDR's names of emoji (%s/common/annotations): install "
                        "unicode-cldr-core (Fedora: cldr-emoji-annotation), or give --cldr FOLDER",
                        places[0]);
    T2I_TRY(list_locales(cldr, err));
    if (cldr->locales > 0) return T2I_OK;
    return t2i_fail(err, T2I_NOINPUT, "%s/%s contains no LOCALE.xml", cldr->folder, parts[0]);
}

t2i_status t2i_cldr_open(t2i_cldr *out, const char *folder, t2i_error *err)
{
    *out = (t2i_cldr){0};
    t2i_status status = open_folder(out, folder, err);
    if (status != T2I_OK) t2i_cldr_close(out);
    return status;
}

void t2i_cldr_close(t2i_cldr *cldr)
{
    t2i_free(cldr->folder);
    t2i_free(cldr->locale);
    *cldr = (t2i_cldr){0};
}

/* ---- locales ---- */

/* "pt-BR" -> "pt_BR"; truncated if it is too long for a locale. */
static void normalise(const char *name, char out[T2I_LOCALE])
{
    snprintf(out, T2I_LOCALE, "%s", name);
    for (char *c = out; *c != '\0'; c++)
        if (*c == '-') *c = '_';
}

const char *t2i_cldr_find(const t2i_cldr *cldr, const char *name)
{
    char wanted[T2I_LOCALE];
    if (strlen(name) >= sizeof wanted) return NULL;
    normalise(name, wanted);
    for (size_t i = 0; i < cldr->locales; i++)
        if (strcasecmp(cldr->locale[i], wanted) == 0) return cldr->locale[i];
    return NULL;
}

const char *t2i_cldr_nearest(const t2i_cldr *cldr, const char *name)
{
    char word[T2I_LOCALE];
    normalise(name, word);
    char *tail = strchr(word, '_');
    if (tail != NULL) { /* for en_US suggest en */
        *tail = '\0';
        const char *language = t2i_cldr_find(cldr, word);
        if (language != NULL) return language;
        normalise(name, word);
    }
    const char **names = t2i_alloc(cldr->locales, sizeof *names);
    if (names == NULL) return NULL;
    for (size_t i = 0; i < cldr->locales; i++) names[i] = cldr->locale[i];
    const char *nearest = t2i_text_nearest_name(word, names, cldr->locales);
    t2i_free(names);
    return nearest;
}

int t2i_cldr_parent(const char *locale, char out[T2I_LOCALE])
{
    /* parentLocales of supplementalData.xml for locales with annotations; "": no parent. A name
     * that ends in '_' matches all that begin with it; the first match is used. */
    static const char *const other[][2] = {
        {"en_001", "en"}, {"en_", "en_001"}, {"hi_Latn", "en_IN"}, {"es_419", "es"},
        {"es_ES", "es"},  {"es_", "es_419"}, {"pt_PT", "pt"},      {"pt_BR", "pt"},
        {"pt_", "pt_PT"}, {"nb", "no"},      {"nn", "no"},         {"zh_Hant_MO", "zh_Hant_HK"},
        {"zh_Hant", ""},  {"yue_Hans", ""},  {"sr_Latn", ""},      {"pa_Arab", ""},
    };
    const char *parent = NULL;
    for (size_t i = 0; parent == NULL && i < sizeof other / sizeof *other; i++) {
        size_t size = strlen(other[i][0]);
        int whole = other[i][0][size - 1] != '_';
        if (strncmp(locale, other[i][0], size + (size_t)whole) == 0) parent = other[i][1];
    }
    snprintf(out, T2I_LOCALE, "%s", parent == NULL ? locale : parent);
    if (parent == NULL) {
        char *tail = strrchr(out, '_');
        *(tail == NULL ? out : tail) = '\0';
    }
    return out[0] != '\0';
}
