#include "lists/list_internal.h"

#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "formats/json.h"

enum {
    RECORD_MAX = 4 << 20, /* limit of a record, for a quote that is never closed */
    COLUMNS_MAX = 64,
    LOOKED_AT = 20 /* lines without a header that tell the order of their fields */
};
static const char delimiters[] = "\t,;|";

typedef struct {
    t2i_list_reader *r;
    char delimiter;
    t2i_text unquoted; /* owned: the fields of a record */
    t2i_list_field column[COLUMNS_MAX];
    size_t columns;
} table;

/* ---- records, as RFC 4180 has them ---- */

static int is_end(const table *t, const char *p, const char *end)
{
    return p == end || *p == t->delimiter || *p == '\n' ||
           (*p == '\r' && (p + 1 == end || p[1] == '\n'));
}

/* Other programs write TABs and pipes without quotes, so that a quote there may be a character: it
 * is one unless it is closed, on the same line if a delimiter stands inside. */
static int may_be_plain(const table *t)
{
    return t->delimiter == '\t' || t->delimiter == '|';
}

/* Reads a quoted field whose quote is at *at; its value goes to t->unquoted. */
static t2i_status read_quoted(table *t, const char **at, const char *end, size_t *lines,
                              t2i_error *why)
{
    const char *p = *at + 1;
    size_t newlines = 0;
    int delimited = 0;
    for (;;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (quote == NULL) return t2i_fail(why, T2I_DATA, "a quote is not closed");
        for (const char *c = p; c < quote; c++) {
            newlines += *c == '\n';
            delimited |= *c == t->delimiter;
        }
        T2I_TRY(t2i_text_add(&t->unquoted, p, (size_t)(quote - p), why));
        p = quote + 1;
        if (p == end || *p != '"') break;
        T2I_TRY(t2i_text_add(&t->unquoted, p++, 1, why));
    }
    while (p < end && *p == ' ') p++;
    if (!is_end(t, p, end)) return t2i_fail(why, T2I_DATA, "text follows a closing quote");
    if (may_be_plain(t) && delimited && newlines > 0)
        return t2i_fail(why, T2I_DATA, "a quote is not closed");
    *lines += newlines;
    *at = p;
    return T2I_OK;
}

static t2i_status read_plain(table *t, const char **at, const char *end, t2i_error *why)
{
    const char *p = *at;
    while (p < end && *p != t->delimiter && *p != '\n') p++;
    size_t size = (size_t)(p - *at);
    if (size > 0 && p[-1] == '\r' && (p == end || *p == '\n')) size--;
    T2I_TRY(t2i_text_add(&t->unquoted, *at, size, why));
    *at = p;
    return T2I_OK;
}

/* Blanks may precede a quote, if the quoted text ends where the field ends. */
static t2i_status read_field(table *t, const char **at, const char *end, size_t *lines,
                             t2i_error *why)
{
    const char *begin = *at, *quote = begin;
    const size_t size = t->unquoted.size;
    while (quote < end && *quote == ' ') quote++;
    if (quote == end || *quote != '"') return read_plain(t, at, end, why);
    const size_t before = *lines;
    *at = quote;
    t2i_status status = read_quoted(t, at, end, lines, why);
    int plain = status == T2I_DATA && (quote > begin || may_be_plain(t));
    if (status == T2I_OK && quote > begin && *lines > before) plain = 1;
    if (!plain) return status;
    t->unquoted.size = size;
    *lines = before;
    *at = begin;
    return read_plain(t, at, end, why);
}

/* Reads the record at r->at and moves past it. The fields are valid until the next record. A record
 * with wrong quotes ends at its first line end, so that the next one can be read. */
static t2i_status read_record(table *t, t2i_span fields[COLUMNS_MAX], size_t *count, t2i_error *why)
{
    t2i_list_reader *r = t->r;
    size_t begin[COLUMNS_MAX + 1], lines = 0;
    const char *at = r->at;
    const char *end = (size_t)(r->end - at) > RECORD_MAX ? at + RECORD_MAX : r->end;
    t2i_status status = T2I_OK;
    t->unquoted.size = 0;
    *count = 0;
    for (;;) {
        begin[*count] = t->unquoted.size;
        status = read_field(t, &at, end, &lines, why);
        if (at < end && *at == '\r') at++;
        if (status == T2I_OK && at == end && end != r->end)
            status = t2i_fail(why, T2I_DATA, "is longer than 4 MiB");
        begin[++*count] = t->unquoted.size;
        if (status != T2I_OK || at == end || *at == '\n') break;
        if (*count == COLUMNS_MAX) {
            status = t2i_fail(why, T2I_DATA, "has more than %d columns", COLUMNS_MAX);
            break;
        }
        at++;
    }
    if (status == T2I_OK)
        status = t2i_list_check_bytes((t2i_span){r->at, (size_t)(at - r->at)}, why);
    if (status != T2I_OK) {
        t2i_list_line(r);
        return status;
    }
    for (size_t i = 0; i < *count; i++)
        fields[i] = (t2i_span){t->unquoted.data + begin[i], begin[i + 1] - begin[i]};
    r->at = at < r->end ? at + 1 : at;
    r->line += lines + 1;
    return T2I_OK;
}

/* ---- the header ---- */

/* "a/b" or "a.png": no name of a column. */
static int looks_like_file(t2i_span text)
{
    size_t letters = 0;
    text = t2i_utf8_trim(text);
    if (memchr(text.data, '/', text.size) != NULL || memchr(text.data, '\\', text.size) != NULL)
        return 1;
    while (letters < text.size && text.data[text.size - letters - 1] != '.') letters++;
    return letters < text.size && letters >= 2 && letters <= 5;
}

/* How sure it is that the record at r->at is a header with this delimiter: 0 to 2. */
static int rate_header(const t2i_list_reader *r, char delimiter, size_t *known)
{
    t2i_list_reader copy = *r; /* reading moves it */
    table t = {.r = &copy, .delimiter = delimiter};
    t2i_span fields[COLUMNS_MAX];
    size_t count = 0, of[T2I_LIST_URL + 1] = {0}, files = 0;
    t2i_error why;
    t2i_status status = read_record(&t, fields, &count, &why);
    for (size_t c = 0; status == T2I_OK && c < count; c++) {
        of[t2i_list_find_field(r->columns, fields[c])]++;
        files += (size_t)looks_like_file(fields[c]);
    }
    t2i_text_free(&t.unquoted);
    *known = count - of[T2I_LIST_FIELDS];
    if (status != T2I_OK || count < 2 || *known == 0 || files > 0) return 0;
    return of[T2I_LIST_PROMPT] > 0 && of[T2I_LIST_IMAGE] + of[T2I_LIST_URL] > 0 ? 2 : 1;
}

/* The line of spreadsheets that names the delimiter. */
static char named_delimiter(t2i_span line)
{
    if (line.size >= 2 && line.data[0] == '"' && line.data[line.size - 1] == '"')
        line = (t2i_span){line.data + 1, line.size - 2};
    return line.size == 5 && strncasecmp(line.data, "sep=", 4) == 0 ? line.data[4] : 0;
}

/* Returns the reader at the first line that is not empty. */
static t2i_list_reader skip_empty(const t2i_list_reader *r)
{
    t2i_list_reader at = *r, next = *r;
    while (next.at < next.end && t2i_utf8_trim(t2i_list_line(&next)).size == 0) at = next;
    return at;
}

char t2i_list_table_find(t2i_list_reader *r)
{
    t2i_list_reader at = skip_empty(r);
    char best = 0;
    int best_rate = 0;
    size_t best_known = 0;
    char named = named_delimiter(t2i_list_line(&(t2i_list_reader){.at = at.at, .end = at.end}));
    if (named != 0) {
        t2i_list_line(&at);
        *r = at;
        return named;
    }
    for (const char *d = delimiters; *d != '\0'; d++) {
        size_t known;
        int rate = rate_header(&at, *d, &known);
        if (rate == 0 || rate < best_rate || (rate == best_rate && known <= best_known)) continue;
        best = *d;
        best_rate = rate;
        best_known = known;
    }
    if (best != 0) *r = at;
    return best;
}

char t2i_list_table_guess(const t2i_list_reader *r)
{
    t2i_list_reader at = skip_empty(r);
    t2i_span line = t2i_list_line(&at);
    size_t most = 0;
    char best = ',';
    for (const char *d = delimiters; *d != '\0'; d++) {
        size_t count = 0;
        for (size_t i = 0; i < line.size; i++) count += line.data[i] == *d;
        if (count > most || (count == most && count > 0 && *d == ',')) best = *d;
        if (count > most) most = count;
    }
    return best;
}

/* Appends the names of the columns that hold `field`, or of all for T2I_LIST_FIELDS. */
static t2i_status add_names(const table *t, const t2i_span *fields, t2i_list_field field,
                            t2i_text *out, t2i_error *err)
{
    for (size_t c = 0; c < t->columns; c++) {
        t2i_span name = t2i_utf8_trim(fields[c]);
        if (field != T2I_LIST_FIELDS && t->column[c] != field) continue;
        T2I_TRY(t2i_text_addf(out, err, "%s\"%.*s\"", out->size > 0 ? ", " : "",
                              name.size < 64 ? (int)name.size : 64, name.data));
    }
    return T2I_OK;
}

/* Each field that is needed has one column. */
static t2i_status check_columns(const table *t, size_t line, const t2i_span *fields,
                                t2i_text *names, t2i_error *err)
{
    const t2i_list_columns *given = t->r->columns;
    const int needed[] = {1, 1, given->split != NULL, given->group != NULL};
    size_t of[T2I_LIST_URL + 1] = {0}, files = 0;
    for (size_t c = 0; c < t->columns; c++) {
        of[t->column[c]]++;
        files += (size_t)looks_like_file(fields[c]);
    }
    for (int f = 0; f < T2I_LIST_FIELDS; f++) {
        if (of[f] == 1 || (of[f] == 0 && !needed[f])) continue;
        T2I_TRY(add_names(t, fields, of[f] == 0 ? T2I_LIST_FIELDS : (t2i_list_field)f, names, err));
        for (size_t c = 1; of[f] > 1 && c < t->columns; c++)
            for (size_t d = 0; d < c; d++)
                if ((int)t->column[c] == f && t2i_list_same_name(fields[c], fields[d]))
                    return t2i_fail(err, T2I_DATA,
                                    "%s:%zu: two columns are named the same: %.300s; rename one",
                                    t->r->path, line, names->data);
        if (of[f] > 1) return t2i_list_fail_many(t->r, line, (t2i_list_field)f, names->data, err);
        if (files > 0)
            return t2i_fail(err, T2I_DATA,
                            "%s:%zu: its first row is a pair and no header (%.300s): put a header "
                            "first that names the columns, such as \"prompt,image_path\"",
                            t->r->path, line, names->data);
        return t2i_list_fail_none(t->r, line, (t2i_list_field)f, of[T2I_LIST_URL] > 0, names->data,
                                  err);
    }
    return T2I_OK;
}

static void log_columns(const table *t, const t2i_span *fields)
{
    t2i_span name[T2I_LIST_FIELDS] = {{NULL, 0}};
    for (size_t c = 0; c < t->columns; c++)
        if (t->column[c] < T2I_LIST_FIELDS) name[t->column[c]] = t2i_utf8_trim(fields[c]);
    t2i_list_log_format(t->r,
                        t->delimiter == ','    ? "CSV"
                        : t->delimiter == ';'  ? "table with semicolons"
                        : t->delimiter == '\t' ? "TSV"
                                               : "table with pipes",
                        name);
}

static t2i_status read_header(table *t, t2i_error *err)
{
    t2i_span fields[COLUMNS_MAX];
    t2i_error why = {0};
    t2i_text names = {0};
    const size_t line = t->r->line;
    t2i_status status = read_record(t, fields, &t->columns, &why);
    if (status != T2I_OK)
        return t2i_fail(err, status, "%s:%zu: bad header: %s", t->r->path, line, why.text);
    for (size_t c = 0; status == T2I_OK && c < t->columns; c++) {
        t->column[c] = t2i_list_find_field(t->r->columns, fields[c]);
        if (t->column[c] >= T2I_LIST_FIELDS)
            status = t2i_list_ignore(t->r, t2i_utf8_trim(fields[c]), err);
    }
    if (status == T2I_OK) status = check_columns(t, line, fields, &names, err);
    if (status == T2I_OK) log_columns(t, fields);
    t2i_text_free(&names);
    return status;
}

/* ---- rows ---- */

/* The number of a comment and the comment, where a row of Flickr30k's list lacks the pipe. */
static int split_comment(const table *t, t2i_span *fields, size_t *count)
{
    if (t->delimiter != '|' || t->columns != 3 || *count != 2 || t->column[2] != T2I_LIST_PROMPT)
        return 0;
    t2i_span rest = t2i_utf8_trim(fields[1]);
    size_t digits = 0;
    while (digits < rest.size && rest.data[digits] >= '0' && rest.data[digits] <= '9') digits++;
    if (digits == 0 || digits == rest.size || rest.data[digits] != ' ') return 0;
    fields[1] = (t2i_span){rest.data, digits};
    fields[2] = (t2i_span){rest.data + digits, rest.size - digits};
    *count = 3;
    return 1;
}

static t2i_status read_row(table *t, t2i_span *chosen, t2i_error *why)
{
    t2i_span fields[COLUMNS_MAX];
    size_t count;
    const char *begin = t->r->at;
    T2I_TRY(read_record(t, fields, &count, why));
    if (count == 1 && fields[0].size == 0 && *begin != '"')
        return t2i_fail(why, T2I_DATA, "the line is empty");
    while (count > t->columns && t2i_utf8_trim(fields[count - 1]).size == 0) count--;
    if (count != t->columns && !split_comment(t, fields, &count))
        return t2i_fail(why, T2I_DATA, "has %zu columns, but the header has %zu%s%s", count,
                        t->columns, count > t->columns ? " (quote a field that holds a " : "",
                        count <= t->columns    ? ""
                        : t->delimiter == ','  ? "comma)"
                        : t->delimiter == ';'  ? "semicolon)"
                        : t->delimiter == '\t' ? "TAB)"
                                               : "pipe)");
    for (size_t c = 0; c < count; c++)
        if (t->column[c] < T2I_LIST_FIELDS) chosen[t->column[c]] = fields[c];
    return T2I_OK;
}

/* Several prompts in one cell, as a JSON list of strings. *out is NULL for any other cell. */
static t2i_status find_prompts(t2i_span cell, t2i_json **out, t2i_error *why)
{
    t2i_error ignored;
    *out = NULL;
    cell = t2i_utf8_trim(cell);
    if (cell.size < 4 || cell.data[0] != '[' || cell.data[cell.size - 1] != ']') return T2I_OK;
    if (cell.data[1] != '"' && cell.data[1] != '\'') return T2I_OK;
    t2i_status status = t2i_json_parse(out, cell.data, cell.size, "the cell", &ignored);
    if (status == T2I_SYSTEM) return t2i_fail_memory(why, cell.size, "a list of prompts");
    if (status == T2I_OK || cell.data[1] != cell.data[cell.size - 2]) return T2I_OK;
    return t2i_fail(why, T2I_DATA,
                    "its prompt is a list as Python prints it: give each prompt its own row "
                    "(pandas: explode), or write the list as JSON");
}

static t2i_status add_row(table *t, size_t line, t2i_status status, t2i_span *fields,
                          t2i_error *why, t2i_error *err)
{
    t2i_json *prompts = NULL;
    if (status == T2I_OK && fields[T2I_LIST_PROMPT].data != NULL)
        status = find_prompts(fields[T2I_LIST_PROMPT], &prompts, why);
    if (prompts == NULL) return t2i_list_row(t->r, line, status, fields, why, err);
    for (size_t i = 0; status == T2I_OK && i < t2i_json_size(prompts); i++) {
        t2i_span *prompt = &fields[T2I_LIST_PROMPT];
        t2i_status row = T2I_OK;
        if (!t2i_json_as_string(t2i_json_at(prompts, i), &prompt->data, &prompt->size))
            row = t2i_fail(why, T2I_DATA, "its list of prompts holds other things than strings");
        status = t2i_list_row(t->r, line, row, fields, why, err);
    }
    t2i_json_free(prompts);
    return status;
}

t2i_status t2i_list_table_read(t2i_list_reader *r, char delimiter, t2i_error *err)
{
    table t = {.r = r, .delimiter = delimiter};
    *r = skip_empty(r);
    t2i_status status = read_header(&t, err);
    if (status == T2I_OK) {
        t2i_list_log_ignored(r);
        t2i_list_drop_empty_end(r, delimiter);
    }
    while (status == T2I_OK && r->at < r->end) {
        t2i_error why = {0};
        t2i_span fields[T2I_LIST_FIELDS] = {{NULL, 0}};
        size_t line = r->line;
        t2i_status row = read_row(&t, fields, &why);
        status = add_row(&t, line, row, fields, &why, err);
    }
    t2i_text_free(&t.unquoted);
    return status;
}

/* ---- lines without a header ---- */

typedef struct {
    int file_first; /* file TAB prompt */
    int numbered;   /* "a.jpg#0": the number of a caption follows the file's name */
} line_order;

int t2i_list_is_picture(t2i_span name)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", ".png",  ".webp", ".gif",
                                           ".bmp", ".tif",  ".tiff", ".avif", ".heic"};
    name = t2i_utf8_trim(name);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t size = strlen(suffixes[i]);
        if (name.size > size && strncasecmp(name.data + name.size - size, suffixes[i], size) == 0)
            return 1;
    }
    return 0;
}

/* "a.jpg#0" without its number, or the name unchanged. */
static t2i_span without_number(t2i_span name)
{
    size_t size = name.size;
    while (size > 0 && name.data[size - 1] >= '0' && name.data[size - 1] <= '9') size--;
    if (size == name.size || size == 0 || name.data[size - 1] != '#') return name;
    return (t2i_span){name.data, size - 1};
}

static t2i_span field_of(t2i_span line, size_t number)
{
    const char *at = line.data, *end = line.data + line.size, *tab;
    for (;; number--) {
        tab = memchr(at, '\t', (size_t)(end - at));
        if (number == 0) return (t2i_span){at, (size_t)((tab == NULL ? end : tab) - at)};
        if (tab == NULL) return (t2i_span){end, 0};
        at = tab + 1;
    }
}

/* The files come first if the first lines have names of pictures there and nowhere else. */
static line_order find_order(const t2i_list_reader *r)
{
    t2i_list_reader copy = *r;
    line_order order = {1, 1};
    size_t lines = 0;
    for (; copy.at < copy.end && lines < LOOKED_AT; lines++) {
        t2i_span line = t2i_list_line(&copy), name = field_of(line, 0);
        t2i_span bare = without_number(name);
        order.numbered &= bare.size < name.size;
        order.file_first &= t2i_list_is_picture(bare) && !t2i_list_is_picture(field_of(line, 1));
    }
    order.numbered &= order.file_first;
    return order;
}

static t2i_status read_line(line_order order, t2i_span text, t2i_span *fields, t2i_error *why)
{
    size_t tabs = 0;
    if (text.size == 0) return t2i_fail(why, T2I_DATA, "the line is empty");
    T2I_TRY(t2i_list_check_bytes(text, why));
    for (size_t i = 0; i < text.size; i++) tabs += text.data[i] == '\t';
    if (tabs == 0) return t2i_fail(why, T2I_DATA, "has no TAB between prompt and file name");
    if (tabs > 2)
        return t2i_fail(why, T2I_DATA, "has %zu fields; expected prompt TAB file [TAB split]",
                        tabs + 1);
    fields[order.file_first ? T2I_LIST_IMAGE : T2I_LIST_PROMPT] = field_of(text, 0);
    fields[order.file_first ? T2I_LIST_PROMPT : T2I_LIST_IMAGE] = field_of(text, 1);
    if (tabs == 2) fields[T2I_LIST_SPLIT] = field_of(text, 2);
    if (order.numbered) fields[T2I_LIST_IMAGE] = without_number(fields[T2I_LIST_IMAGE]);
    return T2I_OK;
}

t2i_status t2i_list_table_read_plain(t2i_list_reader *r, t2i_error *err)
{
    t2i_list_drop_empty_end(r, 0);
    const line_order order = find_order(r);
    if (order.file_first) t2i_log_note("reads %s: lines of file TAB prompt", r->path);
    while (r->at < r->end) {
        t2i_error why = {0};
        t2i_span fields[T2I_LIST_FIELDS] = {{NULL, 0}};
        size_t line = r->line;
        t2i_status status = read_line(order, t2i_list_line(r), fields, &why);
        T2I_TRY(t2i_list_row(r, line, status, fields, &why, err));
    }
    return T2I_OK;
}
