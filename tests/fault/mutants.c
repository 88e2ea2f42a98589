/* mutants - datasets that were damaged at random: each is told as damaged, in one line, or has the
 * values it had (HDF5 has bytes that nobody uses); HDF5's crashes are the reader's alone.
 * Usage: mutants COUNT SEED. A mutant depends on the seed and its number alone.
 */
#include "dataset/dataset.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>

#include "unit/dataset/dataset_sample.h"
#include "base/fs.h"
#include "base/rng.h"

/* HDF5 may die by its signal in the reader, and its memcpy beyond the end may pass: what the
 * sanitizer still reports is a fault of our own. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "replace_intrin=0:allocator_may_return_null=1";
}

enum { STRIDE = 7 };

static uint64_t mutants, seed;

typedef struct {
    size_t told, same, wrong, crashed, endless;
} tally;

/* One more outcome for a file at path that is not as it was. */
static void look(tally *t, const char *what, size_t number)
{
    t2i_dataset *dataset;
    t2i_error why = {0};
    t2i_status status = t2i_dataset_open(&dataset, path, &why);
    if (status == T2I_OK) status = t2i_dataset_verify(dataset, &why);
    int wrong = 0;
    if (status == T2I_OK)
        wrong = !is_sample(dataset);
    else
        wrong =
            status != T2I_DATA || strstr(why.text, path) == NULL || strchr(why.text, '\n') != NULL;
    t2i_dataset_close(dataset);
    t->same += status == T2I_OK && !wrong;
    t->told += status != T2I_OK && !wrong;
    t->crashed += strstr(why.text, "HDF5 crashes on it (signal") != NULL;
    t->endless += strstr(why.text, "HDF5 does not finish") != NULL;
    t->wrong += wrong != 0;
    if (wrong) fprintf(stderr, "%s %zu: status %d, \"%s\"\n", what, number, (int)status, why.text);
}

static void sum_up(const tally *t, const char *what)
{
    printf("%s: %zu told (%zu by a crash of HDF5, %zu by no end), %zu without effect, %zu wrong\n",
           what, t->told, t->crashed, t->endless, t->same, t->wrong);
    CU_ASSERT_EQUAL(t->wrong, 0);
    CU_ASSERT(t->told > 100 && t->same > 50); /* else this test looks at nothing */
    CU_ASSERT(t->crashed + t->endless < t->told / 10);
}

static void put(const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && close(fd) == 0);
}

/* All bits of a byte or the lowest, in turn. */
static void every_byte(void)
{
    t2i_text text = {0};
    tally t = {0};
    write_sample(other_path, 1);
    OK(t2i_fs_read(other_path, 1 << 20, &text, &err));
    for (size_t at = 0; at < text.size; at += STRIDE) {
        char kept = text.data[at];
        text.data[at] = (char)(kept ^ (at / STRIDE % 2 ? 0xff : 1));
        put(text.data, text.size);
        look(&t, "byte", at);
        text.data[at] = kept;
    }
    t2i_text_free(&text);
    sum_up(&t, "every seventh byte");
}

/* ---- at random ---- */

static uint64_t draw(uint64_t mutant, uint64_t *turn, uint64_t below)
{
    return t2i_rng_below(seed, mutant, (*turn)++, below);
}

/* A place; mostly one where something is, as most of a small HDF5 file is zeros. */
static size_t place(const t2i_text *text, uint64_t mutant, uint64_t *turn)
{
    size_t at = (size_t)draw(mutant, turn, text->size);
    for (int i = 0; i < 30 && text->data[at] == 0; i++) at = (size_t)draw(mutant, turn, text->size);
    return at;
}

/* Damages the copy: bits, bytes, whole numbers, a stretch, or the end is gone. */
static void damage(t2i_text *text, uint64_t mutant)
{
    static const uint64_t number[] = {0, 1, UINT64_MAX, UINT64_MAX / 2, 1u << 31, 1u << 16, 255};
    uint64_t turn = 0, changes = 1 + draw(mutant, &turn, 4);
    for (uint64_t i = 0; i < changes; i++) {
        size_t at = place(text, mutant, &turn), size = 1 + (size_t)draw(mutant, &turn, 8);
        uint64_t value = number[draw(mutant, &turn, sizeof number / sizeof *number)];
        if (size > text->size - at) size = text->size - at;
        switch (draw(mutant, &turn, 8)) {
        case 0:
        case 1:
        case 2:
            text->data[at] = (char)(text->data[at] ^ (1 << draw(mutant, &turn, 8)));
            break;
        case 3:
        case 4:
            text->data[at] = (char)draw(mutant, &turn, 256);
            break;
        case 5:
            memcpy(text->data + at, &value, size);
            break;
        case 6:
            memmove(text->data + at, text->data + place(text, mutant, &turn) / 2, size);
            break;
        default:
            text->size = at + 1 < text->size ? at + 1 : text->size;
            return;
        }
    }
}

static void at_random(void)
{
    t2i_text sound = {0};
    tally t = {0};
    write_sample(other_path, 1);
    OK(t2i_fs_read(other_path, 1 << 20, &sound, &err));
    char *bytes = t2i_alloc(sound.size, 1);
    CU_ASSERT_FATAL(bytes != NULL);
    for (uint64_t i = 0; i < mutants; i++) {
        t2i_text text = {.data = bytes, .size = sound.size};
        memcpy(bytes, sound.data, sound.size);
        damage(&text, i);
        put(bytes, text.size);
        look(&t, "mutant", (size_t)i);
    }
    t2i_free(bytes);
    t2i_text_free(&sound);
    sum_up(&t, "mutants");
}

int main(int argc, char **argv)
{
    static const t2i_test tests[] = {
        {"a changed byte is told or without effect", every_byte},
        {"so are damages at random", at_random},
    };
    mutants = argc == 3 ? strtoull(argv[1], NULL, 10) : 2000;
    seed = argc == 3 ? strtoull(argv[2], NULL, 10) : 1;
    setenv("T2I_READER_SECONDS", "18", 0); /* a file without end costs 3 s of processor time */
    if (begin_folder("mutants") != 0) return 1;
    int code = t2i_test_main("mutants", tests, sizeof tests / sizeof *tests);
    end_folder();
    return code;
}
