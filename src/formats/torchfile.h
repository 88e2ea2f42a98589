/* torchfile.h - files of torch.save (.pt, .pth), read without running anything (torchfile_out.h
 * writes them).
 *
 * Three kinds: the zip archive (PyTorch 1.6 and later: stored entries, data.pkl in pickle protocol
 * 2, a storage an entry), the legacy stream (five pickles, then the storages) and the tar archive
 * of PyTorch up to 0.1.9 (tables of storages and tensors, and a pickle; torchvision's oldest
 * files). The pickle is interpreted, never executed: opcodes and globals outside the allow-list are
 * refused by name. Allowed are what weights need: OrderedDict (BUILD for its _metadata),
 * torch._utils' _rebuild_tensor_v2 and _rebuild_parameter and what they were before 2018
 * (_rebuild_tensor, Parameter), the storage types.
 *
 * Refused as well (T2I_DATA, one line that names file and what is wrong): compressed or encrypted
 * entries, names that occur twice or leave the root folder, local headers that contradict the
 * central ones, CRCs that do not match, entries that overlap, storages whose bytes are not those
 * that the pickle says, views beyond their storage, a tree that contains itself, is deeper than 64
 * or has more than a million values, and more than bounded stack, memo and text.
 */
#ifndef T2I_TORCHFILE_H
#define T2I_TORCHFILE_H

#include <stddef.h>
#include "base/error.h"
#include "formats/pyvalue.h"

typedef struct t2i_torchfile t2i_torchfile;

/* Does a file begin like one of the kinds? bytes: its first 16 or fewer. */
int t2i_torchfile_is(const void *bytes, size_t size);

/* Reads the tree; storages stay in the file until asked for (their CRCs are checked then).
 * T2I_NOINPUT, T2I_DATA, T2I_IO. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_torchfile_open(t2i_torchfile **out, const char *path, t2i_error *err);
/* The same from memory, which is borrowed until close; name stands in messages. */
T2I_CHECKED t2i_status t2i_torchfile_parse(t2i_torchfile **out, const void *bytes, size_t size,
                                           const char *name, t2i_error *err);
void t2i_torchfile_close(t2i_torchfile *file); /* NULL is legal */

/* Borrowed from the file. Everything in it was checked: no cycles, views within their storages. */
const t2i_py *t2i_torchfile_root(const t2i_torchfile *file);

/* A tensor's numbers as floats, row by row: F32, F64, F16, BF16; another dtype is T2I_DATA. out has
 * tensor->count floats. name stands in messages. */
T2I_CHECKED t2i_status t2i_torchfile_floats(t2i_torchfile *file, const t2i_py_tensor *tensor,
                                            const char *name, float *out, t2i_error *err);

#endif
