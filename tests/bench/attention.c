/* Times attention of one long prompt, forward and backward, in all heads: attention [T [HEADS
 * [DK]]]. Prints one line of JSON; cpu_ms is processor time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/attention.h"

typedef struct {
    size_t T, heads, dk;
    uint32_t *node;
    float *qkv, *out, *dout, *dqkv, *prob, *scratch;
} work;

static void compute(const work *w)
{
    const t2i_path path = {w->node, w->T, 0};
    size_t d = w->heads * w->dk, kept = w->T * t2i_attention_kept(w->T);
    for (size_t a = 0; a < w->heads; a++)
        t2i_attention(w->out + a * w->dk, w->prob + a * kept, NULL, w->qkv + a * 3 * w->dk,
                      w->scratch, &path, w->T, w->dk, 3 * d, d);
    for (size_t a = 0; a < w->heads; a++)
        t2i_attention_back(w->dqkv + a * 3 * w->dk, w->out + a * w->dk, w->dout + a * w->dk,
                           w->prob + a * kept, NULL, w->qkv + a * 3 * w->dk, w->scratch, &path,
                           w->T, w->dk, 3 * d, d);
}

int main(int argc, char **argv)
{
    size_t number[3] = {512, 8, 64};
    for (int i = 1; i < argc && i < 4; i++) number[i - 1] = (size_t)strtoull(argv[i], NULL, 10);
    size_t T = number[0], heads = number[1], dk = number[2], d = heads * dk, repeats = 1;
    work w = {T,
              heads,
              dk,
              t2i_alloc(T, sizeof *w.node),
              t2i_alloc(T * 3 * d, sizeof(float)),
              t2i_alloc(T * d, sizeof(float)),
              t2i_alloc(T * d, sizeof(float)),
              t2i_alloc(T * 3 * d, sizeof(float)),
              t2i_alloc(heads * T * t2i_attention_kept(T) + 1, sizeof(float)),
              t2i_alloc(t2i_attention_scratch(T, dk), sizeof(float))};
    if (w.node == NULL || w.qkv == NULL || w.out == NULL || w.dout == NULL || w.dqkv == NULL ||
        w.prob == NULL || w.scratch == NULL)
        return 1;
    for (size_t t = 0; t < T; t++) w.node[t] = (uint32_t)t;
    for (size_t i = 0; i < T * 3 * d; i++) w.qkv[i] = (float)t2i_rng_normal(1, 1, i);
    for (size_t i = 0; i < T * d; i++) w.dout[i] = (float)t2i_rng_normal(1, 2, i);
    compute(&w);
    for (double began = 0, cpu = 0, spent = 0; spent < 1.0; repeats *= 2) {
        began = t2i_cpu_seconds();
        cpu = (double)clock() / CLOCKS_PER_SEC;
        for (size_t k = 0; k < repeats; k++) compute(&w);
        spent = t2i_cpu_seconds() - began;
        cpu = (double)clock() / CLOCKS_PER_SEC - cpu;
        if (spent >= 1.0)
            printf("{\"T\": %zu, \"heads\": %zu, \"dk\": %zu, \"ms\": %.4g, \"cpu_ms\": %.4g}\n", T,
                   heads, dk, 1e3 * spent / (double)repeats, 1e3 * cpu / (double)repeats);
    }
    t2i_free(w.node);
    t2i_free(w.qkv);
    t2i_free(w.out);
    t2i_free(w.dout);
    t2i_free(w.dqkv);
    t2i_free(w.prob);
    t2i_free(w.scratch);
    return 0;
}
