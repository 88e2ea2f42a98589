/* torchfile_out.h - writes trees of tensors and plain values in the format of torch.save. */
#ifndef T2I_TORCHFILE_OUT_H
#define T2I_TORCHFILE_OUT_H

#include "base/error.h"
#include "formats/pyvalue.h"

/* Writes root as torch.save does (zip, protocol 2, byteorder little), atomically (fs.h).
 * torch.load(..., weights_only=True) reads the file. The bytes depend on the tree and the file name
 * alone. T2I_CANTCREATE, T2I_IO; T2I_SYSTEM if an allocation in the arena has failed. */
T2I_CHECKED t2i_status t2i_torchfile_out_save(const char *path, const t2i_py_arena *arena,
                                              const t2i_py *root, t2i_error *err);

#endif
