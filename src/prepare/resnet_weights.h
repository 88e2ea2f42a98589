/* resnet_weights.h - ResNet-18 weights from a file that others made: .pth, .pt or safetensors.
 *
 * Names may carry one prefix ("module.", "backbone.", "model.", "state_dict.", ...), which is found
 * by where layer1.0.conv1.weight is; `fc` and counters are not looked at.
 */
#ifndef T2I_RESNET_WEIGHTS_H
#define T2I_RESNET_WEIGHTS_H

#include "base/error.h"
#include "base/hash.h"
#include "model/resnet.h"

/* digest: XXH3-128 of the file's bytes. T2I_NOINPUT; T2I_DATA when it cannot be read, when a tensor
 * is missing or has another shape (it is named), or when it is a deeper network. *net is NULL on
 * failure. */
T2I_CHECKED t2i_status t2i_resnet_weights_load(t2i_resnet **net, const char *path,
                                               char digest[T2I_HEX], t2i_error *err);

#endif
