/* test_presenter_hand.c - the hand covers the mouth when raised, is out of the picture when not,
 * and is one closed body of skin. */
#include "support/sanitized.h"
#include "support/support.h"

#include <math.h>
#include <string.h>

#include "presenter/bust.h"
#include "presenter/hand.h"

static stk_hand *a_hand(int seed, stk_look *look, stk_actor *actor) {
    stk_hand *hand = NULL;
    memset(actor, 0, sizeof *actor);
    stk_look_draw(look, seed);
    TEST_OK(stk_hand_create(&hand, look, 64));
    TEST_OK(stk_hand_add(hand, actor));
    return hand;
}

/* Picture coordinates seen from 0.9 m before the origin, and whether a triangle holds a point. */
static void project(const float p[3], float uv[2]) {
    uv[0] = p[0] / (0.9f - p[2]), uv[1] = p[1] / (0.9f - p[2]);
}

static int covers(const stk_surface *surface, const float point[3]) {
    float at[2];
    project(point, at);
    for (int t = 0; t < surface->triangles; t++) {
        float side[3];
        int nearer = 1;
        for (int k = 0; k < 3; k++) {
            const float *p = surface->rest[surface->triangle[t][k]];
            const float *q = surface->rest[surface->triangle[t][(k + 1) % 3]];
            float a[2], b[2];
            project(p, a), project(q, b);
            side[k] = (b[0] - a[0]) * (at[1] - a[1]) - (b[1] - a[1]) * (at[0] - a[0]);
            nearer &= p[2] > point[2];
        }
        if (nearer && side[0] >= 0 && side[1] >= 0 && side[2] >= 0) return 1;
    }
    return 0;
}

static void raise_one_covers_the_lips(void **state) {
    (void)state;
    static const int lips[5] = {13, 14, 0, 17, 291};
    static float landmarks[STK_LANDMARKS][3];
    for (int seed = 1; seed <= (SANITIZED ? 2 : 4); seed++) {
        stk_look look;
        stk_actor actor;
        stk_bust *bust = NULL;
        stk_hand *hand = a_hand(seed, &look, &actor);
        TEST_OK(stk_bust_create(&bust, &look));
        const stk_face_state neutral = {{0}};
        stk_bust_express(bust, &neutral);
        stk_bust_landmarks(bust, landmarks);
        stk_hand_raise(hand, 1.0f);
        for (int i = 0; i < 5; i++) assert_true(covers(actor.surface[0], landmarks[lips[i]]));
        stk_hand_raise(hand, 0.0f);
        for (int i = 0; i < 5; i++) assert_false(covers(actor.surface[0], landmarks[lips[i]]));
        stk_bust_free(&bust);
        stk_hand_free(&hand);
    }
}

static void raise_zero_lies_below_the_picture(void **state) {
    (void)state;
    stk_look look;
    stk_actor actor;
    stk_hand *hand = a_hand(2, &look, &actor);
    stk_hand_raise(hand, 0.0f);
    for (int i = 0; i < actor.surfaces; i++)
        for (int k = 0; k < actor.surface[i]->vertices; k++)
            assert_true(actor.surface[i]->rest[k][1] < -0.30f);
    stk_hand_free(&hand);
}

/* Every edge of the skin belongs to two triangles, once in either direction; the signed volume is
 * positive (outside out). */
static void create_skin_is_closed_and_outside_out(void **state) {
    (void)state;
    stk_look look;
    stk_actor actor;
    stk_hand *hand = a_hand(1, &look, &actor);
    stk_hand_raise(hand, 1.0f);
    const stk_surface *skin = actor.surface[0];
    double volume = 0.0, edges = 0.0;
    for (int t = 0; t < skin->triangles; t++) {
        const float *p[3];
        for (int k = 0; k < 3; k++) {
            const int32_t a = skin->triangle[t][k], b = skin->triangle[t][(k + 1) % 3];
            assert_true(a >= 0 && a < skin->vertices && a != b);
            edges += (double)a * 7919.0 + (double)b - ((double)b * 7919.0 + (double)a);
            p[k] = skin->rest[a];
        }
        volume += (double)p[0][0] * ((double)p[1][1] * p[2][2] - (double)p[1][2] * p[2][1]) +
                  (double)p[0][1] * ((double)p[1][2] * p[2][0] - (double)p[1][0] * p[2][2]) +
                  (double)p[0][2] * ((double)p[1][0] * p[2][1] - (double)p[1][1] * p[2][0]);
        assert_int_equal(skin->part[t], STK_PART_HAND);
    }
    assert_true(edges == 0.0);
    assert_true(volume / 6.0 > 2.0e-4 && volume / 6.0 < 8.0e-4); /* 0.2 .. 0.8 litres */
    stk_hand_free(&hand);
}

static void create_same_look_gives_the_same_hand(void **state) {
    (void)state;
    stk_look look;
    stk_actor one, two;
    stk_hand *a = a_hand(7, &look, &one), *b = a_hand(7, &look, &two);
    for (int i = 0; i < one.surfaces; i++) {
        assert_int_equal(one.surface[i]->vertices, two.surface[i]->vertices);
        assert_memory_equal(one.surface[i]->rest, two.surface[i]->rest,
                            (size_t)one.surface[i]->vertices * 3 * sizeof(float));
    }
    stk_hand_free(&a);
    stk_hand_free(&b);
    stk_hand_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raise_one_covers_the_lips),
        cmocka_unit_test(raise_zero_lies_below_the_picture),
        cmocka_unit_test(create_skin_is_closed_and_outside_out),
        cmocka_unit_test(create_same_look_gives_the_same_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
