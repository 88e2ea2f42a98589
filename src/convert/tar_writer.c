#include "convert/tar_writer.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK = 512 };

/* A header of ustar: texts of fixed size, numbers in octal. */
typedef struct {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
    char type, link[100], magic[6], version[2], rest[247];
} header;
_Static_assert(sizeof(header) == BLOCK, "a header is one block");

static const char zeros[2 * BLOCK];

t2i_status t2i_tar_writer_add(t2i_fs_out *out, const char *name, const void *bytes, size_t size,
                              t2i_error *err)
{
    T2I_ASSERT(strlen(name) < sizeof((header *)0)->name && size >> 33 == 0);
    header head = {.mode = "0000644",
                   .uid = "0000000",
                   .gid = "0000000",
                   .mtime = "00000000000",
                   .type = '0',
                   .magic = "ustar",
                   .version = "00"};
    unsigned sum = 0;
    strcpy(head.name, name);
    snprintf(head.size, sizeof head.size, "%011llo", (unsigned long long)size);
    memset(head.checksum, ' ', sizeof head.checksum);
    for (size_t i = 0; i < sizeof head; i++) sum += ((const unsigned char *)&head)[i];
    snprintf(head.checksum, sizeof head.checksum - 1, "%06o", sum);
    T2I_TRY(t2i_fs_out_write(out, &head, sizeof head, err));
    T2I_TRY(t2i_fs_out_write(out, bytes, size, err));
    return t2i_fs_out_write(out, zeros, (BLOCK - size % BLOCK) % BLOCK, err);
}

t2i_status t2i_tar_writer_end(t2i_fs_out *out, t2i_error *err)
{
    return t2i_fs_out_write(out, zeros, sizeof zeros, err);
}
