#include "formats/byte_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

static t2i_status open_file(t2i_byte_source *source, t2i_error *err)
{
    struct stat info;
    source->fd =
        open(source->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO must not block */
    if (source->fd < 0)
        return t2i_fail(err, T2I_NOINPUT, "cannot open %s: %s", source->name, strerror(errno));
    if (fstat(source->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return t2i_fail(err, T2I_NOINPUT, "%s is not a regular file", source->name);
    source->size = (uint64_t)info.st_size;
    return T2I_OK;
}

t2i_status t2i_byte_source_open(t2i_byte_source *out, const char *path, t2i_error *err)
{
    *out = (t2i_byte_source){.name = t2i_fs_copy_path(path, err), .fd = -1};
    if (out->name == NULL) return T2I_SYSTEM;
    t2i_status status = open_file(out, err);
    if (status != T2I_OK) t2i_byte_source_close(out);
    return status;
}

t2i_status t2i_byte_source_memory(t2i_byte_source *out, const void *bytes, size_t size,
                                  const char *name, t2i_error *err)
{
    *out = (t2i_byte_source){
        .name = t2i_fs_copy_path(name, err), .bytes = bytes, .fd = -1, .size = size};
    return out->name != NULL ? T2I_OK : T2I_SYSTEM;
}

void t2i_byte_source_close(t2i_byte_source *source)
{
    if (source->name == NULL) return; /* empty: fd may be 0 in a zeroed struct */
    if (source->fd >= 0) close(source->fd);
    t2i_free(source->name);
    *source = (t2i_byte_source){.fd = -1};
}

static t2i_status read_file(const t2i_byte_source *source, uint64_t offset, void *out, size_t size,
                            t2i_error *err)
{
    ssize_t got = t2i_fs_read_at(source->fd, out, size, offset);
    if (got < 0) return t2i_fail(err, T2I_IO, "cannot read %s: %s", source->name, strerror(errno));
    if ((size_t)got < size)
        return t2i_fail(err, T2I_DATA, "%s became shorter while it was read", source->name);
    return T2I_OK;
}

t2i_status t2i_byte_source_read(const t2i_byte_source *source, uint64_t offset, void *out,
                                size_t size, t2i_error *err)
{
    if (offset > source->size || size > source->size - offset)
        return t2i_fail(err, T2I_DATA, "%s is cut off: it ends at byte %llu, and more was expected",
                        source->name, (unsigned long long)source->size);
    if (size == 0) return T2I_OK;
    if (source->bytes == NULL) return read_file(source, offset, out, size, err);
    memcpy(out, source->bytes + offset, size);
    return T2I_OK;
}
