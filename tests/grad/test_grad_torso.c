/* Gradients of a torso step by finite differences of a double-precision reference.
 *
 * The reference is written one pixel at a time from reference.md 3.3, 3.6 and 5.3 and shares no
 * code with the kernels, except that the cell of each level and whether the clamp holds are taken
 * from the point that the kernels found: the loss is a polynomial piece there, and it is that
 * piece's derivative that backward gives, however near an edge of a cell lies.
 *
 * For every tensor the gradient is compared along itself, along random signs and at single entries,
 * relative to the tensor's norm. Central differences with h = 1e-6 leave h^2 f''' and roundings
 * 1e-16 / h = 1e-10. The kernels' point is rounded to 6e-8, 6e-5 of a finest cell (1023 a unit), by
 * which the slopes of that level, a sixteenth of the sum, are off; float sums over layers up to 67
 * wide give 1e-6 of the magnitudes summed: 1e-4 of the norm with room for cancellation.
 */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "portrait/torso.h"

#define TOLERANCE 1e-4
#define STEP 1e-6

enum { PIXELS = 150, ROWS = 3, ENTRIES = 4, HIDDEN = 32 };

typedef struct scene {
    stk_params params;
    stk_torso torso;
    stk_torso_occupancy occupancy;
    float coords[2 * PIXELS], plate[3 * PIXELS], target[3 * PIXELS];
    stk_torso_batch batch;
    double *value;           /* the parameters in double */
    float point[PIXELS][2];  /* where the kernels read the grid */
    uint8_t held[PIXELS][2]; /* by the clamp */
} scene;

/* --- the reference ---------------------------------------------------------------------------- */

static void layer(const double *w, int out, int in, const double *x, double *y, int relu) {
    for (int o = 0; o < out; o++) {
        double sum = 0;
        for (int i = 0; i < in; i++) sum += w[o * in + i] * x[i];
        y[o] = relu && sum < 0 ? 0 : sum;
    }
}

static void net(const scene *s, const int *index, int in, int out, const double *x, double *y) {
    const double *w[3];
    double a[HIDDEN], b[HIDDEN];
    for (int k = 0; k < 3; k++) w[k] = s->value + s->params.list[index[k]].offset;
    layer(w[0], HIDDEN, in, x, a, 1);
    layer(w[1], HIDDEN, HIDDEN, a, b, 1);
    layer(w[2], out, HIDDEN, b, y, 0);
}

/* reference.md 3.3: the cosine as the published phase has it. */
static int frequencies(const double *x, int n, int octaves, double *out) {
    int used = 0;
    for (int i = 0; i < n; i++) out[used++] = x[i];
    for (int f = 0; f < octaves; f++) {
        for (int i = 0; i < n; i++) out[used++] = sin(ldexp(x[i], f));
        for (int i = 0; i < n; i++) out[used++] = sin(ldexp(x[i], f) + acos(-1) / 2);
    }
    return used;
}

/* q = P^-1 a by solving with P's rows, w = (q_x, q_y) / (q_w q_z). */
static void project(const scene *s, double w[6]) {
    const stk_ngp_camera *c = &s->batch.camera;
    const double *a = s->value + s->params.list[s->torso.anchors].offset;
    for (int k = 0; k < 3; k++, a += 4) {
        double q[3] = {0};
        for (int col = 0; col < 3; col++)
            for (int row = 0; row < 3; row++)
                q[col] += c->R[3 * row + col] * (a[row] - c->origin[row] * a[3]);
        w[2 * k] = q[0] / (a[3] * q[2]);
        w[2 * k + 1] = q[1] / (a[3] * q[2]);
    }
}

/* One level at y in the cell that `cell_of` lies in; tiled: x + y (res + 1) modulo the entries. */
static void lookup(const scene *s, int level, const double y[2], const float cell_of[2],
                   double out[2]) {
    const stk_torso_grid *grid = &s->torso.layout;
    const double *table = s->value + s->params.list[s->torso.grid].offset + 2 * grid->offset[level];
    const uint32_t entries = grid->offset[level + 1] - grid->offset[level];
    const uint32_t side = (uint32_t)ceil(grid->scale[level]) + 2;
    double frac[2];
    uint32_t cell[2];
    for (int k = 0; k < 2; k++) {
        cell[k] = (uint32_t)floorf((cell_of[k] + 1) * 0.5f * grid->scale[level] + 0.5f);
        frac[k] = (y[k] + 1) / 2 * grid->scale[level] + 0.5 - cell[k];
    }
    out[0] = out[1] = 0;
    for (uint32_t corner = 0; corner < 4; corner++) {
        const uint32_t dx = corner & 1, dy = corner >> 1;
        const uint32_t at = (cell[0] + dx + (cell[1] + dy) * side) % entries;
        const double weight = (dx ? frac[0] : 1 - frac[0]) * (dy ? frac[1] : 1 - frac[1]);
        for (int f = 0; f < 2; f++) out[f] += weight * table[2 * at + f];
    }
}

/* (alpha, rgb) of pixel i; frame: the 50 inputs all pixels share. */
static void evaluate(const scene *s, int i, const double frame[50], double out[4]) {
    double x[2], in[116], *h = in + 32, move[2], y[2];
    for (int k = 0; k < 2; k++) x[k] = (double)(0.8f * s->coords[2 * i + k]);
    assert_int_equal(frequencies(x, 2, 8, h), 34);
    memcpy(h + 34, frame, 50 * sizeof *h);
    net(s, s->torso.deform, 84, 2, h, move);
    for (int k = 0; k < 2; k++) y[k] = s->held[i][k] ? s->point[i][k] : x[k] + move[k];
    for (int level = 0; level < 16; level++) lookup(s, level, y, s->point[i], in + 2 * level);
    net(s, s->torso.net, 116, 4, in, out);
    for (int k = 0; k < 4; k++) out[k] = 1.002 / (1 + exp(-out[k])) - 0.001;
}

/* The scene's density is 1 in the upper half of the rows and 0 in the lower. */
static int occupied(const scene *s, int i) {
    return 64 - (s->coords[2 * i] + 1) / 2 * 127 > 0.01f;
}

static double loss(const scene *s) {
    double w[6], frame[50], sum = 0;
    project(s, w);
    assert_int_equal(frequencies(w, 6, 3, frame), 42);
    memcpy(frame + 42, s->value + s->params.list[s->torso.codes].offset + 8 * s->batch.code_row,
           8 * sizeof *frame);
    for (int i = 0; i < PIXELS; i++) {
        double out[4] = {0};
        if (occupied(s, i)) evaluate(s, i, frame, out);
        for (int c = 0; c < 3; c++)
            sum += fabs(out[1 + c] * out[0] + s->plate[3 * i + c] * (1 - out[0]) -
                        s->target[3 * i + c]);
    }
    sum /= 3 * PIXELS;
    const double *a = s->value + s->params.list[s->torso.anchors].offset;
    for (int k = 0; k < 3; k++) sum += (1 - a[4 * k + 3]) * (1 - a[4 * k + 3]) / 3;
    return sum;
}

/* --- the scene -------------------------------------------------------------------------------- */

/* Weights that leave no layer silent; tables such that every level has the same slopes. */
static void fill_params(scene *s, stk_rng *rng) {
    stk_torso_init(&s->torso, &s->params, rng);
    for (int k = 0; k < 3; k++) {
        const int deform = s->torso.deform[k], out = s->torso.net[k];
        const float in[2] = {(float)s->params.list[deform].shape[1],
                             (float)s->params.list[out].shape[1]};
        stk_params_fill_uniform(&s->params, deform, (k < 2 ? 2 : 1) / sqrtf(in[0]), rng);
        stk_params_fill_uniform(&s->params, out, 2 / sqrtf(in[1]), rng);
    }
    float *table = stk_params_value(&s->params, s->torso.grid);
    for (int level = 0; level < 16; level++)
        for (uint32_t i = 2 * s->torso.layout.offset[level];
             i < 2 * s->torso.layout.offset[level + 1]; i++)
            table[i] = 8 * (2 * stk_rng_float(rng) - 1) / s->torso.layout.scale[level];
    float *anchors = stk_params_value(&s->params, s->torso.anchors);
    for (int i = 0; i < 12; i++) anchors[i] += 0.2f * (2 * stk_rng_float(rng) - 1);
}

/* A rotation about all three axes, the anchors a few units in front. */
static void place_camera(stk_ngp_camera *camera) {
    const float a = 0.3f, b = -0.4f, c = 0.2f;
    const float R[9] = {cosf(b) * cosf(c),
                        sinf(a) * sinf(b) * cosf(c) - cosf(a) * sinf(c),
                        cosf(a) * sinf(b) * cosf(c) + sinf(a) * sinf(c),
                        cosf(b) * sinf(c),
                        sinf(a) * sinf(b) * sinf(c) + cosf(a) * cosf(c),
                        cosf(a) * sinf(b) * sinf(c) - sinf(a) * cosf(c),
                        -sinf(b),
                        sinf(a) * cosf(b),
                        cosf(a) * cosf(b)};
    memcpy(camera->R, R, sizeof R);
    for (int k = 0; k < 3; k++) camera->origin[k] = -3 * R[3 * k + 2] + 0.3f * (float)k;
}

static void scene_init(scene *s, uint64_t seed) {
    stk_rng rng;
    memset(s, 0, sizeof *s);
    stk_rng_seed(&rng, seed, 1);
    TEST_OK(stk_params_init(&s->params));
    TEST_OK(stk_torso_register(&s->torso, &s->params, ROWS));
    TEST_OK(stk_params_seal(&s->params, 1));
    TEST_OK(stk_torso_occupancy_init(&s->occupancy));
    fill_params(s, &rng);
    for (int i = 0; i < STK_TORSO_GRID_CELLS; i++) s->occupancy.density[i] = i % 128 < 64 ? 1 : 0;
    stk_torso_occupancy_mean(&s->occupancy);
    for (int i = 0; i < 2 * PIXELS; i++) s->coords[i] = 2 * stk_rng_float(&rng) - 1;
    for (int i = 0; i < 3 * PIXELS; i++) s->plate[i] = stk_rng_float(&rng);
    for (int i = 0; i < 3 * PIXELS; i++) s->target[i] = stk_rng_float(&rng);
    s->batch = (stk_torso_batch){.pixels = PIXELS,
                                 .coords = s->coords,
                                 .plate = s->plate,
                                 .target = s->target,
                                 .code_row = 1,
                                 .occupancy = &s->occupancy};
    place_camera(&s->batch.camera);
    s->value = calloc(s->params.total, sizeof *s->value);
    assert_non_null(s->value);
    for (size_t i = 0; i < s->params.total; i++) s->value[i] = (double)s->params.value[i];
}

static void scene_clear(scene *s) {
    free(s->value);
    stk_torso_occupancy_clear(&s->occupancy);
    stk_params_clear(&s->params);
}

/* Where the kernels read the grid, pixel by pixel. */
static void find_points(scene *s) {
    static stk_torso_frame frame;
    stk_torso_frame_init(&frame, &s->torso, &s->params, s->params.value, &s->batch.camera,
                         s->batch.code_row);
    for (int first = 0; first < PIXELS; first += STK_TILE) {
        STK_ALIGNED(64) float xy[2 * STK_TILE] = {0}, alpha[STK_TILE], rgb[3 * STK_TILE];
        STK_ALIGNED(64) float point[2 * STK_TILE];
        for (int i = first; i < PIXELS && i < first + STK_TILE; i++)
            for (int k = 0; k < 2; k++) xy[k * STK_TILE + i - first] = 0.8f * s->coords[2 * i + k];
        const stk_torso_out out = {alpha, rgb, point};
        s->torso.kernels.forward(&s->torso.layout, &frame.weights, xy, NULL, &out);
        for (int i = first; i < PIXELS && i < first + STK_TILE; i++) {
            for (int k = 0; k < 2; k++) {
                s->point[i][k] = point[k * STK_TILE + i - first];
                s->held[i][k] = fabsf(s->point[i][k]) == 1;
            }
        }
    }
}

/* --- comparison ------------------------------------------------------------------------------- */

/* (loss(v + h dir) - loss(v - h dir)) / 2h over one tensor. */
static double difference(scene *s, const stk_param *p, const double *direction) {
    double *v = s->value + p->offset;
    for (size_t i = 0; i < p->count; i++) v[i] += STEP * direction[i];
    const double up = loss(s);
    for (size_t i = 0; i < p->count; i++) v[i] -= 2 * STEP * direction[i];
    const double down = loss(s);
    for (size_t i = 0; i < p->count; i++) v[i] = (double)s->params.value[p->offset + i];
    return (up - down) / (2 * STEP);
}

static void check(const stk_param *p, const char *what, double expected, double got, double scale) {
    if (!(fabs(expected - got) <= TOLERANCE * scale))
        fail_msg("%s, %s: finite difference %.9g, backward %.9g (scale %.3g)", p->name, what,
                 expected, got, scale);
}

static void check_tensor(scene *s, const stk_param *p, stk_rng *rng) {
    const float *grad = s->params.grad + p->offset;
    double *direction = calloc(p->count, sizeof *direction), length = 0, dot = 0;
    assert_non_null(direction);
    for (size_t i = 0; i < p->count; i++) length += (double)grad[i] * (double)grad[i];
    length = sqrt(length);
    assert_true(length > 0);
    for (size_t i = 0; i < p->count; i++) direction[i] = (double)grad[i] / length;
    check(p, "along the gradient", difference(s, p, direction), length, length);
    for (size_t i = 0; i < p->count; i++) {
        direction[i] = stk_rng_below(rng, 2) ? 1.0 : -1.0;
        dot += direction[i] * (double)grad[i];
    }
    check(p, "random signs", difference(s, p, direction), dot, 4 * length);
    for (int round = 0; round < ENTRIES; round++) {
        size_t entry = stk_rng_below(rng, (uint32_t)p->count);
        for (size_t i = 0; i < p->count && grad[entry] == 0; i++) entry = (entry + 1) % p->count;
        memset(direction, 0, p->count * sizeof *direction);
        direction[entry] = 1;
        check(p, "one entry", difference(s, p, direction), (double)grad[entry], length);
    }
    free(direction);
}

static void step_matches_differences(void **state) {
    static scene s;
    stk_torso_trainer *trainer;
    stk_rng rng;
    stk_cpu_set_mask(*(uint32_t *)*state);
    scene_init(&s, 21);
    find_points(&s);
    int moved = 0, held = 0;
    for (int i = 0; i < PIXELS; i++) {
        held += s.held[i][0] || s.held[i][1];
        moved += occupied(&s, i);
    }
    print_message("pixels drawn %d, held by the clamp %d\n", moved, held);
    assert_true(moved > 60 && moved < 100 && held > 5 && held < PIXELS / 2);
    TEST_OK(stk_torso_trainer_create(&trainer, PIXELS));
    const double got = stk_torso_step(trainer, &s.torso, &s.batch, &s.params, NULL);
    assert_float_equal(got, loss(&s), 1e-5);
    stk_rng_seed(&rng, 22, 1);
    for (int i = 0; i < s.params.n; i++) check_tensor(&s, &s.params.list[i], &rng);
    stk_torso_trainer_free(&trainer);
    scene_clear(&s);
}

int main(void) {
    static uint32_t masks[] = {0, STK_CPU_AVX2, UINT32_MAX};
    const struct CMUnitTest tests[] = {
        {"torso step, c", step_matches_differences, NULL, NULL, &masks[0]},
        {"torso step, avx2", step_matches_differences, NULL, NULL, &masks[1]},
        {"torso step, all", step_matches_differences, NULL, NULL, &masks[2]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
