/* log_chain.h - the hash chain of log.jsonl, which tells whether lines were edited.
 *
 * The last member of a line is "chain": the SHA-256 of the chain of the line before it (64 digits)
 * and of its own text up to `,"chain":`. The first line of a chain takes in the SHA-256 of the
 * bytes before it instead, which are lines of an older version, or none. A log that is cut after
 * any line is still a chain. docs/proof.md says what it proves.
 */
#ifndef T2I_LOG_CHAIN_H
#define T2I_LOG_CHAIN_H

#include <stddef.h>
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

#define T2I_CHAIN T2I_SHA256_HEX /* bytes: 64 digits and a terminator */

/* What the first line of a chain takes in, after these bytes of the file. */
void t2i_log_chain_begin(const char *bytes, size_t size, char chain[T2I_CHAIN]);
/* Replaces the chain of the line before by that of a line with this text. */
void t2i_log_chain_next(char chain[T2I_CHAIN], const char *text, size_t size);
/* Adds a line to *out: text, the chain, brace and newline. */
T2I_CHECKED t2i_status t2i_log_chain_line(const char *text, size_t size,
                                          const char chain[T2I_CHAIN], t2i_text *out,
                                          t2i_error *err);
/* Takes a line without its newline apart. Returns the size of the text that its chain covers; 0 if
 * it has no chain. */
size_t t2i_log_chain_split(const char *line, size_t size, char chain[T2I_CHAIN]);

/* Reads RUN/log.jsonl into *text, which is empty; it stays so if there is none. T2I_NOINPUT: it is
 * no regular file. */
T2I_CHECKED t2i_status t2i_log_chain_read(const char *run, t2i_text *text, t2i_error *err);

/* Verifies RUN/log.jsonl: the chain; that its checkpoints are the files of the folder, with their
 * dataset, options and network; the same of model.safetensors and best.safetensors, whose weights
 * are those of the checkpoint of their step. Adds lines about it to *said; nothing if there is
 * neither a log nor a checkpoint. T2I_DATA: the first line that does not follow from those before
 * it, a log without its chain, lines that were lost, or the first file that differs. */
T2I_CHECKED t2i_status t2i_log_chain_verify(const char *run, t2i_text *said, t2i_error *err);

#endif
