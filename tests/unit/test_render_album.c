/* Which frames are measured, and what a report keeps: the worst frames, none near each other, as strips of real, made and error; a
 * row of figures a frame; and the error map's colours. */
#include "support.h"
#include "base/image.h"
#include "metrics/error_map.h"
#include "render/album.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 32, HEIGHT = 24, GREY = 100, FRAMES = 60, FIRST = 500 };

static void fill(stk_image *picture, int level) {
    for (int y = 0; y < picture->height; y++)
        memset(stk_image_row(picture, y), level, 3 * (size_t)picture->width);
}

/* By how much the made picture of frame i is brighter: rises to 40 at frame 20, to 30 at 25, to 20
 * at 45. */
static int error_of(int i) {
    return i == 20 ? 40 : i == 25 ? 30 : i == 45 ? 20 : 1 + i % 3;
}

static void build(stk_album *album, stk_image *real, stk_image *made, int spread) {
    stk_quality *quality;
    const stk_quality_settings settings = {
        .models = "/nonexistent",
        .camera = {50, WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT},
        .frames = FRAMES,
    };
    TEST_OK(stk_quality_create(&quality, &settings));
    *album = (stk_album){0};
    if (spread > 0) album->spread[album->spread_count++] = spread;
    TEST_OK(stk_album_init(album, &(stk_frame_choice){FIRST, FRAMES, FRAMES, 1}));
    for (int i = 0; i < FRAMES; i++) {
        fill(made, GREY + error_of(i));
        TEST_OK(stk_quality_add(quality, FIRST + i, real, made));
        const stk_portrait_figures portrait = {.seam_ratio = i == 7 ? 3 : 1,
                                               .neck_delta_e = (double)NAN,
                                               .static_flicker = i == 50 ? 4 : 1};
        const stk_album_frame frame = {.number = FIRST + i,
                                       .real = real,
                                       .made = made,
                                       .portrait = made,
                                       .before = real,
                                       .real_before = i == 50 ? real : made,
                                       .portrait_figures = &portrait,
                                       .quality = quality};
        TEST_OK(stk_album_add(album, &frame));
    }
    const stk_album_frame more = {.real = real, .made = made, .quality = quality};
    assert_int_equal(stk_album_add(album, &more), STK_ERR_ARGUMENT);
    stk_quality_free(&quality);
}

static void add_keeps_the_worst_frames_apart(void **state) {
    (void)state;
    stk_image real, made;
    stk_album album;
    TEST_OK(stk_image_init(&real, WIDTH, HEIGHT, 3));
    TEST_OK(stk_image_init(&made, WIDTH, HEIGHT, 3));
    fill(&real, GREY);
    build(&album, &real, &made, 0);
    assert_int_equal(album.frames, FRAMES);
    const stk_shot *shot = album.shot[STK_STRIP_PSNR];
    assert_int_equal(album.shots[STK_STRIP_PSNR], STK_SHOTS);
    assert_int_equal(shot[0].frame, FIRST + 20); /* and 25, which is near, nowhere */
    assert_int_equal(shot[1].frame, FIRST + 45);
    for (int i = 0; i < STK_SHOTS; i++)
        for (int k = 0; k < i; k++) assert_true(abs(shot[i].frame - shot[k].frame) >= 12);
    assert_true(fabs(shot[0].value - 20 * log10(255.0 / 40)) < 1e-9);
    /* real | made | portrait | error */
    assert_int_equal(shot[0].pictures, 4);
    const uint8_t *row = stk_image_row(&shot[0].picture, 5);
    uint8_t colour[3];
    stk_error_colour(40, colour);
    const int step = STK_SHOT_SIDE + STK_SHOT_GAP;
    assert_int_equal(row[3 * 9], GREY);
    assert_int_equal(row[3 * (step + 9)], GREY + 40);
    assert_int_equal(row[3 * (2 * step + 9)], GREY + 40);
    assert_memory_equal(row + 3 * (3 * step + 9), colour, 3);
    assert_int_equal(shot[0].picture.width, 4 * step - STK_SHOT_GAP);
    assert_int_equal(shot[0].picture.height, STK_SHOT_SIDE * HEIGHT / WIDTH);
    assert_int_equal(album.shot[STK_STRIP_SEAM][0].frame, FIRST + 7);
    /* 3 levels, eightfold, where the real one is still. */
    const stk_shot *flicker = &album.shot[STK_STRIP_FLICKER][0];
    assert_int_equal(flicker->frame, FIRST + 50);
    stk_error_colour(STK_FLICKER_GAIN * error_of(50), colour);
    assert_memory_equal(stk_image_row(&flicker->picture, 5) + 3 * (3 * step + 9), colour, 3);
    assert_int_equal(album.shots[STK_STRIP_NECK], 0); /* no figure, no picture */
    assert_int_equal(album.shots[STK_STRIP_LMD], 0);  /* no face */
    stk_album_clear(&album);
    stk_image_clear(&made);
    stk_image_clear(&real);
}

static void add_fills_a_row_of_figures(void **state) {
    (void)state;
    stk_image real, made;
    stk_album album;
    TEST_OK(stk_image_init(&real, WIDTH, HEIGHT, 3));
    TEST_OK(stk_image_init(&made, WIDTH, HEIGHT, 3));
    fill(&real, GREY);
    build(&album, &real, &made, FIRST + 33);
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(album.number[i], FIRST + i);
        assert_true(fabs(album.column[STK_QUALITY_PSNR][i] - 20 * log10(255.0 / error_of(i))) <
                    1e-9);
        assert_true(isnan(album.column[STK_QUALITY_LMD][i]));
        assert_true(isnan(album.column[STK_ALBUM_MOUTH][i]));
        assert_true(album.column[STK_ALBUM_SEAM_RATIO][i] == (i == 7 ? 3 : 1));
    }
    assert_string_equal(stk_album_key(STK_ALBUM_SEAM_RATIO), "seam_ratio");
    assert_string_equal(stk_album_key(STK_ALBUM_STATIC_FLICKER_REAL), "static_flicker_real");
    assert_string_equal(stk_album_key(STK_ALBUM_MOUTH_REAL), "mouth_opening_real");
    /* The frame that was asked for, no other; and three rows of mouths, the last not full. */
    assert_int_equal(album.shots[STK_STRIP_SPREAD], 1);
    assert_int_equal(album.shot[STK_STRIP_SPREAD][0].frame, FIRST + 33);
    assert_int_equal(album.mouth_rows, 3);
    assert_int_equal(album.mouth[2].first, 50);
    assert_int_equal(album.mouth[2].count, 10);
    stk_album_clear(&album);
    stk_image_clear(&made);
    stk_image_clear(&real);
}

/* Held-out ones follow each other; of those trained on there are as many, from the whole of them,
 * each once. */
static void choice_of_trained_frames_is_spread_over_them(void **state) {
    (void)state;
    static const struct {
        int frames, train, every, items, last;
        double spacing;
    } of[] = {{100, 60, 1, 40, 58, 1.5}, /* fewer held out than trained, more than half as many */
              {1149, 1034, 1, 115, 1025, 1034.0 / 115},
              {100, 60, 4, 10, 54, 6},
              {100, 60, 3, 14, 58, 4.5},
              {100, 30, 1, 30, 29, 1},
              {10, 9, 1, 1, 0, 9}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const stk_frame_choice c = stk_frame_choice_of(of[k].frames, of[k].train, 1, of[k].every);
        const int items = stk_frame_choice_items(&c);
        assert_int_equal(items, of[k].items);
        assert_int_equal(stk_frame_choice_frame(&c, 0), 0);
        assert_int_equal(stk_frame_choice_frame(&c, items - 1), of[k].last);
        assert_true(stk_frame_choice_spacing(&c) == of[k].spacing);
        for (int i = 1; i < items; i++) {
            const int apart = stk_frame_choice_frame(&c, i) - stk_frame_choice_frame(&c, i - 1);
            assert_true(apart >= 1 && fabs(apart - of[k].spacing) < 1);
        }
        const stk_frame_choice h = stk_frame_choice_of(of[k].frames, of[k].train, 0, of[k].every);
        assert_int_equal(stk_frame_choice_frame(&h, 0), of[k].train);
        assert_true(stk_frame_choice_spacing(&h) == of[k].every);
        assert_true(stk_frame_choice_frame(&h, stk_frame_choice_items(&h) - 1) < of[k].frames);
    }
}

/* The frames that are shown of every series are among those measured, and the distance is true. */
static void init_spread_frames_are_measured_ones(void **state) {
    (void)state;
    const stk_frame_choice c = stk_frame_choice_of(1150, 1035, 1, 1);
    stk_album album = {0};
    TEST_OK(stk_album_init(&album, &c));
    assert_true(album.every == 9.0);
    stk_album_clear(&album);
    const stk_frame_choice uneven = stk_frame_choice_of(100, 60, 1, 1);
    TEST_OK(stk_album_init(&album, &uneven));
    assert_true(album.every == 1.5);
    assert_int_equal(album.spread_count, STK_SHOTS);
    for (int k = 0; k < STK_SHOTS; k++) {
        int found = 0;
        for (int i = 0; i < 40; i++) found |= stk_frame_choice_frame(&uneven, i) == album.spread[k];
        assert_true(found && album.spread[k] >= 15 * k && album.spread[k] < 15 * (k + 1));
    }
    stk_album_clear(&album);
}

static void error_colour_grows_lighter(void **state) {
    (void)state;
    int before = -1;
    for (int level = 0; level <= STK_ERROR_MAP_LEVELS; level += 4) {
        uint8_t c[3], beyond[3];
        stk_error_colour(level, c);
        const int light = 299 * c[0] + 587 * c[1] + 114 * c[2];
        assert_true(light > before);
        before = light;
        stk_error_colour(level + 300, beyond);
        stk_error_colour(STK_ERROR_MAP_LEVELS, c);
        assert_memory_equal(beyond, c, 3);
    }
}

int main(void) {
    /* No face is looked for. */
    setenv("SYNCTALK_MODELS", "/nonexistent", 1);
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    setenv("HOME", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choice_of_trained_frames_is_spread_over_them),
        cmocka_unit_test(init_spread_frames_are_measured_ones),
        cmocka_unit_test(add_keeps_the_worst_frames_apart),
        cmocka_unit_test(add_fills_a_row_of_figures),
        cmocka_unit_test(error_colour_grows_lighter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
