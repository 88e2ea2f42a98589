/* explore.h - a page over a run's gallery that works from the file system: prompts to filter by
 * typing, what the model draws for each, and the nearest pictures with their distances.
 */
#ifndef T2I_EXPLORE_H
#define T2I_EXPLORE_H

#include "base/error.h"
#include "retrieval/generate.h"

/* At most so many of the dataset's distinct prompts (evenly spread) and, over all prompts, so many
 * pictures: the page stays below 30 MB, as a rule at 5. What is left out is said. */
enum { T2I_EXPLORE_PROMPTS = 400, T2I_EXPLORE_PICTURES = 1500, T2I_EXPLORE_SIDE = 64 };

/* Writes the page, with the options' own prompts first; their `out` and `json` are not looked at.
 * T2I_USAGE for a prompt that is not UTF-8. */
T2I_CHECKED t2i_status t2i_explore(const t2i_generate_options *options, const char *path,
                                   t2i_error *err);

#endif
