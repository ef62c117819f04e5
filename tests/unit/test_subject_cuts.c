/* test_subject_cuts.c - cuts are found at their frame, and nothing else is taken for one: flashes,
 * changes of light, quick nods, dropped pictures, a shaken camera. */
#include "support.h"

#include "base/image.h"
#include "base/memory.h"
#include "base/rng.h"
#include "subject/cuts.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = 96, FRAMES = 80, CUT = 40 };

/* What a frame shows; px of SIDE. */
typedef struct scene {
    float x, y, size; /* the head */
    float shift;      /* of the whole picture: camera shake */
    float gain, offset;
    int room; /* which wall */
} scene;

static const scene REST = {.x = 48, .y = 44, .size = 20, .gain = 1};

static float brightness(const scene *s, float x, float y) {
    x -= s->shift;
    const float k = s->room ? 0.31f : 0.17f;
    float v = 120 + 40 * sinf(k * x + (float)s->room) * cosf(0.7f * k * y);
    const float dx = (x - s->x) / s->size, dy = (y - s->y) / (1.3f * s->size);
    const float r = dx * dx + dy * dy;
    if (y > s->y + 1.2f * s->size && fabsf(x - s->x) < 1.8f * s->size) v = 60;
    if (r < 1) v = 190 - 50 * r - 60 * (fabsf(dy + 0.2f) < 0.12f && fabsf(fabsf(dx) - 0.4f) < 0.2f);
    return s->gain * v + s->offset;
}

static void draw(const scene *s, stk_rng *rng, uint8_t grey[STK_CUT_PIXELS]) {
    stk_image image;
    TEST_OK(stk_image_init(&image, SIDE, SIDE, 3));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const float noise = 6 * (stk_rng_float(rng) - 0.5f);
            const float v = brightness(s, (float)x, (float)y) + noise;
            for (int c = 0; c < 3; c++)
                stk_image_row(&image, y)[3 * x + c] = (uint8_t)stk_clampf(v, 0, 255);
        }
    stk_cut_look(&image, grey);
    stk_image_clear(&image);
}

/* A speaker who sways a little; `change` puts in what the case is about. */
typedef void (*change)(int frame, scene *s);

/* Draws the clip and looks for cuts; the first two found go to at[]. */
static int find(change put, int at[2]) {
    uint8_t(*grey)[STK_CUT_PIXELS] = stk_calloc_aligned(FRAMES, sizeof *grey);
    float moved[FRAMES];
    int32_t take[FRAMES];
    scene last = REST;
    stk_rng rng;
    int count = 0;
    assert_non_null(grey);
    stk_rng_seed(&rng, 5, 1);
    for (int i = 0; i < FRAMES; i++) {
        scene s = REST;
        s.x += 2 * sinf(0.2f * (float)i);
        s.y += sinf(0.37f * (float)i);
        put(i, &s);
        draw(&s, &rng, grey[i]);
        moved[i] = hypotf(s.x + s.shift - last.x - last.shift, s.y - last.y) / (2 * s.size);
        last = s;
    }
    TEST_OK(stk_cuts_find((const uint8_t(*)[STK_CUT_PIXELS])grey, moved, FRAMES, take));
    assert_int_equal(take[0], 0);
    for (int i = 1; i < FRAMES; i++) {
        assert_in_range(take[i] - take[i - 1], 0, 1);
        if (take[i] == take[i - 1]) continue;
        if (count < 2) at[count] = i;
        count++;
    }
    stk_free(grey);
    return count;
}

static void expect_none(change put) {
    int at[2];
    const int count = find(put, at);
    if (count > 0) fail_msg("%d cuts, the first at frame %d", count, at[0]);
}

static void expect_one(change put, int frame) {
    int at[2] = {-1, -1};
    const int count = find(put, at);
    if (count != 1 || at[0] != frame) fail_msg("%d cuts, the first at frame %d", count, at[0]);
}

static void put_nothing(int frame, scene *s) {
    (void)frame;
    (void)s;
}
static void put_other_room(int frame, scene *s) {
    s->room = frame >= CUT;
}
static void put_other_place(int frame, scene *s) {
    if (frame >= CUT) s->x += 14;
}
static void put_closer(int frame, scene *s) {
    if (frame >= CUT) s->size *= 1.35f;
}
/* The wall stays; the head jumps by a tenth of its width. */
static void put_small_jump(int frame, scene *s) {
    s->x = 48 + 0.1f * sinf(0.5f * (float)frame);
    s->y = 44;
    if (frame >= CUT) s->x += 6;
}
static void put_two_cuts(int frame, scene *s) {
    s->room = frame >= CUT && frame < CUT + 12;
}
static void put_flash(int frame, scene *s) {
    if (frame == CUT || frame == CUT + 1) s->gain = 0.2f, s->offset = 210;
}
static void put_black_picture(int frame, scene *s) {
    if (frame == CUT || frame == 0) s->gain = 0;
}
static void put_foreign_picture(int frame, scene *s) {
    if (frame == CUT) s->room = 1, s->x += 20;
}
static void put_light_on(int frame, scene *s) {
    if (frame >= CUT) s->gain = 1.25f;
}
static void put_nod(int frame, scene *s) {
    if (frame >= CUT && frame < CUT + 8) s->y += 16 * sinf((float)(frame - CUT) * 0.39f);
}
static void put_turn_away(int frame, scene *s) {
    s->x += 24 * stk_clampf((float)(frame - CUT) / 4, 0, 1);
}
/* 25 pictures a second of a film of 30: every fifth step is two. */
static void put_dropped_pictures(int frame, scene *s) {
    s->x = 30 + 0.7f * (float)(frame + frame / 5) * 0.5f;
}
static void put_shake(int frame, scene *s) {
    s->shift = 1.2f * sinf(1.9f * (float)frame) + 0.8f * sinf(0.8f * (float)frame);
}
static void put_cut_in_shake(int frame, scene *s) {
    put_shake(frame, s);
    s->room = frame >= CUT;
}

static void find_steady_clip_has_none(void **state) {
    (void)state;
    expect_none(put_nothing);
}

static void find_cut_is_at_its_frame(void **state) {
    (void)state;
    expect_one(put_other_room, CUT);
    expect_one(put_other_place, CUT);
    expect_one(put_closer, CUT);
    expect_one(put_small_jump, CUT);
    expect_one(put_cut_in_shake, CUT);
}

static void find_two_cuts_gives_three_takes(void **state) {
    (void)state;
    int at[2];
    assert_int_equal(find(put_two_cuts, at), 2);
    assert_int_equal(at[0], CUT);
    assert_int_equal(at[1], CUT + 12);
}

static void find_flash_and_light_are_no_cut(void **state) {
    (void)state;
    expect_none(put_flash);
    expect_none(put_black_picture);
    expect_none(put_foreign_picture);
    expect_none(put_light_on);
}

static void find_movement_is_no_cut(void **state) {
    (void)state;
    expect_none(put_nod);
    expect_none(put_turn_away);
    expect_none(put_dropped_pictures);
    expect_none(put_shake);
}

static void find_one_frame_is_one_take(void **state) {
    (void)state;
    const uint8_t grey[1][STK_CUT_PIXELS] = {{0}};
    const float moved[1] = {0};
    int32_t take[1] = {7};
    TEST_OK(stk_cuts_find(grey, moved, 1, take));
    assert_int_equal(take[0], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_steady_clip_has_none),
        cmocka_unit_test(find_cut_is_at_its_frame),
        cmocka_unit_test(find_two_cuts_gives_three_takes),
        cmocka_unit_test(find_flash_and_light_are_no_cut),
        cmocka_unit_test(find_movement_is_no_cut),
        cmocka_unit_test(find_one_frame_is_one_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
