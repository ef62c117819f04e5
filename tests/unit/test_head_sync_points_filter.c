/* The filter of the head's points on observations made from a head that turns in perspective: what
 * moves with the skull stays, what shakes, slides or passes is rejected. */
#include "support.h"
#include "base/face_mesh.h"
#include "base/memory.h"
#include "base/rng.h"
#include "head_sync/points_filter.h"
#include "head_sync/points_pick.h"
#include "head_sync/points_tracker.h"
#include "synthetic_head.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 120, WEAK = 10, RIGID = 80, KINDS = 4, EACH = 6, POINTS = RIGID + KINDS * EACH };
enum { SHAKES, SLIDES, PASSES, BRIEF };

typedef struct made {
    stk_tracks tracks;
    float head[POINTS][3];
} made;

static void allocate(made *m) {
    m->tracks.frames = FRAMES;
    m->tracks.points = POINTS;
    m->tracks.first = stk_calloc_aligned(FRAMES + 1, sizeof *m->tracks.first);
    m->tracks.list = stk_calloc_aligned(FRAMES * POINTS, sizeof *m->tracks.list);
    assert_non_null(m->tracks.first);
    assert_non_null(m->tracks.list);
}

/* Which vertex a point sits on: any that moves with the skull. */
static int vertex_of(int point) {
    const float(*face)[3] = stk_canonical_face();
    int seen = 0;
    for (int v = 0;; v = (v + 7) % STK_MESH_LANDMARKS)
        if (stk_pick_rigidity(face[v]) > 0 && seen++ == point) return v;
}

/* What the kind of a point does to its place in a frame, px. */
static void disturb(int kind, int frame, stk_rng *rng, float px[2]) {
    if (kind == SHAKES)
        for (int c = 0; c < 2; c++) px[c] += 1.5f * stk_rng_normal(rng);
    if (kind == SLIDES)
        px[0] += 12 * sinf(0.05f * (float)frame); /* slow: only its spread is wrong */
    if (kind == PASSES) px[0] += 1.5f * (float)(frame - 60), px[1] += 20; /* a hand */
}

static void make(const synthetic_head *clip, made *m) {
    const float(*face)[3] = stk_canonical_face();
    int64_t count = 0;
    stk_rng rng;
    stk_rng_seed(&rng, 21, 3);
    allocate(m);
    for (int j = 0; j < POINTS; j++) {
        memcpy(m->head[j], face[vertex_of(j % RIGID)], sizeof m->head[j]);
        for (int c = 0; c < 3; c++) m->head[j][c] += 0.003f * stk_rng_normal(&rng);
    }
    for (int i = 0; i < FRAMES; i++) {
        m->tracks.first[i] = count;
        for (int j = 0; j < POINTS; j++) {
            const int kind = j < RIGID ? -1 : (j - RIGID) / EACH;
            if (kind == BRIEF && i >= 3) continue;
            const float *seen = clip->landmarks[i].xyz[vertex_of(j % RIGID)];
            float px[2];
            for (int c = 0; c < 2; c++) px[c] = seen[c] + 0.1f * stk_rng_normal(&rng);
            disturb(kind, i, &rng, px);
            m->tracks.list[count++] = (stk_observation){j, px[0], px[1], 1};
        }
    }
    m->tracks.first[FRAMES] = count;
}

static void filter_head_in_perspective_keeps_what_is_rigid(void **state) {
    (void)state;
    synthetic_head clip = {.frames = FRAMES,
                           .size = 512,
                           .focal_px = 1100,
                           .identity_m = 0.003,
                           .motion = 1,
                           .distance_m = 0.8,
                           .seed = 4};
    stk_filter_figures figures;
    made m;
    synthetic_head_make(&clip);
    make(&clip, &m);
    for (int64_t k = m.tracks.first[WEAK]; k < m.tracks.first[WEAK + 1]; k++)
        m.tracks.list[k].weight = 0.09f;
    TEST_OK(stk_points_filter(&m.tracks, (const float(*)[3])m.head, 150, NULL, &figures));
    int alive[POINTS] = {0}, rigid = 0, wrong[KINDS] = {0};
    for (int64_t k = 0; k < m.tracks.first[FRAMES]; k++)
        alive[m.tracks.list[k].point] += m.tracks.list[k].weight > 0;
    for (int j = 0; j < POINTS; j++) {
        if (j < RIGID) rigid += alive[j] > FRAMES / 2;
        if (j >= RIGID) wrong[(j - RIGID) / EACH] += alive[j] > 0;
    }
    printf("  %d of %d rigid points kept; shaking %d, sliding %d, passing %d, brief %d; laplacian "
           "%.3f, spread %.3f px\n",
           rigid, RIGID, wrong[SHAKES], wrong[SLIDES], wrong[PASSES], wrong[BRIEF],
           (double)figures.laplacian_px, (double)figures.spread_px);
    assert_true(rigid >= RIGID * 9 / 10);
    for (int kind = 0; kind < KINDS; kind++) assert_int_equal(wrong[kind], 0);
    /* what is left of too little is nothing */
    for (int64_t k = m.tracks.first[WEAK]; k < m.tracks.first[WEAK + 1]; k++)
        assert_true(m.tracks.list[k].weight == 0);
    stk_tracks_clear(&m.tracks);
    synthetic_head_clear(&clip);
}

static void filter_nothing_seen_is_fine(void **state) {
    (void)state;
    stk_tracks tracks = {.frames = 3};
    stk_filter_figures figures;
    tracks.first = stk_calloc_aligned(4, sizeof *tracks.first);
    assert_non_null(tracks.first);
    TEST_OK(stk_points_filter(&tracks, NULL, 100, NULL, &figures));
    assert_int_equal(figures.kept, 0);
    stk_tracks_clear(&tracks);
}

/* Ten minutes with as many points as the tracker follows: filter beside tracks, and what bundle
 * adjustment takes for as many (40 bytes an observation, doc/SPEED.md), stay below 1 GiB. */
static void filter_ten_minutes_fit_in_memory(void **state) {
    (void)state;
    const int64_t frames = 15000, count = frames * STK_POINTS_ALIVE;
    const int points = (int)(count / 24); /* all ended and picked anew as fast as can be */
    const int64_t tracks = count * (int64_t)sizeof(stk_observation);
    const int64_t filter = (int64_t)stk_points_filter_bytes((int)frames, points, count);
    assert_true(filter >= 24 * count && filter <= 32 * count);
    assert_true(tracks + filter <= 256 << 20);
    assert_true(tracks + 40 * count <= 512 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_head_in_perspective_keeps_what_is_rigid),
        cmocka_unit_test(filter_nothing_seen_is_fine),
        cmocka_unit_test(filter_ten_minutes_fit_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
