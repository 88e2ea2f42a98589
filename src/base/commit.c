#include "base/commit.h"

#include "base/fs.h"
#include "base/writer_lease.h"

t2i_status t2i_commit(t2i_fs_out *out, t2i_error *err)
{
    T2I_TRY(t2i_fs_out_close(out, err));
    t2i_status status = t2i_writer_lease_check(err);
    if (status == T2I_OK) return t2i_fs_out_rename(out, err);
    t2i_fs_out_drop(out);
    return status;
}

t2i_status t2i_commit_file(const char *path, const void *bytes, size_t size, t2i_error *err)
{
    t2i_fs_out out;
    T2I_TRY(t2i_fs_out_open(&out, path, err));
    t2i_status status = t2i_fs_out_write(&out, bytes, size, err);
    if (status == T2I_OK) return t2i_commit(&out, err);
    t2i_fs_out_drop(&out);
    return status;
}
