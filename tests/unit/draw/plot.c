/* plot.c - charts show the labels they should and draw data where it belongs. Labels are found by
 * drawing the same text and looking for it; lines by their colour.
 */
#include "draw/plot.h"

#include <float.h>
#include <math.h>
#include "test.h"
#include "draw/canvas.h"

#define BLUE 0x0072b2u /* the first series */
#define PALE 0xc0dcecu /* its range */
#define GREY 0x5f6b7au /* tick labels */
#define DARK 0x1f2933u /* title, legend */
#define MANY 100000u

static uint32_t at(const t2i_image *image, size_t x, size_t y)
{
    const uint8_t *p = image->rgb + (y * image->width + x) * 3;
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* Mean row of a column's pixels that are more or less blue, below the legend; -1 without. */
static double row_of(const t2i_image *image, size_t x)
{
    double sum = 0.0, count = 0.0;
    for (size_t y = 80; y < image->height; y++)
        if ((at(image, x, y) & 255) > (at(image, x, y) >> 16) + 90) {
            sum += (double)y;
            count++;
        }
    return count > 0.0 ? sum / count : -1.0;
}

static size_t inked_in(const t2i_image *image, size_t x, uint32_t colour)
{
    size_t count = 0;
    for (size_t y = 80; y < image->height; y++) count += at(image, x, y) == colour;
    return count;
}

static size_t inked(const t2i_image *image, uint32_t colour)
{
    size_t count = 0;
    for (size_t x = 0; x < image->width; x++) count += inked_in(image, x, colour);
    return count;
}

/* Whether the text stands somewhere on white, in that colour. */
static int shows(const t2i_image *image, const char *text, uint32_t colour)
{
    t2i_error err;
    t2i_image part;
    int found = 0;
    size_t width = (size_t)t2i_canvas_text_width(text, 1);
    OK(t2i_image_new(&part, width, 16, &err));
    t2i_canvas_text(&part, 0, 0, text, 1, colour);
    for (size_t y = 0; !found && y + 16 <= image->height; y++)
        for (size_t x = 0; !found && x + width <= image->width; x++) {
            size_t row = 0;
            while (row < 16 &&
                   memcmp(part.rgb + row * width * 3,
                          image->rgb + ((y + row) * image->width + x) * 3, width * 3) == 0)
                row++;
            found = row == 16;
        }
    t2i_image_free(&part);
    if (!found) fprintf(stderr, "the chart does not show \"%s\"\n", text);
    return found;
}

static t2i_image draw(t2i_plot plot, const t2i_series *series, size_t count)
{
    t2i_error err;
    t2i_image image;
    OK(t2i_plot_draw(&image, &plot, series, count, &err));
    if (image.rgb == NULL) abort();
    return image;
}

static void linear(void)
{
    const double x[] = {1, 1000, 3000, 5000}, y[] = {0.05, 0.4, 0.8, 1.55};
    const t2i_series series[] = {{"training", x, y, 4, 0}, {"validation", x, y, 0, 1}};
    t2i_image image = draw((t2i_plot){"A title", "step", "loss", 0, 0, 0}, series, 2);
    CU_ASSERT(image.width == 960 && image.height == 540);
    static const char *const ticks[] = {"0",   "1000", "2000", "3000", "4000", "5000", "0.2",
                                        "0.4", "1.0",  "1.4",  "1.6",  "step", "loss"};
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++)
        CU_ASSERT(shows(&image, ticks[i], GREY));
    CU_ASSERT(shows(&image, "training", DARK));
    CU_ASSERT(shows(&image, "validation", DARK));
    /* Rising from left to right, and steadily: no gaps. */
    size_t x0 = 0, x1 = image.width - 1;
    while (x0 < x1 && row_of(&image, x0) < 0.0) x0++;
    while (x1 > x0 && row_of(&image, x1) < 0.0) x1--;
    CU_ASSERT(x0 < 100 && x1 > 900);
    for (size_t i = x0; i + 20 <= x1; i += 20)
        CU_ASSERT(row_of(&image, i) > row_of(&image, i + 20));
    t2i_image_free(&image);
}

static void logarithmic(void)
{
    double x[101], y[101];
    for (int i = 0; i <= 100; i++) {
        x[i] = i;
        y[i] = pow(10.0, -i / 20.0);
    }
    const t2i_series series = {NULL, x, y, 101, 0};
    t2i_image image = draw((t2i_plot){NULL, NULL, NULL, 1, 800, 400}, &series, 1);
    CU_ASSERT(image.width == 800 && image.height == 400);
    static const char *const ticks[] = {" 1",   "0.1",  "0.01", "0.001",
                                        "1e-4", "1e-5", " 20 ", "100"};
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++)
        CU_ASSERT(shows(&image, ticks[i], GREY));
    /* A falling exponential is a straight line. */
    double left = row_of(&image, 200), middle = row_of(&image, 400);
    double right = row_of(&image, 600);
    CU_ASSERT(left > 0.0 && middle > left + 50.0 && right > middle + 50.0);
    CU_ASSERT(fabs(left + right - 2.0 * middle) <= 2.0);
    t2i_image_free(&image);
}

static void log_of_few_decades(void)
{
    const double x[] = {0, 1}, narrow[] = {0.21, 0.49}, wide[] = {0.11, 4.9};
    t2i_series series = {NULL, x, narrow, 2, 0};
    t2i_image image = draw((t2i_plot){.log_y = 1}, &series, 1);
    CU_ASSERT(shows(&image, "0.2", GREY) && shows(&image, "0.3", GREY));
    CU_ASSERT(shows(&image, "0.4", GREY) && shows(&image, "0.5", GREY));
    t2i_image_free(&image);
    series.y = wide;
    image = draw((t2i_plot){.log_y = 1}, &series, 1);
    CU_ASSERT(shows(&image, "0.1", GREY) && shows(&image, "0.5", GREY));
    CU_ASSERT(shows(&image, " 2 ", GREY) && shows(&image, " 5 ", GREY));
    t2i_image_free(&image);
}

/* What is no number, and what a log axis cannot show, is a gap, not a bridge. */
static void gaps(void)
{
    double x[301], y[301];
    for (int i = 0; i <= 300; i++) {
        x[i] = i;
        y[i] = i > 100 && i < 200 ? (i % 2 ? NAN : INFINITY) : 1.0;
    }
    y[150] = 1.0; /* alone between gaps: a dot */
    const t2i_series series = {NULL, x, y, 301, 0};
    for (int log = 0; log < 2; log++) {
        if (log)
            for (int i = 101; i < 200; i++) y[i] = i == 150 ? 1.0 : -(double)(i % 3);
        t2i_image image = draw((t2i_plot){.log_y = log}, &series, 1);
        CU_ASSERT(row_of(&image, 200) > 0.0 && row_of(&image, 800) > 0.0);
        CU_ASSERT(row_of(&image, 420) < 0.0 && row_of(&image, 580) < 0.0);
        size_t dots = 0;
        for (size_t i = 420; i < 580; i++) dots += row_of(&image, i) > 0.0;
        CU_ASSERT(dots >= 2 && dots <= 6);
        t2i_image_free(&image);
    }
}

static void dense(void)
{
    double *x = t2i_alloc(MANY, sizeof *x), *y = t2i_alloc(MANY, sizeof *y);
    for (size_t i = 0; i < MANY; i++) {
        x[i] = (double)i;
        y[i] = 1.0 + 0.1 * (double)(i % 2);
    }
    y[MANY / 2] = 9.5; /* single points among 100,000 must show */
    y[MANY / 4] = -7.5;
    const t2i_series series = {NULL, x, y, MANY, 0};
    t2i_image image = draw((t2i_plot){0}, &series, 1);
    CU_ASSERT(inked(&image, BLUE) > 700);
    size_t high = 0, where = 0;
    for (size_t column = 0; column < image.width; column++) {
        size_t pale = inked_in(&image, column, PALE);
        if (pale <= 100) continue; /* not one of the two */
        high++;
        where += column;
    }
    CU_ASSERT_EQUAL(high, 2);
    CU_ASSERT(where > 260 + 480 && where < 300 + 520); /* a quarter and half of the way */
    t2i_image_free(&image);
    t2i_free(x);
    t2i_free(y);
}

/* Steps that start just above 0 have a tick there; others start with the data. */
static void start_of_x(void)
{
    const double x[] = {5, 1000}, later[] = {500, 1000}, y[] = {3, 5};
    t2i_series series = {NULL, x, y, 2, 0};
    t2i_image image = draw((t2i_plot){0}, &series, 1);
    CU_ASSERT(shows(&image, " 0 ", GREY));
    CU_ASSERT(row_of(&image, 60) > 0.0);
    t2i_image_free(&image);
    series.x = later;
    image = draw((t2i_plot){0}, &series, 1);
    CU_ASSERT(shows(&image, "500", GREY));
    CU_ASSERT(row_of(&image, 60) > 0.0);
    t2i_image_free(&image);
}

static void nothing_one_equal(void)
{
    const double x[] = {3, 4, 5, 6}, y[] = {0.25, 0.25, 0.25, 0.25}, none[] = {NAN, 1};
    t2i_series series = {NULL, x, y, 4, 0};
    for (int log = 0; log < 2; log++) {
        const t2i_plot plot = {.log_y = log};
        t2i_image image = draw(plot, NULL, 0);
        CU_ASSERT(shows(&image, "no data yet", GREY));
        t2i_image_free(&image);

        series = (t2i_series){NULL, none, y, 1, 1};
        image = draw(plot, &series, 1);
        CU_ASSERT(shows(&image, "no data yet", GREY));
        CU_ASSERT_EQUAL(inked(&image, BLUE), 0);
        t2i_image_free(&image);

        series = (t2i_series){NULL, x, y, 1, 0};
        image = draw(plot, &series, 1);
        CU_ASSERT(inked(&image, BLUE) >= 4 && inked(&image, BLUE) <= 40);
        CU_ASSERT(shows(&image, "3", GREY));
        t2i_image_free(&image);

        series.count = 4;
        image = draw(plot, &series, 1);
        CU_ASSERT_EQUAL(row_of(&image, 200), row_of(&image, 800));
        CU_ASSERT(row_of(&image, 200) > 100.0 && row_of(&image, 200) < 460.0);
        t2i_image_free(&image);
    }
}

/* Numbers at the ends of what there is, in every mixture: the sanitizers watch. */
static void extremes(void)
{
    static const double odd[] = {-DBL_MAX, -1e299,   -1.0,    -DBL_MIN, -4.9e-324,
                                 0.0,      4.9e-324, DBL_MIN, 1.0,      1.0 + 1e-15,
                                 1e15,     1e299,    DBL_MAX};
    const size_t count = sizeof odd / sizeof *odd;
    static const size_t sides[][2] = {{240, 160}, {241, 240}, {0, 0}};
    for (size_t i = 0; i < count; i++)
        for (size_t j = i; j < count; j++)
            for (int log = 0; log < 2; log++) {
                const double x[] = {odd[i], odd[j]}, y[] = {odd[j], odd[i]};
                const t2i_series series[] = {{"s", x, y, 2, 1}, {"t", x, x, 2, 0}};
                const size_t *side = sides[(i + j) % 3];
                t2i_image image = draw((t2i_plot){"t", "x", "y", log, side[0], side[1]}, series, 2);
                t2i_image_free(&image);
            }
}

static void long_labels(void)
{
    const double x[] = {0, 1}, y[] = {1e-9, 2e-9};
    static const char endless[] =
        "a label that nobody would write but somebody's file name is, for it "
        "goes on and on and on and on and on and on and on and on";
    t2i_series series[40];
    for (int i = 0; i < 40; i++) series[i] = (t2i_series){endless, x, y, 2, i % 2};
    static const size_t sides[][2] = {{240, 160}, {300, 240}, {960, 540}};
    for (size_t i = 0; i < 3; i++) {
        t2i_image image =
            draw((t2i_plot){endless, endless, endless, 0, sides[i][0], sides[i][1]}, series, 40);
        CU_ASSERT(shows(&image, i < 2 ? "2e-9" : "2.0e-9", GREY));
        t2i_image_free(&image);
    }
}

int main(void)
{
    static const t2i_test tests[] = {
        {"linear: ticks, labels, legend, a line without gaps", linear},
        {"log: decades, and an exponential is straight", logarithmic},
        {"log of few decades: digits are labelled", log_of_few_decades},
        {"gaps are not bridged, lone points show", gaps},
        {"many points: ranges, means, and a single spike shows", dense},
        {"x starts at 0 or with the data", start_of_x},
        {"no point, one point, all equal", nothing_one_equal},
        {"extreme numbers do no harm", extremes},
        {"endless labels and many series leave room for the chart", long_labels},
    };
    setenv("T2I_FONT", "builtin", 1);
    return t2i_test_main("plot", tests, sizeof tests / sizeof *tests);
}
