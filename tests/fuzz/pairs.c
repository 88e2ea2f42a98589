/* pairs.c - lists of pairs. The first byte tells the suffix: 'c' .csv, 'j' .jsonl, 'a' .json, 'x'
 * none, 'o' none with given names of columns, another one .tsv; the rest is the file.
 */
#include "lists/list.h"
#include "lists/picture_names.h"

#include "scratch.h"
#include "fuzz/fuzz.h"
#include "base/log.h"

static void check_row(const t2i_pair_list *list, const t2i_pair_row *row)
{
    const char *text = list->text.data;
    const size_t size = list->text.size;
    T2I_ASSERT(row->row < list->rows && row->line >= 1);
    T2I_ASSERT(row->prompt < size && row->prompt_size < size - row->prompt);
    T2I_ASSERT(memchr(text + row->prompt, '\0', row->prompt_size) == NULL);
    T2I_ASSERT(t2i_utf8_valid(text + row->prompt, row->prompt_size) == row->prompt_size);
    T2I_ASSERT(row->image < size && text[row->image] != '\0');
    T2I_ASSERT(memchr(text + row->image, '\0', size - row->image) != NULL);
    T2I_ASSERT(t2i_utf8_valid(text + row->image, strlen(text + row->image)) ==
               strlen(text + row->image));
    T2I_ASSERT(row->group == T2I_NO_GROUP || (row->group < size && text[row->group] != '\0'));
    T2I_ASSERT(row->split >= -1 && row->split < 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    t2i_error err = {0};
    t2i_pair_list list;
    if (size == 0) return 0;
    t2i_log_rank(1); /* says nothing of bad rows */
    T2I_ASSERT(scratch_begin("fuzz-pairs") == 0);
    const char *path = in_scratch(bytes[0] == 'c'   ? "pairs.csv"
                                  : bytes[0] == 'j' ? "pairs.jsonl"
                                  : bytes[0] == 'a' ? "pairs.json"
                                  : bytes[0] == 'x' ? "pairs"
                                  : bytes[0] == 'o' ? "pairs"
                                                    : "pairs.tsv");
    static const t2i_list_columns columns = {.prompt = "a", .image = "b", .split = "c"};
    FILE *file = fopen(path, "wb");
    T2I_ASSERT(file != NULL && fwrite(bytes + 1, 1, size - 1, file) == size - 1);
    T2I_ASSERT(fclose(file) == 0);

    t2i_status status = t2i_list_read(&list, path, bytes[0] == 'o' ? &columns : NULL, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA || (status == T2I_USAGE && bytes[0] == 'o'));
    T2I_ASSERT(status == T2I_OK || err.text[0] != '\0');
    T2I_ASSERT(status == T2I_OK || (list.count == 0 && list.row == NULL));
    T2I_ASSERT(status != T2I_OK || list.count + list.bad == list.rows);
    for (size_t i = 0; i < list.count; i++) {
        check_row(&list, &list.row[i]);
        T2I_ASSERT(i == 0 || list.row[i].row > list.row[i - 1].row);
        T2I_ASSERT(i == 0 || list.row[i].line >= list.row[i - 1].line);
    }
    T2I_ASSERT(t2i_picture_names_find(&list, path, scratch, &err) == T2I_OK);
    for (size_t i = 0; i < list.count; i++) check_row(&list, &list.row[i]);
    t2i_pairs_free(&list);
    scratch_end();
    return 0;
}

T2I_FUZZ_MAIN("pairs");
