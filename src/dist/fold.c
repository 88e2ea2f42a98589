#include "t2i/fold.h"

#include <string.h>

#include "t2i/block.h"
#include "t2i/cpu.h"
#include "t2i/mem.h"

/* A published subtree: `size` shards from `first` on. */
typedef struct {
    size_t first, size;
} node;

enum { NODES = 64 }; /* more than 2 log2 V for any V */

/* What every rank tells all others at each step. */
typedef struct {
    t2i_leaf leaf[NODES];
    t2i_votes votes;
} notice;

struct t2i_fold {
    int rank, size;
    size_t shards, chunks;
    size_t first, end, next; /* this rank's shards; the next one to be added */
    node stack[NODES];       /* complete subtrees so far */
    t2i_leaf leaf[NODES];
    float *buffer[NODES]; /* owned blocks: buffer[i] belongs to stack[i] */
    size_t depth, buffers;
    float *others;   /* owned: this rank's slice of every rank's subtrees */
    size_t slice;    /* floats of this rank's slice */
    notice *notices; /* owned: one a rank */
    double *squares; /* owned: one a chunk */
};

size_t t2i_fold_first(size_t shards, int rank, int size)
{
    return t2i_share(shards, rank, size);
}

/* Adds a subtree to a stack and folds siblings; returns the new depth. fold_pair(context, i) makes
 * stack[i] the sum of stack[i] and stack[i + 1]. */
static size_t push(node *stack, size_t depth, node added, void (*fold_pair)(void *, size_t),
                   void *context)
{
    stack[depth++] = added;
    while (depth > 1 && stack[depth - 2].size == stack[depth - 1].size &&
           stack[depth - 2].first % (2 * stack[depth - 1].size) == 0) {
        depth--;
        fold_pair(context, depth - 1);
        stack[depth - 1].size *= 2;
    }
    return depth;
}

static void nothing(void *context, size_t i)
{
    (void)context;
    (void)i;
}

/* The subtrees that a rank publishes, and the deepest that its stack becomes on the way. */
static size_t subtrees(size_t shards, int rank, int size, node *stack, size_t *deepest)
{
    size_t depth = 0, most = 0;
    for (size_t v = t2i_fold_first(shards, rank, size); v < t2i_fold_first(shards, rank + 1, size);
         v++) {
        if (depth + 1 > most) most = depth + 1;
        depth = push(stack, depth, (node){v, 1}, nothing, NULL);
    }
    if (deepest != NULL) *deepest = most;
    return depth;
}

static size_t count_subtrees(size_t shards, int size)
{
    node stack[NODES];
    size_t count = 0;
    for (int r = 0; r < size; r++) count += subtrees(shards, r, size, stack, NULL);
    return count;
}

static size_t slice_of(size_t chunks, int rank, int size)
{
    return (t2i_share(chunks, rank + 1, size) - t2i_share(chunks, rank, size)) * T2I_CHUNK;
}

size_t t2i_fold_bytes(int rank, int size, size_t shards, size_t floats)
{
    node stack[NODES];
    size_t deepest, chunks = floats / T2I_CHUNK;
    subtrees(shards, rank, size, stack, &deepest);
    size_t others = size == 1 ? 0 : count_subtrees(shards, size) * slice_of(chunks, rank, size);
    return (deepest * floats + others) * sizeof(float) + (size_t)size * sizeof(notice) +
           chunks * sizeof(double);
}

t2i_status t2i_fold_new(t2i_fold **out, int rank, int size, size_t shards, size_t floats,
                        t2i_error *err)
{
    T2I_ASSERT(shards > 0 && (shards & (shards - 1)) == 0 && floats % T2I_CHUNK == 0);
    t2i_fold *f = *out = t2i_alloc(1, sizeof *f);
    if (f == NULL) return t2i_fail_memory(err, sizeof *f, "the gradient tree");
    *f = (t2i_fold){.rank = rank, .size = size, .shards = shards, .chunks = floats / T2I_CHUNK};
    f->first = f->next = t2i_fold_first(shards, rank, size);
    f->end = t2i_fold_first(shards, rank + 1, size);
    f->slice = slice_of(f->chunks, rank, size);
    node stack[NODES];
    subtrees(shards, rank, size, stack, &f->buffers);
    int missing = 0;
    for (size_t i = 0; i < f->buffers; i++)
        missing |= (f->buffer[i] = t2i_alloc(floats, sizeof(float))) == NULL;
    f->others = t2i_alloc(size == 1 ? 0 : count_subtrees(shards, size) * f->slice, sizeof(float));
    f->notices = t2i_alloc((size_t)size, sizeof *f->notices);
    f->squares = t2i_alloc(f->chunks, sizeof *f->squares);
    if (missing || f->others == NULL || f->notices == NULL || f->squares == NULL) {
        t2i_fold_free(f);
        *out = NULL;
        return t2i_fail_memory(err, t2i_fold_bytes(rank, size, shards, floats), "the gradients");
    }
    return T2I_OK;
}

void t2i_fold_free(t2i_fold *fold)
{
    if (fold == NULL) return;
    for (size_t i = 0; i < fold->buffers; i++) t2i_free(fold->buffer[i]);
    t2i_free(fold->others);
    t2i_free(fold->notices);
    t2i_free(fold->squares);
    t2i_free(fold);
}

T2I_STATIC_KERNEL(void, add_floats, (float *restrict sum, const float *restrict more, size_t count),
                  (sum, more, count))
{
    for (size_t i = 0; i < count; i++) sum[i] += more[i];
}

static void add_leaf(t2i_leaf *sum, const t2i_leaf *more)
{
    sum->loss += more->loss;
    sum->rows += more->rows;
    sum->tokens += more->tokens;
}

/* ---- this rank's shards ---- */

static void fold_shards(void *context, size_t i)
{
    t2i_fold *f = context;
    add_floats(f->buffer[i], f->buffer[i + 1], f->chunks * T2I_CHUNK);
    add_leaf(&f->leaf[i], &f->leaf[i + 1]);
}

float *t2i_fold_leaf(t2i_fold *fold)
{
    if (fold->next == fold->first) fold->depth = 0;
    T2I_ASSERT(fold->next < fold->end);
    return fold->buffer[fold->depth];
}

void t2i_fold_add(t2i_fold *fold, const t2i_leaf *leaf)
{
    fold->leaf[fold->depth] = *leaf;
    fold->depth = push(fold->stack, fold->depth, (node){fold->next++, 1}, fold_shards, fold);
}

/* ---- the rest of the tree, on this rank's slice ---- */

typedef struct {
    float *part[NODES]; /* of the subtrees on the stack */
    t2i_leaf leaf[NODES];
    size_t floats;
} upper;

static void fold_upper(void *context, size_t i)
{
    upper *u = context;
    add_floats(u->part[i], u->part[i + 1], u->floats);
    add_leaf(&u->leaf[i], &u->leaf[i + 1]);
}

/* Everyone's notices, and this rank's slice of everyone's subtrees into others, in the order of
 * ranks. */
static void trade(t2i_fold *f, t2i_comm *comm)
{
    node stack[NODES];
    size_t mine = t2i_share(f->chunks, f->rank, f->size) * T2I_CHUNK;
    float *into = f->others;
    for (int step = 1; step < f->size; step++) { /* each rank begins with another one */
        int to = (f->rank + step) % f->size;
        size_t first = t2i_share(f->chunks, to, f->size),
               count = t2i_share(f->chunks, to + 1, f->size) - first;
        for (size_t i = 0; i < f->depth; i++)
            t2i_comm_send(comm, to, f->buffer[i] + first * T2I_CHUNK, T2I_CHUNK * sizeof(float),
                          count);
    }
    for (int r = 0; r < f->size; r++) {
        size_t nodes = subtrees(f->shards, r, f->size, stack, NULL);
        for (size_t i = 0; i < nodes; i++, into += f->slice) {
            if (r == f->rank)
                memcpy(into, f->buffer[i] + mine, f->slice * sizeof *into);
            else
                t2i_comm_receive(comm, r, into, T2I_CHUNK * sizeof(float), f->slice / T2I_CHUNK);
        }
    }
    t2i_comm_wait(comm);
    t2i_comm_share_all(comm, f->notices, sizeof *f->notices, (size_t)f->size);
}

float *t2i_fold_exchange(t2i_fold *f, t2i_comm *comm, t2i_leaf *total, t2i_votes *votes)
{
    T2I_ASSERT(f->next == f->end);
    f->next = f->first;
    notice *own = &f->notices[f->rank];
    memcpy(own->leaf, f->leaf, sizeof own->leaf);
    own->votes = *votes;
    if (f->size == 1) {
        *total = f->leaf[0];
        return f->buffer[0];
    }
    trade(f, comm);
    upper u = {.floats = f->slice};
    node stack[NODES], theirs[NODES];
    size_t depth = 0;
    float *part = f->others;
    *votes = (t2i_votes){0};
    for (int r = 0; r < f->size; r++) {
        const notice *n = &f->notices[r];
        size_t nodes = subtrees(f->shards, r, f->size, theirs, NULL);
        for (size_t i = 0; i < nodes; i++, part += f->slice) {
            u.part[depth] = part;
            u.leaf[depth] = n->leaf[i];
            depth = push(stack, depth, theirs[i], fold_upper, &u);
        }
        votes->stop += n->votes.stop;
        votes->late += n->votes.late;
    }
    T2I_ASSERT(depth == 1);
    *total = u.leaf[0];
    return u.part[0];
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

double t2i_fold_sum_squares(t2i_fold *f, t2i_comm *comm, const float *slice)
{
    size_t first = t2i_share(f->chunks, f->rank, f->size);
    for (size_t i = 0; i < f->slice / T2I_CHUNK; i++)
        f->squares[first + i] = chunk_squares(slice + i * T2I_CHUNK);
    t2i_comm_share_all(comm, f->squares, sizeof *f->squares, f->chunks);
    double sum = 0.0;
    for (size_t i = 0; i < f->chunks; i++) sum += f->squares[i];
    return sum;
}
