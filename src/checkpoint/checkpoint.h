/* checkpoint.h - model and checkpoint files (safetensors, or the tutorial's .pt).
 *
 * A checkpoint is the model's tensors, then AdamW's moments "adamw.m.NAME" and "adamw.v.NAME"; a
 * model file lacks the moments. Nothing in it depends on the number of ranks, the host, a path, the
 * time or how often a run was resumed.
 * `__metadata__` holds t2i.format, t2i.config, t2i.vocab, t2i.run, t2i.xxh3 (tensor -> digest) and
 * t2i.meta_xxh3, the XXH3-128 of the header's bytes (without the length before them) with these 32
 * digits as '0'. Nothing here is collective: rank 0 reads and writes, others get bytes.
 * Files from elsewhere have t2i.config and t2i.vocab only, or are files of torch.save in the
 * tutorial's layout (tutorial_model.h).
 */
#ifndef T2I_CHECKPOINT_H
#define T2I_CHECKPOINT_H

#include <stddef.h>
#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/loss_spike.h"
#include "formats/tensors.h"
#include "model/transformer.h"
#include "model/vocab.h"

/* What a run remembers. */
typedef struct {
    long step;             /* steps taken, skipped ones included */
    long updates;          /* AdamW updates applied: bias correction counts these */
    long skipped;          /* steps whose loss or gradient was not finite, or whose loss a spike */
    t2i_loss_spike usual;  /* the loss so far, in a run that skips spikes; 0 steps: it does not */
    long shards;           /* V */
    double best;           /* lowest validation loss so far; negative: none yet */
    double best_mrr;       /* highest MRR of a validation so far, in a run whose best model it
                              chooses; 0: none yet */
    char dataset[T2I_HEX]; /* the dataset's digest */
    char *options; /* owned: JSON object of the options that change the result; NULL in foreign
                      files */
} t2i_run_state;

typedef struct {
    t2i_model model;
    t2i_vocab vocab;
    float *weights; /* owned blocks of model.layout */
    float *m, *v;   /* moments; NULL when the file has none or they were not wanted */
    float *ema;     /* averaged weights; the same */
    int ours;     /* has t2i.run and digests (verified); else a file from elsewhere, not verified */
    int has_head; /* 0: a file without head.*: those weights are zero and want fresh values */
    t2i_run_state run;  /* zero when not ours */
    size_t unused;      /* entries of the file that a model does not have */
    char *unused_names; /* owned: the first of them, for a note; NULL when there are none */
} t2i_checkpoint;

/* What a file of named tensors is. */
typedef enum {
    T2I_FILE_MODEL,       /* safetensors with a configuration: a model or checkpoint */
    T2I_FILE_TUTORIAL,    /* the tutorial's layout */
    T2I_FILE_SAFETENSORS, /* just tensors */
    T2I_FILE_TORCH
} t2i_file_kind;
t2i_file_kind t2i_checkpoint_kind(const t2i_tensors *file);

/* "adamw.m." and the like, which stand before the name of a tensor of the model; NULL at the end.
 */
const char *t2i_checkpoint_prefix(size_t index);

/* Reads and checks everything: header digest, shapes, every tensor's digest, finite numbers;
 * moments that are not wanted are left alone. A file without moments leaves m and v NULL, wanted or
 * not. features: width of the head for a file that has none (0: then such a file is an error;
 * T2I_ITS_OWN: what its configuration says). T2I_NOINPUT, T2I_DATA. Empty on failure. */
#define T2I_ITS_OWN SIZE_MAX
T2I_CHECKED t2i_status t2i_checkpoint_load(t2i_checkpoint *out, const char *path, int moments,
                                           size_t features, t2i_error *err);
void t2i_checkpoint_free(t2i_checkpoint *checkpoint);
/* Tensors of the model that it has, all or all but the head's, and the numbers in them. */
size_t t2i_checkpoint_tensors(const t2i_checkpoint *checkpoint, size_t *numbers);
/* Notes for the user: a file that is not verified, entries that are not used. */
void t2i_checkpoint_log(const t2i_checkpoint *checkpoint, const char *path);

/* Writes safetensors, whole or not at all (fs.h). With moments when checkpoint->m is not NULL, with
 * a head when it has one. */
T2I_CHECKED t2i_status t2i_checkpoint_save(const t2i_checkpoint *checkpoint, const char *path,
                                           t2i_error *err);

#endif
