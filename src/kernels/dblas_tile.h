/* dblas_tile.h - the inner loop of a product in double precision, written once: dblas.c includes it
 * for each width of vectors, after defining V (a vector of doubles), ROWS (of a tile; all its sums
 * lie in registers), TARGET (instructions) and TILE (names). */

/* rows is a constant wherever this is inlined. */
TARGET T2I_INLINE void TILE(tile)(const strip *t, size_t row, const size_t rows)
{
    enum { LANES = sizeof(V) / sizeof(double), WIDTH = PANEL / LANES };
    V acc[ROWS][WIDTH];
    const size_t a_row = t->a.row, a_column = t->a.column;
    const double *a = t->a.at + row * a_row, *b = t->b;
    double *out = t->out + row * t->out_row;
#define EACH(...)                                                                                  \
    _Pragma("GCC unroll 12") for (size_t r = 0; r < rows; r++)                                     \
        _Pragma("GCC unroll 8") for (size_t j = 0; j < WIDTH; j++) __VA_ARGS__
    if (t->add)
        EACH(memcpy(&acc[r][j], out + r * t->out_row + j * LANES, sizeof(V)));
    else
        EACH(acc[r][j] = (V){0});
    for (size_t k = 0; k < t->K; k++, a += a_column, b += PANEL) {
        V y[WIDTH];
        _Pragma("GCC unroll 8") for (size_t j = 0; j < WIDTH; j++)
            memcpy(&y[j], b + j * LANES, sizeof(V));
        EACH(acc[r][j] = acc[r][j] + a[r * a_row] * y[j]);
    }
    EACH(memcpy(out + r * t->out_row + j * LANES, &acc[r][j], sizeof(V)));
#undef EACH
}

TARGET static void TILE(run)(const strip *t, size_t M)
{
    size_t row = 0;
    for (; row + ROWS <= M; row += ROWS) TILE(tile)(t, row, ROWS);
    for (; row < M; row++) TILE(tile)(t, row, 1);
}
#undef TARGET
#undef TILE
#undef V
#undef ROWS
