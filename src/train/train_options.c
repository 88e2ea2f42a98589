#include "train/train_options.h"

#include <float.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"
#include "train/contrastive_loss.h"
#include "formats/json.h"
#include "base/fs.h"
#include "base/mem.h"

static void fill_table(t2i_train_options *options)
{
    const t2i_opt rows[] = {
        {"data", T2I_OPT_TEXT, &options->data, .argument = "F.h5", .group = "Data and run folder",
         .help = "Dataset file, made by t2i-data."},
        {"out", T2I_OPT_TEXT, &options->out, .argument = "FOLDER",
         .help = "Run folder. It receives job.ini, log.jsonl, loss.png, report.html, samples, "
                 "checkpoints, model.safetensors and status.json."},
        {"init", T2I_OPT_TEXT, &options->init, .argument = "RUN|FILE",
         .help = "Model to take the initial weights from. A run folder, a checkpoint, a "
                 "safetensors model or the tutorial's .pt file. Weights, configuration and "
                 "vocabulary are taken from it; the step and AdamW's moments start at zero. An "
                 "output head that the file lacks is initialised at random."},
        {"resume", T2I_OPT_TEXT, &options->word.resume, "auto", .argument = "auto|never|RUN|FILE",
         .help = "Checkpoint to resume from. auto: the newest intact checkpoint in the run folder, "
                 "or a new run if there is none; never: always a new run; RUN: the newest "
                 "checkpoint of that run folder; FILE: that checkpoint."},
        {"dry-run", T2I_OPT_SWITCH, &options->dry_run,
         .help =
             "Check everything, print the plan, do not train. Three trial steps are computed in "
             "memory; memory use, sizes and expected time are reported; nothing is written."},

        {"steps", T2I_OPT_INT, &options->steps, "5000", 1, 1e12, .group = "Training",
         .help = "Total number of training steps."},
        {"batch", T2I_OPT_INT, &options->batch, "4", 1, 1 << 20,
         .help = "Batch size in rows, over all ranks."},
        {"lr", T2I_OPT_REAL, &options->lr, "1e-4", 0, 1e3, .help = "Peak learning rate."},
        {"schedule", T2I_OPT_CHOICE, &options->word.schedule, "constant",
         .choices = "constant|cosine",
         .help = "Learning rate schedule. It follows the warm-up; cosine decays to min-lr at the "
                 "last step."},
        {"warmup", T2I_OPT_INT, &options->warmup, "0", 0, 1e12,
         .help = "Steps of linear warm-up. The warm-up precedes either schedule."},
        {"min-lr", T2I_OPT_REAL, &options->min_lr, "0", 0, 1e3,
         .help = "Learning rate at the end of the cosine schedule.", .rare = 1},
        {"weight-decay", T2I_OPT_REAL, &options->weight_decay, "0.01", 0, 1e3,
         .help = "AdamW: decoupled weight decay of all tensors."},
        {"beta1", T2I_OPT_REAL, &options->beta1, "0.9", 0, 0.999999999,
         .help = "AdamW: decay rate of the first moment.", .rare = 1},
        {"beta2", T2I_OPT_REAL, &options->beta2, "0.999", 0, 0.999999999,
         .help = "AdamW: decay rate of the second moment.", .rare = 1},
        {"eps", T2I_OPT_REAL, &options->eps, "1e-8", 1e-30, 1,
         .help = "AdamW: constant added to the denominator.", .rare = 1},
        {"clip", T2I_OPT_REAL, &options->clip, "0", 0, 1e9,
         .help = "Gradient clipping: largest global norm; 0: off."},
        {"loss", T2I_OPT_CHOICE, &options->word.loss, "mse", .choices = "mse|contrastive",
         .help = "Loss function. contrastive: mse plus a cross-entropy over pictures."},
        {"contrastive-weight", T2I_OPT_REAL, &options->contrastive_weight, "0.2", 0, 1e6,
         .help = "contrastive: weight of the cross-entropy relative to the squared error.",
         .rare = 1},
        {"temperature", T2I_OPT_REAL, &options->temperature, "0.05", 1e-3, 1e3,
         .help = "contrastive: temperature, by which the cosine similarities are divided.",
         .rare = 1},
        {"negatives", T2I_OPT_TEXT, &options->word.negatives, "4096", .argument = "N|batch",
         .help = "contrastive: maximum number of pictures in the cross-entropy. If there are more "
                 "training pictures, each step draws a new sample. batch: the pictures of the "
                 "step's batch; a node then needs no features but those of its own rows.",
         .rare = 1},
        {"augment", T2I_OPT_REAL, &options->augment, "0", 0, 1,
         .help = "Fraction of the prompts that are augmented. An augmented prompt loses words, has "
                 "words swapped or a character changed.",
         .rare = 1},
        {"dropout", T2I_OPT_REAL, &options->dropout, "0", 0, 0.95,
         .help = "Dropout of attention weights, of what attention and feed-forward layers add, and "
                 "of n-gram rows: the share that is set to 0.",
         .rare = 1},
        {"ema", T2I_OPT_REAL, &options->ema, "0", 0, 0.999999,
         .help = "Decay of an exponential moving average of the weights; 0: off. The average, not "
                 "the current weights, is then validated, sampled and saved as the model.",
         .rare = 1},
        {"skip-spikes", T2I_OPT_REAL, &options->skip_spikes, "0", 0, 1e9,
         .help = "Skip updates whose loss is this many standard deviations above the recent mean; "
                 "0: never. The mean is over about the last 100 steps. A loss 8 or more standard "
                 "deviations above it is reported in any case.",
         .rare = 1},
        {"seed", T2I_OPT_INT, &options->seed, "1", 0, (double)(1ull << 53),
         .help = "Random seed of initialisation and sampling."},
        {"sampler", T2I_OPT_TEXT, &options->word.sampler, "sharded",
         .argument = "sharded|uniform|FILE",
         .help = "Choice of the rows of a step. sharded: each shard goes through its own rows and "
                 "reshuffles them after each pass; uniform: drawn with replacement from all "
                 "training rows; FILE: one line per step with `batch` row numbers (from 0, in the "
                 "order of the pairs file).",
         .rare = 1},

        {"d-model", T2I_OPT_INT, &options->d_model, "64", 2, 65536, .group = "New model",
         .help = "Model width, the embedding dimension."},
        {"heads", T2I_OPT_INT, &options->heads, "4", 1, 4096, .help = "Attention heads per layer."},
        {"layers", T2I_OPT_INT, &options->layers, "3", 1, 1000, .help = "Number of layers."},
        {"d-ff", T2I_OPT_INT, &options->d_ff, "256", 1, 1 << 20,
         .help = "Width of the feed-forward layers."},
        {"block-size", T2I_OPT_INT, &options->block_size, "64", 1, 65535,
         .help = "Maximum prompt length in characters. Longer prompts are truncated."},
        {"ngram-buckets", T2I_OPT_INT, &options->ngram_buckets, "0", 0, 1 << 26,
         .help = "Rows of the n-gram table; 0: no n-grams. Pieces of words (2 to 6 characters, and "
                 "the word so far) are hashed to these rows, which are added to the embeddings of "
                 "the characters and whose sum also reaches the outputs directly."},
        {"ngram-hidden", T2I_OPT_INT, &options->ngram_hidden, "512", 1, 1 << 20,
         .help =
             "ngram-buckets: width of the layer from the sum of a prompt's rows to the outputs.",
         .rare = 1},
        {"embed-dim", T2I_OPT_INT, &options->embed_dim, "0", 0, 1 << 20,
         .help = "contrastive: width of the search space; 0: none. Prompts and pictures are "
                 "compared in this space, or without it by their features. Drawing uses the "
                 "features."},
        {"min-count", T2I_OPT_INT, &options->min_count, "1", 1, 1e12,
         .help = "Minimum number of occurrences of a character. A character that occurs less often "
                 "in the training prompts is not in the vocabulary.",
         .rare = 1},

        {"shards", T2I_OPT_INT, &options->shards, "0", 0, 1 << 20, .group = "Ranks and threads",
         .help = "Number of shards, a power of two; 0: automatic. Shards are the units of work of "
                 "a step. Their number is fixed for the life of a run, so that any number of ranks "
                 "computes the same bits. Automatic: 8, or the next power of two if ranks x "
                 "threads is larger."},
        {"threads", T2I_OPT_INT, &options->threads, "0", 0, T2I_THREADS_MAX,
         .help = "Threads per rank; 0: automatic. With equal `shards` the result does not depend "
                 "on them. Automatic: OMP_NUM_THREADS, else the cores of the node divided by its "
                 "ranks, under Slurm at most --cpus-per-task."},
        {"trie", T2I_OPT_CHOICE, &options->word.trie, "on", .choices = "on|off",
         .help = "Compute common prefixes of prompts once. off computes each prompt separately, "
                 "for comparison.",
         .rare = 1},
        {"verify-every", T2I_OPT_INT, &options->verify_every, "10", 0, 1e12,
         .help = "Steps between comparisons of the weights of all ranks; 0: off. Unless it is 0, "
                 "each rank also verifies checksums of its own weights and moments in every step. "
                 "A run with a flipped bit in memory stops.",
         .rare = 1},
        {"audit-every", T2I_OPT_INT, &options->audit_every, "500", 0, 1e12,
         .help = "Steps between audits; 0: none. In an audit each rank recomputes a shard of "
                 "another rank; a run on a core that computes wrong results stops.",
         .rare = 1},
        {"watchdog", T2I_OPT_REAL, &options->watchdog, "30", 0, 1e6, .argument = "SECONDS",
         .help = "Time without a sign of life after which a rank ends the job; 0: off. The error "
                 "names the silent rank. The limit is longer where longer silences are usual. A "
                 "rank that dies also ends the job.",
         .rare = 1},

        {"validate-every", T2I_OPT_INT, &options->validate_every, "500", 0, 1e12,
         .group = "Validation, samples and checkpoints",
         .help = "Steps between validations; 0: none. A validation evaluates every row of the "
                 "validation split."},
        {"patience", T2I_OPT_INT, &options->patience, "0", 0, 1e12,
         .help =
             "End after N validations without gain; 0: off. They count in a row, by the score that "
             "chooses best.safetensors: the validation loss, or with loss = contrastive the "
             "MRR. The run is then finished."},
        {"sample-every", T2I_OPT_INT, &options->sample_every, "0", 0, 1e12,
         .help = "Steps between sheets of samples; 0: at the end. They are written to samples/; "
                 "there is "
                 "one of the last step in any case, if the dataset has pictures to draw."},
        {"log-every", T2I_OPT_INT, &options->log_every, "10", 1, 1e12,
         .help = "Steps between records in log.jsonl.", .rare = 1},
        {"checkpoint-every", T2I_OPT_INT, &options->checkpoint_every, "500", 0, 1e12,
         .help = "Steps between checkpoints; 0: only at the end. A run that is stopped also writes "
                 "one."},
        {"keep", T2I_OPT_INT, &options->keep, "2", 1, 1e6,
         .help = "Number of newest checkpoints to keep."},
        {"tensorboard", T2I_OPT_CHOICE, &options->word.tensorboard, "off", .choices = "off|on",
         .help = "Also log for TensorBoard. All logged values are also written to tensorboard/ in "
                 "the run folder.",
         .rare = 1},
        {"max-time", T2I_OPT_REAL, &options->max_time, "0", 0, 1e9, .argument = "SECONDS",
         .help = "Save and stop after this time; 0: no limit. The exit code is then 75."},
    };
    T2I_ASSERT(sizeof rows <= sizeof options->opt);
    memcpy(options->opt, rows, sizeof rows);
    options->opts = (t2i_opts){
        .program = "t2i-train",
        .summary = "trains a model that draws and retrieves pictures by prompt",
        .usage = "[JOB.ini] [--key value]...",
        .about = "Trains a character-level transformer to predict picture features from prompts, "
                 "under mpirun or srun with any number of ranks and bit-identical results. The "
                 "command line takes precedence over the job file (key = value).",
        .example = "t2i-train --data data/seed.h5 --out runs/seed\n"
                   "mpirun -np 8 t2i-train jobs/shapes.ini --steps 3000",
        .epilog =
            "The same command, run again, resumes from the newest intact checkpoint.\n"
            "Signals: on USR1, and on TERM, INT or HUP sent to the ranks, the run saves a "
            "checkpoint at the next step and exits with 75. TERM and INT end it at once before "
            "its first step, or when they are sent twice. Under nohup HUP is ignored.\n"
            "Environment: T2I_VECTORS=plain|avx2|avx512|neon limits the vector instructions of "
            "our kernels; by default they use the widest that the CPU has.",
        .opt = options->opt,
        .opts = sizeof rows / sizeof *rows,
        .takes_job = 1,
    };
}

static int is(const char *word, const char *other)
{
    return strcmp(word, other) == 0;
}

/* Converts words to enums; the table has checked the choices. */
static void read_words(t2i_train_options *options)
{
    options->schedule =
        is(options->word.schedule, "cosine") ? T2I_SCHEDULE_COSINE : T2I_SCHEDULE_CONSTANT;
    options->loss = is(options->word.loss, "contrastive") ? T2I_LOSS_CONTRASTIVE : T2I_LOSS_MSE;
    options->trie = is(options->word.trie, "on");
    options->tensorboard = is(options->word.tensorboard, "on");
    options->resume = is(options->word.resume, "auto")    ? T2I_RESUME_AUTO
                      : is(options->word.resume, "never") ? T2I_RESUME_NEVER
                                                          : T2I_RESUME_NAMED;
    options->sampler = is(options->word.sampler, "sharded")   ? T2I_SHARDED
                       : is(options->word.sampler, "uniform") ? T2I_UNIFORM
                                                              : T2I_SAMPLER_FILE;
    if (options->resume == T2I_RESUME_NAMED) options->resume_path = options->word.resume;
    if (options->sampler == T2I_SAMPLER_FILE) options->sampler_path = options->word.sampler;
}

static t2i_status read_negatives(t2i_train_options *options, t2i_error *err)
{
    const char *word = options->word.negatives;
    char *end = NULL;
    options->negatives = is(word, "batch") ? T2I_NEGATIVES_BATCH : strtol(word, &end, 10);
    if (end == NULL || (*end == '\0' && options->negatives >= 1 && options->negatives <= 1 << 20))
        return T2I_OK;
    return t2i_fail(err, T2I_USAGE, "negatives = %s: give a number from 1 to %d, or batch", word,
                    1 << 20);
}

/* Reads the command line by the table. */
static t2i_status parse(t2i_train_options *options, int argc, char **argv, t2i_error *err)
{
    T2I_TRY(t2i_opts_parse(&options->opts, argc, argv, err));
    if (options->opts.asked != T2I_ASK_NOTHING) return T2I_OK;
    read_words(options);
    return read_negatives(options, err);
}

/* Only a job file is given without an option. */
static t2i_status refuse_operand(const t2i_opts *opts, t2i_error *err)
{
    static const struct {
        const char *end, *todo;
    } known[] = {
        {".h5", "give a dataset as --data F.h5"},
        {".hdf5", "give a dataset as --data F.h5"},
        {".csv", "make a dataset of it: t2i-data build --pairs FILE"},
        {".tsv", "make a dataset of it: t2i-data build --pairs FILE"},
        {".jsonl", "make a dataset of it: t2i-data build --pairs FILE"},
        {".yaml", "a job file ends in .ini and has lines 'key = value'"},
        {".yml", "a job file ends in .ini and has lines 'key = value'"},
        {".json", "a job file ends in .ini and has lines 'key = value'"},
        {".toml", "a job file ends in .ini and has lines 'key = value'"},
        {".cfg", "a job file ends in .ini and has lines 'key = value'"},
        {".safetensors", "give a model to start from as --init FILE"},
        {".pt", "give a model to start from as --init FILE"},
        {"true", "a switch takes no value on the command line"},
        {"false", "a switch takes no value on the command line"},
    };
    const char *word = opts->operand[0], *todo = "";
    char hint[400] = "";
    if (opts->job != NULL && t2i_text_ends(word, ".ini"))
        return t2i_fail(err, T2I_USAGE, "'%s' is a second job file beside '%s': give one", word,
                        opts->job);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (t2i_text_ends(word, known[i].end)) todo = known[i].todo;
    if (t2i_fs_is_folder(word)) todo = "a run is resumed by its job file, RUN/job.ini";
    if (*todo == '\0' && (strchr(word, '=') != NULL || strpbrk(word, "./") == NULL))
        T2I_TRY(t2i_opts_hint(opts, word, "--", hint, sizeof hint, err));
    return t2i_fail(err, T2I_USAGE, "'%s' is neither a job file (*.ini) nor a --key%s%s%s", word,
                    *todo ? ": " : "", todo,
                    *todo || *hint ? hint : "; a value with blanks needs quotes");
}

/* Checks the combination of the given options. */
static t2i_status check_given(const t2i_train_options *options, t2i_error *err)
{
    if (options->opts.operands > 0) return refuse_operand(&options->opts, err);
    if (options->min_lr > options->lr)
        return t2i_fail(err, T2I_USAGE, "min-lr %g is above lr %g", options->min_lr, options->lr);
    if (options->heads > 0 && options->d_model % options->heads != 0)
        return t2i_fail(err, T2I_USAGE, "d-model %ld is not a multiple of heads %ld",
                        options->d_model, options->heads);
    if (options->embed_dim > 0 && options->loss != T2I_LOSS_CONTRASTIVE)
        return t2i_fail(err, T2I_USAGE, "embed-dim needs loss = contrastive, which trains it");
    if (options->patience > 0 && options->validate_every == 0)
        return t2i_fail(err, T2I_USAGE,
                        "patience = %ld counts validations, and validate-every = 0 turns them off: "
                        "give validate-every above 0",
                        options->patience);
    /* a run's job.ini has the default, with or without n-grams */
    if (options->ngram_hidden != T2I_NGRAM_HIDDEN && options->ngram_buckets == 0 &&
        options->init == NULL)
        return t2i_fail(err, T2I_USAGE,
                        "ngram-hidden = %ld needs n-grams: give ngram-buckets above 0, too",
                        options->ngram_hidden);
    return T2I_OK;
}

static t2i_status check(const t2i_train_options *options, t2i_error *err)
{
    T2I_TRY(check_given(options, err));
    if (options->data == NULL && options->resume_path != NULL)
        return t2i_fail(err, T2I_USAGE,
                        "data is not given (--data F.h5); a run's job.ini has all its options: "
                        "t2i-train RUN/job.ini");
    if (options->data == NULL) return t2i_fail(err, T2I_USAGE, "data is not given (--data F.h5)");
    if (options->out == NULL && !options->dry_run)
        return t2i_fail(err, T2I_USAGE, "out is not given (--out runs/NAME)");
    return T2I_OK;
}

t2i_status t2i_train_options_parse(t2i_train_options *options, int argc, char **argv,
                                   t2i_error *err)
{
    *options = (t2i_train_options){0};
    fill_table(options);
    T2I_TRY(parse(options, argc, argv, err));
    return options->opts.asked != T2I_ASK_NOTHING ? T2I_OK : check(options, err);
}

t2i_status t2i_train_options_parse_exam(t2i_train_options *options, int *json, int argc,
                                        char **argv, t2i_error *err)
{
    *options = (t2i_train_options){0};
    fill_table(options);
    options->opt[options->opts.opts++] = (t2i_opt){
        .name = "json",
        .kind = T2I_OPT_SWITCH,
        .value = json,
        .help = "Print only a JSON object on standard output.",
        .group = "Report",
    };
    for (t2i_opt *opt = options->opt; opt < options->opt + options->opts.opts; opt++) {
        if (strcmp(opt->name, "dry-run") != 0) continue;
        opt->rare = 1;
        opt->help = "Accepted as in the command of a run; t2i-doctor never trains.";
    }
    T2I_ASSERT(options->opts.opts <= T2I_TRAIN_OPTIONS);
    options->opts.program = "t2i-doctor";
    options->opts.summary = "checks machine, launcher, file system and network for a run";
    options->opts.about =
        "Checks how this machine, launcher, file system and network will affect a run. Start it as "
        "the run will be started, with the same job file or options; they are those of t2i-train.";
    options->opts.example = "mpirun -np 8 t2i-doctor jobs/shapes.ini";
    options->opts.epilog =
        "Each line is ok, a warning or a failure, with the reason and the remedy. Start it under "
        "mpirun, under srun or without a launcher, with the ranks and nodes of the run. With the "
        "run's job file or options it also compares memory and disk space with what the run "
        "needs. It does not train, and leaves nothing in the run folder.\n"
        "The exit code is that of the first failure, and 0 if there is none (warnings do not "
        "count).";
    T2I_TRY(parse(options, argc, argv, err));
    return options->opts.asked != T2I_ASK_NOTHING ? T2I_OK : check_given(options, err);
}

int t2i_train_options_ended(const t2i_train_options *options, const t2i_run_state *run)
{
    return run->step >= options->steps ||
           (options->patience > 0 && run->waited >= options->patience);
}

void t2i_train_options_free(t2i_train_options *options)
{
    t2i_opts_free(&options->opts);
}

int t2i_train_options_gave(const t2i_train_options *options, const char *key)
{
    return t2i_opts_find(&options->opts, key)->origin != T2I_FROM_DEFAULT;
}

/* Adds the values of these keys, unless something failed before. */
static t2i_status put_values(const t2i_train_options *options, const char *const *keys,
                             size_t count, t2i_json *json, t2i_status status, t2i_error *err)
{
    t2i_text value = {0};
    for (size_t i = 0; status == T2I_OK && i < count; i++) {
        value.size = 0;
        status = t2i_opts_value(t2i_opts_find(&options->opts, keys[i]), &value, err);
        if (status == T2I_OK) t2i_json_set_string(json, keys[i], value.data);
    }
    t2i_text_free(&value);
    return status;
}

t2i_status t2i_train_options_result_options(const t2i_train_options *options, const char *sampler,
                                            char **out, t2i_error *err)
{
    static const char *const always[] = {"batch",  "lr",           "schedule", "warmup",
                                         "min-lr", "weight-decay", "beta1",    "beta2",
                                         "eps",    "clip",         "seed"};
    static const char *const contrastive[] = {"loss", "contrastive-weight", "temperature",
                                              "negatives"};
    t2i_json *json = t2i_json_object();
    t2i_status status =
        put_values(options, always, sizeof always / sizeof *always, json, T2I_OK, err);
    /* options that are off are omitted, so that runs of earlier versions can be resumed */
    if (options->schedule == T2I_SCHEDULE_COSINE)
        status = put_values(options, (const char *[]){"steps"}, 1, json, status, err);
    if (options->loss == T2I_LOSS_CONTRASTIVE)
        status = put_values(options, contrastive, 4, json, status, err);
    if (options->augment > 0)
        status = put_values(options, (const char *[]){"augment"}, 1, json, status, err);
    if (options->dropout > 0)
        status = put_values(options, (const char *[]){"dropout"}, 1, json, status, err);
    if (options->min_count > 1)
        status = put_values(options, (const char *[]){"min-count"}, 1, json, status, err);
    if (!options->trie)
        status = put_values(options, (const char *[]){"trie"}, 1, json, status, err);
    if (options->ema > 0)
        status = put_values(options, (const char *[]){"ema"}, 1, json, status, err);
    if (options->skip_spikes > 0)
        status = put_values(options, (const char *[]){"skip-spikes"}, 1, json, status, err);
    t2i_json_set_string(json, "sampler", sampler);
    if (status == T2I_OK) status = t2i_json_text(json, 0, out, err);
    t2i_json_free(json);
    return status;
}

static int is_equal(const t2i_json *a, const t2i_json *b, const char *key)
{
    const char *x, *y;
    return t2i_json_as_string(t2i_json_get(a, key), &x, NULL) &&
           t2i_json_as_string(t2i_json_get(b, key), &y, NULL) && strcmp(x, y) == 0;
}

/* The value of a key as people read it: an option that is off is not in the object. */
static const char *value_of(const t2i_json *json, const char *key)
{
    static t2i_train_options defaults;
    const char *value = "not set";
    if (t2i_json_as_string(t2i_json_get(json, key), &value, NULL)) return value;
    fill_table(&defaults);
    for (size_t i = 0; i < defaults.opts.opts; i++)
        if (strcmp(defaults.opt[i].name, key) == 0 && defaults.opt[i].preset != NULL)
            value = defaults.opt[i].preset;
    return value;
}

/* The error of two objects that differ. */
static t2i_status refuse_change(const t2i_json *a, const t2i_json *b, const char *where,
                                const char *init, t2i_error *err)
{
    const char *first = NULL, *key;
    char others[200] = "", start[300] = "";
    for (key = NULL; (key = t2i_json_next_key(a, key)) != NULL;) {
        size_t used = strlen(others);
        if (is_equal(a, b, key)) continue;
        if (first != NULL) snprintf(others + used, sizeof others - used, ", %s", key);
        if (first == NULL) first = key;
    }
    for (key = NULL; (key = t2i_json_next_key(b, key)) != NULL;) {
        size_t used = strlen(others);
        if (t2i_json_get(a, key) != NULL) continue;
        if (first != NULL) snprintf(others + used, sizeof others - used, ", %s", key);
        if (first == NULL) first = key;
    }
    if (first == NULL) return T2I_OK;
    if (init != NULL) snprintf(start, sizeof start, ", with --init %.250s for its weights", init);
    return t2i_fail(
        err, T2I_USAGE,
        "%.300s holds another run: there %s is %s, here it is %s%s%s%s. To resume it, "
        "give the same values%s; to change them, start a new run in another out%s. "
        "Paths, threads, logging, validation and checkpoints may change",
        where, first, value_of(a, first), value_of(b, first),
        *others ? " (other values, too: " : "", *others ? others + 2 : "", *others ? ")" : "",
        strcmp(first, "steps") == 0 ? " (a cosine schedule is made for its steps)" : "", start);
}

t2i_status t2i_train_options_same_result(const char *old_options, const char *new_options,
                                         const char *where, const char *init, t2i_error *err)
{
    t2i_json *a = NULL, *b = NULL;
    t2i_status status = t2i_json_parse(&a, old_options, strlen(old_options), where, err);
    if (status == T2I_OK)
        status = t2i_json_parse(&b, new_options, strlen(new_options), "the options", err);
    if (status == T2I_OK) status = refuse_change(a, b, where, init, err);
    t2i_json_free(a);
    t2i_json_free(b);
    return status;
}

t2i_status t2i_train_options_echo(const t2i_train_options *options, const t2i_config *config,
                                  int resumed, char *init, t2i_text *out, t2i_error *err)
{
    t2i_opt rows[T2I_TRAIN_OPTIONS];
    t2i_opts opts = options->opts;
    int ngrams = config->ngram_buckets > 0;
    long sizes[] = {(long)config->d_model,
                    (long)config->n_heads,
                    (long)config->n_layers,
                    (long)config->d_ff,
                    (long)config->block_size,
                    (long)config->ngram_buckets,
                    ngrams ? (long)config->ngram_hidden : T2I_NGRAM_HIDDEN,
                    (long)config->embed_dim};
    static const char *const keys[] = {"d-model",    "heads",         "layers",       "d-ff",
                                       "block-size", "ngram-buckets", "ngram-hidden", "embed-dim"};
    memcpy(rows, options->opt, sizeof rows);
    opts.opt = rows;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        rows[t2i_opts_find(&options->opts, keys[i]) - options->opt].value = &sizes[i];
    t2i_opt *row = &rows[t2i_opts_find(&options->opts, "init") - options->opt];
    if (resumed) {
        row->value = &init;
        row->origin = init != NULL ? T2I_FROM_JOB : T2I_FROM_DEFAULT;
    }
    return t2i_opts_echo(&opts, out, err);
}
