/* zip.h - a strict reader of zip archives with stored entries.
 *
 * Why: torch.save writes zip archives. A zip archive has its metadata twice, in local headers and
 * in the central directory, and readers that use different copies see different files. Here both
 * must agree, entries must not overlap, and only what torch writes is accepted: one disk, no
 * comment, no compression, no encryption. libzip is not used: it does not compare local headers
 * with the central directory, accepts overlapping entries, and brings decompression, which is
 * refused here.
 *
 * All names are in one folder, which is removed from the names. The data of an entry may be
 * followed by a data descriptor, which must agree with the central directory. Format: PKWARE's
 * APPNOTE 6.3.
 */
#ifndef T2I_ZIP_H
#define T2I_ZIP_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "formats/byte_source.h"

typedef struct {
    char *name;      /* without the root folder */
    uint64_t header; /* offset of its local header */
    uint64_t begin;  /* offset of its data */
    uint64_t size;
    uint32_t crc;
    unsigned flags;
} t2i_zip_entry;

typedef struct t2i_zip t2i_zip;

/* The source is borrowed until close. Checks names and offsets, but not CRCs. T2I_DATA, T2I_IO.
 * *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_zip_open(t2i_zip **out, const t2i_byte_source *source, t2i_error *err);
void t2i_zip_close(t2i_zip *zip); /* NULL is legal */

size_t t2i_zip_entries(const t2i_zip *zip);
const t2i_zip_entry *t2i_zip_at(const t2i_zip *zip, size_t index);       /* in the order of names */
const t2i_zip_entry *t2i_zip_find(const t2i_zip *zip, const char *name); /* or NULL */
const char *t2i_zip_root(const t2i_zip *zip);

/* Reads the whole entry and verifies its CRC-32. T2I_DATA, T2I_IO. */
T2I_CHECKED t2i_status t2i_zip_check(const t2i_zip *zip, const t2i_zip_entry *entry,
                                     t2i_error *err);

#endif
