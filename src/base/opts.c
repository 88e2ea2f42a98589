#include "base/opts.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <ini.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/option_names.h"

enum {
    JOB_LIMIT = 1 << 20, /* bytes of a job file */
    /* inih silently truncates lines at 200 bytes, so it gets lines of at most this length. */
    PIECE = 190
};

/* Origin of a value, and the beginning of an error message: "--" or "jobs/x.ini:7: ". */
typedef struct {
    t2i_opt_origin origin;
    t2i_status status;
    char prefix[400];
} source;

/* ---- values ---- */

/* Adds the shortest text that is read back as the same number. */
static t2i_status add_real(t2i_text *out, double value, t2i_error *err)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    return t2i_text_add(out, text, strlen(text), err);
}

static t2i_status add_bound(t2i_text *out, const t2i_opt *row, double bound, t2i_error *err)
{
    if (row->kind == T2I_OPT_INT) return t2i_text_addf(out, err, "%.0f", bound);
    return add_real(out, bound, err);
}

t2i_status t2i_opts_range(const t2i_opt *row, t2i_text *out, t2i_error *err)
{
    if (row->kind == T2I_OPT_CHOICE) {
        for (const char *word = row->choices; *word != '\0';) {
            size_t length = strcspn(word, "|");
            const char *next = word[length] == '|' ? word + length + 1 : word + length;
            const char *after = *next == '\0' ? "" : strchr(next, '|') == NULL ? " or " : ", ";
            T2I_TRY(t2i_text_addf(out, err, "%.*s%s", (int)length, word, after));
            word = next;
        }
        return T2I_OK;
    }
    if (row->kind != T2I_OPT_INT && row->kind != T2I_OPT_REAL) return T2I_OK;
    double widest = row->kind == T2I_OPT_INT ? 0x1p63 : DBL_MAX;
    int below = row->min > -widest, above = row->max < widest;
    if (below) {
        T2I_TRY(t2i_text_addf(out, err, "from "));
        T2I_TRY(add_bound(out, row, row->min, err));
        if (!above) return t2i_text_addf(out, err, " up");
    }
    if (!above) return T2I_OK;
    T2I_TRY(t2i_text_addf(out, err, below ? " to " : "up to "));
    return add_bound(out, row, row->max, err);
}

static int is_int(const char *text, const t2i_opt *row, long *value);
static int is_real(const char *text, const t2i_opt *row, double *value);

/* Copies a number as people write it, as C writes it: without quotes and separators of thousands,
 * with a point and a hyphen. Returns the factor of its unit (k, M, %). */
static double plain_number(const char *text, char *out, size_t room)
{
    static const char *const dropped[] = {
        "\"",           "'",           "`", "_", " ", "\xc2\xa0", "\xe2\x80\x9c", "\xe2\x80\x9d",
        "\xe2\x80\x98", "\xe2\x80\x99"};
    size_t used = 0, size = 0;
    double factor = 1;
    const char *end = strstr(text, " #");
    if (end == NULL) end = text + strlen(text);
    for (; text < end && used + 1 < room; text += size) {
        size = 0;
        for (size_t i = 0; i < sizeof dropped / sizeof *dropped && size == 0; i++)
            if (strncmp(text, dropped[i], strlen(dropped[i])) == 0) size = strlen(dropped[i]);
        if (size > 0) continue;
        size_t dashes = t2i_option_names_dashes(text);
        out[used++] = dashes > 0 ? '-' : *text;
        size = dashes > 0 ? dashes : 1;
    }
    while (used > 0 && strchr(",;", out[used - 1]) != NULL) used--;
    const char *unit = used > 0 ? strchr("kKM%", out[used - 1]) : NULL;
    if (unit != NULL) {
        used--;
        factor = *unit == 'M' ? 1e6 : *unit == '%' ? 0.01 : 1e3;
    }
    out[used] = '\0';
    return factor;
}

/* Removes the commas of thousands, or turns a decimal comma into a point. Returns 0 if it may be
 * either. */
static int settle_commas(char *number, int whole)
{
    char *comma = strchr(number, ','), *out = number;
    if (comma == NULL) return 1;
    if (!whole) {
        if (*number != '0' && strspn(comma + 1, "0123456789") == 3) return 0;
        *comma = '.';
        return 1;
    }
    for (const char *c = number; *c != '\0'; c++)
        if (*c != ',') *out++ = *c;
    *out = '\0';
    return 1;
}

/* The number that was probably meant, as text; 0 if there is none. */
static int guess_number(const t2i_opt *row, const char *text, char *out, size_t room)
{
    char plain[64];
    t2i_opt whole = {.kind = T2I_OPT_REAL, .min = -DBL_MAX, .max = DBL_MAX};
    double factor = plain_number(text, plain, sizeof plain), value;
    long integer;
    if (!settle_commas(plain, row->kind == T2I_OPT_INT) || !is_real(plain, &whole, &value))
        return 0;
    value *= factor;
    if (row->kind == T2I_OPT_INT) {
        if (!(fabs(value) <= 0x1p53) || value != floor(value)) return 0;
        snprintf(out, room, "%.0f", value);
        return is_int(out, row, &integer);
    }
    snprintf(out, room, "%.15g", value);
    return is_real(out, row, &value);
}

/* "on" for "true", if the choices are on and off, or the nearest choice; NULL: none. */
static const char *guess_choice(const char *choices, const char *text)
{
    static const char *const same[][2] = {{"true", "on"},   {"yes", "on"},   {"1", "on"},
                                          {"false", "off"}, {"no", "off"},   {"0", "off"},
                                          {"on", "true"},   {"yes", "true"}, {"1", "true"},
                                          {"off", "false"}, {"no", "false"}, {"0", "false"}};
    static char words[400]; /* holds the result */
    const char *names[40];
    char low[80];
    size_t count = 0, length = 0;
    if (strlen(choices) >= sizeof words || strlen(text) >= sizeof low) return NULL;
    for (; text[length] != '\0'; length++)
        low[length] =
            (char)(text[length] >= 'A' && text[length] <= 'Z' ? text[length] + 32 : text[length]);
    low[length] = '\0';
    memcpy(words, choices, strlen(choices) + 1);
    for (char *word = words; word != NULL && count < sizeof names / sizeof *names; count++) {
        char *bar = strchr(word, '|');
        if (bar != NULL) *bar = '\0';
        names[count] = word;
        word = bar == NULL ? NULL : bar + 1;
    }
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        for (size_t k = 0; k < count; k++)
            if (strcmp(same[i][0], low) == 0 && strcmp(same[i][1], names[k]) == 0) return names[k];
    return t2i_text_nearest_name(low, names, count);
}

/* Is it the word for what 0 means? */
static int is_no_number(const char *text, const char *help)
{
    static const char *const words[][2] = {
        {"auto", "0: automatic"}, {"off", "0: "}, {"none", "0: "},
        {"never", "0: "},         {"no", "0: "},  {"false", "0: "}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i][0]) == 0) return strstr(help, words[i][1]) != NULL;
    return 0;
}

/* Writes ": did you mean 'VALUE'?", or nothing. */
static void add_guess(const t2i_opt *row, const char *text, char *out, size_t room)
{
    char number[40];
    const char *near = NULL;
    *out = '\0';
    if (*text == '\0') {
        if (row->kind == T2I_OPT_INT || row->kind == T2I_OPT_REAL)
            snprintf(out, room, ": it is empty; no blank may follow '='");
    } else if (row->kind == T2I_OPT_CHOICE || row->kind == T2I_OPT_SWITCH) {
        near = guess_choice(row->kind == T2I_OPT_SWITCH ? "true|false" : row->choices, text);
    } else if (guess_number(row, text, number, sizeof number)) {
        near = number;
    } else if (row->kind == T2I_OPT_INT && is_no_number(text, row->help)) {
        near = "0";
    }
    if (near != NULL) snprintf(out, room, ": did you mean '%s'?", near);
}

/* "a whole number from 1 to 8", "constant or cosine" */
static t2i_status add_allowed(const t2i_opt *row, t2i_text *out, t2i_error *err)
{
    static const char *const noun[] = {
        [T2I_OPT_SWITCH] = "true or false",
        [T2I_OPT_INT] = "a whole number",
        [T2I_OPT_REAL] = "a number",
        [T2I_OPT_TEXT] = "a text",
        [T2I_OPT_CHOICE] = "",
    };
    t2i_text range = {0};
    t2i_status status = t2i_opts_range(row, &range, err);
    if (status == T2I_OK)
        status = t2i_text_addf(out, err, "%s%s%s", noun[row->kind],
                               *noun[row->kind] && range.size > 0 ? " " : "",
                               range.data == NULL ? "" : range.data);
    t2i_text_free(&range);
    return status;
}

static t2i_status refuse(const t2i_opt *row, const char *text, const source *from, t2i_error *err)
{
    char guess[80];
    t2i_text allowed = {0};
    t2i_status status = add_allowed(row, &allowed, err);
    add_guess(row, text, guess, sizeof guess);
    if (status == T2I_OK)
        status = t2i_fail(err, from->status, "%s%s must be %s, not '%.200s'%s", from->prefix,
                          row->name, allowed.data, text, guess);
    t2i_text_free(&allowed);
    return status;
}

static int is_int(const char *text, const t2i_opt *row, long *value)
{
    const char *digits = text + (*text == '-');
    if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits)) return 0;
    errno = 0;
    *value = strtol(text, NULL, 10);
    return errno == 0 && (double)*value >= row->min && (double)*value <= row->max;
}

/* The allowed characters exclude hexadecimal numbers, "inf" and "nan". */
static int is_real(const char *text, const t2i_opt *row, double *value)
{
    char *end;
    if (*text == '\0' || strspn(text, "0123456789+-.eE") != strlen(text)) return 0;
    *value = strtod(text, &end);
    return *end == '\0' && isfinite(*value) && *value >= row->min && *value <= row->max;
}

static int is_choice(const char *text, const t2i_opt *row)
{
    size_t length = strlen(text);
    for (const char *word = row->choices; word != NULL; word = strchr(word, '|')) {
        if (*word == '|') word++;
        if (strcspn(word, "|") == length && memcmp(word, text, length) == 0) return 1;
    }
    return 0;
}

/* Quotes that no shell has removed: those of a job file, or of typeset text. */
static int is_quoted(const char *text, size_t size)
{
    if (size > 1 && strchr("\"'`", *text) != NULL) return text[size - 1] == *text;
    return size > 5 &&
           (memcmp(text, "\xe2\x80\x9c", 3) == 0 || memcmp(text, "\xe2\x80\x98", 3) == 0) &&
           memcmp(text + size - 3, "\xe2\x80", 2) == 0;
}

/* Refuses what a job file cannot hold, so that the saved configuration can always be used again. */
static t2i_status check_text(const t2i_opt *row, const char *text, const source *from,
                             t2i_error *err)
{
    size_t size = strlen(text);
    if (t2i_utf8_valid(text, size) != size)
        return t2i_fail(err, from->status, "%s%s must be UTF-8 text", from->prefix, row->name);
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            return t2i_fail(err, from->status,
                            "%s%s must be text without control characters, not '%.200s'",
                            from->prefix, row->name, text);
    const char *shell = strspn(text, "~$") == 0                ? NULL
                        : *text == '~' && strchr("/", text[1]) ? "'~'"
                        : *text == '$' && (text[1] == '{' || isalpha((unsigned char)text[1]))
                            ? "variables"
                            : NULL;
    if (shell != NULL)
        return t2i_fail(err, from->status,
                        "%s%s must be without %s, which only a shell replaces, not '%.200s'",
                        from->prefix, row->name, shell, text);
    if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") > 1 &&
        strncmp(text + strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789"), "://", 3) == 0)
        return t2i_fail(err, from->status,
                        "%s%s must be a file of this machine: nothing is downloaded, not '%.200s'",
                        from->prefix, row->name, text);
    if (is_quoted(text, size))
        return t2i_fail(err, from->status, "%s%s must be without quotes around it, not %.200s",
                        from->prefix, row->name, text);
    if (*text == ' ' || *text == ';' || (size > 0 && text[size - 1] == ' ') || strstr(text, " ;"))
        return t2i_fail(err, from->status,
                        "%s%s must be text that a job file can hold, without a blank at either end "
                        "and without ';' at its start or after a blank, not '%.200s'",
                        from->prefix, row->name, text);
    return T2I_OK;
}

static t2i_status keep_text(t2i_opts *opts, t2i_opt *row, const char *text, t2i_error *err)
{
    char **kept = (char **)opts->keep + (row - opts->opt), *copy = NULL;
    if (text != NULL && (*text != '\0' || row->preset != NULL)) {
        copy = t2i_strdup(text);
        if (copy == NULL) return t2i_fail_memory(err, strlen(text), "an option");
    }
    t2i_free(*kept);
    *kept = copy;
    *(char **)row->value = copy;
    return T2I_OK;
}

/* Checks the text and stores it, unless the current value's origin takes precedence. */
static t2i_status set(t2i_opts *opts, t2i_opt *row, const char *text, const source *from,
                      t2i_error *err)
{
    long whole = 0;
    double real = 0;
    int on = strcmp(text, "true") == 0, good = 1;
    switch (row->kind) {
    case T2I_OPT_SWITCH:
        good = on || strcmp(text, "false") == 0;
        break;
    case T2I_OPT_INT:
        good = is_int(text, row, &whole);
        break;
    case T2I_OPT_REAL:
        good = is_real(text, row, &real);
        break;
    case T2I_OPT_CHOICE:
        good = is_choice(text, row);
        break;
    case T2I_OPT_TEXT:
        T2I_TRY(check_text(row, text, from, err));
        break;
    }
    if (!good) return refuse(row, text, from, err);
    if (from->origin < row->origin) return T2I_OK;
    if (row->kind == T2I_OPT_SWITCH) *(int *)row->value = on;
    if (row->kind == T2I_OPT_INT) *(long *)row->value = whole;
    if (row->kind == T2I_OPT_REAL) *(double *)row->value = real;
    if (row->kind == T2I_OPT_TEXT || row->kind == T2I_OPT_CHOICE)
        T2I_TRY(keep_text(opts, row, text, err));
    row->origin = from->origin;
    return T2I_OK;
}

static t2i_status set_defaults(t2i_opts *opts, t2i_error *err)
{
    source from = {T2I_FROM_DEFAULT, T2I_BUG, "internal error: the default of --"};
    for (size_t i = 0; i < opts->opts; i++) {
        t2i_opt *row = &opts->opt[i];
        const char *preset = row->preset;
        row->origin = T2I_FROM_DEFAULT;
        if (preset == NULL && row->kind == T2I_OPT_TEXT) *(char **)row->value = NULL;
        if (preset == NULL && row->kind == T2I_OPT_SWITCH) preset = "false";
        if (preset == NULL && row->kind != T2I_OPT_TEXT) preset = "";
        if (preset != NULL) T2I_TRY(set(opts, row, preset, &from, err));
    }
    return T2I_OK;
}

static t2i_opt *find(const t2i_opts *opts, const char *name, size_t length)
{
    for (size_t i = 0; i < opts->opts; i++)
        if (strlen(opts->opt[i].name) == length && memcmp(opts->opt[i].name, name, length) == 0)
            return &opts->opt[i];
    return NULL;
}

/* Options of every program. */
static const struct {
    const char *name;
    t2i_ask ask; /* T2I_ASK_NOTHING: the option sets the level */
    t2i_log_level level;
} builtin[] = {
    {"quiet", T2I_ASK_NOTHING, T2I_QUIET},
    {"verbose", T2I_ASK_NOTHING, T2I_VERBOSE},
    {"help", T2I_ASK_HELP, 0},
    {"help-all", T2I_ASK_ALL, 0},
    {"version", T2I_ASK_VERSION, 0},
    {"help-man", T2I_ASK_MAN, 0},
    {"help-completion", T2I_ASK_COMPLETION, 0},
};
enum { BUILTIN = sizeof builtin / sizeof *builtin, FOR_PEOPLE = 5 };

t2i_status t2i_opts_hint(const t2i_opts *opts, const char *word, const char *dashes, char *out,
                         size_t room, t2i_error *err)
{
    const char **names = t2i_alloc(opts->opts + FOR_PEOPLE, sizeof *names);
    if (names == NULL) return t2i_fail_memory(err, opts->opts * sizeof *names, "names");
    size_t count = 0;
    for (size_t i = 0; *dashes && i < FOR_PEOPLE; i++) names[count++] = builtin[i].name;
    for (size_t i = 0; i < opts->opts; i++) names[count++] = opts->opt[i].name;
    t2i_option_names_hint(word, names, count, dashes, out, room);
    t2i_free(names);
    return T2I_OK;
}

/* word: as typed, without its value. prefix: file and line of a job file. */
static t2i_status unknown(const t2i_opts *opts, const char *word, const char *dashes,
                          const char *prefix, t2i_error *err)
{
    char hint[400];
    int is_short = word[0] == '-' && word[1] != '-';
    T2I_TRY(t2i_opts_hint(opts, word, dashes, hint, sizeof hint, err));
    const char *why = is_short ? ": options have long names" : "";
    const char *more = *hint      ? hint
                       : is_short ? " (--help-all lists them); put '--' before other words that "
                                    "begin with '-'"
                                  : " (--help-all lists all)";
    return t2i_fail(err, T2I_USAGE, "%sunknown %s '%.200s'%s%s", prefix, *dashes ? "option" : "key",
                    word, why, more);
}

/* ---- the command line ---- */

static t2i_status needs_value(const t2i_opt *row, t2i_error *err)
{
    t2i_text allowed = {0};
    t2i_status status = row->kind != T2I_OPT_TEXT ? add_allowed(row, &allowed, err)
                        : row->argument != NULL
                            ? t2i_text_addf(&allowed, err, "--%s %s", row->name, row->argument)
                            : t2i_text_addf(&allowed, err, "a text");
    if (status == T2I_OK)
        status = t2i_fail(err, T2I_USAGE, "--%s needs a value: %s", row->name, allowed.data);
    t2i_text_free(&allowed);
    return status;
}

/* Parses one "--word"; *i is incremented if the value is the next word. */
static t2i_status read_option(t2i_opts *opts, int argc, char **argv, int *i, t2i_error *err)
{
    const source from = {T2I_FROM_COMMAND, T2I_USAGE, "--"};
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t length = equals == NULL ? strlen(name) : (size_t)(equals - name);
    t2i_opt *row = find(opts, name, length);
    size_t own = 0;
    while (own < BUILTIN &&
           (strlen(builtin[own].name) != length || memcmp(builtin[own].name, name, length) != 0))
        own++;
    if (row == NULL && own == BUILTIN) {
        char word[300];
        snprintf(word, sizeof word, "--%.*s", (int)length, name);
        return unknown(opts, word, "--", "", err);
    }
    if (equals != NULL && (row == NULL || row->kind == T2I_OPT_SWITCH))
        return t2i_fail(err, T2I_USAGE, "--%.*s takes no value", (int)length, name);
    if (row == NULL) {
        opts->asked = builtin[own].ask;
        if (opts->asked == T2I_ASK_NOTHING) opts->level = builtin[own].level;
        return T2I_OK;
    }
    if (row->kind == T2I_OPT_SWITCH) return set(opts, row, "true", &from, err);
    if (equals != NULL) return set(opts, row, equals + 1, &from, err);
    /* A missing value must not consume the next option. */
    if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0) return needs_value(row, err);
    *i += 1;
    return set(opts, row, argv[*i], &from, err);
}

static int is_job(const t2i_opts *opts, const char *word)
{
    size_t length = strlen(word);
    return opts->takes_job && opts->job == NULL && length > 4 &&
           strcmp(word + length - 4, ".ini") == 0;
}

/* An option of this program behind a dash of typeset text. Other words, as prompts, may begin so.
 */
static int is_typeset(const t2i_opts *opts, const char *word)
{
    const char *name = word + t2i_option_names_dashes(word);
    return name > word && find(opts, name, strcspn(name, "=")) != NULL;
}

static t2i_status parse_command_line(t2i_opts *opts, int argc, char **argv, t2i_error *err)
{
    int ended = 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!ended && strcmp(word, "--") == 0) {
            ended = 1;
        } else if (!ended && strncmp(word, "--", 2) == 0) {
            T2I_TRY(read_option(opts, argc, argv, &i, err));
            if (opts->asked != T2I_ASK_NOTHING) return T2I_OK;
        } else if (!ended && strcmp(word, "-h") == 0) {
            opts->asked = T2I_ASK_HELP;
            return T2I_OK;
        } else if (!ended && word[0] == '-' && word[1] != '\0') {
            return unknown(opts, word, "--", "", err);
        } else if (!ended && is_typeset(opts, word)) {
            return unknown(opts, word, "--", "", err);
        } else if (is_job(opts, word)) {
            opts->job = word;
        } else {
            opts->operand[opts->operands++] = word;
        }
    }
    return T2I_OK;
}

/* ---- commands ---- */

int t2i_opts_takes(const t2i_command *command, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = command->options; (at = strstr(at, name)) != NULL; at += length)
        if ((at == command->options || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return 1;
    return 0;
}

t2i_status t2i_opts_usage(const t2i_opts *opts, const t2i_command *command, t2i_text *out,
                          t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, "%s %s%s%s", opts->program, command->name,
                          *command->operands ? " " : "", command->operands));
    if (command->needs != NULL)
        T2I_TRY(t2i_text_addf(out, err, " --%s %s", command->needs,
                              t2i_opts_find(opts, command->needs)->argument));
    int more = command->needs != NULL ? strcmp(command->options, command->needs) != 0
                                      : *command->options != '\0';
    return t2i_text_addf(out, err, more ? " [--key value]..." : "");
}

static const t2i_command *find_command(const t2i_opts *opts, const char *word)
{
    for (size_t i = 0; i < opts->commands; i++)
        if (strcmp(opts->command[i].name, word) == 0) return &opts->command[i];
    return NULL;
}

static t2i_status no_command(const t2i_opts *opts, t2i_error *err)
{
    t2i_text list = {0};
    const char *names[32], *word = opts->operands == 0 ? "" : opts->operand[0];
    T2I_ASSERT(opts->commands <= sizeof names / sizeof *names);
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < opts->commands; i++) {
        names[i] = opts->command[i].name;
        const char *before = i == 0 ? "" : i + 1 == opts->commands ? " or " : ", ";
        status = t2i_text_addf(&list, err, "%s%s", before, names[i]);
    }
    const char *near = *word == '\0' ? NULL : t2i_text_nearest_name(word, names, opts->commands);
    int is_help = strcmp(word, "help") == 0 || strcmp(word, "version") == 0;
    if (status == T2I_OK && is_help)
        status = t2i_fail(err, T2I_USAGE, "unknown command '%s': did you mean '--%s'?", word, word);
    else if (status == T2I_OK && near == NULL && *word != '\0' && t2i_fs_exists(word))
        status = t2i_fail(err, T2I_USAGE, "give a command before '%.200s': %s (see --help)", word,
                          list.data);
    else if (status == T2I_OK && near != NULL)
        status =
            t2i_fail(err, T2I_USAGE, "unknown command '%.200s': did you mean '%s'?", word, near);
    else if (status == T2I_OK && *word != '\0')
        status =
            t2i_fail(err, T2I_USAGE, "unknown command '%.200s': %s (see --help)", word, list.data);
    else if (status == T2I_OK)
        status = t2i_fail(err, T2I_USAGE, "give a command: %s (see --help)", list.data);
    t2i_text_free(&list);
    return status;
}

static t2i_status check_operands(const t2i_opts *opts, const t2i_command *c, t2i_error *err)
{
    const t2i_opt *needed = c->needs == NULL ? NULL : t2i_opts_find(opts, c->needs);
    if (c->most == 0 && opts->operands > 0)
        return t2i_fail(err, T2I_USAGE,
                        "unexpected '%.200s': %s takes options only%s (see %s %s --help)",
                        opts->operand[0], c->name,
                        t2i_opts_takes(c, "pairs") ? ", a list or folder as --pairs" : "",
                        opts->program, c->name);
    int wrong_count = opts->operands < c->least || opts->operands > c->most;
    if (!wrong_count && (needed == NULL || needed->origin != T2I_FROM_DEFAULT)) return T2I_OK;
    t2i_text usage = {0};
    t2i_status status = t2i_opts_usage(opts, c, &usage, err);
    if (status == T2I_OK && wrong_count)
        status = t2i_fail(err, T2I_USAGE, "%s takes %s: %s", c->name,
                          c->most == 1   ? "one file"
                          : c->most == 2 ? "two files"
                                         : "one file or more",
                          usage.data);
    else if (status == T2I_OK)
        status = t2i_fail(err, T2I_USAGE, "%s needs --%s: %s", c->name, c->needs, usage.data);
    t2i_text_free(&usage);
    return status;
}

static t2i_status refuse_option(const t2i_opts *opts, const t2i_command *c, const char *name,
                                t2i_error *err)
{
    t2i_text takers = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < opts->commands; i++)
        if (t2i_opts_takes(&opts->command[i], name))
            status = t2i_text_addf(&takers, err, "%s %s", takers.size > 0 ? "," : "",
                                   opts->command[i].name);
    if (status == T2I_OK)
        status =
            t2i_fail(err, T2I_USAGE, "%s takes no --%s (see %s %s --help); it is an option of%s",
                     c->name, name, opts->program, c->name, takers.data);
    t2i_text_free(&takers);
    return status;
}

/* Takes the first operand as the command and removes it from the operands. */
static t2i_status take_command(t2i_opts *opts, t2i_error *err)
{
    const t2i_command *c = opts->operands == 0 ? NULL : find_command(opts, opts->operand[0]);
    if (c == NULL) return no_command(opts, err);
    opts->chosen = c;
    opts->operands--;
    memmove(opts->operand, opts->operand + 1, opts->operands * sizeof *opts->operand);
    for (size_t i = 0; i < opts->opts; i++)
        if (opts->opt[i].origin == T2I_FROM_COMMAND && !t2i_opts_takes(c, opts->opt[i].name))
            return refuse_option(opts, c, opts->opt[i].name, err);
    return check_operands(opts, c, err);
}

/* ---- the job file ---- */

/* Input of inih, and the state of its handler. inih does not pass line numbers to the handler,
 * truncates long lines, and takes an indented line as a continuation of the value above. Therefore
 * indentation is removed here, and a long line is passed in pieces, of which all but the first are
 * indented. */
typedef struct {
    t2i_opts *opts;
    const char *start, *at, *end;
    int line;        /* line number in the file, from 1 */
    int pieces;      /* pieces passed to inih, which counts them as lines */
    int first, more; /* is the piece the first of its line; do others follow */
    int *seen;       /* line number of each row; 0: not seen */
    t2i_opt *row;    /* of the current line */
    t2i_text value;  /* of the current line, up to this piece */
    source from;
    t2i_status status;
    t2i_error *err;
} job;

/* May a piece end between these bytes? inih strips blanks at its ends and recognises comments. */
static int splits(char before, char after)
{
    return strchr(" \t;#", before) == NULL && strchr(" \t;#", after) == NULL &&
           ((unsigned char)after & 0xc0u) != 0x80u;
}

/* Start of a comment, or end: a comment must not be split into pieces. */
static const char *comment_or(const char *at, const char *end)
{
    if (at < end && (*at == ';' || *at == '#')) return at;
    for (const char *c = at + 1; c < end; c++)
        if (*c == ';' && (c[-1] == ' ' || c[-1] == '\t')) return c;
    return end;
}

static char *next_piece(char *piece, int room, void *stream)
{
    job *j = stream;
    T2I_ASSERT(room >= PIECE + 3);
    if (j->at == j->end || j->status != T2I_OK) return NULL;
    const char *newline = memchr(j->at, '\n', (size_t)(j->end - j->at));
    const char *next_line = newline == NULL ? j->end : newline + 1;
    j->first = !j->more;
    if (j->first) {
        j->line++;
        j->row = NULL;
        while (j->at < j->end && strchr(" \t\r\f\v", *j->at) != NULL) j->at++;
    }
    const char *end = comment_or(j->at, newline == NULL ? j->end : newline);
    size_t length = (size_t)(end - j->at);
    j->more = length > PIECE;
    if (j->more) {
        for (length = PIECE; length > 0 && !splits(j->at[length - 1], j->at[length]);) length--;
        if (length == 0) {
            j->status = t2i_fail(j->err, T2I_USAGE, "%.300s:%d: the line is too long", j->opts->job,
                                 j->line);
            return NULL;
        }
    }
    char *out = piece;
    if (!j->first) *out++ = ' ';
    memcpy(out, j->at, length);
    memcpy(out + length, "\n", 2);
    j->at = j->more ? j->at + length : next_line;
    j->pieces++;
    return piece;
}

static t2i_status take_piece(job *j, const char *name, const char *value)
{
    snprintf(j->from.prefix, sizeof j->from.prefix, "%.300s:%d: ", j->opts->job, j->line);
    if (j->first) {
        j->row = find(j->opts, name, strlen(name));
        if (j->row == NULL) return unknown(j->opts, name, "", j->from.prefix, j->err);
        int *seen = &j->seen[j->row - j->opts->opt];
        if (*seen != 0)
            return t2i_fail(j->err, T2I_USAGE, "%s%s is already set on line %d", j->from.prefix,
                            name, *seen);
        *seen = j->line;
        j->value.size = 0;
    }
    T2I_TRY(t2i_text_add(&j->value, value, strlen(value), j->err));
    return j->more ? T2I_OK : set(j->opts, j->row, j->value.data, &j->from, j->err);
}

static int handle(void *user, const char *section, const char *name, const char *value)
{
    (void)section;
    job *j = user;
    if (j->first || j->row != NULL) j->status = take_piece(j, name, value);
    return j->status == T2I_OK;
}

/* Refuses bytes that inih would misread. */
static t2i_status check_bytes(const char *path, const t2i_text *text, t2i_error *err)
{
    const char *nul = text->size == 0 ? NULL : memchr(text->data, '\0', text->size);
    size_t bad = t2i_utf8_valid(text->data, text->size);
    const char *what = "is not UTF-8";
    if (nul != NULL && (size_t)(nul - text->data) < bad) {
        bad = (size_t)(nul - text->data);
        what = "holds a NUL byte";
    }
    if (bad == text->size) return T2I_OK;
    int line = 1;
    for (size_t i = 0; i < bad; i++) line += text->data[i] == '\n';
    return t2i_fail(err, T2I_USAGE, "%.300s:%d: the line %s", path, line, what);
}

static t2i_status parse_job(job *j, t2i_error *err)
{
    int bad = ini_parse_stream(next_piece, j, handle, j);
    if (bad < 0) return t2i_fail_memory(err, 0, j->opts->job);
    if (bad == 0 || (j->status != T2I_OK && bad == j->pieces)) return j->status;
    /* inih could not parse piece number `bad`: find its line. */
    char piece[PIECE + 3];
    j->at = j->start;
    j->line = j->pieces = j->more = 0;
    j->status = T2I_OK;
    while (j->pieces < bad) next_piece(piece, sizeof piece, j);
    return t2i_fail(err, T2I_USAGE,
                    "%.300s:%d: neither 'key = value' nor a [section] nor a comment (;)",
                    j->opts->job, j->line);
}

static t2i_status read_job(t2i_opts *opts, t2i_error *err)
{
    t2i_text text = {0};
    job j = {.opts = opts, .from = {T2I_FROM_JOB, T2I_USAGE, ""}, .err = err};
    t2i_status status = t2i_fs_read_stream(opts->job, JOB_LIMIT, &text, err);
    if (status == T2I_OK) status = check_bytes(opts->job, &text, err);
    j.seen = t2i_alloc(opts->opts, sizeof *j.seen);
    if (status == T2I_OK && j.seen == NULL) status = t2i_fail_memory(err, opts->opts, opts->job);
    if (status == T2I_OK && text.size > 0) {
        j.start = j.at = t2i_utf8_without_mark((t2i_span){text.data, text.size}).data;
        j.end = text.data + text.size;
        status = parse_job(&j, err);
    }
    t2i_text_free(&j.value);
    t2i_free(j.seen);
    t2i_text_free(&text);
    return status;
}

t2i_status t2i_opts_parse(t2i_opts *opts, int argc, char **argv, t2i_error *err)
{
    opts->job = NULL;
    opts->operands = 0;
    opts->chosen = NULL;
    opts->asked = T2I_ASK_NOTHING;
    opts->level = T2I_NORMAL;
    opts->keep = t2i_alloc(opts->opts, sizeof(char *));
    opts->operand = t2i_alloc(argc > 0 ? (size_t)argc : 0, sizeof *opts->operand);
    if (opts->keep == NULL || opts->operand == NULL)
        return t2i_fail_memory(err, opts->opts * sizeof(char *), "options");
    T2I_TRY(set_defaults(opts, err));
    /* Before the job file: --help must work with a faulty one. */
    T2I_TRY(parse_command_line(opts, argc, argv, err));
    /* --help of a command may come before or after its name. */
    for (int i = 1; i < argc && opts->asked != T2I_ASK_NOTHING && opts->chosen == NULL; i++)
        opts->chosen = find_command(opts, argv[i]);
    if (opts->asked != T2I_ASK_NOTHING) return T2I_OK;
    if (opts->commands > 0) T2I_TRY(take_command(opts, err));
    return opts->job == NULL ? T2I_OK : read_job(opts, err);
}

void t2i_opts_free(t2i_opts *opts)
{
    char **kept = opts->keep;
    for (size_t i = 0; kept != NULL && i < opts->opts; i++) {
        const t2i_opt *row = &opts->opt[i];
        if (row->kind == T2I_OPT_TEXT || row->kind == T2I_OPT_CHOICE) *(char **)row->value = NULL;
        t2i_free(kept[i]);
    }
    t2i_free(opts->keep);
    opts->keep = NULL;
    t2i_free(opts->operand);
    opts->operand = NULL;
    opts->operands = 0;
}

/* ---- output ---- */

t2i_status t2i_opts_value(const t2i_opt *opt, t2i_text *out, t2i_error *err)
{
    const char *text = "";
    switch (opt->kind) {
    case T2I_OPT_SWITCH:
        text = *(const int *)opt->value ? "true" : "false";
        break;
    case T2I_OPT_INT:
        return t2i_text_addf(out, err, "%ld", *(const long *)opt->value);
    case T2I_OPT_REAL:
        return add_real(out, *(const double *)opt->value, err);
    case T2I_OPT_TEXT:
    case T2I_OPT_CHOICE:
        if (*(char *const *)opt->value != NULL) text = *(char *const *)opt->value;
        break;
    }
    return t2i_text_add(out, text, strlen(text), err);
}

t2i_status t2i_opts_echo(const t2i_opts *opts, t2i_text *out, t2i_error *err)
{
    static const char *const comment[] = {
        [T2I_FROM_DEFAULT] = "",
        [T2I_FROM_JOB] = "; from the job file\n",
        [T2I_FROM_COMMAND] = "; from the command line\n",
    };
    for (size_t i = 0; i < opts->opts; i++) {
        const t2i_opt *row = &opts->opt[i];
        T2I_TRY(t2i_text_addf(out, err, "%s%s = ", comment[row->origin], row->name));
        T2I_TRY(t2i_opts_value(row, out, err));
        T2I_TRY(t2i_text_add(out, "\n", 1, err));
    }
    return T2I_OK;
}

const t2i_opt *t2i_opts_find(const t2i_opts *opts, const char *name)
{
    const t2i_opt *row = find(opts, name, strlen(name));
    T2I_ASSERT(row != NULL);
    return row;
}
