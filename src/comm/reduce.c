#include "comm/reduce.h"

#include <string.h>

#include "base/block.h"
#include "base/cpu.h"
#include "base/mem.h"

enum {
    NODES = 64, /* capacity of a stack: more than 2 log2 V for any V */
    LINE = 64,
    STRIP = 1024 /* floats per block: a stack of them stays in the level-1 cache */
};

/* A subtree: `size` shards from `first`. */
typedef struct {
    size_t first, size;
} node;

/* State of a thread. */
typedef struct {
    size_t first, end, next; /* its shards; the first of the current bundle */
    node before[NODES];      /* complete subtrees before this bundle; finally those published */
    node stack[NODES];       /* the same with the bundle's shards that have this section */
    size_t depth_before, depth, added; /* added: number of these shards */
    size_t from, to;                   /* floats of the section */
    size_t blocks, published;
    float *buffer[NODES]; /* one per stack position: the first `blocks` hold a whole gradient,
                             the others a section; published ones are in shared memory */
    uint8_t *used[NODES];
    t2i_leaf *leaf[NODES];
    float *own_buffers; /* owned: those that are not published */
    uint8_t *own_used;
    t2i_leaf own_leaf[NODES];
    float *strips; /* owned: intermediate sums */
    size_t chunks;
} worker;

/* A published subtree of any worker, as this rank sees it; or the sum of several parts that another
 * group computes. */
typedef struct {
    node shards;
    int rank;      /* owner; of several parts, that of the first */
    size_t merges; /* number of pairs of siblings that it completes */
    float *sum;    /* from chunk `from`: all, or this rank's slice; NULL: not in this memory */
    size_t from;
    uint8_t *used;
    t2i_leaf *leaf;
} part;

/* A maximal complete subtree of a group: consecutive parts. */
typedef struct {
    node shards;
    size_t first, parts;
} subtree;

/* Ranks that share memory form a group: those of a node, or a single rank. The record of a rank has
 * its step status, then the leaf quantities and the used bytes of its parts. */
struct t2i_reduce {
    t2i_thread_pool *pool;
    int rank, size, threads;
    size_t shards, chunks;
    t2i_reduce_sections sections;
    int *group, *group_size, *turn; /* owned, one per rank: lowest rank and size of its group, its
                                       position in the group */
    worker *worker;                 /* owned: threads */
    part *part;                     /* owned: of all workers, in order */
    size_t parts, deepest;          /* deepest: largest depth of their stack */
    subtree *subtree;               /* owned: of all groups, in order */
    size_t subtrees;
    part *term; /* owned: the terms of this rank's slice, in order: the group's parts, and the
                   subtrees of the other groups */
    size_t terms;
    char *own;            /* owned: the group's memory if the group is one rank */
    double *squares;      /* in the group's memory: one per chunk */
    float *weights;       /* likewise: a block */
    char *records;        /* likewise: one per rank of the job */
    size_t *record_first; /* owned: offsets in cache lines, size + 1 */
    size_t *chunk_first;  /* owned: first chunks of slices, size + 1 */
    float *others;        /* owned: this rank's slice of other groups' subtrees */
    float *sum;     /* this rank's slice of the sum, in its first part, which no other rank reads
                       there */
    float *own_sum; /* owned: used if it has no part */
    size_t bytes;
    t2i_reduce_change *update; /* during t2i_reduce_update */
    void *context;
};

/* ---- the tree ---- */

/* Pushes a subtree on a stack and adds siblings; returns the number of pairs. fold_pair(context, i)
 * replaces stack[i] by the sum of stack[i] and stack[i + 1]. */
static size_t push(node *stack, size_t *depth, node added, void (*fold_pair)(void *, size_t),
                   void *context)
{
    size_t merges = 0, d = *depth;
    stack[d++] = added;
    for (; d > 1 && stack[d - 2].size == stack[d - 1].size &&
           stack[d - 2].first % (2 * stack[d - 1].size) == 0;
         merges++) {
        d--;
        fold_pair(context, d - 1);
        stack[d - 1].size *= 2;
    }
    *depth = d;
    return merges;
}

static void nothing(void *context, size_t i)
{
    (void)context;
    (void)i;
}

/* The maximal complete subtrees of shards first .. end - 1. */
static size_t find_complete(size_t first, size_t end, node *stack)
{
    size_t depth = 0;
    for (size_t v = first; v < end; v++) push(stack, &depth, (node){v, 1}, nothing, NULL);
    return depth;
}

/* Shards of the bundle that begins with shard v: the largest complete subtree of at most `most`. */
static size_t bundle_at(size_t v, size_t end, size_t most)
{
    size_t count = 1;
    while (2 * count <= most && v % (2 * count) == 0 && v + 2 * count <= end) count *= 2;
    return count;
}

t2i_reduce_buffers t2i_reduce_count(size_t shards, int w, int workers, size_t bundle)
{
    node stack[NODES];
    size_t end = t2i_comm_share(shards, w + 1, workers), depth = 0;
    t2i_reduce_buffers found = {0};
    for (size_t v = t2i_comm_share(shards, w, workers), count; v < end; v += count) {
        size_t before = depth, deepest = depth + 1;
        count = bundle_at(v, end, bundle);
        for (size_t size = count; size > 1; size /= 2) deepest++;
        if (deepest > found.all) found.all = deepest;
        push(stack, &depth, (node){v, count}, nothing, NULL);
        /* a bundle that is not added to what is there at once stays where its sum is */
        if (depth > before && depth > found.blocks) found.blocks = depth;
    }
    found.published = depth;
    return found;
}

static size_t subtrees_of(const t2i_reduce *f, int w, node *stack)
{
    int all = f->size * f->threads;
    return find_complete(t2i_comm_share(f->shards, w, all), t2i_comm_share(f->shards, w + 1, all),
                         stack);
}

static size_t parts_of_rank(const t2i_reduce *f, int rank)
{
    node stack[NODES];
    size_t parts = 0;
    for (int t = 0; t < f->threads; t++) parts += subtrees_of(f, rank * f->threads + t, stack);
    return parts;
}

T2I_STATIC_KERNEL(void, add_floats, (float *restrict sum, const float *restrict more, size_t count),
                  (sum, more, count))
{
    for (size_t i = 0; i < count; i++) sum[i] += more[i];
}

/* The same with the sum on the right: of two NaNs the left one is the result. */
T2I_STATIC_KERNEL(void, add_to_left,
                  (float *restrict sum, const float *restrict left, size_t count),
                  (sum, left, count))
{
    for (size_t i = 0; i < count; i++) sum[i] = left[i] + sum[i];
}

T2I_STATIC_KERNEL(void, sum_floats,
                  (float *restrict sum, const float *restrict left, const float *restrict right,
                   size_t count),
                  (sum, left, right, count))
{
    for (size_t i = 0; i < count; i++) sum[i] = left[i] + right[i];
}

T2I_STATIC_KERNEL(double, chunk_squares, (const float *x), (x))
{
    enum { LANES = 16 };
    double sum[LANES] = {0};
    for (size_t i = 0; i < T2I_CHUNK; i += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += (double)x[i + l] * (double)x[i + l];
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) sum[l] += sum[l + half];
    return sum[0];
}

static void add_leaf(t2i_leaf *sum, const t2i_leaf *more)
{
    sum->loss += more->loss;
    sum->rows += more->rows;
    sum->tokens += more->tokens;
    sum->prefixes += more->prefixes;
}

/* ---- setup ---- */

static size_t cache_lines(size_t bytes)
{
    return (bytes + LINE - 1) / LINE;
}

static size_t floats_of_slice(const t2i_reduce *f)
{
    return (f->chunk_first[f->rank + 1] - f->chunk_first[f->rank]) * T2I_CHUNK;
}

static int in_group(const t2i_reduce *f, int rank)
{
    return f->group[rank] == f->group[f->rank];
}

/* Allocates the tables and fills in what does not depend on groups. */
static t2i_status plan_tree(t2i_reduce *f, t2i_error *err)
{
    size_t size = (size_t)f->size, s = 0, depth = 0;
    int workers = f->size * f->threads;
    node stack[NODES], theirs[NODES];
    for (int r = 0; r < f->size; r++) f->parts += parts_of_rank(f, r);
    f->group = t2i_alloc(3 * size, sizeof *f->group);
    f->worker = t2i_alloc((size_t)f->threads, sizeof *f->worker);
    f->part = t2i_alloc(2 * f->parts, sizeof *f->part);
    f->subtree = t2i_alloc(f->parts, sizeof *f->subtree);
    f->record_first = t2i_alloc(2 * (size + 1), sizeof *f->record_first);
    if (f->group == NULL || f->worker == NULL || f->part == NULL || f->subtree == NULL ||
        f->record_first == NULL)
        return t2i_fail_memory(err, size * 32 + f->parts * sizeof *f->part, "the gradient tree");
    f->term = f->part + f->parts;
    f->group_size = f->group + size;
    f->turn = f->group_size + size;
    f->chunk_first = f->record_first + size + 1;
    for (int r = 0; r < f->size; r++) {
        size_t parts = parts_of_rank(f, r);
        f->chunk_first[r + 1] = t2i_comm_share(f->chunks, r + 1, f->size);
        f->record_first[r + 1] =
            f->record_first[r] +
            cache_lines(sizeof(t2i_step_status) + parts * (sizeof(t2i_leaf) + f->chunks));
    }
    for (int w = 0; w < workers; w++) {
        size_t count = subtrees_of(f, w, theirs);
        for (size_t i = 0; i < count; i++, s++) {
            if (depth + 1 > f->deepest) f->deepest = depth + 1;
            f->part[s] = (part){.shards = theirs[i], .rank = w / f->threads};
            f->part[s].merges = push(stack, &depth, theirs[i], nothing, NULL);
        }
    }
    return T2I_OK;
}

/* Collective. Determines the groups. shares: does this rank share memory with its node? */
static void find_groups(t2i_reduce *f, t2i_comm *comm, int shares)
{
    f->group[f->rank] = shares ? t2i_comm_node_first(comm) : f->rank;
    t2i_comm_allgather(comm, f->group, sizeof *f->group, (size_t)f->size);
    for (int r = 0; r < f->size; r++) f->group_size[r] = 0;
    for (int r = 0; r < f->size; r++) f->turn[r] = f->group_size[f->group[r]]++;
    for (int r = 0; r < f->size; r++) f->group_size[r] = f->group_size[f->group[r]];
}

static void add_count(void *context, size_t i)
{
    size_t *parts = context;
    parts[i] += parts[i + 1];
}

/* Finds the subtrees that a group can add up; its shards may be in several places of the tree. */
static void find_subtrees(t2i_reduce *f)
{
    node stack[NODES];
    size_t parts[NODES], depth = 0, first = 0;
    f->subtrees = 0;
    for (size_t s = 0; s < f->parts; s++) {
        parts[depth] = 1;
        push(stack, &depth, f->part[s].shards, add_count, parts);
        if (s + 1 < f->parts && f->group[f->part[s + 1].rank] == f->group[f->part[s].rank])
            continue;
        for (size_t i = 0; i < depth; first += parts[i++])
            f->subtree[f->subtrees++] =
                (subtree){.shards = stack[i], .first = first, .parts = parts[i]};
        depth = 0;
    }
}

static int is_near(const t2i_reduce *f, const subtree *j)
{
    return in_group(f, f->part[j->first].rank);
}

static size_t bytes_of_group(const t2i_reduce *f)
{
    size_t blocks = 1; /* the weights, then the gradients */
    for (size_t s = 0; s < f->parts; s++) blocks += in_group(f, f->part[s].rank) != 0;
    return LINE * (cache_lines(f->chunks * sizeof(double)) + f->record_first[f->size]) +
           blocks * f->chunks * T2I_CHUNK * sizeof(float);
}

/* Sets the pointers to the group's memory. */
static void lay_out(t2i_reduce *f, char *group)
{
    size_t block = f->chunks * T2I_CHUNK;
    f->squares = (double *)(void *)group;
    f->records = group + LINE * cache_lines(f->chunks * sizeof(double));
    f->weights = (float *)(void *)(f->records + LINE * f->record_first[f->size]);
    float *gradients = f->weights + block;
    for (size_t s = 0, first = 0; s < f->parts; s++) {
        part *p = &f->part[s];
        if (s > 0 && f->part[s - 1].rank != p->rank) first = s;
        size_t count = parts_of_rank(f, p->rank), i = s - first;
        char *record = f->records + LINE * f->record_first[p->rank] + sizeof(t2i_step_status);
        p->leaf = (t2i_leaf *)(void *)record + i;
        p->used = (uint8_t *)record + count * sizeof(t2i_leaf) + i * f->chunks;
        if (!in_group(f, p->rank)) continue;
        p->sum = gradients;
        gradients += block;
    }
}

/* Finds the terms of this rank's slice. */
static void find_terms(t2i_reduce *f)
{
    node stack[NODES];
    size_t depth = 0;
    float *others = f->others;
    f->terms = 0;
    for (const subtree *j = f->subtree; j < f->subtree + f->subtrees; j++) {
        int near = is_near(f, j);
        for (size_t i = 0; i < (near ? j->parts : 1); i++) {
            part *t = &f->term[f->terms++];
            *t = f->part[j->first + i];
            if (!near) {
                t->shards = j->shards;
                t->sum = others;
                t->from = f->chunk_first[f->rank];
                others += floats_of_slice(f);
            }
            t->merges = push(stack, &depth, t->shards, nothing, NULL);
        }
    }
}

/* Allocates what a thread needs. *s: number of its first part; advanced to the next thread's. */
static t2i_status begin_worker(t2i_reduce *f, int thread, size_t *s, t2i_error *err)
{
    worker *w = &f->worker[thread];
    size_t block = f->chunks * T2I_CHUNK, section = f->sections.most;
    const t2i_reduce_buffers count = t2i_reduce_count(f->shards, f->rank * f->threads + thread,
                                                      f->size * f->threads, f->sections.bundle);
    size_t own = count.all - count.published,
           floats = (count.blocks - count.published) * block + (count.all - count.blocks) * section;
    t2i_reduce_shards(f, thread, &w->first, &w->end);
    w->next = w->first;
    w->blocks = count.blocks;
    w->published = count.published;
    w->own_buffers = t2i_alloc_untouched(floats, sizeof(float));
    w->own_used = t2i_alloc(own, f->chunks);
    w->strips = t2i_alloc((f->deepest + 1) * STRIP, sizeof(float));
    w->chunks = f->chunks;
    if (w->own_buffers == NULL || w->own_used == NULL || w->strips == NULL)
        return t2i_fail_memory(err, floats * sizeof(float), "the gradients");
    f->bytes += floats * sizeof(float) + own * f->chunks;
    float *next = w->own_buffers;
    for (size_t i = 0; i < count.all; i++) {
        part *p = i < w->published ? &f->part[(*s)++] : NULL;
        w->buffer[i] = p != NULL ? p->sum : next;
        w->used[i] = p != NULL ? p->used : w->own_used + (i - w->published) * f->chunks;
        w->leaf[i] = p != NULL ? p->leaf : &w->own_leaf[i];
        if (p == NULL) next += i < w->blocks ? block : section;
    }
    return T2I_OK;
}

static t2i_status allocate(t2i_reduce *f, char *shared, t2i_error *err)
{
    size_t far = 0, slice = floats_of_slice(f), s = 0, bytes = bytes_of_group(f);
    int idle = parts_of_rank(f, f->rank) == 0;
    find_subtrees(f);
    for (size_t i = 0; i < f->subtrees; i++) far += !is_near(f, &f->subtree[i]);
    if (shared == NULL) shared = f->own = t2i_alloc_untouched(bytes, 1);
    f->others = t2i_alloc(far * slice, sizeof *f->others);
    if (idle) f->own_sum = t2i_alloc(slice, sizeof *f->own_sum);
    f->bytes = bytes + (far + (size_t)idle) * slice * sizeof(float) -
               f->chunks * T2I_CHUNK * sizeof(float);
    if (shared == NULL || f->others == NULL || (idle && f->own_sum == NULL))
        return t2i_fail_memory(err, f->bytes, "the gradients");
    lay_out(f, shared);
    if (f->own != NULL) /* all but the gradients, which may be touched late */
        memset(shared, 0, (size_t)((char *)(f->weights + f->chunks * T2I_CHUNK) - shared));
    find_terms(f);
    while (s < f->parts && f->part[s].rank != f->rank) s++;
    f->sum = idle ? f->own_sum : f->part[s].sum + f->chunk_first[f->rank] * T2I_CHUNK;
    for (int t = 0; t < f->threads; t++) T2I_TRY(begin_worker(f, t, &s, err));
    return T2I_OK;
}

t2i_status t2i_reduce_new(t2i_reduce **out, t2i_comm *comm, t2i_thread_pool *pool, size_t shards,
                          size_t floats, t2i_error *err)
{
    return t2i_reduce_new_by_section(out, comm, pool, shards, floats,
                                     (t2i_reduce_sections){1, floats}, err);
}

t2i_status t2i_reduce_new_by_section(t2i_reduce **out, t2i_comm *comm, t2i_thread_pool *pool,
                                     size_t shards, size_t floats, t2i_reduce_sections sections,
                                     t2i_error *err)
{
    T2I_ASSERT(shards > 0 && (shards & (shards - 1)) == 0 && floats % T2I_CHUNK == 0);
    t2i_reduce *f = *out = t2i_alloc(1, sizeof *f);
    t2i_status mine = T2I_OK;
    if (f == NULL)
        mine = t2i_fail_memory(err, sizeof *f, "the gradient tree");
    else {
        *f = (t2i_reduce){.pool = pool,
                          .rank = t2i_comm_rank(comm),
                          .size = t2i_comm_size(comm),
                          .threads = t2i_thread_pool_threads(pool),
                          .shards = shards,
                          .sections = sections,
                          .chunks = floats / T2I_CHUNK};
        mine = plan_tree(f, err);
    }
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        find_groups(f, comm, 1);
        char *shared = t2i_comm_shared_memory(comm, bytes_of_group(f));
        find_groups(f, comm, shared != NULL);
        status = t2i_comm_agree(comm, allocate(f, shared, err), err);
    }
    if (status != T2I_OK) {
        t2i_reduce_free(f);
        *out = NULL;
    }
    return status;
}

void t2i_reduce_free(t2i_reduce *f)
{
    if (f == NULL) return;
    for (int t = 0; f->worker != NULL && t < f->threads; t++) {
        t2i_free(f->worker[t].own_buffers);
        t2i_free(f->worker[t].own_used);
        t2i_free(f->worker[t].strips);
    }
    t2i_free(f->own_sum);
    t2i_free(f->group);
    t2i_free(f->worker);
    t2i_free(f->part);
    t2i_free(f->subtree);
    t2i_free(f->record_first);
    t2i_free(f->others);
    t2i_free(f->own);
    t2i_free(f);
}

size_t t2i_reduce_bytes(const t2i_reduce *f)
{
    return f->bytes;
}

int t2i_reduce_shares(const t2i_reduce *f)
{
    return f->group_size[f->rank] > 1;
}

void t2i_reduce_shards(const t2i_reduce *f, int thread, size_t *first, size_t *end)
{
    int w = f->rank * f->threads + thread, all = f->size * f->threads;
    *first = t2i_comm_share(f->shards, w, all);
    *end = t2i_comm_share(f->shards, w + 1, all);
}

/* ---- the shards of a thread ---- */

/* Where float 0 of a gradient would be whose section begins at from. */
static float *base_of(const worker *w, size_t position)
{
    uintptr_t at = (uintptr_t)w->buffer[position];
    return (float *)(position < w->blocks ? at : at - w->from * sizeof(float));
}

static void fold_shards(void *context, size_t i)
{
    worker *w = context;
    uint8_t *used = w->used[i];
    const uint8_t *more = w->used[i + 1];
    float *sum = base_of(w, i), *right = base_of(w, i + 1);
    for (size_t c = w->from / T2I_CHUNK; c * T2I_CHUNK < w->to; c++) {
        size_t from = c * T2I_CHUNK < w->from ? w->from : c * T2I_CHUNK,
               to = (c + 1) * T2I_CHUNK > w->to ? w->to : (c + 1) * T2I_CHUNK;
        if (!more[c]) continue;
        if (used[c])
            add_floats(sum + from, right + from, to - from);
        else
            memcpy(sum + from, right + from, (to - from) * sizeof *sum);
        used[c] = 1;
    }
}

static void fold_leaves(void *context, size_t i)
{
    worker *w = context;
    fold_shards(context, i);
    add_leaf(w->leaf[i], w->leaf[i + 1]);
}

size_t t2i_reduce_bundle(const t2i_reduce *f, int thread)
{
    const worker *w = &f->worker[thread];
    return bundle_at(w->next, w->end, f->sections.bundle);
}

float *t2i_reduce_section(t2i_reduce *f, int thread, size_t from, size_t to, uint8_t **used)
{
    worker *w = &f->worker[thread];
    T2I_ASSERT(w->next < w->end && to - from <= f->sections.most);
    if (w->added == 0) {
        memcpy(w->stack, w->before, w->depth_before * sizeof *w->stack);
        w->depth = w->depth_before;
        w->from = from;
        w->to = to;
    }
    *used = w->used[w->depth];
    memset(*used + from / T2I_CHUNK, 1, (to + T2I_CHUNK - 1) / T2I_CHUNK - from / T2I_CHUNK);
    return base_of(w, w->depth);
}

void t2i_reduce_add(t2i_reduce *f, int thread, const t2i_leaf *leaf)
{
    worker *w = &f->worker[thread];
    size_t count = t2i_reduce_bundle(f, thread);
    if (leaf != NULL) *w->leaf[w->depth] = *leaf;
    push(w->stack, &w->depth, (node){w->next + w->added, 1},
         leaf != NULL ? fold_leaves : fold_shards, w);
    if (++w->added < count) return;
    w->added = 0;
    if (leaf == NULL) return; /* further sections follow */
    memcpy(w->before, w->stack, w->depth * sizeof *w->stack);
    w->depth_before = w->depth;
    w->next += count;
}

float *t2i_reduce_leaf(t2i_reduce *f, int thread, uint8_t **used)
{
    return t2i_reduce_section(f, thread, 0, f->chunks * T2I_CHUNK, used);
}

/* ---- the rest of the tree, each thread on its slice ---- */

/* sum = left + right; sum may be one of them. */
static void add_pair(float *sum, const float *left, const float *right)
{
    if (sum == left)
        add_floats(sum, right, STRIP);
    else if (sum == right)
        add_to_left(sum, left, STRIP);
    else
        sum_floats(sum, left, right, STRIP);
}

/* out = a strip of the sum of parts, in tree order. out may be the strip of a part, so it is
 * written last. strips: scratch memory. Returns 0 if no part uses the chunk; then out is not
 * written. */
static int fold_strip(const part *first, size_t parts, float *out, float *strips, size_t chunk,
                      size_t offset)
{
    const float *stack[NODES]; /* stack[i]: NULL: not used; else a part's, or strip i + 1 */
    size_t depth = 0;
    for (const part *p = first; p < first + parts; p++) {
        stack[depth++] = p->used[chunk] ? p->sum + (chunk - p->from) * T2I_CHUNK + offset : NULL;
        /* a group's subtree ends at its first part */
        for (size_t m = 0; m < p->merges && depth > 1; m++) {
            const float *right = stack[--depth], **left = &stack[depth - 1];
            float *sum = depth == 1 && p + 1 == first + parts ? out : strips + depth * STRIP;
            if (*left == NULL && right == strips + (depth + 1) * STRIP) {
                memcpy(sum, right, STRIP * sizeof *sum); /* the next sum there replaces it */
                *left = sum;
            } else if (*left == NULL)
                *left = right;
            else if (right != NULL) {
                add_pair(sum, *left, right);
                *left = sum;
            }
        }
    }
    if (stack[0] != NULL && stack[0] != out) memcpy(out, stack[0], STRIP * sizeof *out);
    return stack[0] != NULL;
}

static int fold_chunk(const part *first, size_t parts, float *out, float *strips, size_t chunk)
{
    int used = 1;
    for (size_t at = 0; used && at < T2I_CHUNK; at += STRIP)
        used = fold_strip(first, parts, out + at, strips, chunk, at);
    return used;
}

/* A subtree of another group uses a chunk if one of its parts does. No other rank of this group
 * reads these bytes for chunks of this rank's slice. */
static void find_used(const t2i_reduce *f, size_t chunk)
{
    for (const subtree *j = f->subtree; j < f->subtree + f->subtrees; j++)
        for (size_t i = 1; !is_near(f, j) && i < j->parts; i++)
            f->part[j->first].used[chunk] |= f->part[j->first + i].used[chunk];
}

static void fold_slice(void *context, int thread)
{
    const t2i_reduce *f = context;
    int w = f->rank * f->threads + thread, all = f->size * f->threads;
    size_t begin = t2i_comm_share(f->chunks, w, all), end = t2i_comm_share(f->chunks, w + 1, all);
    for (size_t c = begin; c < end; c++) {
        float *out = f->sum + (c - f->chunk_first[f->rank]) * T2I_CHUNK;
        find_used(f, c);
        int used = fold_chunk(f->term, f->terms, out, f->worker[thread].strips, c);
        if (!used) memset(out, 0, T2I_CHUNK * sizeof *out);
        f->squares[c] = used ? chunk_squares(out) : 0.0; /* while it is in the level-1 cache */
    }
}

/* ---- between groups ---- */

/* Is `to` in another group, and `rank` the one of its group that serves it? This distributes the
 * messages between groups over their ranks. */
static int serves(const t2i_reduce *f, int rank, int to)
{
    return f->group[rank] != f->group[to] && f->turn[rank] == f->turn[to] % f->group_size[rank];
}

/* On each thread: adds up the group's subtrees for the slices of the ranks that this one serves. A
 * sum replaces its first part, which no rank of the group reads there. */
static void fold_subtrees(void *context, int thread)
{
    const t2i_reduce *f = context;
    size_t turn = 0;
    for (int to = 0; to < f->size; to++) {
        if (!serves(f, f->rank, to)) continue;
        for (size_t c = f->chunk_first[to]; c < f->chunk_first[to + 1]; c++) {
            if (turn++ % (size_t)f->threads != (size_t)thread) continue;
            for (const subtree *j = f->subtree; j < f->subtree + f->subtrees; j++) {
                const part *p = &f->part[j->first];
                if (p->sum != NULL && j->parts > 1)
                    fold_chunk(p, j->parts, p->sum + c * T2I_CHUNK, f->worker[thread].strips, c);
            }
        }
    }
}

static void receive_subtrees(const t2i_reduce *f, t2i_comm *comm)
{
    size_t chunk = T2I_CHUNK * sizeof(float), slice = floats_of_slice(f) / T2I_CHUNK;
    for (const part *t = f->term; t < f->term + f->terms; t++)
        for (int from = 0; from < f->size; from++)
            if (f->group[from] == f->group[t->rank] && serves(f, from, f->rank))
                t2i_comm_receive(comm, from, t->sum, chunk, slice);
}

static void send_subtrees(const t2i_reduce *f, t2i_comm *comm)
{
    for (int step = 1; step < f->size; step++) { /* each rank begins with a different one */
        int to = (f->rank + step) % f->size;
        size_t first = f->chunk_first[to], count = f->chunk_first[to + 1] - first;
        if (!serves(f, f->rank, to)) continue;
        for (const subtree *j = f->subtree; j < f->subtree + f->subtrees; j++)
            if (is_near(f, j))
                t2i_comm_send(comm, to, f->part[j->first].sum + first * T2I_CHUNK,
                              T2I_CHUNK * sizeof(float), count);
    }
}

/* Every rank has filled its items first[rank] .. first[rank + 1] - 1 of `all`, in its group's
 * memory. Starts the messages that bring them to one rank of every other group. */
static void distribute(const t2i_reduce *f, t2i_comm *comm, void *all, size_t item_bytes,
                       const size_t *first)
{
    int me = f->rank;
    char *bytes = all;
    for (int r = 0; r < f->size; r++) {
        if (serves(f, r, me))
            t2i_comm_send(comm, r, bytes + first[me] * item_bytes, item_bytes,
                          first[me + 1] - first[me]);
        if (serves(f, me, r))
            t2i_comm_receive(comm, r, bytes + first[r] * item_bytes, item_bytes,
                             first[r + 1] - first[r]);
    }
}

static void group_barrier(const t2i_reduce *f, t2i_comm *comm)
{
    if (f->group_size[f->rank] > 1) t2i_comm_node_barrier(comm);
}

/* Waits for the messages, then for the ranks of the group. */
static void finish_exchange(const t2i_reduce *f, t2i_comm *comm)
{
    t2i_comm_wait(comm);
    group_barrier(f, comm);
}

/* Starts the messages that bring this rank its slice of the other groups' subtrees. */
static void exchange_subtrees(t2i_reduce *f, t2i_comm *comm)
{
    if (f->group_size[f->rank] == f->size) return;
    receive_subtrees(f, comm);
    group_barrier(f, comm); /* all parts are complete */
    t2i_thread_pool_run(f->pool, fold_subtrees, f);
    send_subtrees(f, comm);
}

/* ---- a step ---- */

static t2i_step_status *status_of(const t2i_reduce *f, int rank)
{
    return (t2i_step_status *)(void *)(f->records + LINE * f->record_first[rank]);
}

/* The lowest rank whose weights differ from the majority's; a group has one copy of them. */
static int64_t find_culprit(const t2i_reduce *f)
{
    int64_t odd = T2I_NOBODY;
    int majority = 0;
    for (int r = 0; r < f->size; r++) {
        int alike = 0, copies = 0;
        if (f->group[r] != r) continue;
        for (int other = 0; other < f->size; other++) {
            if (f->group[other] != other) continue;
            copies++;
            alike += status_of(f, other)->replica == status_of(f, r)->replica;
        }
        if (2 * alike > copies)
            majority = 1;
        else if (odd == T2I_NOBODY)
            odd = r;
    }
    return odd == T2I_NOBODY || majority ? odd : T2I_UNKNOWN;
}

static void check_audit(const t2i_reduce *f, int rank, t2i_step_status *step_status)
{
    const t2i_step_status *theirs = status_of(f, rank);
    if (theirs->shard == 0 || theirs->shard == status_of(f, (int)theirs->by)->again) return;
    step_status->disputed = rank;
    step_status->by = theirs->by;
    step_status->shard = theirs->shard;
    step_status->again = status_of(f, (int)theirs->by)->again;
}

/* Combines the records, in the same way on all ranks. */
static void add_records(const t2i_reduce *f, t2i_leaf *total, t2i_step_status *step_status)
{
    t2i_leaf stack[NODES];
    size_t depth = 0;
    for (size_t s = 0; s < f->parts; s++) {
        stack[depth++] = *f->part[s].leaf;
        for (size_t m = 0; m < f->part[s].merges; m++, depth--)
            add_leaf(&stack[depth - 2], &stack[depth - 1]);
    }
    *total = stack[0];
    *step_status = (t2i_step_status){.culprit = find_culprit(f), .disputed = T2I_NOBODY};
    for (int r = f->size - 1; r >= 0; r--) {
        check_audit(f, r, step_status);
        step_status->stop += status_of(f, r)->stop;
        step_status->late += status_of(f, r)->late;
        step_status->saved += status_of(f, r)->saved;
        step_status->damaged += status_of(f, r)->damaged;
        if (status_of(f, r)->damaged) step_status->culprit = r;
    }
}

void t2i_reduce_exchange(t2i_reduce *f, t2i_comm *comm, t2i_leaf *total,
                         t2i_step_status *step_status, double *squares)
{
    for (int t = 0; t < f->threads; t++) {
        worker *w = &f->worker[t];
        T2I_ASSERT(w->next == w->end && w->added == 0);
        w->next = w->first;
        w->depth_before = 0;
    }
    *status_of(f, f->rank) = *step_status;
    distribute(f, comm, f->records, LINE, f->record_first);
    exchange_subtrees(f, comm);
    finish_exchange(f, comm);
    add_records(f, total, step_status);
    t2i_thread_pool_run(f->pool, fold_slice, f);
    distribute(f, comm, f->squares, sizeof *f->squares, f->chunk_first);
    finish_exchange(f, comm);
    *squares = 0.0;
    for (size_t c = 0; c < f->chunks; c++) *squares += f->squares[c];
}

const float *t2i_reduce_slice(const t2i_reduce *f)
{
    return f->sum;
}

float *t2i_reduce_weights(t2i_reduce *f)
{
    return f->weights;
}

int t2i_reduce_first(const t2i_reduce *f)
{
    return f->group[f->rank] == f->rank;
}

int t2i_reduce_compares(const t2i_reduce *f)
{
    return t2i_reduce_first(f) && f->group_size[f->rank] < f->size;
}

static void change_slice(void *context, int thread)
{
    const t2i_reduce *f = context;
    int w = f->rank * f->threads + thread, all = f->size * f->threads;
    size_t begin = t2i_comm_share(f->chunks, w, all), end = t2i_comm_share(f->chunks, w + 1, all);
    for (size_t c = begin; c < end; c++) {
        size_t in_slice = c - f->chunk_first[f->rank];
        f->update(f->context, in_slice, f->weights + c * T2I_CHUNK, f->sum + in_slice * T2I_CHUNK);
    }
}

void t2i_reduce_update(t2i_reduce *f, t2i_comm *comm, t2i_reduce_change *update, void *context)
{
    f->update = update;
    f->context = context;
    t2i_thread_pool_run(f->pool, change_slice, f);
    distribute(f, comm, f->weights, T2I_CHUNK * sizeof *f->weights, f->chunk_first);
    finish_exchange(f, comm);
}
