/* audit.h - audits: which shard another rank recomputes, which rank does so, and the data that it
 * is sent for that.
 *
 * A core that computes wrong results is not detected by checksums of memory, because all ranks
 * agree on the wrong numbers. A shard is a pure function of weights, rows and step, so any other
 * rank must compute the same bits. Nothing here is collective; step.h exchanges and compares.
 */
#ifndef T2I_AUDIT_H
#define T2I_AUDIT_H

#include <stddef.h>
#include <stdint.h>
#include "train/contrastive_loss.h"
#include "base/error.h"
#include "model/transformer.h"

/* An audit as seen by one rank. Ranks without shards take no part. */
typedef struct {
    int takes_part;
    size_t own; /* the shard of this rank that rank `by` recomputes */
    int by;
    size_t other; /* the shard of rank `of` that this rank recomputes; of a single rank, its own */
    int of;
} t2i_audit_turn;

/* The k-th audit (from 0). Ranks rotate first, then shards: after (ranks - 1) x (shards per rank)
 * audits each rank has recomputed each shard of every other rank. */
t2i_audit_turn t2i_audit_plan(size_t shards, uint64_t k, int rank, int size);
/* A rank with shards other than `one` and `two`; -1 if there is none. */
int t2i_audit_third(size_t shards, int size, int one, int two);

/* The batch of a shard as a message to another rank: all inputs of its loss except the weights.
 * All messages have the maximum size, so no size is sent. */
typedef struct {
    size_t rows, ids, dim, rights; /* maxima: rows, ids per row, features, matching pictures per row
                                      (0: no contrastive loss) */
    char *bytes;                   /* owned: the message */
    size_t size;
    /* views of bytes */
    size_t *count, *length, *index; /* number of rows; ids of each row; 0, 1, 2, ... */
    float *target;                  /* (rows, dim) */
    t2i_rights right;
    uint16_t *id;
    t2i_row *row; /* owned: rows; set by t2i_audit_batch_open after bytes were received */
} t2i_audit_batch;

/* Allocates a batch whose first four members are set. T2I_SYSTEM: out of memory. */
T2I_CHECKED t2i_status t2i_audit_batch_new(t2i_audit_batch *batch, t2i_error *err);
void t2i_audit_batch_free(t2i_audit_batch *batch);
/* Packs `count` rows with their targets. rights (NULL: none) holds the matching pictures of rows
 * index[0], index[1], ... */
void t2i_audit_batch_pack(t2i_audit_batch *batch, const t2i_row *row, size_t count,
                          const float *target, const t2i_rights *rights, const size_t *index);
void t2i_audit_batch_open(t2i_audit_batch *batch);

/* Hash of a shard's loss and of floats from .. to - 1 of its gradient (used: one byte per chunk of
 * T2I_CHUNK floats, see reduce.h), and of `before`: the hash of its sections before, or 0. Never 0.
 */
uint64_t t2i_audit_hash(uint64_t before, double loss, const float *gradient, const uint8_t *used,
                        size_t from, size_t to);

#endif
