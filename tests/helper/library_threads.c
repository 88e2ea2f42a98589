/* library_threads.c - uses libt2i.so from several threads: with one handle per thread, and with one
 * handle for all; every result must be equal to that of a single thread. Also checks what the
 * library must not change: rounding mode, floating-point exceptions, signals, child processes,
 * standard output and error.
 *
 * Linked with the public library only. Usage: library_threads RUN DATASET PROMPT...
 * Prints the three nearest pictures of each prompt for each metric, as examples/nearest.c does.
 */
#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "t2i/t2i.h"

enum { THREADS = 4, TURNS = 20, TOP = 2 };
static const char *const prompt[] = {"red", "", "a \xe2\x82\xac \xe2\x98\x83", "the small blue"};
enum { PROMPTS = sizeof prompt / sizeof *prompt };

typedef struct {
    t2i_near near[2][PROMPTS][TOP];
    char name[PROMPTS][64];
    unsigned char rgb[64 * 64 * 3];
} answers;

static const char *run, *dataset;
static t2i_predictor *shared_model;
static t2i_index *shared_index;
static answers right;
static int bad;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("line %d: %s\n", __LINE__, #condition);                                         \
            bad = 1;                                                                               \
        }                                                                                          \
    } while (0)

static void ask(const t2i_predictor *model, t2i_index *index, answers *out)
{
    t2i_error error;
    const t2i_index_info *info = t2i_index_get_info(index);
    float *features = calloc(PROMPTS * info->features, sizeof *features);
    float *place = calloc(PROMPTS * info->place_size, sizeof *place);
    memset(out, 0, sizeof *out);
    CHECK(t2i_predictor_place(model, prompt, PROMPTS, features, place, &error) == T2I_OK);
    for (int metric = 0; metric < 2; metric++)
        CHECK(t2i_index_nearest_places(index, (t2i_metric)metric, place, PROMPTS, TOP,
                                       out->near[metric][0], &error) == T2I_OK);
    for (int i = 0; i < PROMPTS; i++) {
        const char *name = "";
        CHECK(t2i_index_name(index, out->near[0][i][0].image, &name, &error) == T2I_OK);
        snprintf(out->name[i], sizeof out->name[i], "%s", name);
    }
    if (info->has_decoder && 3 * info->height * info->width <= sizeof out->rgb) {
        static const answers none;
        const char *drawn = "";
        CHECK(t2i_index_decode(index, features, 1, out->rgb, &error) == T2I_OK);
        int own_space = info->place_size != info->features;
        answers same = none;
        CHECK(t2i_index_draw(index, features, place, same.rgb, &drawn, &error) == T2I_OK);
        CHECK((strcmp(drawn, "prediction") == 0) == !own_space);
        CHECK((memcmp(same.rgb, out->rgb, sizeof same.rgb) == 0) == !own_space);
        memcpy(out->rgb, same.rgb, sizeof same.rgb);
        CHECK(t2i_index_draw(index, features, place, same.rgb, NULL, &error) == T2I_OK);
    }
    free(place);
    free(features);
}

/* An index for no model is searched by features alone, one for a model with embed-dim by places
 * alone. */
static void search_features(void)
{
    t2i_error error;
    t2i_index *plain = NULL;
    size_t D = t2i_predictor_get_info(shared_model)->features,
           dim = t2i_predictor_get_info(shared_model)->place_size;
    float *features = calloc(D, sizeof *features), *place = calloc(dim, sizeof *place);
    t2i_near near[TOP], same[TOP];
    CHECK(t2i_index_open(&plain, dataset, &error) == T2I_OK);
    if (plain == NULL) return;
    CHECK(t2i_index_get_info(plain)->place_size == D);
    CHECK(t2i_index_get_info(shared_index)->place_size == dim);
    CHECK(t2i_predictor_predict(shared_model, prompt, 1, features, &error) == T2I_OK);
    CHECK(t2i_predictor_place(shared_model, prompt, 1, NULL, place, &error) == T2I_OK);
    CHECK(t2i_index_nearest(plain, T2I_COSINE, features, 1, TOP, near, &error) == T2I_OK);
    CHECK(t2i_index_nearest_places(plain, T2I_COSINE, place, 1, TOP, same, &error) == T2I_USAGE);
    CHECK(strstr(error.text, "t2i_index_open_for") != NULL);
    if (dim == D) {
        CHECK(memcmp(place, features, D * sizeof *place) == 0);
        CHECK(t2i_index_nearest(shared_index, T2I_COSINE, features, 1, TOP, same, &error) ==
              T2I_OK);
        CHECK(memcmp(near, same, sizeof near) == 0);
    } else {
        CHECK(t2i_index_nearest(shared_index, T2I_COSINE, features, 1, TOP, same, &error) ==
              T2I_USAGE);
        CHECK(strstr(error.text, "t2i_index_nearest_places") != NULL);
    }
    t2i_index_close(plain);
    free(place);
    free(features);
}

/* A row depends on its prompt alone, not on what is predicted with it. */
static void check_rows(const t2i_predictor *model)
{
    enum { MANY = 70 };
    const char *many[MANY];
    t2i_error error;
    size_t D = t2i_predictor_get_info(model)->features;
    float *together = calloc(MANY * D, sizeof *together), *alone = calloc(D, sizeof *alone);
    for (int i = 0; i < MANY; i++) many[i] = prompt[(i * 3 + i / 8) % PROMPTS];
    CHECK(t2i_predictor_predict(model, many, MANY, together, &error) == T2I_OK);
    for (int i = 0; i < MANY; i++) {
        CHECK(t2i_predictor_predict(model, many + i, 1, alone, &error) == T2I_OK);
        CHECK(memcmp(together + (size_t)i * D, alone, D * sizeof *alone) == 0);
    }
    free(together);
    free(alone);
}

static void *work(void *own)
{
    t2i_error error;
    t2i_predictor *model = shared_model;
    t2i_index *index = shared_index;
    answers got;
    for (int turn = 0; turn < TURNS; turn++) {
        if (own != NULL) CHECK(t2i_predictor_open(&model, run, &error) == T2I_OK);
        if (own != NULL) CHECK(t2i_index_open_for(&index, dataset, model, &error) == T2I_OK);
        if (model == NULL || index == NULL) return NULL;
        ask(model, index, &got);
        CHECK(memcmp(&got, &right, sizeof got) == 0);
        if (own != NULL) t2i_predictor_close(model);
        if (own != NULL) t2i_index_close(index);
    }
    return NULL;
}

static void run_threads(void)
{
    pthread_t thread[THREADS];
    t2i_error error;
    t2i_index *warm = shared_index;
    /* nothing is read so far of the one that they share */
    CHECK(t2i_index_open_for(&shared_index, dataset, shared_model, &error) == T2I_OK);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, work, i % 2 == 0 ? NULL : &right) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(thread[i], NULL) == 0);
    t2i_index_close(warm);
}

/* Another rounding mode changes no answer, and stays. */
static void round_up(void)
{
    answers got;
    t2i_error error;
    t2i_predictor *model = NULL;
    t2i_index *index = NULL;
    fesetround(FE_UPWARD);
    feclearexcept(FE_ALL_EXCEPT);
    CHECK(t2i_predictor_open(&model, run, &error) == T2I_OK);
    CHECK(t2i_index_open_for(&index, dataset, model, &error) == T2I_OK);
    ask(model, index, &got);
    CHECK(fegetround() == FE_UPWARD && fetestexcept(FE_ALL_EXCEPT) == 0);
    fesetround(FE_TONEAREST);
    CHECK(memcmp(&got, &right, sizeof got) == 0);
    t2i_index_close(index);
    t2i_predictor_close(model);
}

static void refuse(void)
{
    t2i_error error;
    t2i_predictor *model = (t2i_predictor *)&error;
    t2i_index *index = (t2i_index *)&error;
    const t2i_index_info *info = t2i_index_get_info(shared_index);
    float *features = calloc(info->features, sizeof *features);
    float *place = calloc(info->place_size, sizeof *place);
    t2i_near near[2];
    const char *name, *latin = "\xff";
    CHECK(t2i_predictor_open(&model, "no/such/run", &error) == T2I_NOINPUT && model == NULL);
    CHECK(error.status == T2I_NOINPUT && strstr(error.text, "no/such/run") != NULL);
    CHECK(t2i_predictor_open(&model, dataset, NULL) == T2I_DATA && model == NULL);
    CHECK(t2i_index_open(&index, "no/such/set", &error) == T2I_NOINPUT && index == NULL);
    CHECK(t2i_index_open(&index, "/proc/self/exe", &error) == T2I_DATA && index == NULL);
    CHECK(t2i_predictor_predict(shared_model, &latin, 1, features, &error) == T2I_USAGE);
    CHECK(t2i_index_nearest_places(shared_index, T2I_EUCLIDEAN, place, 1, 0, near, &error) ==
          T2I_USAGE);
    CHECK(t2i_index_nearest_places(shared_index, T2I_EUCLIDEAN, place, 1, info->pictures + 1, near,
                                   &error) == T2I_USAGE);
    place[0] = NAN;
    CHECK(t2i_index_nearest_places(shared_index, T2I_COSINE, place, 1, 1, near, &error) ==
          T2I_USAGE);
    CHECK(t2i_index_name(shared_index, info->pictures, &name, &error) == T2I_USAGE);
    free(place);
    free(features);
}

static void examine(void)
{
    t2i_error error;
    const t2i_predictor_info *info = t2i_predictor_get_info(shared_model);
    char unknown[16], *text = calloc(info->prompt_length + 4, 1);
    size_t cut = 9;
    CHECK(t2i_predictor_examine(shared_model, "\xe2\x98\x83\xe2\x98\x83", &cut, unknown, &error) ==
          T2I_OK);
    CHECK(cut == 0 && strcmp(unknown, "\xe2\x98\x83") == 0);
    memset(text, 'r', info->prompt_length + 3);
    char *none = calloc(info->prompt_length + 4, 1);
    CHECK(t2i_predictor_examine(shared_model, text, &cut, none, &error) == T2I_OK);
    CHECK(cut == 3 && none[0] == '\0');
    CHECK(t2i_predictor_token(shared_model, info->vocabulary - 1) != NULL);
    CHECK(t2i_predictor_token(shared_model, info->vocabulary) == NULL);
    free(none);
    free(text);
}

static void print_nearest(const char *const *asked, size_t count)
{
    t2i_error error;
    size_t dim = t2i_index_get_info(shared_index)->place_size;
    float *place = calloc(count * dim + 1, sizeof *place);
    CHECK(t2i_predictor_place(shared_model, asked, count, NULL, place, &error) == T2I_OK);
    for (int metric = 0; metric < 2; metric++)
        for (size_t i = 0; i < count; i++) {
            t2i_near near[3] = {{0, 0.0}};
            const char *name = "";
            CHECK(t2i_index_nearest_places(shared_index, (t2i_metric)metric, place + i * dim, 1, 3,
                                           near, &error) == T2I_OK);
            for (int k = 0; k < 3; k++) {
                CHECK(t2i_index_name(shared_index, near[k].image, &name, &error) == T2I_OK);
                printf("%s\t%.9g\t%s\n", asked[i], near[k].distance, name);
            }
        }
    free(place);
}

int main(int argc, char **argv)
{
    t2i_error error;
    sigset_t before, after;
    if (argc < 3) return 2;
    run = argv[1];
    dataset = argv[2];
    memset(&before, 0, sizeof before); /* not all of it is filled */
    memset(&after, 0, sizeof after);
    sigprocmask(SIG_SETMASK, NULL, &before);
    if (t2i_predictor_open(&shared_model, run, &error) != T2I_OK ||
        t2i_index_open_for(&shared_index, dataset, shared_model, &error) != T2I_OK) {
        printf("%s\n", error.text);
        return 1;
    }
    check_rows(shared_model);
    ask(shared_model, shared_index, &right);
    run_threads();
    round_up();
    search_features();
    refuse();
    examine();
    print_nearest((const char *const *)argv + 3, (size_t)argc - 3);
    t2i_index_close(shared_index);
    t2i_predictor_close(shared_model);
    t2i_index_close(NULL);
    t2i_predictor_close(NULL);
    sigprocmask(SIG_SETMASK, NULL, &after);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD); /* the reader is gone */
    return bad;
}
