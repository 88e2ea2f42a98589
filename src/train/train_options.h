/* train_options.h - the options of t2i-train. */
#ifndef T2I_TRAIN_OPTIONS_H
#define T2I_TRAIN_OPTIONS_H

#include "base/error.h"
#include "base/opts.h"
#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "train/sampler.h"

enum { T2I_TRAIN_OPTIONS = 54, T2I_NGRAM_HIDDEN = 512 /* default of ngram-hidden */ };

typedef enum { T2I_SCHEDULE_CONSTANT, T2I_SCHEDULE_COSINE } t2i_schedule_kind;
typedef enum { T2I_LOSS_MSE, T2I_LOSS_CONTRASTIVE } t2i_loss_kind;
typedef enum { T2I_RESUME_AUTO, T2I_RESUME_NEVER, T2I_RESUME_NAMED } t2i_resume_kind;

typedef struct {
    char *data, *out, *init;
    struct { /* word options as given; parsing converts them to the members below */
        char *resume, *schedule, *loss, *negatives, *sampler, *trie, *tensorboard;
    } word;
    t2i_resume_kind resume;
    t2i_schedule_kind schedule;
    t2i_loss_kind loss;
    t2i_sampler_kind sampler;
    int trie, tensorboard;
    const char *resume_path;  /* T2I_RESUME_NAMED: a checkpoint or a run folder */
    const char *sampler_path; /* T2I_SAMPLER_FILE: the file */
    long steps, batch, warmup, seed, shards, threads;
    double lr, min_lr, weight_decay, beta1, beta2, eps, clip, max_time;
    double contrastive_weight, temperature, augment, dropout, ema, watchdog, skip_spikes;
    long negatives; /* T2I_NEGATIVES_BATCH: those of the batch (contrastive_loss.h) */
    long min_count, verify_every, audit_every;
    long d_model, heads, layers, d_ff, block_size, ngram_buckets, ngram_hidden, embed_dim;
    long validate_every, patience, sample_every, log_every, checkpoint_every, keep;
    int dry_run;
    struct t2i_replay *replay; /* borrowed: the run is replayed (replay.h); NULL: trained */
    t2i_opts opts;             /* the table and what parsing found */
    t2i_opt opt[T2I_TRAIN_OPTIONS];
} t2i_train_options;

/* Fills the table, parses the command line and the job file, and checks combinations of options.
 * T2I_USAGE: invalid options; T2I_NOINPUT: no such job file. The caller calls
 * t2i_train_options_free in any case. */
T2I_CHECKED t2i_status t2i_train_options_parse(t2i_train_options *options, int argc, char **argv,
                                               t2i_error *err);
/* The same for t2i-doctor: no option is required, and --json is added. */
T2I_CHECKED t2i_status t2i_train_options_parse_exam(t2i_train_options *options, int *json, int argc,
                                                    char **argv, t2i_error *err);
/* Has a run in this state taken its last step, all of them or by patience? */
int t2i_train_options_ended(const t2i_train_options *options, const t2i_run_state *run);
void t2i_train_options_free(t2i_train_options *options);

/* Was this option given in the job file or on the command line? */
int t2i_train_options_gave(const t2i_train_options *options, const char *key);

/* The options that change the result of a run, as a newly allocated JSON object of strings. They
 * are stored in checkpoints, and a resumed run must not change them. `steps` is included only if
 * the schedule depends on it. sampler: the name of the sampler ("sharded", "uniform" or a digest of
 * the sampler file). */
T2I_CHECKED t2i_status t2i_train_options_result_options(const t2i_train_options *options,
                                                        const char *sampler, char **out,
                                                        t2i_error *err);

/* Compares two such objects. T2I_USAGE: they differ; the error names the options that differ, and
 * what would work. where: the file or folder of old_options; init: what a new run can take its
 * weights from, NULL: nothing. */
T2I_CHECKED t2i_status t2i_train_options_same_result(const char *old_options,
                                                     const char *new_options, const char *where,
                                                     const char *init, t2i_error *err);

/* Adds the effective options as a job file (t2i_opts_echo). The sizes are those of the model, which
 * may come from a file. resumed: init is *init, which counted at the first start (NULL: none). */
T2I_CHECKED t2i_status t2i_train_options_echo(const t2i_train_options *options,
                                              const t2i_config *config, int resumed, char *init,
                                              t2i_text *out, t2i_error *err);

#endif
