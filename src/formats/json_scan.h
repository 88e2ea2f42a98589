/* json_scan.h - goes through the members of a large JSON text, one at a time.
 *
 * Why: the values of a whole file take ten times its size in memory. Here a file of captions is cut
 * into its pictures and captions, and only one of them is parsed (json.h) at a time. The cutting
 * checks brackets and strings; what is not parsed afterwards may hold other faults.
 */
#ifndef T2I_JSON_SCAN_H
#define T2I_JSON_SCAN_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

typedef struct {
    const char *at, *end; /* what is not read yet */
    size_t line;          /* of `at`, from 1 */
    char closing;         /* '}' of an object, ']' of an array */
    int begun;
} t2i_json_scan;

typedef struct {
    t2i_span key;   /* of an object's member: the text between its quotes, with escapes */
    t2i_span value; /* data is NULL after the last one */
    size_t line;    /* where the value begins */
} t2i_json_part;

/* Begins with the object or array in `text`. line: the line on which the text begins. T2I_DATA when
 * it is neither. */
T2I_CHECKED t2i_status t2i_json_scan_begin(t2i_json_scan *scan, t2i_span text, size_t line,
                                           t2i_error *err);
/* The next member. T2I_DATA, with the line in the text, when the text ends too early or nests
 * deeper than 64 levels; if its value has begun, it is all that is left. */
T2I_CHECKED t2i_status t2i_json_scan_next(t2i_json_scan *scan, t2i_json_part *out, t2i_error *err);

#endif
