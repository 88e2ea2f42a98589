/* fs_probe.h - the file system that a run folder lies on: what kind, how much room, how fast. */
#ifndef T2I_FS_PROBE_H
#define T2I_FS_PROBE_H

#include "base/error.h"
#include "base/fs.h"

typedef enum {
    T2I_FS_UNKNOWN,
    T2I_FS_LOCAL,  /* of this node alone */
    T2I_FS_SHARED, /* NFS, Lustre, ... */
    T2I_FS_MEMORY  /* gone with the node's next start */
} t2i_fs_kind;

typedef struct {
    char path[512]; /* the folder, or the nearest one above it that is there */
    int is_there;   /* the folder itself is */
    t2i_fs_kind kind;
    char type[24];                 /* "ext4", "NFS" */
    double free_bytes, free_files; /* files: below 0 where there is no limit */
    t2i_status status;             /* not T2I_OK: it is not to be written to, for this reason */
    char problem[256];
    /* by t2i_fs_probe_try */
    t2i_status save_status; /* not T2I_OK: why a file could not be written */
    char save_problem[400];
    double
        save_seconds; /* one file of `bytes`: written, fsynced, renamed, and the folder fsynced */
    double bytes;
    int lock_error; /* errno of flock; 0: it locks */
} t2i_fs_probe;

/* Looks, without writing. path NULL: the current folder. */
void t2i_fs_probe_look(t2i_fs_probe *out, const char *path);
/* After that: writes, locks and removes a file in it. */
void t2i_fs_probe_try(t2i_fs_probe *folder);

/* What a file system of this magic number (statfs) is. */
t2i_fs_kind t2i_fs_probe_kind(unsigned long magic, const char **type);

#endif
