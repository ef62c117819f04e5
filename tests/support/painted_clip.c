/* painted_clip.c - see painted_clip.h. */
#include "painted_clip.h"
#include "support.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>

void painted_path(char path[STK_PATH_MAX], const char *name) {
    static const char *folder;
    static int count;
    if (folder == NULL) folder = test_temporary_folder();
    char numbered[64];
    snprintf(numbered, sizeof numbered, "%d-%s", count++, name);
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, numbered));
}

void painted_frame(stk_image *image, int index) {
    for (int y = 0; y < image->height; y++) {
        uint8_t *row = stk_image_row(image, y);
        for (int x = 0; x < image->width; x++) {
            int wave = (int)lround(30 * sin(0.25 * x + 0.4 * index + 0.15 * y));
            row[3 * x] = (uint8_t)(60 + x + wave);
            row[3 * x + 1] = (uint8_t)(60 + 2 * y + wave);
            row[3 * x + 2] = (uint8_t)(200 - x - y / 2 + wave);
        }
    }
}

stk_writer_options painted_options(stk_writer_format format, int crf, int gop) {
    return (stk_writer_options){.format = format,
                                .width = PAINTED_WIDTH,
                                .height = PAINTED_HEIGHT,
                                .fps = 25,
                                .crf = crf,
                                .gop = gop,
                                .comment = "synthetic test",
                                .threads = 1};
}

void painted_clip(const char *path, const stk_writer_options *options, int frames) {
    stk_image image;
    TEST_OK(stk_image_init(&image, options->width, options->height, 3));
    stk_video_writer *writer;
    TEST_OK(stk_video_writer_create(&writer, path, options));
    for (int i = 0; i < frames; i++) {
        painted_frame(&image, i);
        TEST_OK(stk_video_writer_frame(writer, &image));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    assert_null(writer);
    stk_image_clear(&image);
}

void painted_clicks(const char *path, int rate, double length_s, const double *at, int clicks) {
    stk_sound sound = {.rate = rate, .count = (int64_t)(length_s * rate)};
    sound.samples = stk_calloc_aligned((size_t)sound.count, sizeof(float));
    for (int k = 0; k < clicks; k++)
        for (int i = -rate / 1000; i <= rate / 1000; i++) {
            int64_t n = llround(at[k] * rate) + i;
            if (n >= 0 && n < sound.count)
                sound.samples[n] = (float)(0.4 + 0.4 * cos(3.14159265 * i * 1000.0 / rate));
        }
    TEST_OK(stk_sound_write_wav(path, &sound));
    stk_sound_clear(&sound);
}
