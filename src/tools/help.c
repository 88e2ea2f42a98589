#include "tools/help.h"

#include <string.h>

enum { COLUMNS = 80, HELP_COLUMN = 26, SCREEN = 50 /* lines */ };

/* ---- lines of 80 columns ---- */

/* Bytes of the first output line of text: all of it, or up to a blank, in at most `columns` columns
 * (more if one word is longer). */
static size_t fold(const char *text, size_t length, size_t columns)
{
    size_t blank = 0, used = 0, lead = strspn(text, " ");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == ' ' && i > lead) blank = i;
        used += ((unsigned char)text[i] & 0xc0u) != 0x80u;
        if (used > columns && blank > 0) return blank;
    }
    return length;
}

/* Indentation of continuation lines: the column of the first word, or, as in "  name  description",
 * the column of the description. */
static size_t hang(const char *text, size_t length)
{
    size_t lead = strspn(text, " "), at = lead;
    if (lead == 0) return 0;
    while (at < length && at < HELP_COLUMN && !(text[at] == ' ' && text[at + 1] == ' ')) at++;
    if (at == length || at == HELP_COLUMN) return lead;
    return at + strspn(text + at, " ");
}

/* Adds text, wrapped at blanks, with all lines but the first indented; ends with a newline.
 * Newlines in text are kept; each of its lines has its own continuation indent. */
static t2i_status wrap(t2i_text *out, const char *text, size_t indent, t2i_error *err)
{
    size_t pad = 0;
    do {
        size_t length = strcspn(text, "\n"), left = indent, at = 0;
        do {
            size_t bytes = fold(text + at, length - at, COLUMNS - left);
            T2I_TRY(t2i_text_addf(out, err, "%*s%.*s\n", bytes > 0 ? (int)pad : 0, "", (int)bytes,
                                  text + at));
            at += bytes;
            at += strspn(text + at, " ");
            pad = left = indent + hang(text, length);
        } while (at < length);
        pad = indent;
        text += length + (text[length] == '\n');
    } while (*text != '\0');
    return T2I_OK;
}

/* "  NAME", then the text beside it or, where the name is too long, below it. */
static t2i_status add_row(t2i_text *out, const char *name, const char *text, t2i_error *err)
{
    size_t used = 2 + strlen(name);
    T2I_TRY(t2i_text_addf(out, err, "  %s", name));
    if (used + 2 > HELP_COLUMN) {
        T2I_TRY(t2i_text_add(out, "\n", 1, err));
        used = 0;
    }
    T2I_TRY(t2i_text_addf(out, err, "%*s", (int)(HELP_COLUMN - used), ""));
    return wrap(out, text, HELP_COLUMN, err);
}

/* ---- contents common to all outputs ---- */

/* The switches of every program, as option rows. */
static const t2i_opt general[] = {
    {.name = "quiet",
     .kind = T2I_OPT_SWITCH,
     .help = "Print only results, warnings and errors.",
     .group = "General"},
    {.name = "verbose", .kind = T2I_OPT_SWITCH, .help = "Print more details."},
    {.name = "help", .kind = T2I_OPT_SWITCH, .help = "Print this help; also -h."},
    {.name = "help-all", .kind = T2I_OPT_SWITCH, .help = "Print the complete help."},
    {.name = "version",
     .kind = T2I_OPT_SWITCH,
     .help = "Print the versions of the program and its libraries."},
};
enum { GENERAL = sizeof general / sizeof *general };

static const struct {
    int code;
    const char *meaning;
} codes[] = {
    {T2I_OK, "done"},
    {T2I_USAGE, "usage"},
    {T2I_DATA, "bad data"},
    {T2I_NOINPUT, "input missing"},
    {T2I_BUG, "internal error"},
    {T2I_SYSTEM, "system error (MPI, memory)"},
    {T2I_CANTCREATE, "cannot create output"},
    {T2I_IO, "input/output error"},
    {T2I_STOPPED, "stopped early, run the same command again to resume"},
};
enum { CODES = sizeof codes / sizeof *codes };

static const char *const family[] = {"t2i-data",     "t2i-doctor", "t2i-eval",
                                     "t2i-generate", "t2i-model",  "t2i-train"};

static const char *argument_of(const t2i_opt *row)
{
    static const char *const usual[] = {
        [T2I_OPT_SWITCH] = "",   [T2I_OPT_INT] = "N",       [T2I_OPT_REAL] = "X",
        [T2I_OPT_TEXT] = "TEXT", [T2I_OPT_CHOICE] = "WORD",
    };
    return row->argument != NULL ? row->argument : usual[row->kind];
}

/* Bytes of the first sentence, without its full stop. */
static size_t first_sentence(const char *text)
{
    const char *end = strstr(text, ". ");
    size_t length = end == NULL ? strlen(text) : (size_t)(end - text);
    return length > 0 && text[length - 1] == '.' ? length - 1 : length;
}

/* Is it a word of the text? */
static int has_word(const char *text, size_t length, const char *word, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    for (size_t at = 0; at + size <= length; at++)
        if (memcmp(text + at, word, size) == 0 && (at == 0 || !strchr(letters, text[at - 1])) &&
            (at + size == length || !strchr(letters, text[at + size])))
            return 1;
    return 0;
}

/* Does the text name every choice of the row, so that they need not be listed? */
static int names_choices(const t2i_opt *row, const char *text, size_t length)
{
    for (const char *word = row->choices; *word != '\0';) {
        size_t size = strcspn(word, "|");
        if (!has_word(text, length, word, size)) return 0;
        word += size + (word[size] == '|');
    }
    return 1;
}

/* Adds the help and, in parentheses, the allowed values and the default. in_short: only the first
 * sentence, and no range of numbers. */
static t2i_status add_help(t2i_text *out, const t2i_opt *row, int in_short, t2i_error *err)
{
    size_t length = in_short ? first_sentence(row->help) : strlen(row->help);
    T2I_TRY(t2i_text_add(out, row->help, length, err));
    size_t bare = out->size;
    T2I_TRY(t2i_text_addf(out, err, " ("));
    size_t open = out->size;
    if (row->kind == T2I_OPT_CHOICE ? !names_choices(row, row->help, length) : !in_short)
        T2I_TRY(t2i_opts_range(row, out, err));
    const char *preset = row->preset == NULL ? "" : row->preset;
    if (row->kind != T2I_OPT_SWITCH && *preset != '\0')
        T2I_TRY(t2i_text_addf(out, err, "%s%s%s", out->size > open ? "; " : "",
                              in_short ? "" : "default ", preset));
    if (out->size > open) return t2i_text_add(out, ")", 1, err);
    out->size = bare;
    return t2i_text_add(out, "", 0, err);
}

/* ---- --help ---- */

/* Adds the rows that a command takes (NULL: all); in_short: without the rare ones. */
static t2i_status add_rows(t2i_text *out, const t2i_opt *rows, size_t count,
                           const t2i_command *command, int in_short, t2i_error *err)
{
    const char *group = "Options", *printed = "";
    t2i_text name = {0}, help = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < count; i++) {
        if (rows[i].group != NULL) group = rows[i].group;
        if (command != NULL && !t2i_opts_takes(command, rows[i].name)) continue;
        if (in_short && rows[i].rare) continue;
        const char *argument = argument_of(&rows[i]);
        name.size = help.size = 0;
        status =
            t2i_text_addf(&name, err, "--%s%s%s", rows[i].name, *argument ? " " : "", argument);
        if (status == T2I_OK) status = add_help(&help, &rows[i], in_short, err);
        if (status == T2I_OK && strcmp(group, printed) != 0)
            status = t2i_text_addf(out, err, "%s%s:\n", in_short ? "" : "\n", group);
        if (status == T2I_OK) status = add_row(out, name.data, help.data, err);
        printed = group;
    }
    t2i_text_free(&name);
    t2i_text_free(&help);
    return status;
}

static t2i_status add_usage(t2i_text *out, const t2i_opts *opts, t2i_error *err)
{
    t2i_text line = {0};
    t2i_status status = T2I_OK;
    if (opts->chosen != NULL)
        status = t2i_opts_usage(opts, opts->chosen, &line, err);
    else
        status = t2i_text_addf(&line, err, "%s %s", opts->program,
                               opts->commands > 0 ? "COMMAND [--key value]..." : opts->usage);
    if (status == T2I_OK) status = t2i_text_addf(out, err, "Usage: ");
    if (status == T2I_OK) status = wrap(out, line.data, strlen("Usage: "), err);
    t2i_text_free(&line);
    return status;
}

/* Adds the lines of the example that show the chosen command (none chosen: all lines). */
static t2i_status add_example(t2i_text *out, const t2i_opts *opts, t2i_error *err)
{
    int found = 0;
    for (const char *line = opts->example; line != NULL && *line != '\0';) {
        size_t length = strcspn(line, "\n");
        t2i_text wanted = {0};
        if (opts->chosen != NULL) {
            T2I_TRY(t2i_text_addf(&wanted, err, "%s %s ", opts->program, opts->chosen->name));
        }
        const char *at = wanted.data == NULL ? line : strstr(line, wanted.data);
        t2i_text_free(&wanted);
        if (at != NULL && at < line + length) {
            T2I_TRY(t2i_text_addf(out, err, "%s  %.*s\n", found ? "" : "\nExample:\n", (int)length,
                                  line));
            found = 1;
        }
        line += length + (line[length] == '\n');
    }
    return T2I_OK;
}

/* Adds each command with the first sentence of its help. */
static t2i_status add_commands(t2i_text *out, const t2i_opts *opts, t2i_error *err)
{
    size_t widest = 0;
    T2I_TRY(t2i_text_addf(out, err, "\nCommands:\n"));
    for (size_t i = 0; i < opts->commands; i++)
        if (strlen(opts->command[i].name) > widest) widest = strlen(opts->command[i].name);
    for (size_t i = 0; i < opts->commands; i++) {
        const t2i_command *c = &opts->command[i];
        T2I_TRY(t2i_text_addf(out, err, "  %-*s  %.*s\n", (int)widest, c->name,
                              (int)first_sentence(c->help), c->help));
    }
    return t2i_text_addf(out, err, "'%s COMMAND --help' describes a command and its options.\n",
                         opts->program);
}

/* Adds a command's complete help and its options. */
static t2i_status add_command(t2i_text *out, const t2i_opts *opts, const t2i_command *command,
                              t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, "\n"));
    T2I_TRY(wrap(out, command->help, 0, err));
    return *command->options == '\0' ? T2I_OK
                                     : add_rows(out, opts->opt, opts->opts, command, 0, err);
}

static t2i_status add_codes(t2i_text *out, t2i_error *err)
{
    t2i_text line = {0};
    t2i_status status = t2i_text_addf(&line, err, "Exit codes: ");
    for (size_t i = 0; status == T2I_OK && i < CODES; i++)
        status = t2i_text_addf(&line, err, "%d %s%s", codes[i].code, codes[i].meaning,
                               i + 1 < CODES ? "; " : ".");
    if (status == T2I_OK) status = t2i_text_addf(out, err, "\n");
    if (status == T2I_OK) status = wrap(out, line.data, 0, err);
    t2i_text_free(&line);
    return status;
}

static t2i_status add_all(t2i_text *out, const t2i_opts *opts, t2i_error *err)
{
    T2I_TRY(add_usage(out, opts, err));
    T2I_TRY(t2i_text_add(out, "\n", 1, err));
    T2I_TRY(wrap(out, opts->about, 0, err));
    for (size_t i = 0; i < opts->commands; i++) {
        T2I_TRY(t2i_text_addf(out, err, "\n---- "));
        T2I_TRY(t2i_opts_usage(opts, &opts->command[i], out, err));
        T2I_TRY(t2i_text_addf(out, err, "\n"));
        T2I_TRY(add_command(out, opts, &opts->command[i], err));
    }
    if (opts->commands > 0) T2I_TRY(t2i_text_addf(out, err, "\n----\n"));
    if (opts->commands == 0) T2I_TRY(add_rows(out, opts->opt, opts->opts, NULL, 0, err));
    T2I_TRY(add_rows(out, general, GENERAL, NULL, 0, err));
    T2I_TRY(add_example(out, opts, err));
    if (opts->epilog != NULL) {
        T2I_TRY(t2i_text_add(out, "\n", 1, err));
        T2I_TRY(wrap(out, opts->epilog, 0, err));
    }
    return add_codes(out, err);
}

static size_t count_rare(const t2i_opts *opts)
{
    size_t count = 0;
    for (size_t i = 0; i < opts->opts; i++) count += opts->opt[i].rare != 0;
    return count;
}

static t2i_status add_short(t2i_text *out, const t2i_opts *opts, t2i_error *err)
{
    int commands = opts->commands > 0;
    T2I_TRY(add_usage(out, opts, err));
    if (opts->chosen != NULL) {
        T2I_TRY(add_command(out, opts, opts->chosen, err));
    } else {
        T2I_TRY(t2i_text_add(out, "\n", 1, err));
        T2I_TRY(wrap(out, opts->about, 0, err));
        if (commands) T2I_TRY(add_commands(out, opts, err));
        T2I_TRY(t2i_text_add(out, "\n", 1, err));
        if (!commands) T2I_TRY(add_rows(out, opts->opt, opts->opts, NULL, 1, err));
    }
    T2I_TRY(add_rows(out, general, GENERAL, NULL, opts->chosen == NULL, err));
    if (opts->chosen == NULL && !commands)
        T2I_TRY(t2i_text_addf(
            out, err,
            "Defaults are in parentheses; --help-all has %zu more options and all details.\n",
            count_rare(opts)));
    return add_example(out, opts, err);
}

t2i_status t2i_help(const t2i_opts *opts, int all, t2i_text *out, t2i_error *err)
{
    if (!all && opts->commands > 0) return add_short(out, opts, err);
    size_t before = out->size, lines = 0;
    T2I_TRY(add_all(out, opts, err));
    for (size_t i = before; i < out->size; i++) lines += out->data[i] == '\n';
    if (all || lines <= SCREEN) return T2I_OK;
    out->size = before;
    return add_short(out, opts, err);
}

/* ---- the manual page ---- */

/* Adds text, escaped for roff. */
static t2i_status add_roff(t2i_text *out, const char *text, size_t length, t2i_error *err)
{
    for (size_t i = 0; i < length; i++) {
        int starts = out->size == 0 || out->data[out->size - 1] == '\n';
        if (starts && (text[i] == '.' || text[i] == '\'')) T2I_TRY(t2i_text_addf(out, err, "\\&"));
        const char *special = text[i] == '\\'   ? "\\e"
                              : text[i] == '-'  ? "\\-"
                              : text[i] == '\'' ? "\\(aq"
                              : text[i] == '`'  ? "\\(ga"
                              : text[i] == '^'  ? "\\(ha"
                              : text[i] == '~'  ? "\\(ti"
                                                : NULL;
        T2I_TRY(t2i_text_add(out, special != NULL ? special : &text[i],
                             special != NULL ? strlen(special) : 1, err));
    }
    return T2I_OK;
}

/* Adds a macro with its text, such as ".B t2i\-train". */
static t2i_status add_macro(t2i_text *out, const char *macro, const char *text, t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, "%s%s", macro, *text ? " " : ""));
    T2I_TRY(add_roff(out, text, strlen(text), err));
    return t2i_text_add(out, "\n", 1, err);
}

/* Adds text; each of its lines becomes a paragraph. */
static t2i_status add_paragraphs(t2i_text *out, const char *text, t2i_error *err)
{
    for (int first = 1; *text != '\0'; first = 0) {
        size_t length = strcspn(text, "\n");
        if (!first) T2I_TRY(t2i_text_addf(out, err, ".PP\n"));
        T2I_TRY(add_roff(out, text, length, err));
        T2I_TRY(t2i_text_add(out, "\n", 1, err));
        text += length + (text[length] == '\n');
    }
    return T2I_OK;
}

static t2i_status man_rows(t2i_text *out, const t2i_opt *rows, size_t count,
                           const t2i_command *command, t2i_error *err)
{
    t2i_text help = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < count; i++) {
        if (command != NULL && !t2i_opts_takes(command, rows[i].name)) continue;
        const char *argument = argument_of(&rows[i]);
        help.size = 0;
        if (command == NULL && rows[i].group != NULL)
            status = add_macro(out, ".SS", rows[i].group, err);
        if (status == T2I_OK) status = t2i_text_addf(out, err, ".TP\n\\fB\\-\\-");
        if (status == T2I_OK) status = add_roff(out, rows[i].name, strlen(rows[i].name), err);
        if (status == T2I_OK) status = t2i_text_addf(out, err, "\\fR%s\\fI", *argument ? " " : "");
        if (status == T2I_OK) status = add_roff(out, argument, strlen(argument), err);
        if (status == T2I_OK) status = t2i_text_addf(out, err, "\\fR\n");
        if (status == T2I_OK) status = add_help(&help, &rows[i], 0, err);
        if (status == T2I_OK) status = add_paragraphs(out, help.data, err);
    }
    t2i_text_free(&help);
    return status;
}

static t2i_status man_commands(t2i_text *out, const t2i_opts *opts, t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, ".SH COMMANDS\n"));
    for (size_t i = 0; i < opts->commands; i++) {
        const t2i_command *c = &opts->command[i];
        T2I_TRY(add_macro(out, ".SS", c->name, err));
        T2I_TRY(add_paragraphs(out, c->help, err));
        T2I_TRY(man_rows(out, opts->opt, opts->opts, c, err));
    }
    return T2I_OK;
}

/* Adds the synopsis: one line per command. */
static t2i_status man_synopsis(t2i_text *out, const t2i_opts *opts, t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, ".SH SYNOPSIS\n.nf\n"));
    t2i_text line = {0};
    t2i_status status = T2I_OK;
    if (opts->commands == 0) {
        status = t2i_text_addf(&line, err, "%s %s", opts->program, opts->usage);
        if (status == T2I_OK) status = add_macro(out, ".B", line.data, err);
    }
    for (size_t i = 0; status == T2I_OK && i < opts->commands; i++) {
        line.size = 0;
        status = t2i_opts_usage(opts, &opts->command[i], &line, err);
        if (status == T2I_OK) status = add_macro(out, ".B", line.data, err);
    }
    t2i_text_free(&line);
    return status == T2I_OK ? t2i_text_addf(out, err, ".fi\n") : status;
}

static t2i_status man_end(t2i_text *out, const t2i_opts *opts, t2i_error *err)
{
    if (opts->example != NULL) {
        T2I_TRY(t2i_text_addf(out, err, ".SH EXAMPLES\n.nf\n"));
        T2I_TRY(add_roff(out, opts->example, strlen(opts->example), err));
        T2I_TRY(t2i_text_addf(out, err, "\n.fi\n"));
    }
    if (opts->epilog != NULL) {
        T2I_TRY(t2i_text_addf(out, err, ".SH NOTES\n"));
        T2I_TRY(add_paragraphs(out, opts->epilog, err));
    }
    T2I_TRY(t2i_text_addf(out, err, ".SH EXIT STATUS\n"));
    for (size_t i = 0; i < CODES; i++)
        T2I_TRY(t2i_text_addf(out, err, ".TP\n.B %d\n%s\n", codes[i].code, codes[i].meaning));
    T2I_TRY(t2i_text_addf(out, err, ".SH SEE ALSO\n"));
    const size_t programs = sizeof family / sizeof *family;
    const char *comma = "";
    for (size_t i = 0; i < programs; i++) {
        if (strcmp(family[i], opts->program) == 0) continue;
        T2I_TRY(t2i_text_addf(out, err, "%s\\fB", comma));
        T2I_TRY(add_roff(out, family[i], strlen(family[i]), err));
        T2I_TRY(t2i_text_addf(out, err, "\\fR(1)"));
        comma = ",\n";
    }
    return t2i_text_add(out, "\n", 1, err);
}

t2i_status t2i_help_man(const t2i_opts *opts, t2i_text *out, t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, ".TH "));
    for (const char *c = opts->program; *c != '\0'; c++)
        T2I_TRY(t2i_text_addf(out, err, "%s%c", *c == '-' ? "\\" : "",
                              *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
    T2I_TRY(t2i_text_addf(out, err, " 1 \"%s\" \"t2i\\-train %s\" \"User Commands\"\n.SH NAME\n",
                          T2I_RELEASED, T2I_VERSION));
    T2I_TRY(add_roff(out, opts->program, strlen(opts->program), err));
    T2I_TRY(t2i_text_addf(out, err, " \\- %s\n", opts->summary));
    T2I_TRY(man_synopsis(out, opts, err));
    T2I_TRY(t2i_text_addf(out, err, ".SH DESCRIPTION\n"));
    T2I_TRY(add_paragraphs(out, opts->about, err));
    if (opts->commands > 0) T2I_TRY(man_commands(out, opts, err));
    T2I_TRY(t2i_text_addf(out, err, ".SH OPTIONS\n"));
    if (opts->commands == 0) T2I_TRY(man_rows(out, opts->opt, opts->opts, NULL, err));
    T2I_TRY(man_rows(out, general, GENERAL, NULL, err));
    return man_end(out, opts, err);
}

/* ---- completion ---- */

/* Adds the literal words of "auto|never|RUN|FILE", which are those in lower case. */
static t2i_status add_words(t2i_text *out, const char *choices, t2i_error *err)
{
    while (*choices != '\0') {
        size_t length = strcspn(choices, "|");
        if (strspn(choices, "abcdefghijklmnopqrstuvwxyz0123456789-") == length)
            T2I_TRY(t2i_text_addf(out, err, " %.*s", (int)length, choices));
        choices += length + (choices[length] == '|');
    }
    return T2I_OK;
}

/* Adds the names of the options that a command takes (NULL: all). */
static t2i_status complete_options(t2i_text *out, const t2i_opts *opts, const t2i_command *command,
                                   t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, "t2i_words['%s%s%s']='", opts->program,
                          command == NULL ? "" : " ", command == NULL ? "" : command->name));
    for (size_t i = 0; i < opts->opts; i++)
        if (command == NULL || t2i_opts_takes(command, opts->opt[i].name))
            T2I_TRY(t2i_text_addf(out, err, " --%s", opts->opt[i].name));
    for (size_t i = 0; i < GENERAL; i++) T2I_TRY(t2i_text_addf(out, err, " --%s", general[i].name));
    return t2i_text_addf(out, err, "'\n");
}

t2i_status t2i_help_completion(const t2i_opts *opts, t2i_text *out, t2i_error *err)
{
    if (opts->commands == 0) T2I_TRY(complete_options(out, opts, NULL, err));
    for (size_t i = 0; i < opts->commands; i++)
        T2I_TRY(complete_options(out, opts, &opts->command[i], err));
    if (opts->commands > 0) {
        T2I_TRY(t2i_text_addf(out, err, "t2i_words['%s']='", opts->program));
        for (size_t i = 0; i < opts->commands; i++)
            T2I_TRY(t2i_text_addf(out, err, " %s", opts->command[i].name));
        for (size_t i = 2; i < GENERAL; i++) /* --quiet and --verbose come after a command */
            T2I_TRY(t2i_text_addf(out, err, " --%s", general[i].name));
        T2I_TRY(t2i_text_addf(out, err, "'\n"));
    }
    for (size_t i = 0; i < opts->opts; i++) {
        const t2i_opt *row = &opts->opt[i];
        if (row->kind == T2I_OPT_SWITCH) continue;
        T2I_TRY(t2i_text_addf(out, err, "t2i_words['%s --%s']='", opts->program, row->name));
        if (row->kind == T2I_OPT_INT || row->kind == T2I_OPT_REAL)
            T2I_TRY(t2i_text_addf(out, err, " -"));
        else
            T2I_TRY(add_words(out, row->choices != NULL ? row->choices : argument_of(row), err));
        T2I_TRY(t2i_text_addf(out, err, "'\n"));
    }
    return t2i_text_addf(out, err, "complete -o bashdefault -o default -F _t2i %s\n",
                         opts->program);
}
