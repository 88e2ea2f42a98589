#include "draw/bidi.h"

#include <hb.h>
#include <string.h>

/* What a character is before and after the weak rules. MARK takes the kind of what it stands on. */
typedef enum { LEFT, RIGHT, NUMBER, ARABIC_NUMBER, SEPARATOR, TERMINATOR, MARK, NEUTRAL } kind;

static kind kind_of(uint32_t code)
{
    hb_unicode_funcs_t *unicode = hb_unicode_funcs_get_default();
    switch (hb_unicode_general_category(unicode, code)) {
    case HB_UNICODE_GENERAL_CATEGORY_DECIMAL_NUMBER:
        if (code >= 0x660 && code <= 0x669) return ARABIC_NUMBER;
        /* other digits are letters of their script */
        if (code < 0x80 || (code >= 0x6f0 && code <= 0x6f9)) return NUMBER;
        break;
    case HB_UNICODE_GENERAL_CATEGORY_NON_SPACING_MARK:
    case HB_UNICODE_GENERAL_CATEGORY_ENCLOSING_MARK:
    case HB_UNICODE_GENERAL_CATEGORY_FORMAT:
        return MARK;
    case HB_UNICODE_GENERAL_CATEGORY_SPACING_MARK:
    case HB_UNICODE_GENERAL_CATEGORY_UPPERCASE_LETTER:
    case HB_UNICODE_GENERAL_CATEGORY_LOWERCASE_LETTER:
    case HB_UNICODE_GENERAL_CATEGORY_TITLECASE_LETTER:
    case HB_UNICODE_GENERAL_CATEGORY_MODIFIER_LETTER:
    case HB_UNICODE_GENERAL_CATEGORY_OTHER_LETTER:
    case HB_UNICODE_GENERAL_CATEGORY_LETTER_NUMBER:
        break;
    default:
        if (code < 0x80 && code != 0 && strchr("+-,./:", (int)code) != NULL) return SEPARATOR;
        if (code < 0x80 && code != 0 && strchr("#$%", (int)code) != NULL) return TERMINATOR;
        return code >= 0x20a0 && code <= 0x20cf ? TERMINATOR : NEUTRAL; /* currencies */
    }
    hb_script_t script = hb_unicode_script(unicode, code);
    return hb_script_get_horizontal_direction(script) == HB_DIRECTION_RTL ? RIGHT : LEFT;
}

static int is_number(kind k)
{
    return k == NUMBER || k == ARABIC_NUMBER;
}

/* Rules W1 to W7. Kinds are kept in `level`. */
static void resolve_weak(uint8_t *level, size_t count, kind base)
{
    kind strong = base;
    for (size_t i = 0; i < count; i++) {
        kind k = (kind)level[i];
        if (k == MARK) k = i > 0 ? (kind)level[i - 1] : NEUTRAL;
        if (k == SEPARATOR && i > 0 && i + 1 < count && is_number((kind)level[i - 1]) &&
            level[i + 1] == level[i - 1])
            k = (kind)level[i - 1];
        level[i] = (uint8_t)k;
    }
    for (size_t i = 0; i < count; i++) /* after a number, then before one */
        if (level[i] == TERMINATOR && i > 0 && level[i - 1] == NUMBER) level[i] = NUMBER;
    for (size_t i = count; i-- > 0;)
        if (level[i] == TERMINATOR && i + 1 < count && level[i + 1] == NUMBER) level[i] = NUMBER;
    for (size_t i = 0; i < count; i++) {
        kind k = (kind)level[i];
        if (k == LEFT || k == RIGHT) strong = k;
        if (k == NUMBER && strong == LEFT) level[i] = LEFT;
        if (k == SEPARATOR || k == TERMINATOR || k == MARK) level[i] = NEUTRAL;
    }
}

int t2i_bidi_levels(const uint32_t *code, size_t count, uint8_t *level)
{
    kind base = LEFT;
    for (size_t i = count; i-- > 0;) {
        level[i] = (uint8_t)kind_of(code[i]);
        if (level[i] == LEFT || level[i] == RIGHT) base = (kind)level[i];
    }
    resolve_weak(level, count, base);
    /* Rules N1 and N2: what is between two of one direction has it, too. Numbers count as RIGHT. */
    kind before = base;
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && level[end] == NEUTRAL) end++;
        kind after = end == count ? base : level[end] == LEFT ? LEFT : RIGHT;
        for (; i < end; i++) level[i] = (uint8_t)(before == after ? before : base);
        before = after;
        if (end < count) i = end + 1;
    }
    for (size_t i = 0; i < count; i++)
        level[i] = is_number((kind)level[i]) ? 2 : level[i] == RIGHT ? 1 : (base == RIGHT ? 2 : 0);
    return base == RIGHT;
}

void t2i_bidi_order(const uint8_t *level, size_t count, size_t *order)
{
    for (size_t i = 0; i < count; i++) order[i] = i;
    for (unsigned least = 2; least > 0; least--)
        for (size_t i = 0; i < count;) {
            size_t end = i;
            while (end < count && level[order[end]] >= least) end++;
            for (size_t a = i, b = end; a + 1 < b; a++) {
                size_t other = order[--b];
                order[b] = order[a];
                order[a] = other;
            }
            i = end + 1;
        }
}
