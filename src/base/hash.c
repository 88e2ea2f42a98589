#include "base/hash.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"

struct t2i_hash {
    XXH3_state_t *state;
};

static void to_hex(XXH128_hash_t hash, char out[T2I_HEX])
{
    snprintf(out, T2I_HEX, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void t2i_hash_hex(const void *bytes, size_t size, char out[T2I_HEX])
{
    to_hex(XXH3_128bits(bytes, size), out);
}

void t2i_hash_128(const void *bytes, size_t size, uint8_t out[T2I_HASH_BYTES])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
    memcpy(out, canonical.digest, T2I_HASH_BYTES);
}

uint64_t t2i_hash_64(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}

t2i_status t2i_hash_new(t2i_hash **out, t2i_error *err)
{
    *out = t2i_alloc(1, sizeof **out);
    if (*out == NULL) return t2i_fail_memory(err, sizeof **out, "a digest");
    (*out)->state = XXH3_createState();
    if ((*out)->state == NULL || XXH3_128bits_reset((*out)->state) != XXH_OK) {
        t2i_hash_free(*out);
        *out = NULL;
        return t2i_fail_memory(err, 512, "a digest");
    }
    return T2I_OK;
}

void t2i_hash_add(t2i_hash *hash, const void *bytes, size_t size)
{
    if (size > 0) XXH3_128bits_update(hash->state, bytes, size);
}

void t2i_hash_end(const t2i_hash *hash, char out[T2I_HEX])
{
    to_hex(XXH3_128bits_digest(hash->state), out);
}

void t2i_hash_free(t2i_hash *hash)
{
    if (hash == NULL) return;
    XXH3_freeState(hash->state);
    t2i_free(hash);
}
