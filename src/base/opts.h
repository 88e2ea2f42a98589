/* opts.h - command line and job file, parsed by one option table per program. The table also yields
 * the error messages, the saved configuration and (help.h) --help, manual page and completion.
 *
 * Syntax: `--key value` or `--key=value` on the command line, `key = value` in a job file (INI,
 * read by the library inih, which only this module uses). The command line takes precedence. A
 * switch takes no value on the command line (in a job file: key = true|false). Options and operands
 * may be in any order; "--" ends the options. An unknown key is an error that suggests the nearest
 * known one. Names are long, but for -h: any other word that begins with '-' is an error. A
 * following word that begins with "--" is not taken as a value (--key=--value is). If an option is
 * repeated on the command line, the last one counts; in a job file, repetition is an error.
 *
 * Every program has the switches --quiet and --verbose, and --help, --help-all and --version (also
 * --help-man and --help-completion, which `make` uses). The latter end the parsing, so that they
 * work with a faulty job file, too.
 *
 * A program with commands (t2i-data build) also has a table of commands. Which options a command
 * takes and needs, and how many operands, is checked here.
 *
 * Under MPI every rank reads the job file by itself, before MPI starts.
 *
 * Numbers are decimal. A TEXT is UTF-8 that a job file can hold: without control characters,
 * without blanks at its ends, and without ';' at its start or after a blank (which would begin a
 * comment), and without what was meant for a shell (quotes around it, '~', variables). A job file
 * is UTF-8 of at most 1 MiB. [sections] and indentation have no meaning in it: no line continues
 * the previous one.
 */
#ifndef T2I_OPTS_H
#define T2I_OPTS_H

#include <stddef.h>
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define T2I_VERSION "1.1.0" /* of all programs */
#ifndef T2I_GIT /* git describe of the source; the Makefile defines it for the programs' main      \
                   files */
#define T2I_GIT "unknown"
#endif

typedef enum {
    T2I_OPT_SWITCH, /* value: int *, 0 or 1        */
    T2I_OPT_INT,    /* value: long *               */
    T2I_OPT_REAL,   /* value: double *, finite     */
    T2I_OPT_TEXT,   /* value: char **, owned by the t2i_opts, NULL when empty and preset is NULL */
    T2I_OPT_CHOICE  /* value: char **, one of choices */
} t2i_opt_kind;

typedef enum { T2I_FROM_DEFAULT = 0, T2I_FROM_JOB = 1, T2I_FROM_COMMAND = 2 } t2i_opt_origin;

typedef struct {
    const char *name;
    t2i_opt_kind kind;
    void *value;
    const char *preset;    /* default as text; NULL: none (TEXT), false (SWITCH) */
    double min, max;       /* INT, REAL: inclusive range; no bound: LONG_*, DBL_MAX */
    const char *choices;   /* CHOICE: "constant|cosine" */
    const char *argument;  /* for --help: "N", "FILE"; NULL: according to kind */
    const char *help;      /* one or more sentences; short --help shows the first only */
    t2i_opt_origin origin; /* filled by parsing */
    const char *group;     /* heading of this row and the following; NULL: as before */
    int rare;              /* omitted from short --help */
} t2i_opt;

typedef struct t2i_opts t2i_opts;
/* The work of a program or command, called after its command line is parsed. */
typedef t2i_status (*t2i_opts_run)(const t2i_opts *opts, void *settings, t2i_error *err);

typedef struct {
    const char *name;     /* "build" */
    const char *operands; /* for --help: "FILE|RUN..."; "": none */
    size_t least, most;   /* number of operands, without the command's name */
    const char *options;  /* names of the options that it takes, separated by blanks */
    const char *needs;    /* the option that is mandatory, or NULL */
    const char *help;     /* description; the first sentence fits a line */
    t2i_opts_run run;
    int shared; /* runs on all ranks of a job; else on rank 0 only */
} t2i_command;

/* Requests for information, answered instead of running the program. */
typedef enum {
    T2I_ASK_NOTHING,
    T2I_ASK_HELP,
    T2I_ASK_ALL, /* --help-all */
    T2I_ASK_VERSION,
    T2I_ASK_MAN,
    T2I_ASK_COMPLETION
} t2i_ask;

struct t2i_opts {
    const char *program; /* "t2i-train" */
    const char *summary; /* "trains a model"; for the NAME section of the manual page */
    const char *usage;   /* "[JOB.ini] [--key value]..."; not used with commands */
    const char *about;   /* one or two paragraphs for --help */
    const char *example; /* command lines, separated by newlines */
    const char *epilog;  /* further notes for --help-all; may be NULL */
    t2i_opt *opt;
    size_t opts;
    const t2i_command *command; /* NULL: no commands */
    size_t commands;
    t2i_opts_run run; /* without commands: the work, */
    int shared;       /* on all ranks of the job, or on rank 0 only */
    int takes_job;    /* the first operand that ends in .ini is a job file */
    const char *git;  /* T2I_GIT, for --version */

    /* filled by parsing */
    const char *job;      /* the job file or NULL; borrowed from argv */
    const char **operand; /* owned array of borrowed strings, without the command's name */
    size_t operands;
    const t2i_command *chosen; /* NULL if help or the like is requested without a command */
    t2i_ask asked;             /* parsing stopped there: print the answer and exit 0 */
    t2i_log_level level;       /* --quiet, --verbose */
    void *keep;                /* private: owned strings that values point to */
};

/* Sets the defaults, parses the command line, then the job file (if any) for options that are not
 * on the command line. All values are checked. T2I_USAGE; T2I_NOINPUT if the job file cannot be
 * read, T2I_DATA if it is too long. t2i_opts_free is legal afterwards in every case. argv[0] is
 * skipped. */
T2I_CHECKED t2i_status t2i_opts_parse(t2i_opts *opts, int argc, char **argv, t2i_error *err);
void t2i_opts_free(t2i_opts *opts);

/* Adds the effective configuration as a job file: one line `key = value` per option, with the
 * origin as a comment above values that are not defaults ("; from the command line"). Parsing it
 * yields the same values. */
T2I_CHECKED t2i_status t2i_opts_echo(const t2i_opts *opts, t2i_text *out, t2i_error *err);
/* The row of that name, which must exist. */
const t2i_opt *t2i_opts_find(const t2i_opts *opts, const char *name);
/* Adds the current value as text (as t2i_opts_echo writes it; "" for a missing text). */
T2I_CHECKED t2i_status t2i_opts_value(const t2i_opt *opt, t2i_text *out, t2i_error *err);
/* Adds the allowed values ("from 1 to 8", "constant or cosine"); nothing if there is no limit. */
T2I_CHECKED t2i_status t2i_opts_range(const t2i_opt *opt, t2i_text *out, t2i_error *err);
/* Writes what follows "unknown option 'WORD'", as ": did you mean '--batch'?", or nothing
 * (option_names.h). dashes: "--" if the word is from the command line, where the options of every
 * program exist, too; else "". */
T2I_CHECKED t2i_status t2i_opts_hint(const t2i_opts *opts, const char *word, const char *dashes,
                                     char *out, size_t room, t2i_error *err);
/* Does the command take the option of that name? */
int t2i_opts_takes(const t2i_command *command, const char *name);
/* Adds the usage of a command: "t2i-data info F.h5 [--key value]...". */
T2I_CHECKED t2i_status t2i_opts_usage(const t2i_opts *opts, const t2i_command *command,
                                      t2i_text *out, t2i_error *err);

#endif
