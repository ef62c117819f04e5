/* step_parse.c - which pixel is what, the wall behind the person, and the picture without the head.
 *
 *   picture.mp4 + landmarks --chunks over the pool--> label maps
 *     -> labels.safetensors, head rectangle
 *   every 20th picture + labels -> plate.png
 *   picture.mp4 + labels + plate -> torso.mp4: decoded and encoded in order, composed GROUP at a
 *     time
 */
#include "subject/labels.h"
#include "subject/prepare.h"
#include "subject/tables.h"

#include "base/clock.h"
#include "base/image.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    CHUNK = 60, /* frames with one temporal state; borders are fixed */
    WARM = 4,
    PLATE_EVERY = 20,    /* reference.md 6.4 */
    PLATE_MAX = 300,     /* frames that go into a plate; on long clips they lie further apart */
    ENCODER_THREADS = 2, /* fixed: the encoder's result depends on their number */
    GROUP = 8,           /* torso pictures composed at a time */
};

/* --- label maps ------------------------------------------------------------------------------- */

typedef struct parse_work {
    const stk_prepare *prepare;
    stk_face_table faces;
    stk_label_pack *packs; /* one a chunk */
    stk_rect *head;        /* one a chunk: union over its frames */
    int chunks;
} parse_work;

typedef struct parse_lane {
    stk_parser *parser;
    stk_image labels;
    int *columns;
} parse_lane;

static stk_status open_parser(const stk_prepare *prepare, stk_parser **parser) {
    const int size = prepare->settings.size;
    STK_TRY(stk_parser_create(parser, prepare->settings.models, size, size));
    if (prepare->bisenet[0] == '\0') return STK_OK;
    const stk_status status = stk_parser_use_bisenet(*parser, prepare->bisenet);
    if (status != STK_OK) stk_parser_free(parser);
    return status;
}

static void close_lane(void *handle) {
    parse_lane *lane = handle;
    stk_parser_free(&lane->parser);
    stk_image_clear(&lane->labels);
    stk_free(lane->columns);
    stk_free(lane);
}

static stk_status open_lane(void *ctx, void **handle) {
    const parse_work *work = ctx;
    int size = work->prepare->settings.size;
    parse_lane *lane = stk_calloc_aligned(1, sizeof *lane);
    if (lane == NULL) return stk_fail_memory("parsing");
    *handle = lane; /* closed by the runner, whole or not */
    STK_TRY(open_parser(work->prepare, &lane->parser));
    STK_TRY(stk_image_init(&lane->labels, size, size, 1));
    lane->columns = stk_calloc_aligned((size_t)size, sizeof *lane->columns);
    return lane->columns != NULL ? STK_OK : stk_fail_memory("parsing");
}

static void reset_lane(void *handle) {
    stk_parser_reset(((parse_lane *)handle)->parser);
}

static stk_status parse_frame(void *ctx, void *handle, int frame, int keep, const stk_image *rgb) {
    parse_work *work = ctx;
    parse_lane *lane = handle;
    const stk_landmarks *landmarks = &work->faces.landmarks[frame];
    if (!keep && work->prepare->bisenet[0] != '\0') return STK_OK; /* it knows no time */
    STK_TRY(stk_parser_frame(lane->parser, rgb, landmarks, &lane->labels));
    if (!keep) return STK_OK;
    int chunk = frame / CHUNK;
    stk_rect head = stk_labels_head_rect(&lane->labels, lane->columns);
    work->head[chunk] = stk_rect_union(work->head[chunk], head);
    return stk_label_pack_add(&work->packs[chunk], &lane->labels);
}

static stk_status finish_labels(stk_prepare *prepare, parse_work *work, cJSON *figures) {
    char path[STK_PATH_MAX];
    stk_rect head = {0};
    int64_t bytes = 0;
    for (int i = 0; i < work->chunks; i++) {
        head = stk_rect_union(head, work->head[i]);
        bytes += (int64_t)work->packs[i].used;
    }
    if (head.x1 <= head.x0)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: the head could not be told from the background in any frame; use a "
                        "clip with more light and a calm background",
                        prepare->settings.clip);
    prepare->manifest.info.head_rect =
        stk_head_rect_roomy(head, prepare->settings.size, prepare->settings.size);
    stk_figure(figures, "head_width_px", head.x1 - head.x0, 0);
    stk_figure(figures, "head_height_px", head.y1 - head.y0, 0);
    stk_figure(figures, "labels_bytes_per_frame", (double)bytes / work->faces.frames, 0);
    STK_TRY(stk_prepare_path(prepare, "labels.safetensors", path));
    return stk_labels_write(path, work->packs, work->chunks);
}

/* --- the plate -------------------------------------------------------------------------------- */

static stk_status gather_plate(const stk_prepare *prepare, const stk_label_file *reader,
                               stk_frame_store *store, stk_plate *plate) {
    int frames = prepare->manifest.info.frames, size = prepare->settings.size;
    int every = frames / PLATE_MAX > PLATE_EVERY ? frames / PLATE_MAX : PLATE_EVERY;
    stk_prepare part = *prepare; /* for its own progress */
    stk_image labels;
    STK_TRY(stk_image_init(&labels, size, size, 1));
    stk_status status = STK_OK;
    part.step = "plate";
    part.start_s = stk_clock_s();
    for (int frame = 0; status == STK_OK && frame < frames; frame += every) {
        const stk_image *rgb;
        status = stk_label_file_read(reader, frame, &labels);
        if (status == STK_OK) status = stk_frame_store_get(store, frame, &rgb);
        if (status == STK_OK) status = stk_plate_add(plate, rgb, &labels);
        const int done = frame + every < frames ? frame + every : frames;
        if (status == STK_OK) status = stk_prepare_tick(&part, done, frames);
    }
    stk_image_clear(&labels);
    return status;
}

static stk_status write_plate(const stk_prepare *prepare, cJSON *figures) {
    char path[STK_PATH_MAX];
    int size = prepare->settings.size;
    float seen = 0.0f;
    stk_label_file reader;
    stk_frame_store *store = NULL;
    stk_plate *plate = NULL;
    stk_image rgb = {0};
    STK_TRY(stk_label_file_open(&reader, prepare->settings.folder, prepare->manifest.info.frames));
    stk_status status = stk_prepare_path(prepare, "picture.mp4", path);
    if (status == STK_OK) status = stk_frame_store_open(&store, path, NULL, 0);
    if (status == STK_OK) status = stk_plate_create(&plate, size, size);
    if (status == STK_OK) status = gather_plate(prepare, &reader, store, plate);
    if (status == STK_OK) status = stk_image_init(&rgb, size, size, 3);
    if (status == STK_OK) status = stk_plate_finish(plate, &rgb, &seen);
    if (status == STK_OK) status = stk_prepare_path(prepare, "plate.png", path);
    if (status == STK_OK) status = stk_png_write(path, &rgb);
    stk_figure(figures, "plate_seen_share", (double)seen, 3);
    stk_image_clear(&rgb);
    stk_plate_free(&plate);
    stk_frame_store_close(&store);
    stk_label_file_close(&reader);
    return status;
}

static stk_status parse_clip(stk_prepare *prepare, parse_work *work, cJSON *figures) {
    stk_parser *parser;
    STK_TRY(open_parser(prepare, &parser));
    snprintf(prepare->manifest.info.parse_mode, sizeof prepare->manifest.info.parse_mode, "%s",
             stk_parser_mode(parser));
    stk_parser_free(&parser);
    const stk_frame_work frame_work = {.chunk = CHUNK,
                                       .warm = WARM,
                                       .ctx = work,
                                       .open = open_lane,
                                       .close = close_lane,
                                       .reset = reset_lane,
                                       .frame = parse_frame};
    STK_TRY(stk_frames_run(prepare, &frame_work));
    STK_TRY(finish_labels(prepare, work, figures));
    return write_plate(prepare, figures);
}

stk_status stk_step_parse(stk_prepare *prepare, cJSON *figures) {
    parse_work work = {.prepare = prepare};
    work.chunks = (prepare->manifest.info.frames + CHUNK - 1) / CHUNK;
    STK_TRY(stk_face_table_read(prepare, 0, &work.faces));
    work.packs = stk_calloc_aligned((size_t)work.chunks, sizeof *work.packs);
    work.head = stk_calloc_aligned((size_t)work.chunks, sizeof *work.head);
    stk_status status = work.packs != NULL && work.head != NULL
                            ? parse_clip(prepare, &work, figures)
                            : stk_fail_memory("label maps");
    for (int i = 0; work.packs != NULL && i < work.chunks; i++)
        stk_label_pack_clear(&work.packs[i]);
    stk_free(work.packs);
    stk_free(work.head);
    stk_face_table_clear(&work.faces);
    return status;
}

/* --- the torso -------------------------------------------------------------------------------- */

typedef struct torso_slot {
    stk_image rgb, labels, composite, target;
    void *scratch;
    stk_status status;
    char text[256];
} torso_slot;

typedef struct torso_work {
    const stk_prepare *prepare;
    stk_label_file reader;
    stk_frame_store *store;
    stk_video_writer *writer;
    stk_image plate;
    torso_slot slots[GROUP];
    int first; /* subject frame of slot 0 */
} torso_work;

static void compose_slot(void *ctx, int task, int worker) {
    torso_work *work = ctx;
    torso_slot *slot = &work->slots[task];
    (void)worker;
    slot->status = stk_label_file_read(&work->reader, work->first + task, &slot->labels);
    if (slot->status != STK_OK) {
        stk_error_take(slot->text, sizeof slot->text);
        return;
    }
    stk_torso_compose(&slot->rgb, &slot->labels, &work->plate, &slot->composite, &slot->target,
                      slot->scratch);
}

static stk_status compose_group(torso_work *work, int count) {
    for (int i = 0; i < count; i++) {
        const stk_image *rgb;
        STK_TRY(stk_frame_store_get(work->store, work->first + i, &rgb));
        stk_image_copy(&work->slots[i].rgb, rgb);
    }
    stk_pool_run(work->prepare->pool, count, compose_slot, work);
    for (int i = 0; i < count; i++) {
        if (work->slots[i].status != STK_OK) {
            stk_error_put(work->slots[i].text);
            return work->slots[i].status;
        }
        STK_TRY(stk_video_writer_frame(work->writer, &work->slots[i].composite));
    }
    return STK_OK;
}

static stk_status init_slots(torso_work *work, int size) {
    for (int i = 0; i < GROUP; i++) {
        torso_slot *slot = &work->slots[i];
        STK_TRY(stk_image_init(&slot->rgb, size, size, 3));
        STK_TRY(stk_image_init(&slot->labels, size, size, 1));
        STK_TRY(stk_image_init(&slot->composite, size, size, 3));
        STK_TRY(stk_image_init(&slot->target, size, size, 3));
        slot->scratch = stk_calloc_aligned(1, stk_torso_scratch_bytes(size, size));
        if (slot->scratch == NULL) return stk_fail_memory("torso pictures");
    }
    return STK_OK;
}

static void clear_torso(torso_work *work) {
    for (int i = 0; i < GROUP; i++) {
        torso_slot *slot = &work->slots[i];
        stk_image_clear(&slot->rgb);
        stk_image_clear(&slot->labels);
        stk_image_clear(&slot->composite);
        stk_image_clear(&slot->target);
        stk_free(slot->scratch);
    }
    stk_image_clear(&work->plate);
    stk_frame_store_close(&work->store);
    stk_video_writer_discard(&work->writer, 0);
    stk_label_file_close(&work->reader);
}

static stk_status open_torso(stk_prepare *prepare, torso_work *work) {
    char path[STK_PATH_MAX];
    int size = prepare->settings.size;
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = size,
                                        .height = size,
                                        .fps = STK_FPS,
                                        .crf = 10,
                                        .gop = 12,
                                        .preset = "veryfast",
                                        .threads = ENCODER_THREADS};
    STK_TRY(stk_label_file_open(&work->reader, prepare->settings.folder,
                                prepare->manifest.info.frames));
    STK_TRY(init_slots(work, size));
    STK_TRY(stk_prepare_path(prepare, "plate.png", path));
    STK_TRY(stk_picture_read(path, 3, &work->plate));
    STK_TRY(stk_prepare_path(prepare, "picture.mp4", path));
    STK_TRY(stk_frame_store_open(&work->store, path, NULL, 0));
    STK_TRY(stk_prepare_path(prepare, "torso.mp4", path));
    return stk_video_writer_create(&work->writer, path, &options);
}

stk_status stk_step_torso(stk_prepare *prepare, cJSON *figures) {
    char path[STK_PATH_MAX];
    int frames = prepare->manifest.info.frames;
    torso_work work = {.prepare = prepare};
    stk_status status = open_torso(prepare, &work);
    for (; status == STK_OK && work.first < frames; work.first += GROUP) {
        int count = frames - work.first < GROUP ? frames - work.first : GROUP;
        status = compose_group(&work, count);
        if (status == STK_OK) status = stk_prepare_tick(prepare, work.first + count, frames);
    }
    if (status == STK_OK) status = stk_video_writer_finish(&work.writer);
    clear_torso(&work);
    STK_TRY(status);
    STK_TRY(stk_prepare_path(prepare, "torso.mp4", path));
    stk_figure(figures, "torso_mib", (double)stk_file_size(path) / 0x1p20, 2);
    return STK_OK;
}
