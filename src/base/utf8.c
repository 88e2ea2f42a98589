#include "base/utf8.h"

#include <string.h>

size_t t2i_utf8_decode(const char *bytes, size_t size, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (size == 0) return 0;
    unsigned char first = (unsigned char)bytes[0];
    size_t length = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;
    if (length == 0 || length > size) return 0;
    uint32_t value = length == 1 ? first : first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)bytes[i] & 0xc0u) != 0x80u) return 0;
        value = value << 6 | ((unsigned char)bytes[i] & 0x3fu);
    }
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
    *code = value;
    return length;
}

size_t t2i_utf8_encode(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; code >>= 6) out[i] = (char)(0x80u | (code & 0x3fu));
    out[0] = (char)(code | (0xf00u >> length & 0xffu));
    return length;
}

size_t t2i_utf8_valid(const char *bytes, size_t size)
{
    uint32_t code;
    for (size_t at = 0; at < size;) {
        size_t length = t2i_utf8_decode(bytes + at, size - at, &code);
        if (length == 0) return at;
        at += length;
    }
    return size;
}

static int is_blank(uint32_t code)
{
    return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
           code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

t2i_span t2i_utf8_without_mark(t2i_span text)
{
    int mark = text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0;
    return mark ? (t2i_span){text.data + 3, text.size - 3} : text;
}

t2i_span t2i_utf8_trim(t2i_span text)
{
    uint32_t code;
    size_t length;
    while ((length = t2i_utf8_decode(text.data, text.size, &code)) > 0 && is_blank(code)) {
        text.data += length;
        text.size -= length;
    }
    while (text.size > 0) {
        size_t last = text.size - 1; /* where the last character begins */
        while (last > 0 && text.size - last < 4 && ((unsigned char)text.data[last] & 0xc0) == 0x80)
            last--;
        length = t2i_utf8_decode(text.data + last, text.size - last, &code);
        if (length != text.size - last || !is_blank(code)) break;
        text.size = last;
    }
    return text;
}

int t2i_utf8_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || t2i_utf8_is_direction_mark(code) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

int t2i_utf8_is_direction_mark(uint32_t code)
{
    return code == 0x61c || code == 0x200e || code == 0x200f;
}

int t2i_utf8_is_visible(uint32_t code)
{
    static const uint32_t hidden[][2] = {
        {0x0000, 0x001f}, {0x007f, 0x00a0},   {0x00ad, 0x00ad}, {0x0300, 0x036f}, {0x061c, 0x061c},
        {0x1680, 0x1680}, {0x180e, 0x180e},   {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f},
        {0x3000, 0x3000}, {0xe000, 0xf8ff},   {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
        {0xfffe, 0xffff}, {0xe0000, 0x10ffff}};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (code >= hidden[i][0] && code <= hidden[i][1]) return 0;
    return 1;
}

size_t t2i_utf8_clean(char *text, size_t size, const char *keep)
{
    size_t out = 0;
    uint32_t code = 0;
    for (size_t at = 0, length; at < size; at += length) {
        length = t2i_utf8_decode(text + at, size - at, &code);
        int bad = length == 0 || t2i_utf8_is_control(code);
        if (bad && length == 1 && code != 0) bad = strchr(keep, (int)code) == NULL;
        if (length == 0) length = 1;
        if (bad)
            text[out++] = '?';
        else
            for (size_t i = 0; i < length; i++) text[out++] = text[at + i];
    }
    return out;
}
