/* Rays at shut lids are turned about the eye to other frames' cameras and brows; other frames'
 * rays above the eyes hear shut lids; none goes where a hand is; the way back is the same for any
 * number of threads. */
#include "formula_net.h"
#include "support.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "base/memory.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 60, SIZE = 64, PICTURES = 8, LATER = 300, BLINKS = 2 };
static const int32_t blinks[BLINKS] = {10, 30};
static const float SHUT = 0.8f, OPEN = 0.04f, BROW = 0.01f; /* BROW times the frame's number */
static char subject[STK_PATH_MAX];

static int write_subject(void **state) {
    (void)state;
    TEST_OK(stk_path_join(subject, sizeof subject, test_temporary_folder(), "disc"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    return 0;
}

/* A trainer of a clip with two blinks, at a step that turns rays; every frame has other brows. */
static stk_trainer *blinking_of(const char *path, int threads, unsigned vary) {
    const stk_train_settings settings = {.subject = path,
                                         .threads = threads,
                                         .seed = 3,
                                         .rays = 1024,
                                         .frames = PICTURES,
                                         .lr_grid = 0.01f,
                                         .lr_net = 0.001f,
                                         .preview_s = 3600,
                                         .vary = vary};
    stk_trainer *t;
    TEST_OK(stk_trainer_create(&t, &settings, NULL));
    for (int i = 0; i < t->performance.train_frames; i++)
        for (int k = 0; k < STK_EXPRESSIONS; k++)
            t->performance.expressions[i][k] = k < STK_EXPRESSIONS - STK_TRAIN_LIDS
                                                   ? BROW * (float)i
                                               : i == blinks[0] || i == blinks[1] ? SHUT
                                                                                  : OPEN;
    stk_free(t->lids_down);
    stk_free(t->blinks);
    t->blink_count = 0;
    TEST_OK(stk_train_blinks_init(t));
    assert_int_equal(t->blink_count, vary & STK_VARY_BLINKS ? 0 : BLINKS);
    t->step = LATER;
    stk_train_plan_step(t, 0.1);
    stk_trainer_prepare(t);
    return t;
}

static stk_trainer *blinking(int threads) {
    return blinking_of(subject, threads, 0);
}

enum { RAYS_MAX = 1024 };
typedef struct looked {
    int slot, count;
    const stk_ray_pick *picks;
    stk_ngp_camera camera;
    float end[RAYS_MAX], origin[RAYS_MAX][3], direction[RAYS_MAX][3];
    uint16_t row[RAYS_MAX];
} looked;

/* As lids.c makes them. */
static void lay(const stk_trainer *t, const looked *before, looked *after) {
    const int first = (int)(before->picks - t->picks);
    *after = *before;
    stk_train_lids(t, before->slot,
                   &(stk_train_rays){first, after->count, after->picks, after->end,
                                     after->origin[0], after->direction[0], after->row});
}

/* The slot's rays, all of which end `end` away, as they are and then as lids.c makes them. */
static void look(const stk_trainer *t, int slot, float end, looked *before, looked *after) {
    static const looked nothing;
    *before = nothing;
    const int first = stk_train_first_ray(&t->plan, slot, &before->count);
    assert_true(before->count <= RAYS_MAX);
    before->slot = slot;
    before->picks = t->picks + first;
    stk_ngp_camera_from_pose(&t->performance.camera, &t->performance.poses[t->frame_list[slot]],
                             &before->camera);
    for (int r = 0; r < before->count; r++) {
        const stk_ray_pick *pick = &before->picks[r];
        before->end[r] = end;
        before->row[r] = (uint16_t)slot;
        memcpy(before->origin[r], before->camera.origin, sizeof before->origin[r]);
        stk_ngp_ray(&before->camera, pick->col, pick->row, before->direction[r]);
    }
    lay(t, before, after);
}

static int slot_with(const stk_trainer *t, int down) {
    for (int slot = 0; slot < t->plan.slots; slot++)
        if (t->lids_down[t->frame_list[slot]] == down) return slot;
    fail_msg("no such slot");
    return 0;
}

static float distance(const float point[3], const float origin[3], const float direction[3]) {
    float d[3], along = 0, square = 0;
    for (int c = 0; c < 3; c++) d[c] = point[c] - origin[c];
    for (int c = 0; c < 3; c++) along += d[c] * direction[c];
    for (int c = 0; c < 3; c++) {
        const float off = d[c] - along * direction[c];
        square += off * off;
    }
    return sqrtf(square);
}

/* Through the point at which they ended, from the camera of the frame whose brows they hear. */
static void rays_at_shut_lids_are_turned_about_the_eye(void **state) {
    (void)state;
    static looked before, after;
    stk_trainer *t = blinking(1);
    const float end = 3;
    const int slot = slot_with(t, 1);
    assert_true(stk_train_lids_turn(t, slot));
    look(t, slot, end, &before, &after);
    int turned = 0;
    for (int r = 0; r < after.count; r++) {
        if (after.row[r] == slot) {
            assert_memory_equal(after.origin[r], before.origin[r], sizeof after.origin[r]);
            assert_memory_equal(after.direction[r], before.direction[r], sizeof after.origin[r]);
            continue;
        }
        const float *heard = t->expression + (size_t)after.row[r] * STK_EXP_MAX;
        const int other = (int)lroundf(heard[0] / BROW);
        stk_ngp_camera camera;
        float point[3];
        assert_true(other < t->performance.train_frames && !t->lids_down[other]);
        assert_true(heard[4] == heard[0] && heard[5] == SHUT && heard[6] == SHUT);
        stk_ngp_camera_from_pose(&t->performance.camera, &t->performance.poses[other], &camera);
        assert_memory_equal(after.origin[r], camera.origin, sizeof camera.origin);
        for (int c = 0; c < 3; c++) point[c] = before.origin[r][c] + end * before.direction[r][c];
        assert_true(distance(point, after.origin[r], after.direction[r]) < 1e-4f);
        turned++;
    }
    print_message("%d of %d rays turned\n", turned, after.count);
    assert_true(turned > after.count / 10 && turned < after.count / 2);
    const uint16_t open = stk_train_lids_open(t, slot);
    assert_true(t->expression[(size_t)open * STK_EXP_MAX + 5] == OPEN);
    look(t, slot, 0, &before, &after); /* rays that end nowhere are left */
    assert_memory_equal(after.row, before.row, sizeof after.row);
    stk_trainer_free(&t);
}

/* Of the first ray: how far along it the second one crosses it; -1 where they are too alike. */
static double crossing(const float o[3], const float d[3], const float p[3], const float e[3]) {
    double dd = 0, ee = 0, de = 0, dw = 0, ew = 0; /* floats are not quite of length 1 */
    for (int c = 0; c < 3; c++) {
        const double w = (double)o[c] - (double)p[c];
        dd += (double)d[c] * (double)d[c], ee += (double)e[c] * (double)e[c];
        de += (double)d[c] * (double)e[c];
        dw += (double)d[c] * w, ew += (double)e[c] * w;
    }
    const double apart = dd * ee - de * de;
    return apart > 1e-4 ? (de * ew - ee * dw) / apart : -1;
}

/* Ends known in the upper eye's first rows only, farther from row to row: lower ones do not go on like that. */
static void ends_are_held_within_those_seen(void **state) {
    (void)state;
    static looked before, after;
    stk_trainer *t = blinking(1);
    const int slot = slot_with(t, 1);
    int low = SIZE, beyond = 0;
    look(t, slot, 3, &before, &after);
    for (int r = 0; r < after.count; r++) {
        const int row = after.picks[r].row;
        if (after.row[r] != slot && row < low) low = row;
    }
    const int last = low + 1;
    for (int r = 0; r < before.count; r++) {
        const int row = before.picks[r].row;
        before.end[r] = row >= low && row <= last ? 3 + 0.2f * (float)(row - low) : 0;
    }
    lay(t, &before, &after);
    for (int r = 0; r < after.count; r++) {
        if (after.row[r] == slot) continue;
        const double end =
            crossing(before.origin[r], before.direction[r], after.origin[r], after.direction[r]);
        if (end < 0) continue;
        assert_true(end > 3 - 1e-3 && end < 3 + 0.2 * (last - low) + 1e-3);
        beyond += after.picks[r].row > last;
    }
    print_message("%d rays in rows without ends\n", beyond);
    assert_true(beyond > 0);
    stk_trainer_free(&t);
}

/* Across the line from corner to corner, positive below it, shares of the eye's width. */
static float below(const float (*points)[3], int from, int to, const stk_ray_pick *pick) {
    const float x = points[to][0] - points[from][0], y = points[to][1] - points[from][1];
    const float dx = (float)pick->col + 0.5f - points[from][0];
    const float dy = (float)pick->row + 0.5f - points[from][1];
    return (x * dy - y * dx) / (x * x + y * y);
}

static void rays_above_open_eyes_hear_shut_lids(void **state) {
    (void)state;
    static looked before, after;
    stk_trainer *t = blinking(1);
    int mixed = 0;
    for (int slot = 0; slot < t->plan.slots; slot++) {
        if (t->lids_down[t->frame_list[slot]]) continue;
        const float(*points)[3] = stk_subject_landmarks(t->subject, t->frame_list[slot]);
        assert_false(stk_train_lids_turn(t, slot));
        look(t, slot, 3, &before, &after);
        assert_memory_equal(after.direction, before.direction, sizeof after.direction);
        for (int r = 0; r < after.count; r++) {
            if (after.row[r] == slot) continue;
            const float *heard = t->expression + (size_t)after.row[r] * STK_EXP_MAX;
            assert_true(after.picks[r].label == STK_LABEL_HEAD);
            assert_true(below(points, 33, 133, &after.picks[r]) < 0);
            assert_true(below(points, 362, 263, &after.picks[r]) < 0);
            assert_true(heard[0] == BROW * (float)t->frame_list[slot] && heard[5] == SHUT);
            mixed++;
        }
    }
    print_message("%d rays mixed\n", mixed);
    assert_true(mixed > 0);
    stk_trainer_free(&t);
}

/* The field is not known well enough to say where an eye is; a clip without blinks. */
static void early_steps_and_open_eyes_are_left_alone(void **state) {
    (void)state;
    static looked before, after;
    stk_trainer *t = blinking(1);
    for (int k = 0; k < 2; k++) {
        t->step = k == 0 ? 1 : LATER;
        t->blink_count = k == 0 ? BLINKS : 0;
        for (int slot = 0; slot < t->plan.slots; slot++) {
            assert_false(stk_train_lids_turn(t, slot));
            look(t, slot, 3, &before, &after);
            assert_memory_equal(&after, &before, sizeof after);
        }
    }
    stk_trainer_free(&t);
}

static void vary_blinks_turns_all_of_it_off(void **state) {
    (void)state;
    static looked before, after;
    static stk_ray_pick plain[RAYS_MAX];
    stk_trainer *t = blinking_of(subject, 1, STK_VARY_BLINKS);
    stk_batch_settings batch = t->batch;
    batch.frames = 1;
    for (int slot = 0; slot < t->plan.slots; slot++) {
        const int32_t frame = t->frame_list[slot];
        assert_false(t->lids_down[frame] || stk_train_lids_turn(t, slot));
        look(t, slot, 3, &before, &after);
        assert_memory_equal(&after, &before, sizeof after);
        batch.rays = before.count;
        stk_ray_cache_rays(t->cache, &batch, t->ray_seed, slot, frame, plain);
        assert_memory_equal(before.picks, plain, (size_t)before.count * sizeof *plain);
    }
    stk_trainer_free(&t);
}

/* A hand over an eye is not learned as lids: of a blink (frame 10) or any other. */
static void a_hand_over_the_lids_is_not_drawn(void **state) {
    (void)state;
    enum { HAND_SIZE = 96, FROM = 9, TO = 13 };
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "hand"));
    TEST_OK(synthetic_subject_write_hand(path, FRAMES, HAND_SIZE, FROM, TO));
    stk_trainer *t = blinking_of(path, 1, 0);
    const stk_rect rect = stk_ray_cache_rect(t->cache);
    for (int frame = FROM; frame < TO; frame++) {
        const float(*points)[3] = stk_subject_landmarks(t->subject, frame);
        const uint8_t *pixels = stk_ray_cache_frame(t->cache, frame) + STK_RAY_BYTES - 1;
        const int slot = frame - FROM, width = rect.x1 - rect.x0;
        const int x = (int)(0.5f * (points[33][0] + points[133][0])) - rect.x0;
        const int y = (int)(0.5f * (points[33][1] + points[133][1])) - rect.y0;
        assert_int_equal(pixels[(y * width + x) * STK_RAY_BYTES], STK_RAY_CLASSES);
        assert_true(slot < t->plan.slots);
        t->frame_list[slot] = frame;
        stk_train_plan_rays(t, slot);
        int count;
        const stk_ray_pick *picks = t->picks + stk_train_first_ray(&t->plan, slot, &count);
        for (int i = 0; i < count; i++) {
            const int at = (picks[i].row - rect.y0) * width + picks[i].col - rect.x0;
            assert_true(pixels[at * STK_RAY_BYTES] < STK_RAY_CLASSES);
        }
    }
    stk_trainer_free(&t);
}

/* What a mixed row owes to the sound is the slot's; to the individual code, where it is its own. */
static void gradients_of_mixed_rows_are_collected(void **state) {
    (void)state;
    stk_trainer *t = blinking(1);
    for (int down = 0; down < 2; down++) {
        const size_t slot = (size_t)slot_with(t, down), mixed = 2 * (size_t)t->slots_max + slot;
        t->daudio[slot * STK_AUD] = t->dcode[slot * STK_CODE] = 1;
        t->daudio[mixed * STK_AUD] = t->dcode[mixed * STK_CODE] = 4;
        stk_train_lids_collect(t, (int)slot);
        assert_true(t->daudio[slot * STK_AUD] == 5);
        assert_true(t->dcode[slot * STK_CODE] == (down ? 1 : 5));
    }
    stk_trainer_free(&t);
}

static void end_of_a_ray_is_where_its_samples_are(void **state) {
    (void)state;
    const stk_ray_out thin = {.weight = 0.4f, .depth = 1.2f}, thick = {.weight = 0.8f, .depth = 2};
    assert_true(stk_train_lids_end(&thin) == 0);
    assert_true(fabsf(stk_train_lids_end(&thick) - (2.5f - STK_STEP_NGP)) < 1e-6f);
}

static void turned_steps_give_equal_bits_on_any_threads(void **state) {
    (void)state;
    enum { STEPS = SANITIZED ? 2 : 12 };
    stk_trainer *one = blinking(1), *three = blinking(3);
    for (int i = 0; i < STEPS; i++) {
        TEST_OK(stk_trainer_step(one, 0.1));
        TEST_OK(stk_trainer_step(three, 0.1));
    }
    assert_memory_equal(one->nets.params.value, three->nets.params.value,
                        one->nets.params.total * sizeof(float));
    stk_trainer_free(&one);
    stk_trainer_free(&three);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rays_at_shut_lids_are_turned_about_the_eye),
        cmocka_unit_test(ends_are_held_within_those_seen),
        cmocka_unit_test(rays_above_open_eyes_hear_shut_lids),
        cmocka_unit_test(early_steps_and_open_eyes_are_left_alone),
        cmocka_unit_test(vary_blinks_turns_all_of_it_off),
        cmocka_unit_test(a_hand_over_the_lids_is_not_drawn),
        cmocka_unit_test(gradients_of_mixed_rows_are_collected),
        cmocka_unit_test(end_of_a_ray_is_where_its_samples_are),
        cmocka_unit_test(turned_steps_give_equal_bits_on_any_threads),
    };
    return cmocka_run_group_tests(tests, write_subject, NULL);
}
