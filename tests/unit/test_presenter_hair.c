/* test_presenter_hair.c - the presenter's hair: complete, outside the skin, off the face, and
 * lashes that go with the lids. */
#include "support/sanitized.h"
#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "presenter/express.h"
#include "presenter/hair.h"

enum { SEEDS = SANITIZED ? 1 : 3 };

typedef struct fixture {
    stk_look look;
    stk_bust *bust;
    stk_hair *hair;
    stk_actor actor; /* hair only */
} fixture;

static void fixture_make(fixture *f, int seed, int style) {
    memset(f, 0, sizeof *f);
    stk_look_draw(&f->look, seed);
    if (style >= 0) f->look.hair = (stk_hair_style)style;
    TEST_OK(stk_bust_create(&f->bust, &f->look));
    TEST_OK(stk_hair_create(&f->hair, &f->look, f->bust));
    TEST_OK(stk_hair_add(f->hair, &f->actor));
}

static void fixture_clear(fixture *f) {
    stk_hair_free(&f->hair);
    stk_bust_free(&f->bust);
}

static const stk_strands *strands_named(const fixture *f, const char *name) {
    for (int i = 0; i < f->actor.strands_count; i++)
        if (strcmp(f->actor.strands[i]->name, name) == 0) return f->actor.strands[i];
    fail_msg("no strands called %s", name);
    return NULL;
}

static void strands_are_sound(const stk_strands *set) {
    for (int i = 0; i < set->count * set->points; i++) {
        assert_true(set->bind[i] >= 0 && set->bind[i] <= 1);
        for (int k = 0; k < 3; k++)
            assert_true(isfinite(set->rest[i][k]) && fabsf(set->rest[i][k]) < 0.5f);
    }
    for (int i = 0; i < set->count; i++)
        for (int k = 0; k < 3; k++) assert_true(set->rgb[i][k] > 0 && set->rgb[i][k] < 1);
}

/* People whom several tests look at, made when first asked for and freed at the end. */
static fixture shared[SEEDS][STK_HAIR_STYLES];

static fixture *person_of(int seed, int style) {
    fixture *f = &shared[(seed - 1) % SEEDS][style];
    if (f->bust == NULL) fixture_make(f, (seed - 1) % SEEDS + 1, style);
    return f;
}

static int free_shared(void **state) {
    (void)state;
    for (int seed = 0; seed < SEEDS; seed++)
        for (int style = 0; style < STK_HAIR_STYLES; style++) fixture_clear(&shared[seed][style]);
    return 0;
}

static void every_style_and_seed_builds(void **state) {
    (void)state;
    for (int seed = 1; seed <= SEEDS; seed++)
        for (int style = 0; style < STK_HAIR_STYLES; style++) {
            const fixture *f = person_of(seed, style);
            int strands = 0;
            for (int s = 0; s < f->actor.strands_count; s++) {
                strands += f->actor.strands[s]->count;
                strands_are_sound(f->actor.strands[s]);
            }
            assert_in_range(strands, 4000, 8000);
            assert_in_range(strands_named(f, "hair")->count, 3500, 7000);
            const stk_surface *cap = f->actor.surface[0];
            assert_true(cap->triangles > 1000);
            for (int v = 0; v < cap->vertices; v++)
                for (int k = 0; k < 3; k++) assert_true(isfinite(cap->rest[v][k]));
        }
}

static void the_same_look_gives_the_same_hair(void **state) {
    (void)state;
    const fixture *a = person_of(3, STK_HAIR_PARTED);
    fixture b;
    fixture_make(&b, a->look.seed, STK_HAIR_PARTED);
    for (int s = 0; s < a->actor.strands_count; s++) {
        const stk_strands *p = a->actor.strands[s], *q = b.actor.strands[s];
        assert_int_equal(p->count, q->count);
        const size_t points = (size_t)p->count * (size_t)p->points;
        assert_memory_equal(p->rest, q->rest, points * sizeof *p->rest);
        assert_memory_equal(p->rgb, q->rgb, (size_t)p->count * sizeof *p->rgb);
    }
    fixture_clear(&b);
}

/* How far below the skin a point lies: along the normal of the nearest of the skin's triangles'
 * middles, where that is near. */
typedef struct skin_middle {
    float at[3], normal[3];
} skin_middle;

static skin_middle *skin_middles(const stk_surface *skin) {
    skin_middle *middles = calloc((size_t)skin->triangles, sizeof *middles);
    for (int t = 0; t < skin->triangles; t++) {
        const int32_t *v = skin->triangle[t];
        const float *a = skin->rest[v[0]], *b = skin->rest[v[1]], *c = skin->rest[v[2]];
        float e[3], f[3], *n = middles[t].normal;
        for (int k = 0; k < 3; k++) {
            middles[t].at[k] = (a[k] + b[k] + c[k]) / 3;
            e[k] = b[k] - a[k], f[k] = c[k] - a[k];
        }
        n[0] = e[1] * f[2] - e[2] * f[1];
        n[1] = e[2] * f[0] - e[0] * f[2];
        n[2] = e[0] * f[1] - e[1] * f[0];
        const float length = sqrtf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
        for (int k = 0; k < 3; k++) n[k] /= length > 0 ? length : 1;
    }
    return middles;
}

static float depth_below(const skin_middle *middles, int count, const float p[3]) {
    float best = 1e9f, depth = 0;
    for (int t = 0; t < count; t++) {
        const float d[3] = {p[0] - middles[t].at[0], p[1] - middles[t].at[1],
                            p[2] - middles[t].at[2]};
        const float far = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
        if (far >= best) continue;
        best = far;
        depth = -(d[0] * middles[t].normal[0] + d[1] * middles[t].normal[1] +
                  d[2] * middles[t].normal[2]);
    }
    return depth;
}

static void no_strand_lies_deeper_than_2_mm(void **state) {
    (void)state;
    for (int style = 0; style < STK_HAIR_STYLES; style++) {
        const fixture *f = person_of(1 + style, style);
        const stk_surface *skin = stk_bust_skin(f->bust);
        skin_middle *middles = skin_middles(skin);
        for (int s = 0; s < f->actor.strands_count; s++) {
            const stk_strands *set = f->actor.strands[s];
            int wrong = 0, tested = 0;
            /* a sample: each is tested against all */
            for (int i = s; i < set->count; i += SANITIZED ? 149 : 37)
                for (int k = 0; k < set->points; k += 2, tested++) {
                    const float *p = set->rest[i * set->points + k];
                    wrong += depth_below(middles, skin->triangles, p) > 0.002f;
                }
            if (wrong > 0)
                fail_msg("%s, style %d: %d of %d points", set->name, style, wrong, tested);
        }
        free(middles);
    }
}

/* Brow to chin: the convex ring of temples, cheeks and jaw, 0.9 of the way from its middle. */
static int before_face(const stk_surface *skin, const float p[3]) {
    static const int16_t ring[] = {54,  21,  162, 127, 234, 93,  132, 58,  172, 136, 150, 149,
                                   176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323,
                                   454, 356, 389, 251, 284, 298, 333, 299, 9,   69,  104, 68};
    enum { N = sizeof ring / sizeof ring[0] };
    float middle[2] = {0, 0};
    for (int k = 0; k < N; k++)
        for (int j = 0; j < 2; j++) middle[j] += skin->rest[ring[k]][j] / N;
    if (p[2] < -0.01f) return 0;
    int inside = 0; /* even-odd rule */
    for (int k = 0; k < N; k++) {
        float a[2], b[2];
        for (int j = 0; j < 2; j++) {
            a[j] = middle[j] + 0.9f * (skin->rest[ring[k]][j] - middle[j]);
            b[j] = middle[j] + 0.9f * (skin->rest[ring[(k + 1) % N]][j] - middle[j]);
        }
        if ((a[1] > p[1]) != (b[1] > p[1]) &&
            p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
            inside = !inside;
    }
    return inside;
}

static void hair_leaves_the_face_free(void **state) {
    (void)state;
    for (int seed = 1; seed <= (SEEDS < 2 ? SEEDS : 2); seed++)
        for (int style = 0; style < STK_HAIR_STYLES; style++) {
            const fixture *f = person_of(seed, style);
            for (int s = 0; s < 2; s++) { /* hair and fine hair */
                const stk_strands *set = f->actor.strands[s];
                int before = 0;
                for (int i = 0; i < set->count * set->points; i++)
                    before += before_face(stk_bust_skin(f->bust), set->rest[i]);
                const double share = (double)before / (set->count * set->points);
                const double limit = s == 0 ? 0.004 : 0.012; /* soft hairs at the temples' line */
                if (share > limit)
                    fail_msg("%s, style %d, seed %d: %.4f before the face", set->name, style, seed,
                             share);
            }
        }
}

/* Mean height of the tips of the upper lashes (the longer: those that start out upwards). */
static float tips_height(const stk_strands *lashes) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < lashes->count; i++) {
        if (i % (lashes->count / 2) >= 80) continue; /* the lower lid's */
        sum += (double)lashes->rest[(i + 1) * lashes->points - 1][1];
        n++;
    }
    return (float)(sum / n);
}

static void lashes_follow_a_blink(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f, 1, -1);
    const stk_strands *lashes = strands_named(&f, "lashes");
    const float open = tips_height(lashes);
    stk_face_state face;
    memset(&face, 0, sizeof face);
    stk_bust_express(f.bust, &face);
    stk_hair_follow(f.hair, f.bust);
    assert_true(fabsf(tips_height(lashes) - open) < 1e-4f);
    face.shapes[8] = face.shapes[9] = 1; /* eyeBlinkLeft, eyeBlinkRight */
    stk_bust_express(f.bust, &face);
    stk_hair_follow(f.hair, f.bust);
    const float shut = tips_height(lashes);
    if (shut > open - 0.004f) fail_msg("tips went from %.4f to %.4f m", open, shut);
    for (int i = 0; i < lashes->count * lashes->points; i++)
        for (int k = 0; k < 3; k++) assert_true(isfinite(lashes->rest[i][k]));
    fixture_clear(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_style_and_seed_builds),
        cmocka_unit_test(the_same_look_gives_the_same_hair),
        cmocka_unit_test(no_strand_lies_deeper_than_2_mm),
        cmocka_unit_test(hair_leaves_the_face_free),
        cmocka_unit_test(lashes_follow_a_blink),
    };
    return cmocka_run_group_tests(tests, NULL, free_shared);
}
