/* zip: archives as PyTorch and others write them, and each way in which one can lie. */
#include "formats/zip.h"

#include "test.h"
#include "unit/formats/zip_sample.h"

static t2i_error err;
static zip_sample z;

enum { PARTS = 4 };
static const zip_part part[PARTS] = {{.name = "m/data.pkl", .data = "pickle", .size = 6},
                                     {.name = "m/data/0", .data = "12345678", .size = 8},
                                     {.name = "m/data/1", .data = "", .size = 0},
                                     {.name = "m/version", .data = "3\n", .size = 2}};
enum { TORCH = STREAMED | END64 };

/* Opens what z holds, from memory of exactly its size. */
static t2i_status open_sample(t2i_zip **zip, t2i_byte_source *source, void **copy)
{
    *zip = NULL;
    *copy = malloc(z.size + 1);
    if (*copy == NULL) return T2I_SYSTEM;
    memcpy(*copy, z.bytes, z.size);
    OK(t2i_byte_source_memory(source, *copy, z.size, "FILE", &err));
    return t2i_zip_open(zip, source, &err);
}

static void close_sample(t2i_zip *zip, t2i_byte_source *source, void *copy)
{
    t2i_zip_close(zip);
    t2i_byte_source_close(source);
    free(copy);
}

static void refuse(const char *why)
{
    t2i_zip *zip;
    t2i_byte_source source;
    void *copy;
    FAILS(open_sample(&zip, &source, &copy), T2I_DATA, why);
    CU_ASSERT_PTR_NULL(zip);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "FILE"));
    close_sample(zip, &source, copy);
}

static void accept(void)
{
    t2i_zip *zip;
    t2i_byte_source source;
    void *copy;
    OK(open_sample(&zip, &source, &copy));
    if (zip != NULL) {
        CU_ASSERT_EQUAL(t2i_zip_entries(zip), PARTS);
        CU_ASSERT_STRING_EQUAL(t2i_zip_root(zip), "m/");
        for (size_t i = 0; i < PARTS; i++) {
            const t2i_zip_entry *entry = t2i_zip_find(zip, part[i].name + 2);
            CU_ASSERT(entry != NULL && entry == t2i_zip_at(zip, i));
            if (entry == NULL) continue;
            CU_ASSERT(entry->size == part[i].size && entry->begin == z.data[i]);
            OK(t2i_zip_check(zip, entry, &err));
        }
        CU_ASSERT_PTR_NULL(t2i_zip_find(zip, "data"));
        CU_ASSERT_PTR_NULL(t2i_zip_find(zip, "m/version"));
        CU_ASSERT_PTR_NULL(t2i_zip_find(zip, ""));
        CU_ASSERT_PTR_NULL(t2i_zip_at(zip, PARTS));
    }
    close_sample(zip, &source, copy);
}

static void opens_what_is_sound(void)
{
    static const int style[] = {PLAIN,
                                TORCH,
                                STREAMED | NO_SIGNATURE,
                                STREAMED | WIDE,
                                STREAMED | WIDE | NO_SIGNATURE,
                                TORCH | LOCAL_TOO,
                                END64};
    for (size_t i = 0; i < sizeof style / sizeof *style; i++) {
        zip_build(&z, part, PARTS, style[i]);
        accept();
    }
    zip_part padded[PARTS];
    memcpy(padded, part, sizeof part);
    padded[1].local_extra = "FB\7\0ZZZZZZZ";
    padded[1].local_extra_size = 11;
    padded[3].local_extra = "Z"; /* not even well-formed */
    padded[3].local_extra_size = 1;
    zip_build(&z, padded, PARTS, TORCH);
    accept();
}

static void checks_crcs(void)
{
    t2i_zip *zip;
    t2i_byte_source source;
    void *copy;
    zip_build(&z, part, PARTS, TORCH);
    z.bytes[z.data[1] + 3] ^= 1;
    OK(open_sample(&zip, &source, &copy));
    if (zip != NULL) {
        OK(t2i_zip_check(zip, t2i_zip_find(zip, "data.pkl"), &err));
        FAILS(t2i_zip_check(zip, t2i_zip_find(zip, "data/0"), &err), T2I_DATA,
              "the checksum of its entry data/0 does not match");
    }
    close_sample(zip, &source, copy);
}

/* A field, by record of an entry or of the end, and what it must not be. */
typedef enum { LOCAL, AFTER, CENTRAL, END64_AT, LOCATOR_AT, END_AT } record;

typedef struct {
    record where;
    size_t entry, offset, width;
    uint64_t value;
    const char *why;
} damage;

static size_t place(const damage *d)
{
    return d->offset + (d->where == LOCAL        ? z.local[d->entry]
                        : d->where == AFTER      ? z.after[d->entry]
                        : d->where == CENTRAL    ? z.central[d->entry]
                        : d->where == END64_AT   ? z.end64
                        : d->where == LOCATOR_AT ? z.locator
                                                 : z.end);
}

static void refuse_each(const damage *d, size_t count, int style)
{
    for (size_t i = 0; i < count; i++) {
        zip_build(&z, part, PARTS, style);
        zip_patch(&z, place(&d[i]), d[i].width, d[i].value);
        refuse(d[i].why);
    }
}

static void refuses_local_headers_that_contradict(void)
{
    static const damage torch[] = {
        {LOCAL, 1, 0, 4, 0x04034b51, "entry data/0: there is no local header"},
        {LOCAL, 1, 6, 2, 0x008, "its local header contradicts"},
        {LOCAL, 1, 6, 2, 0x800, "its local header contradicts"},
        {LOCAL, 1, 8, 2, 8, "its local header contradicts"},
        {LOCAL, 1, 14, 4, 1, "its local header contradicts"},
        {LOCAL, 1, 18, 4, 9, "its local header contradicts"},
        {LOCAL, 1, 22, 4, 9, "its local header contradicts"},
        {LOCAL, 1, 22, 4, 0xffffffff, "its local header contradicts"},
        {LOCAL, 1, 26, 2, 7, "its local header contradicts"},
        {LOCAL, 1, 28, 2, 5, "what follows its data contradicts"},
        {LOCAL, 1, 28, 2, 0xffff, "it lies beyond the directory"},
        {LOCAL, 1, 30, 1, 'n', "its local header has another name"},
        {LOCAL, 1, 37, 1, '1', "its local header has another name"},
        {AFTER, 1, 0, 4, 0x08074b51, "what follows its data contradicts"},
        {AFTER, 1, 4, 4, 1, "what follows its data contradicts"},
        {AFTER, 1, 8, 4, 9, "what follows its data contradicts"},
        {AFTER, 1, 12, 4, 9, "what follows its data contradicts"},
        {AFTER, 3, 12, 4, 9, "what follows its data contradicts"},
    };
    static const damage plain[] = {
        {LOCAL, 1, 14, 4, 0, "its local header contradicts"}, /* 0 is for streamed ones */
        {LOCAL, 1, 18, 4, 0, "its local header contradicts"},
        {LOCAL, 1, 22, 4, 0, "its local header contradicts"},
    };
    refuse_each(torch, sizeof torch / sizeof *torch, TORCH);
    refuse_each(plain, sizeof plain / sizeof *plain, PLAIN);
}

static void refuses_directories_that_lie(void)
{
    static const damage torch[] = {
        {CENTRAL, 1, 0, 4, 0x02014b51, "its directory is damaged"},
        {CENTRAL, 1, 8, 2, 0x809, "it is encrypted"},
        {CENTRAL, 1, 8, 2, 0x848, "it is encrypted"},
        {CENTRAL, 1, 8, 2, 0x828, "it has unknown flags"},
        {CENTRAL, 1, 10, 2, 8, "entry data/0: it is compressed"},
        {CENTRAL, 1, 20, 4, 7, "its sizes contradict"},
        {CENTRAL, 1, 24, 4, 9, "its sizes contradict"},
        {CENTRAL, 1, 24, 4, 0xffffffff, "its extra fields are damaged"},
        {CENTRAL, 1, 28, 2, 0xffff, "its directory is damaged"},
        {CENTRAL, 1, 30, 2, 1, "its extra fields are damaged"},
        {CENTRAL, 1, 32, 2, 1, "its directory is damaged"},
        {CENTRAL, 1, 34, 2, 1, "its sizes contradict"},
        {CENTRAL, 1, 42, 4, 0, "entry data.pkl: it overlaps another one"},
        {CENTRAL, 1, 42, 4, 1, "entry data.pkl: it overlaps another one"},
        {CENTRAL, 1, 42, 4, 0x7fffffff, "it begins beyond the directory"},
        {CENTRAL, 1, 42, 4, 0xffffffff, "its extra fields are damaged"},
        {CENTRAL, 3, 32, 2, 1, "its directory is damaged"},
    };
    refuse_each(torch, sizeof torch / sizeof *torch, TORCH);
    zip_build(&z, part, PARTS, TORCH);
    zip_patch(&z, z.central[3] + 42, 4, z.local[3] + 1);
    refuse("entry version: there is no local header");
    zip_build(&z, part, PARTS, TORCH); /* two entries change places */
    zip_patch(&z, z.central[1] + 42, 4, z.local[2]);
    zip_patch(&z, z.central[2] + 42, 4, z.local[1]);
    refuse("its local header has another name");
    zip_build(&z, part, PARTS, TORCH); /* both sizes, so that only the place tells */
    zip_patch(&z, z.central[1] + 20, 4, 1 << 20);
    zip_patch(&z, z.central[1] + 24, 4, 1 << 20);
    refuse("it lies beyond the directory");
}

/* Gives an entry's name another text of the same length, in both headers. */
static void rename_entry(size_t i, const char *name)
{
    memcpy(z.bytes + z.local[i] + 30, name, strlen(name));
    memcpy(z.bytes + z.central[i] + 46, name, strlen(name));
}

static void refuses_names(void)
{
    static const struct {
        size_t entry;
        const char *name, *why;
    } bad[] = {
        {2, "m/data/0", "entry data/0: the name occurs twice"},
        {1, "n/data/0", "it lies outside the folder of the others"},
        {1, "mm/ata/0", "it lies outside the folder of the others"},
        {1, "/mdata/0", "its name points outside its folder"},
        {1, "m/../a/0", "its name points outside its folder"},
        {1, "m/./ta/0", "its name points outside its folder"},
        {1, "m/data//", "its name points outside its folder"},
        {1, "m//ata/0", "its name points outside its folder"},
        {1, "m/data/.", "its name points outside its folder"},
        {1, "m/data..", NULL},
        {1, "m\\data0/", "its name contains a character that is not allowed"},
        {1, "m/data/\xff", "its name contains a character that is not allowed"},
        {0, "m_data.pkl", "it is not in a folder"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        zip_build(&z, part, PARTS, TORCH);
        rename_entry(bad[i].entry, bad[i].name);
        if (bad[i].why != NULL) refuse(bad[i].why);
    }
    zip_build(&z, part, PARTS, TORCH);
    zip_patch(&z, z.local[1] + 33, 1, 0);
    zip_patch(&z, z.central[1] + 49, 1, 0);
    refuse("its name contains a character that is not allowed");
    static char longest[1100];
    memset(longest, 'a', sizeof longest - 1);
    longest[1] = '/';
    zip_build(&z, &(zip_part){.name = longest, .data = "", .size = 0}, 1, TORCH);
    refuse("its name is empty or too long");
}

static void refuses_overlaps(void)
{
    zip_build(&z, part, PARTS, PLAIN); /* one entry's data is the next one's record */
    size_t size = z.after[1] - z.data[0];
    for (size_t at = 18; at <= 22; at += 4) zip_patch(&z, z.local[0] + at, 4, size);
    for (size_t at = 20; at <= 24; at += 4) zip_patch(&z, z.central[0] + at, 4, size);
    refuse("entry data.pkl: it overlaps another one");
    /* two entries of the directory are one record */
    static const zip_part twins[] = {{.name = "m/a", .data = "x", .size = 1},
                                     {.name = "m/a", .data = "x", .size = 1}};
    zip_build(&z, twins, 2, PLAIN);
    zip_patch(&z, z.central[1] + 42, 4, z.local[0]);
    refuse("entry a: it overlaps another one");
    /* the last one runs into the directory, its descriptor being part of that */
    zip_build(&z, part, PARTS, TORCH);
    zip_patch(&z, z.local[3] + 28, 2, 16);
    refuse("what follows its data contradicts");
}

static void refuses_ends(void)
{
    static const damage torch[] = {
        {END_AT, 0, 0, 4, 0x06054b51, "it does not end with an end record"},
        {END_AT, 0, 4, 2, 1, "it is a part of a multi-disk archive"},
        {END_AT, 0, 6, 2, 1, "it is a part of a multi-disk archive"},
        {END_AT, 0, 8, 2, 1, "it is a part of a multi-disk archive"},
        {END_AT, 0, 8, 4, 0x50005, "its two end records contradict each other"},
        {END_AT, 0, 12, 4, 1, "its two end records contradict each other"},
        {END_AT, 0, 16, 4, 1, "its two end records contradict each other"},
        {END_AT, 0, 20, 2, 1, "it does not end with an end record"},
        {LOCATOR_AT, 0, 0, 4, 0, "its directory does not lie right before its end"},
        {LOCATOR_AT, 0, 4, 4, 1, "its zip64 end is not where"},
        {LOCATOR_AT, 0, 8, 8, 1, "its zip64 end is not where"},
        {LOCATOR_AT, 0, 16, 4, 2, "its zip64 end is not where"},
        {END64_AT, 0, 0, 4, 0, "its zip64 end record is damaged"},
        {END64_AT, 0, 4, 8, 45, "its zip64 end record is damaged"},
        {END64_AT, 0, 16, 4, 1, "its zip64 end record is damaged"},
        {END64_AT, 0, 24, 8, 1, "its zip64 end record is damaged"},
        {END64_AT, 0, 32, 8, 1, "its zip64 end record is damaged"},
        {END64_AT, 0, 40, 8, 1, "contradict each other"},
        {END64_AT, 0, 48, 8, 1, "contradict each other"},
    };
    static const damage plain[] = {
        {END_AT, 0, 8, 4, 0, "it is empty"},
        {END_AT, 0, 8, 4, 0x30003, "its directory is damaged"},
        {END_AT, 0, 8, 4, 0x50005, "its number of entries is impossible"},
        {END_AT, 0, 12, 4, 1, "its directory does not lie right before its end"},
        {END_AT, 0, 12, 4, 0xfffffffe, "its directory does not lie right before its end"},
        {END_AT, 0, 16, 4, 0, "its directory does not lie right before its end"},
        {END_AT, 0, 16, 4, 0xfffffffe, "its directory does not lie right before its end"},
    };
    refuse_each(torch, sizeof torch / sizeof *torch, TORCH);
    refuse_each(plain, sizeof plain / sizeof *plain, PLAIN);
    zip_build(&z, part, PARTS, TORCH); /* many entries, in both end records */
    zip_patch(&z, z.end64 + 24, 8, (uint64_t)1 << 60);
    zip_patch(&z, z.end64 + 32, 8, (uint64_t)1 << 60);
    zip_patch(&z, z.end + 8, 4, 0xffffffff);
    refuse("its number of entries is impossible");
    zip_build(&z, part, PARTS, PLAIN); /* anything after the end, or before the beginning */
    zip_put(&z, 0, 1);
    refuse("it does not end with an end record");
    zip_build(&z, part, PARTS, PLAIN);
    memmove(z.bytes + 1, z.bytes, z.size++);
    refuse("its directory does not lie right before its end");
    zip_build(&z, part, 0, PLAIN);
    refuse("it is empty");
    z.size = 21;
    refuse("it is too short");
}

/* Sizes and places may stand in 64 bits, and then must be there. */
static void reads_zip64_fields(void)
{
    unsigned char field[28] = {1, 0, 24, 0};
    zip_part wide[PARTS];
    memcpy(wide, part, sizeof part);
    wide[1].central_extra = field;
    wide[1].central_extra_size = sizeof field;
    for (int cut = 0; cut < 2; cut++) {
        zip_build(&z, wide, PARTS, STREAMED | WIDE | END64);
        size_t at = z.central[1] + 46 + strlen(wide[1].name) + 4;
        zip_patch(&z, at, 8, 8);
        zip_patch(&z, at + 8, 8, 8);
        zip_patch(&z, at + 16, 8, z.local[1]);
        zip_patch(&z, z.central[1] + 20, 8, UINT64_MAX);
        zip_patch(&z, z.central[1] + 42, 4, 0xffffffff);
        if (cut) zip_patch(&z, at - 2, 2, 20);
        if (!cut) accept();
    }
    refuse("its extra fields are damaged");
    zip_patch(&z, z.central[1] + 46 + 8 + 2, 2, 24);
    zip_patch(&z, z.central[1] + 46 + 8 + 4, 8, UINT64_MAX - 1);
    zip_patch(&z, z.central[1] + 46 + 8 + 12, 8, UINT64_MAX - 1);
    refuse("it lies beyond the directory");
    zip_patch(&z, z.central[1] + 46 + 8 + 20, 8, UINT64_MAX - 1);
    refuse("it begins beyond the directory");
    /* the same in a local header */
    unsigned char local[20] = {1, 0, 16, 0, 8, 0, 0, 0, 0, 0, 0, 0, 8};
    wide[1] = part[1];
    wide[1].local_extra = local;
    wide[1].local_extra_size = sizeof local;
    zip_build(&z, wide, PARTS, PLAIN);
    zip_patch(&z, z.local[1] + 18, 8, UINT64_MAX);
    accept();
    zip_patch(&z, z.data[1] - 8, 8, 9);
    refuse("its local header contradicts");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"opens archives as PyTorch and others write them", opens_what_is_sound},
        {"checks CRCs", checks_crcs},
        {"refuses local headers that contradict", refuses_local_headers_that_contradict},
        {"refuses directories that lie", refuses_directories_that_lie},
        {"refuses names that occur twice or leave the folder", refuses_names},
        {"refuses overlaps", refuses_overlaps},
        {"refuses what does not end as it should", refuses_ends},
        {"reads zip64 fields", reads_zip64_fields},
    };
    return t2i_test_main("zip", tests, sizeof tests / sizeof *tests);
}
