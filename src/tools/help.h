/* help.h - --help, the manual page and shell completion, generated from a program's option table
 * (opts.h).
 */
#ifndef T2I_HELP_H
#define T2I_HELP_H

#include "base/error.h"
#include "base/opts.h"
#include "base/text.h"

#define T2I_RELEASED "2026-11-29" /* release date of T2I_VERSION */

/* Adds the text of --help, in lines of at most 80 columns. all is not 0: everything. Otherwise, for
 * a program with commands: the list of commands, or the chosen command's options; for any other
 * program: everything if it fits a screen (50 lines), else the options that are not rare, each with
 * the first sentence of its help. */
T2I_CHECKED t2i_status t2i_help(const t2i_opts *opts, int all, t2i_text *out, t2i_error *err);

/* Adds the complete manual page (man(7) macros). */
T2I_CHECKED t2i_status t2i_help_man(const t2i_opts *opts, t2i_text *out, t2i_error *err);

/* Adds the bash arrays that src/tools/completion.bash reads; it documents them. */
T2I_CHECKED t2i_status t2i_help_completion(const t2i_opts *opts, t2i_text *out, t2i_error *err);

#endif
