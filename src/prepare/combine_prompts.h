/* combine_prompts.h - more training prompts for a picture: several of its own, one behind the
 * other.
 *
 * Why: a keyword is short and fits many pictures; a prompt of several words fits the few that all
 * of them fit. What sees one keyword at a time learns the mean of its pictures, and never that two
 * words together mean what their pictures have in common.
 */
#ifndef T2I_COMBINE_PROMPTS_H
#define T2I_COMBINE_PROMPTS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "prepare/pairs.h"

/* Adds up to `each` training pairs a picture: two (half of them), three or four of its training
 * prompts, drawn by seed, with a blank between. They come behind the others, with the row numbers
 * that follow. Left out are those that are longer than the longest prompt of the set, that the
 * picture has already, and that are held out by any picture (in ASCII letters of either case).
 * Prompts hold no NUL. *added: how many there are now. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_combine_prompts(t2i_pair_set *set, size_t each, uint64_t seed,
                                           size_t *added, t2i_error *err);

#endif
