/* What the writer makes, read back: pictures, transparency, marks, time stamps, failures. */
#include "support.h"
#include "painted_clip.h"
#include "base/log.h"
#include "media/media.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { W = PAINTED_WIDTH, H = PAINTED_HEIGHT, FRAMES = PAINTED_FRAMES };

static double mean_error(const stk_image *a, const stk_image *b) {
    double sum = 0;
    for (int y = 0; y < a->height; y++)
        for (int i = 0; i < a->width * 3; i++)
            sum += abs(stk_image_row(a, y)[i] - stk_image_row(b, y)[i]);
    return sum / (3.0 * a->width * a->height);
}

/* Limited range rounds luma to 255/219 of a level (error up to 0.6) and chroma to as much, which
 * blue takes 1.9-fold; chroma is shared by 2 x 2 pixels, which costs up to 1 more here. */
static void writer_lossless_gives_back_colours(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    painted_path(path, "a.mp4");
    stk_writer_options options = painted_options(STK_WRITER_MP4, 0, 25);
    painted_clip(path, &options, FRAMES);
    stk_video_reader *reader;
    TEST_OK(stk_video_reader_open(&reader, path, NULL));
    stk_image want;
    TEST_OK(stk_image_init(&want, W, H, 3));
    int count = 0;
    for (;; count++) {
        const stk_image *frame;
        double time_s;
        int end;
        TEST_OK(stk_video_reader_next(reader, &frame, &time_s, &end));
        if (end) break;
        painted_frame(&want, count);
        assert_true(fabs(time_s - count / 25.0) < 1e-6);
        assert_true(mean_error(frame, &want) < 1);
        for (int y = 2; y < H - 2; y++)
            for (int i = 6; i < (W - 2) * 3; i++)
                assert_true(abs(stk_image_row(frame, y)[i] - stk_image_row(&want, y)[i]) <= 4);
    }
    assert_int_equal(count, FRAMES);
    stk_video_reader_close(&reader);
    stk_image_clear(&want);
}

static void writer_y4m_and_png_write_pictures(void **state) {
    (void)state;
    char y4m[STK_PATH_MAX], folder[STK_PATH_MAX], png[STK_PATH_MAX];
    painted_path(y4m, "a.y4m");
    stk_writer_options options = painted_options(STK_WRITER_Y4M, 20, 0);
    painted_clip(y4m, &options, 3);
    int64_t frame_bytes = 6 + W * H * 3 / 2;
    int64_t size = stk_file_size(y4m);
    assert_true(size > 3 * frame_bytes && size < 3 * frame_bytes + 128);
    painted_path(folder, "pictures");
    options.format = STK_WRITER_PNG;
    painted_clip(folder, &options, 3);
    TEST_OK(stk_path_join(png, sizeof png, folder, "000002.png"));
    stk_image back, want;
    TEST_OK(stk_picture_read(png, 3, &back));
    TEST_OK(stk_image_init(&want, W, H, 3));
    painted_frame(&want, 2);
    assert_true(mean_error(&back, &want) == 0);
    stk_image_clear(&back);
    stk_image_clear(&want);
}

/* Left half opaque, right half clear: sizes, codecs and, of PNG, every value. */
static void writer_keeps_transparency(void **state) {
    (void)state;
    static const struct {
        const char *name, *codec, *pixels;
        stk_writer_format format;
    } kinds[] = {{"alpha.mov", "prores", "yuva444p", STK_WRITER_PRORES},
                 {"alpha.webm", "vp9", "yuv", STK_WRITER_VP9},
                 {"alpha", "", "", STK_WRITER_PNG}};
    char folder[STK_PATH_MAX], last[STK_PATH_MAX];
    stk_image picture, back;
    TEST_OK(stk_image_init(&picture, 64, 48, 4));
    for (int y = 0; y < 48; y++)
        for (int x = 0; x < 32; x++) {
            uint8_t *p = stk_image_row(&picture, y) + 4 * x;
            p[0] = 200, p[1] = (uint8_t)(4 * y), p[2] = (uint8_t)(4 * x), p[3] = 255;
        }
    for (size_t i = 0; i < STK_ARRAY_SIZE(kinds); i++) {
        char path[STK_PATH_MAX];
        stk_video_writer *writer;
        stk_media_info info;
        stk_writer_options options = painted_options(kinds[i].format, 20, 0);
        options.width = 64, options.height = 48, options.channels = 4;
        painted_path(path, kinds[i].name);
        TEST_OK(stk_video_writer_create(&writer, path, &options));
        for (int k = 0; k < 3; k++) TEST_OK(stk_video_writer_frame(writer, &picture));
        TEST_OK(stk_video_writer_finish(&writer));
        memcpy(folder, path, sizeof folder);
        if (kinds[i].format == STK_WRITER_PNG) continue;
        TEST_OK(stk_media_probe(path, &info));
        assert_string_equal(info.video_codec, kinds[i].codec);
        assert_non_null(strstr(info.pixel_format, kinds[i].pixels));
        assert_true(info.width == 64 && info.height == 48);
    }
    TEST_OK(stk_path_join(last, sizeof last, folder, "000002.png"));
    TEST_OK(stk_picture_read(last, 4, &back));
    for (int y = 0; y < 48; y++)
        assert_memory_equal(stk_image_row(&back, y), stk_image_row(&picture, y), 4 * 64);
    stk_image_clear(&back);
    stk_image_clear(&picture);
}

/* The first bytes of a file; how many there are. */
static size_t read_front(const char *path, char *bytes, size_t size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, size, file);
    fclose(file);
    return n;
}

static void writer_marks_y4m_and_png_as_synthetic(void **state) {
    (void)state;
    char path[STK_PATH_MAX], png[STK_PATH_MAX], bytes[256];
    stk_writer_options options = painted_options(STK_WRITER_Y4M, 20, 0);
    for (int marked = 1; marked >= 0; marked--) {
        options.comment = marked ? "synthetic test" : NULL;
        options.format = STK_WRITER_Y4M;
        painted_path(path, "a.y4m");
        painted_clip(path, &options, 2);
        read_front(path, bytes, sizeof bytes);
        const char *end = memchr(bytes, '\n', sizeof bytes);
        assert_true(end != NULL && end - bytes < 78); /* four digits a side: below 80 */
        assert_int_equal(memmem(bytes, (size_t)(end - bytes), " XSYNTHETIC=1", 13) != NULL, marked);
        stk_media_info info;
        TEST_OK(stk_media_probe(path, &info)); /* and is still read */
        assert_int_equal(info.width, W);
        options.format = STK_WRITER_PNG;
        painted_path(path, "pictures");
        painted_clip(path, &options, 2);
        TEST_OK(stk_path_join(png, sizeof png, path, "000001.png"));
        assert_int_equal(read_front(png, bytes, sizeof bytes), sizeof bytes);
        /* behind IHDR: length 22, the chunk, and its CRC as zlib computes it */
        static const char chunk[] = "\0\0\0\26tEXtComment\0synthetic test\x5f\x47\x99\x8f";
        if (marked)
            assert_memory_equal(bytes + 33, chunk, sizeof chunk - 1);
        else
            assert_null(memmem(bytes, sizeof bytes, "tEXt", 4));
        stk_image back;
        TEST_OK(stk_picture_read(png, 3, &back));
        stk_image_clear(&back);
    }
}

static void keep_warning(void *user, stk_log_level level, const char *line) {
    if (level == STK_LOG_WARN) snprintf(user, 256, "%s", line);
}

/* Five pictures, then two into the same folder. */
static void writer_png_beside_those_of_a_longer_film_warns(void **state) {
    (void)state;
    char path[STK_PATH_MAX], warning[256] = "";
    stk_writer_options options = painted_options(STK_WRITER_PNG, 20, 0);
    painted_path(path, "shorter");
    stk_log_set_sink(keep_warning, warning);
    painted_clip(path, &options, 5);
    painted_clip(path, &options, 5);
    assert_string_equal(warning, "");
    painted_clip(path, &options, 2);
    assert_non_null(strstr(warning, "000002.png: this and what follows it is of another film"));
    stk_log_clear_sink(warning);
}

static void picture_channels_convert(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    painted_path(path, "a.png");
    for (int made = 1; made <= 4; made++) {
        if (made == 2) continue;
        stk_image image;
        TEST_OK(stk_image_init(&image, 33, 21, made));
        for (int y = 0; y < 21; y++)
            memset(stk_image_row(&image, y), y < 10 ? 255 : 0, 33u * (unsigned)made);
        TEST_OK(stk_png_write(path, &image));
        for (int read = 1; read <= 4; read++) {
            if (read == 2) continue;
            stk_image back;
            TEST_OK(stk_picture_read(path, read, &back));
            assert_int_equal(back.channels, read);
            assert_int_equal(stk_image_row(&back, 4)[32 * read], 255);
            assert_int_equal(stk_image_row(&back, 15)[32 * read], 0);
            stk_image_clear(&back);
        }
        stk_image_clear(&image);
    }
}

static void writer_time_stamps_are_kept(void **state) {
    (void)state;
    static const double given[] = {0, 0.05, 0.0801, 0.12, 0.1777, 0.2};
    enum { GIVEN = sizeof given / sizeof *given };
    char path[STK_PATH_MAX];
    painted_path(path, "stamps.mp4");
    stk_writer_options options = painted_options(STK_WRITER_MP4, 20, 0);
    options.timescale = 90000;
    stk_image image;
    TEST_OK(stk_image_init(&image, W, H, 3));
    stk_video_writer *writer;
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    for (int i = 0; i < GIVEN; i++) {
        painted_frame(&image, i);
        TEST_OK(stk_video_writer_frame_at(writer, &image, given[i]));
    }
    assert_int_equal(stk_video_writer_frame_at(writer, &image, 0.2), STK_ERR_ARGUMENT);
    TEST_OK(stk_video_writer_finish(&writer));
    stk_image_clear(&image);
    stk_video_reader *reader;
    TEST_OK(stk_video_reader_open(&reader, path, NULL));
    for (int i = 0; i <= GIVEN; i++) {
        const stk_image *frame;
        double time_s;
        int end;
        TEST_OK(stk_video_reader_next(reader, &frame, &time_s, &end));
        assert_int_equal(end, i == GIVEN);
        if (!end) assert_true(fabs(time_s - given[i]) <= 0.5 / 90000 + 1e-9);
    }
    stk_video_reader_close(&reader);
    stk_media_info info;
    TEST_OK(stk_media_probe(path, &info));
    assert_true(fabs(info.duration_s - 0.24) < 1e-3); /* the last frame lasts 1/25 s */
}

static void writer_discard_keeps_or_removes(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    painted_path(path, "a.mp4");
    stk_writer_options options = painted_options(STK_WRITER_MP4, 20, 0);
    for (int keep = 0; keep < 2; keep++) {
        stk_image image;
        stk_video_writer *writer;
        TEST_OK(stk_image_init(&image, W, H, 3));
        TEST_OK(stk_video_writer_create(&writer, path, &options));
        for (int i = 0; i < 5; i++) TEST_OK(stk_video_writer_frame(writer, &image));
        assert_int_equal(stk_file_exists(path), 0);
        stk_video_writer_discard(&writer, keep);
        assert_int_equal(stk_file_exists(path), keep);
        stk_image_clear(&image);
    }
    stk_media_info info;
    TEST_OK(stk_media_probe(path, &info));
    assert_int_equal(info.frames_estimate, 5);
}

static void writer_bad_targets_say_why(void **state) {
    (void)state;
    stk_video_writer *writer;
    stk_writer_options options = painted_options(STK_WRITER_MP4, 20, 0);
    assert_int_equal(stk_video_writer_create(&writer, "/nonexistent/a.mp4", &options), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "/nonexistent/a.mp4"));
    assert_null(writer);
    assert_int_equal(stk_video_writer_create(&writer, "-", &options), STK_ERR_ARGUMENT);
    options.width = 63;
    assert_int_equal(stk_video_writer_create(&writer, "/tmp/x.mp4", &options), STK_ERR_ARGUMENT);
    options = painted_options(STK_WRITER_MP4, 20, 0);
    options.sound_path = "/nonexistent/a.wav";
    char path[STK_PATH_MAX];
    painted_path(path, "a.mp4");
    assert_int_equal(stk_video_writer_create(&writer, path, &options), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "a.wav"));
    options = painted_options(STK_WRITER_MP4, 20, 0);
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    assert_int_equal(stk_video_writer_finish(&writer), STK_ERR_ARGUMENT); /* no picture */
    assert_int_equal(stk_file_exists(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_lossless_gives_back_colours),
        cmocka_unit_test(writer_y4m_and_png_write_pictures),
        cmocka_unit_test(writer_keeps_transparency),
        cmocka_unit_test(writer_marks_y4m_and_png_as_synthetic),
        cmocka_unit_test(writer_png_beside_those_of_a_longer_film_warns),
        cmocka_unit_test(picture_channels_convert),
        cmocka_unit_test(writer_time_stamps_are_kept),
        cmocka_unit_test(writer_discard_keeps_or_removes),
        cmocka_unit_test(writer_bad_targets_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
