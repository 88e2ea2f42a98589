/* scratch.h - a folder of a test's own, which goes with everything in it. */
#ifndef T2I_SCRATCH_H
#define T2I_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch[512];

static inline int scratch_begin(const char *name)
{
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%.400s/t2i-%s-XXXXXX", base == NULL ? "/tmp" : base, name);
    return mkdtemp(scratch) == NULL ? -1 : 0;
}

/* "SCRATCH/NAME", good until sixty more were asked for. */
static inline const char *in_scratch(const char *name)
{
    static char path[60][700];
    static unsigned turn;
    char *out = path[turn++ % 60];
    snprintf(out, sizeof path[0], "%s/%s", scratch, name);
    return out;
}

/* Entries of a folder; -1 when it cannot be read. */
static inline int entries(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) return -1;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static inline void scratch_remove(const char *folder)
{
    char path[1024];
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        int size = snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (size < (int)sizeof path && unlink(path) != 0) scratch_remove(path);
    }
    closedir(dir);
    rmdir(folder);
}

static inline void scratch_end(void)
{
    scratch_remove(scratch);
}

#endif
