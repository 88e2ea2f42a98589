/* combine_prompts.h - additional training prompts, joined from several prompts of one picture.
 *
 * Why: a keyword fits many pictures; several keywords together fit few. A model that sees one
 * keyword at a time learns the mean of its pictures, and not that two keywords together mean the
 * pictures that they have in common.
 */
#ifndef T2I_COMBINE_PROMPTS_H
#define T2I_COMBINE_PROMPTS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "lists/pairs.h"

/* Adds up to `each` training pairs per picture. A new prompt is two (half of the time), three or
 * four training prompts of the picture, drawn by the seed and joined by blanks. The new pairs
 * follow the others, with the next row numbers. A new prompt is dropped if it is longer than the
 * longest prompt of the set, if the picture has it already, or if it is held out for any picture
 * (compared without regard to ASCII case). Prompts hold no NUL. *added: number of pairs added.
 * T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_combine_prompts(t2i_pair_set *set, size_t each, uint64_t seed,
                                           size_t *added, t2i_error *err);

#endif
