/* The performance: bounds, smoothness, statistics, the same at any frame rate. */
#include "support.h"
#include "base/memory.h"
#include "presenter/motion.h"

#include <math.h>
#include <string.h>

enum { SECONDS = 60, FPS = 50, FRAMES = SECONDS * FPS, BLINK_L = 8, BLINK_R = 9 };
static const float DEGREE = 0.017453293f;

/* A syllable each 0.3 s, every second one stressed, a pause of 0.5 s each 3 s. */
static stk_utterance babble(void) {
    static stk_phone phones[SECONDS * 4];
    stk_utterance u = {.phones = phones, .sound = {.rate = STK_SAMPLE_RATE}};
    double t = 0;
    while (t < SECONDS - 1) {
        for (int i = 0; i < 8; i++, t += 0.3)
            phones[u.count++] = (stk_phone){.class = STK_PHONE_AH,
                                            .start_s = (float)t,
                                            .end_s = (float)(t + 0.3),
                                            .stress = (float)(i % 2)};
        phones[u.count++] = (stk_phone){.start_s = (float)t, .end_s = (float)(t + 0.5)};
        t += 0.5;
    }
    u.sound.count = SECONDS * STK_SAMPLE_RATE;
    return u;
}

static stk_motion *made(int seed) {
    stk_utterance u = babble();
    stk_motion *motion;
    TEST_OK(stk_motion_create(&motion, seed, SECONDS, &u));
    return motion;
}

typedef struct sample {
    stk_bones bones;
    stk_face_state state;
    float yaw, pitch, roll, breath;
} sample;

static void play(const stk_motion *motion, double t, sample *s) {
    memset(s, 0, sizeof *s);
    stk_motion_at(motion, t, 2, &s->bones, &s->state, &s->breath);
    const float *R = s->bones.head.R;
    s->yaw = atan2f(R[2], R[8]) / DEGREE;
    s->pitch = asinf(-R[5]) / DEGREE;
    s->roll = atan2f(R[3], R[4]) / DEGREE;
}

static void at_every_time_angles_and_places_are_those_of_a_speaker(void **state) {
    (void)state;
    for (int seed = 1; seed <= 5; seed++) {
        stk_motion *motion = made(seed);
        double yaw = 0, pitch = 0, roll = 0, depth = 0, depth2 = 0;
        for (int i = 0; i < FRAMES; i++) {
            sample s;
            play(motion, (double)i / FPS, &s);
            assert_true(fabsf(s.yaw) < 15 && fabsf(s.pitch) < 15 && fabsf(s.roll) < 15);
            assert_true(stk_pose_possible(&s.bones.head) && stk_pose_possible(&s.bones.torso));
            assert_true(fabsf(s.bones.head.t[0]) < 0.08f && fabsf(s.bones.head.t[1]) < 0.08f);
            for (int k = 0; k < STK_BLENDSHAPES; k++)
                assert_true(s.state.shapes[k] >= 0 && s.state.shapes[k] <= 1);
            assert_true(s.breath >= 0 && s.breath <= 1);
            yaw += s.yaw * s.yaw / FRAMES;
            pitch += s.pitch * s.pitch / FRAMES;
            roll += s.roll * s.roll / FRAMES;
            depth += s.bones.head.t[2] / FRAMES;
            depth2 += s.bones.head.t[2] * s.bones.head.t[2] / FRAMES;
        }
        const double spread = sqrt(depth2 - depth * depth);
        print_message("seed %d: rms yaw %.2f pitch %.2f roll %.2f deg, depth %.4f m\n", seed,
                      sqrt(yaw), sqrt(pitch), sqrt(roll), spread);
        assert_true(sqrt(yaw) > 3 && sqrt(yaw) < 7 && sqrt(pitch) > 2 && sqrt(pitch) < 5);
        assert_true(sqrt(roll) > 1.2 && sqrt(roll) < 4);
        assert_true(spread > 0.004 && spread < 0.02);
        stk_motion_free(&motion);
    }
}

/* A nod of 4 degrees in 0.18 s peaks at 1.875 * 4 / 0.18 = 42 degrees/s and 5.77 * 4 / 0.18^2 = 712
 * degrees/s^2; waves and a second axis add to it. */
static void between_frames_the_head_moves_smoothly(void **state) {
    (void)state;
    stk_motion *motion = made(1);
    const double h = 0.005;
    float fastest = 0, sharpest = 0;
    for (double t = 1; t < SECONDS - 1; t += 0.02) {
        sample a, b, c;
        play(motion, t - h, &a);
        play(motion, t, &b);
        play(motion, t + h, &c);
        const float angle[3][3] = {
            {a.yaw, b.yaw, c.yaw}, {a.pitch, b.pitch, c.pitch}, {a.roll, b.roll, c.roll}};
        for (int k = 0; k < 3; k++) {
            const float *v = angle[k];
            fastest = fmaxf(fastest, fabsf(v[2] - v[0]) / (float)(2 * h));
            sharpest = fmaxf(sharpest, fabsf(v[2] - 2 * v[1] + v[0]) / (float)(h * h));
        }
    }
    print_message("fastest %.0f deg/s, sharpest %.0f deg/s^2\n", (double)fastest, (double)sharpest);
    assert_true(fastest > 10 && fastest < 90);
    assert_true(sharpest < 1500);
    stk_motion_free(&motion);
}

static void any_rate_samples_the_same_performance(void **state) {
    (void)state;
    stk_motion *a = made(3), *b = made(3), *c = made(4);
    int differ = 0;
    for (int i = 0; i < SECONDS; i++) { /* frame 25 i at 25/s, frame 30 i at 30/s */
        sample x, y, z;
        play(a, 25 * i / 25.0, &x);
        play(b, 30 * i / 30.0, &y);
        play(c, i, &z);
        assert_memory_equal(&x, &y, sizeof x);
        differ += memcmp(&x, &z, sizeof x) != 0;
    }
    assert_true(differ > SECONDS / 2);
    stk_motion_free(&a), stk_motion_free(&b), stk_motion_free(&c);
}

static void blinks_come_every_few_seconds_and_close(void **state) {
    (void)state;
    for (int seed = 1; seed <= 4; seed++) {
        stk_motion *motion = made(seed);
        int blinks = 0, closed = 0;
        double last_s = 0;
        for (int i = 0; i < FRAMES; i++) {
            sample s;
            play(motion, (double)i / FPS, &s);
            const int now = s.state.shapes[BLINK_L] > 0.4f;
            if (now && !closed) {
                const double t = (double)i / FPS;
                assert_true(t - last_s < 6.5 && (blinks == 0 || t - last_s > 0.9));
                last_s = t;
                blinks++;
            }
            closed = now;
            if (now) assert_true(s.state.shapes[BLINK_R] > 0.4f);
        }
        assert_in_range(blinks, SECONDS / 6, SECONDS / 2);
        stk_motion_free(&motion);
    }
}

static void eyes_rest_on_the_camera_most_of_the_time(void **state) {
    (void)state;
    stk_motion *motion = made(2);
    int on = 0;
    for (int i = 0; i < FRAMES; i++) {
        sample s;
        play(motion, (double)i / FPS, &s);
        const float *v = s.state.shapes, *R = s.bones.head.R, *t = s.bones.head.t;
        /* the person's left eye: out = to the picture's right */
        const float across = 30 * DEGREE * (v[14] - v[12]), up = 30 * DEGREE * (v[16] - v[10]);
        const float d[3] = {sinf(across) * cosf(up), sinf(up), cosf(across) * cosf(up)};
        const float eye[3] = {0.0315f, 0.0265f, 0.025f};
        float to[3], cosine = 0, length = 0;
        for (int k = 0; k < 3; k++)
            to[k] = -(R[3 * k] * eye[0] + R[3 * k + 1] * eye[1] + R[3 * k + 2] * eye[2] + t[k]);
        for (int k = 0; k < 3; k++) {
            cosine += (R[3 * k] * d[0] + R[3 * k + 1] * d[1] + R[3 * k + 2] * d[2]) * to[k];
            length += to[k] * to[k];
        }
        on += acosf(fminf(cosine / sqrtf(length), 1)) < 2.5f * DEGREE;
    }
    print_message("looks at the camera in %d %% of frames\n", 100 * on / FRAMES);
    assert_true(on > FRAMES * 6 / 10 && on < FRAMES * 97 / 100);
    stk_motion_free(&motion);
}

static void neck_pivot_stays_with_the_torso(void **state) {
    (void)state;
    stk_motion *motion = made(1);
    stk_motion_turn(motion, 10, 20, 75);
    const float p[3] = {0, -0.12f, -0.04f};
    float most = 0;
    for (int i = 0; i < FRAMES; i++) {
        sample s;
        play(motion, (double)i / FPS, &s);
        for (int k = 0; k < 3; k++) {
            const float *H = s.bones.head.R + 3 * k, *T = s.bones.torso.R + 3 * k;
            const float a = H[0] * p[0] + H[1] * p[1] + H[2] * p[2] + s.bones.head.t[k];
            const float b = T[0] * p[0] + T[1] * p[1] + T[2] * p[2] + s.bones.torso.t[k];
            assert_true(fabsf(a - b) < 1e-5f);
        }
        most = fmaxf(most, s.yaw);
    }
    assert_true(most > 65 && most < 90);
    stk_motion_free(&motion);
}

static void sound_without_phones_moves_the_head_by_its_loudness(void **state) {
    (void)state;
    const int64_t count = 20 * STK_SAMPLE_RATE;
    stk_utterance u = {.sound = {stk_calloc_aligned((size_t)count, 4), count, STK_SAMPLE_RATE}};
    assert_non_null(u.sound.samples);
    for (int64_t i = 0; i < count; i++) {
        const double t = (double)i / STK_SAMPLE_RATE;
        const double loud = fmod(t, 4) < 3 ? 0.1 + 0.1 * sin(6.283 * 2 * t) : 0;
        u.sound.samples[i] = (float)(loud * sin(6.283 * 300 * t));
    }
    stk_motion *with, *without;
    TEST_OK(stk_motion_create(&with, 1, 20, &u));
    memset(u.sound.samples, 0, (size_t)count * 4);
    TEST_OK(stk_motion_create(&without, 1, 20, &u));
    int nods = 0, smiles = 0;
    for (int i = 0; i < 20 * FPS; i++) {
        sample a, b;
        play(with, (double)i / FPS, &a);
        play(without, (double)i / FPS, &b);
        nods += a.pitch > b.pitch + 0.5f;
        smiles += a.state.shapes[43] > b.state.shapes[43] + 0.02f;
    }
    assert_true(nods > FPS && smiles > FPS);
    stk_motion_free(&with), stk_motion_free(&without);
    stk_free(u.sound.samples);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_time_angles_and_places_are_those_of_a_speaker),
        cmocka_unit_test(between_frames_the_head_moves_smoothly),
        cmocka_unit_test(any_rate_samples_the_same_performance),
        cmocka_unit_test(blinks_come_every_few_seconds_and_close),
        cmocka_unit_test(eyes_rest_on_the_camera_most_of_the_time),
        cmocka_unit_test(neck_pivot_stays_with_the_torso),
        cmocka_unit_test(sound_without_phones_moves_the_head_by_its_loudness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
