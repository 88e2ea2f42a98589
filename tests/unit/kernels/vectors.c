/* Every kernel of ops.h and optim.h gives the same bits at every vector level of this CPU, at sizes
 * around the lanes. */
#include "levels.h"

#include "kernels/attention.h"
#include "kernels/ops.h"
#include "kernels/optim.h"
#include "base/rng.h"

enum { SIZES = 8, MOST = 20, WIDEST = 133, COUNT = MOST * WIDEST, HEADS = 3 };
static const size_t sizes[SIZES] = {1, 5, 15, 16, 17, 33, 64, WIDEST};
static float x[3 * COUNT], y[3 * COUNT], z[3 * COUNT], out[3 * COUNT], more[3 * COUNT];
static uint64_t stream;

static void fill(float *to, size_t count)
{
    stream++;
    for (size_t i = 0; i < count; i++) to[i] = (float)t2i_rng_normal(12, stream, i);
}

/* The inputs are new, the outputs hold something, each time alike. */
static void begin(uint64_t number)
{
    stream = number * 10;
    fill(x, 3 * COUNT);
    fill(y, 3 * COUNT);
    fill(z, 3 * COUNT);
    fill(out, 3 * COUNT);
    fill(more, 3 * COUNT);
}

static void elements(size_t T, size_t C)
{
    uint16_t ids[MOST], pos[MOST];
    for (size_t t = 0; t < MOST; t++) {
        ids[t] = (uint16_t)(t * 2 % 3);
        pos[t] = (uint16_t)(t % 7);
    }
    t2i_ops_embed(out, x, y, ids, pos, T, C);
    digest("t2i_ops_embed", out, sizeof out);
    t2i_ops_embed_back(out, z, ids, T, C);
    digest("t2i_ops_embed_back", out, sizeof out);
    t2i_ops_bias_back(more, out, C, T, C, 0);
    digest("t2i_ops_bias_back", more, sizeof more);
    t2i_ops_add(out, z, T * C);
    digest("t2i_ops_add", out, sizeof out);
}

static void sums(size_t T, size_t C)
{
    float mean[MOST] = {0}, rstd[MOST] = {0};
    t2i_ops_layer_norm(out, mean, rstd, x, y, z, T, C);
    digest("t2i_ops_layer_norm", out, sizeof out);
    digest("t2i_ops_layer_norm's mean", mean, sizeof mean);
    digest("t2i_ops_layer_norm's rstd", rstd, sizeof rstd);
    t2i_ops_layer_norm_back(more, y, z, out, x, mean, rstd, y + COUNT, T, C);
    digest("t2i_ops_layer_norm_back", more, sizeof more);
    digest("t2i_ops_layer_norm_back's weight", y, sizeof y);
    digest("t2i_ops_layer_norm_back's bias", z, sizeof z);
    double error = t2i_ops_squared_error(out, x, more, 0.37f, T * C);
    digest("t2i_ops_squared_error", &error, sizeof error);
    digest("t2i_ops_squared_error's gradient", out, sizeof out);
    for (size_t i = 0; i < T * C; i++) x[i] = -30.0f * x[i] * x[i];
    t2i_ops_exp(x, T * C);
    digest("t2i_ops_exp", x, sizeof x);
}

/* One head, two paths of T positions, of which the second has T / 2 in common with the first; then
 * the last layer's, on the first. */
static void attention(size_t T, size_t C)
{
    size_t dk = C / HEADS + 1, stride = 3 * dk + 2, row = t2i_attention_row(T);
    size_t reach = t2i_attention_reach_scratch(T, HEADS, dk),
           scratch = t2i_attention_scratch(T, dk);
    float *room = t2i_alloc(scratch > reach ? scratch : reach, sizeof *room);
    float *prob = t2i_alloc((2 * T > HEADS ? 2 * T : HEADS) * row, sizeof *prob);
    uint32_t node[2 * MOST] = {0};
    for (size_t t = 0; t < T; t++) {
        node[t] = (uint32_t)t;
        node[T + t] = (uint32_t)(t < T / 2 ? t : t + T - T / 2);
    }
    const t2i_path paths[2] = {{node, T, 0}, {node + T, T, T / 2}};
    for (size_t p = 0; p < 2; p++)
        t2i_attention(out, prob + p * T * row, NULL, x, room, &paths[p], T, dk, stride, dk + 1);
    digest("t2i_attention", out, sizeof out);
    digest("t2i_attention's weights", prob, 2 * T * row * sizeof *prob);
    for (size_t p = 0; p < 2; p++)
        t2i_attention_back(more, out, y, prob + p * T * row, NULL, x, room, &paths[p], T, dk,
                           stride, dk + 1);
    digest("t2i_attention_back", more, sizeof more);
    t2i_attention_reach(out, prob, NULL, y, x, room, &paths[0], HEADS, dk, 0.3f);
    digest("t2i_attention_reach", out, sizeof out);
    t2i_attention_reach_back(out, more, z, prob, NULL, y, x, room, &paths[0], HEADS, dk, 0.3f);
    digest("t2i_attention_reach_back", out, sizeof out);
    digest("t2i_attention_reach_back's dh", more, sizeof more);
    t2i_free(room);
    t2i_free(prob);
}

/* A path of several blocks of keys, in pieces of 50 floats per position. */
static void long_attention(size_t T, size_t dk)
{
    enum { ROW = 50, LONGEST = 250 };
    static float qkv[LONGEST * ROW], to[LONGEST * ROW], dto[LONGEST * ROW], dqkv[LONGEST * ROW];
    uint32_t node[LONGEST];
    float *room = t2i_alloc(t2i_attention_scratch(T, dk), sizeof *room);
    float *kept = t2i_alloc(T * t2i_attention_kept(T), sizeof *kept);
    for (size_t t = 0; t < T; t++) node[t] = (uint32_t)t;
    fill(qkv, T * ROW);
    fill(dto, T * ROW);
    const t2i_path path = {node, T, 0};
    t2i_attention(to, kept, NULL, qkv, room, &path, T, dk, ROW, ROW);
    digest("t2i_attention, long", to, sizeof to);
    t2i_attention_back(dqkv, to, dto, kept, NULL, qkv, room, &path, T, dk, ROW, ROW);
    digest("t2i_attention_back, long", dqkv, sizeof dqkv);
    t2i_free(room);
    t2i_free(kept);
}

static void optimiser(size_t T, size_t C)
{
    const t2i_adamw options = {1e-2, 0.9, 0.999, 1e-8, 0.1};
    for (size_t i = 0; i < COUNT; i++) more[i] *= more[i]; /* a second moment */
    for (unsigned long update = 1; update < 4; update++) {
        const t2i_adamw_factors factors = t2i_optim_adamw_begin(&options, 0.3f, update);
        t2i_optim_adamw_update(out, z, more, y, T * C, &factors);
        digest("t2i_optim_adamw_update", out, sizeof out);
        digest("t2i_optim_adamw_update's first moment", z, sizeof z);
        digest("t2i_optim_adamw_update's second moment", more, sizeof more);
        t2i_optim_ema_update(x, out, T * C, 0.99, update);
        digest("t2i_optim_ema_update", x, sizeof x);
    }
    const t2i_schedule cosine = {0.1, 0.01, 3, 40, 1};
    double rate[50];
    for (long step = 1; step <= 50; step++) rate[step - 1] = t2i_optim_schedule_lr(&cosine, step);
    digest("t2i_optim_schedule_lr", rate, sizeof rate);
    float factor = t2i_optim_clip_factor(3.7, 1.0);
    digest("t2i_optim_clip_factor", &factor, sizeof factor);
}

static void write_digests(void)
{
    static void (*const part[])(size_t, size_t) = {elements, sums, attention, optimiser};
    static const size_t tokens[] = {1, 3, MOST};
    uint64_t number = 0;
    for (size_t p = 0; p < sizeof part / sizeof *part; p++)
        for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++)
            for (size_t c = 0; c < SIZES; c++) {
                printf("%zu tokens, %zu columns\n", tokens[t], sizes[c]);
                begin(number++);
                part[p](tokens[t], sizes[c]);
            }
    for (size_t T = 129; T <= 250; T += 121)
        for (size_t dk = 5; dk <= 16; dk += 11) {
            printf("%zu tokens, %zu columns\n", T, dk);
            long_attention(T, dk);
        }
}

static void test_levels(void)
{
    same_at_all_levels();
}

int main(int argc, char **argv)
{
    static const t2i_test tests[] = {{"the same bits at every vector level", test_levels}};
    if (is_level_child(argc, argv)) return level_child(write_digests);
    return t2i_test_main("vectors", tests, sizeof tests / sizeof *tests);
}
