/* resnet.h - ResNet-18 (He et al. 2015, as torchvision builds it) in inference: picture -> 512
 * features.
 *
 * Input is an 8-bit RGB picture of 224 x 224, scaled to 0..1 and normalised with ImageNet's mean
 * and deviation; output is the average pool before `fc`. Batch norms (eps 1e-5) are folded into the
 * convolutions. A pure function of (weights, picture): one picture at a time, fixed shapes and
 * orders of sums, one thread; the same bits whatever was encoded before, on one CPU type.
 * About 85 MB of memory: most weights are kept transformed (conv.h).
 */
#ifndef T2I_RESNET_H
#define T2I_RESNET_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum { T2I_RESNET_SIDE = 224, T2I_RESNET_FEATURES = 512, T2I_RESNET_STAGES = 5 };

/* What the weights are called, without any prefix: "conv1.weight", "layer1.0.bn1.running_mean", ...
 * `fc` and `num_batches_tracked` are not among them. */
typedef struct {
    char name[48];
    size_t dims, dim[4], count;
} t2i_resnet_tensor;

/* All tensors, in torchvision's order; static. */
size_t t2i_resnet_tensors(const t2i_resnet_tensor **out);

typedef struct t2i_resnet t2i_resnet;

/* value[i]: the numbers of tensor i, row by row; borrowed for the call. T2I_DATA when one is not
 * finite or a running_var is negative (the tensor is named). *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_resnet_new(t2i_resnet **out, const float *const *value, t2i_error *err);
void t2i_resnet_free(t2i_resnet *net); /* NULL is legal */

/* rgb: 224 x 224 x 3 bytes. features: 512. stage_mean, if not NULL: for each of the 5 stages (stem
 * with its max-pool, then layer1 .. layer4) the channels' means, 512 room each; to find where a
 * difference starts. */
void t2i_resnet_encode(t2i_resnet *net, const uint8_t *rgb, float *features,
                       float (*stage_mean)[T2I_RESNET_FEATURES]);

#endif
