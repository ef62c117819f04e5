/* field_simd.h - the field's primitives on vectors of LANES floats, for AVX2 and AVX-512.
 *
 * Included by a variant that has defined LANES, COLUMNS (vectors a register block is wide), the
 * types vf and vi and the operations on them (see vector_avx512.h), and transpose(). A
 * tile's 64 samples are 64 / LANES vectors.
 *
 * Products: blocks of BLOCK outputs by COLUMNS vectors of sums stay in registers; per input, one
 * weight an output is broadcast and COLUMNS vectors of x are read, so that multiply-adds, not
 * loads, set the pace (6 x 4 zmm: 10 loads for 24; 6 x 2 ymm: 8 for 12).
 */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

enum { BLOCK = 6 };

/* clang-format off */
/* --- products --------------------------------------------------------------------------------- */

STK_INLINE void finish_row(const field_product *p, size_t at, vf sum) {
    switch (p->finish) {
    case FIELD_STORE: break;
    case FIELD_RELU: sum = vf_max(sum, vf_zero()); break;
    case FIELD_MASK: sum = vf_where_positive(vf_load(p->mask + at), sum); break;
    case FIELD_ADD: sum = vf_add(vf_load(p->y + at), sum); break;
    }
    vf_store(p->y + at, sum);
}

/* Rows row..row+n-1, n constant after inlining, of COLUMNS vectors from lane on. */
STK_INLINE void product_block(const field_product *p, int row, int lane, const int n) {
    const float *w = p->w + (size_t)row * p->w_row, *x = p->x + lane;
    size_t w_row = p->w_row, w_k = p->w_k;
    vf sum[BLOCK][COLUMNS];
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int v = 0; v < COLUMNS; v++) sum[j][v] = vf_zero();
    for (int k = 0; k < p->inner; k++, w += w_k, x += STK_TILE) {
        vf in[COLUMNS];
        UNROLL for (int v = 0; v < COLUMNS; v++) in[v] = vf_load(x + v * LANES);
        UNROLL for (int j = 0; j < n; j++) {
            vf weight = vf_set1(w[j * w_row]);
            UNROLL for (int v = 0; v < COLUMNS; v++) sum[j][v] = vf_fma(weight, in[v], sum[j][v]);
        }
    }
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int v = 0; v < COLUMNS; v++)
            finish_row(p, (size_t)(row + j) * STK_TILE + lane + v * LANES, sum[j][v]);
}

static void multiply(const field_product *p) {
    int row = 0;
    for (; row + BLOCK <= p->rows; row += BLOCK)
        for (int lane = 0; lane < STK_TILE; lane += COLUMNS * LANES)
            product_block(p, row, lane, BLOCK);
    for (int lane = 0; lane < STK_TILE; lane += COLUMNS * LANES) {
        switch (p->rows - row) {
        case 5: product_block(p, row, lane, 5); break;
        case 4: product_block(p, row, lane, 4); break;
        case 3: product_block(p, row, lane, 3); break;
        case 2: product_block(p, row, lane, 2); break;
        case 1: product_block(p, row, lane, 1); break;
        }
    }
}

/* n outputs by `columns` vectors of inputs, `in` left in the row: dw[j][.] += dy[j] . xt. */
STK_INLINE void grad_block(const float *dy, const float *xt, int in, size_t stride, float *dw,
                           const int n, const int columns) {
    /* Counting to COLUMNS, not to columns, or clang 14 leaves loops and the sums in memory. */
    vf sum[BLOCK][COLUMNS] = {0};
    for (int s = 0; s < STK_TILE; s++, xt += FIELD_XT_STRIDE) {
        vf x[COLUMNS];
        UNROLL for (int v = 0; v < COLUMNS; v++)
            x[v] = v < columns ? vf_load(xt + v * LANES) : vf_zero();
        UNROLL for (int j = 0; j < n; j++) {
            vf d = vf_set1(dy[j * STK_TILE + s]);
            UNROLL for (int v = 0; v < COLUMNS; v++)
                if (v < columns) sum[j][v] = vf_fma(d, x[v], sum[j][v]);
        }
    }
    /* By way of memory: a row of the layer may end within a vector. */
    STK_ALIGNED(64) float block[BLOCK][COLUMNS * LANES];
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int v = 0; v < COLUMNS; v++)
            if (v < columns) vf_store(&block[j][v * LANES], sum[j][v]);
    int count = in < columns * LANES ? in : columns * LANES, whole = count / LANES * LANES;
    for (int j = 0; j < n; j++, dw += stride) {
        for (int i = 0; i < whole; i += LANES)
            vf_store(dw + i, vf_add(vf_load(dw + i), vf_load(&block[j][i])));
        for (int i = whole; i < count; i++) dw[i] += block[j][i];
    }
}

/* All outputs of one block of columns. */
STK_INLINE void grad_columns(int out, int in, const float *dy, const float *xt, size_t stride,
                             float *dw, const int columns) {
    int o = 0;
    for (; o + BLOCK <= out; o += BLOCK)
        grad_block(dy + o * STK_TILE, xt, in, stride, dw + o * stride, BLOCK, columns);
    dy += o * STK_TILE;
    dw += o * stride;
    switch (out - o) {
    case 5: grad_block(dy, xt, in, stride, dw, 5, columns); break;
    case 4: grad_block(dy, xt, in, stride, dw, 4, columns); break;
    case 3: grad_block(dy, xt, in, stride, dw, 3, columns); break;
    case 2: grad_block(dy, xt, in, stride, dw, 2, columns); break;
    case 1: grad_block(dy, xt, in, stride, dw, 1, columns); break;
    }
}

static void weight_grad(int out, int in, const float *dy, const float *xt, float *dw) {
    for (int i = 0; i < in; i += COLUMNS * LANES) {
        int left = in - i, columns = (left + LANES - 1) / LANES;
        switch (columns < COLUMNS ? columns : COLUMNS) {
#if COLUMNS == 4
        case 4: grad_columns(out, left, dy, xt + i, in, dw + i, 4); break;
        case 3: grad_columns(out, left, dy, xt + i, in, dw + i, 3); break;
#endif
        case 2: grad_columns(out, left, dy, xt + i, in, dw + i, 2); break;
        case 1: grad_columns(out, left, dy, xt + i, in, dw + i, 1); break;
        }
    }
}
/* clang-format on */

/* --- transcendental functions ----------------------------------------------------------------- */

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln(2)/2: the Taylor polynomial of degree 7 is within
 * 6e-9 there. ln 2 in two parts, the first short enough that n times it is exact. 89 overflows,
 * -104 rounds to zero; a NaN passes through min and max as their second operand. */
STK_INLINE vf vf_exp(vf x) {
    x = vf_max(vf_set1(-104.0f), vf_min(vf_set1(89.0f), x));
    vf n = vf_round(vf_mul(x, vf_set1(1.44269504088896341f)));
    vf r = vf_fma(n, vf_set1(-0.693359375f), x);
    r = vf_fma(n, vf_set1(2.12194440054690583e-4f), r);
    vf p = vf_set1(1.0f / 5040);
    p = vf_fma(p, r, vf_set1(1.0f / 720));
    p = vf_fma(p, r, vf_set1(1.0f / 120));
    p = vf_fma(p, r, vf_set1(1.0f / 24));
    p = vf_fma(p, r, vf_set1(1.0f / 6));
    p = vf_fma(p, r, vf_set1(0.5f));
    p = vf_fma(p, r, vf_set1(1.0f));
    p = vf_fma(p, r, vf_set1(1.0f));
    return vf_scale2(p, n);
}

/* log(1 + t), 0 <= t <= 1: 2 artanh(s), s = t / (2 + t) <= 1/3; the series to s^15 errs by 2e-9. */
STK_INLINE vf vf_log1p_unit(vf t) {
    vf s = vf_div(t, vf_add(t, vf_set1(2.0f)));
    vf q = vf_mul(s, s);
    vf p = vf_set1(1.0f / 15);
    for (int k = 13; k >= 3; k -= 2) p = vf_fma(p, q, vf_set1(1.0f / (float)k));
    p = vf_fma(vf_mul(p, q), s, s);
    return vf_add(p, p);
}

static void tile_exp(const float *x, float *y) {
    for (int s = 0; s < STK_TILE; s += LANES) vf_store(y + s, vf_exp(vf_load(x + s)));
}

static void tile_sigmoid(const float *x, float *y) {
    vf one = vf_set1(1.0f);
    for (int s = 0; s < STK_TILE; s += LANES) {
        vf e = vf_exp(vf_sub(vf_zero(), vf_load(x + s)));
        vf_store(y + s, vf_div(one, vf_add(one, e)));
    }
}

static void tile_softplus(const float *x, float *y) {
    for (int s = 0; s < STK_TILE; s += LANES) {
        vf a = vf_load(x + s), minus = vf_sub(vf_zero(), a);
        vf log1p = vf_log1p_unit(vf_exp(vf_min(a, minus)));
        vf_store(y + s, vf_add(vf_max(a, vf_zero()), log1p));
    }
}

/* --- grid ------------------------------------------------------------------------------------- */

/* Coordinates in [0, 1], 0 where outside. */
typedef struct unit_point {
    vf a, b;
    vmask inside;
} unit_point;

STK_INLINE unit_point to_unit(const float *u, const float *v) {
    vf one = vf_set1(1.0f), half = vf_set1(0.5f);
    unit_point p;
    p.a = vf_mul(vf_add(vf_load(u), one), half);
    p.b = vf_mul(vf_add(vf_load(v), one), half);
    p.inside = vf_in_unit(p.a, p.b);
    p.a = vf_keep(p.inside, p.a);
    p.b = vf_keep(p.inside, p.b);
    return p;
}

/* One level's cell of a vector of points; FIELD_PRIME and rounding as in the twin. vf_rounded keeps
 * the compiler from fusing product and sum: a sample on a cell's edge must land in the same cell in
 * every variant. */
typedef struct cell {
    vi index[4];
    vf weight[4];
} cell;

STK_INLINE cell cell_of(const stk_grid_layout *grid, int level, const unit_point *p) {
    vf scale = vf_set1(grid->scale[level]), half = vf_set1(0.5f), one = vf_set1(1.0f);
    vf a = vf_add(vf_rounded(vf_mul(p->a, scale)), half);
    vf b = vf_add(vf_rounded(vf_mul(p->b, scale)), half);
    vi x = vi_truncate(a), y = vi_truncate(b);
    vi x1 = vi_add(x, vi_set1(1));
    a = vf_sub(a, vf_from_vi(x));
    b = vf_sub(b, vf_from_vi(y));
    vf a0 = vf_sub(one, a), b0 = vf_sub(one, b);
    cell c = {.weight = {vf_mul(a0, b0), vf_mul(a, b0), vf_mul(a0, b), vf_mul(a, b)}};
    if (grid->hashed[level]) {
        vi wrap = vi_set1((int)(grid->offset[level + 1] - grid->offset[level] - 1));
        vi h = vi_mul(y, vi_set1((int)FIELD_PRIME)), h1 = vi_add(h, vi_set1((int)FIELD_PRIME));
        c.index[0] = vi_and(vi_xor(x, h), wrap);
        c.index[1] = vi_and(vi_xor(x1, h), wrap);
        c.index[2] = vi_and(vi_xor(x, h1), wrap);
        c.index[3] = vi_and(vi_xor(x1, h1), wrap);
    } else {
        vi side = vi_set1((int)grid->resolution[level] + 1), row = vi_mul(y, side);
        c.index[0] = vi_add(x, row);
        c.index[1] = vi_add(x1, row);
        c.index[2] = vi_add(c.index[0], side);
        c.index[3] = vi_add(c.index[1], side);
    }
    return c;
}

static void corners(const stk_grid_layout *grid, int level, const float *u, const float *v,
                    field_corners *at) {
    for (int s = 0; s < STK_TILE; s += LANES) {
        unit_point p = to_unit(u + s, v + s);
        cell c = cell_of(grid, level, &p);
        for (int k = 0; k < 4; k++) {
            vi_store(&at->index[k][s], c.index[k]);
            vf_store(&at->weight[k][s], vf_keep(p.inside, c.weight[k]));
        }
    }
}

/* The entries are fetched one by one, 64 x 4 at a time: index and value pass through general
 * registers, which on Zen 4 (and on Intel with the gather mitigation) beats the gather instruction.
 * The values are read back as vectors only after all are stored, when the stores no longer have to
 * be forwarded. */
STK_INLINE void fetch(const float *entries, const field_corners *at, float value[4][STK_TILE]) {
    const uint32_t *index = at->index[0];
    float *to = value[0];
    for (int i = 0; i < 4 * STK_TILE; i += 2) {
        uint64_t pair;
        memcpy(&pair, index + i, sizeof pair);
        __asm__("" : "+r"(pair)); /* or the compiler makes gathers of it */
        memcpy(to + i, entries + (uint32_t)pair, sizeof *to);
        memcpy(to + i + 1, entries + (pair >> 32), sizeof *to);
    }
}

static void encode_plane(const stk_grid_layout *grid, const float *table, const float *u,
                         const float *v, float *enc) {
    STK_ALIGNED(64) float value[4][STK_TILE];
    field_corners at;
    for (int level = 0; level < grid->levels; level++, enc += STK_TILE) {
        corners(grid, level, u, v, &at);
        fetch(table + grid->offset[level], &at, value);
        for (int s = 0; s < STK_TILE; s += LANES) {
            vf sum = vf_mul(vf_load(at.weight[0] + s), vf_load(value[0] + s));
            for (int k = 1; k < 4; k++)
                sum = vf_fma(vf_load(at.weight[k] + s), vf_load(value[k] + s), sum);
            vf_store(enc + s, sum);
        }
    }
}
