/* holdout.h - the validation split where no row names a split.
 *
 * Reasons: docs/decisions/024-default-validation-split.md. */
#ifndef T2I_HOLDOUT_H
#define T2I_HOLDOUT_H

#include <stdint.h>
#include "prepare/encode_dataset.h"
#include "base/error.h"
#include "lists/pairs.h"

/* Logs likely mistakes in the pairs: pairs that occur more than once, and pairs of the splits
 * validation and unseen pictures whose picture, or another of its group, is in training. pictures:
 * those of the set, so that equal ones are recognised; or NULL. T2I_SYSTEM and the failures of
 * pictures->read. */
T2I_CHECKED t2i_status t2i_holdout_log(const t2i_pair_set *set, const t2i_pictures *pictures,
                                       t2i_error *err);

/* Moves floor(share x groups) of the picture groups, drawn by the seed, to the split validation
 * with all their pairs. Pictures with equal pixels count as one group, so that no picture is in
 * both splits. Logs what was held out. T2I_SYSTEM and the failures of pictures->read. */
T2I_CHECKED t2i_status t2i_holdout_split(t2i_pair_set *set, const t2i_pictures *pictures,
                                         double share, uint64_t seed, t2i_error *err);

#endif
