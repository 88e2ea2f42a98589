/* t2i-model - shows, verifies, compares and converts model and checkpoint files; writes reports.
 * Only a replay trains, and starts MPI under a launcher. */
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"
#include "comm/comm.h"
#include "base/cpu.h"
#include "base/log.h"
#include "checkpoint/model_convert.h"
#include "checkpoint/model_diff.h"
#include "checkpoint/model_show.h"
#include "checkpoint/model_verify.h"
#include "checkpoint/run_folder.h"
#include "base/opts.h"
#include "record/report.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/stop_signal.h"
#include "train/replay.h"
#include "train/train.h"

#define PROGRAM "t2i-model"

typedef struct {
    char *to, *out, *replay, *data, *init;
    int json;
    t2i_comm *comm; /* NULL until MPI or its substitute is started */
} settings;

static t2i_status run_show(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    t2i_text text = {0};
    t2i_error ignored;
    t2i_status status = t2i_model_show(opts->operand, opts->operands, s->json, &text, err);
    if (status == T2I_OK)
        status = t2i_log_print(text.data, err);
    else if (text.data != NULL && t2i_log_print(text.data, &ignored) == T2I_IO)
        status = T2I_IO; /* files before the bad one are still shown */
    t2i_text_free(&text);
    return status;
}

/* Collective. */
static t2i_status replay_run(t2i_comm *comm, const char *run, long from, long to,
                             t2i_train_options *options, t2i_error *err)
{
    t2i_replay *replay;
    t2i_train *train;
    T2I_TRY(t2i_replay_open(&replay, comm, run, from, to, err));
    t2i_replay_set(replay, options);
    t2i_status status = t2i_train_open(&train, comm, options, err);
    if (status == T2I_OK) {
        status = t2i_train_run(train, comm, err);
        t2i_train_close(train, comm);
    }
    t2i_replay_free(replay);
    return status;
}

/* Every rank reads the run's job.ini by itself, as t2i-train does. */
static t2i_status run_replay(const t2i_opts *opts, settings *s, t2i_error *err)
{
    const char *run = opts->operand[0];
    long from, to;
    t2i_train_options options = {0};
    T2I_TRY(t2i_replay_range(s->replay, &from, &to, err));
    if (opts->operands > 1) return t2i_fail(err, T2I_USAGE, "--replay takes one RUN");
    T2I_TRY(t2i_cpu_check_vectors(err));
    char *init, *job = t2i_fs_join(run, "job.ini", err);
    char *argv[9] = {PROGRAM, job, "--threads", "0"};
    int argc = 4;
    t2i_status status = job == NULL ? T2I_SYSTEM : t2i_run_folder_init(run, &init, err);
    if (status != T2I_OK) init = NULL;
    if (s->data != NULL) {
        argv[argc++] = "--data";
        argv[argc++] = s->data;
    }
    if (s->init != NULL || (init != NULL && t2i_fs_exists(init))) {
        argv[argc++] = "--init";
        argv[argc++] = s->init != NULL ? s->init : init;
    }
    if (status == T2I_OK) status = t2i_train_options_parse(&options, argc, argv, err);
    if (status == T2I_OK)
        status = t2i_comm_launched() ? t2i_comm_open(&s->comm, NULL, NULL, err)
                                     : t2i_comm_alone(&s->comm, err);
    if (status == T2I_OK) {
        t2i_log_rank(t2i_comm_rank(s->comm));
        status = replay_run(s->comm, run, from, to, &options, err);
    }
    t2i_train_options_free(&options);
    t2i_free(init);
    t2i_free(job);
    return status;
}

static t2i_status run_verify(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    settings *s = settings_;
    if (s->replay == NULL && (s->data != NULL || s->init != NULL))
        return t2i_fail(err, T2I_USAGE, "--%s is for --replay: which run shall be replayed?",
                        s->data != NULL ? "data" : "init");
    if (s->replay != NULL) return run_replay(opts, s, err);
    if (t2i_comm_rank_before_start() > 0) return T2I_OK;
    return t2i_model_verify(opts->operand, opts->operands, err);
}

static t2i_status run_diff(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    (void)settings_;
    const char *a = opts->operand[0], *b = opts->operand[1];
    t2i_text text = {0};
    size_t differences;
    t2i_status status = t2i_model_diff(a, b, &text, &differences, err);
    if (status == T2I_OK) status = t2i_log_print(text.data, err);
    t2i_text_free(&text);
    if (status == T2I_OK && differences > 0)
        return t2i_fail(err, T2I_DATA, "%s and %s differ", a, b);
    return status;
}

static t2i_status run_export(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    return t2i_model_convert_export(opts->operand[0], s->to, err);
}

static t2i_status run_import(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    return t2i_model_convert_import(opts->operand[0], s->to, err);
}

static t2i_status run_report(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    t2i_report *report;
    if (opts->operands > 1 && s->out == NULL)
        return t2i_fail(err, T2I_USAGE, "a report of several runs needs --out PAGE.html");
    if (opts->operands > 1) {
        T2I_TRY(t2i_report_compare(opts->operand, opts->operands, s->out, err));
        t2i_log_note("wrote %s: %zu runs compared; a browser opens it", s->out, opts->operands);
        return T2I_OK;
    }
    T2I_TRY(t2i_report_open(&report, opts->operand[0], err));
    t2i_status status = t2i_report_write(report, NULL, s->out, err);
    t2i_report_close(report);
    if (status == T2I_OK)
        t2i_log_note("wrote %s%s; a browser opens it", s->out != NULL ? s->out : opts->operand[0],
                     s->out != NULL ? "" : "/report.html");
    return status;
}

static const t2i_command commands[] = {
    {"show", "FILE|RUN...", 1, 1000, "json", NULL,
     "Shows the contents of model files. For a model: configuration, vocabulary, run state and "
     "tensors; for any other .safetensors, .pt or .pth file: its tensors.",
     run_show, 0},
    {"verify", "FILE|RUN...", 1, 100000, "replay data init", NULL,
     "Verifies the integrity of model files. For a RUN, of all its models and checkpoints, and of "
     "its log, in which the first edited line is named. A damaged file gives exit code 65. With "
     "--replay a stretch of the RUN is computed again, also under mpirun or srun; nothing is "
     "written.",
     run_verify, 1},
    {"diff", "A B", 2, 2, "", NULL,
     "Compares two models of any format. Lists the largest differences first, relative to the "
     "tensor's largest absolute value; the exit code is 65 if the models differ. AdamW's moments "
     "and run state that only one of them has do not count.",
     run_diff, 0},
    {"export", "RUN|MODEL", 1, 1, "to", "to",
     "Writes a model without AdamW's moments. .safetensors keeps the run state; .pt has the "
     "tutorial's layout, which torch.load reads; .onnx is a graph from prompts to predictions, for "
     "onnxruntime and others.",
     run_export, 0},
    {"import", "F.pt", 1, 1, "to", "to",
     "Converts the tutorial's .pt, or another model file, to .safetensors.", run_import, 0},
    {"report", "RUN...", 1, T2I_REPORT_RUNS, "out", NULL,
     "Writes an HTML report of one run, or a comparison of several. For one run it is the "
     "report.html in its folder, written again. For several it shows their curves in common "
     "charts, their results, and the options in which they differ.",
     run_report, 0},
};

static t2i_status read_command(int argc, char **argv, settings *s, t2i_error *err)
{
    t2i_opt table[] = {
        {"to", T2I_OPT_TEXT, &s->to, .argument = "FILE",
         .help = "File to write; the suffix (.safetensors, .pt or, for export, .onnx) selects the "
                 "format. The file is written completely or not at all."},
        {"out", T2I_OPT_TEXT, &s->out, .argument = "PAGE.html",
         .help = "HTML page to write; for one run by default report.html in its folder."},
        {"replay", T2I_OPT_TEXT, &s->replay, .argument = "FROM..TO",
         .help = "verify: compute these steps of a run again and compare the bits. From the "
                 "checkpoint of step FROM, or from 0, the beginning; at any number of ranks. Every "
                 "logged loss, norm and validation and the checkpoint and models of step TO are "
                 "compared; the first step that differs is named."},
        {"data", T2I_OPT_TEXT, &s->data, .argument = "F.h5",
         .help = "verify --replay: the dataset, by default the one in the run's job.ini."},
        {"init", T2I_OPT_TEXT, &s->init, .argument = "FILE|RUN",
         .help = "verify --replay 0..TO: the model from which the run was started, by default the "
                 "one in its job.ini."},
        {"json", T2I_OPT_SWITCH, &s->json,
         .help = "Print only a JSON array, with one object per file, on standard output."},
    };
    t2i_opts opts = {
        .program = PROGRAM,
        .summary = "inspects, verifies, compares and converts model files",
        .about =
            "Inspects, verifies, compares and converts model and checkpoint files. A RUN folder "
            "stands for its model, or for its newest checkpoint while it has no model.",
        .example =
            PROGRAM " show runs/shapes\n" PROGRAM " report runs/a runs/b --out both.html\n" PROGRAM
                    " export runs/shapes --to text_to_image_model.pt\n" PROGRAM
                    " diff runs/a runs/b/checkpoints/step-500.safetensors\n" PROGRAM
                    " verify runs/shapes --replay 500..1000",
        .opt = table,
        .opts = sizeof table / sizeof *table,
        .command = commands,
        .commands = sizeof commands / sizeof *commands,
        .git = T2I_GIT,
    };
    return t2i_cli_run(&opts, argc, argv, s, err);
}

int main(int argc, char **argv)
{
    t2i_error err = {0};
    t2i_log_program(PROGRAM);
    t2i_stop_signal_begin();
    t2i_cpu_set_rounding();
    settings s = {0};
    t2i_log_rank(t2i_comm_rank_before_start());
    t2i_status status = read_command(argc, argv, &s, &err);
    return t2i_cli_end(s.comm, status, &err);
}
