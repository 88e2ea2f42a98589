#include "base/hash.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
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

uint64_t t2i_hash_seed(void)
{
    uint64_t seed = (uintptr_t)&seed; /* early at boot only; addresses are random, too */
    (void)!getrandom(&seed, sizeof seed, GRND_NONBLOCK);
    return seed;
}

uint64_t t2i_hash_seeded(const void *bytes, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
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

/* ---- SHA-256 ---- */

void t2i_hash_sha256_begin(t2i_hash_sha256 *hash)
{
    *hash = (t2i_hash_sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                        0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

static uint32_t rotate(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

/* Takes in a full block; names as in the standard. */
static void take_block(t2i_hash_sha256 *hash)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2};
    uint32_t w[64], *h = hash->state;
    uint32_t s[8]; /* a, b, ..., h */
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)hash->block[4 * t] << 24 | (uint32_t)hash->block[4 * t + 1] << 16 |
               (uint32_t)hash->block[4 * t + 2] << 8 | hash->block[4 * t + 3];
    for (int t = 16; t < 64; t++)
        w[t] = (rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7] +
               (rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
    memcpy(s, h, sizeof s);
    for (int t = 0; t < 64; t++) {
        uint32_t t1 = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[t] + w[t],
                 t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

void t2i_hash_sha256_add(t2i_hash_sha256 *hash, const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;
    for (size_t i = 0; i < size; i++) {
        hash->block[hash->size++ % 64] = byte[i];
        if (hash->size % 64 == 0) take_block(hash);
    }
}

void t2i_hash_sha256_end(t2i_hash_sha256 *hash, char out[T2I_SHA256_HEX])
{
    uint64_t bits = hash->size * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
    t2i_hash_sha256_add(hash, "\x80", 1);
    while (hash->size % 64 != 56) t2i_hash_sha256_add(hash, "", 1);
    t2i_hash_sha256_add(hash, length, sizeof length);
    for (int i = 0; i < 8; i++) snprintf(out + 8 * i, 9, "%08x", hash->state[i]);
}
