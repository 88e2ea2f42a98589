/* gemm_tile.h - the inner loop of a product, written once and included by gemm.c for each width of
 * vectors, which it calls V (LANES floats). See there. */

/* Up to LANES numbers; the rest are 0. */
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

/* What t2i_gemm_end asks for, at so many numbers from where its pointers are. */
TARGET T2I_INLINE V TILE(end)(V v, const t2i_gemm_end *end, size_t row, size_t column, size_t count)
{
    if (end->bias != NULL) v = ADD(v, TILE(load)(end->bias + column, count));
    if (end->relu) v = MAX(ZERO, v); /* the second when one of them is no number */
    if (end->mask != NULL) v = KEEP(v, TILE(load)(end->mask + row + column, count));
    if (end->residual != NULL) v = ADD(TILE(load)(end->residual + row + column, count), v);
    return v;
}

/* rows is a constant wherever this is inlined, so that all of acc lies in registers. */
TARGET T2I_INLINE void TILE(rows)(const tile *t, const size_t rows)
{
    V acc[ROWS][2];
    const float *a = t->a, *b = t->b;
    size_t a_row = t->a_row, a_step = t->a_step, K = t->K, out_row = t->out_row;
    size_t count[2] = {t->columns, t->columns > LANES ? t->columns - LANES : 0};
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < 2; j++)
            acc[r][j] = t->end.add ? TILE(load)(t->out + r * out_row + j * LANES, count[j]) : ZERO;
    for (size_t k = 0; k < K; k++, a += a_step, b += T2I_PANEL) {
        V b0 = LOAD(b), b1 = LOAD(b + LANES);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            V x = SPREAD(a[r * a_row]);
            acc[r][0] = FMA(x, b0, acc[r][0]);
            acc[r][1] = FMA(x, b1, acc[r][1]);
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < 2; j++) {
            V v = TILE(end)(acc[r][j], &t->end, r * out_row, j * LANES, count[j]);
            TILE(store)(t->out + r * out_row + j * LANES, count[j], v);
        }
}

TARGET static void TILE(run)(const tile *t)
{
    switch (t->rows) {
    case 1:
        TILE(rows)(t, 1);
        break;
    case 2:
        TILE(rows)(t, 2);
        break;
    case 3:
        TILE(rows)(t, 3);
        break;
    case 4:
        TILE(rows)(t, 4);
        break;
    case 5:
        TILE(rows)(t, 5);
        break;
    case 6:
        TILE(rows)(t, 6);
        break;
#if ROWS > 6
    case 7:
        TILE(rows)(t, 7);
        break;
    case 8:
        TILE(rows)(t, 8);
        break;
#endif
    default:
        T2I_ASSERT(0);
    }
}
#undef TARGET
#undef TILE
#undef V
#undef LANES
#undef ROWS
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
