/* audit.h - shards that another rank computes again: which, by whom, and what it is sent for that.
 *
 * Why: a core that computes wrongly, once or always, leaves all memory in order: sums and replicas
 * agree on the wrong numbers. A shard is a pure function of weights, rows and step, so any other
 * rank must come to the same bits. Nothing here is collective; step.h does the rest.
 */
#ifndef T2I_AUDIT_H
#define T2I_AUDIT_H

#include <stddef.h>
#include <stdint.h>
#include "train/contrastive_loss.h"
#include "base/error.h"
#include "model/transformer.h"

/* An audit as one rank sees it. Ranks that are too many for the shards take no part. */
typedef struct {
    int takes_part;
    size_t own; /* its shard that rank `by` computes again */
    int by;
    size_t other; /* the shard of rank `of` that it computes again; alone: its own */
    int of;
} t2i_audit_turn;

/* The k-th audit (from 0). Ranks take turns, and then their shards: after (ranks - 1) x (shards of
 * a rank) audits each rank has computed each shard of every other. */
t2i_audit_turn t2i_audit_plan(size_t shards, uint64_t k, int rank, int size);
/* A rank with shards that is neither of two, -1 when there is none. */
int t2i_audit_third(size_t shards, int size, int one, int two);

/* A batch of a shard on its way to another rank: all that its loss depends on beside the weights.
 * It is as long as the largest may be, so that no size need be told. */
typedef struct {
    size_t rows, ids, dim, rights; /* at most: rows, ids of a row, features, right pictures of a row
                                      (0: without a contrastive part) */
    char *bytes;                   /* owned: what is sent */
    size_t size;
    /* views of it */
    size_t *count, *length, *index; /* rows; ids of each row; 0, 1, 2, ... */
    float *target;                  /* (rows, dim) */
    t2i_rights right;
    uint16_t *id;
    t2i_row *row; /* owned: rows; whoever got the bytes calls t2i_audit_batch_open for them */
} t2i_audit_batch;

/* Fills a batch whose first four numbers are set. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_audit_batch_new(t2i_audit_batch *batch, t2i_error *err);
void t2i_audit_batch_free(t2i_audit_batch *batch);
/* `count` rows with targets; rights (NULL: none) has those of rows index[0], index[1], ... */
void t2i_audit_batch_pack(t2i_audit_batch *batch, const t2i_row *row, size_t count,
                          const float *target, const t2i_rights *rights, const size_t *index);
void t2i_audit_batch_open(t2i_audit_batch *batch);

/* Of a shard's loss and gradient (chunks of T2I_CHUNK floats; used: a byte each, see reduce.h):
 * never 0. */
uint64_t t2i_audit_hash(double loss, const float *gradient, const uint8_t *used, size_t chunks);

#endif
