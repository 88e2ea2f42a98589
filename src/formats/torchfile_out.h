/* torchfile_out.h - trees of tensors and plain values, written as torch.save writes them. */
#ifndef T2I_TORCHFILE_OUT_H
#define T2I_TORCHFILE_OUT_H

#include "base/error.h"
#include "formats/pyvalue.h"

/* Writes root as torch.save does (zip, protocol 2, byteorder little), whole or not at all (fs.h):
 * torch.load(..., weights_only=True) reads it. The same tree under the same file name gives the
 * same bytes. T2I_CANTCREATE, T2I_IO, T2I_SYSTEM when the arena had failed. */
T2I_CHECKED t2i_status t2i_torchfile_out_save(const char *path, const t2i_py_arena *arena,
                                              const t2i_py *root, t2i_error *err);

#endif
