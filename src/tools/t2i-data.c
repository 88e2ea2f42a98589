/* t2i-data - creates and inspects datasets. */
#include <stdio.h>
#include <string.h>

#include "prepare/build.h"
#include "tools/cli.h"
#include "comm/comm.h"
#include "base/cpu.h"
#include "prepare/emoji.h"
#include "prepare/encode_dataset.h"
#include "prepare/info.h"
#include "convert/merge.h"
#include "convert/export.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/stop_signal.h"
#include "prepare/preview.h"
#include "prepare/shapes.h"
#include "prepare/source.h"

#define PROGRAM "t2i-data"

typedef struct {
    char *out, *pairs, *from, *images, *features, *encoder, *weights;
    char *prompt_column, *image_column, *split_column, *group_column;
    char *locales, *with, *background, *font, *cldr, *fit, *orientation;
    long dim, seed, join, size;
    char *to;   /* of export */
    long shard; /* of export */
    double validation;
    int skip_bad, resume, json;
    t2i_comm *comm; /* NULL until MPI or its substitute is started */
} settings;

static t2i_status run_seed(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    (void)opts;
    return t2i_shapes_seed(s->out, (size_t)s->dim, err);
}

static t2i_status run_shapes(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    (void)opts;
    return t2i_shapes(s->out, (uint64_t)s->seed, (size_t)s->dim, err);
}

static t2i_status run_emoji(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    const t2i_emoji_options options = {.out = s->out,
                                       .locales = s->locales,
                                       .with = s->with,
                                       .join = (size_t)s->join,
                                       .background = s->background,
                                       .font = s->font,
                                       .cldr = s->cldr,
                                       .dim = (size_t)s->dim,
                                       .seed = (uint64_t)s->seed};
    (void)opts;
    return t2i_emoji(&options, err);
}

static t2i_status check_build(const t2i_opts *opts, const settings *s, t2i_error *err)
{
    static const char *const shaping[] = {"dim",  "encoder", "validation",  "resume",
                                          "size", "fit",     "orientation", "background"};
    for (size_t i = 0; s->features != NULL && i < sizeof shaping / sizeof *shaping; i++)
        if (t2i_opts_find(opts, shaping[i])->origin == T2I_FROM_COMMAND)
            return t2i_fail(err, T2I_USAGE,
                            "--features excludes --%s: given features are used unchanged",
                            shaping[i]);
    if (strcmp(s->encoder, "resnet18") == 0 &&
        t2i_opts_find(opts, "dim")->origin == T2I_FROM_COMMAND)
        return t2i_fail(err, T2I_USAGE,
                        "--dim applies to the encoder pca only; resnet18 computes 512 features");
    return T2I_OK;
}

/* The only command that runs on several ranks. One process needs no MPI. */
static t2i_status run_build(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    settings *s = settings_;
    int by_itself = t2i_opts_find(opts, "validation")->origin == T2I_FROM_DEFAULT;
    int own_orientation = t2i_opts_find(opts, "orientation")->origin == T2I_FROM_DEFAULT;
    int own_background = t2i_opts_find(opts, "background")->origin == T2I_FROM_DEFAULT;
    const t2i_build_options options = {.pairs = s->pairs,
                                       .columns = {.prompt = s->prompt_column,
                                                   .image = s->image_column,
                                                   .split = s->split_column,
                                                   .group = s->group_column},
                                       .from = s->from,
                                       .images = s->images,
                                       .features = s->features,
                                       .out = s->out,
                                       .encoder = s->encoder,
                                       .weights = s->weights,
                                       .dim = (size_t)s->dim,
                                       .size = (size_t)s->size,
                                       .fit = s->fit,
                                       .orientation = own_orientation ? NULL : s->orientation,
                                       .background = own_background ? NULL : s->background,
                                       .skip_bad = s->skip_bad,
                                       .resume = s->resume,
                                       .validation = by_itself ? -1 : s->validation,
                                       .seed = (uint64_t)s->seed};
    T2I_TRY(check_build(opts, s, err));
    T2I_TRY(t2i_comm_launched() ? t2i_comm_open(&s->comm, NULL, NULL, err)
                                : t2i_comm_alone(&s->comm, err));
    t2i_log_rank(t2i_comm_rank(s->comm));
    return t2i_build(s->comm, &options, err);
}

/* Prints the text if status is T2I_OK; frees it in any case. */
static t2i_status print_text(t2i_status status, t2i_text *text, t2i_error *err)
{
    if (status == T2I_OK) status = t2i_log_print(text->data, err);
    t2i_text_free(text);
    return status;
}

static t2i_status run_info(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    t2i_text text = {0};
    return print_text(t2i_info(opts->operand[0], s->json, &text, err), &text, err);
}

static t2i_status run_verify(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    (void)settings_;
    t2i_text text = {0};
    return print_text(t2i_info_verify(opts->operand[0], &text, err), &text, err);
}

static t2i_status run_preview(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    return t2i_preview(opts->operand[0], s->out, err);
}

static t2i_status run_export(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    const t2i_export_options options = {.to = s->to, .out = s->out, .shard = (size_t)s->shard};
    if (strcmp(s->to, "webdataset") != 0 &&
        t2i_opts_find(opts, "shard")->origin == T2I_FROM_COMMAND)
        return t2i_fail(err, T2I_USAGE, "--shard applies to --to webdataset only");
    return t2i_export(opts->operand[0], &options, err);
}

static t2i_status run_merge(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    return t2i_merge(opts->operand, opts->operands, s->out, (size_t)s->dim, err);
}

static const t2i_command commands[] = {
    {"seed", "", 0, 0, "out dim", "out",
     "Creates the tutorial's dataset of three pictures and seven prompts.", run_seed, 0},
    {"shapes", "", 0, 0, "out dim seed", "out",
     "Creates 1,296 coloured shapes with 6,480 captions, a fifth held out.", run_shapes, 0},
    {"emoji", "", 0, 0, "out locales with join background font cldr dim seed", "out",
     "Creates 3,600 emoji with their Unicode names in one or more languages.", run_emoji, 0},
    {"build", "", 0, 0,
     "out pairs from prompt-column image-column split-column group-column images features encoder "
     "weights dim size fit orientation background validation seed skip-bad resume",
     "out",
     "Creates a dataset from prompts and your own pictures or features. Under mpirun or srun the "
     "pictures are distributed over the ranks; the file is the same for any number of ranks. "
     "--resume continues an interrupted build.",
     run_build, 1},
    {"info", "F.h5", 1, 1, "json", NULL, "Shows the contents of a dataset.", run_info, 0},
    {"verify", "F.h5", 1, 1, "", NULL, "Verifies a dataset completely.", run_verify, 0},
    {"preview", "F.h5", 1, 1, "out", NULL, "Draws a contact sheet of a dataset's pictures (PNG).",
     run_preview, 0},
    {"export", "F.h5", 1, 1, "to out shard", "out",
     "Writes a dataset as pictures and texts that other programs read.", run_export, 0},
    {"merge", "F.h5 G.h5...", 2, SIZE_MAX, "out dim", "out",
     "Puts datasets of one encoder together. pca is fitted again to the pictures of all; features "
     "of resnet18 and ready ones are copied.",
     run_merge, 0},
};

static t2i_status read_command(int argc, char **argv, settings *s, t2i_error *err)
{
    const t2i_opt_kind number = T2I_OPT_INT, text = T2I_OPT_TEXT, on = T2I_OPT_SWITCH;
    t2i_opt table[] = {
        {"out", text, &s->out, .argument = "FILE",
         .help = "Dataset to write; preview: the PNG, default: the dataset's name with .png; "
                 "export: a new folder."},
        {"to", T2I_OPT_CHOICE, &s->to, "jsonl", .choices = "folder|webdataset|jsonl|npy",
         .help = "What export writes: an imagefolder of Hugging Face, shards of a WebDataset, a "
                 "list (JSON lines) beside the pictures, or the features as a NumPy array beside a "
                 "list."},
        {"shard", number, &s->shard, "10000", 1, 1e9,
         .help = "Samples per shard of export --to webdataset."},
        {"pairs", text, &s->pairs, .argument = "SOURCE",
         .help = "Prompts and pictures: a list, captions of COCO or Flickr, a folder, or tar "
                 "shards. A list is a table with a header (prompt, image_path, [split], [group]), "
                 "JSON objects with these keys, or lines of prompt TAB file [TAB split]."},
        {"from", T2I_OPT_CHOICE, &s->from, "auto", .choices = T2I_SOURCE_CHOICES,
         .help = "Kind of the source. auto recognises it from its contents."},
        {"prompt-column", text, &s->prompt_column, .argument = "NAME",
         .help = "Column or key of the prompts in a list; default: found by its usual names."},
        {"image-column", text, &s->image_column, .argument = "NAME",
         .help = "Column or key of the pictures' file names, likewise."},
        {"split-column", text, &s->split_column, .argument = "NAME",
         .help = "Column or key of the splits; default: split."},
        {"group-column", text, &s->group_column, .argument = "NAME",
         .help = "Column or key of the groups; default: group."},
        {"images", text, &s->images, .argument = "FOLDER",
         .help = "Folder of the pictures that a list names (PNG, JPEG, WebP, GIF, BMP, TIFF); "
                 "default: that of the list."},
        {"features", text, &s->features, .argument = "FILE",
         .help = "Features to use instead of pictures: .npy, safetensors or .pt, by name or by "
                 "position."},
        {"encoder", T2I_OPT_CHOICE, &s->encoder, "pca", .choices = "pca|resnet18",
         .help =
             "Encoder that computes features of pictures. pca is fitted to the training pictures."},
        {"weights", text, &s->weights, .argument = "FILE",
         .help = "Weights of resnet18: torchvision's resnet18-*.pth, or safetensors; F.pth:PART "
                 "for one of several networks."},
        {"dim", number, &s->dim, "512", 1, 4096,
         .help = "Maximum number of features that pca computes per picture."},
        {"size", number, &s->size, "64", 16, 256,
         .help = "Width and height of the pictures that are kept, in pixels."},
        {"fit", T2I_OPT_CHOICE, &s->fit, "crop", .choices = "crop|pad",
         .help = "crop keeps the middle square of a picture; pad keeps all of it, on the "
                 "background."},
        {"orientation", T2I_OPT_CHOICE, &s->orientation, "exif", .choices = "exif|ignore",
         .help = "exif turns pictures as their EXIF orientation says; ignore, the default of "
                 "resnet18, keeps them as stored."},
        {"validation", T2I_OPT_REAL, &s->validation, "0.1", 0, 0.9,
         .help =
             "Fraction of the pictures (or groups) to hold out, if the pairs file names no split."},
        {"seed", number, &s->seed, "1", 0, 1e9,
         .help = "Random seed that selects the held-out pictures and prompts."},
        {"skip-bad", on, &s->skip_bad,
         .help = "Skip bad rows. By default the build fails after all rows are read."},
        {"resume", on, &s->resume,
         .help = "Resume an interrupted build from the pictures that it left in FILE.parts."},
        {"locales", text, &s->locales, "en", .argument = "en,de|all",
         .help = "Languages of the prompts, named as the files of CLDR."},
        {"with", text, &s->with, .argument = "de,fr|all",
         .help = "Further languages whose prompts are only trained on. What is held out depends on "
                 "--locales alone."},
        {"join", number, &s->join, "0", .max = 1000,
         .help = "Maximum number of combined training prompts per picture. Each is made of 2 to 4 "
                 "of the picture's prompts."},
        {"background", text, &s->background, "white", .argument = "COLOUR",
         .help = "Colour behind transparent parts: white, black, grey or #rrggbb; build: also "
                 "none, the default of resnet18, which drops transparency."},
        {"font", text, &s->font, .argument = "FILE",
         .help = "Noto Color Emoji with bitmaps; default: the system's."},
        {"cldr", text, &s->cldr, .argument = "FOLDER",
         .help = "Folder of CLDR's data, with annotations and annotationsDerived; default: the "
                 "system's."},
        {"json", on, &s->json, .help = "Print only a JSON object on standard output."},
    };
    t2i_opts opts = {
        .program = PROGRAM,
        .summary = "creates and inspects datasets of prompts and pictures",
        .about = "Creates and inspects the dataset files that t2i-train reads.",
        .example = PROGRAM " emoji --out data/emoji-en.h5\n" PROGRAM
                           " build --pairs pets.csv --images photos --out pets.h5\n" PROGRAM
                           " preview pets.h5",
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
