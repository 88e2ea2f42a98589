/* t2i.h - libt2i: pictures for prompts, by a trained model.
 *
 * A predictor is a trained model. For a prompt it predicts the features of a picture, which can be
 * drawn, and a place in the model's search space, in which prompts and pictures are compared. The
 * search space of a model that was trained without embed-dim is the space of the features. An index
 * holds the places of the pictures of a dataset: it finds the pictures that are nearest to a
 * prompt, and draws features if the dataset has a decoder. The results are bit-identical to those
 * of t2i-generate.
 *
 *     t2i_predictor_open(&model, "runs/emoji", &error);
 *     t2i_index_open_for(&index, "data/emoji.h5", model, &error);
 *     t2i_predictor_place(model, &prompt, 1, features, place, &error);
 *     t2i_index_nearest_places(index, T2I_COSINE, place, 1, 5, near, &error);
 *     t2i_index_draw(index, features, place, rgb, NULL, &error);
 *
 * Link with `pkg-config --cflags --libs t2i`. See docs/library.md, and examples/ for programs.
 *
 * Errors. Every function that can fail returns a t2i_status. On failure it also fills the caller's
 * t2i_error, unless that is NULL, with one sentence that can be shown to a user; on success the
 * error is not changed. After a failure an opened handle is NULL and other outputs are undefined.
 * The library prints nothing and does not end the program, with one exception: a failed internal
 * assertion, which is a bug of the library, is reported on standard error and ends the process with
 * exit code 70.
 *
 * Threads. All functions may be called by several threads at the same time, also with the same
 * handle. A handle must be closed once, when no other thread uses it.
 *
 * Process. The library uses no MPI and starts no threads. It installs no signal handlers, and
 * restores the caller's rounding mode and floating-point exceptions before a function returns.
 * While an index is open the process has a child process, t2i-reader, which reads the dataset,
 * because HDF5 may crash on a damaged file; closing the last index ends it. After a fork the child
 * may open its own index, but must not use one of its parent.
 *
 * Memory. Returned strings and structures belong to the handle, and are valid until it is closed.
 * Prompts are NUL-terminated UTF-8.
 */
#ifndef T2I_T2I_H
#define T2I_T2I_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define T2I_API __attribute__((visibility("default")))
#else
#define T2I_API
#endif

/* The numbers are the exit codes of the programs. */
typedef enum {
    T2I_OK = 0,
    T2I_USAGE = 64,      /* an argument is wrong (programs: the command line or job file) */
    T2I_DATA = 65,       /* an input file is damaged or not valid */
    T2I_NOINPUT = 66,    /* an input file is missing or cannot be opened */
    T2I_BUG = 70,        /* internal error */
    T2I_SYSTEM = 71,     /* out of memory, or an error of the system (programs: or of MPI) */
    T2I_CANTCREATE = 73, /* an output file cannot be created (programs only) */
    T2I_IO = 74,         /* reading or writing failed */
    T2I_STOPPED = 75     /* stopped early with a sound checkpoint (programs only) */
} t2i_status;

typedef struct {
    t2i_status status;
    char text[1024];
} t2i_error;

/* Version of the library in use, as "MAJOR.MINOR.PATCH". */
T2I_API const char *t2i_version(void);

/* ---- predictor: prompts to features and places ---- */

typedef struct t2i_predictor t2i_predictor;

/* Later versions may add members at the end. */
typedef struct {
    const char *path;     /* path of the model file */
    const char *dataset;  /* the dataset that the run's job.ini names; NULL: none */
    size_t features;      /* number of features of a prediction */
    size_t prompt_length; /* largest number of characters of a prompt; the rest is ignored */
    size_t vocabulary;    /* number of tokens */
    size_t parameters;    /* number of parameters */
    size_t layers, heads, width, hidden_width;
    long step;    /* training step of a model of t2i-train; 0 otherwise */
    int verified; /* 1: the file has checksums, and they match; 0: a file of another program */
    size_t place_size; /* numbers of a place in the search space */
} t2i_predictor_info;

/* Opens a model. path: a run folder of t2i-train (its model.safetensors, or else its newest sound
 * checkpoint), a model or checkpoint file (.safetensors), or a .pt file in the tutorial's layout.
 * T2I_NOINPUT, T2I_DATA, T2I_IO, T2I_SYSTEM. */
T2I_API t2i_status t2i_predictor_open(t2i_predictor **out, const char *path, t2i_error *error);
/* NULL is legal. */
T2I_API void t2i_predictor_close(t2i_predictor *predictor);
T2I_API const t2i_predictor_info *t2i_predictor_get_info(const t2i_predictor *predictor);

/* A token of the vocabulary: one character as UTF-8, or a special token such as "<PAD>". NULL if
 * number is not below info.vocabulary. */
T2I_API const char *t2i_predictor_token(const t2i_predictor *predictor, size_t number);

/* features (prompts, info.features): predictions, all finite. A row depends on its prompt alone,
 * not on the other prompts of the call. T2I_USAGE: a prompt is not UTF-8; T2I_DATA: a prediction is
 * not finite. */
T2I_API t2i_status t2i_predictor_predict(const t2i_predictor *predictor, const char *const *prompt,
                                         size_t prompts, float *features, t2i_error *error);

/* The same features, and place (prompts, info.place_size): the prompts in the model's search space,
 * for an index of t2i_index_open_for. Without embed-dim a place is a copy of the features. Either
 * output may be NULL. */
T2I_API t2i_status t2i_predictor_place(const t2i_predictor *predictor, const char *const *prompt,
                                       size_t prompts, float *features, float *place,
                                       t2i_error *error);

/* Reports what the model ignores in a prompt. *cut: number of characters beyond info.prompt_length.
 * unknown (at least strlen(prompt) + 1 bytes): the distinct characters within info.prompt_length
 * that are not in the vocabulary, in order of appearance. T2I_USAGE: the prompt is not UTF-8. */
T2I_API t2i_status t2i_predictor_examine(const t2i_predictor *predictor, const char *prompt,
                                         size_t *cut, char *unknown, t2i_error *error);

/* ---- index: places and features to pictures ---- */

typedef struct t2i_index t2i_index;

/* Later versions may add members at the end. */
typedef struct {
    const char *path;     /* path of the dataset */
    const char *digest;   /* 32 hex digits, equal for equal contents */
    const char *encoder;  /* source of the features: "pca", "resnet18", "features" */
    size_t pictures;      /* number of pictures; they are numbered from 0 */
    size_t features;      /* features per picture; must be equal to those of the predictor */
    size_t height, width; /* of stored and drawn pictures, in pixels; 0: none */
    int has_pixels;       /* 1: the dataset stores pictures, see t2i_index_picture */
    int has_decoder;      /* 1: the dataset has a decoder, see t2i_index_draw */
    size_t place_size;    /* numbers of a place: those of the predictor; features without one */
} t2i_index_info;

/* Opens a dataset of t2i-data and reads the features of all its pictures into memory. The index is
 * searched by features, with t2i_index_nearest. A process can have at most 8 open indexes.
 * T2I_NOINPUT, T2I_DATA, T2I_IO, T2I_SYSTEM. */
T2I_API t2i_status t2i_index_open(t2i_index **out, const char *dataset, t2i_error *error);
/* The same for a predictor: the pictures are placed in its search space, and the index is searched
 * with t2i_index_nearest_places. Memory holds info.place_size numbers per picture. The predictor is
 * not used after the return. T2I_DATA if it predicts another number of features than the pictures
 * have. */
T2I_API t2i_status t2i_index_open_for(t2i_index **out, const char *dataset,
                                      const t2i_predictor *predictor, t2i_error *error);
/* NULL is legal. */
T2I_API void t2i_index_close(t2i_index *index);
T2I_API const t2i_index_info *t2i_index_get_info(const t2i_index *index);

typedef enum {
    T2I_EUCLIDEAN, /* Euclidean length of the difference */
    T2I_COSINE     /* 1 - cosine similarity; 1 if either vector has length 0 */
} t2i_metric;

typedef struct {
    size_t image; /* the number of a picture */
    double distance;
} t2i_near;

/* near (count, top): the nearest pictures for each row of features (count, info.features), nearest
 * first. Pictures at equal distances are ordered by number. T2I_USAGE: top is 0 or more than
 * info.pictures, a feature is not finite, or the index was opened for a predictor whose search
 * space is not the space of the features. */
T2I_API t2i_status t2i_index_nearest(const t2i_index *index, t2i_metric metric,
                                     const float *features, size_t count, size_t top,
                                     t2i_near *near, t2i_error *error);
/* The same for each row of place (count, info.place_size), of the predictor that the index was
 * opened for. T2I_USAGE: also if it was opened for none. */
T2I_API t2i_status t2i_index_nearest_places(const t2i_index *index, t2i_metric metric,
                                            const float *place, size_t count, size_t top,
                                            t2i_near *near, t2i_error *error);

/* *name: the name of a picture, as in the list of pairs from which the dataset was built. */
T2I_API t2i_status t2i_index_name(t2i_index *index, size_t picture, const char **name,
                                  t2i_error *error);

/* rgb (height, width, 3): a stored picture. T2I_USAGE: the dataset has no pixels. */
T2I_API t2i_status t2i_index_picture(t2i_index *index, size_t picture, unsigned char *rgb,
                                     t2i_error *error);

/* rgb (count, height, width, 3): pictures drawn from features (count, info.features) by the
 * dataset's decoder. T2I_USAGE: the dataset has no decoder, or a feature is not finite. */
T2I_API t2i_status t2i_index_decode(t2i_index *index, const float *features, size_t count,
                                    unsigned char *rgb, t2i_error *error);
/* rgb (height, width, 3): a prompt, drawn as t2i-generate draws it: for a model without embed-dim
 * from its features (info.features); for a model with embed-dim from the training pictures that are
 * nearest to its place (info.place_size). *drawn, unless NULL: which it was, "prediction", "found
 * picture" or "mean of found pictures". T2I_USAGE: as above, or the index was opened for no
 * predictor. */
T2I_API t2i_status t2i_index_draw(t2i_index *index, const float *features, const float *place,
                                  unsigned char *rgb, const char **drawn, t2i_error *error);

#ifdef __cplusplus
}
#endif

#endif
