/* Expressions of the presenter: each moves what it should, symmetric, and never through itself. */
#include "support.h"
#include "base/face_mesh.h"
#include "base/rng.h"
#include "presenter/express.h"
#include "presenter/express_shapes.h"

#include <math.h>
#include <string.h>

enum { FACE = STK_MESH_LANDMARKS, RING = 36, RINGS = 4, VERTICES = FACE + RING * RINGS };

static float neutral[VERTICES][3], share[VERTICES];
static stk_eye_globe globes[2];
static stk_express *express;

/* The canonical face with its lips closed, 12 mm globes behind the lids, and four rings of throat
 * and skull that go straight back from the oval. */
static int set_up(void **state) {
    (void)state;
    memcpy(neutral, stk_canonical_face(), FACE * sizeof neutral[0]);
    for (int i = 1; i < STK_LIP_POINTS - 1; i++) {
        float *upper = neutral[stk_lip_upper[i]], *lower = neutral[stk_lip_lower[i]];
        for (int c = 1; c < 3; c++) upper[c] = lower[c] = 0.5f * (upper[c] + lower[c]);
    }
    for (int v = 0; v < FACE; v++) share[v] = 1;
    for (int v = FACE; v < VERTICES; v++) {
        const int ring = (v - FACE) / RING;
        memcpy(neutral[v], neutral[stk_face_oval[(v - FACE) % RING]], sizeof neutral[v]);
        neutral[v][2] -= 0.012f * (float)(ring + 1);
        share[v] = 1 - (float)(ring + 1) / RINGS;
    }
    for (int left = 0; left < 2; left++) {
        const float *upper = neutral[left ? 386 : 159], *lower = neutral[left ? 374 : 145];
        stk_eye_globe *globe = &globes[left];
        const float half = 0.5f * (upper[1] - lower[1]);
        globe->radius = 0.012f;
        globe->centre[0] = upper[0];
        globe->centre[1] = 0.5f * (upper[1] + lower[1]);
        globe->centre[2] = 0.5f * (upper[2] + lower[2]) - sqrtf(0.0134f * 0.0134f - half * half);
    }
    return stk_express_create(&express, (const float(*)[3])neutral, share, VERTICES, globes) !=
           STK_OK;
}

static int tear_down(void **state) {
    (void)state;
    stk_express_free(&express);
    return 0;
}

static void apply(const stk_face_state *state, float (*moved)[3]) {
    stk_express_apply(express, state, moved);
}

static void apply_one(int shape, float value, float (*moved)[3]) {
    stk_face_state state = {{0}};
    state.shapes[shape] = value;
    apply(&state, moved);
}

static void apply_zero_state_is_neutral(void **state) {
    (void)state;
    static float moved[VERTICES][3];
    stk_face_state rest = {{0}};
    memset(moved, 0xff, sizeof moved);
    apply(&rest, moved);
    assert_memory_equal(moved, neutral, sizeof neutral);
    stk_pose jaw;
    stk_express_jaw(express, &rest, &jaw);
    const float identity[12] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
    test_assert_close("jaw at rest", jaw.R, identity, 9, 1e-7);
    test_assert_close("jaw at rest", jaw.t, identity + 9, 3, 1e-7);
}

/* At value 1 `landmark` moves along `axis` by least .. most mm. */
typedef struct movement {
    int shape, landmark, axis;
    float least, most;
} movement;

static const movement movements[] = {
    {STK_JAW_OPEN, 14, 1, -40, -25},
    {STK_JAW_OPEN, 152, 1, -40, -15},
    {STK_JAW_OPEN, 13, 1, -0.5f, 2},
    {STK_JAW_OPEN, 61, 1, -16, -6},
    {STK_JAW_OPEN, 291, 1, -16, -6},
    {STK_JAW_OPEN, 10, 1, 0, 0},
    {STK_JAW_OPEN, 168, 1, 0, 0},
    {STK_JAW_OPEN, 159, 1, 0, 0},
    {STK_JAW_OPEN, 1, 1, -0.2f, 0.2f},
    {STK_JAW_LEFT, 152, 0, 4, 12},
    {STK_JAW_RIGHT, 152, 0, -12, -4},
    {STK_JAW_FORWARD, 152, 2, 4, 9},
    {STK_MOUTH_SMILE_L, 291, 0, 5, 10},
    {STK_MOUTH_SMILE_L, 291, 1, 4, 9},
    {STK_MOUTH_SMILE_L, 61, 0, -0.3f, 0.3f},
    {STK_MOUTH_SMILE_R, 61, 0, -10, -5},
    {STK_MOUTH_SMILE_R, 205, 2, 2, 6},
    {STK_MOUTH_FROWN_R, 61, 1, -9, -4},
    {STK_MOUTH_FUNNEL, 0, 2, 4, 10},
    {STK_MOUTH_FUNNEL, 13, 1, 2, 6},
    {STK_MOUTH_FUNNEL, 14, 1, -6, -2},
    {STK_MOUTH_PUCKER, 0, 2, 4, 12},
    {STK_MOUTH_PUCKER, 61, 0, 6, 14},
    {STK_MOUTH_PUCKER, 291, 0, -14, -6},
    {STK_MOUTH_LEFT, 13, 0, 3, 10},
    {STK_MOUTH_RIGHT, 13, 0, -10, -3},
    {STK_MOUTH_DIMPLE_R, 61, 2, -6, -2},
    {STK_MOUTH_STRETCH_R, 61, 0, -10, -4},
    {STK_MOUTH_LOWER_DOWN_R, 178, 1, -8, -3},
    {STK_MOUTH_LOWER_DOWN_L, 402, 1, -8, -3},
    {STK_MOUTH_UPPER_UP_R, 81, 1, 3, 7},
    {STK_MOUTH_UPPER_UP_L, 311, 1, 3, 7},
    {STK_MOUTH_ROLL_LOWER, 17, 2, -6, -2},
    {STK_MOUTH_ROLL_UPPER, 0, 2, -6, -2},
    {STK_MOUTH_SHRUG_LOWER, 17, 1, 2, 7},
    {STK_MOUTH_SHRUG_UPPER, 0, 1, 2, 6},
    {STK_MOUTH_PRESS_R, 181, 1, 0.8f, 3},
    {STK_BROW_DOWN_R, 55, 1, -9, -3},
    {STK_BROW_DOWN_R, 285, 1, -0.3f, 0.3f},
    {STK_BROW_DOWN_L, 285, 1, -9, -3},
    {STK_BROW_INNER_UP, 107, 1, 4, 10},
    {STK_BROW_INNER_UP, 336, 1, 4, 10},
    {STK_BROW_OUTER_UP_L, 293, 1, 4, 10},
    {STK_BROW_OUTER_UP_R, 63, 1, 4, 10},
    {STK_CHEEK_PUFF, 207, 2, 3, 9},
    {STK_CHEEK_SQUINT_R, 50, 1, 1.5f, 5},
    {STK_NOSE_SNEER_R, 129, 1, 2, 5},
    {STK_EYE_BLINK_R, 159, 1, -8, -3},
    {STK_EYE_BLINK_R, 386, 1, 0, 0},
    {STK_EYE_BLINK_L, 386, 1, -8, -3},
    {STK_EYE_WIDE_R, 159, 1, 0.8f, 3},
    {STK_EYE_SQUINT_R, 145, 1, 0.7f, 3},
    {STK_EYE_LOOK_DOWN_R, 159, 1, -4, -1},
    {STK_EYE_LOOK_UP_R, 159, 1, 0.8f, 3},
    {STK_EYE_LOOK_IN_R, 159, 1, 0, 0},
    {STK_TONGUE_OUT, 14, 1, -6, -1},
};

static void apply_one_shape_moves_its_landmarks(void **state) {
    (void)state;
    static float moved[VERTICES][3];
    for (size_t i = 0; i < sizeof movements / sizeof movements[0]; i++) {
        const movement *m = &movements[i];
        apply_one(m->shape, 1, moved);
        const float mm = 1000 * (moved[m->landmark][m->axis] - neutral[m->landmark][m->axis]);
        if (mm < m->least || mm > m->most)
            fail_msg("shape %d moves landmark %d by %.2f mm along %d", m->shape, m->landmark,
                     (double)mm, m->axis);
    }
}

static int mirror_of(int vertex) {
    const float(*face)[3] = stk_canonical_face();
    for (int o = 0; o < FACE; o++)
        if (fabsf(face[o][0] + face[vertex][0]) < 1e-5f &&
            fabsf(face[o][1] - face[vertex][1]) < 1e-5f &&
            fabsf(face[o][2] - face[vertex][2]) < 1e-5f)
            return o;
    fail_msg("vertex %d has no mirror", vertex);
    return 0;
}

/* Left shapes are the mirror of right ones: 0.1 mm. */
static void apply_left_and_right_are_mirrored(void **state) {
    (void)state;
    static const int pairs[][2] = {{0, 1},   {3, 4},   {6, 7},   {8, 9},   {10, 11}, {16, 17},
                                   {18, 19}, {20, 21}, {23, 25}, {27, 28}, {29, 30}, {32, 38},
                                   {33, 34}, {35, 36}, {43, 44}, {45, 46}, {47, 48}, {49, 50},
                                   {2, 2},   {5, 5},   {24, 24}, {31, 31}, {37, 37}, {39, 39}};
    static float left[VERTICES][3], right[VERTICES][3];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        apply_one(pairs[i][0], 0.8f, left);
        apply_one(pairs[i][1], 0.8f, right);
        for (int v = 0; v < FACE; v++) {
            const int o = mirror_of(v);
            const float a[3] = {-left[v][0], left[v][1], left[v][2]};
            test_assert_close("mirrored", a, right[o], 3, 1e-4);
        }
    }
}

static float lip_gap(const float (*moved)[3], int i) {
    return moved[stk_lip_upper[i]][1] - moved[stk_lip_lower[i]][1];
}

static void apply_jaw_open_gap_is_that_of_a_wide_mouth(void **state) {
    (void)state;
    static float moved[VERTICES][3];
    float before = -1;
    for (int i = 0; i <= 10; i++) {
        apply_one(STK_JAW_OPEN, 0.1f * (float)i, moved);
        const float gap = lip_gap((const float(*)[3])moved, 5);
        assert_true(gap > before);
        before = gap;
    }
    assert_true(before > 0.032f && before < 0.042f);
}

/* The lower teeth's motion is that of the skin over the chin. */
static void jaw_agrees_with_chin(void **state) {
    (void)state;
    static float moved[VERTICES][3];
    for (int shape = STK_JAW_FORWARD; shape <= STK_JAW_RIGHT; shape++) {
        stk_face_state one = {{0}};
        one.shapes[shape] = 0.7f;
        apply(&one, moved);
        stk_pose jaw;
        stk_express_jaw(express, &one, &jaw);
        assert_true(stk_pose_possible(&jaw));
        float expected[3];
        for (int i = 0; i < 3; i++) {
            expected[i] = jaw.t[i];
            for (int k = 0; k < 3; k++) expected[i] += jaw.R[3 * i + k] * neutral[152][k];
        }
        test_assert_close("chin", moved[152], expected, 3, 5e-4);
    }
}

static void apply_mouth_close_shuts_an_open_jaw(void **state) {
    (void)state;
    static float moved[VERTICES][3];
    for (int i = 1; i <= 10; i++) {
        stk_face_state closed = {{0}};
        closed.shapes[STK_JAW_OPEN] = closed.shapes[STK_MOUTH_CLOSE] = 0.1f * (float)i;
        apply(&closed, moved);
        for (int k = 1; k < STK_LIP_POINTS - 1; k++)
            assert_true(fabsf(lip_gap((const float(*)[3])moved, k)) < 2e-4f);
        closed.shapes[STK_MOUTH_CLOSE] *= 0.5f;
        apply(&closed, moved);
        assert_true(lip_gap((const float(*)[3])moved, 5) > 0.0005f);
    }
}

/* --- lids ------------------------------------------------------------------------------------- */

static int16_t side_of(int16_t landmark, int left) {
    return left ? (int16_t)mirror_of(landmark) : landmark;
}

/* Least distance of the lid's skin from the globe's centre over points of its quads, in radii:
 * between neighbouring columns, from the border to the crease. */
static float nearest_to_globe(const float (*moved)[3], int left,
                              const int16_t (*rings)[STK_LID_POINTS]) {
    const stk_eye_globe *globe = &globes[left];
    float nearest = 1e9f;
    for (int i = 0; i + 1 < STK_LID_POINTS; i++)
        for (int a = 0; a <= 8; a++)
            for (int b = 0; b <= 8; b++) {
                const float u = (float)a / 8, v = (float)b / 8;
                float d = 0;
                for (int c = 0; c < 3; c++) {
                    const float p = (1 - u) * moved[side_of(rings[0][i], left)][c] +
                                    u * moved[side_of(rings[0][i + 1], left)][c];
                    const float q = (1 - u) * moved[side_of(rings[1][i], left)][c] +
                                    u * moved[side_of(rings[1][i + 1], left)][c];
                    const float w = (1 - v) * p + v * q - globe->centre[c];
                    d += w * w;
                }
                nearest = fminf(nearest, sqrtf(d) / globe->radius);
            }
    return nearest;
}

static void apply_blink_shuts_and_stays_outside_the_globe(void **state) {
    (void)state;
    static float moved[VERTICES][3];
    for (int left = 0; left < 2; left++)
        for (int i = 0; i <= 20; i++) {
            apply_one(STK_EYE_BLINK_R - left, 0.05f * (float)i, moved);
            const float(*m)[3] = (const float(*)[3])moved;
            const float upper = nearest_to_globe(m, left, stk_lid_upper);
            const float lower = nearest_to_globe(m, left, stk_lid_lower);
            if (upper < 1 || lower < 1)
                fail_msg("blink %.2f: lids at %.3f and %.3f radii", 0.05 * i, (double)upper,
                         (double)lower);
        }
    for (int left = 0; left < 2; left++)
        for (int i = 0; i < STK_LID_POINTS; i++) {
            apply_one(STK_EYE_BLINK_R - left, 1, moved);
            const float *u = moved[side_of(stk_lid_upper[0][i], left)];
            const float *l = moved[side_of(stk_lid_lower[0][i], left)];
            test_assert_close("shut", u, l, 3, 2e-4);
        }
}

static void apply_lids_never_cross(void **state) {
    (void)state;
    static float moved[VERTICES][3];
    stk_rng rng;
    stk_rng_seed(&rng, 5, 0);
    for (int trial = 0; trial < 300; trial++) {
        stk_face_state any = {{0}};
        for (int k = 0; k < STK_BLENDSHAPES; k++) any.shapes[k] = stk_rng_float(&rng);
        apply(&any, moved);
        for (int left = 0; left < 2; left++)
            for (int i = 0; i < STK_LID_POINTS; i++)
                assert_true(moved[side_of(stk_lid_upper[0][i], left)][1] >=
                            moved[side_of(stk_lid_lower[0][i], left)][1] - 3e-4f);
    }
}

/* --- together --------------------------------------------------------------------------------- */

/* Values as speech makes them. */
static void draw_speech(stk_rng *rng, stk_face_state *state) {
    static const float most[STK_BLENDSHAPES] = {
        [0] = 0.4f,  [1] = 0.4f,  [2] = 0.6f,  [3] = 0.5f,  [4] = 0.5f,   [5] = 0.2f,  [6] = 0.3f,
        [7] = 0.3f,  [8] = 1,     [9] = 1,     [10] = 0.5f, [11] = 0.5f,  [16] = 0.4f, [17] = 0.4f,
        [18] = 0.4f, [19] = 0.4f, [22] = 0.2f, [23] = 0.1f, [24] = 0.45f, [26] = 0.4f, [31] = 0.7f,
        [33] = 0.5f, [34] = 0.5f, [35] = 0.5f, [36] = 0.5f, [37] = 0.8f,  [39] = 0.6f, [40] = 0.5f,
        [41] = 0.4f, [42] = 0.3f, [43] = 0.6f, [44] = 0.6f, [45] = 0.4f,  [46] = 0.4f, [47] = 0.4f,
        [48] = 0.4f, [49] = 0.2f, [50] = 0.2f};
    memset(state, 0, sizeof *state);
    for (int k = 0; k < STK_BLENDSHAPES; k++)
        if (stk_rng_float(rng) < 0.4f) state->shapes[k] = most[k] * stk_rng_float(rng);
}

static void face_normal(const float (*p)[3], const int16_t t[3], float n[3]) {
    float u[3], v[3];
    for (int c = 0; c < 3; c++) {
        u[c] = p[t[1]][c] - p[t[0]][c];
        v[c] = p[t[2]][c] - p[t[0]][c];
    }
    n[0] = u[1] * v[2] - u[2] * v[1];
    n[1] = u[2] * v[0] - u[0] * v[2];
    n[2] = u[0] * v[1] - u[1] * v[0];
}

/* Triangles of the face outside its openings that turn over (by more than 100 degrees). */
static int count_flipped(const float (*moved)[3]) {
    int flipped = 0;
    uint8_t border[FACE] = {0};
    for (int i = 0; i < STK_LIP_POINTS; i++)
        border[stk_lip_upper[i]] = border[stk_lip_lower[i]] = 1;
    for (int left = 0; left < 2; left++)
        for (int i = 0; i < STK_LID_POINTS; i++)
            border[side_of(stk_lid_upper[0][i], left)] =
                border[side_of(stk_lid_lower[0][i], left)] = (uint8_t)(2 + left);
    for (int i = 0; i < STK_MESH_TRIANGLES; i++) {
        const int16_t *t = stk_face_mesh_triangles()[i];
        const int set = (border[t[0]] != 0) + (border[t[1]] != 0) + (border[t[2]] != 0);
        if (set == 3) continue;
        float a[3], b[3];
        face_normal((const float(*)[3])neutral, t, a);
        face_normal(moved, t, b);
        const float la = sqrtf(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
        const float lb = sqrtf(b[0] * b[0] + b[1] * b[1] + b[2] * b[2]);
        flipped += a[0] * b[0] + a[1] * b[1] + a[2] * b[2] < -0.17f * la * lb;
    }
    return flipped;
}

static void apply_speech_like_states_stay_sane(void **state) {
    (void)state;
    static float moved[VERTICES][3];
    stk_rng rng;
    stk_rng_seed(&rng, 11, 0);
    int flipped = 0, worst = 0;
    for (int trial = 0; trial < 200; trial++) {
        stk_face_state speech;
        draw_speech(&rng, &speech);
        apply(&speech, moved);
        for (int i = 1; i < STK_LIP_POINTS - 1; i++)
            assert_true(lip_gap((const float(*)[3])moved, i) > -1e-4f);
        const int n = count_flipped((const float(*)[3])moved);
        flipped += n;
        worst = n > worst ? n : worst;
    }
    if (flipped > 400 || worst > 10) fail_msg("%d triangles flipped, %d in one", flipped, worst);
}

static void apply_wild_values_are_clamped(void **state) {
    (void)state;
    static float moved[VERTICES][3], one[VERTICES][3];
    const float wild[] = {NAN, INFINITY, -INFINITY, 1e30f, -5, 3};
    for (int k = 0; k < STK_BLENDSHAPES; k++)
        for (int i = 0; i < 6; i++) {
            apply_one(k, wild[i], moved);
            apply_one(k, wild[i] > 1 ? 1 : 0, one);
            assert_memory_equal(moved, one, sizeof one);
        }
    stk_face_state all;
    for (int k = 0; k < STK_BLENDSHAPES; k++) all.shapes[k] = 1;
    apply(&all, moved);
    for (int v = 0; v < VERTICES; v++)
        for (int c = 0; c < 3; c++) assert_true(fabsf(moved[v][c] - neutral[v][c]) < 0.1f);
}

/* The throat goes with the chin, less and less; the base of the neck stays. */
static void apply_throat_follows_with_decay(void **state) {
    (void)state;
    static float moved[VERTICES][3];
    apply_one(STK_JAW_OPEN, 0.5f, moved);
    float before = fabsf(moved[152][1] - neutral[152][1]);
    assert_true(before > 0.005f);
    for (int ring = 0; ring < RINGS; ring++) {
        const int below_chin = FACE + ring * RING + 18;
        const float now = fabsf(moved[below_chin][1] - neutral[below_chin][1]);
        assert_true(now < before);
        before = now;
    }
    assert_true(before == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apply_zero_state_is_neutral),
        cmocka_unit_test(apply_one_shape_moves_its_landmarks),
        cmocka_unit_test(apply_left_and_right_are_mirrored),
        cmocka_unit_test(apply_jaw_open_gap_is_that_of_a_wide_mouth),
        cmocka_unit_test(jaw_agrees_with_chin),
        cmocka_unit_test(apply_mouth_close_shuts_an_open_jaw),
        cmocka_unit_test(apply_blink_shuts_and_stays_outside_the_globe),
        cmocka_unit_test(apply_lids_never_cross),
        cmocka_unit_test(apply_speech_like_states_stay_sane),
        cmocka_unit_test(apply_wild_values_are_clamped),
        cmocka_unit_test(apply_throat_follows_with_decay),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
