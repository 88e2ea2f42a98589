/* tar.h - reads the members of a tar archive in order, plain or compressed by gzip.
 *
 * libarchive reads the tar format (ustar, GNU, pax); none of its other formats and filters is
 * enabled. zlib decompresses, because it compares the checksum of gzip, which libarchive ignores.
 * Nothing is extracted: names, links and devices in the archive are never resolved on this machine.
 * The headers of a member (its long name, attributes, access rights) have at most 64 KB.
 */
#ifndef T2I_TAR_H
#define T2I_TAR_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

typedef struct t2i_tar t2i_tar;

typedef enum { T2I_TAR_END, T2I_TAR_FILE, T2I_TAR_LINK, T2I_TAR_OTHER } t2i_tar_kind;
typedef struct {
    t2i_tar_kind kind; /* link: symbolic or hard, without content; other: folder, device, ... */
    const char *name;  /* as stored, any bytes but NUL; borrowed until the next call of next */
    uint64_t bytes;
} t2i_tar_member;

/* T2I_DATA when the file does not begin as a tar archive; T2I_NOINPUT, T2I_SYSTEM. *out is NULL on
 * failure. */
T2I_CHECKED t2i_status t2i_tar_open(t2i_tar **out, const char *path, t2i_error *err);
void t2i_tar_close(t2i_tar *tar); /* NULL is legal */

/* Moves to the next member. T2I_DATA when the archive is damaged, truncated (also between two
 * members, where the mark of its end is missing), or followed by other data, or the headers of the
 * member are too long; then only close is legal. T2I_IO, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_tar_next(t2i_tar *tar, t2i_tar_member *out, t2i_error *err);
/* Appends the content of the present member, a file, to *text. T2I_DATA when it is longer than
 * limit or sparse, and as t2i_tar_next. Memory: twice the bytes of the member, which are in the
 * file; a .tar.gz expands by at most 1,032. */
T2I_CHECKED t2i_status t2i_tar_read(t2i_tar *tar, size_t limit, t2i_text *text, t2i_error *err);

/* Fraction of the file that is read, 0..1. */
double t2i_tar_position(const t2i_tar *tar);

#endif
