/* torchfile.h - reads files of torch.save (.pt, .pth) without executing them (torchfile_out.h
 * writes them).
 *
 * Three kinds: the zip archive (PyTorch 1.6 and later: stored entries, data.pkl in pickle protocol
 * 2, one entry per storage), the legacy stream (five pickles, then the storages) and the tar
 * archive of PyTorch up to 0.1.9 (tables of storages and tensors, and a pickle; torchvision's
 * oldest files). The pickle is interpreted, never executed: opcodes and globals outside the
 * allow-list are refused, and the message names them. Allowed is what weights need: OrderedDict
 * (BUILD for its _metadata), torch._utils' _rebuild_tensor_v2 and _rebuild_parameter, their
 * predecessors before 2018 (_rebuild_tensor, Parameter), and the storage types.
 *
 * Also refused, with T2I_DATA and a message that names the file and the reason: compressed or
 * encrypted entries, names that occur twice or point outside the root folder, local headers that
 * contradict the central directory, CRCs that do not match, entries that overlap, storages whose
 * size is not that in the pickle, views beyond their storage, a tree that contains itself, is
 * deeper than 64 or has more than a million values, and a stack, memo or string beyond its limit.
 */
#ifndef T2I_TORCHFILE_H
#define T2I_TORCHFILE_H

#include <stddef.h>
#include "base/error.h"
#include "formats/pyvalue.h"

typedef struct t2i_torchfile t2i_torchfile;

/* Do the first bytes of a file (16 or fewer) identify one of the kinds? */
int t2i_torchfile_is(const void *bytes, size_t size);

/* Reads the tree. The data of a storage is read, and its CRC verified, when a tensor is read.
 * T2I_NOINPUT, T2I_DATA, T2I_IO. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_torchfile_open(t2i_torchfile **out, const char *path, t2i_error *err);
/* The same from memory, which is borrowed until close; name is used in messages. */
T2I_CHECKED t2i_status t2i_torchfile_parse(t2i_torchfile **out, const void *bytes, size_t size,
                                           const char *name, t2i_error *err);
void t2i_torchfile_close(t2i_torchfile *file); /* NULL is legal */

/* The tree, borrowed from the file. It was validated: no cycles, all views within their storages.
 */
const t2i_py *t2i_torchfile_root(const t2i_torchfile *file);

/* out (tensor->count): the elements of a tensor in row-major order, from F32, F64, F16 or BF16;
 * another dtype is T2I_DATA. name is used in messages. */
T2I_CHECKED t2i_status t2i_torchfile_floats(t2i_torchfile *file, const t2i_py_tensor *tensor,
                                            const char *name, float *out, t2i_error *err);

#endif
