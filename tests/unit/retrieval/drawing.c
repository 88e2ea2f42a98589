/* drawing: each way to draw, with weights worked out by hand. */
#include "retrieval/drawing.h"

#include <math.h>

#include "test.h"

#define NEAR(a, b) CU_ASSERT(fabs((double)(a) - (b)) < 1e-6)

enum { D = 2 };

static const float prediction[D] = {10.0f, -1.0f};

/* Similarities that differ by temperature x log 2: weights 2/3 and 1/3. */
static void two_pictures(void)
{
    const t2i_near near[2] = {{4, 0.1}, {9, 0.1 + T2I_DRAWING_TEMPERATURE * log(2.0)}};
    static const float feature[2 * D] = {3.0f, 0.0f, 0.0f, 6.0f};
    static const double expected[T2I_DRAWINGS][D] = {
        {10.0, -1.0}, {3.0, 0.0}, {2.0, 2.0}, {3.0, 0.0}, {6.0, 0.5}};
    for (int way = 0; way < T2I_DRAWINGS; way++) {
        float out[D];
        t2i_drawing_features((t2i_drawing)way, prediction, near, feature, 2, D, out);
        for (size_t d = 0; d < D; d++) NEAR(out[d], expected[way][d]);
    }
}

/* Twenty pictures at one distance: none has a large weight, so their mean is drawn. */
static void many_pictures(void)
{
    t2i_near near[T2I_DRAWING_PICTURES];
    float feature[T2I_DRAWING_PICTURES * D], out[D];
    for (size_t k = 0; k < T2I_DRAWING_PICTURES; k++) {
        near[k] = (t2i_near){k, 0.3};
        feature[k * D] = (float)k;
        feature[k * D + 1] = 1.0f;
    }
    t2i_drawing_features(T2I_DRAWING_SURE_FIRST, prediction, near, feature, T2I_DRAWING_PICTURES, D,
                         out);
    NEAR(out[0], 9.5);
    NEAR(out[1], 1.0);
    t2i_drawing_features(T2I_DRAWING_SURE_FIRST, prediction, near, feature, 4, D, out);
    NEAR(out[0], 0.0); /* a quarter of the weight is enough */
}

int main(void)
{
    static const t2i_test tests[] = {
        {"two pictures", two_pictures},
        {"many pictures", many_pictures},
    };
    return t2i_test_main("drawing", tests, sizeof tests / sizeof *tests);
}
