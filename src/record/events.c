#include "record/events.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/writer_lease.h"
#include "base/cpu.h"
#include "comm/job_limits.h"
#include "host/host_info.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opts.h"

enum {
    HOST = 64,       /* bytes per host name */
    HOSTS = 64,      /* maximum number of hosts listed */
    TELLS = 4,       /* numbers per rank: t2i_seconds */
    WARNINGS = 1000, /* maximum per session; further ones are on stderr only */
    PAUSE = 60       /* seconds between `ranks` events */
};

/* ---- lines ---- */

static t2i_json *new_line(const t2i_events *events, const char *event)
{
    char text[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    t2i_json *json = t2i_json_object();
    if (gmtime_r(&now, &utc) != NULL) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    t2i_json_set_string(json, "time", text);
    t2i_json_set_string(json, "event", event);
    t2i_json_set_integer(json, "step", *events->step);
    return json;
}

/* Takes ownership of json. */
static t2i_status add_line(t2i_events *events, t2i_json *json, t2i_error *err)
{
    char *text;
    size_t size;
    T2I_TRY(t2i_json_line(json, &text, &size, err));
    t2i_status status = events->fd < 0 ? t2i_text_add(&events->early, text, size, err)
                                       : t2i_fs_append(events->fd, events->path, text, size, err);
    t2i_free(text);
    return status;
}

/* Takes ownership of json. May be called by the thread that writes a checkpoint, which may warn. */
static void tell(t2i_events *events, t2i_json *json)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    t2i_error err = {0};
    t2i_status status = T2I_OK;
    pthread_mutex_lock(&mutex);
    if (events->failed || (events->fd >= 0 && t2i_writer_lease_check(&err) != T2I_OK))
        t2i_json_free(
            json); /* another process has taken over the folder; the next save reports it */
    else
        status = add_line(events, json, &err);
    if (status != T2I_OK)
        events->failed = 1; /* set first, because the warning calls this function again */
    pthread_mutex_unlock(&mutex);
    t2i_runlog_warn_failed(status, &err);
}

static void hear_warning(void *context, const char *text)
{
    t2i_events *events = context;
    if (events->failed || events->warnings++ >= WARNINGS) return;
    t2i_json *json = new_line(events, "warning");
    t2i_json_set_string(json, "text", text);
    tell(events, json);
}

void t2i_events_begin(t2i_events *events, const long *step)
{
    *events = (t2i_events){.fd = -1, .step = step};
    t2i_log_on_warning(hear_warning, events);
}

void t2i_events_end(t2i_events *events)
{
    if (events->step == NULL) return;
    t2i_log_on_warning(NULL, NULL);
    if (events->fd >= 0) close(events->fd);
    t2i_text_free(&events->early);
    t2i_free(events->seconds);
    t2i_free(events->path);
    *events = (t2i_events){.fd = -1};
}

/* ---- the start ---- */

/* [{host, ranks}] of `size` names of HOST bytes. */
static t2i_json *nodes_json(const char *host, int size)
{
    const char *name[HOSTS];
    int ranks[HOSTS], hosts = 0;
    t2i_json *nodes = t2i_json_array();
    for (int rank = 0; rank < size; rank++) {
        const char *at = host + (size_t)rank * HOST;
        int h = 0;
        while (h < hosts && strcmp(name[h], at) != 0) h++;
        if (h == HOSTS) continue;
        if (h == hosts) {
            name[hosts] = at;
            ranks[hosts++] = 0;
        }
        ranks[h]++;
    }
    for (int h = 0; h < hosts; h++) {
        t2i_json *node = t2i_json_object();
        t2i_json_set_string(node, "host", name[h]);
        t2i_json_set_integer(node, "ranks", ranks[h]);
        t2i_json_append(nodes, node);
    }
    return nodes;
}

/* The CPU's model name from /proc/cpuinfo; "" if there is none. */
static void name_processor(char *name, size_t size)
{
    char line[256];
    name[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && name[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL)
            snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    if (file != NULL) fclose(file);
}

static t2i_json *start_json(const t2i_events *events, const char *host, int size, int threads,
                            size_t shards)
{
    char processor[128], system[256] = "", hdf5[64];
    struct utsname name;
    t2i_host_info info;
    t2i_host_info_look(&info);
    t2i_json *json = new_line(events, "start");
    name_processor(processor, sizeof processor);
    if (uname(&name) == 0)
        snprintf(system, sizeof system, "%s %s %s", name.sysname, name.release, name.machine);
    t2i_json_set_integer(json, "ranks", size);
    t2i_json_set_integer(json, "threads", threads);
    t2i_json_set_integer(json, "shards", (int64_t)shards);
    t2i_json_set_integer(json, "cores", t2i_job_limits_cores());
    t2i_json_set_string(json, "vectors", t2i_cpu_vectors_name());
    t2i_json_set_string(json, "version", T2I_VERSION);
    t2i_json_set_string(json, "processor", processor);
    t2i_json_set_string(json, "system", system);
    snprintf(hdf5, sizeof hdf5, "%u.%u.%u", info.hdf5[0], info.hdf5[1], info.hdf5[2]);
    t2i_json_set_string(json, "mpi", info.mpi);
    t2i_json_set_string(json, "blas", info.blas);
    t2i_json_set_string(json, "hdf5", hdf5);
    t2i_json_set(json, "nodes", nodes_json(host, size));
    return json;
}

/* Opens the file; terminates an incomplete last line left by a killed run. */
static t2i_status open_file(t2i_events *events, const char *run, t2i_error *err)
{
    char last = '\n';
    events->path = t2i_fs_join(run, "events.jsonl", err);
    if (events->path == NULL) return T2I_SYSTEM;
    if (!t2i_fs_exists(events->path)) T2I_TRY(t2i_commit_file(events->path, "", 0, err));
    events->fd = open(events->path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (events->fd < 0)
        return t2i_fail(err, T2I_CANTCREATE, "cannot open %s: %s", events->path, strerror(errno));
    off_t size = lseek(events->fd, 0, SEEK_END);
    if (size > 0 && t2i_fs_read_at(events->fd, &last, 1, (uint64_t)size - 1) == 1 && last != '\n')
        T2I_TRY(t2i_fs_append(events->fd, events->path, "\n", 1, err));
    if (events->early.size > 0)
        T2I_TRY(
            t2i_fs_append(events->fd, events->path, events->early.data, events->early.size, err));
    t2i_text_free(&events->early);
    return T2I_OK;
}

t2i_status t2i_events_open(t2i_events *events, t2i_comm *comm, const char *run, int threads,
                           size_t shards, t2i_error *err)
{
    char mine[HOST] = "", *host = NULL;
    int root = t2i_comm_rank(comm) == 0, size = t2i_comm_size(comm);
    t2i_status status = T2I_OK;
    if (root) {
        host = t2i_alloc((size_t)size, HOST);
        events->seconds = t2i_alloc((size_t)size, TELLS * sizeof *events->seconds);
        if (host == NULL || events->seconds == NULL)
            status = t2i_fail_memory(err, (size_t)size * HOST, "host names");
    }
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        if (gethostname(mine, sizeof mine - 1) != 0) strcpy(mine, "unknown");
        t2i_comm_gather(comm, mine, host, HOST, (size_t)size);
    }
    if (status == T2I_OK && root) {
        t2i_error why = {0};
        t2i_status opened = open_file(events, run, &why);
        events->failed = opened != T2I_OK;
        t2i_runlog_warn_failed(opened, &why);
        tell(events, start_json(events, host, size, threads, shards));
    }
    events->began = events->told = t2i_cpu_seconds();
    t2i_free(host);
    return status;
}

/* ---- later ---- */

void t2i_events_ranks(t2i_events *events, t2i_comm *comm, const t2i_seconds *seconds, int last)
{
    size_t size = (size_t)t2i_comm_size(comm);
    double now = t2i_cpu_seconds();
    const double mine[TELLS] = {seconds->data, seconds->compute, seconds->sync,
                                seconds->checkpoint};
    t2i_comm_gather(comm, mine, events->seconds, sizeof mine, size);
    if (t2i_comm_rank(comm) != 0 || (now - events->told < PAUSE && !last)) return;
    size_t shown = size < T2I_EVENTS_RANKS ? size : T2I_EVENTS_RANKS;
    t2i_json *json = new_line(events, "ranks"), *rows = t2i_json_array();
    for (size_t i = 0; i < shown; i++) {
        size_t rank = i * size / shown;
        t2i_json *row = t2i_json_array();
        t2i_json_append(row, t2i_json_integer((int64_t)rank));
        for (size_t k = 0; k < TELLS; k++)
            t2i_json_append(row, t2i_json_real(events->seconds[rank * TELLS + k]));
        t2i_json_append(rows, row);
    }
    t2i_json_set_real(json, "elapsed", now - events->began);
    t2i_json_set(json, "seconds", rows);
    tell(events, json);
    events->told = now;
}

void t2i_events_samples(t2i_events *events, t2i_json *prompts)
{
    t2i_json *json = new_line(events, "samples");
    t2i_json_set(json, "prompts", prompts);
    tell(events, json);
}

void t2i_events_stop(t2i_events *events, const t2i_run_status *status)
{
    t2i_json *json = new_line(events, "end");
    t2i_json_set_string(json, "state", status->state);
    t2i_json_set_integer(json, "exit", status->exit);
    t2i_json_set_string(json, "text", status->message);
    tell(events, json);
}
