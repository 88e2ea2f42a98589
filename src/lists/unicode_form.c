#include "lists/unicode_form.h"

#include <hb.h>

#include "base/mem.h"

enum { LONGEST = 4 }; /* characters that one decomposes into */

/* Appends the canonical decomposition of a character. Returns the new count. */
static size_t decompose(hb_unicode_funcs_t *unicode, uint32_t code, uint32_t *out, size_t count)
{
    hb_codepoint_t first, second;
    if (!hb_unicode_decompose(unicode, code, &first, &second)) {
        out[count] = code;
        return count + 1;
    }
    count = decompose(unicode, first, out, count);
    if (second != 0) out[count++] = second;
    return count;
}

static int class_of(hb_unicode_funcs_t *unicode, uint32_t code)
{
    return (int)hb_unicode_combining_class(unicode, code);
}

/* Sorts each run of combining characters by their classes; equal ones keep their order. */
static void sort_marks(hb_unicode_funcs_t *unicode, uint32_t *code, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint32_t moved = code[i];
        int class = class_of(unicode, moved);
        size_t to = i;
        for (; class > 0 && to > 0 && class_of(unicode, code[to - 1]) > class; to--)
            code[to] = code[to - 1];
        code[to] = moved;
    }
}

/* Composes in place. Returns the new count. */
static size_t compose(hb_unicode_funcs_t *unicode, uint32_t *code, size_t count)
{
    size_t kept = 0, starter = 0;
    int have_starter = 0, before = 0; /* class of the character before; 0 next to the starter */
    for (size_t i = 0; i < count; i++) {
        int class = class_of(unicode, code[i]);
        hb_codepoint_t both;
        int near = kept == starter + 1 || before < class;
        if (have_starter && near && hb_unicode_compose(unicode, code[starter], code[i], &both)) {
            code[starter] = both;
            continue;
        }
        if (class == 0) {
            starter = kept;
            have_starter = 1;
        }
        before = class;
        code[kept++] = code[i];
    }
    return kept;
}

t2i_status t2i_unicode_form_compose(t2i_text *out, t2i_span text, t2i_error *err)
{
    hb_unicode_funcs_t *unicode = hb_unicode_funcs_get_default();
    size_t count = 0;
    uint32_t *code = t2i_alloc(text.size * LONGEST, sizeof *code), one;
    if (code == NULL) return t2i_fail_memory(err, text.size * LONGEST * sizeof *code, "a name");
    for (size_t at = 0; at < text.size;) {
        size_t length = t2i_utf8_decode(text.data + at, text.size - at, &one);
        if (length == 0) {
            t2i_free(code);
            return t2i_text_add(out, text.data, text.size, err);
        }
        count = decompose(unicode, one, code, count);
        at += length;
    }
    sort_marks(unicode, code, count);
    count = compose(unicode, code, count);
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < count; i++) {
        char bytes[4];
        status = t2i_text_add(out, bytes, t2i_utf8_encode(code[i], bytes), err);
    }
    t2i_free(code);
    return status;
}
