/* tar_out.h - makes tar archives in memory, for tests and benches. */
#ifndef T2I_TAR_OUT_H
#define T2I_TAR_OUT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"

/* Appends a member: type '0' file, '1' hard link, '2' symbolic link, '5' folder, 'x' pax header. */
static inline void tar_put(t2i_text *tar, const char *name, char type, const void *bytes,
                           size_t size)
{
    static const char zero[512];
    char head[512] = "", number[16];
    unsigned sum = 0;
    snprintf(head, 100, "%s", name);
    memcpy(head + 100, "0000644\0000000000\0000000000\000", 24);
    snprintf(number, sizeof number, "%011o", type == '1' || type == '2' ? 0u : (unsigned)size);
    memcpy(head + 124, number, 12);
    memcpy(head + 136, "00000000000", 12);
    memset(head + 148, ' ', 8);
    head[156] = type;
    if (type == '1' || type == '2') memcpy(head + 157, bytes, size < 99 ? size : 99);
    memcpy(head + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof head; i++) sum += (unsigned char)head[i];
    snprintf(number, sizeof number, "%06o", sum);
    memcpy(head + 148, number, 7);
    t2i_status status = t2i_text_add(tar, head, sizeof head, NULL);
    if (type != '1' && type != '2' && status == T2I_OK)
        status = t2i_text_add(tar, bytes, size, NULL);
    if (type != '1' && type != '2' && status == T2I_OK && size % 512 > 0)
        status = t2i_text_add(tar, zero, 512 - size % 512, NULL);
    if (status != T2I_OK) abort();
}

static inline void tar_text(t2i_text *tar, const char *name, const char *text)
{
    tar_put(tar, name, '0', text, strlen(text));
}

/* The mark of its end. */
static inline void tar_end(t2i_text *tar)
{
    static const char zero[1024];
    if (t2i_text_add(tar, zero, sizeof zero, NULL) != T2I_OK) abort();
}

#endif
