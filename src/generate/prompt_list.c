#include "generate/prompt_list.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "formats/file_kind.h"

#define FILE_MAX ((size_t)1 << 30)

t2i_status t2i_prompt_list_check(const char *prompt, const char *name, t2i_error *err)
{
    size_t size = strlen(prompt), good = t2i_utf8_valid(prompt, size);
    if (good != size)
        return t2i_fail(
            err, T2I_USAGE,
            "%s is not UTF-8 (byte %zu): check the encoding of the terminal or the file", name,
            good + 1);
    if (t2i_utf8_trim((t2i_span){prompt, size}).size == 0)
        return t2i_fail(err, T2I_USAGE,
                        "%s is empty: a prompt says in words what the picture shows", name);
    return T2I_OK;
}

/* ---- quotes that are missing ---- */

/* Are there several prompts, each of one word? */
static void hint_at_quotes(const char *const *operand, size_t operands)
{
    t2i_text all = {0};
    t2i_status status = T2I_OK;
    t2i_error ignored;
    if (operands < 2) return;
    for (size_t i = 0; i < operands && status == T2I_OK; i++) {
        if (strpbrk(operand[i], " \t\n") != NULL) break;
        status = t2i_text_addf(&all, &ignored, "%s%s", i == 0 ? "" : " ", operand[i]);
        if (status == T2I_OK && i + 1 == operands)
            t2i_log_warn("these are %zu prompts of one word each; one prompt of %zu words has "
                         "quotes around it: \"%.200s\"",
                         operands, operands, all.data);
    }
    t2i_text_free(&all);
}

/* ---- a file of prompts ---- */

/* Makes strings of the lines, in place. */
static t2i_status add_lines(t2i_prompt_list *list, const char *name, t2i_error *err)
{
    char place[300];
    t2i_span text = t2i_utf8_without_mark((t2i_span){list->file.data, list->file.size});
    char *end = list->file.data + list->file.size, *at = end - text.size;
    for (size_t number = 1; at < end; number++) {
        char *line = at, *stop = memchr(at, '\n', (size_t)(end - at));
        at = stop == NULL ? end : stop + 1;
        if (stop == NULL) stop = end; /* the terminator of the text */
        if (stop > line && stop[-1] == '\r') stop--;
        *stop = '\0';
        snprintf(place, sizeof place, "%.200s: prompt %zu", name, number);
        t2i_status status = t2i_prompt_list_check(line, place, err);
        if (status != T2I_OK) return T2I_DATA;
        list->prompt[list->prompts++] = line;
    }
    return T2I_OK;
}

static t2i_status read_file(t2i_text *out, const char *path, const char *name, t2i_error *err)
{
    static const char wanted[] = "a list of prompts, one per line";
    T2I_TRY(path == name ? t2i_fs_read_stream(path, FILE_MAX, out, err)
                         : t2i_fs_read_open(STDIN_FILENO, name, FILE_MAX, out, err));
    if (out->size == 0 || memchr(out->data, '\0', out->size) != NULL)
        return t2i_file_kind_refuse(out->data, out->size, name, wanted, err);
    return T2I_OK;
}

static t2i_status fill(t2i_prompt_list *list, const char *const *operand, size_t operands,
                       const char *path, t2i_error *err)
{
    char place[40];
    const char *name = path != NULL && strcmp(path, "-") == 0 ? "standard input" : path;
    size_t most = operands + 1;
    if (path != NULL) T2I_TRY(read_file(&list->file, path, name, err));
    for (size_t i = 0; i < list->file.size; i++) most += list->file.data[i] == '\n';
    list->prompt = t2i_alloc(most, sizeof *list->prompt);
    if (list->prompt == NULL) return t2i_fail_memory(err, most * sizeof *list->prompt, "prompts");
    for (size_t i = 0; i < operands; i++) {
        snprintf(place, sizeof place, "prompt %zu", i + 1);
        T2I_TRY(t2i_prompt_list_check(operand[i], place, err));
        list->prompt[list->prompts++] = operand[i];
    }
    hint_at_quotes(operand, operands);
    return path == NULL ? T2I_OK : add_lines(list, name, err);
}

t2i_status t2i_prompt_list_new(t2i_prompt_list *out, const char *const *operand, size_t operands,
                               const char *path, t2i_error *err)
{
    *out = (t2i_prompt_list){0};
    t2i_status status = fill(out, operand, operands, path, err);
    if (status != T2I_OK) t2i_prompt_list_free(out);
    return status;
}

void t2i_prompt_list_free(t2i_prompt_list *list)
{
    t2i_text_free(&list->file);
    t2i_free(list->prompt);
    *list = (t2i_prompt_list){0};
}
