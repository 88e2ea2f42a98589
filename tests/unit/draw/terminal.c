/* Pictures for a terminal: the right characters and colours in the right number of lines. */
#include "test.h"

#include "draw/canvas.h"
#include "draw/terminal.h"

static t2i_error err;

static size_t times(const t2i_text *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text->data; (at = strstr(at, word)) != NULL; at++) count++;
    return count;
}

/* Upper half red, lower half blue; and an empty one. */
static void blocks(void)
{
    t2i_image both, none = {0};
    const t2i_image *const row[] = {&both, &none, &both};
    t2i_text out = {0};
    OK(t2i_image_new(&both, 180, 180, &err));
    t2i_canvas_fill(&both, 0, 0, 180, 90, 0xff0000);
    t2i_canvas_fill(&both, 0, 90, 180, 90, 0x0000ff);
    OK(t2i_terminal_row(&out, T2I_HALF_BLOCKS, row, 3, &err));
    CU_ASSERT(times(&out, "\n") == T2I_CELLS_HIGH);
    CU_ASSERT(times(&out, "\xe2\x96\x80") == 2 * T2I_CELLS_WIDE * T2I_CELLS_HIGH);
    CU_ASSERT(times(&out, "38;2;255;0;0;48;2;255;0;0m") == 2 * T2I_CELLS_WIDE * 4);
    CU_ASSERT(times(&out, "38;2;0;0;255;48;2;0;0;255m") == 2 * T2I_CELLS_WIDE * 4);
    CU_ASSERT(times(&out, "\033[0m") == 2 * T2I_CELLS_HIGH); /* no colour runs on */
    t2i_text_free(&out);
    t2i_image_free(&both);
}

/* A picture that compresses badly goes in several pieces, the last of which says so. */
static void kitty(void)
{
    t2i_image noise;
    const t2i_image *const row[] = {&noise};
    t2i_text out = {0};
    OK(t2i_image_new(&noise, 100, 100, &err));
    for (size_t i = 0; i < 30000; i++) noise.rgb[i] = (uint8_t)(i * i * 31 >> 7);
    OK(t2i_terminal_row(&out, T2I_KITTY, row, 1, &err));
    size_t pieces = times(&out, "\033_G");
    CU_ASSERT(pieces > 2 && times(&out, "\033\\") == pieces);
    CU_ASSERT(times(&out, "\033_Ga=T,f=100,C=1,q=2,c=18,r=9,m=1;iVBORw0KGgo") == 1);
    CU_ASSERT(times(&out, "m=1;") == pieces - 1 && times(&out, "\033_Gm=0;") == 1);
    t2i_text_free(&out);
    OK(t2i_terminal_row(&out, T2I_NO_PICTURES, row, 1, &err));
    CU_ASSERT(out.size == 0);
    t2i_image_free(&noise);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"half-blocks", blocks},
        {"kitty", kitty},
    };
    return t2i_test_main("terminal", tests, sizeof tests / sizeof *tests);
}
