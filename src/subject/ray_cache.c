/* ray_cache.c - builds and maps cache/rays.bin (ray_file.h).
 *
 *   per frame: picture.mp4 + torso.mp4 + label map + landmarks
 *     -> target (background from the plate, as the torso step fades it), backdrop, label,
 *        weight class [h][w][8]
 *     -> counts and bounds per class, counts per row (the sampler's index)
 *     -> what stands before the face (portrait_sync/usual.h) is of no class: rays leave it out
 *
 * Frames are packed in chunks on the pool's threads, each with its own decoders, and written at
 * their place with pwrite into the temporary file: memory is one frame per thread.
 */
#include "subject/ray_file.h"
#include "subject/open.h"
#include "subject/regions.h"

#include "base/clock.h"
#include "base/image.h"
#include "base/memory.h"
#include "portrait_sync/parsing.h"
#include "portrait_sync/usual.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { CHUNK_FRAMES = 60, BORDER_PX = 12, ERROR_TEXT = 1024, PAGE = 4096, LOOKS = 24 };
enum { CLASS_PLAIN, CLASS_BORDER, CLASS_HEAD, CLASS_EYES, CLASS_MOUTH, CLASS_NONE };
_Static_assert((int)CLASS_NONE == (int)STK_RAY_CLASSES, "a class that is not drawn");
static const char ray_magic[8] = "STKRAYS";
_Static_assert(sizeof(stk_ray_header) <= STK_RAY_HEADER_BYTES, "the header has a page of its own");

typedef struct builder {
    const stk_subject *subject;
    const stk_subject_info *info;
    const stk_job *job;
    stk_ray_header header;
    stk_image plate;
    stk_usual *usual;
    int fd;
    const char *path;
    double start_s;
    atomic_int done, stop;
    _Atomic int failed; /* 0, or the first status seen */
    char text[ERROR_TEXT];
    atomic_flag text_taken;
} builder;

/* One thread's buffers. */
typedef struct packer {
    stk_frame_store *pictures, *torsos;
    stk_image labels, near; /* near: 1 within BORDER_PX of the head */
    stk_image target, composite;
    void *compose_scratch;
    uint8_t *pixels, *index;
    uint8_t hidden[STK_CELLS * STK_CELLS];
    float beyond[STK_CELLS * STK_CELLS];
    stk_usual_face face;
} packer;

/* --- one frame -------------------------------------------------------------------------------- */

/* near[y][x] = 1 where some head pixel lies within BORDER_PX rows and columns: two running passes,
 * the first along rows (into near), the second down columns (bit 1). */
static void mark_near(const stk_image *labels, stk_image *near, int *reach) {
    int w = labels->width, h = labels->height;
    for (int y = 0; y < h; y++) {
        const uint8_t *row = stk_image_row(labels, y);
        uint8_t *out = stk_image_row(near, y);
        int last = -BORDER_PX - 1;
        for (int x = 0; x < w; x++) {
            if (row[x] == STK_LABEL_HEAD) last = x;
            out[x] = x - last <= BORDER_PX;
        }
        last = w + BORDER_PX + 1;
        for (int x = w - 1; x >= 0; x--) {
            if (row[x] == STK_LABEL_HEAD) last = x;
            out[x] |= last - x <= BORDER_PX;
        }
    }
    for (int x = 0; x < w; x++) reach[x] = -BORDER_PX - 1;
    for (int y = 0; y < h; y++) {
        uint8_t *out = stk_image_row(near, y);
        for (int x = 0; x < w; x++) {
            if (out[x] & 1) reach[x] = y;
            if (y - reach[x] <= BORDER_PX) out[x] |= 2;
        }
    }
    for (int x = 0; x < w; x++) reach[x] = h + BORDER_PX + 1;
    for (int y = h - 1; y >= 0; y--) {
        uint8_t *out = stk_image_row(near, y);
        for (int x = 0; x < w; x++) {
            if (out[x] & 1) reach[x] = y;
            if (reach[x] - y <= BORDER_PX) out[x] |= 2;
        }
    }
}

static int inside(const stk_rect *r, int x, int y) {
    return x >= r->x0 && x < r->x1 && y >= r->y0 && y < r->y1;
}

static void count_pixel(stk_ray_index *index, uint16_t *row_counts, int class, int x, int y) {
    stk_rect *box = &index->box[class];
    if (index->count[class]++ == 0) *box = (stk_rect){x, y, x + 1, y + 1};
    if (x < box->x0) box->x0 = x;
    if (x >= box->x1) box->x1 = x + 1;
    box->y1 = y + 1;
    row_counts[0]++;
}

static int class_of(uint8_t label, uint8_t near, int in_eyes, int in_mouth) {
    if (label != STK_LABEL_HEAD) return near ? CLASS_BORDER : CLASS_PLAIN;
    return in_mouth ? CLASS_MOUTH : in_eyes ? CLASS_EYES : CLASS_HEAD;
}

/* How many pixels are of a class. */
static int pack_pixels(const builder *b, packer *own, int frame, const stk_image *torso) {
    const stk_rect rect = b->header.rect;
    const float(*landmarks)[3] = stk_subject_landmarks(b->subject, frame);
    int h = rect.y1 - rect.y0, drawn = 0;
    stk_regions regions = stk_regions_compute(landmarks, b->info->width, b->info->height);
    stk_rect eyes = stk_regions_eyes_and_brows(landmarks, b->info->width, b->info->height);
    memset(own->index, 0, b->header.index_stride);
    stk_ray_index *index = (void *)own->index;
    uint16_t *row_counts = (void *)(index + 1);
    index->face = regions.face;
    index->low_face = regions.low_face;
    uint8_t *out = own->pixels;
    for (int y = rect.y0; y < rect.y1; y++) {
        const uint8_t *target = stk_image_row(&own->target, y);
        const uint8_t *behind = stk_image_row(torso, y);
        const uint8_t *label = stk_image_row(&own->labels, y);
        const uint8_t *near = stk_image_row(&own->near, y);
        const uint8_t *hidden = own->hidden + y * STK_CELLS / b->info->height * STK_CELLS;
        for (int x = rect.x0; x < rect.x1; x++, out += STK_RAY_BYTES) {
            int class =
                class_of(label[x], near[x], inside(&eyes, x, y), inside(&regions.mouth, x, y));
            if (hidden[x * STK_CELLS / b->info->width]) class = CLASS_NONE;
            memcpy(out, target + 3 * x, 3);
            memcpy(out + 3, behind + 3 * x, 3);
            out[6] = label[x];
            out[7] = (uint8_t) class;
            if (class == CLASS_NONE) continue;
            count_pixel(index, row_counts + (size_t) class * (size_t)h + (y - rect.y0), class,
                        x - rect.x0, y - rect.y0);
            drawn++;
        }
    }
    return drawn;
}

static void pack_frame(const builder *b, packer *own, int frame, const stk_image *torso) {
    if (pack_pixels(b, own, frame, torso) > 0) return;
    memset(own->hidden, 0, sizeof own->hidden); /* all of it hidden: rays must go somewhere */
    pack_pixels(b, own, frame, torso);
}

static stk_status write_at(const builder *b, const void *bytes, size_t size, uint64_t offset) {
    const uint8_t *cursor = bytes;
    while (size > 0) {
        ssize_t n = pwrite(b->fd, cursor, size, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return stk_fail(STK_ERR_IO, "%s: writing failed: %s; free some space and run again",
                            b->path, n < 0 ? strerror(errno) : "no progress");
        cursor += n, size -= (size_t)n, offset += (uint64_t)n;
    }
    return STK_OK;
}

static stk_status build_frame(builder *b, packer *own, int frame) {
    const stk_image *picture, *torso;
    const stk_ray_header *header = &b->header;
    size_t pixel_bytes = (size_t)(header->rect.x1 - header->rect.x0) *
                         (size_t)(header->rect.y1 - header->rect.y0) * STK_RAY_BYTES;
    STK_TRY(stk_subject_labels(b->subject, frame, &own->labels));
    STK_TRY(stk_frame_store_get(own->pictures, frame, &picture));
    STK_TRY(stk_frame_store_get(own->torsos, frame, &torso));
    mark_near(&own->labels, &own->near, (int *)(void *)own->pixels);
    stk_torso_compose(picture, &own->labels, &b->plate, &own->composite, &own->target,
                      own->compose_scratch);
    stk_usual_compare(b->usual, picture, stk_subject_landmarks(b->subject, frame), 1, &own->face,
                      own->beyond);
    stk_usual_hidden(own->beyond, STK_USUAL_CORE_SURE, own->hidden);
    pack_frame(b, own, frame, torso);
    STK_TRY(write_at(b, own->index, header->index_stride,
                     header->index_offset + (uint64_t)frame * header->index_stride));
    return write_at(b, own->pixels, pixel_bytes,
                    header->pixel_offset + (uint64_t)frame * pixel_bytes);
}

/* --- chunks on the pool ----------------------------------------------------------------------- */

static void packer_clear(packer *own) {
    stk_frame_store_close(&own->pictures);
    stk_frame_store_close(&own->torsos);
    stk_image_clear(&own->labels);
    stk_image_clear(&own->near);
    stk_image_clear(&own->target);
    stk_image_clear(&own->composite);
    stk_free(own->compose_scratch);
    stk_free(own->pixels);
    stk_free(own->index);
}

static stk_status packer_init(packer *own, const builder *b) {
    const stk_rect rect = b->header.rect;
    size_t pixels = (size_t)(rect.x1 - rect.x0) * (size_t)(rect.y1 - rect.y0) * STK_RAY_BYTES;
    size_t reach = (size_t)b->info->width * sizeof(int); /* mark_near borrows the pixels */
    *own = (packer){0};
    STK_TRY(stk_subject_open_pictures(b->subject, &own->pictures));
    STK_TRY(stk_subject_open_torsos(b->subject, &own->torsos));
    STK_TRY(stk_image_init(&own->labels, b->info->width, b->info->height, 1));
    STK_TRY(stk_image_init(&own->near, b->info->width, b->info->height, 1));
    STK_TRY(stk_image_init(&own->target, b->info->width, b->info->height, 3));
    STK_TRY(stk_image_init(&own->composite, b->info->width, b->info->height, 3));
    own->compose_scratch =
        stk_calloc_aligned(1, stk_torso_scratch_bytes(b->info->width, b->info->height));
    own->pixels = stk_calloc_aligned(1, pixels > reach ? pixels : reach);
    own->index = stk_calloc_aligned(1, b->header.index_stride);
    if (own->pixels == NULL || own->index == NULL || own->compose_scratch == NULL)
        return stk_fail_memory("ray cache");
    return STK_OK;
}

static void build_chunk(void *context, int task, int worker) {
    builder *b = context;
    packer own;
    int first = task * CHUNK_FRAMES, last = first + CHUNK_FRAMES;
    if (last > b->info->frames) last = b->info->frames;
    if (atomic_load(&b->stop)) return;
    stk_status status = packer_init(&own, b);
    for (int frame = first; status == STK_OK && frame < last && !atomic_load(&b->stop); frame++) {
        status = build_frame(b, &own, frame);
        int done = atomic_fetch_add(&b->done, 1) + 1;
        if (worker != 0) continue; /* callbacks belong to the calling thread */
        stk_job_report(b->job, "ray cache", done, b->info->frames, b->start_s, NULL);
        if (stk_job_aborted(b->job))
            status = stk_fail(STK_ERR_ABORTED, "stopped while building the ray cache");
    }
    if (status != STK_OK) {
        atomic_store(&b->stop, 1);
        if (!atomic_flag_test_and_set(&b->text_taken)) {
            stk_error_take(b->text, sizeof b->text);
            atomic_store(&b->failed, status);
        }
    }
    packer_clear(&own);
}

/* --- the file --------------------------------------------------------------------------------- */

/* Digest of everything that the pixels come from: the keys of the steps that made the inputs. */
static void cache_key(const stk_subject *subject, char key[STK_SHA256_TEXT]) {
    static const char *const steps[] = {"picture", "parse", "torso", "tables"};
    const stk_manifest *manifest = stk_subject_manifest_struct(subject);
    char text[STK_ARRAY_SIZE(steps) * STK_SHA256_TEXT + 2 * STK_SHA256_TEXT] = "";
    size_t used =
        (size_t)snprintf(text, sizeof text, "%d %s", STK_RAY_VERSION, manifest->info.identity);
    for (size_t i = 0; i < STK_ARRAY_SIZE(steps); i++) {
        const cJSON *inputs =
            cJSON_GetObjectItemCaseSensitive(stk_manifest_step(manifest, steps[i]), "inputs");
        if (!cJSON_IsString(inputs)) continue;
        used += (size_t)snprintf(text + used, sizeof text - used, " %.64s", inputs->valuestring);
    }
    stk_sha256(text, strlen(text), key);
}

static void plan_file(stk_ray_header *header, const stk_subject *subject) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    const stk_rect r = info->head_rect;
    uint64_t w = (uint64_t)(r.x1 - r.x0), h = (uint64_t)(r.y1 - r.y0);
    *header = (stk_ray_header){.version = STK_RAY_VERSION,
                               .frames = info->frames,
                               .train_frames = info->train_frames,
                               .rect = r};
    memcpy(header->magic, ray_magic, sizeof ray_magic);
    header->index_offset = STK_RAY_HEADER_BYTES;
    header->index_stride = (sizeof(stk_ray_index) + STK_RAY_CLASSES * h * 2 + 63) & ~UINT64_C(63);
    uint64_t end = header->index_offset + (uint64_t)info->frames * header->index_stride;
    header->pixel_offset = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    header->file_bytes = header->pixel_offset + (uint64_t)info->frames * w * h * STK_RAY_BYTES;
    cache_key(subject, header->key);
}

static stk_status check_space(const char *folder, uint64_t bytes) {
    struct statvfs space;
    if (statvfs(folder, &space) != 0) return STK_OK; /* unknown: writing will tell */
    double have = (double)space.f_bavail * (double)space.f_frsize;
    if ((double)bytes <= have) return STK_OK;
    return stk_fail(STK_ERR_IO,
                    "%s: the ray cache needs %.2f GiB and %.2f GiB are free; free some space and "
                    "run again",
                    folder, (double)bytes / 0x1p30, have / 0x1p30);
}

static stk_status look_at_frames(builder *b) {
    stk_frame_store *pictures = NULL;
    const stk_image *picture;
    STK_TRY(stk_usual_create(&b->usual, LOOKS));
    stk_status status = stk_subject_open_pictures(b->subject, &pictures);
    for (int i = 0; status == STK_OK && i < LOOKS; i++) {
        const int k = (int)((int64_t)i * b->info->frames / LOOKS);
        status = stk_frame_store_get(pictures, k, &picture);
        if (status == STK_OK)
            stk_usual_look(b->usual, picture, stk_subject_landmarks(b->subject, k), 1);
    }
    stk_frame_store_close(&pictures);
    stk_usual_finish(b->usual);
    return status;
}

static stk_status run_chunks(builder *b, stk_pool *pool) {
    uint8_t page[STK_RAY_HEADER_BYTES] = {0};
    memcpy(page, &b->header, sizeof b->header);
    STK_TRY(write_at(b, page, sizeof page, 0));
    stk_pool_run(pool, (b->info->frames + CHUNK_FRAMES - 1) / CHUNK_FRAMES, build_chunk, b);
    stk_status failed = (stk_status)atomic_load(&b->failed);
    if (failed != STK_OK) stk_error_put(b->text);
    return failed;
}

static stk_status build(const stk_subject *subject, const char *path, stk_pool *pool,
                        const stk_job *job, const stk_ray_header *header) {
    stk_outfile *file = NULL;
    builder b = {.subject = subject,
                 .info = stk_subject_get_info(subject),
                 .job = job,
                 .header = *header,
                 .fd = -1,
                 .path = path,
                 .start_s = stk_clock_s(),
                 .text_taken = ATOMIC_FLAG_INIT};
    stk_status status = stk_subject_plate(subject, &b.plate);
    if (status == STK_OK) status = look_at_frames(&b);
    if (status == STK_OK) status = stk_outfile_create(&file, path);
    if (status == STK_OK) {
        b.fd = open(stk_outfile_temporary(file), O_WRONLY | O_CLOEXEC);
        status = b.fd >= 0
                     ? run_chunks(&b, pool)
                     : stk_fail(STK_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
    }
    if (b.fd >= 0 && close(b.fd) != 0 && status == STK_OK)
        status = stk_fail(STK_ERR_IO, "%s: writing failed: %s", path, strerror(errno));
    if (status == STK_OK) status = stk_outfile_commit(&file);
    stk_outfile_discard(&file);
    stk_usual_free(&b.usual);
    stk_image_clear(&b.plate);
    return status;
}

/* 1 when the file is there, whole, and was built from these very inputs. */
static int map_if_fresh(stk_ray_cache *cache, const char *path, const stk_ray_header *want) {
    if (stk_file_size(path) != (int64_t)want->file_bytes) return 0;
    if (stk_map_open(&cache->map, path) != STK_OK) return 0;
    memcpy(&cache->header, cache->map.data, sizeof cache->header);
    const stk_ray_header *have = &cache->header;
    if (cache->map.size == want->file_bytes && memcmp(have->magic, want->magic, 8) == 0 &&
        have->version == want->version && have->frames == want->frames &&
        have->train_frames == want->train_frames &&
        memcmp(&have->rect, &want->rect, sizeof want->rect) == 0 &&
        have->index_offset == want->index_offset && have->index_stride == want->index_stride &&
        have->pixel_offset == want->pixel_offset && strcmp(have->key, want->key) == 0)
        return 1;
    stk_map_close(&cache->map);
    return 0;
}

static stk_status open_or_build(stk_ray_cache *cache, const stk_subject *subject, stk_pool *pool,
                                const stk_job *job) {
    char folder[STK_PATH_MAX], path[STK_PATH_MAX];
    stk_ray_header want;
    plan_file(&want, subject);
    STK_TRY(stk_subject_path(subject, "cache", folder));
    STK_TRY(stk_path_join(path, sizeof path, folder, "rays.bin"));
    stk_directory_remove_leftovers(folder); /* gigabytes each */
    if (map_if_fresh(cache, path, &want)) return STK_OK;
    STK_TRY(stk_directory_create(folder));
    unlink(path); /* a stale cache is of no use to anyone: its room is needed now */
    STK_TRY(check_space(folder, want.file_bytes));
    STK_TRY(build(subject, path, pool, job, &want));
    if (map_if_fresh(cache, path, &want)) return STK_OK;
    return stk_fail(STK_ERR_IO, "%s: was written but cannot be read back", path);
}

stk_status stk_ray_cache_open(stk_ray_cache **out, const stk_subject *subject, stk_pool *pool,
                              const stk_job *job) {
    *out = NULL;
    stk_ray_cache *cache = stk_calloc_aligned(1, sizeof *cache);
    if (cache == NULL) return stk_fail_memory("ray cache");
    stk_status status = open_or_build(cache, subject, pool, job);
    if (status != STK_OK) {
        stk_ray_cache_close(&cache);
        return status;
    }
    cache->width = cache->header.rect.x1 - cache->header.rect.x0;
    cache->height = cache->header.rect.y1 - cache->header.rect.y0;
    /* rays are scattered over one frame: read-ahead would fetch another's; see prefetch */
    madvise((void *)(uintptr_t)cache->map.data, cache->map.size, MADV_RANDOM);
    *out = cache;
    return STK_OK;
}

void stk_ray_cache_close(stk_ray_cache **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_map_close(&(*handle)->map);
    stk_free(*handle);
    *handle = NULL;
}

stk_rect stk_ray_cache_rect(const stk_ray_cache *cache) {
    return cache->header.rect;
}

const uint8_t *stk_ray_cache_frame(const stk_ray_cache *cache, int frame) {
    size_t bytes = (size_t)cache->width * (size_t)cache->height * STK_RAY_BYTES;
    return cache->map.data + cache->header.pixel_offset + (size_t)frame * bytes;
}

void stk_ray_cache_trim(const stk_ray_cache *cache) {
    madvise((void *)(uintptr_t)cache->map.data, cache->map.size, MADV_DONTNEED);
}

void stk_ray_cache_prefetch(const stk_ray_cache *cache, int32_t frame) {
    size_t bytes = (size_t)cache->width * (size_t)cache->height * STK_RAY_BYTES;
    uintptr_t from = (uintptr_t)stk_ray_cache_frame(cache, frame), page = from / PAGE * PAGE;
    madvise((void *)page, bytes + (from - page), MADV_WILLNEED);
}

int stk_ray_cache_train_frames(const stk_ray_cache *cache) {
    return cache->header.train_frames;
}
