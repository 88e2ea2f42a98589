#include "lists/list_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum { NAMED_MAX = 8 }; /* unknown columns that a note names */

t2i_span t2i_list_line(t2i_list_reader *r)
{
    const char *begin = r->at, *end = memchr(begin, '\n', (size_t)(r->end - begin));
    r->at = end == NULL ? r->end : end + 1;
    r->line++;
    if (end == NULL) end = r->end;
    if (end > begin && end[-1] == '\r') end--;
    return (t2i_span){begin, (size_t)(end - begin)};
}

void t2i_list_drop_empty_end(t2i_list_reader *r, char delimiter)
{
    const char *at = r->end;
    while (at > r->at) {
        char c = at[-1];
        if (c == '\n')
            r->end = at;
        else if (c != '\r' && c != ' ' && (delimiter == 0 || (c != delimiter && c != '\t')))
            return;
        at--;
    }
    r->end = at;
}

t2i_status t2i_list_check_bytes(t2i_span text, t2i_error *why)
{
    const char *nul = memchr(text.data, '\0', text.size);
    if (nul != NULL)
        return t2i_fail(why, T2I_DATA, "holds a NUL at byte %zu", (size_t)(nul - text.data) + 1);
    size_t valid = t2i_utf8_valid(text.data, text.size);
    if (valid == text.size) return T2I_OK;
    return t2i_fail(why, T2I_DATA, "is not UTF-8 at byte %zu: save the list as UTF-8", valid + 1);
}

t2i_status t2i_list_row(t2i_list_reader *r, size_t line, t2i_status status, const t2i_span *fields,
                        const t2i_error *why, t2i_error *err)
{
    const t2i_pair_fields row = {fields[T2I_LIST_PROMPT], fields[T2I_LIST_IMAGE],
                                 fields[T2I_LIST_SPLIT], fields[T2I_LIST_GROUP]};
    if (status == T2I_OK) return t2i_pairs_add(r->list, r->path, line, &row, err);
    if (status == T2I_DATA) return t2i_pairs_add_bad(r->list, r->path, line, why->text, err);
    *err = *why;
    return status;
}

t2i_status t2i_list_ignore(t2i_list_reader *r, t2i_span name, t2i_error *err)
{
    char known[65];
    size_t number, before = r->ignored_names.count;
    if (before > NAMED_MAX) return T2I_OK;
    if (name.size == 0) name = (t2i_span){"(one without a name)", 20};
    snprintf(known, sizeof known, "%.*s", name.size < 64 ? (int)name.size : 64, name.data);
    T2I_TRY(t2i_string_table_add(&r->ignored_names, known, &number, err));
    if (r->ignored_names.count == before) return T2I_OK;
    if (before > 0) T2I_TRY(t2i_text_add(&r->ignored, ", ", 2, err));
    const char *shown = before == NAMED_MAX ? "..." : known;
    return t2i_text_add_plain(&r->ignored, shown, strlen(shown), err);
}

void t2i_list_log_ignored(const t2i_list_reader *r)
{
    if (r->ignored_names.count > 0)
        t2i_log_note("%s: ignored unknown %ss: %s", r->path, r->part, r->ignored.data);
}
