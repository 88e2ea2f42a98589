/* reader_protocol.h - what reader.c (asks) and reader_server.c (answers) share. Private to dataset.
 *
 * Over one stream socket goes a request (and with OPEN the names), then comes an answer and so many
 * bytes as it tells. No shared memory: one that outlives exec counts as a file, and a limit of file
 * sizes (ulimit -f) would forbid it.
 */
#ifndef T2I_READER_PROTOCOL_H
#define T2I_READER_PROTOCOL_H

#include <limits.h>
#include <stdint.h>

#include "dataset/dataset_schema.h"

enum {
    READER_SOCKET = 3,      /* descriptor of t2i-reader */
    READER_FILES = 8,       /* datasets that one reader has open */
    READER_MOST = BLOCK_MAX /* bytes behind an answer */
};

typedef enum { READER_OPEN, READER_BLOCKS, READER_SUMS, READER_CLOSE } t2i_reader_verb;

typedef struct {
    t2i_reader_verb verb;
    unsigned slot, column;
    int seconds;           /* of processor time */
    uint64_t first, count; /* BLOCKS and SUMS: which; OPEN: the file's size is first */
} t2i_reader_request;

/* Terminated. A relative path is of the folder. */
typedef struct {
    char folder[PATH_MAX], path[PATH_MAX];
} t2i_reader_names;

/* Of OPEN come t2i_claims, of BLOCKS the blocks, of SUMS the checksums. */
typedef struct {
    t2i_error error;
    uint64_t bytes;
} t2i_reader_answer;

#endif
