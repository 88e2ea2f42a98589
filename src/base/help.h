/* help.h - what a program tells of itself, made from its option table (opts.h): --help, the manual
 * page, and the words that a shell completes.
 */
#ifndef T2I_HELP_H
#define T2I_HELP_H

#include "base/error.h"
#include "base/opts.h"
#include "base/text.h"

#define T2I_RELEASED "2026-11-25" /* T2I_VERSION was */

/* --help in lines of at most 80 columns. Of a program with commands: the commands, or, where one is
 * chosen, its options. Else all options; but where that takes more than a screen (50 lines) and all
 * is 0, those that are not rare, each with its help's first sentence. all is not 0: everything. */
T2I_CHECKED t2i_status t2i_help(const t2i_opts *opts, int all, t2i_text *out, t2i_error *err);

/* The manual page (man(7) macros) with everything. */
T2I_CHECKED t2i_status t2i_help_man(const t2i_opts *opts, t2i_text *out, t2i_error *err);

/* Lines of bash for src/tools/completion.bash, which says what they mean. */
T2I_CHECKED t2i_status t2i_help_completion(const t2i_opts *opts, t2i_text *out, t2i_error *err);

#endif
