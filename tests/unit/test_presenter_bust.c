/* test_presenter_bust.c - the head: its mesh is sound, the same for the same seed, like a face, and
 * its parts fit when it moves. */
#include "support/sanitized.h"
#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/face_mesh.h"
#include "base/memory.h"
#include "presenter/bust.h"
#include "presenter/control_mesh.h"
#include "presenter/express_shapes.h"
#include "presenter/subdivide.h"

enum { SEEDS = SANITIZED ? 4 : 20 };

static stk_bust *bust_of(int seed) {
    stk_look look;
    stk_look_draw(&look, seed);
    stk_bust *bust = NULL;
    TEST_OK(stk_bust_create(&bust, &look));
    return bust;
}

static void cross_of(const stk_surface *s, int t, float n[3]) {
    const float *a = s->rest[s->triangle[t][0]], *b = s->rest[s->triangle[t][1]];
    const float *c = s->rest[s->triangle[t][2]];
    float u[3], v[3];
    for (int k = 0; k < 3; k++) u[k] = b[k] - a[k], v[k] = c[k] - a[k];
    n[0] = u[1] * v[2] - u[2] * v[1];
    n[1] = u[2] * v[0] - u[0] * v[2];
    n[2] = u[0] * v[1] - u[1] * v[0];
}

static int key_order(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void create_seed1_skinIsManifoldWithFourBorders(void **state) {
    (void)state;
    stk_bust *bust = bust_of(1);
    const stk_surface *s = stk_bust_skin(bust);
    assert_true(s->triangles <= 40000);
    const size_t edges = 3 * (size_t)s->triangles;
    int64_t *key = stk_calloc_aligned(edges, sizeof *key);
    for (size_t e = 0; e < edges; e++)
        key[e] = (int64_t)s->triangle[e / 3][e % 3] << 32 | s->triangle[e / 3][(e + 1) % 3];
    qsort(key, edges, sizeof *key, key_order);
    int border = 0, start = -1;
    for (size_t e = 0; e < edges; e++) {
        assert_true(e == 0 || key[e] != key[e - 1]); /* each direction of an edge once */
        const int64_t twin = (key[e] & 0xffffffff) << 32 | key[e] >> 32;
        if (bsearch(&twin, key, edges, sizeof *key, key_order)) continue;
        border++;
        start = (int)(key[e] >> 32);
    }
    /* Base of the neck, inner ends of two lid strips and of the lip strip. */
    assert_int_equal(border, 4 * 36 + 4 * 16 + 4 * 16 + 4 * 20);
    assert_true(start >= 0);
    stk_free(key);
    stk_bust_free(&bust);
}

static void create_everySeed_noTriangleIsDegenerate(void **state) {
    (void)state;
    for (int seed = 1; seed <= SEEDS; seed++) {
        stk_bust *bust = bust_of(seed);
        stk_actor actor = {.surfaces = 0};
        TEST_OK(stk_bust_add(bust, &actor));
        for (int i = 0; i < actor.surfaces; i++) {
            const stk_surface *s = actor.surface[i];
            for (int v = 0; v < s->vertices; v++) {
                for (int k = 0; k < 3; k++) assert_true(fabsf(s->rest[v][k]) < 0.25f);
                for (int k = 0; k < 2; k++) assert_true(s->uv[v][k] >= 0 && s->uv[v][k] <= 1);
                assert_true(s->shade[v] >= 0 && s->shade[v] <= 1);
                assert_true(s->bind[v] >= 0 && s->bind[v] <= 1);
            }
            for (int t = 0; t < s->triangles && i == 0; t++) {
                float n[3];
                cross_of(s, t, n);
                /* Lips touch at their corners: strips are slivers there. */
                assert_true(sqrtf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) > 1e-12f);
            }
        }
        stk_bust_free(&bust);
    }
}

static void create_seed1_trianglesFaceOutwards(void **state) {
    (void)state;
    stk_bust *bust = bust_of(1);
    const stk_surface *s = stk_bust_skin(bust);
    double volume = 0;
    for (int t = 0; t < s->triangles; t++) {
        float n[3];
        cross_of(s, t, n);
        const float *a = s->rest[s->triangle[t][0]], *b = s->rest[s->triangle[t][1]];
        const float *c = s->rest[s->triangle[t][2]];
        const float middle[3] = {(a[0] + b[0] + c[0]) / 3, (a[1] + b[1] + c[1]) / 3,
                                 (a[2] + b[2] + c[2]) / 3};
        volume += (middle[0] * n[0] + (middle[1] + 0.19) * n[1] + middle[2] * n[2]) / 6;
        if (middle[1] > 0.06f) /* the skull is convex about its middle */
            assert_true(middle[0] * n[0] + (middle[1] - 0.03f) * n[1] + (middle[2] + 0.04f) * n[2] >
                        0);
    }
    /* Head and neck: 4 .. 6.5 litres. */
    assert_true(volume > 0.0035 && volume < 0.0065);
    stk_bust_free(&bust);
}

/* rms distance (mm) to the canonical face after the best shift and scale. */
static double distance_to_canonical(float (*p)[3]) {
    const float(*q)[3] = stk_canonical_face();
    double mp[3] = {0, 0, 0}, mq[3] = {0, 0, 0}, pq = 0, pp = 0, sum = 0;
    for (int v = 0; v < STK_MESH_LANDMARKS; v++)
        for (int k = 0; k < 3; k++)
            mp[k] += p[v][k] / STK_MESH_LANDMARKS, mq[k] += q[v][k] / STK_MESH_LANDMARKS;
    for (int v = 0; v < STK_MESH_LANDMARKS; v++)
        for (int k = 0; k < 3; k++) {
            pq += (p[v][k] - mp[k]) * (q[v][k] - mq[k]);
            pp += (p[v][k] - mp[k]) * (p[v][k] - mp[k]);
        }
    for (int v = 0; v < STK_MESH_LANDMARKS; v++)
        for (int k = 0; k < 3; k++) {
            const double d = pq / pp * (p[v][k] - mp[k]) - (q[v][k] - mq[k]);
            sum += d * d;
        }
    return 1e3 * sqrt(sum / STK_MESH_LANDMARKS);
}

static void landmarks_everySeed_lieOnTheSkinNearTheCanonicalFace(void **state) {
    (void)state;
    for (int seed = 1; seed <= SEEDS; seed++) {
        stk_bust *bust = bust_of(seed);
        float head[STK_LANDMARKS][3];
        stk_bust_landmarks(bust, head);
        assert_memory_equal(head, stk_bust_skin(bust)->rest, STK_MESH_LANDMARKS * sizeof *head);
        assert_true(distance_to_canonical(head) < 6);
        for (int e = 0; e < 2; e++) { /* iris between the corners of its eye, border round it */
            const float *iris = head[STK_MESH_LANDMARKS + 5 * e];
            assert_true(iris[0] > head[e ? 362 : 33][0] && iris[0] < head[e ? 263 : 133][0]);
            assert_true(head[469 + 5 * e][0] > iris[0] && head[471 + 5 * e][0] < iris[0]);
            assert_true(head[470 + 5 * e][1] > iris[1] && head[472 + 5 * e][1] < iris[1]);
        }
        stk_bust_free(&bust);
    }
}

static void controlMesh_noAsymmetry_isItsMirrorImage(void **state) {
    (void)state;
    stk_control_mesh *mesh = stk_calloc_aligned(1, sizeof *mesh);
    const float shape[STK_LOOK_MODES] = {1, -1, 1, -1, 1, -1, 1, 1, 1, -1, 1, 1, -1, 1, -1, 1};
    TEST_OK(stk_control_mesh_build(mesh, shape, 0, 5));
    for (int v = 0; v < STK_CONTROL_VERTICES; v++) {
        float best = 1;
        for (int w = 0; w < STK_CONTROL_VERTICES; w++) {
            const float *a = mesh->position[v], *b = mesh->position[w];
            const float d = fabsf(a[0] + b[0]) + fabsf(a[1] - b[1]) + fabsf(a[2] - b[2]);
            best = fminf(best, d);
        }
        assert_true(best < 4e-5f); /* the canonical table is rounded, the iterations spread it */
    }
    stk_free(mesh);
}

static void create_twice_givesTheSameBytes(void **state) {
    (void)state;
    stk_bust *a = bust_of(7), *b = bust_of(7);
    stk_actor first = {.surfaces = 0}, second = {.surfaces = 0};
    TEST_OK(stk_bust_add(a, &first));
    TEST_OK(stk_bust_add(b, &second));
    for (int i = 0; i < first.surfaces; i++) {
        const stk_surface *s = first.surface[i], *t = second.surface[i];
        assert_int_equal(s->vertices, t->vertices);
        assert_memory_equal(s->rest, t->rest, (size_t)s->vertices * sizeof *s->rest);
        assert_memory_equal(s->uv, t->uv, (size_t)s->vertices * sizeof *s->uv);
        assert_memory_equal(s->triangle, t->triangle, (size_t)s->triangles * sizeof *s->triangle);
    }
    stk_bust_free(&a);
    stk_bust_free(&b);
}

/* Whether some skin lies in front of p (larger z, same x and y). */
static int hidden_behind_skin(const stk_surface *s, const float p[3]) {
    for (int t = 0; t < s->triangles; t++) {
        const float *a = s->rest[s->triangle[t][0]], *b = s->rest[s->triangle[t][1]];
        const float *c = s->rest[s->triangle[t][2]];
        if (fabsf(a[0] - p[0]) > 0.008f || fabsf(a[1] - p[1]) > 0.008f) continue;
        const float u = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
        const float v = (c[0] - b[0]) * (p[1] - b[1]) - (c[1] - b[1]) * (p[0] - b[0]);
        const float w = (a[0] - c[0]) * (p[1] - c[1]) - (a[1] - c[1]) * (p[0] - c[0]);
        if (u < 0 || v < 0 || w < 0 || u + v + w <= 0) continue;
        if ((v * a[2] + w * b[2] + u * c[2]) / (u + v + w) > p[2]) return 1;
    }
    return 0;
}

static void express_blink_skinCoversTheEyeballs(void **state) {
    (void)state;
    for (int seed = 1; seed <= (SANITIZED ? 1 : 4); seed++)
        for (int down = 0; down < 2; down++) {
            stk_bust *bust = bust_of(seed);
            stk_face_state face = {{0}};
            face.shapes[STK_EYE_BLINK_L] = face.shapes[STK_EYE_BLINK_R] = 1;
            face.shapes[STK_EYE_LOOK_DOWN_L] = face.shapes[STK_EYE_LOOK_DOWN_R] =
                0.5f * (float)down;
            stk_bust_express(bust, &face);
            stk_actor actor = {.surfaces = 0};
            TEST_OK(stk_bust_add(bust, &actor));
            const stk_surface *eyes = actor.surface[1];
            float head[STK_LANDMARKS][3];
            stk_bust_landmarks(bust, head);
            int seen = 0, asked = 0;
            for (int v = 0; v < eyes->vertices; v++) {
                const int e = v >= eyes->vertices / 2;
                const float *p = eyes->rest[v], *iris = head[STK_MESH_LANDMARKS + 5 * e];
                if (p[2] < iris[2] - 0.006f) continue;
                asked++, seen += !hidden_behind_skin(actor.surface[0], p);
            }
            assert_true(asked > 500);
            assert_int_equal(seen, 0);
            stk_bust_free(&bust);
        }
}

static void create_seed1_textureIsNotFolded(void **state) {
    (void)state;
    stk_bust *bust = bust_of(1);
    const stk_surface *s = stk_bust_skin(bust);
    int folded = 0;
    for (int t = 0; t < s->triangles; t++) {
        const float *a = s->uv[s->triangle[t][0]], *b = s->uv[s->triangle[t][1]];
        const float *c = s->uv[s->triangle[t][2]];
        /* v runs down: outside triangles turn clockwise */
        folded += (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 1e-8f;
    }
    assert_int_equal(folded, 0);
    stk_bust_free(&bust);
}

static void express_mouth_opensAndRestsClosed(void **state) {
    (void)state;
    stk_bust *bust = bust_of(1);
    const stk_surface *s = stk_bust_skin(bust);
    float opening, width;
    stk_bust_mouth(bust, &opening, &width);
    assert_true(opening < 0.0005f);
    assert_true(width > 0.036f && width < 0.056f);
    stk_face_state face = {{0}};
    face.shapes[STK_JAW_OPEN] = 1;
    stk_bust_express(bust, &face);
    stk_bust_mouth(bust, &opening, &width);
    assert_true(opening > 0.015f);
    face.shapes[STK_JAW_OPEN] = 0;
    stk_bust_express(bust, &face); /* nothing is left of the last expression */
    assert_memory_equal(s->rest, stk_bust_neutral(bust), (size_t)s->vertices * sizeof *s->rest);
    stk_bust_free(&bust);
}

static void express_gaze_turnsTheIris(void **state) {
    (void)state;
    stk_bust *bust = bust_of(1);
    float rest[STK_LANDMARKS][3], moved[STK_LANDMARKS][3];
    stk_bust_landmarks(bust, rest);
    stk_face_state face = {{0}};
    face.shapes[STK_EYE_LOOK_OUT_L] = face.shapes[STK_EYE_LOOK_IN_R] = 0.5f;
    face.shapes[STK_EYE_LOOK_UP_L] = face.shapes[STK_EYE_LOOK_UP_R] = 0.5f;
    stk_bust_express(bust, &face);
    stk_bust_landmarks(bust, moved);
    for (int e = 0; e < 2; e++) { /* 15 degrees on a globe of 13 mm: 3.4 mm */
        const int iris = STK_MESH_LANDMARKS + 5 * e;
        assert_true(moved[iris][0] - rest[iris][0] > 0.0028f);
        assert_true(moved[iris][1] - rest[iris][1] > 0.0028f);
    }
    stk_bust_free(&bust);
}

static void create_seed1_bonesScalpAndPartsLieWhereTheyShould(void **state) {
    (void)state;
    stk_bust *bust = bust_of(1);
    const stk_surface *s = stk_bust_skin(bust);
    const float *scalp = stk_bust_scalp(bust);
    for (int v = 0; v < STK_MESH_LANDMARKS; v++) assert_true(s->bind[v] == 1);
    float lowest = 0, highest = 0, front = -1, back = 0;
    for (int v = 0; v < s->vertices; v++) {
        lowest = fminf(lowest, s->rest[v][1]), highest = fmaxf(highest, s->rest[v][1]);
        front = fmaxf(front, s->rest[v][2]), back = fminf(back, s->rest[v][2]);
        if (s->rest[v][1] > 0.115f) assert_true(scalp[v] > 0.99f);
        if (s->rest[v][1] < -0.09f) assert_true(scalp[v] < 0.01f);
        if (s->rest[v][1] < -0.175f) assert_true(s->bind[v] < 0.1f);
    }
    const float *chin = s->rest[152];
    assert_true(highest - chin[1] > 0.20f && highest - chin[1] < 0.24f);
    assert_true(front - back > 0.19f && front - back < 0.225f);
    assert_true(chin[1] - lowest > 0.08f && chin[1] - lowest < 0.11f);
    int count[STK_PARTS] = {0};
    for (int t = 0; t < s->triangles; t++) count[s->part[t]]++;
    assert_true(count[STK_PART_FACE] > 10000 && count[STK_PART_HAIR] > 3000);
    assert_true(count[STK_PART_NECK] > 3000);
    stk_bust_free(&bust);
}

/* The neck without head is a closed-in column below the mouth; nothing of the skin rises beside it,
 * and all is as before when the head is back. */
static void plug_shown_isAllThatRisesAboveTheThroat(void **state) {
    (void)state;
    stk_look look;
    stk_look_draw(&look, 3);
    stk_bust *bust;
    TEST_OK(stk_bust_create(&bust, &look));
    stk_actor actor = {.surfaces = 0};
    TEST_OK(stk_bust_add(bust, &actor));
    const stk_surface *skin = stk_bust_skin(bust), *plug = actor.surface[actor.surfaces - 1];
    const int bytes = skin->triangles;
    uint8_t *parts = malloc((size_t)bytes);
    assert_non_null(parts);
    memcpy(parts, skin->part, (size_t)bytes);
    stk_bust_plug(bust, 1);
    assert_false(plug->hidden);
    float top = -1;
    int outwards = 0;
    for (int t = 0; t < plug->triangles; t++) {
        const float *a = plug->rest[plug->triangle[t][0]], *b = plug->rest[plug->triangle[t][1]];
        const float *c = plug->rest[plug->triangle[t][2]];
        const float x = (b[1] - a[1]) * (c[2] - a[2]) - (b[2] - a[2]) * (c[1] - a[1]);
        const float z = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        outwards += x * a[0] + z * (a[2] + 0.06f) > 0;
        for (int i = 0; i < 3; i++) top = fmaxf(top, plug->rest[plug->triangle[t][i]][1]);
    }
    assert_true(outwards > plug->triangles * 9 / 10); /* the dome's tip leans */
    assert_true(top > skin->rest[152][1] && top < skin->rest[13][1] + 0.03f);
    for (int t = 0; t < skin->triangles; t++)
        for (int i = 0; i < 3 && skin->part[t] == STK_PART_NECK; i++)
            assert_true(skin->rest[skin->triangle[t][i]][1] < top - 0.005f);
    stk_bust_plug(bust, 0);
    assert_true(plug->hidden);
    assert_memory_equal(parts, skin->part, (size_t)bytes);
    free(parts);
    stk_bust_free(&bust);
}

static void subdivision_plane_staysAPlaneAndWeightsSumToOne(void **state) {
    (void)state;
    stk_control_mesh *mesh = stk_calloc_aligned(1, sizeof *mesh);
    const float shape[STK_LOOK_MODES] = {0};
    TEST_OK(stk_control_mesh_build(mesh, shape, 0, 1));
    stk_subdivision sub;
    TEST_OK(stk_subdivision_init(&sub, (const int32_t(*)[3])mesh->triangle, STK_CONTROL_TRIANGLES,
                                 STK_CONTROL_VERTICES, mesh->corner, 2));
    assert_int_equal(sub.triangles, 16 * STK_CONTROL_TRIANGLES);
    for (int v = 0; v < sub.vertices; v++) {
        double sum = 0;
        for (int i = sub.row[v]; i < sub.row[v + 1]; i++) {
            assert_true(sub.weight[i] > 0);
            sum += sub.weight[i];
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
    stk_subdivision_clear(&sub);
    stk_free(mesh);
}

static void lookDraw_seeds_arePlausible(void **state) {
    (void)state;
    int women = 0;
    for (int seed = 1; seed <= 60; seed++) {
        stk_look look, again;
        stk_look_draw(&look, seed);
        stk_look_draw(&again, seed);
        assert_memory_equal(&look, &again, sizeof look);
        women += look.woman;
        assert_true(look.skin_rgb[0] > look.skin_rgb[1] && look.skin_rgb[1] > look.skin_rgb[2]);
        assert_true(look.skin_rgb[0] > 0.05f && look.skin_rgb[0] < 0.95f);
        assert_true(look.brow_rgb[0] <= look.hair_rgb[0]);
        for (int i = 0; i < STK_LOOK_MODES; i++) assert_true(fabsf(look.shape[i]) <= 2);
    }
    assert_true(women > 15 && women < 45);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_seed1_skinIsManifoldWithFourBorders),
        cmocka_unit_test(create_everySeed_noTriangleIsDegenerate),
        cmocka_unit_test(create_seed1_trianglesFaceOutwards),
        cmocka_unit_test(landmarks_everySeed_lieOnTheSkinNearTheCanonicalFace),
        cmocka_unit_test(controlMesh_noAsymmetry_isItsMirrorImage),
        cmocka_unit_test(create_twice_givesTheSameBytes),
        cmocka_unit_test(express_blink_skinCoversTheEyeballs),
        cmocka_unit_test(create_seed1_textureIsNotFolded),
        cmocka_unit_test(express_mouth_opensAndRestsClosed),
        cmocka_unit_test(express_gaze_turnsTheIris),
        cmocka_unit_test(create_seed1_bonesScalpAndPartsLieWhereTheyShould),
        cmocka_unit_test(plug_shown_isAllThatRisesAboveTheThroat),
        cmocka_unit_test(subdivision_plane_staysAPlaneAndWeightsSumToOne),
        cmocka_unit_test(lookDraw_seeds_arePlausible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
