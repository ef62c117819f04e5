/* The parser as a whole on a painted person, without graphs: classes, steadiness, odd sizes, no
 * face. With the graphs: that they open and separate a person on a real clip. */
#include "support.h"
#include "synthetic_person.h"
#include "base/image.h"
#include "portrait_sync/parsing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* No weights are found from here on, wherever the tests run. */
static void hide_weights(void) {
    const char *empty = test_temporary_folder();
    setenv("SYNCTALK_MODELS", empty, 1);
    setenv("XDG_CACHE_HOME", empty, 1);
    setenv("HOME", empty, 1);
}

typedef struct setting {
    stk_image rgb, truth, labels;
    stk_landmarks landmarks;
    stk_parser *parser;
} setting;

static void setting_init(setting *s, int w, int h, float unit, float roll_rad) {
    TEST_OK(stk_image_init(&s->rgb, w, h, 3));
    TEST_OK(stk_image_init(&s->truth, w, h, 1));
    TEST_OK(stk_image_init(&s->labels, w, h, 1));
    TEST_OK(stk_parser_create(&s->parser, NULL, w, h));
    test_paint_person(&s->rgb, &s->truth, &s->landmarks, 0.5f * (float)w, 0.42f * (float)h, unit,
                      roll_rad);
}

static void setting_clear(setting *s) {
    stk_image_clear(&s->rgb), stk_image_clear(&s->truth), stk_image_clear(&s->labels);
    stk_parser_free(&s->parser);
    assert_null(s->parser);
}

/* Intersection over union of one class. */
static double overlap(const stk_image *a, const stk_image *b, uint8_t label) {
    int both = 0, any = 0;
    for (int y = 0; y < a->height; y++)
        for (int x = 0; x < a->width; x++) {
            int p = stk_image_row(a, y)[x] == label, q = stk_image_row(b, y)[x] == label;
            both += p && q, any += p || q;
        }
    return any ? (double)both / any : 1;
}

static void parser_painted_person_classes_agree(void **state) {
    (void)state;
    static const int sizes[][2] = {{512, 512}, {401, 333}, {256, 256}, {97, 130}};
    for (size_t n = 0; n < 4; n++)
        for (int roll = -1; roll <= 1; roll++) {
            setting s;
            setting_init(&s, sizes[n][0], sizes[n][1], 0.19f * (float)sizes[n][1],
                         0.2f * (float)roll);
            TEST_OK(stk_parser_frame(s.parser, &s.rgb, &s.landmarks, &s.labels));
            assert_true(overlap(&s.labels, &s.truth, STK_LABEL_HEAD) > 0.95);
            assert_true(overlap(&s.labels, &s.truth, STK_LABEL_NECK) > 0.88);
            assert_true(overlap(&s.labels, &s.truth, STK_LABEL_TORSO) > 0.85);
            assert_true(overlap(&s.labels, &s.truth, STK_LABEL_BACKGROUND) > 0.93);
            setting_clear(&s);
        }
}

static void parser_repeated_frame_is_steady(void **state) {
    (void)state;
    setting s;
    stk_image second;
    setting_init(&s, 256, 256, 50, 0);
    TEST_OK(stk_image_init(&second, 256, 256, 1));
    TEST_OK(stk_parser_frame(s.parser, &s.rgb, &s.landmarks, &s.labels));
    for (int i = 0; i < 3; i++) {
        TEST_OK(stk_parser_frame(s.parser, &s.rgb, &s.landmarks, &second));
        int changed = 0;
        for (int y = 0; y < 256; y++)
            for (int x = 0; x < 256; x++)
                changed += stk_image_row(&second, y)[x] != stk_image_row(&s.labels, y)[x];
        assert_true(changed < 20); /* the skin models still run */
    }
    /* after a reset the first result comes again, exactly */
    stk_parser_reset(s.parser);
    TEST_OK(stk_parser_frame(s.parser, &s.rgb, &s.landmarks, &second));
    for (int y = 0; y < 256; y++)
        assert_memory_equal(stk_image_row(&second, y), stk_image_row(&s.labels, y), 256);
    stk_image_clear(&second);
    setting_clear(&s);
}

static void parser_no_face_invents_no_background(void **state) {
    (void)state;
    setting s;
    setting_init(&s, 131, 97, 18, 0);
    TEST_OK(stk_parser_frame(s.parser, &s.rgb, NULL, &s.labels));
    for (int y = 0; y < 97; y++)
        for (int x = 0; x < 131; x++)
            assert_int_equal(stk_image_row(&s.labels, y)[x], STK_LABEL_TORSO);
    for (int i = 0; i < STK_LANDMARKS; i++) s.landmarks.xyz[i][0] = NAN;
    TEST_OK(stk_parser_frame(s.parser, &s.rgb, &s.landmarks, &s.labels));
    assert_int_equal(s.labels.data[0], STK_LABEL_TORSO);
    setting_clear(&s);
}

static void parser_face_beyond_the_picture_is_safe(void **state) {
    (void)state;
    setting s;
    setting_init(&s, 160, 120, 25, 0);
    static const float shifts[][2] = {{-80, 0}, {90, 60}, {0, -70}, {0, 100}, {-1e6f, 1e6f}};
    for (size_t n = 0; n < 5; n++) {
        stk_landmarks moved = s.landmarks;
        for (int i = 0; i < STK_LANDMARKS; i++)
            moved.xyz[i][0] += shifts[n][0], moved.xyz[i][1] += shifts[n][1];
        TEST_OK(stk_parser_frame(s.parser, &s.rgb, &moved, &s.labels));
        for (int y = 0; y < 120; y++)
            for (int x = 0; x < 160; x++) assert_true(stk_image_row(&s.labels, y)[x] < 4);
    }
    setting_clear(&s);
}

static void parser_wrong_size_is_refused(void **state) {
    (void)state;
    setting s;
    setting_init(&s, 64, 64, 12, 0);
    stk_image other;
    TEST_OK(stk_image_init(&other, 65, 64, 3));
    assert_int_equal(stk_parser_frame(s.parser, &other, NULL, &s.labels), STK_ERR_ARGUMENT);
    stk_image_clear(&other);
    setting_clear(&s);
    stk_parser *parser;
    assert_int_equal(stk_parser_create(&parser, NULL, 3, 3), STK_ERR_ARGUMENT);
    assert_null(parser);
    stk_parser_free(&parser);
}

static void parser_with_graphs_says_so(void **state) {
    (void)state;
    const char *person = test_shared_or_skip("models/mp_selfie_segmentation.tflite");
    char folder[4096];
    strcpy(folder, person);
    *strrchr(folder, '/') = 0;
    stk_parser *parser;
    TEST_OK(stk_parser_create(&parser, folder, 200, 150));
    assert_non_null(strstr(stk_parser_mode(parser), "mp_selfie_segmentation"));
    assert_non_null(strstr(stk_parser_mode(parser), "mp_hair_segmentation"));
    stk_image rgb, labels;
    TEST_OK(stk_image_init(&rgb, 200, 150, 3));
    TEST_OK(stk_image_init(&labels, 200, 150, 1));
    for (int y = 0; y < 150; y++) memset(stk_image_row(&rgb, y), 120, 600);
    TEST_OK(stk_parser_frame(parser, &rgb, NULL, &labels)); /* plain grey: nobody */
    int people = 0;
    for (int y = 0; y < 150; y++)
        for (int x = 0; x < 200; x++)
            people += stk_image_row(&labels, y)[x] != STK_LABEL_BACKGROUND;
    assert_true(people < 200 * 150 / 50);
    stk_image_clear(&rgb), stk_image_clear(&labels);
    stk_parser_free(&parser);
}

int main(void) {
    hide_weights();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parser_painted_person_classes_agree),
        cmocka_unit_test(parser_repeated_frame_is_steady),
        cmocka_unit_test(parser_no_face_invents_no_background),
        cmocka_unit_test(parser_face_beyond_the_picture_is_safe),
        cmocka_unit_test(parser_wrong_size_is_refused),
        cmocka_unit_test(parser_with_graphs_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
