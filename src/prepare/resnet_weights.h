/* resnet_weights.h - loads ResNet-18 weights from a .pth, .pt or safetensors file.
 *
 * All names may have one common prefix ("module.", "backbone.", "model.", "state_dict.", ...). It
 * is found by the name that ends in layer1.0.conv1.weight. `fc.*` and batch counters are ignored.
 */
#ifndef T2I_RESNET_WEIGHTS_H
#define T2I_RESNET_WEIGHTS_H

#include "base/error.h"
#include "base/hash.h"
#include "model/resnet.h"

/* digest: XXH3-128 of the bytes of the file; a dataset stores it as encoder.weights_xxh3.
 * T2I_NOINPUT; T2I_DATA when the file is damaged, when a tensor is missing or has another shape
 * (the message names it), or when the network is deeper than ResNet-18. *net is NULL on failure. */
T2I_CHECKED t2i_status t2i_resnet_weights_load(t2i_resnet **net, const char *path,
                                               char digest[T2I_HEX], t2i_error *err);

#endif
