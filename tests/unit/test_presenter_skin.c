/* The painted skin, on a stand-in for the bust: the canonical face with its own texture
 * coordinates. */
#include "support.h"

#include "base/face_mesh.h"
#include "base/image.h"
#include "presenter/bust.h"
#include "presenter/skin.h"
#include "presenter/skin_parts.h"

#include <math.h>
#include <string.h>

enum { SIDE = 320 };

static float rest[STK_MESH_LANDMARKS][3], uv[STK_MESH_LANDMARKS][2];
static int32_t triangle[STK_MESH_TRIANGLES][3];
static const stk_surface face = {.name = "face",
                                 .vertices = STK_MESH_LANDMARKS,
                                 .triangles = STK_MESH_TRIANGLES,
                                 .rest = rest,
                                 .uv = uv,
                                 .triangle = triangle};

static int face_make(void **state) {
    (void)state;
    memcpy(rest, stk_canonical_face(), sizeof rest);
    memcpy(uv, stk_face_mesh_texture(), sizeof uv);
    for (int t = 0; t < STK_MESH_TRIANGLES; t++) {
        for (int c = 0; c < 3; c++) triangle[t][c] = stk_face_mesh_triangles()[t][c];
    }
    return 0;
}

static stk_look somebody(int seed) {
    stk_look look = {.seed = seed,
                     .woman = 1,
                     .skin_rgb = {0.52f, 0.31f, 0.23f},
                     .lip_rgb = {0.42f, 0.16f, 0.14f},
                     .brow_rgb = {0.06f, 0.04f, 0.03f},
                     .iris_rgb = {0.10f, 0.13f, 0.15f},
                     .hair_rgb = {0.05f, 0.03f, 0.02f},
                     .ruddiness = 0.5f,
                     .freckles = 0.4f,
                     .stubble = 0.4f};
    return look;
}

static void paint(int seed, stk_pool *pool, stk_texture *texture) {
    stk_look look = somebody(seed);
    memset(texture, 0, sizeof *texture);
    TEST_OK(stk_skin_paint_surface(&face, NULL, &look, SIDE, 1, pool, texture));
}

static void drop(stk_texture *texture) {
    stk_image_clear(&texture->colour);
    stk_image_clear(&texture->detail);
}

static int same(const stk_texture *a, const stk_texture *b) {
    int equal = 1;
    for (int y = 0; y < SIDE; y++) {
        equal &= memcmp(stk_image_row(&a->colour, y), stk_image_row(&b->colour, y), 4 * SIDE) == 0;
        equal &= memcmp(stk_image_row(&a->detail, y), stk_image_row(&b->detail, y), 4 * SIDE) == 0;
    }
    return equal;
}

/* Mean of a square around the middle of two landmarks. */
static void mean_at(const stk_texture *texture, int a, int b, int reach, double rgb[3]) {
    int x = (int)((face.uv[a][0] + face.uv[b][0]) * 0.5f * SIDE);
    int y = (int)((face.uv[a][1] + face.uv[b][1]) * 0.5f * SIDE), n = 0;
    rgb[0] = rgb[1] = rgb[2] = 0.0;
    for (int dy = -reach; dy <= reach; dy++) {
        for (int dx = -reach; dx <= reach; dx++, n++) {
            const uint8_t *p = stk_image_row(&texture->colour, y + dy) + 4 * (x + dx);
            for (int c = 0; c < 3; c++) rgb[c] += p[c];
        }
    }
    for (int c = 0; c < 3; c++) rgb[c] /= n;
}

static void stk_skin_map_init_face_every_texel_of_it_inside(void **state) {
    (void)state;
    stk_skin_map map;
    TEST_OK(stk_skin_map_init(&map, &face, NULL, SIDE, NULL));
    int inside = 0, beside = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        inside += map.inside[i] == 1;
        beside += map.inside[i] == 2;
        if (map.inside[i] == 0) continue;
        assert_true(map.pitch[i] > 0.0f);
        assert_true(map.rest[i][1] > -97.0f && map.rest[i][1] < 85.0f);
    }
    assert_true(inside > SIDE * SIDE / 2 && beside > 4 * SIDE);
    /* at each vertex: its own position, within the 1.5 texels that it may lie off the centre */
    for (int v = 0; v < STK_MESH_LANDMARKS; v++) {
        int x = stk_clampi((int)(face.uv[v][0] * SIDE), 0, SIDE - 1);
        int y = stk_clampi((int)(face.uv[v][1] * SIDE), 0, SIDE - 1);
        assert_true(map.inside[y * SIDE + x] != 0);
        double dx = map.rest[y * SIDE + x][0] - 1e3 * face.rest[v][0];
        assert_true(dx * dx < 9.0);
    }
    stk_skin_map_clear(&map);
}

static void stk_skin_map_slopes_ramp_same_slope_everywhere(void **state) {
    (void)state;
    stk_skin_map map;
    stk_texture texture = {0};
    TEST_OK(stk_texture_init(&texture, SIDE));
    TEST_OK(stk_skin_map_init(&map, &face, NULL, SIDE, NULL));
    for (int i = 0; i < SIDE * SIDE; i++) { /* a flat square of 0.5 mm texels, rising by 0.2 */
        map.rest[i][0] = 0.5f * (float)(i % SIDE);
        map.rest[i][1] = 0.5f * (float)(i / SIDE);
        map.rest[i][2] = 0.0f;
        map.height[i] = 0.2f * map.rest[i][0];
        map.inside[i] = 1;
    }
    stk_skin_map_slopes(&map, &texture.detail, NULL);
    for (int y = 1; y < SIDE - 1; y++) {
        for (int x = 1; x < SIDE - 1; x++) {
            const uint8_t *p = stk_image_row(&texture.detail, y) + 4 * x;
            assert_in_range(p[0], 152, 154); /* 128 + 127 * 0.2 */
            assert_int_equal(p[1], 128);
        }
    }
    stk_skin_map_clear(&map);
    drop(&texture);
}

static void stk_skin_paint_surface_any_threads_same_bytes(void **state) {
    (void)state;
    stk_texture first, texture;
    paint(1, NULL, &first);
    for (int threads = 2; threads <= 3; threads++) {
        stk_pool *pool;
        TEST_OK(stk_pool_create(&pool, threads));
        paint(1, pool, &texture);
        assert_true(same(&first, &texture));
        drop(&texture);
        stk_pool_free(&pool);
    }
    paint(2, NULL, &texture);
    assert_false(same(&first, &texture));
    drop(&texture);
    drop(&first);
}

static void stk_skin_paint_surface_face_colours_where_they_belong(void **state) {
    (void)state;
    stk_texture texture;
    double cheek[3], lip[3], forehead[3], brow[3], nostril[3], below_eye[3];
    paint(1, NULL, &texture);
    mean_at(&texture, 205, 205, 4, cheek);
    mean_at(&texture, 0, 13, 1, lip);
    mean_at(&texture, 151, 151, 6, forehead);
    mean_at(&texture, 52, 52, 3, brow);
    mean_at(&texture, 79, 60, 0, nostril);
    mean_at(&texture, 231, 231, 2, below_eye);
    assert_true(lip[0] / lip[1] > 1.05 * cheek[0] / cheek[1]);
    assert_true(cheek[0] / cheek[1] > 1.02 * forehead[0] / forehead[1]);
    assert_true(brow[0] < 0.75 * forehead[0] && brow[1] < 0.75 * forehead[1]);
    assert_true(nostril[0] < 0.5 * cheek[0]);
    assert_true(below_eye[0] < cheek[0]);
    drop(&texture);
}

static void stk_iris_paint_axis_to_back_pupil_iris_white(void **state) {
    (void)state;
    enum { EYE = 256 };
    stk_look look = somebody(1);
    stk_texture texture = {0};
    TEST_OK(stk_iris_paint(&look, EYE, 3.14159f, 0.505f, NULL, &texture));
    const uint8_t *row = stk_image_row(&texture.colour, EYE / 2);
    double white = 0.0, iris = 0.0;
    for (int i = 0; i < 12; i++) { /* 0.505 rad of pi are 20.6 texels */
        iris += row[4 * (EYE / 2 + 10 + i % 6)] / 12.0;
        white += row[4 * (EYE / 2 + 32 + i)] / 12.0;
    }
    assert_true(row[4 * (EYE / 2)] < 25);
    assert_true(iris > 30.0 && iris < 170.0);
    assert_true(white > 180.0);
    drop(&texture);
}

static void stk_skin_paint_bust_every_material_has_its_pictures(void **state) {
    (void)state;
    stk_look look;
    stk_bust *bust;
    stk_look_draw(&look, 1);
    TEST_OK(stk_bust_create(&bust, &look));
    TEST_OK(stk_skin_paint(bust, &look, 256, NULL));
    static const int side[STK_BUST_MATERIALS] = {[STK_BUST_SKIN] = 256,
                                                 [STK_BUST_EYE] = 128,
                                                 [STK_BUST_TEETH] = 128,
                                                 [STK_BUST_MOUTH] = 64,
                                                 [STK_BUST_EAR] = 64};
    for (int m = 0; m < STK_BUST_MATERIALS; m++) {
        const stk_texture *texture = &stk_bust_material_get(bust, (stk_bust_material)m)->texture;
        assert_int_equal(texture->colour.width, side[m]);
        assert_int_equal(texture->detail.height, side[m]);
        assert_int_equal(texture->colour.channels, 4);
        int least = 255, most = 0; /* not one colour */
        for (int i = 0; i < side[m] * side[m]; i++) {
            const uint8_t *p = stk_image_row(&texture->colour, i / side[m]) + 4 * (i % side[m]);
            if (p[1] < least) least = p[1];
            if (p[1] > most) most = p[1];
            assert_int_equal(p[3], 255);
        }
        assert_true(most - least > 20);
    }
    TEST_OK(stk_skin_paint(bust, &look, 128, NULL)); /* again, smaller: pictures are replaced */
    assert_int_equal(stk_bust_material_get(bust, STK_BUST_SKIN)->texture.colour.width, 128);
    assert_int_equal(stk_skin_paint(bust, &look, 8, NULL), STK_ERR_ARGUMENT);
    stk_bust_free(&bust);
}

static void stk_brow_paint_both_brows_cover_the_band_only(void **state) {
    (void)state;
    static float cover[SIDE * SIDE];
    stk_look look = somebody(1);
    stk_skin_map map;
    static stk_curves curves;
    TEST_OK(stk_skin_map_init(&map, &face, NULL, SIDE, NULL));
    stk_curves_init(&curves, (const float(*)[2])uv, SIDE);
    stk_brow_paint(&curves, &map, &look, cover);
    double inside[2] = {0}, elsewhere = 0.0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        float v = ((float)(i / SIDE) + 0.5f) / SIDE; /* brows with their hairs: 0.22 .. 0.34 */
        assert_true(cover[i] >= 0.0f && cover[i] < 1.0f);
        if (v > 0.22f && v < 0.34f) {
            inside[i % SIDE > SIDE / 2] += cover[i];
        } else {
            elsewhere += cover[i];
        }
    }
    assert_true(inside[0] > 300.0 && inside[1] > 300.0); /* texels, of some 60 x 12 each */
    assert_true(fabs(inside[0] - inside[1]) < 0.2 * inside[0]);
    assert_true(elsewhere < 0.02 * inside[0]);
    stk_skin_map_clear(&map);
}

/* Signed distance of the unit-like loop: zero on it, negative inside, `reach` far away. */
static void stk_curve_distance_lips_sign_and_reach(void **state) {
    (void)state;
    static stk_curves curves;
    stk_curves_init(&curves, (const float(*)[2])uv, SIDE);
    const stk_curve *lips = &curves.curve[STK_CURVE_LIPS];
    float x = 0.5f * SIDE, y = 0.6937f * SIDE;
    assert_true(stk_curve_distance(lips, x, y, 5.0f, NULL) < -3.0f);
    assert_true(stk_curve_distance(lips, x, y - 60.0f, 5.0f, NULL) == 5.0f);
    for (int i = 0; i < lips->count; i++) {
        float along, d = stk_curve_distance(lips, lips->at[i][0], lips->at[i][1], 5.0f, &along);
        assert_true(fabsf(d) < 1e-3f && along >= 0.0f && along <= 1.0f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stk_skin_map_init_face_every_texel_of_it_inside),
        cmocka_unit_test(stk_skin_map_slopes_ramp_same_slope_everywhere),
        cmocka_unit_test(stk_skin_paint_surface_any_threads_same_bytes),
        cmocka_unit_test(stk_skin_paint_surface_face_colours_where_they_belong),
        cmocka_unit_test(stk_skin_paint_bust_every_material_has_its_pictures),
        cmocka_unit_test(stk_brow_paint_both_brows_cover_the_band_only),
        cmocka_unit_test(stk_curve_distance_lips_sign_and_reach),
        cmocka_unit_test(stk_iris_paint_axis_to_back_pupil_iris_white),
    };
    return cmocka_run_group_tests(tests, face_make, NULL);
}
