/* sheet: pictures and labels are where they should be; nothing makes it fail or grow without end.
 */
#include "picture.h"
#include "base/mem.h"
#include "image/image_png.h"
#include "retrieval/contact_sheet.h"
#include "base/fs.h"

#include "unit/retrieval/loaded_model_sample.h"

static size_t count_colour(const t2i_image *image, unsigned r, unsigned g, unsigned b)
{
    size_t count = 0;
    for (size_t i = 0; image->rgb != NULL && i < image->width * image->height; i++)
        count += image->rgb[3 * i] == r && image->rgb[3 * i + 1] == g && image->rgb[3 * i + 2] == b;
    return count;
}

static void fill(t2i_image *image, size_t width, size_t height, uint8_t r, uint8_t g, uint8_t b)
{
    OK(t2i_image_new(image, width, height, &err));
    for (size_t i = 0; image->rgb != NULL && i < width * height; i++) {
        image->rgb[3 * i] = r;
        image->rgb[3 * i + 1] = g;
        image->rgb[3 * i + 2] = b;
    }
}

static const char *const headings[] = {"first", "second"};

static void enlarges(void)
{
    t2i_image red, blue, out;
    fill(&red, 64, 64, 200, 10, 20);
    fill(&blue, 64, 32, 10, 20, 200);
    const char *const label[] = {"one", "two"};
    const t2i_tile tile[] = {
        {&red, "r.png", "n"}, {&blue, NULL, NULL}, {NULL, "", ""}, {&red, "r", NULL}};
    const t2i_contact_sheet sheet = {"Title", headings, 2, 2, label, tile};
    OK(t2i_contact_sheet_draw(&out, &sheet, &err));
    CU_ASSERT(count_colour(&out, 200, 10, 20) == 2 * 128 * 128);
    CU_ASSERT(count_colour(&out, 10, 20, 200) == 128 * 64);
    CU_ASSERT(count_colour(&out, 0xe6, 0xe6, 0xe6) > 128 * 120); /* the empty tile, less its text */
    t2i_image_free(&out);
    t2i_image_free(&red);
    t2i_image_free(&blue);
}

static void shrinks(void)
{
    t2i_image wide, thin, out;
    fill(&wide, 1000, 500, 200, 10, 20);
    fill(&thin, 1000, 1, 10, 20, 200);
    const char *const label[] = {""};
    const t2i_tile tile[] = {{&wide, NULL, NULL}, {&thin, NULL, NULL}};
    const t2i_contact_sheet sheet = {"", headings, 2, 1, label, tile};
    OK(t2i_contact_sheet_draw(&out, &sheet, &err));
    CU_ASSERT(count_colour(&out, 200, 10, 20) == 256 * 128);
    CU_ASSERT(count_colour(&out, 10, 20, 200) == 256);
    t2i_image_free(&out);
    t2i_image_free(&wide);
    t2i_image_free(&thin);
}

/* Long words everywhere, control characters, bytes that are not UTF-8. */
static void hostile_texts(void)
{
    t2i_image out;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    text[40] = '\n';
    text[41] = '\xff';
    const char *const label[] = {text}, *const heading[] = {text, text};
    const t2i_tile tile[] = {{NULL, text, text}, {NULL, text + 41, text + 41}};
    const t2i_contact_sheet sheet = {text, heading, 2, 1, label, tile};
    OK(t2i_contact_sheet_draw(&out, &sheet, &err));
    CU_ASSERT(out.width < 1000 && out.height < 1000);
    t2i_image_free(&out);
}

static void too_many_rows(void)
{
    enum { ROWS = 400 };
    static const char *label[ROWS];
    static t2i_tile tile[ROWS];
    t2i_image out;
    for (size_t i = 0; i < ROWS; i++) label[i] = "prompt";
    const t2i_contact_sheet sheet = {"Title", headings, 1, ROWS, label, tile};
    OK(t2i_contact_sheet_draw(&out, &sheet, &err));
    CU_ASSERT(out.height > T2I_IMAGE_SIDE_MAX - 1000 && out.height <= T2I_IMAGE_SIDE_MAX);
    t2i_image_free(&out);
}

static char samples_path[330];

/* trains: the picture that trains, of a model with a search space of its own; PICTURES: none; -1:
 * of a model without. */
static void draw_samples(const char *data, int trains, t2i_image *out)
{
    static const t2i_prompt prompt[] = {{"gamma", 5}, {"", 0}};
    static const uint32_t truth[] = {3, 4};
    t2i_dataset *dataset = NULL;
    t2i_gallery g = {0};
    char *path = samples_path;
    float prediction[2 * D], place[2 * D];
    for (size_t i = 0; i < 2 * D; i++) {
        prediction[i] = PREDICTED - 0.5f;
        place[i] = colour[2][0] - 0.5f;
    }
    snprintf(path, sizeof samples_path, "%s/samples.png", folder);
    OK(t2i_dataset_open(&dataset, data, &err));
    if (dataset == NULL) return;
    OK(t2i_gallery_new(&g, dataset, NULL, &err));
    if (trains >= 0) {
        g.trains = t2i_alloc(1, 1);
        g.trains[0] = trains < PICTURES ? (uint8_t)(1 << trains) : 0;
    }
    OK(t2i_contact_sheet_samples(path, "After step 1", &g, prompt, 2, prediction, place, truth,
                                 &err));
    OK(read_picture(out, path, &err));
    t2i_gallery_free(&g);
    t2i_dataset_close(dataset);
}

/* Both rows: decoded grey 89, nearest picture 2; true: 3, then 4. */
static void samples(void)
{
    t2i_image out = {0}, bare = {0};
    write_dataset(data_file, 1, D);
    write_dataset(bare_file, 0, D);
    draw_samples(data_file, -1, &out);
    CU_ASSERT(count_colour(&out, 89, 89, 89) == 2 * 128 * 128);
    CU_ASSERT(count_colour(&out, 179, 179, 179) == 2 * 128 * 128);
    CU_ASSERT(count_colour(&out, 204, 128, 128) == 128 * 128);
    CU_ASSERT(count_colour(&out, 13, 13, 13) == 128 * 128);
    draw_samples(bare_file, -1, &bare);
    CU_ASSERT(bare.width + 128 < out.width + 1); /* no column of decoded pictures */
    CU_ASSERT(count_colour(&bare, 0xe6, 0xe6, 0xe6) > 4 * 128 * 120);
    t2i_image_free(&out);
    t2i_image_free(&bare);
}

/* With a search space the training picture is drawn, and the sheet tells; 4 is nearest to nothing.
 */
static void samples_of_found_pictures(void)
{
    t2i_image plain = {0}, none = {0}, found = {0};
    draw_samples(data_file, -1, &plain);
    draw_samples(data_file, PICTURES, &none);
    draw_samples(data_file, 4, &found);
    CU_ASSERT(count_colour(&none, 89, 89, 89) == 2 * 128 * 128);
    CU_ASSERT(count_colour(&found, 89, 89, 89) == 0);
    CU_ASSERT(count_colour(&found, 13, 13, 13) == 3 * 128 * 128);
    size_t ink = count_colour(&plain, 0x1c, 0x1c, 0x1c);
    CU_ASSERT(count_colour(&none, 0x1c, 0x1c, 0x1c) > ink); /* "prediction" */
    CU_ASSERT(count_colour(&found, 0x1c, 0x1c, 0x1c) > ink);
    t2i_image_free(&plain);
    t2i_image_free(&none);
    t2i_image_free(&found);
}

/* The top left pixel of a row's and column's picture. */
static unsigned corner(const t2i_image *sheet, const t2i_contact_sheet_grid *g, size_t row,
                       size_t column)
{
    size_t x = g->left + column * g->across, y = g->top + row * g->down;
    return sheet->rgb[3 * (y * sheet->width + x)];
}

static int read_grid(t2i_contact_sheet_grid *grid, const t2i_image *sheet)
{
    t2i_text file = {0};
    OK(t2i_fs_read(samples_path, 1 << 20, &file, &err));
    int found = t2i_contact_sheet_read_grid(grid, sheet, file.data, file.size);
    t2i_text_free(&file);
    return found;
}

/* What is drawn is found again. */
static void reads_grid(void)
{
    t2i_image out = {0}, bare = {0};
    t2i_contact_sheet_grid grid = {0};
    write_dataset(data_file, 1, D);
    write_dataset(bare_file, 0, D);
    draw_samples(data_file, -1, &out);
    CU_ASSERT(read_grid(&grid, &out));
    CU_ASSERT(grid.rows == 2 && grid.columns == 3 && grid.tile == 128);
    for (size_t row = 0; row < 2; row++)
        CU_ASSERT(corner(&out, &grid, row, 0) == 89 && corner(&out, &grid, row, 1) == 179);
    CU_ASSERT(corner(&out, &grid, 0, 2) == 204 && corner(&out, &grid, 1, 2) == 13);
    draw_samples(bare_file, -1, &bare);
    CU_ASSERT(read_grid(&grid, &bare));
    CU_ASSERT(grid.rows == 2 && grid.columns == 2 && grid.tile == 128);
    t2i_image_free(&out);
    t2i_image_free(&bare);
}

static int takes_grid(const char *note)
{
    t2i_image sheet;
    t2i_text png = {0};
    t2i_contact_sheet_grid grid;
    OK(t2i_image_new(&sheet, 300, 200, &err));
    OK(t2i_image_png_encode_note(&sheet, "t2i-grid", note, &png, &err));
    int taken = t2i_contact_sheet_read_grid(&grid, &sheet, png.data, png.size);
    for (size_t size = 0; size < png.size; size++) /* a file that is cut */
        (void)t2i_contact_sheet_read_grid(&grid, &sheet, png.data, size);
    t2i_text_free(&png);
    t2i_image_free(&sheet);
    return taken;
}

/* A grid that does not lie within the picture is none. */
static void refuses_grids(void)
{
    CU_ASSERT(takes_grid("rows 2 columns 3 tile 50 left 100 top 10 across 70 down 90"));
    CU_ASSERT(!takes_grid("rows 3 columns 3 tile 50 left 100 top 10 across 70 down 90"));
    CU_ASSERT(!takes_grid("rows 2 columns 4 tile 50 left 100 top 10 across 70 down 90"));
    CU_ASSERT(!takes_grid("rows 0 columns 3 tile 50 left 100 top 10 across 70 down 90"));
    CU_ASSERT(!takes_grid("rows 2 columns 3 tile 0 left 100 top 10 across 70 down 90"));
    CU_ASSERT(!takes_grid("rows 2 columns 3 tile 50 left 999999999 top 10 across 70 down 90"));
    CU_ASSERT(!takes_grid("rows 999999999 columns 1 tile 1 left 0 top 0 across 1 down 999999999"));
    CU_ASSERT(!takes_grid("rows -1 columns 3 tile 50 left 100 top 10 across 70 down 90"));
    CU_ASSERT(!takes_grid("rows 2") && !takes_grid("x") && !takes_grid(NULL));
}

int main(void)
{
    static const char *const made[] = {"samples.png"};
    static const t2i_test tests[] = {
        {"small pictures are enlarged", enlarges},
        {"large pictures are made smaller", shrinks},
        {"any text can be drawn", hostile_texts},
        {"rows beyond the limit are left out", too_many_rows},
        {"samples of a run", samples},
        {"samples of found pictures", samples_of_found_pictures},
        {"and where they are on the sheet", reads_grid},
        {"a grid beyond the picture is none", refuses_grids},
    };
    setenv("T2I_FONT", "builtin", 1);
    if (begin_folder("sheet") != 0) return 1;
    int failed = t2i_test_main("sheet", tests, sizeof tests / sizeof *tests);
    return failed | end_folder(made, 1);
}
