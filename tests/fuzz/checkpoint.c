/* checkpoint: the header of a model file or checkpoint, which stands before DATA zero bytes of
 * tensors here. Its length is put before it, and its own digest into it, so that what lies behind
 * these is reached.
 *
 * What is loaded must come back the same from what is saved.
 */
#include "checkpoint/checkpoint.h"

#include "scratch.h"
#include "fuzz/fuzz.h"
#include "base/hash.h"

enum { DATA = 1024, HEADER_MAX = 1 << 16 };
static const char mark[] = "\"t2i.meta_xxh3\":\"", zeros[] = "00000000000000000000000000000000";

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    static char header[HEADER_MAX + 1];
    static const char data[DATA];
    uint64_t length = size;
    char hex[T2I_HEX];
    memcpy(header, bytes, size);
    header[size] = '\0';
    char *digits = strstr(header, mark);
    if (digits != NULL) digits += strlen(mark);
    if (digits != NULL && size - (size_t)(digits - header) >= T2I_HEX - 1) {
        memcpy(digits, zeros, T2I_HEX - 1);
        t2i_hash_hex(header, size, hex);
        memcpy(digits, hex, T2I_HEX - 1);
    }
    FILE *file = fopen(path, "wb");
    T2I_ASSERT(file != NULL && fwrite(&length, sizeof length, 1, file) == 1 &&
               fwrite(header, 1, size, file) == size && fwrite(data, 1, DATA, file) == DATA &&
               fclose(file) == 0);
}

static void same_state(const t2i_checkpoint *a, const t2i_checkpoint *b)
{
    const t2i_run_state *x = &a->run, *y = &b->run;
    T2I_ASSERT(x->step == y->step && x->updates == y->updates && x->skipped == y->skipped &&
               x->shards == y->shards && x->usual.steps == y->usual.steps);
    T2I_ASSERT(strcmp(x->dataset, y->dataset) == 0);
    for (size_t i = 0; i < T2I_MODEL_SIZES; i++)
        T2I_ASSERT(t2i_model_size(&a->model.config, i) == t2i_model_size(&b->model.config, i));
    T2I_ASSERT(a->vocab.size == b->vocab.size);
    for (size_t i = 0; i < a->vocab.size; i++)
        T2I_ASSERT(strcmp(a->vocab.name[i], b->vocab.name[i]) == 0);
    T2I_ASSERT((a->m == NULL) == (b->m == NULL) && (a->ema == NULL) == (b->ema == NULL));
}

static void save_again(const t2i_checkpoint *loaded, const char *path)
{
    t2i_error err = {0};
    t2i_checkpoint again;
    T2I_ASSERT(t2i_checkpoint_save(loaded, path, &err) == T2I_OK);
    T2I_ASSERT(t2i_checkpoint_load(&again, path, 1, T2I_ITS_OWN, &err) == T2I_OK);
    same_state(loaded, &again);
    t2i_checkpoint_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    t2i_error err = {0};
    t2i_checkpoint loaded;
    if (size > HEADER_MAX) return 0;
    T2I_ASSERT(scratch_begin("fuzz-checkpoint") == 0);
    const char *path = in_scratch("model.safetensors");
    write_file(path, bytes, size);
    t2i_status status = t2i_checkpoint_load(&loaded, path, 1, T2I_ITS_OWN, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA || status == T2I_SYSTEM);
    if (status == T2I_OK && loaded.ours) save_again(&loaded, path);
    if (status == T2I_OK) t2i_checkpoint_free(&loaded);
    scratch_end();
    return 0;
}

T2I_FUZZ_MAIN("checkpoint");
