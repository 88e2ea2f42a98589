/* train_flips.c - t2i-train, in whose memory a bit flips: for tests/fault/flip.sh.
 *
 * T2I_FLIP=RANK:STEP:WHAT. At that step of that rank, before its slice is updated: "weights" or
 * "moment" of the slice; or, after the update, "replica": a weight of another rank's slice. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t2i/fold.h"

static void update_and_flip(t2i_fold *fold, t2i_comm *comm, float *weights, t2i_fold_change *update,
                            void *context);
#define t2i_fold_update update_and_flip
#include "../../src/app/step.c"
#undef t2i_fold_update

static void flip(float *x)
{
    uint32_t bits;
    memcpy(&bits, x, sizeof bits);
    bits ^= 1u << 12;
    memcpy(x, &bits, sizeof bits);
}

static void update_and_flip(t2i_fold *fold, t2i_comm *comm, float *weights, t2i_fold_change *update,
                            void *context)
{
    t2i_step *s = context;
    const char *wish = getenv("T2I_FLIP");
    int rank = -1;
    long step = -1;
    char what[16] = "";
    if (wish != NULL && sscanf(wish, "%d:%ld:%15s", &rank, &step, what) != 3) abort();
    int now = rank == t2i_comm_rank(comm) && step == s->number;
    size_t slice = s->first_chunk * T2I_CHUNK;
    if (now && strcmp(what, "weights") == 0) flip(weights + slice + 5);
    if (now && strcmp(what, "moment") == 0) flip(s->m + 7);
    t2i_fold_update(fold, comm, weights, update, context);
    if (now && strcmp(what, "replica") == 0)
        flip(weights + (slice + s->slice_floats) % (s->chunks * T2I_CHUNK) + 3);
}

#include "../../src/tools/t2i-train.c"
