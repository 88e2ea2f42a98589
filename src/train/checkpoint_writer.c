#include "train/checkpoint_writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/writer_lease.h"
#include "base/cpu.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "checkpoint/run_folder.h"
#include "base/heartbeat.h"

struct t2i_checkpoint_writer {
    const t2i_train_state *state;
    const char *run;
    long keep;
    t2i_write_mode mode;
    float *weights;      /* owned: the copy that is written; NULL but with T2I_WRITE_COPY */
    t2i_checkpoint copy; /* the checkpoint being written; borrows everything */
    pthread_t thread;
    int begun, threaded;
    atomic_int done;
    t2i_status status;
    t2i_error err;
};

int t2i_checkpoint_writer_aside(size_t bytes)
{
    return t2i_fs_is_large(bytes);
}

t2i_status t2i_checkpoint_writer_new(t2i_checkpoint_writer **out, const t2i_train_state *state,
                                     const char *run, long keep, t2i_write_mode mode,
                                     t2i_error *err)
{
    t2i_checkpoint_writer *s = *out = t2i_alloc(1, sizeof *s);
    size_t bytes = state->model.layout.floats * sizeof(float);
    if (s == NULL) return t2i_fail_memory(err, sizeof *s, "a checkpoint");
    s->state = state;
    s->run = run;
    s->keep = keep;
    s->mode = mode;
    if (mode != T2I_WRITE_COPY) return T2I_OK;
    s->weights = t2i_block_new(&state->model.layout);
    if (s->weights != NULL) return T2I_OK;
    t2i_checkpoint_writer_free(s);
    *out = NULL;
    return t2i_fail_memory(err, bytes, "a copy of the weights");
}

void t2i_checkpoint_writer_free(t2i_checkpoint_writer *s)
{
    if (s == NULL) return;
    if (s->threaded) pthread_join(s->thread, NULL);
    t2i_free(s->weights);
    t2i_free(s);
}

/* Removes checkpoints older than the `keep` newest, counting from the one just written. */
static void prune(const t2i_checkpoint_writer *s)
{
    long *steps;
    size_t count;
    long kept = 0;
    t2i_error ignored;
    if (t2i_run_folder_checkpoints(s->run, &steps, &count, &ignored) != T2I_OK) return;
    for (size_t i = 0; i < count; i++) {
        if (steps[i] > s->copy.run.step || ++kept <= s->keep) continue;
        if (t2i_writer_lease_check(&ignored) != T2I_OK) break;
        char *path = t2i_run_folder_checkpoint(s->run, steps[i], NULL);
        if (path != NULL && unlink(path) != 0 && errno != ENOENT)
            t2i_log_warn("cannot remove the old checkpoint %s: %s", path, strerror(errno));
        t2i_free(path);
    }
    t2i_free(steps);
}

static void *write_it(void *self)
{
    t2i_checkpoint_writer *s = self;
    char *path = t2i_run_folder_checkpoint(s->run, s->copy.run.step, &s->err);
    s->status = path == NULL ? T2I_SYSTEM : t2i_checkpoint_save(&s->copy, path, &s->err);
    t2i_free(path);
    if (s->status == T2I_OK) prune(s);
    atomic_store(&s->done, 1);
    return NULL;
}

void t2i_checkpoint_writer_begin(t2i_checkpoint_writer *s)
{
    T2I_ASSERT(!s->begun);
    s->begun = 1;
    s->copy = t2i_train_state_checkpoint(s->state);
    atomic_store(&s->done, 0);
    if (s->weights != NULL) {
        memcpy(s->weights, s->copy.weights, s->copy.model.layout.floats * sizeof *s->weights);
        s->copy.weights = s->weights;
    }
    if (s->mode != T2I_WRITE_SYNC) {
        sigset_t all, before; /* signals are handled by the main thread */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        s->threaded = pthread_create(&s->thread, NULL, write_it, s) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (!s->threaded) write_it(s);
}

int t2i_checkpoint_writer_busy(const t2i_checkpoint_writer *s)
{
    return s->begun && !atomic_load(&s->done);
}

int t2i_checkpoint_writer_done(const t2i_checkpoint_writer *s)
{
    return s->begun && atomic_load(&s->done);
}

void t2i_checkpoint_writer_wait(const t2i_checkpoint_writer *s)
{
    unsigned before = t2i_heartbeat_others();
    while (t2i_checkpoint_writer_busy(s)) {
        t2i_cpu_sleep(1e-3);
        unsigned now = t2i_heartbeat_others();
        if (now != before) t2i_heartbeat_beat();
        before = now;
    }
}

t2i_status t2i_checkpoint_writer_end(t2i_checkpoint_writer *s, t2i_error *err)
{
    T2I_ASSERT(s->begun);
    t2i_checkpoint_writer_wait(s);
    if (s->threaded) pthread_join(s->thread, NULL);
    s->begun = s->threaded = 0;
    if (s->status != T2I_OK) *err = s->err;
    return s->status;
}
