/* The trie of a shard's prompts: every path spells a prompt, each prefix is there once, and rows
 * find their path. */
#include "test.h"

#include "base/rng.h"
#include "model/trie.h"

enum { PAD = 77 };
static t2i_error err;

/* Spells all paths into (paths, longest), and checks that nodes are where a walk says. */
static void spell(t2i_trie *t, uint16_t *text, size_t longest)
{
    size_t next = 0;
    for (size_t p = 0; p < t->paths; p++) {
        const uint32_t *node = t2i_trie_walk(t, p);
        CU_ASSERT_EQUAL(t->first[p], next);
        for (size_t i = 0; i < t->length[p]; i++) {
            text[p * longest + i] = t->id[node[i]];
            CU_ASSERT_EQUAL(t->pos[node[i]], i);
            CU_ASSERT_EQUAL(node[i] >= next, i >= t->shared[p]);
        }
        next += t->length[p] - t->shared[p];
        CU_ASSERT_EQUAL(t->last[p], next - 1);
        CU_ASSERT_EQUAL(t->last[p], node[t->length[p] - 1]);
    }
    CU_ASSERT_EQUAL(next, t->nodes);
}

static int spells(const t2i_trie *t, const uint16_t *text, size_t longest, const t2i_row *row,
                  size_t path)
{
    const uint16_t *p = text + path * longest;
    if (row->length == 0) return t->none[path] && t->length[path] == 1 && p[0] == PAD;
    return !t->none[path] && t->length[path] == row->length &&
           memcmp(p, row->ids, row->length * sizeof *p) == 0;
}

/* Distinct non-empty prefixes of the rows, counted the slow way. */
static size_t count_prefixes(const t2i_row *row, size_t rows)
{
    size_t count = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t n = 1; n <= row[r].length; n++) {
            int seen = 0;
            for (size_t before = 0; !seen && before < r; before++)
                seen = row[before].length >= n &&
                       memcmp(row[before].ids, row[r].ids, n * sizeof *row->ids) == 0;
            count += !seen;
        }
    return count;
}

/* Each node's pair is its own, pairs differ, and come in the order of their first nodes. */
static void check_pairs(const t2i_trie *t)
{
    size_t found = 0, wrong = 0;
    for (size_t n = 0; n < t->nodes; n++) {
        size_t pair = t->pair_of[n];
        wrong += pair > found || t->pair_id[pair] != t->id[n] || t->pair_pos[pair] != t->pos[n];
        found += pair == found;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(found, t->pairs);
    for (size_t a = 0; a < t->pairs; a++)
        for (size_t b = 0; b < a; b++)
            wrong += t->pair_id[a] == t->pair_id[b] && t->pair_pos[a] == t->pair_pos[b];
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_random_prompts(void)
{
    enum { ROWS = 40, LONGEST = 12 };
    static uint16_t ids[ROWS][LONGEST], text[ROWS * LONGEST];
    t2i_trie t;
    OK(t2i_trie_new(&t, ROWS, LONGEST, &err));
    for (uint64_t round = 0; round < 200; round++) {
        t2i_row row[ROWS];
        size_t rows = 1 + t2i_rng_below(1, round, 0, ROWS), tokens = 0, empty = 0;
        for (size_t r = 0; r < rows; r++) {
            row[r] = (t2i_row){ids[r], t2i_rng_below(2, round, r, LONGEST + 1)};
            for (size_t i = 0; i < row[r].length; i++) /* of few letters: much in common */
                ids[r][i] = (uint16_t)t2i_rng_below(3, round, r * LONGEST + i, 2 + round % 3);
            tokens += row[r].length == 0 ? 1 : row[r].length;
            empty |= row[r].length == 0;
        }
        t2i_trie_fill(&t, row, rows, PAD, 1);
        CU_ASSERT_EQUAL(t.tokens, tokens);
        CU_ASSERT_EQUAL(t.nodes, count_prefixes(row, rows) + empty);
        spell(&t, text, LONGEST);
        check_pairs(&t);
        size_t distinct = 0;
        for (size_t r = 0; r < rows; r++) {
            CU_ASSERT_TRUE(spells(&t, text, LONGEST, &row[r], t.path_of[r]));
            size_t before = 0;
            while (before < r && t.path_of[before] != t.path_of[r]) before++;
            distinct += before == r;
        }
        CU_ASSERT_EQUAL(t.paths, distinct); /* each path is some row's */
        t2i_trie_fill(&t, row, rows, PAD, 0);
        CU_ASSERT_EQUAL(t.paths, rows);
        CU_ASSERT_EQUAL(t.nodes, tokens);
        CU_ASSERT_EQUAL(t.pairs, 0);
        spell(&t, text, LONGEST);
        for (size_t r = 0; r < rows; r++) {
            CU_ASSERT_EQUAL(t.path_of[r], r);
            CU_ASSERT_TRUE(spells(&t, text, LONGEST, &row[r], r));
        }
    }
    t2i_trie_free(&t);
}

int main(void)
{
    static const t2i_test tests[] = {{"random prompts", test_random_prompts}};
    return t2i_test_main("trie", tests, sizeof tests / sizeof *tests);
}
