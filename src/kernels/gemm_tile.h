/* gemm_tile.h - the inner loop of a product. gemm.c includes it once per vector width, after
 * defining V, a vector of LANES floats, ROWS and WIDTH (2 or 4), such that ROWS x WIDTH of them
 * fit the registers, and their instructions. */

/* Loads up to LANES elements; the rest are 0. */
TARGET T2I_INLINE V TILE(load)(const float *from, size_t count)
{
    return count >= LANES ? LOAD(from) : LOAD_PART(from, count);
}

TARGET T2I_INLINE void TILE(store)(float *to, size_t count, V v)
{
    if (count >= LANES)
        STORE(to, v);
    else
        STORE_PART(to, count, v);
}

/* For all vectors of a tile; r and j are constants in every iteration. */
#define EACH(...)                                                                                  \
    _Pragma("GCC unroll 8") for (size_t r = 0; r < rows; r++)                                      \
        _Pragma("GCC unroll 8") for (size_t j = 0; j < width; j++) __VA_ARGS__

/* Applies `end` to the finished chains of a tile and stores them. Uses the tile's variables acc,
 * end, out, out_row, column, at and count. MAX returns its second operand if one of them is NaN. */
#define FINISH                                                                                     \
    do {                                                                                           \
        if (end->bias != NULL) {                                                                   \
            const float *bias = end->bias + column;                                                \
            EACH(acc[r][j] = ADD(acc[r][j], TILE(load)(bias + j * LANES, count[j])));              \
        }                                                                                          \
        if (end->relu) EACH(acc[r][j] = MAX(ZERO, acc[r][j]));                                     \
        if (end->mask != NULL) {                                                                   \
            const float *mask = end->mask + at;                                                    \
            EACH(acc[r][j] =                                                                       \
                     KEEP(acc[r][j], TILE(load)(mask + r * out_row + j * LANES, count[j])));       \
        }                                                                                          \
        if (end->residual != NULL) {                                                               \
            const float *residual = end->residual + at;                                            \
            EACH(acc[r][j] =                                                                       \
                     ADD(TILE(load)(residual + r * out_row + j * LANES, count[j]), acc[r][j]));    \
        }                                                                                          \
        EACH(TILE(store)(out + r * out_row + j * LANES, count[j], acc[r][j]));                     \
    } while (0)

/* The tile of `rows` rows and up to width * LANES columns that begins at row and column. rows,
 * width (WIDTH or its half), whole (no column is missing), fill (b is packed meanwhile) and follow
 * (the tile's share of t->next is prefetched) are constants wherever this is inlined, so that all
 * of acc is in registers. */
TARGET T2I_INLINE void TILE(tile)(const strip *t, size_t row, size_t column, const size_t rows,
                                  const size_t width, const int whole, const int fill,
                                  const int follow)
{
    V acc[ROWS][4];
    const t2i_gemm_end *end = &t->end;
    const float *a = t->a + row * t->a_row, *b = (fill ? t->raw : t->b) + column;
    const size_t a_row = t->a_row, a_step = t->a_step, out_row = t->out_row;
    const size_t at = row * out_row + column, left = t->columns - column;
#define COUNT(n) (whole ? LANES : left < (n)*LANES ? 0 : left - (n)*LANES)
    const size_t count[4] = {whole ? LANES : left, COUNT(1), COUNT(2), COUNT(3)};
#undef COUNT
    const size_t ahead = t->K > AHEAD ? AHEAD * a_step : 0;
    const float *next = t->next;
    const size_t next_step = follow ? (rows * width * LANES + t->rows - 1) / t->rows : 0;
    if (follow) next += t->K * (row * T2I_PANEL + column * rows) / t->rows;
    const size_t b_step = fill ? t->raw_row : T2I_PANEL;
    float *out = t->out + at, *filled = fill ? t->fill + column : NULL;
    if (end->add) {
        EACH(acc[r][j] = TILE(load)(out + r * out_row + j * LANES, count[j]));
    } else { /* prefetch out, which is written at the end */
        EACH(acc[r][j] = ZERO);
        EACH(__builtin_prefetch(out + r * out_row + j * LANES));
    }
    for (size_t k = 0; k < t->K; k++, a += a_step, b += b_step) {
        /* no array: with one, gcc 12 keeps addresses on the stack */
        V b0 = LOAD(b), b1 = width > 1 ? LOAD(b + LANES) : ZERO;
        V b2 = width > 2 ? LOAD(b + 2 * LANES) : ZERO, b3 = width > 2 ? LOAD(b + 3 * LANES) : ZERO;
        __builtin_prefetch(follow ? next : a + ahead);
        next += next_step;
        if (fill) {
            STORE(filled, b0);
            STORE(filled + LANES, b1);
            if (width > 2) STORE(filled + 2 * LANES, b2);
            if (width > 2) STORE(filled + 3 * LANES, b3);
            filled += T2I_PANEL;
        }
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            V x = SPREAD(a[r * a_row]);
            acc[r][0] = FMA(x, b0, acc[r][0]);
            if (width > 1) acc[r][1] = FMA(x, b1, acc[r][1]);
            if (width > 2) acc[r][2] = FMA(x, b2, acc[r][2]);
            if (width > 2) acc[r][3] = FMA(x, b3, acc[r][3]);
        }
    }
    FINISH;
}

TARGET T2I_INLINE void TILE(tiles)(const strip *t, const int follow)
{
    size_t tiles = pieces(t->rows, ROWS), next;
    int fill =
        t->fill != NULL && t->columns == T2I_PANEL && tiles > 0 && begin(1, tiles, t->rows) == ROWS;
    if (t->fill != NULL && !fill) t2i_gemm_pack(t->fill, t->raw, t->raw_row, t->K, t->columns);
    for (size_t i = 0, row = 0; i < tiles; i++, row = next) {
        next = begin(i + 1, tiles, t->rows);
        for (size_t column = 0; column < t->columns; column += WIDTH * LANES) {
            size_t left = t->columns - column;
            if (fill && row == 0) {
                TILE(tile)(t, row, column, ROWS, WIDTH, 1, 1, 0);
                continue;
            }
            switch (3 * (next - row) + (left > WIDTH / 2 * LANES) + (left >= WIDTH * LANES)) {
#define CASE(n)                                                                                    \
    case 3 * n:                                                                                    \
        TILE(tile)(t, row, column, n, WIDTH / 2, 0, 0, follow);                                    \
        break;                                                                                     \
    case 3 * n + 1:                                                                                \
        TILE(tile)(t, row, column, n, WIDTH, 0, 0, follow);                                        \
        break;                                                                                     \
    case 3 * n + 2:                                                                                \
        TILE(tile)(t, row, column, n, WIDTH, 1, 0, follow);                                        \
        break
                CASE(1);
                CASE(2);
                CASE(3);
                CASE(4);
                CASE(5);
                CASE(6);
#if ROWS > 6
                CASE(7);
                CASE(8);
#endif
            default:
                T2I_ASSERT(0);
            }
        }
    }
}
#undef CASE

TARGET static void TILE(run)(const strip *t)
{
    if (t->next != NULL)
        TILE(tiles)(t, 1);
    else
        TILE(tiles)(t, 0);
}

/* Bit k: x[k] is not 0; up to 64 elements. */
TARGET T2I_INLINE uint64_t TILE(nonzero)(const float *x, size_t count)
{
    uint64_t bits = 0;
    for (size_t k = 0; k < count; k += LANES)
        bits |= (uint64_t)NONZERO(TILE(load)(x + k, count - k)) << k;
    return bits;
}

TARGET static void TILE(find)(uint64_t *across, const float *x, size_t x_row, size_t rows,
                              size_t columns)
{
    for (size_t r = 0; r < rows; r++, x += x_row) {
        size_t c = 0;
        uint64_t *to = across + r;
        for (; c + SPAN <= columns; c += SPAN, to += rows) *to = TILE(nonzero)(x + c, SPAN);
        if (c < columns) *to = TILE(nonzero)(x + c, columns - c);
    }
}

/* `rows` rows and SKIP_WIDTH * LANES columns of a strip of T2I_WIDE columns. rows is a constant
 * wherever this is inlined. Two rows are interleaved, as one row has too few independent chains to
 * hide the latency of a multiply-add. */
TARGET T2I_INLINE void TILE(skip_rows)(const strip *t, size_t row, size_t column, const size_t rows)
{
    enum { width = SKIP_WIDTH };
    const t2i_gemm_end *end = &t->end;
    const float *a = t->a + row * t->a_row, *b = t->b + column;
    const size_t out_row = t->out_row, a_row = t->a_row, a_step = t->a_step;
    const size_t at = row * out_row + column;
    float *out = t->out + at;
    const size_t count[8] = {LANES, LANES, LANES, LANES, LANES, LANES, LANES, LANES};
    uint64_t left[2] = {t->there[row], rows == 2 ? t->there[row + 1] : 0};
    V acc[2][width];
    if (column == 0) ask_ahead(t, row, rows);
    if (end->add)
        EACH(acc[r][j] = LOAD(out + r * out_row + j * LANES));
    else
        EACH(acc[r][j] = ZERO);
#define STEP(r)                                                                                    \
    do {                                                                                           \
        uint64_t k = (uint64_t)__builtin_ctzll(left[r]);                                           \
        const float *from = b + k * T2I_WIDE;                                                      \
        V x = SPREAD(a[r * a_row + k * a_step]);                                                   \
        left[r] &= left[r] - 1;                                                                    \
        _Pragma("GCC unroll 8") for (size_t j = 0; j < width; j++) acc[r][j] =                     \
            FMA(x, LOAD(from + j * LANES), acc[r][j]);                                             \
    } while (0)
    while (rows == 2 && left[0] != 0 && left[1] != 0) {
        STEP(0);
        STEP(1);
    }
    while (left[0] != 0) STEP(0);
    while (rows == 2 && left[1] != 0) STEP(1);
#undef STEP
    FINISH;
}

/* A strip of T2I_WIDE columns with the steps in `there` only. Every step loads its row of b, since
 * no two rows of a have the same zeros: as many loads as multiplications, which the CPU sustains
 * while b is in the level-1 cache. */
TARGET static void TILE(skip)(const strip *t)
{
    for (size_t column = 0; column < T2I_WIDE; column += SKIP_WIDTH * LANES) {
        size_t row = 0;
        for (; row + SKIP_ROWS <= t->rows; row += SKIP_ROWS)
            TILE(skip_rows)(t, row, column, SKIP_ROWS);
        for (; row < t->rows; row++) TILE(skip_rows)(t, row, column, 1);
    }
}
#undef FINISH
#undef EACH
#undef TARGET
#undef TILE
#undef V
#undef LANES
#undef ROWS
#undef WIDTH
#undef ZERO
#undef LOAD
#undef LOAD_PART
#undef STORE
#undef STORE_PART
#undef SPREAD
#undef FMA
#undef ADD
#undef MAX
#undef KEEP
#undef NONZERO
#undef SKIP_ROWS
#undef SKIP_WIDTH
