/* library_internal.h - what predictor.c and index.c share, and what t2i-generate asks beyond t2i.h.
 *
 * Every function of the interface that computes does so between t2i_library_enter and
 * t2i_library_leave: the caller's rounding mode and exceptions must not change results, nor be
 * changed.
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

/* For what is to be said of a model and its dataset (loaded_model.h). */
const t2i_checkpoint *t2i_predictor_checkpoint(const t2i_predictor *predictor);
t2i_dataset *t2i_index_dataset(const t2i_index *index);

#endif
