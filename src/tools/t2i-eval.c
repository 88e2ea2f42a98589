/* t2i-eval - how well a trained model finds and draws the pictures of a split. */
#include <stdio.h>
#include <string.h>

#include "t2i/cpu.h"
#include "t2i/eval.h"
#include "t2i/linalg.h"
#include "t2i/log.h"
#include "t2i/opts.h"
#include "t2i/trained.h"

#define PROGRAM "t2i-eval"

typedef struct {
    char *data, *split;
    int json;
} settings;

static t2i_status report(const t2i_eval_result *result, int json, t2i_error *err)
{
    t2i_text text = {0};
    if (result->unknown > 0)
        t2i_log_warn("%zu of %zu prompts have characters that the model does not know",
                     result->unknown, result->prompts);
    if (result->cut > 0)
        t2i_log_warn("%zu of %zu prompts are longer than the model reads and were cut", result->cut,
                     result->prompts);
    t2i_status status =
        json ? t2i_eval_json(result, &text, err) : t2i_eval_table(result, &text, err);
    if (status == T2I_OK) status = t2i_log_print(text.data, err);
    t2i_text_free(&text);
    return status;
}

static t2i_status evaluate(const t2i_opts *opts, const settings *s, t2i_error *err)
{
    t2i_trained trained;
    t2i_eval_result result;
    int split = s->split == NULL ? -1 : t2i_split_find(s->split);
    if (opts->operands != 1)
        return t2i_fail(err, T2I_USAGE, "give one run folder or model file; see --help");
    if (s->split != NULL && split < 0)
        return t2i_fail(err, T2I_USAGE, "--split %s: the splits are '%s', '%s', '%s' and '%s'",
                        s->split, t2i_split_names[0], t2i_split_names[1], t2i_split_names[2],
                        t2i_split_names[3]);
    T2I_TRY(t2i_trained_open(&trained, opts->operand[0], s->data, err));
    t2i_status status = t2i_eval(&trained, split, &result, err);
    t2i_trained_close(&trained);
    return status == T2I_OK ? report(&result, s->json, err) : status;
}

static t2i_status run(int argc, char **argv, t2i_error *err)
{
    settings s = {0};
    t2i_opt table[] = {
        {.name = "data",
         .kind = T2I_OPT_TEXT,
         .value = &s.data,
         .argument = "F.h5",
         .help = "The dataset. A run folder names its own; a model file needs this."},
        {.name = "split",
         .kind = T2I_OPT_TEXT,
         .value = &s.split,
         .argument = "NAME",
         .help = "Whose prompts to ask: train, validation, unseen-prompts or unseen-pictures. By "
                 "default validation, "
                 "or train where there is no validation."},
        {.name = "json",
         .kind = T2I_OPT_SWITCH,
         .value = &s.json,
         .help = "Print a JSON object, and nothing else, on standard output."},
    };
    t2i_opts opts = {
        .program = PROGRAM,
        .usage = "RUN|MODEL [--key value]...",
        .about = "Asks a trained model for every prompt of a split and ranks all pictures of the "
                 "dataset by their "
                 "distance to its prediction. R@K: part of the prompts that have a right picture "
                 "among the first K. "
                 "MRR: mean of 1 / rank of the first right picture. Where the dataset has pictures "
                 "and a decoder, "
                 "also how close (PSNR, identical pictures counting as 99 dB) the decoded "
                 "prediction comes to the "
                 "true picture, and how close the nearest training picture does.",
        .epilog = "Example: " PROGRAM " runs/shapes --split unseen-pictures",
        .opt = table,
        .opts = sizeof table / sizeof *table,
    };
    t2i_status status = t2i_opts_parse(&opts, argc, argv, err);
    if (status == T2I_OK && (opts.help || opts.version)) {
        status = t2i_opts_answer(&opts, err);
    } else if (status == T2I_OK) {
        status = evaluate(&opts, &s, err);
    }
    t2i_opts_free(&opts);
    return status;
}

int main(int argc, char **argv)
{
    t2i_error err = {0};
    t2i_log_program(PROGRAM);
    t2i_cpu_set_rounding();
    t2i_blas_begin();
    t2i_status status = run(argc, argv, &err);
    if (status != T2I_OK) t2i_log_error(&err);
    return (int)status;
}
