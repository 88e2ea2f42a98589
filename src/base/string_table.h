/* string_table.h - distinct strings, numbered from 0 in order of first use (a hash table).
 *
 * Why: pictures, groups and given features are looked up by name among up to millions. Each table
 * hashes by a random number, so that a file cannot be full of names that collide.
 */
#ifndef T2I_STRING_TABLE_H
#define T2I_STRING_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* {0} is an empty table. */
typedef struct {
    size_t count;
    t2i_text text;  /* owned: all strings, each with its terminator */
    size_t *at;     /* owned: offset of each string in text */
    size_t room;    /* capacity of at */
    uint32_t *slot; /* owned: hash table of number + 1; 0: free */
    size_t slots;   /* a power of two */
    uint64_t seed;  /* of the hashes */
} t2i_string_table;

/* Finds or adds a string (count grows if it is new). T2I_SYSTEM; T2I_DATA if there are too many. */
T2I_CHECKED t2i_status t2i_string_table_add(t2i_string_table *names, const char *name,
                                            size_t *number, t2i_error *err);
/* Number of a string, or SIZE_MAX. */
size_t t2i_string_table_find(const t2i_string_table *names, const char *name);
/* Borrowed until the next add. */
const char *t2i_string_table_at(const t2i_string_table *names, size_t number);
void t2i_string_table_free(t2i_string_table *names);

#endif
