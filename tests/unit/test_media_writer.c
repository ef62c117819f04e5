/* What the writer makes, read back: pictures, sound position, lengths, random access, failures. */
#include "support.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { W = 64, H = 48, FRAMES = 60 };

/* A fresh name in one folder. */
static void in_folder(char path[STK_PATH_MAX], const char *name) {
    static const char *folder;
    static int count;
    if (folder == NULL) folder = test_temporary_folder();
    char numbered[64];
    snprintf(numbered, sizeof numbered, "%d-%s", count++, name);
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, numbered));
}

/* Smooth colours under a grey wave that moves with the frame number. */
static void paint(stk_image *image, int index) {
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

static stk_writer_options options_for(stk_writer_format format, int crf, int gop) {
    return (stk_writer_options){.format = format,
                                .width = W,
                                .height = H,
                                .fps = 25,
                                .crf = crf,
                                .gop = gop,
                                .comment = "synthetic test",
                                .threads = 1};
}

static void write_clip(const char *path, const stk_writer_options *options, int frames) {
    stk_image image;
    TEST_OK(stk_image_init(&image, options->width, options->height, 3));
    stk_video_writer *writer;
    TEST_OK(stk_video_writer_create(&writer, path, options));
    for (int i = 0; i < frames; i++) {
        paint(&image, i);
        TEST_OK(stk_video_writer_frame(writer, &image));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    assert_null(writer);
    stk_image_clear(&image);
}

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
    in_folder(path, "a.mp4");
    stk_writer_options options = options_for(STK_WRITER_MP4, 0, 25);
    write_clip(path, &options, FRAMES);
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
        paint(&want, count);
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

/* Writes the rotation matrix (16.16 fixed point a b u c d v ...) into the only track's header. */
static void set_matrix(const char *path, const int16_t abcd[4]) {
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    uint8_t *bytes = stk_calloc_aligned(1, map.size);
    memcpy(bytes, map.data, map.size);
    uint8_t *tkhd = memmem(bytes, map.size, "tkhd", 4);
    assert_non_null(tkhd);
    const int at[4] = {44, 48, 56, 60};
    for (int i = 0; i < 4; i++) {
        tkhd[at[i]] = (uint8_t)((uint16_t)abcd[i] >> 8);
        tkhd[at[i] + 1] = (uint8_t)abcd[i];
    }
    TEST_OK(stk_file_write(path, bytes, map.size));
    stk_free(bytes);
    stk_map_close(&map);
}

static void reader_rotated_clip_is_upright(void **state) {
    (void)state;
    const int16_t matrices[4][4] = {{1, 0, 0, 1}, {0, 1, -1, 0}, {-1, 0, 0, -1}, {0, -1, 1, 0}};
    char path[STK_PATH_MAX];
    in_folder(path, "a.mp4");
    stk_writer_options options = options_for(STK_WRITER_MP4, 0, 0);
    write_clip(path, &options, 2);
    stk_image want;
    TEST_OK(stk_image_init(&want, W, H, 3));
    paint(&want, 0);
    for (int quarters = 0; quarters < 4; quarters++) {
        set_matrix(path, matrices[quarters]);
        stk_media_info info;
        TEST_OK(stk_media_probe(path, &info));
        assert_int_equal(info.rotation_deg, 90 * quarters);
        assert_int_equal(info.width, quarters % 2 ? H : W);
        stk_video_reader *reader;
        TEST_OK(stk_video_reader_open(&reader, path, NULL));
        const stk_image *frame;
        int end;
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
        assert_int_equal(frame->width, info.width);
        /* Where the coded top left corner is shown after turning clockwise. */
        int x = quarters == 1 || quarters == 2 ? frame->width - 3 : 2;
        int y = quarters >= 2 ? frame->height - 3 : 2;
        for (int c = 0; c < 3; c++)
            assert_true(abs(stk_image_row(frame, y)[3 * x + c] - stk_image_row(&want, 2)[6 + c]) <=
                        4);
        stk_video_reader_close(&reader);
    }
    stk_image_clear(&want);
}

/* All frames by sequential decoding, one below the other. */
static stk_image decode_all(const char *path, int frames) {
    stk_image all;
    TEST_OK(stk_image_init(&all, W, H * frames, 3));
    stk_video_reader *reader;
    TEST_OK(stk_video_reader_open(&reader, path, NULL));
    for (int i = 0, end = 0; i <= frames; i++) {
        const stk_image *frame;
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
        assert_int_equal(end, i == frames);
        if (end) break;
        stk_image part = stk_image_view(&all, (stk_rect){0, i * H, W, (i + 1) * H});
        stk_image_copy(&part, frame);
    }
    stk_video_reader_close(&reader);
    return all;
}

static void expect_frame(stk_frame_store *store, int index, const stk_image *all) {
    const stk_image *frame;
    TEST_OK(stk_frame_store_get(store, index, &frame));
    for (int y = 0; y < H; y++)
        assert_memory_equal(stk_image_row(frame, y), stk_image_row(all, index * H + y), W * 3);
}

static void store_any_order_gives_right_frames(void **state) {
    (void)state;
    enum { COUNT = FRAMES + 1 }; /* the last group holds five of eight */
    char path[STK_PATH_MAX];
    in_folder(path, "a.mp4");
    stk_writer_options options = options_for(STK_WRITER_MP4, 12, 8);
    write_clip(path, &options, COUNT);
    stk_image all = decode_all(path, COUNT);
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    for (int from_memory = 0; from_memory < 2; from_memory++) {
        stk_frame_store *store;
        TEST_OK(from_memory ? stk_frame_store_open(&store, NULL, map.data, map.size)
                            : stk_frame_store_open(&store, path, NULL, 0));
        assert_int_equal(stk_frame_store_count(store), COUNT);
        for (int i = 0; i < COUNT; i++) expect_frame(store, i, &all);
        for (int i = COUNT - 1; i >= 0; i--) expect_frame(store, i, &all);
        for (int i = 0; i < 200; i++) expect_frame(store, (i * 7919 + 13) % COUNT, &all);
        TEST_OK(stk_frame_store_set_cache(store, 1000));
        for (int i = 0; i < 200; i++) expect_frame(store, (i * 7919 + 13) % COUNT, &all);
        TEST_OK(stk_frame_store_set_cache(store, 1));
        for (int i = COUNT - 1; i >= 0; i -= 3) expect_frame(store, i, &all);
        const stk_image *frame;
        assert_int_equal(stk_frame_store_get(store, COUNT, &frame), STK_ERR_ARGUMENT);
        assert_int_equal(stk_frame_store_get(store, -1, &frame), STK_ERR_ARGUMENT);
        stk_frame_store_close(&store);
    }
    stk_map_close(&map);
    stk_image_clear(&all);
}

/* A wav with a click (one raised-cosine pulse of 1 ms) at each given second. */
static void write_clicks(const char *path, int rate, double length_s, const double *at,
                         int clicks) {
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

/* Any damage ends in a sentence or in fewer frames, never in a crash or an endless loop. */
static void open_damaged_bytes_never_crash(void **state) {
    (void)state;
    const double at[1] = {0.5};
    char path[STK_PATH_MAX], wav[STK_PATH_MAX], bad[STK_PATH_MAX];
    in_folder(path, "a.mp4");
    in_folder(wav, "a.wav");
    in_folder(bad, "b.mp4");
    write_clicks(wav, 16000, 1, at, 1);
    stk_writer_options options = options_for(STK_WRITER_MP4, 20, 8);
    options.sound_path = wav;
    write_clip(path, &options, 20);
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    uint8_t *bytes = stk_calloc_aligned(1, map.size);
    uint32_t seed = 7;
    for (int round = 0; round < 60; round++) {
        memcpy(bytes, map.data, map.size);
        for (int i = 0; i < 1 + round % 12; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[(seed >> 4) % map.size] = (uint8_t)(seed >> 24);
        }
        TEST_OK(
            stk_file_write(bad, bytes, round % 3 == 0 ? map.size * (size_t)round / 60 : map.size));
        stk_retime plan;
        if (stk_retime_plan(bad, NULL, &plan) == STK_OK) stk_retime_clear(&plan);
        stk_sound sound;
        if (stk_sound_read(bad, 16000, 0, &sound) == STK_OK) stk_sound_clear(&sound);
        stk_frame_store *store;
        if (stk_frame_store_open(&store, NULL, bytes, map.size) == STK_OK) {
            const stk_image *frame;
            for (int i = stk_frame_store_count(store) - 1; i >= 0 && i < 40; i -= 3)
                (void)stk_frame_store_get(store, i, &frame);
            stk_frame_store_close(&store);
        }
    }
    stk_free(bytes);
    stk_map_close(&map);
}

static double peak_s(const stk_sound *sound, double from_s, double to_s) {
    int64_t best = (int64_t)(from_s * sound->rate);
    for (int64_t i = best; i < sound->count && i < to_s * sound->rate; i++)
        if (sound->samples[i] > sound->samples[best]) best = i;
    return (double)best / sound->rate;
}

static void sound_clicks_survive_resampling_and_aac(void **state) {
    (void)state;
    const double at[2] = {0.5, 1.75};
    const int rates[] = {8000, 16000, 44100, 48000};
    char wav[STK_PATH_MAX], mp4[STK_PATH_MAX];
    in_folder(wav, "clicks.wav");
    in_folder(mp4, "clicks.mp4");
    for (size_t r = 0; r < 4; r++) {
        write_clicks(wav, rates[r], 2, at, 2);
        stk_sound sound;
        TEST_OK(stk_sound_read(wav, 16000, 0, &sound));
        assert_true(llabs(sound.count - 32000) <= 2);
        for (int k = 0; k < 2; k++)
            assert_true(fabs(peak_s(&sound, at[k] - 0.2, at[k] + 0.2) - at[k]) < 0.0003);
        stk_sound_clear(&sound);
        stk_writer_options options = options_for(STK_WRITER_MP4, 30, 0);
        options.sound_path = wav;
        options.sound_start_s = 0.1;
        write_clip(mp4, &options, FRAMES);
        TEST_OK(stk_sound_read(mp4, 16000, 0, &sound)); /* clicks 0.1 s earlier, 2.4 s in all */
        for (int k = 0; k < 2; k++)
            assert_true(fabs(peak_s(&sound, at[k] - 0.3, at[k] + 0.1) - at[k] + 0.1) < 0.001);
        assert_true(fabs((double)sound.count / 16000 - 2.4) < 0.04);
        stk_sound_clear(&sound);
        TEST_OK(stk_sound_read(mp4, 16000, -0.25, &sound));
        assert_true(fabs(peak_s(&sound, 0.5, 0.8) - 0.65) < 0.001);
        stk_sound_clear(&sound);
    }
}

static void probe_own_clip_reports_all(void **state) {
    (void)state;
    const double at[1] = {1};
    char wav[STK_PATH_MAX], mp4[STK_PATH_MAX];
    in_folder(wav, "clicks.wav");
    in_folder(mp4, "100%d: clip.mp4"); /* neither a pattern nor a protocol */
    write_clicks(wav, 16000, 9, at, 1);
    stk_writer_options options = options_for(STK_WRITER_MP4, 20, 0);
    options.sound_path = wav;
    write_clip(mp4, &options, FRAMES);
    stk_media_info info;
    TEST_OK(stk_media_probe(mp4, &info));
    assert_true(info.has_video && info.has_audio);
    assert_int_equal(info.frames_estimate, FRAMES);
    assert_true(fabs(info.fps - 25) < 1e-9 && fabs(info.duration_s - 2.4) < 1e-3);
    assert_string_equal(info.comment, "synthetic test");
    assert_string_equal(info.pixel_format, "yuv420p");
    assert_int_equal(info.audio_channels, 1);
    stk_retime plan;
    TEST_OK(stk_retime_plan(mp4, NULL, &plan));
    assert_int_equal(plan.frames, FRAMES);
    assert_true(plan.doubled == 0 && plan.dropped == 0 && plan.repeats == 0);
    stk_retime_clear(&plan);
    assert_int_equal(stk_file_exists(mp4), 1);
}

/* 25 pictures a second shown 30 times: every sixth is a copy, re-encoded with loss. In the second
 * round the picture stands still for two seconds, which hides the copies there, but not their
 * rhythm. */
static void plan_own_repeats_are_found(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    in_folder(path, "r.mp4");
    stk_writer_options options = options_for(STK_WRITER_MP4, 20, 0);
    options.fps = 30;
    stk_image image;
    TEST_OK(stk_image_init(&image, W, H, 3));
    for (int frozen = 0; frozen < 2; frozen++) {
        stk_video_writer *writer;
        TEST_OK(stk_video_writer_create(&writer, path, &options));
        for (int i = 0; i < 300; i++) {
            int shown = i * 5 / 6;
            paint(&image, frozen && shown > 100 ? shown < 150 ? 100 : shown - 49 : shown);
            TEST_OK(stk_video_writer_frame(writer, &image));
        }
        TEST_OK(stk_video_writer_finish(&writer));
        stk_retime plan;
        TEST_OK(stk_retime_plan(path, NULL, &plan));
        assert_int_equal(plan.repeats, 50);
        assert_int_equal(plan.frames, 250);
        assert_true(plan.dropped == 0 && plan.doubled == 0);
        for (int k = 0; k < plan.frames; k++)
            assert_true(fabs(plan.time_s[k] - plan.first_time_s - k / 25.0) < 0.021);
        stk_retime_clear(&plan);
    }
    stk_image_clear(&image);
}

/* A picture that holds still at irregular moments keeps its timing. */
static void plan_still_moments_are_kept(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    in_folder(path, "s.mp4");
    stk_writer_options options = options_for(STK_WRITER_MP4, 20, 0);
    stk_image image;
    TEST_OK(stk_image_init(&image, W, H, 3));
    stk_video_writer *writer;
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    uint32_t seed = 1;
    for (int i = 0, shown = 0; i < 300; i++) {
        seed = seed * 1664525u + 1013904223u;
        shown += seed >> 24 > 50; /* still in one frame of five, at random */
        paint(&image, shown);
        TEST_OK(stk_video_writer_frame(writer, &image));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_retime plan;
    TEST_OK(stk_retime_plan(path, NULL, &plan));
    assert_int_equal(plan.repeats, 0);
    assert_int_equal(plan.frames, 300);
    stk_retime_clear(&plan);
    stk_image_clear(&image);
}

static void writer_y4m_and_png_write_pictures(void **state) {
    (void)state;
    char y4m[STK_PATH_MAX], folder[STK_PATH_MAX], png[STK_PATH_MAX];
    in_folder(y4m, "a.y4m");
    stk_writer_options options = options_for(STK_WRITER_Y4M, 20, 0);
    write_clip(y4m, &options, 3);
    int64_t frame_bytes = 6 + W * H * 3 / 2;
    int64_t size = stk_file_size(y4m);
    assert_true(size > 3 * frame_bytes && size < 3 * frame_bytes + 128);
    in_folder(folder, "pictures");
    options.format = STK_WRITER_PNG;
    write_clip(folder, &options, 3);
    TEST_OK(stk_path_join(png, sizeof png, folder, "000002.png"));
    stk_image back, want;
    TEST_OK(stk_picture_read(png, 3, &back));
    TEST_OK(stk_image_init(&want, W, H, 3));
    paint(&want, 2);
    assert_true(mean_error(&back, &want) == 0);
    stk_image_clear(&back);
    stk_image_clear(&want);
}

/* What lies at the front of the file, as text (bytes that are none are kept). */
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
        stk_writer_options options = options_for(kinds[i].format, 20, 0);
        options.width = 64, options.height = 48, options.channels = 4;
        in_folder(path, kinds[i].name);
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
    stk_writer_options options = options_for(STK_WRITER_Y4M, 20, 0);
    for (int marked = 1; marked >= 0; marked--) {
        options.comment = marked ? "synthetic test" : NULL;
        options.format = STK_WRITER_Y4M;
        in_folder(path, "a.y4m");
        write_clip(path, &options, 2);
        read_front(path, bytes, sizeof bytes);
        const char *end = memchr(bytes, '\n', sizeof bytes);
        assert_true(end != NULL && end - bytes < 78); /* four digits a side: below 80 */
        assert_int_equal(memmem(bytes, (size_t)(end - bytes), " XSYNTHETIC=1", 13) != NULL, marked);
        stk_media_info info;
        TEST_OK(stk_media_probe(path, &info)); /* and is still read */
        assert_int_equal(info.width, W);
        options.format = STK_WRITER_PNG;
        in_folder(path, "pictures");
        write_clip(path, &options, 2);
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

static void picture_channels_convert(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    in_folder(path, "a.png");
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
    in_folder(path, "stamps.mp4");
    stk_writer_options options = options_for(STK_WRITER_MP4, 20, 0);
    options.timescale = 90000;
    stk_image image;
    TEST_OK(stk_image_init(&image, W, H, 3));
    stk_video_writer *writer;
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    for (int i = 0; i < GIVEN; i++) {
        paint(&image, i);
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
    in_folder(path, "a.mp4");
    stk_writer_options options = options_for(STK_WRITER_MP4, 20, 0);
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

static void expect_error(const char *path, stk_status code, const char *part) {
    stk_media_info info;
    assert_int_equal(stk_media_probe(path, &info), code);
    if (strstr(stk_error_text(), part) == NULL || strstr(stk_error_text(), path) == NULL)
        fail_msg("unexpected sentence: %s", stk_error_text());
}

static void open_bad_files_say_why(void **state) {
    (void)state;
    char path[STK_PATH_MAX], cut[STK_PATH_MAX], wav[STK_PATH_MAX];
    in_folder(path, "a.mp4");
    in_folder(cut, "cut.mp4");
    in_folder(wav, "a.wav");
    expect_error("/nonexistent/a.mp4", STK_ERR_IO, "no such file");
    expect_error("/tmp", STK_ERR_IO, "folder");
    TEST_OK(stk_file_write(path, "", 0));
    expect_error(path, STK_ERR_FORMAT, "empty");
    TEST_OK(stk_file_write(path, "This is a text, not a film.\nReally.\n", 36));
    expect_error(path, STK_ERR_FORMAT, "not a video or sound file");

    stk_writer_options options = options_for(STK_WRITER_MP4, 0, 0);
    write_clip(path, &options, FRAMES);
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    TEST_OK(stk_file_write(cut, map.data, 600)); /* inside the index */
    expect_error(cut, STK_ERR_FORMAT, "cut off");
    /* With the index at the front it is the tail that is missing. */
    TEST_OK(stk_file_write(cut, map.data, map.size * 2 / 3));
    stk_map_close(&map);
    stk_retime plan;
    TEST_OK(stk_retime_plan(cut, NULL, &plan));
    assert_true(plan.frames > 10 && plan.frames < FRAMES);
    stk_retime_clear(&plan);
    stk_sound sound;
    assert_int_equal(stk_sound_read(path, 16000, 0, &sound), STK_ERR_CONTENT);
    assert_non_null(strstr(stk_error_text(), "has no sound"));
    const double at[1] = {0.5};
    write_clicks(wav, 16000, 1, at, 1);
    stk_video_reader *reader;
    assert_int_equal(stk_video_reader_open(&reader, wav, NULL), STK_ERR_CONTENT);
    assert_non_null(strstr(stk_error_text(), "has no pictures"));
    assert_null(reader);
}

static void writer_bad_targets_say_why(void **state) {
    (void)state;
    stk_video_writer *writer;
    stk_writer_options options = options_for(STK_WRITER_MP4, 20, 0);
    assert_int_equal(stk_video_writer_create(&writer, "/nonexistent/a.mp4", &options), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "/nonexistent/a.mp4"));
    assert_null(writer);
    assert_int_equal(stk_video_writer_create(&writer, "-", &options), STK_ERR_ARGUMENT);
    options.width = 63;
    assert_int_equal(stk_video_writer_create(&writer, "/tmp/x.mp4", &options), STK_ERR_ARGUMENT);
    options = options_for(STK_WRITER_MP4, 20, 0);
    options.sound_path = "/nonexistent/a.wav";
    char path[STK_PATH_MAX];
    in_folder(path, "a.mp4");
    assert_int_equal(stk_video_writer_create(&writer, path, &options), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "a.wav"));
    options = options_for(STK_WRITER_MP4, 20, 0);
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    assert_int_equal(stk_video_writer_finish(&writer), STK_ERR_ARGUMENT); /* no picture */
    assert_int_equal(stk_file_exists(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_lossless_gives_back_colours),
        cmocka_unit_test(reader_rotated_clip_is_upright),
        cmocka_unit_test(open_damaged_bytes_never_crash),
        cmocka_unit_test(store_any_order_gives_right_frames),
        cmocka_unit_test(sound_clicks_survive_resampling_and_aac),
        cmocka_unit_test(probe_own_clip_reports_all),
        cmocka_unit_test(plan_own_repeats_are_found),
        cmocka_unit_test(plan_still_moments_are_kept),
        cmocka_unit_test(writer_y4m_and_png_write_pictures),
        cmocka_unit_test(writer_keeps_transparency),
        cmocka_unit_test(writer_marks_y4m_and_png_as_synthetic),
        cmocka_unit_test(picture_channels_convert),
        cmocka_unit_test(writer_time_stamps_are_kept),
        cmocka_unit_test(writer_discard_keeps_or_removes),
        cmocka_unit_test(open_bad_files_say_why),
        cmocka_unit_test(writer_bad_targets_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
