/* test_presenter_attire.c - clothes of every style and many people: whole meshes, a collar that
 * encloses the neck, breathing within bounds, the same for any number of threads. */
#include "support/sanitized.h"
#include "support/support.h"

#include <math.h>
#include <string.h>

#include "base/pool.h"
#include "presenter/attire.h"

enum { SIDE = 64, SEEDS = SANITIZED ? 3 : 9 };

typedef struct dressed {
    stk_look look;
    stk_bust *bust;
    stk_attire *attire;
    stk_actor actor;
} dressed;

static void dress(dressed *who, int seed, int style, stk_pool *pool) {
    memset(who, 0, sizeof *who);
    stk_look_draw(&who->look, seed);
    if (style >= 0) who->look.attire = (stk_attire_style)style;
    TEST_OK(stk_bust_create(&who->bust, &who->look));
    TEST_OK(stk_attire_create(&who->attire, &who->look, who->bust, SIDE, pool));
    TEST_OK(stk_attire_add(who->attire, &who->actor));
}

static void undress(dressed *who) {
    stk_attire_free(&who->attire);
    stk_bust_free(&who->bust);
}

static void assert_whole(const stk_surface *surface) {
    assert_true(surface->vertices > 0 && surface->triangles > 0 && surface->material);
    for (int i = 0; i < surface->vertices; i++) {
        const float *p = surface->rest[i];
        assert_true(fabsf(p[0]) < 0.35f && p[1] < 0.0f && p[1] > -0.75f && fabsf(p[2]) < 0.3f);
        if (surface->part[0] == STK_PART_TORSO) assert_true(surface->bind[i] == 0.0f);
        assert_true(surface->uv[i][0] >= 0.0f && surface->uv[i][0] <= 1.0f);
        assert_true(surface->uv[i][1] >= 0.0f && surface->uv[i][1] <= 1.0f);
    }
    for (int t = 0; t < surface->triangles; t++)
        for (int k = 0; k < 3; k++)
            assert_true(surface->triangle[t][k] >= 0 &&
                        surface->triangle[t][k] < surface->vertices);
}

static void create_every_style_and_seed_gives_whole_meshes(void **state) {
    (void)state;
    for (int seed = 1; seed <= SEEDS; seed++) {
        dressed who;
        dress(&who, seed, seed % STK_ATTIRE_STYLES, NULL);
        assert_true(who.actor.surfaces >= 3);
        int triangles = 0;
        for (int i = 0; i < who.actor.surfaces; i++) {
            assert_whole(who.actor.surface[i]);
            triangles += who.actor.surface[i]->triangles;
        }
        assert_true(triangles < 36000);
        undress(&who);
    }
}

/* Shoulders 42 to 48 cm apart, out of the picture on both sides. */
static void create_shoulders_have_the_width_of_a_person(void **state) {
    (void)state;
    for (int seed = 1; seed <= (SANITIZED ? 1 : 3); seed++) {
        dressed who;
        dress(&who, seed, 0, NULL);
        float right = 0.0f, left = 0.0f;
        for (int i = 0; i < who.actor.surface[0]->vertices; i++) {
            const float *p = who.actor.surface[0]->rest[i];
            if (p[1] < -0.27f) continue;
            right = fmaxf(right, p[0]), left = fminf(left, p[0]);
        }
        assert_true(right - left > 0.42f && right - left < 0.50f);
        undress(&who);
    }
}

/* The collar's outermost point in a direction, at any height near the neck's. */
static float reach(const stk_actor *actor, const float p[3], float middle) {
    const float turn = atan2f(p[0], p[2] - middle);
    float far = 0.0f;
    for (int i = 0; i < actor->surfaces; i++)
        for (int k = 0; k < actor->surface[i]->vertices; k++) {
            const float *q = actor->surface[i]->rest[k];
            if (fabsf(q[1] - p[1]) > 0.006f) continue;
            if (cosf(atan2f(q[0], q[2] - middle) - turn) < 0.995f) continue;
            far = fmaxf(far, hypotf(q[0], q[2] - middle));
        }
    return far;
}

/* Where the neck ends (below the lowest line of any collar) clothes must be around it. */
static void create_collar_encloses_the_end_of_the_neck(void **state) {
    (void)state;
    for (int style = 0; style < STK_ATTIRE_STYLES; style++) {
        dressed who;
        dress(&who, 4 + style, style, NULL);
        const stk_surface *skin = stk_bust_skin(who.bust);
        int seen = 0;
        for (int t = 0; t < skin->triangles; t += 40) {
            const float *p = skin->rest[skin->triangle[t][0]];
            if (skin->part[t] != STK_PART_NECK || p[1] > -0.165f) continue;
            const float middle = -0.06f;
            assert_true(reach(&who.actor, p, middle) > hypotf(p[0], p[2] - middle));
            seen++;
        }
        assert_true(seen > 5);
        undress(&who);
    }
}

static void breathe_moves_up_to_three_millimetres_and_comes_back(void **state) {
    (void)state;
    dressed who;
    dress(&who, 2, STK_ATTIRE_JACKET_SHIRT, NULL);
    const stk_surface *jacket = who.actor.surface[0];
    const size_t n = (size_t)jacket->vertices * 3;
    float still[3 * 8192];
    assert_true(n <= 3 * 8192);
    stk_attire_breathe(who.attire, 0.0f);
    memcpy(still, jacket->rest, n * sizeof *still);
    stk_attire_breathe(who.attire, 0.5f);
    const double most = test_max_abs_error(still, jacket->rest[0], n);
    assert_true(most > 0.001 && most <= 0.003);
    stk_attire_breathe(who.attire, 1.0f);
    assert_true(test_max_abs_error(still, jacket->rest[0], n) < 1e-6);
    undress(&who);
}

static void create_threads_change_nothing(void **state) {
    (void)state;
    stk_pool *pool = NULL;
    TEST_OK(stk_pool_create(&pool, 3));
    dressed one, three;
    dress(&one, 5, STK_ATTIRE_JACKET_ROUND, NULL);
    dress(&three, 5, STK_ATTIRE_JACKET_ROUND, pool);
    for (int i = 0; i < one.actor.surfaces; i++) {
        const stk_surface *a = one.actor.surface[i], *b = three.actor.surface[i];
        assert_int_equal(a->vertices, b->vertices);
        assert_memory_equal(a->rest, b->rest, (size_t)a->vertices * sizeof *a->rest);
        const stk_image *c = &a->material->texture.colour, *d = &b->material->texture.colour;
        for (int y = 0; y < c->height; y++)
            assert_memory_equal(stk_image_row(c, y), stk_image_row(d, y), 4 * (size_t)c->width);
    }
    undress(&one);
    undress(&three);
    stk_pool_free(&pool);
}

static void create_unknown_style_is_refused(void **state) {
    (void)state;
    stk_look look;
    stk_bust *bust = NULL;
    stk_attire *attire = NULL;
    stk_look_draw(&look, 1);
    TEST_OK(stk_bust_create(&bust, &look));
    look.attire = STK_ATTIRE_STYLES;
    assert_int_equal(stk_attire_create(&attire, &look, bust, SIDE, NULL), STK_ERR_ARGUMENT);
    assert_null(attire);
    stk_bust_free(&bust);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_every_style_and_seed_gives_whole_meshes),
        cmocka_unit_test(create_shoulders_have_the_width_of_a_person),
        cmocka_unit_test(create_collar_encloses_the_end_of_the_neck),
        cmocka_unit_test(breathe_moves_up_to_three_millimetres_and_comes_back),
        cmocka_unit_test(create_threads_change_nothing),
        cmocka_unit_test(create_unknown_style_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
