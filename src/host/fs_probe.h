/* fs_probe.h - the file system of a run folder: its type, free space and speed. */
#ifndef T2I_FS_PROBE_H
#define T2I_FS_PROBE_H

#include "base/error.h"
#include "base/fs.h"

typedef enum {
    T2I_FS_UNKNOWN,
    T2I_FS_LOCAL,  /* on this node only */
    T2I_FS_SHARED, /* NFS, Lustre, ... */
    T2I_FS_MEMORY  /* lost when the node restarts */
} t2i_fs_kind;

typedef struct {
    char path[512]; /* the folder, or its nearest parent that exists */
    int is_there;   /* the folder itself exists */
    t2i_fs_kind kind;
    char type[24];                 /* "ext4", "NFS" */
    double free_bytes, free_files; /* below 0: the file system does not tell */
    t2i_status status;             /* not T2I_OK: it cannot be written to, see problem */
    char problem[256];
    /* set by t2i_fs_probe_try */
    t2i_status save_status; /* not T2I_OK: a file could not be written, see save_problem */
    char save_problem[400];
    double save_seconds; /* elapsed time to write, fsync and rename a file and fsync the folder */
    double bytes;        /* size of that file */
    int lock_error;      /* errno of flock; 0: success */
} t2i_fs_probe;

/* Examines the file system without writing. path NULL: the current folder. */
void t2i_fs_probe_look(t2i_fs_probe *out, const char *path);
/* After t2i_fs_probe_look: writes, locks and removes a file in the folder. */
void t2i_fs_probe_try(t2i_fs_probe *folder);

/* Type of a file system with this magic number (statfs). */
t2i_fs_kind t2i_fs_probe_kind(unsigned long magic, const char **type);

#endif
