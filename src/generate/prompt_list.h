/* prompt_list.h - the prompts that t2i-generate is asked: those of the command line, then the lines
 * of a file.
 */
#ifndef T2I_PROMPT_LIST_H
#define T2I_PROMPT_LIST_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

typedef struct {
    const char **prompt; /* owned: array of strings that are borrowed or in `file` */
    size_t prompts;
    t2i_text file; /* owned: the file */
} t2i_prompt_list;

/* operand (operands): prompts, borrowed. path: a file with one prompt per line, "-" for standard
 * input; NULL: none. A line may end in CR LF, the last one in nothing. Warns if several operands
 * look like the words of one prompt that lacks its quotes. T2I_USAGE for an operand that is empty
 * or not UTF-8; T2I_DATA, with its number, for such a line, and for a file of another kind. *out is
 * empty on failure. */
T2I_CHECKED t2i_status t2i_prompt_list_new(t2i_prompt_list *out, const char *const *operand,
                                           size_t operands, const char *path, t2i_error *err);
void t2i_prompt_list_free(t2i_prompt_list *list);

/* Refuses a prompt that is empty, blank or not UTF-8: T2I_USAGE with "NAME ...". */
T2I_CHECKED t2i_status t2i_prompt_list_check(const char *prompt, const char *name, t2i_error *err);

#endif
