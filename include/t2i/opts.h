/* opts.h - one table a program: parsing, job file, --help, errors and the saved configuration come
 * from it.
 *
 * `--key value` or `--key=value` on the command line, `key = value` in a job file (INI, through
 * inih); the command line wins. A switch takes no value on the command line (in a job file: key =
 * true|false). Options and operands mix freely; "--" ends the options. An unknown key is an error
 * that names the nearest known one. Long names only: any other word that begins with '-' is an
 * error. A next word that begins with "--" is not taken for a value (--key=--value is). Given twice
 * on the command line, the last wins; twice in a job file, it is an error. --help and --version are
 * built in and stop the parsing, so they work beside a broken job file too.
 *
 * Numbers are decimal. A TEXT is UTF-8 that a job file can keep: no control characters, no blank at
 * its ends, no ';' at its start or after a blank (a comment would begin there). A job file is UTF-8
 * of at most 1 MiB; [sections] and indentation mean nothing in it, so no line continues another.
 */
#ifndef T2I_OPTS_H
#define T2I_OPTS_H

#include <stddef.h>
#include "t2i/error.h"
#include "t2i/text.h"

#define T2I_VERSION "0.1.0" /* of all programs */

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
    const char *help;      /* one or more sentences; wrapped by --help */
    t2i_opt_origin origin; /* filled by parsing */
} t2i_opt;

typedef struct {
    const char *program; /* "t2i-train" */
    const char *usage;   /* "[JOB.ini] [--key value]..." */
    const char *about;   /* a paragraph for --help */
    const char *epilog;  /* after the options (exit codes, examples); may be NULL */
    t2i_opt *opt;
    size_t opts;
    int takes_job; /* the first operand that ends in .ini is a job file */

    /* filled by parsing */
    const char *job;      /* the job file or NULL; borrowed from argv */
    const char **operand; /* owned array of borrowed words */
    size_t operands;
    int help, version; /* asked for: parsing stopped there; print and exit 0 */
    void *keep;        /* private: texts that values point to */
} t2i_opts;

/* Sets defaults, reads the command line, then the job file (if any) for what the command line left
 * open; all values are checked. T2I_USAGE, or T2I_NOINPUT for a job file that cannot be read
 * (T2I_DATA: too long). t2i_opts_free is legal afterwards in every case. argv[0] is skipped. */
T2I_CHECKED t2i_status t2i_opts_parse(t2i_opts *opts, int argc, char **argv, t2i_error *err);
void t2i_opts_free(t2i_opts *opts);

/* Full --help text: usage, about, every option with argument, default and help wrapped to 80
 * columns, epilog. */
T2I_CHECKED t2i_status t2i_opts_help(const t2i_opts *opts, t2i_text *out, t2i_error *err);
/* Answers --help or --version on standard output (opts->help or opts->version is set). T2I_IO when
 * that fails. */
T2I_CHECKED t2i_status t2i_opts_answer(const t2i_opts *opts, t2i_error *err);
/* The effective configuration as a job file: every option, one `key = value` a line, with its
 * origin as a comment above values that are not defaults ("; from the command line"). Read back, it
 * gives the same values. */
T2I_CHECKED t2i_status t2i_opts_echo(const t2i_opts *opts, t2i_text *out, t2i_error *err);
/* The row of that name; a bug when there is none. */
const t2i_opt *t2i_opts_find(const t2i_opts *opts, const char *name);
/* Its present value as text (as echo writes it; "" for a missing text), into out. */
T2I_CHECKED t2i_status t2i_opts_value(const t2i_opt *opt, t2i_text *out, t2i_error *err);

#endif
