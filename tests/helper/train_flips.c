/* train_flips.c - t2i-train with a bit flip in memory, for tests/fault/flip.sh.
 *
 * T2I_FLIP=RANK:STEP:WHAT flips a bit on that rank at that step. WHAT is
 *   weights, moment   a weight or moment of the rank's slice, before its update;
 *   replica           a weight of another rank's slice, after the update;
 *   own               the gradients of the rank's own shards;
 *   query             the gradient of the query of the rank's own shards (embed-dim);
 *   picture, ngram    the gradients of picture.weight, of ngram.head.weight of its own shards;
 *   other             the gradient that it recomputes for another rank;
 *   core              all gradients that it computes.
 *
 * step.c is included instead of linked, because the flipped fields are private to it; a hook in
 * step.c would be code that only this test calls. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/reduce.h"
#include "model/transformer.h"

static void backward_and_flip(const t2i_packed_weights *packed, t2i_work *work, size_t pass,
                              size_t section, const t2i_outputs *doutputs, float *gradient,
                              uint8_t *used);
static void update_and_flip(t2i_reduce *reduce, t2i_comm *comm, t2i_reduce_change *update,
                            void *context);
#define t2i_reduce_update            update_and_flip
#define t2i_transformer_section_back backward_and_flip
#include "train/step.c"
#undef t2i_reduce_update
#undef t2i_transformer_section_back

static void flip(float *x)
{
    uint32_t bits;
    memcpy(&bits, x, sizeof bits);
    bits ^= 1u << 12;
    memcpy(x, &bits, sizeof bits);
}

/* What is wished for this step of this rank; "" nothing. */
static void wish_for(const t2i_step *s, char what[16])
{
    const char *wish = getenv("T2I_FLIP");
    int rank = -1;
    long step = -1;
    if (wish != NULL && sscanf(wish, "%d:%ld:%15s", &rank, &step, what) != 3) abort();
    if (rank != t2i_comm_rank_before_start() || step != s->number) what[0] = '\0';
}

static void backward_and_flip(const t2i_packed_weights *packed, t2i_work *work, size_t pass,
                              size_t section, const t2i_outputs *doutputs, float *gradient,
                              uint8_t *used)
{
    const t2i_step *s =
        (const t2i_step *)(const void *)((const char *)packed - offsetof(t2i_step, packed));
    char what[16] = "";
    wish_for(s, what);
    int again = s->turn.takes_part && work == s->worker[s->auditor].work && s->again == 0;
    if (section == 0 && strcmp(what, "query") == 0 && !again) flip(doutputs->query);
    t2i_transformer_section_back(packed, work, pass, section, doutputs, gradient, used);
    if (section + 1 < t2i_model_sections(&packed->model->config)) return;
    if (strcmp(what, "core") == 0 || strcmp(what, again ? "other" : "own") == 0) flip(gradient + 5);
    if (strcmp(what, "picture") == 0 && !again) flip(gradient + packed->model->picture_weight + 5);
    if (strcmp(what, "ngram") == 0 && !again) flip(gradient + packed->model->ngram_head_weight + 5);
}

static void update_and_flip(t2i_reduce *reduce, t2i_comm *comm, t2i_reduce_change *update,
                            void *context)
{
    t2i_step *s = context;
    float *weights = t2i_reduce_weights(reduce);
    char what[16] = "";
    wish_for(s, what);
    size_t slice = s->first_chunk * T2I_CHUNK;
    if (strcmp(what, "weights") == 0) flip(weights + slice + 5);
    if (strcmp(what, "moment") == 0) flip(s->m + 7);
    t2i_reduce_update(reduce, comm, update, context);
    if (strcmp(what, "replica") == 0)
        flip(weights + (slice + s->slice_floats) % (s->chunks * T2I_CHUNK) + 3);
}

#include "tools/t2i-train.c"
