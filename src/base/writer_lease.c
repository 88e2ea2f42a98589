#include "base/writer_lease.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

enum {
    PATIENCE = 15,
    MOST = 512
}; /* PATIENCE: seconds to wait for the end of the holder; MOST: bytes of .writer */

/* A process: its host, its pid, and its start time in clock ticks, because pids are reused. */
typedef struct {
    char host[256];
    long pid;
    unsigned long long began;
} writer;

static struct {
    char *folder, *path; /* owned; NULL: no lease */
    writer me;
} claim;

/* Start time of a process; 0 if it does not exist or the time is unknown. */
static unsigned long long began(long pid)
{
    char path[64], line[1024] = "";
    unsigned long long when = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    size_t size = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[size] = '\0';
    const char *at = strrchr(line, ')'); /* the name before it may contain any character */
    if (at == NULL || at[1] == '\0' || at[2] == 'Z') return 0; /* a zombie does not write */
    /* counted from the state, the start time is field 20 (proc(5)) */
    for (int field = 0; at != NULL && field < 20; field++) at = strchr(at + 1, ' ');
    if (at != NULL) when = strtoull(at, NULL, 10);
    return when;
}

static writer myself(void)
{
    writer me = {.pid = (long)getpid(), .began = began((long)getpid())};
    if (gethostname(me.host, sizeof me.host - 1) != 0) strcpy(me.host, "unknown");
    return me;
}

static int same(const writer *a, const writer *b)
{
    return a->pid == b->pid && a->began == b->began && strcmp(a->host, b->host) == 0;
}

/* Reads the process that the file names; *named: 0 if it names none. T2I_IO, T2I_SYSTEM. */
static t2i_status read_writer(const char *path, writer *out, int *named, t2i_error *err)
{
    t2i_text text = {0};
    t2i_status status = t2i_fs_read(path, MOST, &text, err);
    *named = status == T2I_OK && text.size > 0 &&
             sscanf(text.data, "%255s %ld %llu", out->host, &out->pid, &out->began) == 3;
    t2i_text_free(&text);
    if (status == T2I_NOINPUT && t2i_fs_exists(path)) /* it exists but cannot be opened */
        return t2i_fail(err, T2I_IO,
                        "cannot read %s, which names the process that writes to its folder", path);
    return status == T2I_NOINPUT || status == T2I_DATA ? T2I_OK : status;
}

/* Is it another process of this host that still exists? */
static int lives(const writer *w)
{
    writer me = myself();
    return strcmp(w->host, me.host) == 0 && !same(w, &me) && w->began != 0 &&
           began(w->pid) == w->began;
}

static t2i_status wait_for_end(const char *folder, const char *path, t2i_error *err)
{
    writer other;
    double since = t2i_cpu_seconds();
    int told = 0, named;
    for (;;) {
        T2I_TRY(read_writer(path, &other, &named, err));
        if (!named || !lives(&other)) return T2I_OK;
        if (t2i_cpu_seconds() - since > PATIENCE)
            return t2i_fail(err, T2I_CANTCREATE,
                            "%s is being written by process %ld of this host; wait for its end, or "
                            "stop it",
                            folder, other.pid);
        if (!told)
            t2i_log_note("%s is being written by process %ld; waiting for its end", folder,
                         other.pid);
        told = 1;
        t2i_cpu_sleep(0.1);
    }
}

static t2i_status write_note(const char *path, const writer *w, t2i_error *err)
{
    char note[MOST];
    t2i_fs_out out;
    int size = snprintf(note, sizeof note, "%s %ld %llu\n", w->host, w->pid, w->began);
    T2I_TRY(t2i_fs_out_open(&out, path, err));
    t2i_status status = t2i_fs_out_write(&out, note, (size_t)size, err);
    if (status == T2I_OK) status = t2i_fs_out_close(&out, err);
    if (status == T2I_OK) return t2i_fs_out_rename(&out, err);
    t2i_fs_out_drop(&out);
    return status;
}

t2i_status t2i_writer_lease_take(const char *folder, t2i_error *err)
{
    T2I_ASSERT(claim.path == NULL);
    char *path = t2i_fs_join(folder, ".writer", err), *copy = t2i_fs_copy_path(folder, err);
    writer me = myself();
    t2i_status status = path == NULL || copy == NULL ? T2I_SYSTEM : wait_for_end(folder, path, err);
    if (status == T2I_OK) status = write_note(path, &me, err);
    if (status == T2I_OK) {
        claim.folder = copy;
        claim.path = path;
        claim.me = me;
    } else {
        t2i_free(path);
        t2i_free(copy);
    }
    return status;
}

t2i_status t2i_writer_lease_check(t2i_error *err)
{
    writer now;
    int named;
    if (claim.path == NULL) return T2I_OK;
    T2I_TRY(read_writer(claim.path, &now, &named, err));
    if (named && same(&now, &claim.me)) return T2I_OK;
    if (!named)
        return t2i_fail(
            err, T2I_CANTCREATE,
            "%s no longer names this process as writer of %s: this process writes nothing more",
            claim.path, claim.folder);
    return t2i_fail(err, T2I_CANTCREATE,
                    "%s was taken over by process %ld of host %s: this process writes nothing more",
                    claim.folder, now.pid, now.host);
}

t2i_status t2i_writer_lease_check_path(const char *path, t2i_error *err)
{
    size_t size = claim.folder == NULL ? 0 : strlen(claim.folder);
    if (size == 0 || strncmp(path, claim.folder, size) != 0 || path[size] != '/') return T2I_OK;
    return t2i_writer_lease_check(err);
}

void t2i_writer_lease_end(void)
{
    t2i_error ignored;
    if (claim.path != NULL && t2i_writer_lease_check(&ignored) == T2I_OK) unlink(claim.path);
    t2i_free(claim.folder);
    t2i_free(claim.path);
    claim.folder = claim.path = NULL;
}
