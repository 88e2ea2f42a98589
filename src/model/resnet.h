/* resnet.h - inference of ResNet-18 (He et al. 2015, as in torchvision): picture -> 512 features.
 *
 * The input is an 8-bit RGB picture of 224 x 224, scaled to 0..1 and normalised with ImageNet's
 * mean and standard deviation; the output is the average pool before `fc`. Batch norms (eps 1e-5)
 * are folded into the convolutions. Pictures are processed one at a time by one thread, with fixed
 * shapes and orders of sums. So a feature is a pure function of (weights, picture), at any number
 * of ranks, with the same bits on the same type of CPU. Memory: about 85 MB, as most weights are
 * stored transformed (conv.h).
 */
#ifndef T2I_RESNET_H
#define T2I_RESNET_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum { T2I_RESNET_SIDE = 224, T2I_RESNET_FEATURES = 512, T2I_RESNET_STAGES = 5 };

/* A tensor of the weights. Names have no prefix: "conv1.weight", "layer1.0.bn1.running_mean", ...
 * `fc` and `num_batches_tracked` are not needed. */
typedef struct {
    char name[48];
    size_t dims, dim[4], count;
} t2i_resnet_tensor;

/* All tensors, in torchvision's order; *out is static. */
size_t t2i_resnet_tensors(const t2i_resnet_tensor **out);

typedef struct t2i_resnet t2i_resnet;

/* value[i]: the elements of tensor i in row-major order; borrowed for the call. T2I_DATA if an
 * element is not finite or a running_var is negative (the text names the tensor). *out is NULL on
 * failure. */
T2I_CHECKED t2i_status t2i_resnet_new(t2i_resnet **out, const float *const *value, t2i_error *err);
void t2i_resnet_free(t2i_resnet *net); /* NULL is legal */

/* rgb: 224 x 224 x 3 bytes. features: 512. stage_mean, if not NULL: means of the channels after
 * each of the 5 stages (stem with max-pool, then layer1 .. layer4), with space for 512 each; to
 * locate the first difference from a reference. */
void t2i_resnet_encode(t2i_resnet *net, const uint8_t *rgb, float *features,
                       float (*stage_mean)[T2I_RESNET_FEATURES]);

#endif
