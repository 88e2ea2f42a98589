/* library_internal.h - shared by predictor.c and index.c; access for t2i-generate beyond t2i.h.
 *
 * Functions of the interface compute between t2i_library_enter and t2i_library_leave, so that the
 * caller's rounding mode and floating-point exceptions neither affect results nor are changed.
 */
#ifndef T2I_LIBRARY_INTERNAL_H
#define T2I_LIBRARY_INTERNAL_H

#include <fenv.h>

#include "base/cpu.h"
#include "checkpoint/checkpoint.h"
#include "retrieval/gallery.h"

static inline void t2i_library_enter(fenv_t *caller)
{
    feholdexcept(caller);
    t2i_cpu_set_rounding();
}

static inline void t2i_library_leave(const fenv_t *caller)
{
    fesetenv(caller);
}

/* The checkpoint of a predictor and the dataset of an index, both borrowed (for loaded_model.h). */
const t2i_checkpoint *t2i_predictor_checkpoint(const t2i_predictor *predictor);
/* Its packed weights, borrowed. */
const t2i_packed_weights *t2i_predictor_packed(const t2i_predictor *predictor);
t2i_dataset *t2i_index_dataset(const t2i_index *index);
/* The loaded gallery of an index, borrowed. */
const t2i_gallery *t2i_index_gallery(const t2i_index *index);

#endif
