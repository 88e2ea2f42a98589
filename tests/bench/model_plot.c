/* Draws the table of `make scaling-model` (on standard input): the efficiency of 16 ranks a node,
 * 16 rows a rank, over the ranks; each node's sum first, and each rank on its own. Usage:
 * model_plot F.png */
#include <math.h>
#include <stdio.h>

#include "image/image.h"
#include "base/log.h"
#include "draw/plot.h"
#include "image/image_file.h"

enum { POINTS = 32 };

int main(int argc, char **argv)
{
    double x[POINTS], node[POINTS], own[POINTS];
    size_t count = 0;
    char line[1024];
    t2i_error err;
    t2i_image image = {0};
    t2i_log_program("model_plot");
    while (count < POINTS && fgets(line, sizeof line, stdin) != NULL) {
        int ranks, each, rows;
        if (sscanf(line, "| %d | %d | %*d | %d | %*f ms | %lf %% | %*f ms | %lf", &ranks, &each,
                   &rows, &node[count], &own[count]) != 5)
            continue;
        if (rows != 16 || each != (ranks < 16 ? ranks : 16)) continue;
        x[count++] = log2(ranks);
    }
    const t2i_series series[] = {{"summed up in the node first", x, node, count, 1},
                                 {"each rank on its own", x, own, count, 1}};
    const t2i_plot plot = {.title = "Efficiency, 16 ranks a node, 16 rows a rank (model)",
                           .x_label = "log2 of the ranks",
                           .y_label = "% of a step",
                           .width = 640,
                           .height = 360};
    t2i_status status = argc != 2 ? t2i_fail(&err, T2I_USAGE, "usage: model_plot F.png < TABLE")
                                  : t2i_plot_draw(&image, &plot, series, 2, &err);
    if (status == T2I_OK) status = t2i_image_file_write(&image, argv[1], &err);
    t2i_image_free(&image);
    if (status != T2I_OK) t2i_log_error(&err);
    return (int)status;
}
