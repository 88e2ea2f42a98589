/* hash.h - XXH3-128 digests (xxHash) as 32 hexadecimal digits in canonical (big-endian) order.
 *
 * They detect corruption, not forgery.
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

/* The same digest computed incrementally; it does not depend on how the bytes are split. */
T2I_CHECKED t2i_status t2i_hash_new(t2i_hash **out, t2i_error *err);
void t2i_hash_add(t2i_hash *hash, const void *bytes, size_t size);
void t2i_hash_end(const t2i_hash *hash, char out[T2I_HEX]);
void t2i_hash_free(t2i_hash *hash);

#endif
