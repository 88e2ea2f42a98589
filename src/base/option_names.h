/* option_names.h - what to say of an option that does not exist.
 *
 * Why: users type what their last trainer called it (--batch_size, --num_train_epochs), or an
 * option of another of our programs. A table maps the names of PyTorch Lightning, Hugging Face's
 * Trainer, open_clip and nanoGPT to ours, or says why there is no such option.
 */
#ifndef T2I_OPTION_NAMES_H
#define T2I_OPTION_NAMES_H

#include <stddef.h>

typedef struct {
    const char *name; /* in small letters, with hyphens */
    const char *ours; /* our options for it, separated by blanks; the first that exists counts.
                         NULL: there is none */
    const char *note; /* what else to know; why there is none. May be NULL if there is one */
} t2i_foreign_option;

typedef struct {
    const char *program, *options; /* all names, separated by blanks */
} t2i_program_options;

extern const t2i_foreign_option t2i_option_names_foreign[];
extern const size_t t2i_option_names_foreign_count;
extern const t2i_program_options t2i_option_names_programs[];
extern const size_t t2i_option_names_programs_count;

/* Bytes of the hyphens at the start of the word, among which dashes and minus signs of typeset text
 * count, as pasted from a web page. */
size_t t2i_option_names_dashes(const char *word);

/* Writes what follows "unknown option 'WORD'" to out, as ": did you mean '--batch'?"; nothing if it
 * is like no option. word: as typed, without its value, with or without hyphens in front. own: the
 * options of the program. dashes: "--" or, for keys of a job file, "". */
void t2i_option_names_hint(const char *word, const char *const *own, size_t count,
                           const char *dashes, char *out, size_t room);

#endif
