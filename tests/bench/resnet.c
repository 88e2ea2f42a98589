/* Pictures a second through ResNet-18 on one core, weights by formula, as one line of JSON; the
 * counterpart of time_resnet.py. Usage: resnet [PICTURES] */
#include <stdio.h>
#include <stdlib.h>

#include "golden/resnet_formula.h"
#include "base/cpu.h"
#include "kernels/blas.h"
#include "base/log.h"
#include "base/rng.h"

enum { BYTES = T2I_RESNET_SIDE * T2I_RESNET_SIDE * 3, TRIES = 5 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of a few tries, each over so many pictures. */
static double pictures_per_second(t2i_resnet *net, int pictures)
{
    static uint8_t rgb[BYTES];
    float features[T2I_RESNET_FEATURES];
    double rate[TRIES];
    for (size_t i = 0; i < BYTES; i++) rgb[i] = (uint8_t)t2i_rng_below(1, 0, i, 256);
    t2i_resnet_encode(net, rgb, features, NULL);
    for (int t = 0; t < TRIES; t++) {
        double begin = t2i_cpu_seconds();
        for (int i = 0; i < pictures; i++) t2i_resnet_encode(net, rgb, features, NULL);
        rate[t] = pictures / (t2i_cpu_seconds() - begin);
    }
    qsort(rate, TRIES, sizeof *rate, by_value);
    return rate[TRIES / 2];
}

int main(int argc, char **argv)
{
    t2i_error err;
    t2i_resnet *net = NULL;
    float *value[100];
    int pictures = argc > 1 ? atoi(argv[1]) : 16;
    t2i_log_program("resnet");
    t2i_blas_begin();
    t2i_cpu_set_rounding();
    resnet_formula(value);
    t2i_status status = value[0] == NULL ? t2i_fail_memory(&err, 45000000, "the weights")
                                         : t2i_resnet_new(&net, (const float *const *)value, &err);
    t2i_free(value[0]);
    if (status == T2I_OK && pictures > 0)
        printf("{\"what\": \"resnet18\", \"pictures_per_s\": %.2f, \"blas\": \"%s\"}\n",
               pictures_per_second(net, pictures), t2i_blas_core());
    else
        t2i_log_error(&err);
    t2i_resnet_free(net);
    return (int)status;
}
