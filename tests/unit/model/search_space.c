/* The search space: with embed_dim, places of length 1 that do not depend on the other pictures of
 * a call; without it, the features themselves. */
#include "model/search_space.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "test.h"
#include "unit/model/space_model.h"

enum { D = 37, E = 5, COUNT = 9 };

static t2i_error err;

static void check(size_t embed_dim)
{
    space_model s;
    float feature[COUNT * D], together[COUNT * D], alone[D], query[COUNT * E];
    space_model_begin(&s, D, embed_dim, &err);
    space_model_init(&s);
    const t2i_config *c = &s.model.config;
    size_t dim = t2i_search_space_dim(c);
    CU_ASSERT_EQUAL(dim, embed_dim > 0 ? embed_dim : D);
    for (size_t i = 0; i < COUNT * D; i++) feature[i] = (float)t2i_rng_normal(1, 1, i);
    for (size_t i = 0; i < COUNT * E; i++) query[i] = (float)t2i_rng_normal(1, 2, i);
    t2i_search_space_pictures(&s.packed, together, feature, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        double square = 0;
        t2i_search_space_pictures(&s.packed, alone, feature + i * D, 1);
        CU_ASSERT_TRUE(memcmp(alone, together + i * dim, dim * sizeof *alone) == 0);
        for (size_t k = 0; k < dim; k++) square += pow((double)alone[k], 2);
        if (embed_dim > 0) CU_ASSERT_DOUBLE_EQUAL(square, 1, 1e-6);
        for (size_t k = 0; embed_dim > 0 && k < E; k++) { /* the direction is that of W f */
            double sum = 0, length = 0;
            for (size_t e = 0; e < E; e++) {
                double y = 0;
                for (size_t d = 0; d < D; d++)
                    y += (double)s.weights[s.model.picture_weight + e * D + d] *
                         (double)feature[i * D + d];
                length += y * y;
                if (e == k) sum = y;
            }
            CU_ASSERT_DOUBLE_EQUAL((double)alone[k], sum / sqrt(length), 1e-5);
        }
    }
    t2i_search_space_prompts(c, together, &(t2i_outputs){feature, query}, COUNT);
    if (embed_dim == 0) {
        CU_ASSERT_TRUE(memcmp(together, feature, sizeof feature) == 0);
    } else {
        double length = 0;
        for (size_t k = 0; k < E; k++) length += pow((double)query[E + k], 2);
        CU_ASSERT_DOUBLE_EQUAL((double)together[E], (double)query[E] / sqrt(length), 1e-6);
    }
    space_model_end(&s);
}

static void test_with(void)
{
    check(E);
}

static void test_without(void)
{
    check(0);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"places of their own", test_with},
        {"features as places", test_without},
    };
    return t2i_test_main("search_space", tests, sizeof tests / sizeof *tests);
}
