#include "image/exif.h"

#include <string.h>

enum { SHORT = 3, LONG = 4, ENTRY = 12, HEAD = 8 }; /* types; bytes of an entry and of the head */

typedef struct {
    const uint8_t *bytes;
    size_t size;
    int big; /* big-endian */
} data;

/* The number of `bytes` bytes at `at`, which are inside. */
static uint32_t number(const data *d, size_t at, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | d->bytes[at + (size_t)(d->big ? i : bytes - 1 - i)];
    return value;
}

/* The entries of the first directory that are within the data; *at: where they begin. */
static size_t find_entries(data *d, size_t *at)
{
    if (d->size < HEAD) return 0;
    d->big = d->bytes[0] == 'M';
    if ((memcmp(d->bytes, "II", 2) != 0 && memcmp(d->bytes, "MM", 2) != 0) || number(d, 2, 2) != 42)
        return 0;
    *at = number(d, 4, 4);
    if (*at > d->size - 2) return 0;
    size_t entries = number(d, *at, 2);
    *at += 2;
    return entries < (d->size - *at) / ENTRY ? entries : (d->size - *at) / ENTRY;
}

size_t t2i_exif_tags(const void *tiff, size_t size, uint64_t *bytes)
{
    static const unsigned size_of[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4}; /* of types */
    data d = {tiff, size, 0};
    size_t at = 0, entries = find_entries(&d, &at);
    *bytes = 0;
    for (size_t i = 0; i < entries; i++, at += ENTRY) {
        uint32_t type = number(&d, at + 2, 2);
        uint64_t values = number(&d, at + 4, 4);
        values *= type < sizeof size_of / sizeof *size_of ? size_of[type] : 8;
        if (values <= size) *bytes += values;
    }
    return entries;
}

uint32_t t2i_exif_value(const void *tiff, size_t size, unsigned tag, uint32_t missing)
{
    data d = {tiff, size, 0};
    size_t at = 0, entries = find_entries(&d, &at);
    for (size_t i = 0; i < entries; i++, at += ENTRY) {
        if (number(&d, at, 2) != tag) continue;
        uint32_t type = number(&d, at + 2, 2), count = number(&d, at + 4, 4);
        if (type == LONG && count == 1) return number(&d, at + 8, 4);
        if (type == SHORT && (count == 1 || count == 2)) return number(&d, at + 8, 2);
        return missing;
    }
    return missing;
}

unsigned t2i_exif_orientation(const void *exif, size_t size)
{
    static const char mark[6] = "Exif\0";
    const uint8_t *bytes = exif;
    size_t skip = size >= sizeof mark && memcmp(bytes, mark, sizeof mark) == 0 ? sizeof mark : 0;
    uint32_t value = t2i_exif_value(bytes + skip, size - skip, T2I_EXIF_ORIENTATION, 1);
    return value >= 1 && value <= 8 ? value : 1;
}
