#include "train/train_options.h"

#include <float.h>
#include <limits.h>
#include <string.h>

#include "comm/comm.h"
#include "formats/json.h"
#include "base/mem.h"

static void fill_table(t2i_train_options *options)
{
    const t2i_opt rows[] = {
        {"data", T2I_OPT_TEXT, &options->data, .argument = "F.h5", .group = "Data and run folder",
         .help = "The dataset, made by t2i-data."},
        {"out", T2I_OPT_TEXT, &options->out, .argument = "FOLDER",
         .help = "The run folder. It gets job.ini, log.jsonl, loss.png, report.html, "
                 "samples, checkpoints, model.safetensors, status.json."},
        {"init", T2I_OPT_TEXT, &options->init, .argument = "RUN|FILE",
         .help = "Start from these weights. A run folder, a checkpoint, a safetensors model or the "
                 "tutorial's .pt: weights, configuration and vocabulary are taken; the step and "
                 "the moments start at zero. A head that the file lacks gets fresh weights."},
        {"resume", T2I_OPT_TEXT, &options->word.resume, "auto", .argument = "auto|never|RUN|FILE",
         .help = "What to go on from. auto: from the newest sound checkpoint in `out`, and a fresh "
                 "start if there is none; never; or a checkpoint, or the run folder whose newest "
                 "one is meant."},
        {"dry-run", T2I_OPT_SWITCH, &options->dry_run,
         .help = "Check everything, print the plan, train nothing. Three steps are tried and not "
                 "kept; memory, sizes and the time to expect are told; nothing is written."},

        {"steps", T2I_OPT_INT, &options->steps, "5000", 1, 1e12, .group = "Training",
         .help = "Steps of the whole run."},
        {"batch", T2I_OPT_INT, &options->batch, "4", 1, 1 << 20,
         .help = "Rows of a step, over all ranks."},
        {"lr", T2I_OPT_REAL, &options->lr, "1e-4", 0, 1e3, .help = "Learning rate, at its peak."},
        {"schedule", T2I_OPT_CHOICE, &options->word.schedule, "constant",
         .choices = "constant|cosine",
         .help = "Of the learning rate. It follows the warm-up; cosine goes down to min-lr at "
                 "`steps`."},
        {"warmup", T2I_OPT_INT, &options->warmup, "0", 0, 1e12,
         .help = "Steps of linear warm-up. They precede either schedule."},
        {"min-lr", T2I_OPT_REAL, &options->min_lr, "0", 0, 1e3, .help = "Where the cosine ends.",
         .rare = 1},
        {"weight-decay", T2I_OPT_REAL, &options->weight_decay, "0.01", 0, 1e3,
         .help = "AdamW's decoupled decay, on every tensor."},
        {"beta1", T2I_OPT_REAL, &options->beta1, "0.9", 0, 0.999999999,
         .help = "AdamW: decay of the first moment.", .rare = 1},
        {"beta2", T2I_OPT_REAL, &options->beta2, "0.999", 0, 0.999999999,
         .help = "AdamW: decay of the second moment.", .rare = 1},
        {"eps", T2I_OPT_REAL, &options->eps, "1e-8", 1e-30, 1,
         .help = "AdamW: added to the denominator.", .rare = 1},
        {"clip", T2I_OPT_REAL, &options->clip, "0", 0, 1e9,
         .help = "Largest norm of the gradient; 0: no clipping."},
        {"loss", T2I_OPT_CHOICE, &options->word.loss, "mse", .choices = "mse|contrastive",
         .help = "What is made small. mse: squared error of the features; contrastive: that, and "
                 "how surely the picture is told from the other training pictures."},
        {"contrastive-weight", T2I_OPT_REAL, &options->contrastive_weight, "0.2", 0, 1e6,
         .help = "contrastive: how much its cross-entropy counts beside the squared error.",
         .rare = 1},
        {"temperature", T2I_OPT_REAL, &options->temperature, "0.05", 1e-3, 1e3,
         .help = "contrastive: what the cosine similarities are divided by.", .rare = 1},
        {"negatives", T2I_OPT_INT, &options->negatives, "4096", 1, 1 << 20,
         .help = "contrastive: at most so many pictures to tell from. Of more, a new sample each "
                 "step.",
         .rare = 1},
        {"augment", T2I_OPT_REAL, &options->augment, "0", 0, 1,
         .help = "Share of the prompts that are changed a little. They lose words, have words "
                 "swapped or a character changed.",
         .rare = 1},
        {"ema", T2I_OPT_REAL, &options->ema, "0", 0, 0.999999,
         .help = "Decay of an average of the weights; 0: none. The average over the steps is then "
                 "what is validated, drawn and saved as the model.",
         .rare = 1},
        {"skip-spikes", T2I_OPT_REAL, &options->skip_spikes, "0", 0, 1e9,
         .help =
             "A step whose loss lies so many standard deviations above the last hundred is left "
             "out; 0: none is. From 8 deviations on it is told in any case.",
         .rare = 1},
        {"seed", T2I_OPT_INT, &options->seed, "1", 0, (double)(1ull << 53),
         .help = "Of fresh weights and of sampling."},
        {"sampler", T2I_OPT_TEXT, &options->word.sampler, "sharded",
         .argument = "sharded|uniform|FILE",
         .help = "Which rows a step takes. sharded: every shard goes through its own rows, newly "
                 "shuffled each time; uniform: with replacement over all training rows; a file: "
                 "one line of `batch` row numbers a step (from 0, in the order of the pairs file).",
         .rare = 1},

        {"d-model", T2I_OPT_INT, &options->d_model, "64", 2, 65536, .group = "A fresh model",
         .help = "Width."},
        {"heads", T2I_OPT_INT, &options->heads, "4", 1, 4096, .help = "Attention heads."},
        {"layers", T2I_OPT_INT, &options->layers, "3", 1, 1000, .help = "Layers."},
        {"d-ff", T2I_OPT_INT, &options->d_ff, "256", 1, 1 << 20,
         .help = "Width of the feed-forward part."},
        {"block-size", T2I_OPT_INT, &options->block_size, "64", 1, 65535,
         .help = "Longest prompt in characters. Longer ones are cut."},
        {"min-count", T2I_OPT_INT, &options->min_count, "1", 1, 1e12,
         .help = "Least number of times that a character must occur. One that occurs less often in "
                 "the training prompts is unknown to the model.",
         .rare = 1},

        {"shards", T2I_OPT_INT, &options->shards, "0", 0, 1 << 20, .group = "Ranks and threads",
         .help =
             "Units of work, a power of two; 0: 8 or more. Fixed for the run's life, so that "
             "any number of ranks gives the same bits. 0: 8, or more for more ranks x threads."},
        {"threads", T2I_OPT_INT, &options->threads, "0", 0, T2I_THREADS_MAX,
         .help = "Threads of each rank; 0: what the cores allow. With equal `shards` the result "
                 "does not depend on them. 0: OMP_NUM_THREADS, else the cores of the node divided "
                 "by its ranks, under Slurm at most --cpus-per-task."},
        {"trie", T2I_OPT_CHOICE, &options->word.trie, "on", .choices = "on|off",
         .help = "Compute common prefixes once. off computes each prompt by itself, for "
                 "comparison.",
         .rare = 1},
        {"verify-every", T2I_OPT_INT, &options->verify_every, "10", 0, 1e12,
         .help = "Steps between comparisons of all ranks' weights. Weights and moments of a rank's "
                 "own are then looked at in every step. A run in whose memory a bit flipped "
                 "stops. 0: neither.",
         .rare = 1},
        {"audit-every", T2I_OPT_INT, &options->audit_every, "500", 0, 1e12,
         .help = "Steps between audits; 0: none. In an audit each rank computes a shard of another "
                 "one, too: a run on a core that computes wrongly stops.",
         .rare = 1},
        {"watchdog", T2I_OPT_REAL, &options->watchdog, "30", 0, 1e6, .argument = "SECONDS",
         .help =
             "How long a rank may be silent. One that gives no sign of life for so long (longer "
             "where that is usual for it) is named, and the job ended; so it is when a rank "
             "dies. 0: neither.",
         .rare = 1},

        {"validate-every", T2I_OPT_INT, &options->validate_every, "500", 0, 1e12,
         .group = "While it runs",
         .help = "Steps between validations; 0: none. They look at every row of the validation "
                 "split."},
        {"sample-every", T2I_OPT_INT, &options->sample_every, "0", 0, 1e12,
         .help = "Steps between sheets of drawn prompts; 0: none. They lie in samples/."},
        {"log-every", T2I_OPT_INT, &options->log_every, "10", 1, 1e12,
         .help = "Steps between lines of log.jsonl.", .rare = 1},
        {"checkpoint-every", T2I_OPT_INT, &options->checkpoint_every, "500", 0, 1e12,
         .help = "Steps between checkpoints; 0: only at the end. Then, or when it is stopped."},
        {"keep", T2I_OPT_INT, &options->keep, "2", 1, 1e6,
         .help = "Newest checkpoints that are kept."},
        {"tensorboard", T2I_OPT_CHOICE, &options->word.tensorboard, "off", .choices = "off|on",
         .help = "Log for TensorBoard too. What is logged also goes into tensorboard/ in the run "
                 "folder.",
         .rare = 1},
        {"max-time", T2I_OPT_REAL, &options->max_time, "0", 0, 1e9, .argument = "SECONDS",
         .help = "Save and stop after this time; 0: no limit. The exit code is then 75."},
    };
    T2I_ASSERT(sizeof rows <= sizeof options->opt);
    memcpy(options->opt, rows, sizeof rows);
    options->opts = (t2i_opts){
        .program = "t2i-train",
        .summary = "trains a model that draws and finds pictures by prompt",
        .usage = "[JOB.ini] [--key value]...",
        .about = "Trains a character transformer to predict a picture's features from a prompt. "
                 "Run it under mpirun or srun with any number of ranks: the result is the same to "
                 "the bit. Every key can stand in the job file (key = value) or on the command "
                 "line, which wins.",
        .example = "t2i-train --data data/seed.h5 --out runs/seed\n"
                   "mpirun -np 8 t2i-train jobs/shapes.ini --steps 3000",
        .epilog = "The same command again goes on from the newest sound checkpoint.\n"
                  "Signals: USR1, and TERM or INT sent to the ranks, save at the next step and "
                  "exit with 75.\n"
                  "T2I_VECTORS=plain|avx2|avx512 in the environment: what our kernels may use "
                  "of the CPU's vectors, instead of all that it has.",
        .opt = options->opt,
        .opts = sizeof rows / sizeof *rows,
        .takes_job = 1,
    };
}

static int is(const char *word, const char *other)
{
    return strcmp(word, other) == 0;
}

/* The table has checked those that are a choice. */
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

/* Reads the command line by the table. */
static t2i_status parse(t2i_train_options *options, int argc, char **argv, t2i_error *err)
{
    T2I_TRY(t2i_opts_parse(&options->opts, argc, argv, err));
    if (options->opts.asked == T2I_ASK_NOTHING) read_words(options);
    return T2I_OK;
}

/* What is there must go together. */
static t2i_status check_given(const t2i_train_options *options, t2i_error *err)
{
    if (options->opts.operands > 0)
        return t2i_fail(err, T2I_USAGE, "'%s' is neither a job file (*.ini) nor a --key",
                        options->opts.operand[0]);
    if (options->min_lr > options->lr)
        return t2i_fail(err, T2I_USAGE, "min-lr %g is above lr %g", options->min_lr, options->lr);
    if (options->heads > 0 && options->d_model % options->heads != 0)
        return t2i_fail(err, T2I_USAGE, "d-model %ld is not a multiple of heads %ld",
                        options->d_model, options->heads);
    return T2I_OK;
}

static t2i_status check(const t2i_train_options *options, t2i_error *err)
{
    T2I_TRY(check_given(options, err));
    if (options->data == NULL)
        return t2i_fail(err, T2I_USAGE, "data is not given; it names the dataset (--data F.h5)");
    if (options->out == NULL && !options->dry_run)
        return t2i_fail(err, T2I_USAGE,
                        "out is not given; it names the run folder (--out runs/NAME)");
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
        .help = "Print a JSON object, and nothing else, on standard output.",
        .group = "Report",
    };
    T2I_ASSERT(options->opts.opts <= T2I_TRAIN_OPTIONS);
    options->opts.program = "t2i-doctor";
    options->opts.summary = "tells what a machine and its launcher will do to a run";
    options->opts.about =
        "Tells what this machine, launcher, file system and network will do to a run. Start it as "
        "the run will be started, with its job file or keys, which are those of t2i-train.";
    options->opts.example = "mpirun -np 8 t2i-doctor jobs/shapes.ini";
    options->opts.epilog =
        "Each line is ok, a warning or a failure, with why it matters and what to do. Start it "
        "under mpirun, srun or neither, with the same ranks and nodes; with the run's job file or "
        "keys it also holds memory and disk against what that run needs. It trains nothing, and "
        "leaves nothing in the run folder.\n"
        "The exit code is that of the first failure, and 0 when nothing fails (there may be "
        "warnings).";
    T2I_TRY(parse(options, argc, argv, err));
    return options->opts.asked != T2I_ASK_NOTHING ? T2I_OK : check_given(options, err);
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
    /* what is off is left out, so that runs from before an option existed still know themselves */
    if (options->schedule == T2I_SCHEDULE_COSINE)
        status = put_values(options, (const char *[]){"steps"}, 1, json, status, err);
    if (options->loss == T2I_LOSS_CONTRASTIVE)
        status = put_values(options, contrastive, 4, json, status, err);
    if (options->augment > 0)
        status = put_values(options, (const char *[]){"augment"}, 1, json, status, err);
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

/* The first key of a whose value in b is another. */
static const char *first_difference(const t2i_json *a, const t2i_json *b)
{
    for (const char *key = NULL; (key = t2i_json_next_key(a, key)) != NULL;) {
        const char *x = "", *y = "";
        if (!t2i_json_as_string(t2i_json_get(a, key), &x, NULL) ||
            !t2i_json_as_string(t2i_json_get(b, key), &y, NULL) || strcmp(x, y) != 0)
            return key;
    }
    return NULL;
}

t2i_status t2i_train_options_same_result(const char *old_options, const char *new_options,
                                         const char *where, t2i_error *err)
{
    t2i_json *a = NULL, *b = NULL;
    t2i_status status = t2i_json_parse(&a, old_options, strlen(old_options), where, err);
    if (status == T2I_OK)
        status = t2i_json_parse(&b, new_options, strlen(new_options), "the options", err);
    const char *key = status == T2I_OK ? first_difference(a, b) : NULL;
    if (status == T2I_OK && key == NULL) key = first_difference(b, a);
    if (key != NULL) {
        const char *was = "not set", *is = "not set";
        t2i_json_as_string(t2i_json_get(a, key), &was, NULL);
        t2i_json_as_string(t2i_json_get(b, key), &is, NULL);
        status = t2i_fail(
            err, T2I_USAGE,
            "%s holds another run: there %s is %s, here it is %s; give another out, or the same %s",
            where, key, was, is, key);
    }
    t2i_json_free(a);
    t2i_json_free(b);
    return status;
}
