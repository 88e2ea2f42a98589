/* emoji.h - a dataset of emoji: the pictures of a colour font, the names of Unicode CLDR.
 *
 * Every emoji that the font has a picture for is one picture, whatever its name; prompts are its
 * names and keywords in the languages that were asked for, each once. Pictures are called by code
 * points and English name: "1F600 grinning face".
 *
 * Pictures, features and what is held out are those of `locales` alone, whatever `with` adds, so
 * that scores stay comparable: no pair of an unseen picture, no prompt that is held out (in ASCII
 * letters of either case), no picture that `locales` has no name for.
 */
#ifndef T2I_EMOJI_H
#define T2I_EMOJI_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct {
    const char *out;
    const char *locales;    /* "en", "en,pt_BR" or "all" */
    const char *with;       /* the same, or NULL: languages that add training pairs, no more */
    const char *background; /* "white" or "#rrggbb" */
    const char *font;       /* emoji_font.h; NULL: the usual places */
    const char *cldr;       /* cldr.h; NULL: the usual places */
    size_t dim;             /* at most so many features */
    size_t join;   /* training pairs a picture made of several of `locales` (combine_prompts.h) */
    uint64_t seed; /* of the splits (emoji_split.h), and of these */
} t2i_emoji_options;

/* T2I_USAGE for a locale or background that there is not, T2I_NOINPUT, T2I_DATA, and as
 * t2i_encode_dataset_pca. */
T2I_CHECKED t2i_status t2i_emoji(const t2i_emoji_options *options, t2i_error *err);

#endif
