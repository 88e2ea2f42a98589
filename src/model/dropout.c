#include "model/dropout.h"

#include "base/rng.h"

uint64_t t2i_dropout_prefix(uint64_t prefix, uint16_t id)
{
    prefix = (prefix ^ ((uint64_t)id + 1)) * 0x9e3779b97f4a7c15u;
    return prefix ^ prefix >> 31;
}

void t2i_dropout_mask(const t2i_dropout *dropout, size_t place, uint64_t prefix, float *mask,
                      size_t count)
{
    enum { EACH = T2I_DROP_EACH }; /* elements per block of random bits, 16 bits each */
    uint32_t below = (uint32_t)(dropout->rate * 65536.0 + 0.5), random[4];
    float kept = (float)(1.0 / (1.0 - dropout->rate));
    uint64_t stream = dropout->step << 32 ^ dropout->shard << 12 ^ place;
    for (size_t i = 0; i < count; i += EACH) {
        t2i_rng_block(dropout->seed ^ T2I_KEY_DROPOUT, stream, prefix + i / EACH, random);
        for (size_t k = 0; k < EACH && i + k < count; k++)
            mask[i + k] = (random[k / 2] >> 16 * (k % 2) & 0xffff) < below ? 0.0f : kept;
    }
}
