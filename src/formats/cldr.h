/* cldr.h - names and keywords of emoji in many languages, from Unicode CLDR's annotation files.
 *
 * A folder has annotations/LOCALE.xml and annotationsDerived/LOCALE.xml (sequences: skin tones,
 * flags, families), as described in UTS #35, part 2, "Annotations". The files are XML, read by
 * Expat; they may be anybody's, so entities are refused and every text is bounded.
 */
#ifndef T2I_CLDR_H
#define T2I_CLDR_H

#include <stddef.h>
#include "base/error.h"

#define T2I_LOCALE     32  /* room for "zh_Hant_HK" */
#define T2I_CLDR_EMOJI 128 /* room for an emoji's UTF-8 */

typedef struct {
    char *folder;               /* owned */
    char (*locale)[T2I_LOCALE]; /* owned: all that have annotations, sorted */
    size_t locales, room;
} t2i_cldr;

/* folder NULL: the usual place; its part "common" is found by itself. T2I_NOINPUT (says what to
 * install). *out is empty on failure. */
T2I_CHECKED t2i_status t2i_cldr_open(t2i_cldr *out, const char *folder, t2i_error *err);
void t2i_cldr_close(t2i_cldr *cldr);

/* The locale of that name, borrowed; "en-GB" is en_GB, in whatever case. NULL: there is none. */
const char *t2i_cldr_find(const t2i_cldr *cldr, const char *name);
/* The one that was meant, perhaps. */
const char *t2i_cldr_nearest(const t2i_cldr *cldr, const char *name);

/* Where a locale's missing entries are looked up: de_CH -> de; and as CLDR's parentLocales has it,
 * en_GB -> en_001, zh_Hant -> nowhere. 0 when there is no parent. */
int t2i_cldr_parent(const char *locale, char out[T2I_LOCALE]);

/* A name, or one keyword. */
typedef struct {
    const char *emoji; /* UTF-8; mostly without U+FE0F */
    int is_name;
    const char *text; /* not empty, no control characters, no blanks at its ends */
} t2i_cldr_note;
typedef t2i_status (*t2i_cldr_take)(void *context, const t2i_cldr_note *note, t2i_error *err);

/* Gives every note of the locale's files, in their order; what it inherits is not among them. What
 * take says; T2I_NOINPUT, T2I_IO; T2I_DATA with file and line for what is no such file, damaged or
 * cut. */
T2I_CHECKED t2i_status t2i_cldr_read(const t2i_cldr *cldr, const char *locale, t2i_cldr_take take,
                                     void *context, t2i_error *err);
/* One file's text; name stands in messages. */
T2I_CHECKED t2i_status t2i_cldr_parse(const char *bytes, size_t size, const char *name,
                                      t2i_cldr_take take, void *context, t2i_error *err);

#endif
