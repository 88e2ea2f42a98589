/* PSNR of two pictures. */
#include "test.h"

#include <math.h>

#include "retrieval/psnr.h"

static void test_psnr(void)
{
    static uint8_t a[3000], b[3000];
    CU_ASSERT_EQUAL(t2i_psnr(a, b, sizeof a), (double)T2I_PSNR_MOST);
    for (size_t i = 0; i < sizeof a; i++) {
        a[i] = (uint8_t)(i % 200);
        b[i] = (uint8_t)(a[i] + 10);
    }
    CU_ASSERT_DOUBLE_EQUAL(t2i_psnr(a, b, sizeof a), 20 * log10(25.5), 1e-9);
    CU_ASSERT_EQUAL(t2i_psnr(a, b, sizeof a), t2i_psnr(b, a, sizeof a));
    memset(a, 0, sizeof a);
    memset(b, 255, sizeof b);
    CU_ASSERT_EQUAL(t2i_psnr(a, b, sizeof a), 0.0);
    memset(b, 0, sizeof b);
    b[0] = 1; /* close to equal: not above what equal pictures have */
    CU_ASSERT_TRUE(t2i_psnr(a, b, sizeof a) <= (double)T2I_PSNR_MOST);
}

int main(void)
{
    static const t2i_test tests[] = {{"known differences have known values", test_psnr}};
    return t2i_test_main("psnr", tests, sizeof tests / sizeof *tests);
}
