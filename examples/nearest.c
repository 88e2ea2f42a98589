/* nearest.c - prints the three pictures of a dataset that are nearest to each prompt.
 *
 *     cc nearest.c $(pkg-config --cflags --libs t2i) -o nearest
 *     ./nearest runs/shapes data/shapes.h5 "a small red circle"
 */
#include <stdio.h>
#include <stdlib.h>
#include <t2i/t2i.h>

int main(int argc, char **argv)
{
    t2i_predictor *model = NULL;
    t2i_index *index = NULL;
    t2i_near near[3];
    t2i_error error = {.text = "usage: nearest RUN|MODEL DATASET PROMPT..."};
    t2i_status status = argc < 4 ? T2I_USAGE : t2i_predictor_open(&model, argv[1], &error);
    if (status == T2I_OK) status = t2i_index_open_for(&index, argv[2], model, &error);
    float *place = model ? calloc(t2i_predictor_get_info(model)->place_size, sizeof *place) : NULL;
    for (int i = 3; status == T2I_OK && i < argc; i++) {
        const char *prompt = argv[i], *name;
        status = t2i_predictor_place(model, &prompt, 1, NULL, place, &error);
        if (status == T2I_OK)
            status = t2i_index_nearest_places(index, T2I_EUCLIDEAN, place, 1, 3, near, &error);
        for (int k = 0; status == T2I_OK && k < 3; k++) {
            status = t2i_index_name(index, near[k].image, &name, &error);
            if (status == T2I_OK) printf("%s\t%.9g\t%s\n", prompt, near[k].distance, name);
        }
    }
    if (status != T2I_OK) fprintf(stderr, "nearest: %s\n", error.text);
    free(place);
    t2i_index_close(index);
    t2i_predictor_close(model);
    return (int)status;
}
