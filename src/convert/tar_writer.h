/* tar_writer.h - writes members of a tar archive (ustar) without owners and times.
 *
 * Equal members give equal archives.
 */
#ifndef T2I_TAR_WRITER_H
#define T2I_TAR_WRITER_H

#include <stddef.h>
#include "base/error.h"
#include "base/fs.h"

/* Appends a file. name: shorter than 100 bytes; size: below 8 GiB. T2I_IO. */
T2I_CHECKED t2i_status t2i_tar_writer_add(t2i_fs_out *out, const char *name, const void *bytes,
                                          size_t size, t2i_error *err);
/* Appends the mark of the end; the caller commits the file. T2I_IO. */
T2I_CHECKED t2i_status t2i_tar_writer_end(t2i_fs_out *out, t2i_error *err);

#endif
