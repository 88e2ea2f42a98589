/* hash.h - XXH3-128 digests (xxHash) as 32 hexadecimal digits in canonical (big-endian) order, and
 * SHA-256 digests as 64.
 *
 * XXH3 is fast and detects corruption, not forgery. SHA-256 is for texts that nobody may exchange
 * for others of the same digest.
 */
#ifndef T2I_HASH_H
#define T2I_HASH_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define T2I_HEX        33 /* bytes: 32 digits and a terminator */
#define T2I_HASH_BYTES 16 /* of a digest in binary form, in the same order as its digits */

typedef struct t2i_hash t2i_hash;

void t2i_hash_hex(const void *bytes, size_t size, char out[T2I_HEX]);
void t2i_hash_128(const void *bytes, size_t size, uint8_t out[T2I_HASH_BYTES]);
uint64_t t2i_hash_64(const void *bytes, size_t size);

/* For hash tables in memory: by a random number, so that no file can be full of keys that collide.
 * Nothing that is written may depend on it. */
uint64_t t2i_hash_seed(void);
uint64_t t2i_hash_seeded(const void *bytes, size_t size, uint64_t seed);

/* The same digest computed incrementally; it does not depend on how the bytes are split. */
T2I_CHECKED t2i_status t2i_hash_new(t2i_hash **out, t2i_error *err);
void t2i_hash_add(t2i_hash *hash, const void *bytes, size_t size);
void t2i_hash_end(const t2i_hash *hash, char out[T2I_HEX]);
void t2i_hash_free(t2i_hash *hash);

#define T2I_SHA256_HEX 65 /* bytes: 64 digits and a terminator */

/* SHA-256 (FIPS 180-4), likewise in pieces; plain C, about 0.3 GB/s. */
typedef struct {
    uint32_t state[8];
    uint64_t size; /* of the bytes so far */
    uint8_t block[64];
} t2i_hash_sha256;

void t2i_hash_sha256_begin(t2i_hash_sha256 *hash);
void t2i_hash_sha256_add(t2i_hash_sha256 *hash, const void *bytes, size_t size);
void t2i_hash_sha256_end(t2i_hash_sha256 *hash, char out[T2I_SHA256_HEX]);

#endif
