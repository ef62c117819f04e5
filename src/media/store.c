/* store.c - any frame of a video by number: an index of time stamps, and some decoded groups.
 *
 *   packets' pts, sorted --> frame number; key frames --> groups [start, start+count)
 *   frame i --> its group --in a slot?--> YUV picture --> RGB
 *                            `-- no: seek to its key frame, decode into a slot up to i
 *
 * No seek when the decoder just arrives at the frame wanted.
 *
 * Cost: forwards one decode a frame. Backwards a group is decoded whole when entered from behind,
 * then served from the slot: again one decode a frame. At random, half a group on average, unless
 * the cache was made larger. Memory: the cached groups' YUV pictures, two groups by default. Groups
 * must be closed (no frame refers across a key frame), which is how stk_video_writer makes them.
 * Single-threaded decoding, since frame threads delay every seek.
 */
#include "media/media.h"
#include "media/input.h"
#include "base/image.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_DEFAULT = 2, GROUP_MAX = 300 };

typedef struct stk_slot {
    int group;     /* index into starts, -1 = empty */
    int filled;    /* frames decoded so far, in order from the group's start */
    uint64_t used; /* clock of the last access */
    AVFrame *frames[GROUP_MAX];
} stk_slot;

struct stk_frame_store {
    stk_decoder *decoder;
    stk_converter converter;
    stk_image picture;
    int64_t *pts; /* [count] in display order */
    int *starts;  /* [groups+1] frame number of each key frame; starts[groups] = count */
    int count, groups;
    int position; /* frame number the decoder gives next, -1 = unknown */
    uint64_t clock;
    stk_slot *slots; /* [slot_count] */
    int slot_count;
};

static int compare_pts(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

typedef struct stk_pts_list {
    int64_t *items;
    int count, capacity;
} stk_pts_list;

static stk_status append(stk_pts_list *list, int64_t pts) {
    if (list->count == list->capacity) {
        int capacity = list->capacity > 0 ? 2 * list->capacity : 1024;
        int64_t *items = realloc(list->items, (size_t)capacity * sizeof *items);
        if (items == NULL) return stk_fail_memory("frame index");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = pts;
    return STK_OK;
}

/* Reads all packets once: time stamps of all frames and of the key frames. */
static stk_status list_packets(stk_decoder *decoder, stk_pts_list *all, stk_pts_list *keys) {
    AVPacket *packet = decoder->packet;
    int error;
    while ((error = av_read_frame(decoder->input.format, packet)) >= 0) {
        int ours = packet->stream_index == decoder->stream->index &&
                   !(packet->flags & AV_PKT_FLAG_DISCARD);
        int64_t pts = packet->pts;
        int key = packet->flags & AV_PKT_FLAG_KEY;
        av_packet_unref(packet);
        if (!ours) continue;
        if (pts == AV_NOPTS_VALUE)
            return stk_fail(STK_ERR_FORMAT, "%s: has frames without time stamps",
                            decoder->input.name);
        STK_TRY(append(all, pts));
        if (key) STK_TRY(append(keys, pts));
    }
    if (error != AVERROR_EOF)
        return stk_media_fail(decoder->input.name, "its video is damaged", error);
    if (all->count == 0)
        return stk_fail(STK_ERR_CONTENT, "%s: holds no pictures", decoder->input.name);
    if (keys->count == 0)
        return stk_fail(STK_ERR_FORMAT, "%s: has no key frame", decoder->input.name);
    qsort(all->items, (size_t)all->count, sizeof *all->items, compare_pts);
    qsort(keys->items, (size_t)keys->count, sizeof *keys->items, compare_pts);
    return STK_OK;
}

static int find_pts(const stk_frame_store *store, int64_t pts) {
    const int64_t *found =
        bsearch(&pts, store->pts, (size_t)store->count, sizeof *store->pts, compare_pts);
    return found != NULL ? (int)(found - store->pts) : -1;
}

static stk_status build_index(stk_frame_store *store) {
    stk_pts_list all = {0}, keys = {0};
    stk_status status = list_packets(store->decoder, &all, &keys);
    store->pts = all.items;
    store->count = all.count;
    store->groups = keys.count;
    if (status == STK_OK) {
        store->starts = stk_calloc_aligned((size_t)keys.count + 1, sizeof *store->starts);
        if (store->starts == NULL) status = stk_fail_memory("frame index");
    }
    if (status == STK_OK) {
        for (int g = 0; g < keys.count; g++) store->starts[g] = find_pts(store, keys.items[g]);
        store->starts[keys.count] = all.count;
    }
    free(keys.items);
    if (status != STK_OK) return status;
    const char *name = store->decoder->input.name;
    if (store->starts[0] != 0)
        return stk_fail(STK_ERR_FORMAT, "%s: does not begin with a key frame", name);
    for (int g = 0; g < store->groups; g++)
        if (store->starts[g + 1] - store->starts[g] > GROUP_MAX)
            return stk_fail(STK_ERR_UNSUPPORTED,
                            "%s: its key frames are more than %d frames apart; "
                            "frames by number need a video written with a key frame distance",
                            name, GROUP_MAX);
    return STK_OK;
}

static void free_slots(stk_frame_store *store) {
    for (int s = 0; s < store->slot_count; s++)
        for (int i = 0; i < GROUP_MAX; i++) av_frame_free(&store->slots[s].frames[i]);
    stk_free(store->slots);
    store->slots = NULL;
    store->slot_count = 0;
}

stk_status stk_frame_store_set_cache(stk_frame_store *store, int groups) {
    if (groups < 1) return stk_fail(STK_ERR_ARGUMENT, "a frame store must keep at least one group");
    if (store->groups > 0 && groups > store->groups) groups = store->groups;
    stk_slot *slots = stk_calloc_aligned((size_t)groups, sizeof *slots);
    if (slots == NULL) return stk_fail_memory("frame store");
    for (int s = 0; s < groups; s++) slots[s].group = -1;
    free_slots(store);
    store->slots = slots;
    store->slot_count = groups;
    return STK_OK;
}

stk_status stk_frame_store_open(stk_frame_store **out, const char *path, const void *data,
                                size_t size) {
    *out = NULL;
    if (path == NULL && data == NULL)
        return stk_fail(STK_ERR_ARGUMENT, "a frame store needs a path or bytes");
    stk_frame_store *store = stk_calloc_aligned(1, sizeof *store);
    if (store == NULL) return stk_fail_memory("frame store");
    store->position = -1;
    const void *bytes = path == NULL ? data : NULL;
    stk_status status = stk_frame_store_set_cache(store, SLOTS_DEFAULT);
    if (status == STK_OK)
        status = stk_decoder_open(&store->decoder, path, bytes, size, AVMEDIA_TYPE_VIDEO, 1);
    if (status == STK_OK) status = build_index(store);
    if (status == STK_OK) {
        const AVCodecParameters *parameters = store->decoder->stream->codecpar;
        status = stk_image_init(&store->picture, parameters->width, parameters->height, 3);
    }
    if (status != STK_OK) stk_frame_store_close(&store);
    *out = store;
    return status;
}

void stk_frame_store_close(stk_frame_store **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_frame_store *store = *handle;
    free_slots(store);
    stk_decoder_close(&store->decoder);
    stk_converter_clear(&store->converter);
    stk_image_clear(&store->picture);
    free(store->pts);
    stk_free(store->starts);
    stk_free(store);
    *handle = NULL;
}

int stk_frame_store_count(const stk_frame_store *store) {
    return store->count;
}

void stk_frame_store_size(const stk_frame_store *store, int *width, int *height) {
    *width = store->picture.width;
    *height = store->picture.height;
}

/* The last group that starts at or before the frame. */
static int group_of(const stk_frame_store *store, int index) {
    int low = 0, high = store->groups;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (store->starts[middle] <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The slot that holds the group, or the one used longest ago, emptied for it. */
static stk_slot *slot_for(stk_frame_store *store, int group) {
    stk_slot *oldest = &store->slots[0];
    for (int s = 0; s < store->slot_count; s++) {
        stk_slot *slot = &store->slots[s];
        if (slot->group == group) return slot;
        if (slot->used < oldest->used) oldest = slot;
    }
    for (int i = 0; i < oldest->filled; i++) av_frame_unref(oldest->frames[i]);
    oldest->group = group;
    oldest->filled = 0;
    return oldest;
}

/* Decodes the next frame of the slot's group into it. */
static stk_status extend(stk_frame_store *store, stk_slot *slot) {
    stk_decoder *decoder = store->decoder;
    const char *name = decoder->input.name;
    int wanted = store->starts[slot->group] + slot->filled;
    if (store->position != wanted) {
        store->position = -1;
        STK_TRY(stk_decoder_seek(decoder, store->pts[store->starts[slot->group]]));
    }
    for (;;) {
        int end;
        STK_TRY(stk_decoder_next(decoder, &end));
        int index = end ? -1 : find_pts(store, decoder->frame->best_effort_timestamp);
        if (end || index > wanted)
            return stk_fail(STK_ERR_FORMAT, "%s: frame %d is damaged", name, wanted);
        if (index == wanted) break;
    }
    AVFrame **kept = &slot->frames[slot->filled];
    if (*kept == NULL) *kept = av_frame_alloc();
    if (*kept == NULL) return stk_fail_memory("frame store");
    av_frame_move_ref(*kept, decoder->frame);
    slot->filled++;
    store->position = wanted + 1;
    return STK_OK;
}

stk_status stk_frame_store_read(stk_frame_store *store, int index, stk_image *frame) {
    const char *name = store->decoder->input.name;
    if (index < 0 || index >= store->count)
        return stk_fail(STK_ERR_ARGUMENT, "%s: has no frame %d (it has %d)", name, index,
                        store->count);
    stk_slot *slot = slot_for(store, group_of(store, index));
    slot->used = ++store->clock;
    int inside = index - store->starts[slot->group];
    while (slot->filled <= inside) {
        stk_status status = extend(store, slot);
        if (status == STK_OK) continue;
        store->position = -1;
        return status;
    }
    const AVFrame *kept = slot->frames[inside];
    if (kept->width != frame->width || kept->height != frame->height)
        return stk_fail(STK_ERR_FORMAT, "%s: frame %d has another size", name, index);
    return stk_convert_from_frame(&store->converter, frame, kept, name);
}

stk_status stk_frame_store_get(stk_frame_store *store, int index, const stk_image **frame) {
    *frame = NULL;
    STK_TRY(stk_frame_store_read(store, index, &store->picture));
    *frame = &store->picture;
    return STK_OK;
}
