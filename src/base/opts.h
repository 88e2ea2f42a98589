/* opts.h - one table a program: parsing, job file, errors and the saved configuration come from it,
 * and (help.h) --help, manual page and completion.
 *
 * `--key value` or `--key=value` on the command line, `key = value` in a job file (INI, through
 * inih); the command line wins. A switch takes no value on the command line (in a job file: key =
 * true|false). Options and operands mix freely; "--" ends the options. An unknown key is an error
 * that names the nearest known one. Long names only: any other word that begins with '-' is an
 * error. A next word that begins with "--" is not taken for a value (--key=--value is). Given twice
 * on the command line, the last wins; twice in a job file, it is an error.
 *
 * Every program has the switches --quiet and --verbose, and what it can be asked instead of doing
 * its work: --help, --help-all, --version (and --help-man, --help-completion, which `make` uses).
 * These stop the parsing, so they work beside a broken job file too.
 *
 * A program with commands (t2i-data build) has a table of these as well; which options each takes
 * and needs, and how many operands, is checked here.
 *
 * Numbers are decimal. A TEXT is UTF-8 that a job file can keep: no control characters, no blank at
 * its ends, no ';' at its start or after a blank (a comment would begin there). A job file is UTF-8
 * of at most 1 MiB; [sections] and indentation mean nothing in it, so no line continues another.
 */
#ifndef T2I_OPTS_H
#define T2I_OPTS_H

#include <stddef.h>
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define T2I_VERSION "1.0.0" /* of all programs */
#ifndef T2I_GIT /* what git calls the source: the Makefile tells it to the programs' own files */
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
    const char *preset;    /* the default as text; NULL: none (TEXT), false (SWITCH) */
    double min, max;       /* INT, REAL, ends allowed; no bound: LONG_*, DBL_MAX */
    const char *choices;   /* CHOICE: "constant|cosine" */
    const char *argument;  /* for --help: "N", "FILE"; NULL: from the kind */
    const char *help;      /* one or more sentences; a short --help shows the first alone */
    t2i_opt_origin origin; /* filled by parsing */
    const char *group;     /* the heading over this row and those below; NULL: as above */
    int rare;              /* a short --help leaves it out */
} t2i_opt;

typedef struct t2i_opts t2i_opts;
/* What a program does once its command line is read. */
typedef t2i_status (*t2i_opts_run)(const t2i_opts *opts, void *settings, t2i_error *err);

typedef struct {
    const char *name;     /* "build" */
    const char *operands; /* for --help: "FILE|RUN..."; "" when it takes none */
    size_t least, most;   /* so many operands (files), its name not counted */
    const char *options;  /* names of those that it takes, parted by blanks */
    const char *needs;    /* the one among them that must be given, or NULL */
    const char *help;     /* what it does; the first sentence fits a line */
    t2i_opts_run run;
    int shared; /* by all ranks of a job; else rank 0 does it alone */
} t2i_command;

/* What is asked of a program instead of its work. */
typedef enum {
    T2I_ASK_NOTHING,
    T2I_ASK_HELP,
    T2I_ASK_ALL, /* of the help */
    T2I_ASK_VERSION,
    T2I_ASK_MAN,
    T2I_ASK_COMPLETION
} t2i_ask;

struct t2i_opts {
    const char *program; /* "t2i-train" */
    const char *summary; /* "trains a model": for the head of its manual page */
    const char *usage;   /* "[JOB.ini] [--key value]..."; not looked at where there are commands */
    const char *about;   /* a paragraph or two for --help */
    const char *example; /* command lines, parted by newlines */
    const char *epilog;  /* what else there is to know, for --help-all; may be NULL */
    t2i_opt *opt;
    size_t opts;
    const t2i_command *command; /* NULL: it has none, */
    size_t commands;
    t2i_opts_run run; /* and does this, */
    int shared;       /* together with all ranks of the job, or as rank 0 alone */
    int takes_job;    /* the first operand that ends in .ini is a job file */
    const char *git;  /* T2I_GIT, for --version */

    /* filled by parsing */
    const char *job;      /* the job file or NULL; borrowed from argv */
    const char **operand; /* owned array of borrowed words; without the command's name */
    size_t operands;
    const t2i_command *chosen; /* NULL while something is asked for that names no command */
    t2i_ask asked;             /* parsing stopped there: answer and exit 0 */
    t2i_log_level level;       /* --quiet, --verbose */
    void *keep;                /* private: texts that values point to */
};

/* Sets defaults, reads the command line, then the job file (if any) for what the command line left
 * open; all values are checked. T2I_USAGE, or T2I_NOINPUT for a job file that cannot be read
 * (T2I_DATA: too long). t2i_opts_free is legal afterwards in every case. argv[0] is skipped. */
T2I_CHECKED t2i_status t2i_opts_parse(t2i_opts *opts, int argc, char **argv, t2i_error *err);
void t2i_opts_free(t2i_opts *opts);

/* The effective configuration as a job file: every option, one `key = value` a line, with its
 * origin as a comment above values that are not defaults ("; from the command line"). Read back, it
 * gives the same values. */
T2I_CHECKED t2i_status t2i_opts_echo(const t2i_opts *opts, t2i_text *out, t2i_error *err);
/* The row of that name; a bug when there is none. */
const t2i_opt *t2i_opts_find(const t2i_opts *opts, const char *name);
/* Its present value as text (as echo writes it; "" for a missing text), into out. */
T2I_CHECKED t2i_status t2i_opts_value(const t2i_opt *opt, t2i_text *out, t2i_error *err);
/* "from 1 to 8", "constant or cosine": what it may be; nothing where all is allowed. */
T2I_CHECKED t2i_status t2i_opts_range(const t2i_opt *opt, t2i_text *out, t2i_error *err);
/* Does this command take the option of that name? */
int t2i_opts_takes(const t2i_command *command, const char *name);
/* "t2i-data info F.h5 [--key value]...": how the command is called. */
T2I_CHECKED t2i_status t2i_opts_usage(const t2i_opts *opts, const t2i_command *command,
                                      t2i_text *out, t2i_error *err);

#endif
