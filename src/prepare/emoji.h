/* emoji.h - builds the emoji dataset: pictures of a colour font, names of Unicode CLDR.
 *
 * Every emoji that the font can draw is one picture. Its prompts are its distinct names and
 * keywords in the requested languages. A locale inherits from its parents in CLDR's table. A
 * picture is named by its code points and its English name: "1F600 grinning face". Equal pictures
 * share a group.
 *
 * Pictures, features and held-out pairs depend on `locales` alone, so that scores stay comparable.
 * `with` adds training pairs only: none of an unseen picture, none with a held-out prompt (compared
 * without regard to ASCII case), none of a picture that has no name in `locales`.
 */
#ifndef T2I_EMOJI_H
#define T2I_EMOJI_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct {
    const char *out;
    const char *locales;    /* "en", "en,pt_BR" or "all" */
    const char *with;       /* the same, or NULL: languages that only add training pairs */
    const char *background; /* "white" or "#rrggbb" */
    const char *font;       /* font file (emoji_font.h); NULL: search */
    const char *cldr;       /* folder of CLDR (cldr.h); NULL: search */
    size_t dim;             /* upper limit of the number of features */
    size_t join;   /* joined training pairs per picture (combine_prompts.h), from `locales` only */
    uint64_t seed; /* random seed of the splits (emoji_split.h) and of joined prompts */
} t2i_emoji_options;

/* T2I_USAGE for an unknown locale or a bad background, T2I_NOINPUT when font or CLDR is missing,
 * T2I_DATA, T2I_SYSTEM, and the failures of t2i_encode_dataset_pca. */
T2I_CHECKED t2i_status t2i_emoji(const t2i_emoji_options *options, t2i_error *err);

#endif
