/* checkpoint.h - model and checkpoint files (safetensors, or the tutorial's .pt).
 *
 * A checkpoint contains the model's tensors, followed by AdamW's moments "adamw.m.NAME" and
 * "adamw.v.NAME"; a model file has no moments. The contents do not depend on the number of ranks,
 * the host, paths, the time or the number of times that a run was resumed.
 *
 * `__metadata__` holds t2i.format, t2i.config, t2i.vocab, t2i.run, t2i.xxh3 (the checksum of each
 * tensor, by name) and t2i.meta_xxh3: the XXH3-128 of the header's bytes (without the length before
 * them), computed with these 32 digits set to '0'. Files of other programs have t2i.config and
 * t2i.vocab only, or are files of torch.save in the tutorial's layout (tutorial_model.h).
 *
 * No function of this module is collective: rank 0 reads and writes, and sends the bytes to the
 * other ranks.
 */
#ifndef T2I_CHECKPOINT_H
#define T2I_CHECKPOINT_H

#include <stddef.h>
#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/loss_spike.h"
#include "formats/json.h"
#include "formats/tensors.h"
#include "model/transformer.h"
#include "model/vocab.h"

/* State of a run, beside its weights and moments. */
typedef struct {
    long step;             /* steps taken, skipped ones included */
    long updates;          /* AdamW updates applied: the count of its bias correction */
    long skipped;          /* steps whose loss or gradient was not finite, or with a loss spike */
    t2i_loss_spike usual;  /* statistics of the loss if the run skips spikes; else 0 steps */
    long shards;           /* V */
    double best;           /* lowest validation loss so far; negative: none yet */
    double best_mrr;       /* highest validation MRR so far, if the run selects its best model by
                              MRR; 0: none yet */
    long waited;           /* validations since the best one, counted by a run with patience */
    double index_weight;   /* of a model file: weight of the text index in a search
                              (hybrid_search.h); 0: none */
    char dataset[T2I_HEX]; /* the dataset's digest */
    char *options; /* owned: JSON object of the options that change the result; NULL for files of
                      other programs */
} t2i_run_state;

typedef struct {
    t2i_model model;
    t2i_vocab vocab;
    float *weights; /* owned blocks of model.layout */
    float *m, *v;   /* moments; NULL if the file has none or they were not requested */
    float *ema;     /* averaged weights; NULL likewise */
    int ours; /* 1: has t2i.run and checksums, which were verified; 0: file of another program */
    int has_head; /* 0: a file without head.*: those weights are zero and must be initialised */
    t2i_run_state run;  /* zero if not ours */
    size_t unused;      /* number of entries of the file that the model does not use */
    char *unused_names; /* owned: names of the first of them, for a note; NULL if there are none */
} t2i_checkpoint;

/* What a file of named tensors is. */
typedef enum {
    T2I_FILE_MODEL,       /* safetensors with a configuration: a model or checkpoint */
    T2I_FILE_TUTORIAL,    /* the tutorial's layout */
    T2I_FILE_SAFETENSORS, /* safetensors without a configuration */
    T2I_FILE_TORCH        /* another file of torch.save */
} t2i_file_kind;
t2i_file_kind t2i_checkpoint_kind(const t2i_tensors *file);

/* Prefixes of tensor names in a checkpoint: "adamw.m." and others; NULL after the last one. */
const char *t2i_checkpoint_prefix(size_t index);

/* Reads a file and verifies the checksums of the header and of every tensor, the shapes, and that
 * all values are finite. moments: 0: moments are neither read nor verified; otherwise they are read
 * if the file has any. features: width of the head for a file without one (0: such a file is
 * T2I_DATA; T2I_ITS_OWN: the width that its configuration has). T2I_NOINPUT, T2I_DATA. *out is
 * empty on failure. */
#define T2I_ITS_OWN SIZE_MAX
T2I_CHECKED t2i_status t2i_checkpoint_load(t2i_checkpoint *out, const char *path, int moments,
                                           size_t features, t2i_error *err);
void t2i_checkpoint_free(t2i_checkpoint *checkpoint);
/* Returns the number of the model's tensors in the file (without those of an absent head);
 * *numbers: the parameters in them. */
size_t t2i_checkpoint_tensors(const t2i_checkpoint *checkpoint, size_t *numbers);
/* Logs notes for the user: a file without checksums, entries that are not used. */
void t2i_checkpoint_log(const t2i_checkpoint *checkpoint, const char *path);

/* The XXH3-128 of all values in the order of a file: model, moments, averages, as far as they are
 * there. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_checkpoint_digest(const t2i_checkpoint *checkpoint, char out[T2I_HEX],
                                             t2i_error *err);

/* The XXH3-128 of configuration and vocabulary, which the values do not tell: heads, say. */
T2I_CHECKED t2i_status t2i_checkpoint_network(const t2i_checkpoint *checkpoint, char out[T2I_HEX],
                                              t2i_error *err);

/* The sizes of a configuration as a JSON object, without further ones that are 0. Owned by the
 * caller. */
t2i_json *t2i_checkpoint_config_json(const t2i_config *config);
/* The vocabulary as a JSON array of strings, likewise. */
t2i_json *t2i_checkpoint_vocab_json(const t2i_vocab *vocab);

/* Writes a safetensors file atomically (fs.h): with moments if checkpoint->m is not NULL, with a
 * head if it has one. */
T2I_CHECKED t2i_status t2i_checkpoint_save(const t2i_checkpoint *checkpoint, const char *path,
                                           t2i_error *err);

#endif
