#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

t2i_status t2i_text_reserve(t2i_text *text, size_t more, t2i_error *err)
{
    if (more < SIZE_MAX / 4 && text->size + more < text->room) return T2I_OK;
    size_t room = text->size + more + 1;
    if (more >= SIZE_MAX / 4 || t2i_grow(&text->data, text->size, room, 1) != 0)
        return t2i_fail_memory(err, more, "text");
    text->room = room;
    return T2I_OK;
}

/* Twice as much as is needed, so that a text that grows is copied rarely. */
static t2i_status reserve(t2i_text *text, size_t more, t2i_error *err)
{
    if (more >= SIZE_MAX / 4 || text->size + more < text->room)
        return t2i_text_reserve(text, more, err);
    return t2i_text_reserve(text, text->size + (more + 32) * 2, err);
}

t2i_status t2i_text_add(t2i_text *text, const void *bytes, size_t size, t2i_error *err)
{
    T2I_TRY(reserve(text, size, err)); /* reserves one more byte, for the terminator */
    if (size > 0) memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
    return T2I_OK;
}

t2i_status t2i_text_addf(t2i_text *text, t2i_error *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    t2i_status status = size < 0 ? t2i_fail(err, T2I_BUG, "cannot format a text")
                                 : reserve(text, (size_t)size, err);
    if (status == T2I_OK) {
        vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
    return status;
}

t2i_status t2i_text_add_plain(t2i_text *text, const char *bytes, size_t size, t2i_error *err)
{
    size_t from = text->size;
    T2I_TRY(t2i_text_add(text, bytes, size, err));
    text->size = from + t2i_utf8_clean(text->data + from, size, "");
    text->data[text->size] = '\0';
    return T2I_OK;
}

t2i_status t2i_text_lower(t2i_text *text, const char *bytes, size_t size, t2i_error *err)
{
    text->size = 0;
    T2I_TRY(t2i_text_add(text, bytes, size, err));
    for (size_t i = 0; i < size; i++)
        if (bytes[i] >= 'A' && bytes[i] <= 'Z') text->data[i] = (char)(bytes[i] - 'A' + 'a');
    return T2I_OK;
}

void t2i_text_free(t2i_text *text)
{
    t2i_free(text->data);
    *text = (t2i_text){0};
}

/* Letters that are left out, added, changed, or swapped with their neighbour; SIZE_MAX for words of
 * more than LONGEST bytes. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    size_t rows[3][LONGEST + 1], n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= m; j++) rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            int swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

/* A word of few letters is near to many: "cpu" is two letters from "eps". */
static size_t most_edits(size_t length)
{
    return length < 2 ? 0 : length < 5 ? 1 : length / 3 + 1;
}

int t2i_text_ends(const char *text, const char *end)
{
    size_t size = strlen(text), tail = strlen(end);
    return size >= tail && strcasecmp(text + size - tail, end) == 0;
}

const char *t2i_text_nearest_name(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t nearest = most_edits(strlen(word)) + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, names[i]);
        if (distance < nearest) {
            nearest = distance;
            best = names[i];
        }
    }
    return best;
}
