#include "train/dry_run.h"

#include <stdio.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/job_limits.h"

enum { STEPS = 3, NAMED = 8 };

t2i_status t2i_dry_run_shards(t2i_text *out, size_t shards, int size, t2i_error *err)
{
    size_t fewest = shards / (size_t)size, most = fewest + (shards % (size_t)size > 0);
    if (size > NAMED)
        return fewest == most ? t2i_text_addf(out, err, "%zu on each rank", most)
                              : t2i_text_addf(out, err, "%zu or %zu on each rank", fewest, most);
    for (int r = 0; r < size; r++) {
        size_t first = t2i_comm_share(shards, r, size), end = t2i_comm_share(shards, r + 1, size);
        T2I_TRY(t2i_text_addf(out, err, "%srank %d: ", r > 0 ? ", " : "", r));
        T2I_TRY(end == first       ? t2i_text_addf(out, err, "none")
                : end == first + 1 ? t2i_text_addf(out, err, "%zu", first)
                                   : t2i_text_addf(out, err, "%zu..%zu", first, end - 1));
    }
    return T2I_OK;
}

/* Collective. Reports the current memory use of the ranks. */
static t2i_status log_memory(t2i_comm *comm, t2i_error *err)
{
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    t2i_memory *all = t2i_alloc((size_t)size, sizeof *all);
    t2i_status mine = all == NULL ? t2i_fail_memory(err, (size_t)size * sizeof *all,
                                                    "the memory use of the ranks")
                                  : T2I_OK;
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        double least = 1e300, most = 0;
        char range[80] = "";
        t2i_job_limits limits;
        all[rank] = t2i_cpu_memory();
        t2i_comm_allgather(comm, all, sizeof *all, (size_t)size);
        for (int r = 0; r < size; r++) {
            if (all[r].own < least) least = all[r].own;
            if (all[r].own > most) most = all[r].own;
        }
        t2i_job_limits_look(&limits, "");
        if (size > 1)
            snprintf(range, sizeof range, "%.1f to %.1f MB private per rank; rank 0: ", least / 1e6,
                     most / 1e6);
        t2i_log_note("memory in use: %s%.1f MB private, %.1f MB shared within its node, where the "
                     "job may use %.1f MB%s%s%s",
                     range, all[0].own / 1e6, all[0].shared / 1e6, limits.memory / 1e6,
                     limits.memory_by[0] != '\0' ? " (" : "", limits.memory_by,
                     limits.memory_by[0] != '\0' ? ")" : "");
    }
    t2i_free(all);
    return status;
}

t2i_status t2i_dry_run(t2i_comm *comm, const t2i_run_sizes *run, t2i_step *step,
                       const t2i_train_state *state, t2i_error *err)
{
    long left = run->options->steps - state->run.step;
    int steps = left < STEPS ? (int)left : STEPS, counted = steps > 1 ? steps - 1 : steps;
    double began = 0;
    t2i_seconds spent = {0};
    t2i_text text = {0};
    char time[32], sync[64] = "";
    t2i_step_scatter(step, comm);
    for (int i = 0; i < steps; i++) {
        t2i_step_result result = {0};
        if (i == 0 || i == steps - counted) { /* the first step is not timed: it touches its memory
                                                 for the first time */
            began = t2i_cpu_seconds();
            spent = (t2i_seconds){0};
        }
        t2i_step_take(step, comm, &result, &spent);
    }
    double each = (t2i_cpu_seconds() - began) / counted, all = spent.compute + spent.sync;
    t2i_status mine = t2i_dry_run_shards(&text, run->sampler->shards, run->size, err);
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        t2i_log_note("shards: %s", text.data);
        status = log_memory(comm, err);
        if (run->size > 1 && all > 0)
            snprintf(sync, sizeof sync, " (%.0f %% of it exchange between ranks)",
                     100 * spent.sync / all);
        t2i_log_note("trial of %d step%s, discarded: %.3g ms per step%s; estimated time for %ld "
                     "steps: %s, plus validation and checkpoints",
                     steps, steps == 1 ? "" : "s", 1e3 * each, sync, left,
                     t2i_log_duration(each * (double)left, time));
    }
    t2i_text_free(&text);
    return status;
}
