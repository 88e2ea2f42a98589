#include "host/fs_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/mem.h"

t2i_fs_kind t2i_fs_probe_kind(unsigned long magic, const char **type)
{
    static const struct {
        unsigned long magic;
        t2i_fs_kind kind;
        const char *type;
    } known[] = {
        {0x6969, T2I_FS_SHARED, "NFS"},          {0x0BD00BD0, T2I_FS_SHARED, "Lustre"},
        {0x47504653, T2I_FS_SHARED, "GPFS"},     {0x19830326, T2I_FS_SHARED, "BeeGFS"},
        {0x00C36400, T2I_FS_SHARED, "Ceph"},     {0x20030528, T2I_FS_SHARED, "OrangeFS"},
        {0xAAD7AAEA, T2I_FS_SHARED, "PanFS"},    {0xFF534D42, T2I_FS_SHARED, "CIFS"},
        {0xFE534D42, T2I_FS_SHARED, "SMB"},      {0x01021997, T2I_FS_SHARED, "9p"},
        {0x01021994, T2I_FS_MEMORY, "tmpfs"},    {0x858458F6, T2I_FS_MEMORY, "ramfs"},
        {0xEF53, T2I_FS_LOCAL, "ext4"},          {0x58465342, T2I_FS_LOCAL, "XFS"},
        {0x9123683E, T2I_FS_LOCAL, "btrfs"},     {0x2FC12FC1, T2I_FS_LOCAL, "ZFS"},
        {0x794C7630, T2I_FS_LOCAL, "overlayfs"}, {0x65735546, T2I_FS_UNKNOWN, "FUSE"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].magic == magic) {
            *type = known[i].type;
            return known[i].kind;
        }
    *type = "unknown";
    return T2I_FS_UNKNOWN;
}

/* Replaces a path by its parent; "." is the last parent of a relative path. */
static void go_up(char *path)
{
    char *slash = strrchr(path, '/');
    while (slash != NULL && slash > path && slash[1] == '\0') {
        *slash = '\0';
        slash = strrchr(path, '/');
    }
    if (slash == NULL)
        strcpy(path, ".");
    else
        slash[slash == path] = '\0';
}

void t2i_fs_probe_look(t2i_fs_probe *f, const char *path)
{
    struct statfs fs;
    struct statvfs room;
    const char *type;
    *f = (t2i_fs_probe){.free_bytes = -1, .free_files = -1};
    snprintf(f->path, sizeof f->path, "%s", path == NULL ? "." : path);
    f->is_there = t2i_fs_is_folder(f->path);
    while (!t2i_fs_exists(f->path) && strcmp(f->path, ".") != 0 && strcmp(f->path, "/") != 0)
        go_up(f->path);
    if (statfs(f->path, &fs) != 0 || statvfs(f->path, &room) != 0) {
        f->status = T2I_CANTCREATE;
        snprintf(f->problem, sizeof f->problem, "%s", strerror(errno));
        return;
    }
    f->kind = t2i_fs_probe_kind((unsigned long)(unsigned)fs.f_type, &type);
    snprintf(f->type, sizeof f->type, "%s", type);
    /* some network file systems report no size at all */
    if (room.f_blocks > 0) f->free_bytes = (double)room.f_bavail * (double)room.f_frsize;
    if (room.f_files > 0) f->free_files = (double)room.f_favail;
    int is_folder = t2i_fs_is_folder(f->path);
    if (is_folder && (room.f_flag & ST_RDONLY) == 0 && access(f->path, W_OK | X_OK) == 0) return;
    f->status = T2I_CANTCREATE;
    snprintf(f->problem, sizeof f->problem, "%s",
             !is_folder                       ? "it is not a folder"
             : (room.f_flag & ST_RDONLY) != 0 ? "it is mounted read-only"
                                              : strerror(errno));
}

/* Writes a file in the same way as a checkpoint. */
static t2i_status write_file(const char *name, const char *bytes, size_t size, t2i_error *err)
{
    t2i_fs_out out;
    T2I_TRY(t2i_fs_out_open(&out, name, err));
    t2i_status status = t2i_fs_out_write(&out, bytes, size, err);
    if (status == T2I_OK) status = t2i_commit(&out, err);
    t2i_fs_out_drop(&out);
    return status;
}

void t2i_fs_probe_try(t2i_fs_probe *f)
{
    enum { BYTES = 4 << 20 };
    char name[sizeof f->path + 64];
    t2i_error err = {0};
    if (f->status != T2I_OK) return;
    char *bytes = t2i_alloc(BYTES, 1);
    if (bytes == NULL) return;
    snprintf(name, sizeof name, "%s/.t2i-doctor.%ld", f->path, (long)getpid());
    double began = t2i_cpu_seconds();
    f->save_status = write_file(name, bytes, BYTES, &err);
    f->save_seconds = t2i_cpu_seconds() - began;
    f->bytes = BYTES;
    t2i_free(bytes);
    if (f->save_status != T2I_OK) {
        snprintf(f->save_problem, sizeof f->save_problem, "%.*s", (int)sizeof f->save_problem - 1,
                 err.text);
        return;
    }
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) f->lock_error = errno;
    if (fd >= 0) close(fd);
    unlink(name);
}
