/* holdout.h - which pictures are kept out of training, when the user did not say. */
#ifndef T2I_HOLDOUT_H
#define T2I_HOLDOUT_H

#include <stdint.h>
#include "prepare/encode_dataset.h"
#include "base/error.h"
#include "prepare/pairs.h"

/* Says what of the pairs is likely a mistake: pairs that are given more than once, pictures of the
 * split "unseen pictures" that (or whose group) train as well. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_holdout_log(const t2i_pair_set *set, t2i_error *err);

/* floor(share x groups) of the picture groups, chosen by the seed, become the split validation with
 * all their pairs. Pictures with the same pixels are one group here, whatever they are called, so
 * that no picture leaks. Says what was held out. */
T2I_CHECKED t2i_status t2i_holdout_split(t2i_pair_set *set, const t2i_pictures *pictures,
                                         double share, uint64_t seed, t2i_error *err);

#endif
