#include "draw/typeset.h"

#include <hb.h>
#include <string.h>

#include "base/utf8.h"
#include "draw/bidi.h"
#include "draw/font.h"

enum { MARKS_MAX = 6 }; /* marks on one character */
#define NO_CHARACTER UINT32_MAX

static hb_unicode_general_category_t category(uint32_t code)
{
    return hb_unicode_general_category(hb_unicode_funcs_get_default(), code);
}

/* Is it drawn as a part of the character before it? Marks, joiners, selectors. */
static int is_mark(uint32_t code)
{
    switch (category(code)) {
    case HB_UNICODE_GENERAL_CATEGORY_NON_SPACING_MARK:
    case HB_UNICODE_GENERAL_CATEGORY_SPACING_MARK:
    case HB_UNICODE_GENERAL_CATEGORY_ENCLOSING_MARK:
    case HB_UNICODE_GENERAL_CATEGORY_FORMAT:
        return 1;
    default:
        return 0;
    }
}

static int is_blank(uint32_t code)
{
    return code == ' ' || (code >= 0x2000 && code <= 0x200a && code != 0x2007) || code == 0x3000;
}

/* ---- characters ---- */

/* The character at `text`; one that cannot be drawn is NO_CHARACTER. */
static size_t next(const char *text, size_t size, uint32_t *code)
{
    size_t length = t2i_utf8_decode(text, size, code);
    if (length == 0) {
        *code = NO_CHARACTER;
        return 1;
    }
    if ((*code >= '\t' && *code <= '\r') || *code == 0x85 || *code == 0x2028 || *code == 0x2029)
        *code = ' ';
    else if (t2i_utf8_is_control(*code) && !t2i_utf8_is_direction_mark(*code))
        *code = NO_CHARACTER;
    return length;
}

static void decode(t2i_typeset *t, const char *utf8)
{
    size_t size = strlen(utf8), marks = 0;
    for (size_t i = 0; i < size;) {
        uint32_t code;
        hb_codepoint_t both;
        i += next(utf8 + i, size - i, &code);
        int mark = is_mark(code);
        marks = mark ? marks + 1 : 0;
        if (marks > MARKS_MAX || t2i_utf8_is_direction_mark(code)) continue;
        /* An accent that was written apart, as in names of files of macOS. */
        if (mark && t->codes > 0 &&
            hb_unicode_compose(hb_unicode_funcs_get_default(), t->code[t->codes - 1], code,
                               &both)) {
            t->code[t->codes - 1] = both;
            continue;
        }
        if (t->codes == T2I_TYPESET_MAX) {
            t->cut = 1;
            return;
        }
        t->code[t->codes++] = code;
    }
}

/* ---- where lines may end ---- */

/* Does the script write words without blanks, so that a line may end after any character? */
static int is_dense(uint32_t code)
{
    return (code >= 0x2e80 && code <= 0xa4cf) || (code >= 0xf900 && code <= 0xfaff) ||
           (code >= 0xff00 && code <= 0xffef) || (code >= 0x20000 && code <= 0x3ffff);
}

static int closes(uint32_t code)
{
    hb_unicode_general_category_t c = category(code);
    return c == HB_UNICODE_GENERAL_CATEGORY_CLOSE_PUNCTUATION ||
           c == HB_UNICODE_GENERAL_CATEGORY_FINAL_PUNCTUATION ||
           c == HB_UNICODE_GENERAL_CATEGORY_OTHER_PUNCTUATION ||
           c == HB_UNICODE_GENERAL_CATEGORY_MODIFIER_LETTER;
}

static int opens(uint32_t code)
{
    hb_unicode_general_category_t c = category(code);
    return c == HB_UNICODE_GENERAL_CATEGORY_OPEN_PUNCTUATION ||
           c == HB_UNICODE_GENERAL_CATEGORY_INITIAL_PUNCTUATION;
}

static int may_end(const uint32_t *code, size_t i, size_t count)
{
    if (i + 1 == count || is_blank(code[i]) || code[i] == 0x200b) return 1;
    uint32_t after = code[i + 1];
    if (is_blank(after) || is_mark(after)) return 0;
    /* Names of files often have no blanks. */
    if (code[i] == '-' || code[i] == '_' || code[i] == '/') return i > 0 && !is_blank(code[i - 1]);
    return (is_dense(code[i]) || is_dense(after)) && !opens(code[i]) && !closes(after);
}

/* ---- glyphs ---- */

/* The script of a character; that of the text before it if it belongs to any. */
static hb_script_t script_of(uint32_t code, hb_script_t before)
{
    hb_script_t script = hb_unicode_script(hb_unicode_funcs_get_default(), code);
    return script == HB_SCRIPT_COMMON || script == HB_SCRIPT_INHERITED ||
                   script == HB_SCRIPT_UNKNOWN
               ? before
               : script;
}

/* Character i in the built-in font. */
static t2i_glyph built_in(const t2i_typeset *t, size_t i, size_t scale)
{
    return (t2i_glyph){.face = T2I_TYPEFACE_NONE,
                       .id = t->code[i],
                       .at = (uint32_t)i,
                       .advance = (long)scale * T2I_FONT_WIDTH * 64};
}

/* Marks that no font has are left out. */
static void add_built_in(t2i_typeset *t, size_t from, size_t to, size_t scale)
{
    uint8_t rows[T2I_FONT_HEIGHT];
    for (size_t i = from; i < to && t->glyphs < T2I_TYPESET_MAX; i++)
        if (!is_mark(t->code[i]) || t2i_font_rows(t->code[i], rows))
            t->glyph[t->glyphs++] = built_in(t, i, scale);
}

/* What a font turns out to lack, such as a mark. */
static void replace_missing(t2i_typeset *t, size_t first, size_t scale)
{
    size_t kept = first;
    for (size_t i = first; i < t->glyphs; i++) {
        t2i_glyph g = t->glyph[i];
        if (g.id == 0 && is_mark(t->code[g.at])) continue;
        t->glyph[kept++] = g.id == 0 ? built_in(t, g.at, scale) : g;
    }
    t->glyphs = kept;
}

static void add_run(t2i_typeset *t, int face, size_t from, size_t to, size_t scale)
{
    size_t first = t->glyphs;
    if (face == T2I_TYPEFACE_NONE) {
        add_built_in(t, from, to, scale);
        return;
    }
    t->glyphs +=
        t2i_typeface_shape(face, (long)scale * T2I_TYPESET_EM, t->code, t->codes, from, to,
                           t->level[from] & 1, t->glyph + first, T2I_TYPESET_MAX - t->glyphs);
    replace_missing(t, first, scale);
}

/* The font for a character with its marks. A character of no script stays in the font of the text
 * before it. */
static int face_for(const t2i_typeset *t, size_t from, size_t to, int before)
{
    if (t->code[from] == NO_CHARACTER) return T2I_TYPEFACE_NONE;
    int face = t2i_typeface_find(t->code + from, to - from, before);
    return face != T2I_TYPEFACE_NONE || to == from + 1
               ? face
               : t2i_typeface_find(t->code + from, 1, before);
}

void t2i_typeset_text(t2i_typeset *out, const char *utf8, size_t scale)
{
    out->glyphs = out->codes = 0;
    out->cut = 0;
    decode(out, utf8);
    out->leftwards = t2i_bidi_levels(out->code, out->codes, out->level);
    size_t run = 0; /* where the run began that has this font and script */
    int face = T2I_TYPEFACE_NONE;
    hb_script_t script = HB_SCRIPT_COMMON;
    for (size_t i = 0, end; i < out->codes; i = end) {
        for (end = i + 1; end < out->codes && is_mark(out->code[end]);) end++;
        hb_script_t now = script_of(out->code[i], script);
        int same = now == script;
        int other = face_for(out, i, end, same ? face : T2I_TYPEFACE_NONE);
        if (i > run && (other != face || (!same && script != HB_SCRIPT_COMMON) ||
                        out->level[i] != out->level[run])) {
            add_run(out, face, run, i, scale);
            run = i;
        }
        face = other;
        script = now;
    }
    if (out->codes > run) add_run(out, face, run, out->codes, scale);
    if (out->glyphs == T2I_TYPESET_MAX) out->cut = 1;
    for (size_t i = 0; i < out->codes; i++)
        out->may_end[i] = (uint8_t)may_end(out->code, i, out->codes);
}

/* ---- lines ---- */

static long sum(const t2i_typeset *t, size_t from, size_t to)
{
    long width = 0;
    for (size_t i = from; i < to; i++) width += t->glyph[i].advance;
    return width;
}

long t2i_typeset_width(const t2i_typeset *t, size_t from, size_t to)
{
    long width = sum(t, from, to);
    return width <= 0 ? 0 : (width + 63) / 64;
}

/* The glyph after those that show the same characters as glyph i. */
static size_t cluster_end(const t2i_typeset *t, size_t i)
{
    size_t end = i + 1;
    while (end < t->glyphs && t->glyph[end].at == t->glyph[i].at) end++;
    return end;
}

static int blank_at(const t2i_typeset *t, size_t glyph)
{
    return is_blank(t->code[t->glyph[glyph].at]);
}

size_t t2i_typeset_line(const t2i_typeset *t, size_t *from, size_t *to, long width, int hard)
{
    size_t i = *from, best = 0;
    long used = 0;
    while (i < t->glyphs && blank_at(t, i)) i++;
    *from = i;
    while (i < t->glyphs) {
        size_t end = cluster_end(t, i);
        size_t last = end < t->glyphs ? t->glyph[end].at : t->codes; /* and one more */
        used += sum(t, i, end);
        if (used > width * 64 && i > *from && !blank_at(t, i)) break;
        i = end;
        if (t->may_end[last - 1]) best = i;
    }
    if (i < t->glyphs && !hard && best > *from) i = best;
    *to = i;
    while (*to > *from && blank_at(t, *to - 1)) --*to;
    while (i < t->glyphs && blank_at(t, i)) i++;
    return i;
}

void t2i_typeset_order(const t2i_typeset *t, size_t from, size_t to, size_t *order)
{
    uint8_t level[T2I_TYPESET_MAX] = {0};
    for (size_t i = from; i < to; i++) level[i - from] = t->level[t->glyph[i].at];
    t2i_bidi_order(level, to - from, order);
    for (size_t i = 0; i < to - from; i++) order[i] += from;
}
