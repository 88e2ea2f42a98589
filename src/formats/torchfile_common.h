/* torchfile_common.h - shared by torchfile.c (zip, stream, elements) and torchfile_tar.c. */
#ifndef T2I_TORCHFILE_COMMON_H
#define T2I_TORCHFILE_COMMON_H

#include "formats/pickle.h"
#include "formats/byte_source.h"
#include "formats/torchfile.h"
#include "formats/zip.h"

struct t2i_torchfile {
    t2i_byte_source source;
    t2i_zip *zip; /* NULL for the stream and the tar archive */
    t2i_pickle pickle;
    t2i_py *root;
};

/* Returns T2I_DATA: "FILE is not a valid file of torch.save: ...". */
static inline t2i_status t2i_torchfile_common_bad(const t2i_torchfile *file, const char *what,
                                                  t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a valid file of torch.save: %s", file->source.name,
                    what);
}

/* T2I_DATA unless sys_info says that numbers are little-endian. */
static inline t2i_status t2i_torchfile_common_little(const t2i_torchfile *file,
                                                     const t2i_py *sys_info, t2i_error *err)
{
    const t2i_py *little = t2i_py_get(sys_info, "little_endian");
    if (little != NULL && little->kind == T2I_PY_BOOL && little->integer) return T2I_OK;
    return t2i_torchfile_common_bad(file, "its byte order is not little-endian", err);
}

#endif
