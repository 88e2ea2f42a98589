/* powerloss.c - every state that a power loss could leave on a disk, from a log of file operations
 * (shim.h).
 *
 * Usage: powerloss LOG FOLDER SCRATCH [RUN [TORN [SAMPLES]]]
 * FOLDER is what the log was taken under; RUN, the run folder in it. After each operation of the
 * log the disk may hold, of what was not fsynced since: any subset of a folder's changes (a rename
 * is one), and of a file nothing, all, its size without its bytes, or any 512-byte sectors (TORN
 * drawings of them). That is what POSIX allows without fsync. In each such state
 *   1. a file under a final name is whole: as it was when it got that name,
 *   2. a file or folder that was committed (renamed or made, the folder that it lies in fsynced) is
 *      there, or a later one is,
 *   3. the log of RUN has a line about every checkpoint that is there,
 *   4. the newest checkpoint of RUN that loads is as new as the newest that was committed.
 * Then 1 to 3 are tried with each fsync left out, which must be found out each time. SAMPLES
 * states, of those in which a checkpoint was committed, are left in SCRATCH/sample-I for a script
 * to resume in.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "fault/shim.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/run_folder.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

enum { NODES = 4096, FDS = 4096, SECTOR = 512, PENDING = 64, EXHAUSTIVE = 5, RANDOM_MASKS = 24 };

typedef struct {
    t2i_shim_record head;
    const char *path, *other;
    const unsigned char *data;
    int idle; /* an fsync that had nothing to do */
} operation;

/* Of a file: bytes at an offset (data NULL: another size); of a folder: a name that went, a name
 * that came. */
typedef struct {
    uint64_t offset, size;
    const unsigned char *data;
    const char *removed, *added;
    int node;
} change;

typedef struct {
    int folder;
    change *changes;
    size_t count, durable;
    unsigned char *whole; /* a file's bytes when it got its final name */
    size_t whole_size, whole_changes;
} node;

/* A file that was renamed to its final name, or a folder. */
typedef struct {
    const char *path;
    int node, committed, gone, given_up;
} promise;

typedef struct {
    operation *op;
    size_t ops, fsyncs, idle;
    const char *base, *scratch, *run;
    uint64_t torn;
    long skipped_fsync; /* left out; -1: none */
    node node[NODES];
    int nodes, fd[FDS];
    promise promise[NODES];
    size_t promises;
    /* what the state at hand keeps: bits of the pending changes of folders; a way of files' bytes
     */
    uint64_t mask, way;
    size_t states, distinct, room, samples, sampled;
    uint64_t *seen;
    t2i_text log;       /* of the run in this state */
    long announced, at; /* step of the newest committed checkpoint; operation */
    char why[1024];
} disk;

enum { WAY_NONE, WAY_ALL, WAY_SIZE, WAY_TORN };

static void *need(size_t count, size_t size)
{
    void *got = t2i_alloc(count, size);
    if (got == NULL) exit(2);
    return got;
}

T2I_PRINTF(2, 3) static int wrong(disk *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(d->why, sizeof d->why, format, args);
    va_end(args);
    return 0;
}

/* ---- the log ---- */

static size_t read_log(const t2i_text *text, operation **out)
{
    size_t count = 0, at = 0;
    *out = need(text->size / sizeof(t2i_shim_record) + 1, sizeof **out);
    while (at + sizeof(t2i_shim_record) <= text->size) {
        operation *op = &(*out)[count++];
        memcpy(&op->head, text->data + at, sizeof op->head);
        at += sizeof op->head;
        char *path = need(op->head.path + 1, 1), *other = need(op->head.other + 1, 1);
        memcpy(path, text->data + at, op->head.path);
        memcpy(other, text->data + at + op->head.path, op->head.other);
        at += op->head.path + op->head.other;
        op->path = path;
        op->other = other;
        op->data = (const unsigned char *)text->data + at;
        at += op->head.data;
    }
    if (at != text->size) exit(2);
    return count;
}

/* ---- the disk as the program sees it ---- */

static void add_change(node *n, change c)
{
    if (t2i_grow(&n->changes, n->count, n->count + 1, sizeof c) != 0) exit(2);
    n->changes[n->count++] = c;
}

static int new_node(disk *d, int folder)
{
    if (d->nodes == NODES) exit(2);
    d->node[d->nodes] = (node){.folder = folder};
    return d->nodes++;
}

/* The node of a name, when the first `count` changes that `kept` lets through hold; -1: none. */
static int in_folder(const node *n, const char *name, size_t size)
{
    for (size_t i = n->count; i > 0; i--) {
        const change *c = &n->changes[i - 1];
        if (c->added != NULL && strlen(c->added) == size && memcmp(c->added, name, size) == 0)
            return c->node;
        if (c->removed != NULL && strlen(c->removed) == size && memcmp(c->removed, name, size) == 0)
            return -1;
    }
    return -1;
}

/* The folder that a path lies in, and the name there. */
static int folder_of(const disk *d, const char *path, const char **name)
{
    int at = 0;
    const char *rest = path + strlen(d->base);
    while (*rest == '/') rest++;
    for (const char *slash; (slash = strchr(rest, '/')) != NULL && at >= 0; rest = slash + 1)
        at = in_folder(&d->node[at], rest, (size_t)(slash - rest));
    *name = rest;
    return at;
}

static int find(const disk *d, const char *path)
{
    const char *name;
    int folder = folder_of(d, path, &name);
    return *name == '\0' ? folder
           : folder < 0  ? -1
                         : in_folder(&d->node[folder], name, strlen(name));
}

/* A file's bytes after some of its changes; *size in and out: at least that many. */
static unsigned char *render(const node *n, size_t changes, size_t *size)
{
    size_t end = 0, longest = *size;
    for (size_t i = 0; i < changes; i++) {
        const change *c = &n->changes[i];
        end = c->data == NULL ? c->size : c->offset + c->size > end ? c->offset + c->size : end;
        if (end > longest) longest = end;
    }
    unsigned char *bytes = need(longest + 1, 1);
    for (size_t i = 0; i < changes; i++) {
        const change *c = &n->changes[i];
        if (c->data != NULL)
            memcpy(bytes + c->offset, c->data, c->size);
        else
            memset(bytes + c->size, 0, longest - c->size);
    }
    *size = end;
    return bytes;
}

static int is_temporary(const char *path)
{
    size_t size = strlen(path);
    return size > 4 && strcmp(path + size - 4, ".tmp") == 0;
}

/* Does what the program did. 0: it did something that it must not do. */
static int apply_open(disk *d, const operation *op)
{
    const char *name;
    int folder = folder_of(d, op->path, &name), at = find(d, op->path);
    if (at < 0) {
        if (!is_temporary(op->path)) return wrong(d, "%s was made under its final name", op->path);
        at = new_node(d, 0);
        add_change(&d->node[folder], (change){.added = name, .node = at});
    } else if ((op->head.offset & O_TRUNC) != 0)
        add_change(&d->node[at], (change){.size = 0});
    d->fd[op->head.fd] = at;
    return 1;
}

static int apply_rename(disk *d, const operation *op)
{
    const char *from, *to;
    int folder = folder_of(d, op->path, &from), other = folder_of(d, op->other, &to);
    int at = find(d, op->path);
    if (folder != other || at < 0) return wrong(d, "%s was moved from elsewhere", op->other);
    add_change(&d->node[folder], (change){.removed = from, .added = to, .node = at});
    node *n = &d->node[at];
    n->whole = render(n, n->count, &n->whole_size);
    n->whole_changes = n->count;
    d->promise[d->promises++] = (promise){.path = op->other, .node = at};
    return 1;
}

/* What was renamed or made in a folder (-1: any) is announced from here on. */
static void commit(disk *d, int in)
{
    for (size_t i = 0; i < d->promises; i++) {
        const char *name;
        promise *p = &d->promise[i];
        if (p->committed || p->given_up || (in >= 0 && folder_of(d, p->path, &name) != in))
            continue;
        p->committed = 1;
        const char *step = strstr(p->path, "/checkpoints/step-");
        if (step != NULL && atol(step + 18) > d->announced) d->announced = atol(step + 18);
    }
}

/* A program that ended had announced nothing more; one that goes on to anything but the folder's
 * fsync has. */
static void commit_before(disk *d, const operation *op)
{
    int at = op->head.kind == SHIM_OPEN ? find(d, op->path) : -1;
    int syncs = op->head.kind == SHIM_FSYNC || op->head.kind == SHIM_CLOSE ||
                (at >= 0 && d->node[at].folder);
    for (size_t i = 0; op->head.kind == SHIM_BEGIN && i < d->promises; i++)
        d->promise[i].given_up = !d->promise[i].committed;
    if (!syncs) commit(d, -1);
}

static int apply(disk *d, const operation *op)
{
    const char *name;
    const t2i_shim_record *h = &op->head;
    int folder, at = h->fd >= 0 && h->fd < FDS ? d->fd[h->fd] : 0;
    switch (h->kind) {
    case SHIM_OPEN:
        return apply_open(d, op);
    case SHIM_WRITE:
        add_change(&d->node[at], (change){h->offset, h->data, op->data, NULL, NULL, 0});
        return 1;
    case SHIM_TRUNCATE:
        add_change(&d->node[at], (change){.size = h->offset});
        return 1;
    case SHIM_FSYNC:
        if (d->at != d->skipped_fsync) d->node[at].durable = d->node[at].count;
        if (d->node[at].folder) commit(d, at);
        return 1;
    case SHIM_RENAME:
        return apply_rename(d, op);
    case SHIM_UNLINK:
        folder = folder_of(d, op->path, &name);
        add_change(&d->node[folder], (change){.removed = name});
        for (size_t i = 0; i < d->promises; i++)
            if (strcmp(d->promise[i].path, op->path) == 0) d->promise[i].gone = 1;
        return 1;
    case SHIM_MKDIR:
        folder = folder_of(d, op->path, &name);
        at = new_node(d, 1);
        add_change(&d->node[folder], (change){.added = name, .node = at});
        d->promise[d->promises++] = (promise){.path = op->path, .node = at};
        return 1;
    default:
        return 1;
    }
}

/* ---- a state of the disk ---- */

/* Is a folder's change on the disk? Pending ones are counted through all folders. */
static int holds(const disk *d, int folder, size_t i)
{
    if (i < d->node[folder].durable) return 1;
    size_t number = 0;
    for (int k = 0; k < folder; k++)
        if (d->node[k].folder) number += d->node[k].count - d->node[k].durable;
    number += i - d->node[folder].durable;
    return (d->mask >> (number % PENDING) & 1) != 0;
}

static size_t pending(const disk *d)
{
    size_t number = 0;
    for (int k = 0; k < d->nodes; k++)
        if (d->node[k].folder) number += d->node[k].count - d->node[k].durable;
    return number;
}

static uint64_t dice(const disk *d, int at, uint64_t i)
{
    return t2i_rng_bits(d->way * 1000003 + (uint64_t)at, (uint64_t)d->at, i);
}

/* The bytes of a file as the disk holds them. */
static unsigned char *content(const disk *d, int at, size_t *size)
{
    const node *n = &d->node[at];
    *size = 0;
    if (d->way == WAY_ALL || n->durable == n->count) return render(n, n->count, size);
    if (d->way == WAY_NONE) return render(n, n->durable, size);
    size_t full = 0, old;
    unsigned char *new = render(n, n->count, &full);
    old = full;
    unsigned char *bytes = render(n, n->durable, &old);
    *size = full;
    if (d->way >= WAY_TORN) {
        size_t low = old < full ? old : full, more = (old < full ? full : old) - low;
        *size = low + (size_t)(dice(d, at, 0) % (more / SECTOR + 2)) * SECTOR;
        if (*size > low + more) *size = low + more;
        for (size_t s = 0; s * SECTOR < full; s++)
            if (dice(d, at, s + 2) & 1)
                memcpy(bytes + s * SECTOR, new + s *SECTOR,
                       full - s * SECTOR < SECTOR ? full - s * SECTOR : SECTOR);
    }
    t2i_free(new);
    return bytes;
}

/* Calls use for each file and folder of the state; 0 when one of them said 0. */
typedef int (*user)(disk *d, const char *path, int at);

static int walk(disk *d, int folder, const char *path, user use)
{
    const node *n = &d->node[folder];
    for (size_t i = 0; i < n->count; i++) {
        const char *name = n->changes[i].added;
        int last = name != NULL && holds(d, folder, i);
        for (size_t k = i + 1; last && k < n->count; k++) {
            const change *c = &n->changes[k];
            if (((c->added != NULL && strcmp(c->added, name) == 0) ||
                 (c->removed != NULL && strcmp(c->removed, name) == 0)) &&
                holds(d, folder, k))
                last = 0;
        }
        if (!last) continue;
        char *full = t2i_fs_join(path, name, NULL);
        if (full == NULL) exit(2);
        int at = n->changes[i].node;
        int fine = use(d, full, at) && (!d->node[at].folder || walk(d, at, full, use));
        t2i_free(full);
        if (!fine) return 0;
    }
    return 1;
}

/* 1. whole under a final name; lines may have been added since, of which any part may be there */
static int is_whole(disk *d, const char *path, int at)
{
    const node *n = &d->node[at];
    if (n->folder || is_temporary(path)) return 1;
    size_t size;
    unsigned char *bytes = content(d, at, &size);
    int fine = size >= n->whole_size && memcmp(bytes, n->whole, n->whole_size) == 0 &&
               (size == n->whole_size || n->count > n->whole_changes);
    t2i_free(bytes);
    return fine ? 1 : wrong(d, "%s is not whole", path);
}

/* 2. there, or a later one */
static int note_found(disk *d, const char *path, int at)
{
    for (size_t i = 0; i < d->promises; i++) {
        promise *p = &d->promise[i];
        if (p->committed && at >= p->node && strcmp(p->path, path) == 0) p->committed = 2;
    }
    return 1;
}

static int all_there(disk *d)
{
    int fine = walk(d, 0, d->base, note_found);
    for (size_t i = 0; i < d->promises; i++) {
        promise *p = &d->promise[i];
        if (p->committed == 1 && !p->gone && fine)
            fine = wrong(d, "%s was committed and is lost", p->path);
        if (p->committed) p->committed = 1;
    }
    return fine;
}

/* 3. in the log */
static int take_log(disk *d, const char *path, int at)
{
    size_t size, before = strlen(d->run);
    t2i_error err;
    if (strncmp(path, d->run, before) != 0 || strcmp(path + before, "/log.jsonl") != 0) return 1;
    unsigned char *bytes = content(d, at, &size);
    if (t2i_text_add(&d->log, (char *)bytes, size, &err) != T2I_OK) exit(2);
    t2i_free(bytes);
    return 1;
}

static int is_logged(disk *d, const char *path, int at)
{
    size_t before = strlen(d->run);
    long step;
    int end = 0;
    char line[64];
    (void)at;
    if (strncmp(path, d->run, before) != 0 ||
        sscanf(path + before, "/checkpoints/step-%ld.safetensors%n", &step, &end) != 1 ||
        end == 0 || path[before + (size_t)end] != '\0')
        return 1;
    snprintf(line, sizeof line, "{\"step\":%ld,\"checkpoint\":", step);
    return d->log.data != NULL && strstr(d->log.data, line) != NULL
               ? 1
               : wrong(d, "log.jsonl has no line about %s", path);
}

static int all_logged(disk *d)
{
    t2i_text_free(&d->log);
    return walk(d, 0, d->base, take_log) && walk(d, 0, d->base, is_logged);
}

/* ---- 4. what our own code makes of it ---- */

static void place_of(const disk *d, const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s/state%s", d->scratch, path + strlen(d->base));
}

static int put(disk *d, const char *path, int at)
{
    char place[2048];
    place_of(d, path, place, sizeof place);
    if (d->node[at].folder) return mkdir(place, 0777) == 0;
    size_t size;
    unsigned char *bytes = content(d, at, &size);
    int fd = open(place, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int fine = fd >= 0 && write(fd, bytes, size) == (ssize_t)size && close(fd) == 0;
    t2i_free(bytes);
    return fine;
}

static int loads(disk *d)
{
    char run[2048], *found = NULL;
    long *steps, newest = -1;
    size_t count;
    t2i_error err = {0};
    t2i_checkpoint c;
    place_of(d, d->run, run, sizeof run);
    if (t2i_run_folder_checkpoints(run, &steps, &count, &err) != T2I_OK)
        return wrong(d, "%s", err.text);
    for (size_t i = 0; i < count && newest < 0; i++) {
        char *path = t2i_run_folder_checkpoint(run, steps[i], NULL);
        if (path == NULL) exit(2);
        if (t2i_checkpoint_load(&c, path, 1, 0, &err) == T2I_OK) {
            newest = c.run.step;
            t2i_checkpoint_free(&c);
        }
        t2i_free(path);
    }
    t2i_free(steps);
    if (newest < d->announced)
        return wrong(d, "step %ld was announced, step %ld is the newest that loads: %s",
                     d->announced, newest, err.text);
    if (d->announced >= 0 && t2i_run_folder_model(run, &found, &err) != T2I_OK)
        return wrong(d, "%s", err.text);
    t2i_free(found);
    return 1;
}

static uint64_t sum;
static int add_to_sum(disk *d, const char *path, int at)
{
    size_t size = 0;
    unsigned char *bytes = d->node[at].folder ? need(1, 1) : content(d, at, &size);
    sum = sum * 0x9e3779b97f4a7c15u + t2i_hash_64(path, strlen(path)) + t2i_hash_64(bytes, size);
    t2i_free(bytes);
    return 1;
}

/* Was this very state looked at before? */
static int is_new(disk *d)
{
    sum = (uint64_t)d->announced + 2;
    walk(d, 0, d->base, add_to_sum);
    if (2 * d->distinct >= d->room) {
        uint64_t *old = d->seen;
        size_t room = d->room;
        d->room = 2 * room + 1024;
        d->seen = need(d->room, sizeof *d->seen);
        for (size_t i = 0; i < room; i++)
            for (uint64_t k = old[i]; old[i] != 0; k++)
                if (d->seen[k % d->room] == 0) {
                    d->seen[k % d->room] = old[i];
                    break;
                }
        t2i_free(old);
    }
    uint64_t k = sum;
    while (d->seen[k % d->room] != 0 && d->seen[k % d->room] != sum) k++;
    if (d->seen[k % d->room] == sum) return 0;
    d->seen[k % d->room] = sum;
    d->distinct++;
    return 1;
}

/* Keeps some states, the later the rarer, so that they come from everywhere. */
static void keep_sample(disk *d)
{
    uint64_t place =
        d->sampled < d->samples ? d->sampled : t2i_rng_below(7, 7, d->distinct, d->distinct);
    char state[2048], kept[2048];
    if (d->announced < 0 || place >= d->samples) return;
    snprintf(state, sizeof state, "%s/state", d->scratch);
    snprintf(kept, sizeof kept, "%s/sample-%llu", d->scratch, (unsigned long long)place);
    scratch_remove(kept);
    if (rename(state, kept) != 0) exit(2);
    d->sampled++;
}

static int try_state(disk *d)
{
    d->states++;
    if (!walk(d, 0, d->base, is_whole) || !all_there(d)) return 0;
    if (d->run != NULL && !all_logged(d)) return 0;
    if (d->skipped_fsync >= 0 || d->run == NULL || !is_new(d)) return 1;
    char state[2048];
    snprintf(state, sizeof state, "%s/state", d->scratch);
    scratch_remove(state);
    if (mkdir(state, 0777) != 0 || !walk(d, 0, d->base, put)) exit(2);
    int fine = loads(d);
    if (fine) keep_sample(d);
    return fine;
}

/* All states after this operation. */
static int try_states(disk *d)
{
    size_t folders = pending(d);
    uint64_t all = folders >= PENDING ? UINT64_MAX : ((uint64_t)1 << folders) - 1;
    size_t masks = folders <= EXHAUSTIVE ? (size_t)all + 1 : 2 + 2 * folders + RANDOM_MASKS;
    for (size_t m = 0; m < masks; m++) {
        if (folders <= EXHAUSTIVE)
            d->mask = m;
        else if (m < 2)
            d->mask = m == 0 ? 0 : all;
        else if (m < 2 + 2 * folders) /* each alone, each missing */
            d->mask = ((uint64_t)1 << (m - 2) / 2) ^ (m % 2 ? all : 0);
        else
            d->mask = t2i_rng_bits(1, (uint64_t)d->at, m) & all;
        for (d->way = 0; d->way < WAY_TORN + d->torn; d->way++)
            if (!try_state(d)) return 0;
    }
    return 1;
}

/* ---- all of it ---- */

static void forget(disk *d)
{
    for (int i = 0; i < d->nodes; i++) {
        t2i_free(d->node[i].changes);
        t2i_free(d->node[i].whole);
    }
    d->nodes = 0;
    d->promises = 0;
    d->announced = -1;
    new_node(d, 1);
}

/* Is nothing waiting for this fsync? Then it may go. */
static int is_idle(const disk *d, const operation *op)
{
    const node *n = &d->node[d->fd[op->head.fd]];
    return n->durable == n->count;
}

static int replay(disk *d, long skipped)
{
    forget(d);
    d->skipped_fsync = skipped;
    for (d->at = 0; d->at < (long)d->ops; d->at++) {
        operation *op = &d->op[d->at];
        if (skipped < 0 && op->head.kind == SHIM_FSYNC) {
            d->fsyncs++;
            op->idle = is_idle(d, op);
            d->idle += (size_t)op->idle;
        }
        commit_before(d, op);
        if (!apply(d, op)) return 0;
        if (d->at >= skipped && !try_states(d)) return 0;
    }
    return 1;
}

/* Each fsync left out must be found out. */
static size_t leave_out_each(disk *d)
{
    size_t missed = 0;
    for (long i = 0; i < (long)d->ops; i++) {
        const operation *op = &d->op[i];
        if (op->head.kind != SHIM_FSYNC || op->idle || !replay(d, i)) continue;
        printf("fsync %ld can be left out unnoticed\n", i);
        missed++;
    }
    return missed;
}

int main(int argc, char **argv)
{
    static disk d;
    t2i_text text = {0};
    t2i_error err = {0};
    operation *op;
    if (argc < 4) return 64;
    if (t2i_fs_read(argv[1], (size_t)1 << 32, &text, &err) != T2I_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    d.ops = read_log(&text, &op);
    d.op = op;
    d.base = argv[2];
    d.scratch = argv[3];
    d.run = argc > 4 ? argv[4] : NULL;
    d.torn = argc > 5 ? (uint64_t)atol(argv[5]) : 1;
    d.samples = argc > 6 ? (size_t)atol(argv[6]) : 0;
    if (!replay(&d, -1)) {
        printf("after operation %ld, folders' changes %llx, files' way %llu: %s\n", d.at,
               (unsigned long long)d.mask, (unsigned long long)d.way, d.why);
        return 1;
    }
    printf(
        "%zu operations, %zu states, all as promised; %zu different ones, loaded by our own code\n",
        d.ops, d.states, d.distinct);
    size_t missed = leave_out_each(&d);
    printf("%zu fsyncs, %zu of them with nothing to do; left out alone, %zu were found out\n",
           d.fsyncs, d.idle, d.fsyncs - d.idle - missed);
    return missed > 0 || d.fsyncs == d.idle;
}
