/* torchfile_tar.h - reads the oldest kind of file of torch.save, a tar archive. */
#ifndef T2I_TORCHFILE_TAR_H
#define T2I_TORCHFILE_TAR_H

#include <stddef.h>
#include "base/error.h"
#include "formats/torchfile_common.h"

/* Do the first bytes of a file (512 or fewer) identify a tar archive? */
int t2i_torchfile_tar_is(const unsigned char *bytes, size_t size);
/* Reads the tables and the tree. T2I_DATA, T2I_IO, T2I_SYSTEM. */
t2i_status t2i_torchfile_tar_read(t2i_torchfile *file, t2i_error *err);

#endif
