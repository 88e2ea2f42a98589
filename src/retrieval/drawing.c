#include "retrieval/drawing.h"

#include "base/portable_math.h"

static void weigh(const t2i_near *near, size_t count, double *weight)
{
    double sum = 0.0;
    for (size_t k = 0; k < count; k++) {
        weight[k] = t2i_exp64((near[0].distance - near[k].distance) / T2I_DRAWING_TEMPERATURE);
        sum += weight[k];
    }
    for (size_t k = 0; k < count; k++) weight[k] /= sum;
}

void t2i_drawing_features(t2i_drawing way, const float *prediction, const t2i_near *near,
                          const float *feature, size_t count, size_t D, float *out)
{
    double weight[T2I_DRAWING_PICTURES];
    double own = way == T2I_DRAWING_PREDICTION ? 1.0 : way == T2I_DRAWING_MIXTURE ? 0.5 : 0.0;
    weigh(near, count, weight);
    int first = way == T2I_DRAWING_FIRST ||
                (way == T2I_DRAWING_SURE_FIRST && weight[0] >= T2I_DRAWING_SURE);
    size_t used = own == 1.0 ? 0 : first ? 1 : count;
    if (first) weight[0] = 1.0;
    for (size_t d = 0; d < D; d++) {
        double mean = 0.0;
        for (size_t k = 0; k < used; k++) mean += weight[k] * (double)feature[k * D + d];
        out[d] = (float)(own * (double)prediction[d] + (1.0 - own) * mean);
    }
}
