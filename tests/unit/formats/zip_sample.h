/* zip_sample.h - small zip archives for tests, and where their records lie, so that a test can
 * damage one field at a time. */
#ifndef T2I_ZIP_SAMPLE_H
#define T2I_ZIP_SAMPLE_H

#include <stdint.h>
#include <string.h>
#include <zlib.h>

enum { ZIP_PARTS = 8, ZIP_ROOM = 1 << 15 };

/* How an archive is written. PyTorch: STREAMED | END64. */
enum { PLAIN = 0, STREAMED = 1, NO_SIGNATURE = 2, WIDE = 4, END64 = 8, LOCAL_TOO = 16 };

typedef struct {
    const char *name;
    const void *data;
    size_t size;
    const void *local_extra, *central_extra;
    size_t local_extra_size, central_extra_size;
} zip_part;

typedef struct {
    unsigned char bytes[ZIP_ROOM];
    size_t size;
    size_t local[ZIP_PARTS], data[ZIP_PARTS], after[ZIP_PARTS], central[ZIP_PARTS];
    size_t directory, end64, locator, end;
} zip_sample;

static inline void zip_put(zip_sample *z, uint64_t value, size_t width)
{
    for (; width > 0; width--, value >>= 8) z->bytes[z->size++] = (unsigned char)(value & 255);
}

static inline void zip_bytes(zip_sample *z, const void *bytes, size_t size)
{
    if (size > 0) memcpy(z->bytes + z->size, bytes, size);
    z->size += size;
}

/* Changes a field of a built archive. */
static inline void zip_patch(zip_sample *z, size_t at, size_t width, uint64_t value)
{
    for (; width > 0; width--, value >>= 8) z->bytes[at++] = (unsigned char)(value & 255);
}

static inline uint64_t zip_field(const zip_sample *z, size_t at, size_t width)
{
    uint64_t value = 0;
    while (width-- > 0) value = value << 8 | z->bytes[at + width];
    return value;
}

static inline uint32_t zip_crc(const zip_part *part)
{
    return (uint32_t)crc32(crc32(0, NULL, 0), part->data, (uInt)part->size);
}

static inline void zip_local(zip_sample *z, const zip_part *part, size_t i, int style)
{
    int here = !(style & STREAMED) || (style & LOCAL_TOO);
    z->local[i] = z->size;
    zip_put(z, 0x04034b50, 4);
    zip_put(z, 20, 2);
    zip_put(z, style & STREAMED ? 0x808 : 0x800, 2);
    zip_put(z, 0, 6); /* method, time, date */
    zip_put(z, here ? zip_crc(part) : 0, 4);
    zip_put(z, here ? part->size : 0, 4);
    zip_put(z, here ? part->size : 0, 4);
    zip_put(z, strlen(part->name), 2);
    zip_put(z, part->local_extra_size, 2);
    zip_bytes(z, part->name, strlen(part->name));
    zip_bytes(z, part->local_extra, part->local_extra_size);
    z->data[i] = z->size;
    zip_bytes(z, part->data, part->size);
    z->after[i] = z->size;
    if (!(style & STREAMED)) return;
    if (!(style & NO_SIGNATURE)) zip_put(z, 0x08074b50, 4);
    zip_put(z, zip_crc(part), 4);
    zip_put(z, part->size, style & WIDE ? 8 : 4);
    zip_put(z, part->size, style & WIDE ? 8 : 4);
}

static inline void zip_central(zip_sample *z, const zip_part *part, size_t i, int style)
{
    z->central[i] = z->size;
    zip_put(z, 0x02014b50, 4);
    zip_put(z, 20, 2);
    zip_put(z, 20, 2);
    zip_put(z, style & STREAMED ? 0x808 : 0x800, 2);
    zip_put(z, 0, 6);
    zip_put(z, zip_crc(part), 4);
    zip_put(z, part->size, 4);
    zip_put(z, part->size, 4);
    zip_put(z, strlen(part->name), 2);
    zip_put(z, part->central_extra_size, 2);
    zip_put(z, 0, 10); /* comment, disk, attributes */
    zip_put(z, z->local[i], 4);
    zip_bytes(z, part->name, strlen(part->name));
    zip_bytes(z, part->central_extra, part->central_extra_size);
}

static inline void zip_build(zip_sample *z, const zip_part *part, size_t parts, int style)
{
    z->size = 0;
    for (size_t i = 0; i < parts; i++) zip_local(z, &part[i], i, style);
    z->directory = z->size;
    for (size_t i = 0; i < parts; i++) zip_central(z, &part[i], i, style);
    size_t size = z->size - z->directory;
    z->end64 = z->size;
    if (style & END64) {
        zip_put(z, 0x06064b50, 4);
        zip_put(z, 44, 8);
        zip_put(z, 0x2d001e, 4);
        zip_put(z, 0, 8);
        zip_put(z, parts, 8);
        zip_put(z, parts, 8);
        zip_put(z, size, 8);
        zip_put(z, z->directory, 8);
        z->locator = z->size;
        zip_put(z, 0x07064b50, 4);
        zip_put(z, 0, 4);
        zip_put(z, z->end64, 8);
        zip_put(z, 1, 4);
    }
    z->end = z->size;
    zip_put(z, 0x06054b50, 4);
    zip_put(z, 0, 4);
    zip_put(z, parts, 2);
    zip_put(z, parts, 2);
    zip_put(z, size, 4);
    zip_put(z, z->directory, 4);
    zip_put(z, 0, 2);
}

#endif
