/* train_options.h - what a training run is asked to do: the keys of t2i-train. */
#ifndef T2I_TRAIN_OPTIONS_H
#define T2I_TRAIN_OPTIONS_H

#include "base/error.h"
#include "base/opts.h"
#include "base/text.h"
#include "train/sampler.h"

enum { T2I_TRAIN_OPTIONS = 49 };

typedef enum { T2I_SCHEDULE_CONSTANT, T2I_SCHEDULE_COSINE } t2i_schedule_kind;
typedef enum { T2I_LOSS_MSE, T2I_LOSS_CONTRASTIVE } t2i_loss_kind;
typedef enum { T2I_RESUME_AUTO, T2I_RESUME_NEVER, T2I_RESUME_NAMED } t2i_resume_kind;

typedef struct {
    char *data, *out, *init;
    struct { /* options that are words, as given; parsing reads them into the fields below */
        char *resume, *schedule, *loss, *sampler, *trie, *tensorboard;
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
    double contrastive_weight, temperature, augment, ema, watchdog, skip_spikes;
    long negatives, min_count, verify_every, audit_every;
    long d_model, heads, layers, d_ff, block_size;
    long validate_every, sample_every, log_every, checkpoint_every, keep;
    int dry_run;
    t2i_opts opts; /* the table and what parsing found */
    t2i_opt opt[T2I_TRAIN_OPTIONS];
} t2i_train_options;

/* Fills the table, parses, and checks what a table cannot say (keys that need one another).
 * T2I_USAGE, T2I_NOINPUT. t2i_train_options_free is legal afterwards in every case. */
T2I_CHECKED t2i_status t2i_train_options_parse(t2i_train_options *options, int argc, char **argv,
                                               t2i_error *err);
/* The same for t2i-doctor, which looks at options that may be incomplete, or at none: nothing must
 * be given, and there is --json. */
T2I_CHECKED t2i_status t2i_train_options_parse_exam(t2i_train_options *options, int *json, int argc,
                                                    char **argv, t2i_error *err);
void t2i_train_options_free(t2i_train_options *options);

/* Did the job file or the command line give this key? */
int t2i_train_options_gave(const t2i_train_options *options, const char *key);

/* The options that change a run's result, as a JSON object of texts (newly allocated): what a
 * checkpoint remembers, and what a resumed run must not change. `steps` is among them only where
 * the schedule depends on it. sampler: how the sampler is named there ("sharded", "uniform", or a
 * digest of the file's contents). */
T2I_CHECKED t2i_status t2i_train_options_result_options(const t2i_train_options *options,
                                                        const char *sampler, char **out,
                                                        t2i_error *err);

/* Compares two such objects: T2I_USAGE with the first key that differs named; where says whose the
 * old one is. */
T2I_CHECKED t2i_status t2i_train_options_same_result(const char *old_options,
                                                     const char *new_options, const char *where,
                                                     t2i_error *err);

#endif
