/* typeset.h - a text becomes glyphs with widths, and glyphs become lines.
 *
 * Texts come from strangers. Whatever the bytes are, a text has at most T2I_TYPESET_MAX characters
 * and glyphs; what is more counts as cut. Marks that are piled up on one character are dropped from
 * the seventh on. Control characters are boxes, or blanks where they separate; marks of direction
 * are dropped. Each character has a glyph of the first font that has it, at last of the built-in
 * one, which has a box for what it lacks.
 */
#ifndef T2I_TYPESET_H
#define T2I_TYPESET_H

#include <stddef.h>
#include <stdint.h>
#include "draw/typeface.h"

enum {
    T2I_TYPESET_MAX = 1024,
    T2I_TYPESET_EM = 13,  /* pixels of a scalable font at scale 1, in lines of T2I_FONT_HEIGHT */
    T2I_TYPESET_BASE = 12 /* from the top of a line to where its letters stand */
};

typedef struct {
    t2i_glyph glyph[T2I_TYPESET_MAX]; /* in the order of the text */
    size_t glyphs;
    uint32_t code[T2I_TYPESET_MAX]; /* the characters that are left of the text */
    size_t codes;
    uint8_t level[T2I_TYPESET_MAX];   /* of each character: see bidi.h */
    uint8_t may_end[T2I_TYPESET_MAX]; /* may a line end after this character? */
    int leftwards;                    /* the text begins with a script that is written so */
    int cut;                          /* the text is longer than this */
} t2i_typeset;

/* scale: see canvas.h. */
void t2i_typeset_text(t2i_typeset *out, const char *utf8, size_t scale);

/* Width of the glyphs [from, to), in pixels. */
long t2i_typeset_width(const t2i_typeset *t, size_t from, size_t to);

/* The end of the line that begins at glyph *from and is at most `width` pixels wide, but has at
 * least one character: after a word, else inside of one. hard: as much as fits. Blanks are left out
 * at both ends: *from and *to are what is to be drawn. Returns where the next line begins; that is
 * t->glyphs when nothing but blanks are left. */
size_t t2i_typeset_line(const t2i_typeset *t, size_t *from, size_t *to, long width, int hard);

/* The order of the glyphs [from, to) from left to right. */
void t2i_typeset_order(const t2i_typeset *t, size_t from, size_t to, size_t *order);

#endif
