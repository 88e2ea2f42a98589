/* torchfile_tar.h - the oldest kind of file of torch.save: a tar archive. */
#ifndef T2I_TORCHFILE_TAR_H
#define T2I_TORCHFILE_TAR_H

#include <stddef.h>
#include "base/error.h"
#include "formats/torchfile_common.h"

/* Does a file of `size` bytes that begin so (512 or fewer) look like a tar archive? */
int t2i_torchfile_tar_is(const unsigned char *bytes, size_t size);
/* Reads the tables and the tree of the oldest kind. */
t2i_status t2i_torchfile_tar_read(t2i_torchfile *file, t2i_error *err);

#endif
