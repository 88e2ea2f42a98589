/* damage.c - flips bytes and bits of a checkpoint and cuts it: each damage is found when it is
 * loaded, or every value is as it was.
 *
 * Usage: damage FILE SCRATCH_FILE bytes | bits COUNT SEED | cuts STRIDE
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"

typedef struct {
    t2i_text bytes;
    t2i_checkpoint sound;
    const char *path; /* of the damaged copy */
    int fd;
    size_t tried, found, harmless, missed;
} bench;

static int same_block(const t2i_checkpoint *a, const float *x, const float *y)
{
    if (x == NULL || y == NULL) return x == y;
    return memcmp(x, y, a->model.layout.floats * sizeof *x) == 0;
}

static int same(const t2i_checkpoint *a, const t2i_checkpoint *b)
{
    for (size_t i = 0; i < T2I_MODEL_SIZES; i++)
        if (t2i_model_size(&a->model.config, i) != t2i_model_size(&b->model.config, i)) return 0;
    if (a->vocab.size != b->vocab.size) return 0;
    for (size_t i = 0; i < a->vocab.size; i++)
        if (strcmp(a->vocab.name[i], b->vocab.name[i]) != 0) return 0;
    const t2i_run_state *x = &a->run, *y = &b->run;
    return x->step == y->step && x->updates == y->updates && x->skipped == y->skipped &&
           x->shards == y->shards && x->best >= y->best && x->best <= y->best &&
           strcmp(x->dataset, y->dataset) == 0 && strcmp(x->options, y->options) == 0 &&
           same_block(a, a->weights, b->weights) && same_block(a, a->m, b->m) &&
           same_block(a, a->v, b->v) && same_block(a, a->ema, b->ema);
}

/* The copy is damaged as `what` at `where` says. */
static void look(bench *b, const char *what, size_t where)
{
    t2i_checkpoint c;
    t2i_error err = {0};
    size_t live = t2i_alloc_live();
    t2i_status status = t2i_checkpoint_load(&c, b->path, 1, 0, &err);
    b->tried++;
    if (status == T2I_OK && same(&b->sound, &c))
        b->harmless++;
    else if (status == T2I_DATA)
        b->found++;
    else {
        printf("%s %zu: status %d, %s\n", what, where, (int)status, err.text);
        b->missed++;
    }
    if (status == T2I_OK) t2i_checkpoint_free(&c);
    if (t2i_alloc_live() == live) return;
    printf("%s %zu: memory was not freed\n", what, where);
    b->missed++;
}

static void flip(bench *b, size_t at, unsigned mask)
{
    unsigned char was = (unsigned char)b->bytes.data[at], is = (unsigned char)(was ^ mask);
    if (pwrite(b->fd, &is, 1, (off_t)at) != 1) exit(2);
    look(b, "byte", at);
    if (pwrite(b->fd, &was, 1, (off_t)at) != 1) exit(2);
}

static void cut(bench *b, size_t size)
{
    if (ftruncate(b->fd, (off_t)size) != 0) exit(2);
    look(b, "cut to", size);
    if (pwrite(b->fd, b->bytes.data + size, b->bytes.size - size, (off_t)size) < 0) exit(2);
}

int main(int argc, char **argv)
{
    static bench b;
    t2i_error err = {0};
    if (argc < 4) return 64;
    b.path = argv[2];
    size_t number = argc > 4 ? (size_t)atol(argv[4]) : 1;
    uint64_t seed = argc > 5 ? (uint64_t)atol(argv[5]) : 1;
    if (t2i_fs_read(argv[1], (size_t)1 << 30, &b.bytes, &err) != T2I_OK ||
        t2i_commit_file(b.path, b.bytes.data, b.bytes.size, &err) != T2I_OK ||
        t2i_checkpoint_load(&b.sound, b.path, 1, 0, &err) != T2I_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    b.fd = open(b.path, O_WRONLY);
    if (b.fd < 0) return 2;
    for (size_t i = 0; strcmp(argv[3], "bytes") == 0 && i < b.bytes.size; i++) {
        flip(&b, i, 0xff);
        flip(&b, i, 1u << t2i_rng_below(seed, 1, i, 8));
    }
    for (size_t i = 0; strcmp(argv[3], "bits") == 0 && i < number; i++)
        flip(&b, (size_t)t2i_rng_below(seed, 2, i, b.bytes.size),
             1u << t2i_rng_below(seed, 3, i, 8));
    for (size_t i = 0; strcmp(argv[3], "cuts") == 0 && i < b.bytes.size; i += number) cut(&b, i);
    look(&b, "nothing", 0); /* it is sound again */
    b.harmless--;
    b.tried--;
    printf("%s of %zu bytes: %zu damages, %zu found, %zu without effect, %zu not found\n", argv[3],
           b.bytes.size, b.tried, b.found, b.harmless, b.missed);
    close(b.fd);
    t2i_checkpoint_free(&b.sound);
    t2i_text_free(&b.bytes);
    return b.missed > 0 || b.tried == 0;
}
