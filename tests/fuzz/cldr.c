/* cldr.c - CLDR annotation files. */
#include "formats/cldr.h"

#include "fuzz/fuzz.h"
#include "base/text.h"

static t2i_status take(void *context, const t2i_cldr_note *note, t2i_error *err)
{
    size_t size = strlen(note->text), emoji = strlen(note->emoji);
    (void)err;
    ++*(size_t *)context;
    T2I_ASSERT(emoji > 0 && emoji < T2I_CLDR_EMOJI && size > 0);
    T2I_ASSERT(t2i_utf8_valid(note->text, size) == size);
    T2I_ASSERT(t2i_utf8_valid(note->emoji, emoji) == emoji);
    T2I_ASSERT(note->text[0] != ' ' && note->text[size - 1] != ' ');
    for (size_t i = 0; i < size; i++) T2I_ASSERT((unsigned char)note->text[i] >= ' ');
    T2I_ASSERT(note->is_name || strchr(note->text, '|') == NULL);
    return T2I_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    t2i_error err = {0};
    size_t notes = 0;
    t2i_status status = t2i_cldr_parse((const char *)bytes, size, "input", take, &notes, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA);
    T2I_ASSERT(status == T2I_OK || strncmp(err.text, "input:", 6) == 0);
    return 0;
}

T2I_FUZZ_MAIN("cldr");
