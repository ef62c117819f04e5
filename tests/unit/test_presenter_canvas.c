/* The presenter's renderer: pixels where the camera says, in front of each other by depth, the same
 * for any number of threads; labels, masks and strands. */
#include "support.h"
#include "sanitized.h"
#include "base/pool.h"
#include "presenter/canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 128 };

static const stk_camera camera = {200, 64, 64, SIDE, SIDE};
static const stk_bones bones = {{{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, -1}},
                                {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, -1}}};

/* A white light from everywhere: what is drawn has its own colour. */
static stk_light even_light(void) {
    stk_light light = {.key_dir = {0, 0, 1}, .rim_dir = {0, 0, -1}};
    for (int c = 0; c < 3; c++) light.harmonics[0][c] = 1 / 0.282095f;
    return light;
}

typedef struct picture {
    stk_canvas *canvas;
    stk_image rgb, parts, alpha;
} picture;

static void picture_init(picture *p, stk_pool *pool) {
    TEST_OK(stk_canvas_create(&p->canvas, SIDE, SIDE, pool));
    TEST_OK(stk_image_init(&p->rgb, SIDE, SIDE, 3));
    TEST_OK(stk_image_init(&p->parts, SIDE, SIDE, 1));
    TEST_OK(stk_image_init(&p->alpha, SIDE, SIDE, 1));
}
static void picture_clear(picture *p) {
    stk_canvas_free(&p->canvas);
    stk_image_clear(&p->rgb);
    stk_image_clear(&p->parts);
    stk_image_clear(&p->alpha);
}
static void picture_draw(picture *p, const stk_actor *actor, int keep, int force_part) {
    const stk_light light = even_light();
    stk_canvas_begin(p->canvas, &camera, &light);
    TEST_OK(stk_canvas_draw(p->canvas, actor, &bones, keep, force_part));
    stk_canvas_resolve(p->canvas, NULL, 0, 0, &p->rgb, &p->parts, &p->alpha);
}
static int part_at(const picture *p, int x, int y) {
    return stk_image_row(&p->parts, y)[x];
}

/* One triangle of 3 points, counter-clockwise, open to all light. */
static void make_triangle(stk_surface *s, const float (*p)[3], int part) {
    TEST_OK(stk_surface_init(s, "triangle", 3, 1));
    memcpy(s->rest, p, 3 * sizeof *s->rest);
    for (int k = 0; k < 3; k++) {
        s->triangle[0][k] = k;
        s->transfer[k][0] = 0.282095f;
    }
    s->part[0] = (uint8_t)part;
}

/* With `margin` px to spare at every edge. */
static int inside(const float (*p)[3], float x, float y, float margin) {
    float uv[3][2];
    for (int k = 0; k < 3; k++) {
        const float z = p[k][2] - 1;
        uv[k][0] = camera.cx_px - camera.focal_px * p[k][0] / z;
        uv[k][1] = camera.cy_px + camera.focal_px * p[k][1] / z;
    }
    for (int k = 0; k < 3; k++) {
        const float *a = uv[k], *b = uv[(k + 1) % 3];
        const float dx = b[0] - a[0], dy = b[1] - a[1];
        if (dx * (y - a[1]) - dy * (x - a[0]) > -margin * hypotf(dx, dy)) return 0;
    }
    return 1;
}

/* Where the canvas samples a pixel. */
static const float sample[4][2] = {
    {0.375f, 0.125f}, {0.875f, 0.375f}, {0.125f, 0.625f}, {0.625f, 0.875f}};

static void stk_canvas_draw_known_triangle_covers_its_projection(void **state) {
    (void)state;
    static const float p[3][3] = {{-0.2f, -0.15f, 0}, {0.22f, -0.1f, 0.1f}, {0.03f, 0.25f, -0.2f}};
    stk_surface s;
    make_triangle(&s, p, STK_PART_FACE);
    stk_actor actor = {.surfaces = 0};
    TEST_OK(stk_actor_add_surface(&actor, &s));
    picture out;
    picture_init(&out, NULL);
    picture_draw(&out, &actor, -1, -1);
    int drawn = 0;
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            int surely = 0, perhaps = 0; /* on an edge rounding decides */
            for (int k = 0; k < 4; k++) {
                const float sx = (float)x + sample[k][0];
                const float sy = (float)y + sample[k][1];
                surely += inside(p, sx, sy, 1e-3f);
                perhaps += inside(p, sx, sy, -1e-3f);
            }
            const int alpha = stk_image_row(&out.alpha, y)[x];
            assert_in_range(alpha, surely * 255 / 4, perhaps * 255 / 4 + 1);
            drawn += alpha > 0;
        }
    }
    assert_true(drawn > 1500);
    picture_clear(&out);
    stk_surface_clear(&s);
}

static void stk_canvas_draw_back_of_triangle_only_if_two_sided(void **state) {
    (void)state;
    static const float p[3][3] = {{-0.1f, -0.1f, 0}, {0, 0.1f, 0}, {0.1f, -0.1f, 0}};
    stk_surface s;
    make_triangle(&s, p, STK_PART_FACE);
    stk_actor actor = {.surfaces = 0};
    TEST_OK(stk_actor_add_surface(&actor, &s));
    picture out;
    picture_init(&out, NULL);
    picture_draw(&out, &actor, -1, -1);
    assert_int_equal(part_at(&out, 64, 70), STK_PART_BACKGROUND);
    s.two_sided = 1;
    picture_draw(&out, &actor, -1, -1);
    assert_int_equal(part_at(&out, 64, 70), STK_PART_FACE);
    s.hidden = 1;
    picture_draw(&out, &actor, -1, -1);
    assert_int_equal(part_at(&out, 64, 70), STK_PART_BACKGROUND);
    picture_clear(&out);
    stk_surface_clear(&s);
}

/* Two triangles share an edge through the middle: no sample between them, none twice. */
static void stk_canvas_draw_common_edge_has_no_gap(void **state) {
    (void)state;
    stk_surface s;
    TEST_OK(stk_surface_init(&s, "quad", 4, 2));
    static const float p[4][3] = {
        {-0.21f, -0.2f, 0}, {0.2f, -0.19f, 0}, {0.22f, 0.2f, 0}, {-0.2f, 0.23f, 0}};
    static const int32_t t[2][3] = {{0, 1, 2}, {0, 2, 3}};
    memcpy(s.rest, p, sizeof p);
    memcpy(s.triangle, t, sizeof t);
    stk_actor actor = {.surfaces = 0};
    TEST_OK(stk_actor_add_surface(&actor, &s));
    picture out;
    picture_init(&out, NULL);
    picture_draw(&out, &actor, -1, -1);
    for (int y = 30; y < 98; y++)
        for (int x = 30; x < 98; x++) assert_int_equal(stk_image_row(&out.alpha, y)[x], 255);
    picture_clear(&out);
    stk_surface_clear(&s);
}

static void stk_canvas_draw_nearer_wins_whatever_the_order(void **state) {
    (void)state;
    static const float far[3][3] = {{-0.2f, -0.2f, 0}, {0.2f, -0.2f, 0}, {0, 0.2f, 0}};
    static const float close[3][3] = {{-0.1f, -0.1f, 0.1f}, {0.1f, -0.1f, 0.1f}, {0, 0.1f, 0.1f}};
    stk_surface a, b;
    make_triangle(&a, far, STK_PART_TORSO);
    make_triangle(&b, close, STK_PART_HAND);
    picture out;
    picture_init(&out, NULL);
    for (int order = 0; order < 2; order++) {
        stk_actor actor = {.surfaces = 0};
        TEST_OK(stk_actor_add_surface(&actor, order ? &a : &b));
        TEST_OK(stk_actor_add_surface(&actor, order ? &b : &a));
        picture_draw(&out, &actor, -1, -1);
        assert_int_equal(part_at(&out, 64, 68), STK_PART_HAND);
        assert_int_equal(part_at(&out, 64, 100), STK_PART_TORSO);
        picture_draw(&out, &actor, 1 << STK_PART_TORSO, -1);
        assert_int_equal(part_at(&out, 64, 68), STK_PART_TORSO);
        picture_draw(&out, &actor, -1, STK_PART_OTHER);
        assert_int_equal(part_at(&out, 64, 68), STK_PART_OTHER);
    }
    picture_clear(&out);
    stk_surface_clear(&a);
    stk_surface_clear(&b);
}

/* A border at a tenth and at nine tenths of a pixel gives its column to who has more. */
static void stk_canvas_resolve_label_goes_to_most_samples(void **state) {
    (void)state;
    for (int more = 0; more < 2; more++) {
        const float x = ((more ? 4.9f : 4.1f) - 0) / camera.focal_px;
        const float p[3][3] = {{x, -0.3f, 0.01f}, {x + 1, 0, 0.01f}, {x, 0.3f, 0.01f}};
        const float q[3][3] = {{-0.9f, -0.9f, 0}, {0.9f, -0.9f, 0}, {0, 0.9f, 0}};
        stk_surface front, back;
        make_triangle(&front, p, STK_PART_HAND);
        make_triangle(&back, q, STK_PART_NECK);
        stk_actor actor = {.surfaces = 0};
        TEST_OK(stk_actor_add_surface(&actor, &front));
        TEST_OK(stk_actor_add_surface(&actor, &back));
        picture out;
        picture_init(&out, NULL);
        picture_draw(&out, &actor, -1, -1);
        assert_int_equal(part_at(&out, 68, 64), more ? STK_PART_NECK : STK_PART_HAND);
        assert_int_equal(part_at(&out, 60, 64), STK_PART_NECK);
        assert_int_equal(part_at(&out, 70, 64), STK_PART_HAND);
        picture_clear(&out);
        stk_surface_clear(&front);
        stk_surface_clear(&back);
    }
}

static void one_strand(stk_strands *s, float width_m) {
    TEST_OK(stk_strands_init(s, "strand", 1, 5));
    for (int k = 0; k < 5; k++) {
        s->rest[k][0] = -0.2f + 0.1f * (float)k;
        s->rest[k][1] = 0.01f * (float)k;
        s->transfer[k][0] = 0.282095f;
    }
    for (int c = 0; c < 3; c++) s->rgb[0][c] = 0.3f;
    s->width_m[0] = s->width_m[1] = width_m;
    s->part = STK_PART_HAIR;
}

/* Coverage adds up to length times width: for a broad strand, and for one thinner than a sample's
 * distance, which is drawn broader and fainter. 5 %: joints, lift towards the camera, quarter
 * pixel sampling of the border. */
static void stk_canvas_draw_strand_covers_its_area(void **state) {
    (void)state;
    static const float widths_px[2] = {4, 0.5f};
    for (int i = 0; i < 2; i++) {
        stk_strands strand;
        one_strand(&strand, widths_px[i] / camera.focal_px);
        stk_actor actor = {.surfaces = 0};
        TEST_OK(stk_actor_add_strands(&actor, &strand));
        picture out;
        picture_init(&out, NULL);
        picture_draw(&out, &actor, -1, -1);
        float sum = 0;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) sum += (float)stk_image_row(&out.alpha, y)[x] / 255;
        const float area = widths_px[i] * 80 * sqrtf(1 + 0.01f);
        assert_true(fabsf(sum / area - 1) < 0.05f);
        assert_int_equal(part_at(&out, 64, 60), i == 0 ? STK_PART_HAIR : part_at(&out, 64, 60));
        picture_clear(&out);
        stk_strands_clear(&strand);
    }
}

static void stk_canvas_draw_strand_behind_a_surface_is_hidden(void **state) {
    (void)state;
    static const float p[3][3] = {{-0.3f, -0.3f, 0.02f}, {0.3f, -0.3f, 0.02f}, {0, 0.3f, 0.02f}};
    stk_surface s;
    make_triangle(&s, p, STK_PART_FACE);
    stk_strands strand;
    one_strand(&strand, 0.03f);
    stk_actor actor = {.surfaces = 0};
    TEST_OK(stk_actor_add_surface(&actor, &s));
    TEST_OK(stk_actor_add_strands(&actor, &strand));
    picture out;
    picture_init(&out, NULL);
    picture_draw(&out, &actor, -1, -1);
    assert_int_equal(part_at(&out, 64, 60), STK_PART_FACE);
    for (int k = 0; k < 5; k++) strand.rest[k][2] = 0.05f;
    picture_draw(&out, &actor, -1, -1);
    assert_int_equal(part_at(&out, 64, 60), STK_PART_HAIR);
    picture_clear(&out);
    stk_strands_clear(&strand);
    stk_surface_clear(&s);
}

/* A heap of triangles and strands with a texture and a turned head. */
typedef struct heap {
    stk_surface surface;
    stk_strands strands;
    stk_material material;
    stk_actor actor;
} heap;

static float random_unit(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777216.0f;
}

static void heap_make(heap *h) {
    uint32_t seed = 1;
    *h = (heap){.material = {.kind = STK_MATERIAL_SKIN, .rgb = {1, 1, 1}, .specular = 0.03f}};
    TEST_OK(stk_surface_init(&h->surface, "heap", 6000, 2000));
    for (int i = 0; i < 6000; i++) {
        const int first = i / 3 * 3;
        for (int k = 0; k < 3; k++) {
            const float spread = i == first ? 0.6f : 0.08f;
            h->surface.rest[i][k] =
                spread * (random_unit(&seed) - 0.5f) + (i == first ? 0 : h->surface.rest[first][k]);
        }
        for (int k = 0; k < 2; k++) h->surface.uv[i][k] = random_unit(&seed);
        h->surface.bind[i] = random_unit(&seed);
        h->surface.triangle[i / 3][i % 3] = i;
        h->surface.part[i / 3] = (uint8_t)(1 + i % 6);
    }
    TEST_OK(stk_strands_init(&h->strands, "strands", 300, 6));
    for (int i = 0; i < 1800; i++)
        for (int k = 0; k < 3; k++)
            h->strands.rest[i][k] =
                i % 6 == 0 ? 0.6f * (random_unit(&seed) - 0.5f)
                           : h->strands.rest[i - 1][k] + 0.03f * (random_unit(&seed) - 0.5f);
    h->strands.opacity = 0.7f;
    h->strands.shine = 1;
    h->strands.width_m[0] = 0.004f;
    TEST_OK(stk_image_init(&h->material.texture.colour, 64, 48, 4));
    TEST_OK(stk_image_init(&h->material.texture.detail, 64, 48, 4));
    for (int y = 0; y < 48; y++)
        for (int x = 0; x < 256; x++) {
            stk_image_row(&h->material.texture.colour, y)[x] = (uint8_t)(255 * random_unit(&seed));
            stk_image_row(&h->material.texture.detail, y)[x] = (uint8_t)(255 * random_unit(&seed));
        }
    h->surface.material = &h->material;
    h->surface.two_sided = 1;
    TEST_OK(stk_actor_add_surface(&h->actor, &h->surface));
    TEST_OK(stk_actor_add_strands(&h->actor, &h->strands));
}

static void heap_clear(heap *h) {
    stk_image_clear(&h->material.texture.colour);
    stk_image_clear(&h->material.texture.detail);
    stk_surface_clear(&h->surface);
    stk_strands_clear(&h->strands);
}

static void heap_draw(picture *p, const heap *h, float yaw) {
    stk_light light;
    stk_light_studio(&light);
    stk_bones turned = bones;
    turned.head.R[0] = turned.head.R[8] = cosf(yaw);
    turned.head.R[2] = sinf(yaw);
    turned.head.R[6] = -sinf(yaw);
    stk_canvas_begin(p->canvas, &camera, &light);
    TEST_OK(stk_canvas_draw(p->canvas, &h->actor, &turned, -1, -1));
    stk_canvas_resolve(p->canvas, NULL, 1.5f, 9, &p->rgb, &p->parts, &p->alpha);
}

static int images_equal(const stk_image *a, const stk_image *b) {
    for (int y = 0; y < a->height; y++)
        if (memcmp(stk_image_row(a, y), stk_image_row(b, y),
                   (size_t)a->width * (size_t)a->channels))
            return 0;
    return 1;
}

static void stk_canvas_draw_equal_bytes_for_any_threads(void **state) {
    (void)state;
    heap h;
    heap_make(&h);
    stk_pool *pool;
    TEST_OK(stk_pool_create(&pool, 1));
    TEST_OK(stk_light_bake(&h.actor, STK_LIGHT_FINE, pool));
    picture one, many;
    picture_init(&one, pool);
    heap_draw(&one, &h, 0.3f);
    stk_pool *three;
    TEST_OK(stk_pool_create(&three, 3));
    picture_init(&many, three);
    for (int frame = 0; frame < 4; frame++) { /* frames before leave nothing behind */
        heap_draw(&many, &h, 0.1f * (float)frame);
    }
    assert_true(images_equal(&one.rgb, &many.rgb));
    assert_true(images_equal(&one.parts, &many.parts));
    assert_true(images_equal(&one.alpha, &many.alpha));
    picture_clear(&one);
    picture_clear(&many);
    stk_pool_free(&pool);
    stk_pool_free(&three);
    heap_clear(&h);
}

/* stk_calloc_aligned goes through aligned_alloc or posix_memalign: count both. */
static int counting, allocations;
#ifndef TEST_SANITIZED
void *__libc_memalign(size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size) {
    allocations += counting;
    return __libc_memalign(alignment, size);
}
int posix_memalign(void **out, size_t alignment, size_t size) {
    allocations += counting;
    *out = __libc_memalign(alignment, size);
    return *out == NULL ? 12 : 0;
}
#endif

static void stk_canvas_draw_second_frame_allocates_nothing(void **state) {
    (void)state;
    if (SANITIZED) skip();
    heap h;
    heap_make(&h);
    picture out;
    counting = 1;
    picture_init(&out, NULL);
    assert_true(allocations > 0); /* the stand-ins are asked */
    heap_draw(&out, &h, 0);
    allocations = 0;
    heap_draw(&out, &h, 0.2f);
    counting = 0;
    assert_int_equal(allocations, 0);
    picture_clear(&out);
    heap_clear(&h);
}

/* Bytes of a backdrop where nothing is drawn come through as they were. */
static void stk_canvas_resolve_leaves_the_backdrop_alone(void **state) {
    (void)state;
    stk_image back;
    TEST_OK(stk_image_init(&back, SIDE, SIDE, 3));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < 3 * SIDE; x++) stk_image_row(&back, y)[x] = (uint8_t)(x * 7 + y * 13);
    picture out;
    picture_init(&out, NULL);
    const stk_light light = even_light();
    stk_canvas_begin(out.canvas, &camera, &light);
    stk_canvas_resolve(out.canvas, &back, 0, 0, &out.rgb, &out.parts, NULL);
    assert_true(images_equal(&back, &out.rgb));
    picture_clear(&out);
    stk_image_clear(&back);
}

/* Behind the camera, far outside, without extent: nothing happens. */
static void stk_canvas_draw_odd_triangles_are_left_out(void **state) {
    (void)state;
    static const float odd[4][3][3] = {{{0, 0, 2}, {1, 0, 2}, {0, 1, 2}},
                                       {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}},
                                       {{900, 0, 0}, {901, 0, 0}, {900, 1, 0}},
                                       {{0, 0, 0.94f}, {0.5f, 0, 0.99f}, {0, 0.5f, 0.94f}}};
    for (int i = 0; i < 4; i++) {
        stk_surface s;
        make_triangle(&s, odd[i], STK_PART_FACE);
        stk_actor actor = {.surfaces = 0};
        TEST_OK(stk_actor_add_surface(&actor, &s));
        picture out;
        picture_init(&out, NULL);
        picture_draw(&out, &actor, -1, -1);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) assert_int_equal(stk_image_row(&out.alpha, y)[x], 0);
        picture_clear(&out);
        stk_surface_clear(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stk_canvas_draw_known_triangle_covers_its_projection),
        cmocka_unit_test(stk_canvas_draw_back_of_triangle_only_if_two_sided),
        cmocka_unit_test(stk_canvas_draw_common_edge_has_no_gap),
        cmocka_unit_test(stk_canvas_draw_nearer_wins_whatever_the_order),
        cmocka_unit_test(stk_canvas_resolve_label_goes_to_most_samples),
        cmocka_unit_test(stk_canvas_draw_strand_covers_its_area),
        cmocka_unit_test(stk_canvas_draw_strand_behind_a_surface_is_hidden),
        cmocka_unit_test(stk_canvas_draw_equal_bytes_for_any_threads),
        cmocka_unit_test(stk_canvas_draw_second_frame_allocates_nothing),
        cmocka_unit_test(stk_canvas_resolve_leaves_the_backdrop_alone),
        cmocka_unit_test(stk_canvas_draw_odd_triangles_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
