/* zip.h - a zip archive of stored entries, read strictly.
 *
 * Why: torch.save writes zip archives. A zip says everything twice, in local headers and in the
 * central directory, and readers that believe different copies see different files. Here both must
 * agree, entries may not overlap, and there is nothing but what torch writes: one disk, no comment,
 * no compression, no encryption. libzip does not show local headers or where data lies, so it could
 * not check this.
 *
 * All names lie in one folder; they are given here without it. Data of an entry may be followed by
 * a data descriptor, which must repeat the central directory. Format: PKWARE's APPNOTE 6.3.
 */
#ifndef T2I_ZIP_H
#define T2I_ZIP_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "formats/byte_source.h"

typedef struct {
    char *name;      /* without the root folder */
    uint64_t header; /* where its local header begins */
    uint64_t begin;  /* where its data begins */
    uint64_t size;
    uint32_t crc;
    unsigned flags;
} t2i_zip_entry;

typedef struct t2i_zip t2i_zip;

/* The source is borrowed until close. T2I_DATA, T2I_IO; *out is NULL on failure. Names and places
 * are checked, CRCs are not. */
T2I_CHECKED t2i_status t2i_zip_open(t2i_zip **out, const t2i_byte_source *source, t2i_error *err);
void t2i_zip_close(t2i_zip *zip); /* NULL is legal */

size_t t2i_zip_entries(const t2i_zip *zip);
const t2i_zip_entry *t2i_zip_at(const t2i_zip *zip, size_t index);       /* in order of names */
const t2i_zip_entry *t2i_zip_find(const t2i_zip *zip, const char *name); /* or NULL */
const char *t2i_zip_root(const t2i_zip *zip);

/* Reads the whole entry and compares its CRC-32. T2I_DATA, T2I_IO. */
T2I_CHECKED t2i_status t2i_zip_check(const t2i_zip *zip, const t2i_zip_entry *entry,
                                     t2i_error *err);

#endif
