#include "base/option_names.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define EPOCHS  "steps = epochs x training rows / batch"
#define ONE_ALL "the batch of a step over all ranks, not per rank"
#define CPU     "there is no GPU code: all programs run on CPUs"
#define FLOAT32 "numbers are 32-bit floats throughout, so that all CPUs compute the same bits"
#define ADAMW   "the optimiser is AdamW: see --lr, --weight-decay, --beta1, --beta2 and --eps"
#define LAUNCH  "the launcher starts the ranks: mpirun -np 8 t2i-train, or srun"
#define NO_WAIT "the rows are in memory: no process is needed to load data"
#define WORDS   "prompts are read as characters; there is no tokeniser"
#define JOB     "a job file is given without an option: t2i-train FILE.ini"
#define LOCAL   "nothing is sent to a service: log.jsonl, report.html and --tensorboard on are local"
#define ALWAYS  "this is always so"

const t2i_foreign_option t2i_option_names_foreign[] = {
    /* rows of a step, and how many steps */
    {"batch-size", "batch", NULL},
    {"batchsize", "batch", NULL},
    {"bs", "batch", NULL},
    {"b", "batch", NULL},
    {"train-batch-size", "batch", NULL},
    {"per-device-train-batch-size", "batch", ONE_ALL},
    {"per-gpu-train-batch-size", "batch", ONE_ALL},
    {"per-device-eval-batch-size", NULL, "a validation chooses its own batches"},
    {"eval-batch-size", NULL, "a validation chooses its own batches"},
    {"micro-batch-size", "batch", ONE_ALL},
    {"gradient-accumulation-steps", "batch", ONE_ALL},
    {"accumulate-grad-batches", "batch", ONE_ALL},
    {"accum-freq", "batch", ONE_ALL},
    {"epochs", "steps", EPOCHS},
    {"epoch", "steps", EPOCHS},
    {"n-epochs", "steps", EPOCHS},
    {"num-epochs", "steps", EPOCHS},
    {"max-epochs", "steps", EPOCHS},
    {"min-epochs", "steps", EPOCHS},
    {"num-train-epochs", "steps", EPOCHS},
    {"max-steps", "steps", NULL},
    {"max-iters", "steps", NULL},
    {"max-train-steps", "steps", NULL},
    {"num-steps", "steps", NULL},
    {"train-steps", "steps", NULL},
    {"total-steps", "steps", NULL},
    {"iterations", "steps", NULL},
    {"num-iterations", "steps", NULL},
    {"iters", "steps", NULL},
    {"train-num-samples", NULL, "all training rows of the dataset are used"},
    {"max-train-samples", NULL, "all training rows of the dataset are used"},
    {"limit-train-batches", "steps", NULL},
    {"early-stopping-patience", "patience", "in validations"},
    {"early-stopping", "patience", "in validations"},
    /* learning rate */
    {"learning-rate", "lr", NULL},
    {"learningrate", "lr", NULL},
    {"base-lr", "lr", NULL},
    {"max-lr", "lr", NULL},
    {"lr0", "lr", NULL},
    {"lr-scheduler", "schedule", NULL},
    {"lr-scheduler-type", "schedule", NULL},
    {"lr-schedule", "schedule", NULL},
    {"scheduler", "schedule", NULL},
    {"decay-lr", "schedule", "cosine decays, constant does not"},
    {"lr-decay-iters", "steps", "the cosine schedule ends at the last step"},
    {"warmup-steps", "warmup", NULL},
    {"warmup-iters", "warmup", NULL},
    {"lr-warmup-steps", "warmup", NULL},
    {"num-warmup-steps", "warmup", NULL},
    {"warmup-ratio", "warmup", "in steps"},
    {"warmup-epochs", "warmup", "in steps"},
    {"lr-end", "min-lr", NULL},
    {"eta-min", "min-lr", NULL},
    {"final-lr", "min-lr", NULL},
    /* optimiser */
    {"wd", "weight-decay", NULL},
    {"decay", "weight-decay", NULL},
    {"adam-beta1", "beta1", NULL},
    {"adam-beta2", "beta2", NULL},
    {"adam-epsilon", "eps", NULL},
    {"adam-weight-decay", "weight-decay", NULL},
    {"epsilon", "eps", NULL},
    {"betas", "beta1", "beta2 is an option of its own"},
    {"momentum", "beta1", ADAMW},
    {"optimizer", NULL, ADAMW},
    {"optimiser", NULL, ADAMW},
    {"optim", NULL, ADAMW},
    {"opt", NULL, ADAMW},
    {"grad-clip", "clip", NULL},
    {"clip-grad", "clip", NULL},
    {"clip-grad-norm", "clip", NULL},
    {"grad-clip-norm", "clip", NULL},
    {"grad-norm-clip", "clip", NULL},
    {"gradient-clip", "clip", NULL},
    {"gradient-clip-val", "clip", NULL},
    {"max-grad-norm", "clip", NULL},
    {"use-ema", "ema", "its decay, as 0.999"},
    {"ema-decay", "ema", NULL},
    {"criterion", "loss", NULL},
    {"loss-fn", "loss", NULL},
    {"loss-type", "loss", NULL},
    {"tau", "temperature", NULL},
    {"num-negatives", "negatives", NULL},
    {"local-loss", "negatives", "batch takes the pictures of the step's batch"},
    /* random numbers, precision, machine */
    {"random-seed", "seed", NULL},
    {"manual-seed", "seed", NULL},
    {"random-state", "seed", NULL},
    {"deterministic", NULL, ALWAYS ": the bits depend on options and data, not on the machine"},
    {"benchmark", NULL, "see --dry-run for the expected time, and t2i-doctor"},
    {"precision", NULL, FLOAT32},
    {"fp16", NULL, FLOAT32},
    {"bf16", NULL, FLOAT32},
    {"tf32", NULL, FLOAT32},
    {"fp32", NULL, FLOAT32},
    {"half", NULL, FLOAT32},
    {"amp", NULL, FLOAT32},
    {"dtype", NULL, FLOAT32},
    {"mixed-precision", NULL, FLOAT32},
    {"device", NULL, CPU},
    {"gpu", NULL, CPU},
    {"gpus", NULL, CPU},
    {"cuda", NULL, CPU},
    {"no-cuda", NULL, CPU},
    {"use-cpu", NULL, CPU},
    {"cpu", NULL, CPU},
    {"accelerator", NULL, CPU},
    {"compile", NULL, "there is nothing to compile"},
    {"torch-compile", NULL, "there is nothing to compile"},
    {"devices", NULL, LAUNCH},
    {"nodes", NULL, LAUNCH},
    {"num-nodes", NULL, LAUNCH},
    {"num-processes", NULL, LAUNCH},
    {"nproc", NULL, LAUNCH},
    {"nproc-per-node", NULL, LAUNCH},
    {"np", NULL, LAUNCH},
    {"world-size", NULL, LAUNCH},
    {"local-rank", NULL, LAUNCH},
    {"strategy", NULL, LAUNCH},
    {"backend", NULL, LAUNCH},
    {"dist-backend", NULL, LAUNCH},
    {"ddp", NULL, LAUNCH},
    {"deepspeed", NULL, LAUNCH},
    {"num-threads", "threads", NULL},
    {"nthreads", "threads", NULL},
    {"cores", "threads", NULL},
    {"cpus", "threads", NULL},
    {"jobs", "threads", LAUNCH},
    {"j", "threads", LAUNCH},
    {"workers", "threads", NO_WAIT},
    {"num-workers", "threads", NO_WAIT},
    {"dataloader-num-workers", "threads", NO_WAIT},
    /* data */
    {"dataset", "data pairs", NULL},
    {"dataset-name", "data pairs", "nothing is downloaded"},
    {"dataset-path", "data pairs", NULL},
    {"dataset-type", NULL, "what a source is, is seen from its contents"},
    {"data-path", "data pairs", NULL},
    {"data-dir", "data pairs", NULL},
    {"data-root", "data pairs", NULL},
    {"train-data", "data pairs", NULL},
    {"train-file", "data pairs", NULL},
    {"train-data-dir", "data pairs", NULL},
    {"train-dir", "data pairs", NULL},
    {"input", "data pairs", NULL},
    {"i", "data pairs", NULL},
    {"d", "data", NULL},
    {"val-data", "validation", "one dataset holds the rows of all splits"},
    {"val-file", "validation", "one dataset holds the rows of all splits"},
    {"validation-file", "validation", "one dataset holds the rows of all splits"},
    {"test-file", "validation", "one dataset holds the rows of all splits"},
    {"imagenet-val", NULL, "see t2i-eval for the scores of a model"},
    {"zeroshot-frequency", NULL, "see t2i-eval for the scores of a model"},
    {"val-split", "validation", NULL},
    {"val-ratio", "validation", NULL},
    {"val-fraction", "validation", NULL},
    {"test-size", "validation", NULL},
    {"validation-split", "validation", NULL},
    {"validation-split-percentage", "validation", "a fraction, as 0.1"},
    {"csv", "pairs", NULL},
    {"csv-path", "pairs", NULL},
    {"jsonl", "pairs", NULL},
    {"metadata", "pairs", NULL},
    {"captions", "pairs", NULL},
    {"caption-column", "prompt-column", NULL},
    {"text-column", "prompt-column", NULL},
    {"csv-caption-key", "prompt-column", NULL},
    {"caption-key", "prompt-column", NULL},
    {"img-column", "image-column", NULL},
    {"image-key", "image-column", NULL},
    {"csv-img-key", "image-column", NULL},
    {"csv-separator", NULL, "the delimiter of a list is found from its contents"},
    {"delimiter", NULL, "the delimiter of a list is found from its contents"},
    {"sep", NULL, "the delimiter of a list is found from its contents"},
    {"caption-file", "pairs", NULL},
    {"captions-file", "pairs", NULL},
    {"annotations", "pairs", NULL},
    {"prompts", "pairs", NULL},
    {"image-dir", "images", NULL},
    {"images-dir", "images", NULL},
    {"img-dir", "images", NULL},
    {"image-folder", "images", NULL},
    {"image-root", "images", NULL},
    {"root", "images", NULL},
    {"embeddings", "features vectors", NULL},
    {"feature-file", "features", NULL},
    {"n-components", "dim", NULL},
    {"resolution", "size", NULL},
    {"image-size", "size", NULL},
    {"imgsz", "size", NULL},
    {"center-crop", "fit", NULL},
    {"resize-mode", "fit", NULL},
    {"force", NULL, "a dataset is replaced when the new one is complete; a run folder is not"},
    {"overwrite", NULL, "a dataset is replaced when the new one is complete; a run folder is not"},
    {"overwrite-output-dir", NULL, "a run is not overwritten: give another --out"},
    {"exist-ok", NULL, "a run is not overwritten: give another --out"},
    {"shuffle", NULL, ALWAYS "; see --sampler and --seed of t2i-train"},
    {"tokenizer", NULL, WORDS},
    {"tokenizer-name", NULL, WORDS},
    {"vocab-size", "min-count", "the vocabulary is the characters of the training prompts"},
    /* model */
    {"n-layer", "layers", NULL},
    {"n-layers", "layers", NULL},
    {"num-layers", "layers", NULL},
    {"depth", "layers", NULL},
    {"num-hidden-layers", "layers", NULL},
    {"n-head", "heads", NULL},
    {"n-heads", "heads", NULL},
    {"nhead", "heads", NULL},
    {"num-heads", "heads", NULL},
    {"num-attention-heads", "heads", NULL},
    {"n-embd", "d-model", NULL},
    {"emb-dim", "d-model", NULL},
    {"embedding-dim", "d-model", NULL},
    {"hidden-size", "d-model", NULL},
    {"hidden-dim", "d-model", NULL},
    {"dim-model", "d-model", NULL},
    {"width", "d-model", NULL},
    {"ffn-dim", "d-ff", NULL},
    {"dim-feedforward", "d-ff", NULL},
    {"intermediate-size", "d-ff", NULL},
    {"max-length", "block-size", NULL},
    {"max-len", "block-size", NULL},
    {"max-seq-length", "block-size", NULL},
    {"seq-len", "block-size", NULL},
    {"context-length", "block-size", NULL},
    {"projection-dim", "embed-dim", NULL},
    {"bias", NULL, "the biases are those of the tutorial's model"},
    {"attention-dropout", "dropout", NULL},
    {"hidden-dropout", "dropout", NULL},
    {"model", NULL, "see --d-model, --heads, --layers; --init starts from the weights of a model"},
    {"arch", NULL, "see --d-model, --heads, --layers; --init starts from the weights of a model"},
    {"pretrained", "init weights", NULL},
    {"finetune", "init", NULL},
    {"model-name-or-path", "init", "a run folder or a file"},
    {"pretrained-model-name-or-path", "init", "a run folder or a file"},
    {"init-from", "init", NULL},
    {"init-weights", "init", NULL},
    {"load", "init resume", NULL},
    {"checkpoint", "resume init", NULL},
    {"ckpt", "resume init", NULL},
    {"ckpt-path", "resume init", NULL},
    {"resume-from", "resume", NULL},
    {"resume-from-checkpoint", "resume", NULL},
    {"auto-resume", "resume", ALWAYS " with --resume auto, the default"},
    /* run folder, logs, checkpoints */
    {"output", "out", NULL},
    {"output-dir", "out", NULL},
    {"output-file", "out", NULL},
    {"out-dir", "out", NULL},
    {"outdir", "out", NULL},
    {"o", "out", NULL},
    {"save-dir", "out", NULL},
    {"save-path", "out", NULL},
    {"run-dir", "out", NULL},
    {"checkpoint-dir", "out", NULL},
    {"checkpoint-path", "out", NULL},
    {"default-root-dir", "out", NULL},
    {"project", "out", NULL},
    {"name", "out", NULL},
    {"run-name", "out", NULL},
    {"logs", "out", NULL},
    {"log-dir", "out", NULL},
    {"logging-dir", "out", NULL},
    {"tensorboard-dir", "tensorboard", "on or off; the files are in the run folder"},
    {"report-to", "tensorboard", LOCAL},
    {"logger", "tensorboard", LOCAL},
    {"wandb", NULL, LOCAL},
    {"wandb-log", NULL, LOCAL},
    {"wandb-project", NULL, LOCAL},
    {"push-to-hub", NULL, LOCAL},
    {"logging-steps", "log-every", NULL},
    {"log-interval", "log-every", NULL},
    {"log-freq", "log-every", NULL},
    {"log-every-n-steps", "log-every", NULL},
    {"print-freq", "log-every", NULL},
    {"eval-steps", "validate-every", NULL},
    {"eval-every", "validate-every", NULL},
    {"eval-interval", "validate-every", NULL},
    {"eval-iters", NULL, "a validation evaluates all rows of its split"},
    {"eval-strategy", "validate-every", "in steps"},
    {"evaluation-strategy", "validate-every", "in steps"},
    {"do-eval", "validate-every", NULL},
    {"do-train", NULL, "t2i-train trains, t2i-eval evaluates"},
    {"val-every", "validate-every", NULL},
    {"val-interval", "validate-every", NULL},
    {"val-frequency", "validate-every", "in steps"},
    {"val-check-interval", "validate-every", "in steps"},
    {"check-val-every-n-epoch", "validate-every", "in steps"},
    {"validation-steps", "validate-every", NULL},
    {"save-steps", "checkpoint-every", NULL},
    {"save-every", "checkpoint-every", NULL},
    {"save-freq", "checkpoint-every", NULL},
    {"save-frequency", "checkpoint-every", "in steps"},
    {"save-interval", "checkpoint-every", NULL},
    {"save-strategy", "checkpoint-every", "in steps"},
    {"checkpointing-steps", "checkpoint-every", NULL},
    {"ckpt-every", "checkpoint-every", NULL},
    {"every-n-train-steps", "checkpoint-every", NULL},
    {"save-total-limit", "keep", NULL},
    {"save-top-k", "keep", "the best model is kept besides"},
    {"checkpoints-total-limit", "keep", NULL},
    {"always-save-checkpoint", "checkpoint-every", NULL},
    {"save-most-recent", "keep", NULL},
    {"delete-previous-checkpoint", "keep", NULL},
    {"load-best-model-at-end", NULL, "checkpoints/best.safetensors is the best model"},
    {"time-limit", "max-time", "in seconds"},
    {"walltime", "max-time", "in seconds"},
    {"timeout", "max-time watchdog", "in seconds"},
    {"fast-dev-run", "dry-run", NULL},
    {"dryrun", "dry-run", NULL},
    {"check", "dry-run", NULL},
    {"config", NULL, JOB},
    {"config-file", NULL, JOB},
    {"c", NULL, JOB},
    {"cfg", NULL, JOB},
    {"job", NULL, JOB},
    /* questions to a model */
    {"prompt", NULL, "prompts are given without an option: t2i-generate RUN \"a red cat\""},
    {"p", NULL, "prompts are given without an option: t2i-generate RUN \"a red cat\""},
    {"text", NULL, "prompts are given without an option: t2i-generate RUN \"a red cat\""},
    {"prompts-file", "prompts", NULL},
    {"prompt-file", "prompts", NULL},
    {"from-file", "prompts", NULL},
    {"run", NULL, "a run is given without an option: t2i-eval RUN"},
    {"top-k", "top", NULL},
    {"topk", "top", NULL},
    {"k", "top", NULL},
    {"num-images", "top", NULL},
    {"num-results", "top", NULL},
    {"num-samples", "top sample", NULL},
    {"distance", "metric", NULL},
    {"similarity", "metric", NULL},
    {"format", "to", NULL},
    /* all programs */
    {"h", "help", NULL},
    {"usage", "help", NULL},
    {"v", "version", "or --verbose"},
    {"debug", "verbose", NULL},
    {"log-level", "verbose", "--quiet prints less"},
    {"q", "quiet", NULL},
    {"silent", "quiet", NULL},
};
const size_t t2i_option_names_foreign_count =
    sizeof t2i_option_names_foreign / sizeof *t2i_option_names_foreign;

#define TRAIN                                                                                      \
    "data out init resume dry-run steps batch lr schedule warmup min-lr weight-decay beta1 beta2 " \
    "eps clip loss contrastive-weight temperature negatives augment dropout ema skip-spikes seed " \
    "sampler d-model heads layers d-ff block-size ngram-buckets ngram-hidden embed-dim min-count " \
    "shards threads trie verify-every audit-every watchdog validate-every patience "               \
    "sample-every log-every "                                                                      \
    "checkpoint-every keep tensorboard max-time"

const t2i_program_options t2i_option_names_programs[] = {
    {"t2i-train", TRAIN},
    {"t2i-data", "out pairs from prompt-column image-column split-column group-column images "
                 "features encoder weights dim size fit orientation "
                 "validation seed skip-bad resume "
                 "locales with join background font cldr shard json"},
    {"t2i-generate", "data prompts top metric index out force vectors html json"},
    {"t2i-eval", "data split sample seed memory threads ranks json"},
    {"t2i-model", "to out replay data json"},
    {"t2i-doctor", TRAIN " json"},
};
const size_t t2i_option_names_programs_count =
    sizeof t2i_option_names_programs / sizeof *t2i_option_names_programs;

/* Bytes of a hyphen, or of a dash or minus sign of typeset text, at the start of text; else 0. */
static size_t dash(const char *text)
{
    uint32_t code = 0;
    size_t size = t2i_utf8_decode(text, strlen(text), &code);
    int is = code == '-' || (code >= 0x2010 && code <= 0x2015) || code == 0x2212 ||
             code == 0xfe58 || code == 0xfe63 || code == 0xff0d;
    return is ? size : 0;
}

size_t t2i_option_names_dashes(const char *word)
{
    size_t used = 0;
    for (size_t size; (size = dash(word + used)) > 0;) used += size;
    return used;
}

/* The name in small letters, without dashes in front, with hyphens for other separators. */
static void normalise(const char *word, char *out, size_t room)
{
    size_t used = 0, size;
    word += t2i_option_names_dashes(word);
    while (*word != '\0' && *word != '=' && used + 1 < room) {
        size = dash(word);
        char c = size > 0 || strchr("_ \t", *word) != NULL ? '-' : *word;
        out[used++] = (char)tolower((unsigned char)c);
        word += size > 0 ? size : 1;
    }
    while (used > 0 && strchr("-,:", out[used - 1]) != NULL) used--;
    out[used] = '\0';
}

static const char *find_own(const char *name, size_t size, const char *const *own, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(own[i]) == size && memcmp(own[i], name, size) == 0) return own[i];
    return NULL;
}

/* The program that has the option. */
static const char *find_program(const char *name, size_t size)
{
    for (size_t i = 0; i < t2i_option_names_programs_count; i++) {
        const char *options = t2i_option_names_programs[i].options;
        for (size_t length; *options != '\0'; options += length + (options[length] == ' ')) {
            length = strcspn(options, " ");
            if (length == size && memcmp(options, name, size) == 0)
                return t2i_option_names_programs[i].program;
        }
    }
    return NULL;
}

static const t2i_foreign_option *find_foreign(const char *name)
{
    for (size_t i = 0; i < t2i_option_names_foreign_count; i++)
        if (strcmp(t2i_option_names_foreign[i].name, name) == 0)
            return &t2i_option_names_foreign[i];
    return NULL;
}

/* What the table says of a name. */
static void explain(const t2i_foreign_option *foreign, const char *const *own, size_t count,
                    const char *dashes, char *out, size_t room)
{
    const char *open = foreign->note == NULL ? "" : " (", *note = open[0] ? foreign->note : "",
               *shut = open[0] ? ")" : "";
    size_t first = foreign->ours == NULL ? 0 : strcspn(foreign->ours, " "), length;
    for (const char *ours = foreign->ours; ours != NULL && *ours != '\0';
         ours += length + (ours[length] == ' ')) {
        length = strcspn(ours, " ");
        if (find_own(ours, length, own, count) == NULL) continue;
        snprintf(out, room, ": did you mean '%s%.*s'?%s%s%s", dashes, (int)length, ours, open, note,
                 shut);
        return;
    }
    const char *program = first == 0 ? NULL : find_program(foreign->ours, first);
    if (program != NULL)
        snprintf(out, room, ": see '--%.*s' of %s%s%s%s", (int)first, foreign->ours, program, open,
                 note, shut);
    else if (first == 0)
        snprintf(out, room, ": %s", note);
}

/* The first option that begins with these whole words: "checkpoint" for checkpoint-every. */
static const char *find_beginning(const char *name, const char *const *own, size_t count)
{
    size_t size = strlen(name);
    for (size_t i = 0; size >= 3 && i < count; i++)
        if (strncmp(own[i], name, size) == 0 && own[i][size] == '-') return own[i];
    return NULL;
}

void t2i_option_names_hint(const char *word, const char *const *own, size_t count,
                           const char *dashes, char *out, size_t room)
{
    char name[80];
    normalise(word, name, sizeof name);
    size_t size = strlen(name);
    out[0] = '\0';
    const char *last = strrchr(name, '.'), *near = find_own(name, size, own, count);
    const t2i_foreign_option *foreign = find_foreign(name);
    /* "trainer.max_epochs" of configurations that are trees */
    if (last != NULL && near == NULL && foreign == NULL) {
        near = find_own(last + 1, strlen(last + 1), own, count);
        foreign = find_foreign(last + 1);
    }
    const char *program = near == NULL && foreign == NULL ? find_program(name, size) : NULL;
    if (near == NULL && foreign != NULL) {
        explain(foreign, own, count, dashes, out, room);
        return;
    }
    if (program != NULL) {
        snprintf(out, room, ": it is an option of %s", program);
        return;
    }
    if (near == NULL) near = t2i_text_nearest_name(name, own, count);
    if (near == NULL) near = find_beginning(name, own, count);
    if (near != NULL) snprintf(out, room, ": did you mean '%s%s'?", dashes, near);
}
