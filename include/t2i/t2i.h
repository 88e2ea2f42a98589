/* t2i.h - libt2i: from prompts to pictures with a trained model, in any program.
 *
 * A predictor is a trained model: it predicts the features of a picture from a prompt. An index
 * holds the pictures of a dataset by their features: it finds those that are nearest to a
 * prediction, and draws a prediction where the dataset has a decoder. What comes out is, to the bit,
 * what t2i-generate gives.
 *
 *     t2i_error error;
 *     t2i_predictor *model;
 *     if (t2i_predictor_open(&model, "runs/shapes", &error) != T2I_OK)
 *         fprintf(stderr, "%s\n", error.text);
 *
 * Link with `pkg-config --cflags --libs t2i`. docs/library.md has more, examples/ has programs.
 *
 * Errors. Every function that can fail returns a t2i_status and fills the caller's t2i_error (NULL:
 * not wanted) with one sentence that can be shown as it is; on success the error is left alone.
 * After a failure an opened handle is NULL and other outputs are undefined. Nothing is printed, and
 * nothing ends the program. The exception is a broken internal assertion, a bug of the library,
 * which is told on standard error and ends the process with code 70.
 *
 * Threads. All functions may be called by several threads at the same time, also with the same
 * handle. A handle is closed by one thread, once, when no other uses it.
 *
 * The process. No MPI, no threads, no signal handlers; rounding mode and floating-point exceptions
 * of the caller are as they were when a function returns. While an index is open the process has a
 * child, t2i-reader, which opens the dataset (HDF5 may crash on a damaged file); closing the last
 * index ends it. A child of fork may open an index of its own, and not use one of its parent.
 *
 * Memory. Strings and structures that are returned belong to the handle, and live until it is
 * closed. Prompts are UTF-8 that ends with a NUL byte.
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
    T2I_USAGE = 64,      /* an argument (of a program: command line or job file) is wrong */
    T2I_DATA = 65,       /* an input was read, and what it says is bad */
    T2I_NOINPUT = 66,    /* an input is missing or cannot be opened */
    T2I_BUG = 70,        /* our own mistake */
    T2I_SYSTEM = 71,     /* memory, the machine; MPI in the programs */
    T2I_CANTCREATE = 73, /* an output cannot be created (programs only) */
    T2I_IO = 74,         /* reading or writing failed half-way */
    T2I_STOPPED = 75     /* stopped early with a sound checkpoint (programs only) */
} t2i_status;

typedef struct {
    t2i_status status;
    char text[1024];
} t2i_error;

/* "0.9.0": of the library that runs. */
T2I_API const char *t2i_version(void);

/* ---- predictor: prompts to features ---- */

typedef struct t2i_predictor t2i_predictor;

/* Later versions may add members at the end. */
typedef struct {
    const char *path;     /* the model file that was read */
    const char *dataset;  /* the dataset that the run's job.ini names; NULL: none is named */
    size_t features;      /* numbers in a prediction */
    size_t prompt_length; /* characters that are read of a prompt; the rest is cut off */
    size_t vocabulary;    /* number of tokens */
    size_t parameters;    /* numbers in the model */
    size_t layers, heads, width, hidden_width;
    long step;    /* training step of a model of t2i-train; 0 otherwise */
    int verified; /* it carries checksums, which were right; 0: a file from elsewhere */
} t2i_predictor_info;

/* path: a run folder of t2i-train (its model.safetensors, or its newest checkpoint that is sound),
 * a model or checkpoint file (.safetensors), or a .pt file in the tutorial's layout.
 * T2I_NOINPUT, T2I_DATA, T2I_IO, T2I_SYSTEM. */
T2I_API t2i_status t2i_predictor_open(t2i_predictor **out, const char *path, t2i_error *error);
/* NULL is legal. */
T2I_API void t2i_predictor_close(t2i_predictor *predictor);
T2I_API const t2i_predictor_info *t2i_predictor_get_info(const t2i_predictor *predictor);

/* A token of the vocabulary: one character as UTF-8, or a special one such as "<PAD>". NULL when
 * there are not so many. */
T2I_API const char *t2i_predictor_token(const t2i_predictor *predictor, size_t number);

/* features (prompts, info.features), all finite. A row depends on its prompt alone, not on what
 * else is asked. T2I_USAGE: a prompt is not UTF-8; T2I_DATA: a prediction is not finite. */
T2I_API t2i_status t2i_predictor_predict(const t2i_predictor *predictor, const char *const *prompt,
                                         size_t prompts, float *features, t2i_error *error);

/* What the model does not see of a prompt. cut: characters beyond info.prompt_length. unknown (room
 * for strlen(prompt) + 1 bytes): the distinct characters before these that are not in the
 * vocabulary, in order of appearance. T2I_USAGE: the prompt is not UTF-8. */
T2I_API t2i_status t2i_predictor_examine(const t2i_predictor *predictor, const char *prompt,
                                         size_t *cut, char *unknown, t2i_error *error);

/* ---- index: features to pictures ---- */

typedef struct t2i_index t2i_index;

/* Later versions may add members at the end. */
typedef struct {
    const char *path;     /* the dataset */
    const char *digest;   /* 32 hex digits, equal for equal contents */
    const char *encoder;  /* what made the features: "pca", "resnet18", "features" */
    size_t pictures;      /* they have the numbers 0 .. pictures - 1 */
    size_t features;      /* numbers per picture: must be those of the predictor */
    size_t height, width; /* of stored and drawn pictures; 0: the dataset has none */
    int has_pixels;       /* it stores pictures, see t2i_index_picture */
    int has_decoder;      /* it can draw, see t2i_index_decode */
} t2i_index_info;

/* Opens a dataset of t2i-data and reads the features of all its pictures into memory. At most 8 may
 * be open in a process. T2I_NOINPUT, T2I_DATA, T2I_IO, T2I_SYSTEM. */
T2I_API t2i_status t2i_index_open(t2i_index **out, const char *dataset, t2i_error *error);
/* NULL is legal. */
T2I_API void t2i_index_close(t2i_index *index);
T2I_API const t2i_index_info *t2i_index_get_info(const t2i_index *index);

typedef enum {
    T2I_EUCLIDEAN, /* length of the difference */
    T2I_COSINE     /* 1 - similarity; 1 when either has no length */
} t2i_metric;

typedef struct {
    size_t image; /* the number of a picture */
    double distance;
} t2i_near;

/* near (count, top): of each of the features (count, info.features) the nearest pictures, nearest
 * first; of equal distances the lower number comes first. T2I_USAGE: top is 0 or more than
 * info.pictures, or a feature is not finite. */
T2I_API t2i_status t2i_index_nearest(const t2i_index *index, t2i_metric metric,
                                     const float *features, size_t count, size_t top,
                                     t2i_near *near, t2i_error *error);

/* The name of a picture, as the user's list of pairs had it. */
T2I_API t2i_status t2i_index_name(t2i_index *index, size_t picture, const char **name,
                                  t2i_error *error);

/* rgb (height, width, 3): a picture as it is stored. T2I_USAGE where the dataset has no pixels. */
T2I_API t2i_status t2i_index_picture(t2i_index *index, size_t picture, unsigned char *rgb,
                                     t2i_error *error);

/* rgb (count, height, width, 3): features (count, info.features) drawn by the dataset's decoder.
 * T2I_USAGE where it has none. */
T2I_API t2i_status t2i_index_decode(t2i_index *index, const float *features, size_t count,
                                    unsigned char *rgb, t2i_error *error);

#ifdef __cplusplus
}
#endif

#endif
