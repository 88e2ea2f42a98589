/* reader_protocol.h - the protocol between reader.c (client) and reader_server.c (server). Private
 * to dataset.
 *
 * Over one stream socket the client sends a request, with OPEN a descriptor of the file beside it
 * (SCM_RIGHTS) and then its path, for messages; the server sends an answer, followed by `bytes`
 * bytes. Shared memory is not used: memory that survives exec
 * counts as a file, which a limit of file sizes (ulimit -f) may forbid.
 */
#ifndef T2I_READER_PROTOCOL_H
#define T2I_READER_PROTOCOL_H

#include <limits.h>
#include <stdint.h>

#include "dataset/dataset_schema.h"
#include "dataset/reader.h"

enum {
    READER_SOCKET = 3,      /* descriptor of t2i-reader */
    READER_FILES = 8,       /* largest number of datasets that a reader has open */
    READER_MOST = BLOCK_MAX /* largest number of bytes after an answer */
};

typedef enum { READER_LOOK, READER_OPEN, READER_BLOCKS, READER_SUMS, READER_CLOSE } t2i_reader_verb;

typedef struct {
    t2i_reader_verb verb;
    unsigned slot, column;
    int seconds;           /* limit of processor time */
    uint64_t first, count; /* BLOCKS and SUMS: the range; OPEN: first is the size of the file */
} t2i_reader_request;

/* NUL-terminated. */
typedef struct {
    char text[PATH_MAX];
} t2i_reader_path;

/* Followed by t2i_reader_confinement (LOOK), t2i_claims (OPEN), the blocks (BLOCKS) or the
 * checksums (SUMS). */
typedef struct {
    t2i_error error;
    uint64_t bytes;
} t2i_reader_answer;

#endif
