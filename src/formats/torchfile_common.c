#include "formats/torchfile_common.h"

t2i_status t2i_torchfile_common_bad(const t2i_torchfile *file, const char *what, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a valid file of torch.save: %s", file->source.name,
                    what);
}

t2i_status t2i_torchfile_common_little(const t2i_torchfile *file, const t2i_py *sys_info,
                                       t2i_error *err)
{
    const t2i_py *little = t2i_py_get(sys_info, "little_endian");
    if (little != NULL && little->kind == T2I_PY_BOOL && little->integer) return T2I_OK;
    return t2i_torchfile_common_bad(file, "its byte order is not little-endian", err);
}
