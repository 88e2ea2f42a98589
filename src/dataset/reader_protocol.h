/* reader_protocol.h - the protocol between reader.c (client) and reader_server.c (server). Private
 * to dataset.
 *
 * Over one stream socket the client sends a request, with OPEN followed by the names; the server
 * sends an answer, followed by `bytes` bytes. Shared memory is not used: memory that survives exec
 * counts as a file, which a limit of file sizes (ulimit -f) may forbid.
 */
#ifndef T2I_READER_PROTOCOL_H
#define T2I_READER_PROTOCOL_H

#include <limits.h>
#include <stdint.h>

#include "dataset/dataset_schema.h"

enum {
    READER_SOCKET = 3,      /* descriptor of t2i-reader */
    READER_FILES = 8,       /* largest number of datasets that a reader has open */
    READER_MOST = BLOCK_MAX /* largest number of bytes after an answer */
};

typedef enum { READER_OPEN, READER_BLOCKS, READER_SUMS, READER_CLOSE } t2i_reader_verb;

typedef struct {
    t2i_reader_verb verb;
    unsigned slot, column;
    int seconds;           /* limit of processor time */
    uint64_t first, count; /* BLOCKS and SUMS: the range; OPEN: first is the size of the file */
} t2i_reader_request;

/* NUL-terminated. A relative path is relative to folder. */
typedef struct {
    char folder[PATH_MAX], path[PATH_MAX];
} t2i_reader_names;

/* Followed by t2i_claims (OPEN), the blocks (BLOCKS) or the checksums (SUMS). */
typedef struct {
    t2i_error error;
    uint64_t bytes;
} t2i_reader_answer;

#endif
