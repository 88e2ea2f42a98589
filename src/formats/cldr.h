/* cldr.h - names and keywords of emoji in many languages, from the annotation files of Unicode
 * CLDR.
 *
 * A folder has annotations/LOCALE.xml and annotationsDerived/LOCALE.xml (sequences: skin tones,
 * flags, families), as described in UTS #35, part 2, "Annotations". The files are XML, read by
 * Expat. They are untrusted: declarations of entities and attributes are refused, and every text is
 * bounded.
 */
#ifndef T2I_CLDR_H
#define T2I_CLDR_H

#include <stddef.h>
#include "base/error.h"

#define T2I_LOCALE     32  /* bytes of a locale such as "zh_Hant_HK" */
#define T2I_CLDR_EMOJI 128 /* bytes of an emoji in UTF-8 */

typedef struct {
    char *folder;               /* owned */
    char (*locale)[T2I_LOCALE]; /* owned: all that have annotations, sorted */
    size_t locales, room;
} t2i_cldr;

/* folder NULL: the usual paths. The annotations may also be in its subfolder "common". T2I_NOINPUT
 * (the text says what to install). *out is empty on failure. */
T2I_CHECKED t2i_status t2i_cldr_open(t2i_cldr *out, const char *folder, t2i_error *err);
void t2i_cldr_close(t2i_cldr *cldr);

/* The locale of that name (borrowed), or NULL. Case is ignored, and "en-GB" is en_GB. */
const char *t2i_cldr_find(const t2i_cldr *cldr, const char *name);
/* The locale with the most similar name, or NULL. For "did you mean". */
const char *t2i_cldr_nearest(const t2i_cldr *cldr, const char *name);

/* The parent, in which missing entries of a locale are looked up: de_CH -> de, and according to
 * CLDR's parentLocales en_GB -> en_001, zh_Hant -> none. Returns 0 if there is no parent. */
int t2i_cldr_parent(const char *locale, char out[T2I_LOCALE]);

/* A name, or one keyword. */
typedef struct {
    const char *emoji; /* UTF-8; mostly without U+FE0F */
    int is_name;
    const char *text; /* not empty, no control characters, no blanks at its ends */
} t2i_cldr_note;
typedef t2i_status (*t2i_cldr_take)(void *context, const t2i_cldr_note *note, t2i_error *err);

/* Calls take for every note of the locale's files, in their order, without inherited ones. Errors
 * of take; T2I_NOINPUT, T2I_IO; T2I_DATA with file and line if a file is not CLDR, damaged or
 * truncated. */
T2I_CHECKED t2i_status t2i_cldr_read(const t2i_cldr *cldr, const char *locale, t2i_cldr_take take,
                                     void *context, t2i_error *err);
/* The same for the text of one file; name is used in messages. */
T2I_CHECKED t2i_status t2i_cldr_parse(const char *bytes, size_t size, const char *name,
                                      t2i_cldr_take take, void *context, t2i_error *err);

#endif
