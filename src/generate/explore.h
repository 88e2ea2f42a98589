/* explore.h - writes one HTML page without other files: prompts with a filter box, the picture that
 * the model draws for each prompt, and the nearest pictures with their distances.
 */
#ifndef T2I_EXPLORE_H
#define T2I_EXPLORE_H

#include "base/error.h"
#include "generate/generate.h"

/* Limits of the dataset's prompts (evenly spread) and of pictures on the page, and the side of a
 * picture in pixels. They keep the page below 30 MB, typically 5 MB. The page and a note state what
 * is left out. */
enum { T2I_EXPLORE_PROMPTS = 400, T2I_EXPLORE_PICTURES = 1500, T2I_EXPLORE_SIDE = 64 };

/* Writes the page to `path`; prompts of the options come first. Ignores the options `out` and
 * `json`. T2I_CANTCREATE if the page exists; the failures of t2i_loaded_model_open. */
T2I_CHECKED t2i_status t2i_explore(const t2i_generate_options *options, const char *path,
                                   t2i_error *err);

#endif
