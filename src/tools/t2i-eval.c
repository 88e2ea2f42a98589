/* t2i-eval - measures how well a trained model retrieves and draws the pictures of a split. */
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"
#include "comm/comm.h"
#include "base/commit.h"
#include "base/cpu.h"
#include "base/fs.h"
#include "retrieval/eval.h"
#include "kernels/blas.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/stop_signal.h"
#include "retrieval/loaded_model.h"

#define PROGRAM "t2i-eval"

typedef struct {
    char *data, *split, *ranks;
    long sample, seed, memory, threads;
    int json;
    t2i_comm *comm; /* NULL until MPI or its substitute is started */
} settings;

static t2i_status print_warnings(const t2i_eval_result *result, t2i_error *err)
{
    t2i_text text = {0};
    t2i_status status = t2i_eval_warnings(result, &text, err);
    for (char *line = text.data; status == T2I_OK && line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        t2i_log_warn("%.*s", (int)(end - line), line);
        line = end + 1;
    }
    t2i_text_free(&text);
    return status;
}

/* First what was found, then what is to be said about it. */
static t2i_status print_report(const t2i_eval_report *report, int split, int json, t2i_error *err)
{
    t2i_text text = {0};
    t2i_status status = json ? t2i_eval_json(report, split == T2I_ALL_SPLITS, &text, err)
                             : t2i_eval_table(report, &text, err);
    if (status == T2I_OK) status = t2i_log_print(text.data, err);
    t2i_text_free(&text);
    for (size_t i = 0; status == T2I_OK && i < report->results; i++) {
        const t2i_eval_result *r = &report->result[i];
        if (r->prompts < r->all_prompts)
            t2i_log_note(
                "%s: evaluates %zu of %zu prompts, drawn by --seed; --sample 0 evaluates all",
                t2i_dataset_split_names[r->split], r->prompts, r->all_prompts);
        status = print_warnings(r, err);
    }
    return status;
}

/* Collective. */
static t2i_status evaluate(t2i_comm *comm, const char *source, const settings *s, int split,
                           t2i_error *err)
{
    const t2i_eval_options options = {.split = split,
                                      .sample = (size_t)s->sample,
                                      .seed = (uint64_t)s->seed,
                                      .cache_bytes = (size_t)s->memory << 20,
                                      .threads = (int)s->threads,
                                      .list_ranks = s->ranks != NULL};
    t2i_loaded_model trained;
    t2i_eval_report report = {0};
    t2i_status status = t2i_loaded_model_open(&trained, source, s->data, err);
    if (status == T2I_OK && s->ranks != NULL && t2i_comm_rank(comm) == 0)
        status = t2i_fs_may_replace(s->ranks, T2I_EVAL_RANKS, "a list of ranks", err);
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) status = t2i_eval(comm, &trained, &options, &report, err);
    t2i_loaded_model_close(&trained);
    if (status == T2I_OK && t2i_comm_rank(comm) == 0)
        status = print_report(&report, split, s->json, err);
    if (status == T2I_OK && report.ranks.size > 0)
        status = t2i_commit_file(s->ranks, report.ranks.data, report.ranks.size, err);
    t2i_eval_report_free(&report);
    return t2i_comm_agree(comm, status, err);
}

static t2i_status run(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    settings *s = settings_;
    int every = s->split == NULL ? !s->json : strcmp(s->split, "all") == 0;
    int split = every ? T2I_ALL_SPLITS : T2I_DEFAULT_SPLIT;
    if (opts->operands != 1)
        return t2i_fail(err, T2I_USAGE, "give one run folder or model file (see --help)");
    if (s->split != NULL && !every && (split = t2i_dataset_split_find(s->split)) < 0)
        return t2i_fail(err, T2I_USAGE,
                        "--split %s: the splits are '%s', '%s', '%s' and '%s', or 'all' of them",
                        s->split, t2i_dataset_split_names[0], t2i_dataset_split_names[1],
                        t2i_dataset_split_names[2], t2i_dataset_split_names[3]);
    T2I_TRY(t2i_comm_launched() ? t2i_comm_open(&s->comm, NULL, NULL, err)
                                : t2i_comm_alone(&s->comm, err));
    t2i_log_rank(t2i_comm_rank(s->comm));
    return evaluate(s->comm, opts->operand[0], s, split, err);
}

static t2i_status read_command(int argc, char **argv, settings *s, t2i_error *err)
{
    t2i_opt table[] = {
        {.name = "data",
         .kind = T2I_OPT_TEXT,
         .value = &s->data,
         .argument = "F.h5",
         .help = "Dataset. Required with a model file; a run folder names its own."},
        {.name = "split",
         .kind = T2I_OPT_TEXT,
         .value = &s->split,
         .argument = "all|train|validation|unseen-prompts|unseen-pictures",
         .help = "Split whose prompts are evaluated. all: every split that has rows. By default "
                 "all, with --json validation, or train if there is no validation split."},
        {.name = "sample",
         .kind = T2I_OPT_INT,
         .value = &s->sample,
         .preset = "20000",
         .max = 1e9,
         .help = "Maximum number of prompts per split, drawn at random; 0: all."},
        {.name = "seed",
         .kind = T2I_OPT_INT,
         .value = &s->seed,
         .preset = "1",
         .max = 1e9,
         .help = "Random seed of the sample and of the confidence intervals."},
        {.name = "memory",
         .kind = T2I_OPT_INT,
         .value = &s->memory,
         .preset = "512",
         .min = 1,
         .max = 1e6,
         .argument = "MIB",
         .help =
             "Memory per rank for the pictures' features. The rest is read again in each pass."},
        {.name = "threads",
         .kind = T2I_OPT_INT,
         .value = &s->threads,
         .preset = "0",
         .max = T2I_THREADS_MAX,
         .help = "Threads per rank; 0: automatic. The result does not depend on them. Automatic: "
                 "OMP_NUM_THREADS, else the cores of the node divided by its ranks, under Slurm at "
                 "most --cpus-per-task."},
        {.name = "ranks",
         .kind = T2I_OPT_TEXT,
         .value = &s->ranks,
         .argument = "FILE.tsv",
         .help = "Also write the rank of each prompt: split, prompt, rank by cosine, euclidean, "
                 "text index and hybrid, the right picture, the first picture by cosine."},
        {.name = "json",
         .kind = T2I_OPT_SWITCH,
         .value = &s->json,
         .help = "Print only a JSON object (with --split all an array) on standard output."},
    };
    t2i_opts opts = {
        .program = PROGRAM,
        .summary = "measures how well a model retrieves and draws pictures",
        .usage = "RUN|MODEL [--key value]...",
        .about =
            "Predicts features for every distinct prompt of a split and ranks all pictures of the "
            "dataset by their distance to the prediction. R@K: fraction of the prompts with a "
            "correct picture among the first K. MRR: mean of 1 / rank of the first correct "
            "picture. All pictures of the split that share the prompt are correct; pictures that "
            "share it in another split are left out of the ranking.\n"
            "Baselines: the mean training feature, the best constant ranking, the pictures of "
            "the most similar training prompts, a text index (TF-IDF of the words and trigrams of "
            "each picture's training prompts), and a random ranking. Intervals are 95 % bootstrap "
            "confidence intervals; the difference between cosine and text index is taken on the "
            "same resamples. If the dataset has pictures and a decoder: PSNR of "
            "the decoded prediction and of the nearest training picture against the true "
            "picture (99 dB for identical pictures); the PSNR of the true features decoded, "
            "which is the ceiling; and that of several ways to draw a prompt from the "
            "prediction and the nearest training pictures.\n"
            "Under mpirun or srun the ranks share the work; the results are the same for any "
            "number of ranks and threads.",
        .example = PROGRAM " runs/shapes --split unseen-pictures",
        .opt = table,
        .opts = sizeof table / sizeof *table,
        .run = run,
        .shared = 1,
        .git = T2I_GIT,
    };
    return t2i_cli_run(&opts, argc, argv, s, err);
}

int main(int argc, char **argv)
{
    t2i_error err = {0};
    settings s = {0};
    t2i_log_program(PROGRAM);
    t2i_stop_signal_begin();
    t2i_cpu_set_rounding();
    t2i_blas_begin();
    t2i_log_rank(t2i_comm_rank_before_start());
    t2i_status status = read_command(argc, argv, &s, &err);
    return t2i_cli_end(s.comm, status, &err);
}
