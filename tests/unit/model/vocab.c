/* Characters and ids: the tutorial's own vocabulary, fresh ones, unknown characters, cut prompts.
 */
#include "test.h"

#include "checkpoint/checkpoint.h"
#include "base/text.h"
#include "model/vocab.h"

static t2i_error err;

/* By id, as the tutorial's file has them. */
static void test_golden(void)
{
    static const char *const names[] = {
        "\n", " ", "!", "\"", "'", "(", ")", ",", "-",     ".",     ":",     ";", "?", "A",
        "B",  "C", "a", "b",  "c", "d", "e", "g", "h",     "i",     "k",     "l", "m", "n",
        "o",  "p", "q", "r",  "s", "t", "u", "w", "<IMG>", "<PAD>", "<EOS>", "z", "x", "j"};
    enum { SIZE = sizeof names / sizeof *names };
    t2i_checkpoint model;
    OK(t2i_checkpoint_load(&model, "tests/golden/seed/initial.safetensors", 0, 512, &err));
    const t2i_vocab *vocab = &model.vocab;
    CU_ASSERT_EQUAL_FATAL(vocab->size, SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        CU_ASSERT_STRING_EQUAL(vocab->name[i], names[i]);
        if (names[i][1] == '\0') {
            CU_ASSERT_EQUAL(t2i_vocab_id(vocab, (uint32_t)names[i][0]), (long)i);
        } else {
            CU_ASSERT_EQUAL(vocab->code[i], T2I_NO_CODE);
        }
    }
    CU_ASSERT_TRUE(vocab->pad == 37 && vocab->unknown == 37 &&
                   vocab->characters == 39); /* it has no <UNK> */
    uint16_t ids[8];
    static const uint16_t right[] = {16, 1, 37, 41}; /* "f" is unknown */
    t2i_encoded e = t2i_vocab_encode(vocab, "a fj", 4, 8, ids);
    CU_ASSERT_TRUE(e.length == 4 && e.cut == 0 && e.unknown == 1 && e.first_unknown == 'f');
    CU_ASSERT_EQUAL(memcmp(ids, right, sizeof right), 0);
    t2i_checkpoint_free(&model);
}

static void test_encode(void)
{
    static const char *const names[] = {"<UNK>", "\xc3\xa9", "a", "<PAD>", "\xf0\x9f\x98\x80",
                                        "<",     ">",        "B"};
    t2i_vocab vocab;
    uint16_t ids[10], four[] = {2, 1, 4, 7};
    OK(t2i_vocab_new(&vocab, names, 8, &err));
    CU_ASSERT_TRUE(vocab.pad == 3 && vocab.unknown == 0 && vocab.characters == 6);
    const char text[] = "a\xc3\xa9\xf0\x9f\x98\x80"
                        "B";
    t2i_encoded e = t2i_vocab_encode(&vocab, text, sizeof text - 1, 10, ids);
    CU_ASSERT_TRUE(e.length == 4 && e.cut == 0 && e.unknown == 0 &&
                   memcmp(ids, four, sizeof four) == 0);
    e = t2i_vocab_encode(&vocab, text, sizeof text - 1, 4, ids);
    CU_ASSERT_TRUE(e.length == 4 && e.cut == 0);
    ids[2] = 999;
    e = t2i_vocab_encode(&vocab, text, sizeof text - 1, 2,
                         ids); /* cut: nothing is written beyond */
    CU_ASSERT_TRUE(e.length == 2 && e.cut == 2 && ids[2] == 999);
    e = t2i_vocab_encode(&vocab, text, sizeof text - 1, 0, NULL);
    CU_ASSERT_TRUE(e.length == 0 && e.cut == 4);
    e = t2i_vocab_encode(&vocab, "", 0, 10, ids);
    CU_ASSERT_TRUE(e.length == 0 && e.cut == 0 && e.unknown == 0);
    e = t2i_vocab_encode(&vocab, "ab\xe2\x82\xac<PAD>z", 11, 4, ids); /* unknown, where it counts */
    CU_ASSERT_TRUE(e.length == 4 && e.cut == 5 && e.unknown == 2 && e.first_unknown == 'b');
    CU_ASSERT_TRUE(ids[0] == 2 && ids[1] == 0 && ids[2] == 0 && ids[3] == 5);
    e = t2i_vocab_encode(&vocab, "a\0a", 3, 4, ids); /* a NUL is a character that none knows */
    CU_ASSERT_TRUE(e.length == 3 && e.unknown == 1 && e.first_unknown == 0);
    CU_ASSERT_TRUE(t2i_vocab_id(&vocab, 0) == -1 && t2i_vocab_id(&vocab, T2I_NO_CODE) == -1);
    t2i_vocab_free(&vocab);
    t2i_vocab_free(&vocab);
}

static void refused(const char *const *names, size_t count, const char *part)
{
    t2i_vocab vocab;
    FAILS(t2i_vocab_new(&vocab, names, count, &err), T2I_DATA, part);
    CU_ASSERT_TRUE(vocab.name == NULL && vocab.code == NULL && vocab.order == NULL &&
                   vocab.size == 0);
    t2i_vocab_free(&vocab);
}

static void test_refused(void)
{
    refused((const char *const[]){"a", "<PAD>", "b", "a"}, 4, "'a' occurs twice");
    refused((const char *const[]){"a", "<PAD>", "<UNK>", "<PAD>"}, 4, "'<PAD>' occurs twice");
    refused((const char *const[]){"<IMG>", "<PAD>", "<IMG>"}, 3, "'<IMG>' occurs twice");
    refused((const char *const[]){"a", "b"}, 2, "has no <PAD>");
    refused((const char *const[]){"a", "<PAD>", "bc"}, 3, "entry 2 ('bc') is neither");
    refused((const char *const[]){"", "<PAD>"}, 2, "entry 0 ('') is neither");
    refused((const char *const[]){"<PAD>", "<>"}, 2, "entry 1 ('<>') is neither");
    refused((const char *const[]){"<PAD>", "<UNK"}, 2, "is neither");
    refused((const char *const[]){"<PAD>", "\xff"}, 2, "is neither");
    refused((const char *const[]){"<PAD>", "<\xff>"}, 2, "is neither");
    refused((const char *const[]){"<PAD>", "\xed\xa0\x80"}, 2, "is neither");
    refused(NULL, 0, "a vocabulary of 0 entries");
    refused(NULL, T2I_VOCAB_MAX + 1, "a vocabulary of 65536 entries");
}

/* ids fit 16 bits: 65,533 characters, <PAD> and <UNK>, and not one more. */
static void test_builder(void)
{
    t2i_vocab_builder *builder;
    t2i_vocab vocab;
    OK(t2i_vocab_builder_new(&builder, &err));
    t2i_vocab_builder_add(builder,
                          "b\xc3\xa9"
                          "ab",
                          5);
    t2i_vocab_builder_add(builder, "", 0);
    t2i_vocab_builder_add(builder, " a<", 3);
    OK(t2i_vocab_builder_end(builder, 1, &vocab, &err));
    static const char *const right[] = {" ", "<", "a", "b", "\xc3\xa9", "<PAD>", "<UNK>"};
    CU_ASSERT_EQUAL_FATAL(vocab.size, 7);
    for (size_t i = 0; i < 7; i++) CU_ASSERT_STRING_EQUAL(vocab.name[i], right[i]);
    CU_ASSERT_TRUE(vocab.pad == 5 && vocab.unknown == 6 && t2i_vocab_id(&vocab, 0xe9) == 4);
    t2i_vocab_free(&vocab);
    t2i_vocab_builder_free(builder);

    OK(t2i_vocab_builder_new(&builder, &err)); /* rare characters are left out */
    t2i_vocab_builder_add(builder, "aab", 3);
    t2i_vocab_builder_add(builder, "bcd", 3);
    t2i_vocab_builder_add(builder, "ba", 2);
    OK(t2i_vocab_builder_end(builder, 3, &vocab, &err));
    CU_ASSERT_TRUE(vocab.size == 4 && t2i_vocab_id(&vocab, 'a') == 0 &&
                   t2i_vocab_id(&vocab, 'b') == 1 && t2i_vocab_id(&vocab, 'c') == -1);
    t2i_vocab_free(&vocab);
    t2i_vocab_builder_free(builder);

    OK(t2i_vocab_builder_new(&builder, &err)); /* no text at all: only empty prompts */
    OK(t2i_vocab_builder_end(builder, 1, &vocab, &err));
    CU_ASSERT_TRUE(vocab.size == 2 && vocab.pad == 0 && vocab.unknown == 1);
    t2i_vocab_free(&vocab);
    uint32_t code = 0x10000;
    char bytes[4];
    for (; code < 0x10000 + T2I_VOCAB_MAX - 2; code++)
        t2i_vocab_builder_add(builder, bytes, t2i_utf8_encode(code, bytes));
    OK(t2i_vocab_builder_end(builder, 1, &vocab, &err));
    CU_ASSERT_TRUE(vocab.size == T2I_VOCAB_MAX && vocab.unknown == T2I_VOCAB_MAX - 1);
    CU_ASSERT_EQUAL(t2i_vocab_id(&vocab, code - 1), T2I_VOCAB_MAX - 3);
    t2i_vocab_free(&vocab);
    t2i_vocab_builder_add(builder, "a", 1);
    FAILS(t2i_vocab_builder_end(builder, 1, &vocab, &err), T2I_DATA,
          "more than 65533 different characters");
    CU_ASSERT_PTR_NULL(vocab.name);
    t2i_vocab_builder_free(builder);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"the tutorial's vocabulary", test_golden},
        {"prompts to ids: known, unknown, cut", test_encode},
        {"what is no vocabulary", test_refused},
        {"a fresh one from the training prompts", test_builder},
    };
    return t2i_test_main("vocab", tests, sizeof tests / sizeof *tests);
}
