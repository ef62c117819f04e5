/* hull.c - the first occupancy: the visual hull of the training frames' head masks.
 *
 * A cell is kept while its centre, seen from a frame, falls on a head pixel (or within MARGIN_PX
 * of one). A cell that misses in more than MISS_SHARE of the frames that see it can hold nothing
 * and becomes -1, so that it is never sampled or updated.
 *
 * DIFFERS from reference.md 4.7, which only drops cells that no camera sees: the masks are there,
 * and the hull removes most of the box before the first step (doc/SPEED.md).
 */
#include "train/internal.h"
#include "base/image.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { HULL_FRAMES = 48, SLAB_CELLS = STK_GRID_CELLS / 128 };
static const float MISS_SHARE = 0.06f; /* a mask may be wrong now and then */
/* Nothing of a head lies further in front than this: the nose tip of the canonical face is at 7.5
 * cm. */
static const float FRONT_NGP = 0.38f;
static const float MARGIN_SHARE = 10.0f / 512.0f; /* of the picture's width; half a cell is 4 px */

typedef struct hull {
    stk_trainer *trainer;
    int frames, margin;
    stk_ngp_camera cameras[HULL_FRAMES];
    uint8_t *masks; /* [frames][h][w], dilated */
} hull;

/* Square dilation by `radius`, separable, in place; row is scratch of max(w, h) bytes. */
static void dilate(uint8_t *mask, int w, int h, int radius, uint8_t *line) {
    for (int pass = 0; pass < 2; pass++) {
        int length = pass == 0 ? w : h, lines = pass == 0 ? h : w;
        size_t step = pass == 0 ? 1 : (size_t)w, jump = pass == 0 ? (size_t)w : 1;
        for (int k = 0; k < lines; k++) {
            uint8_t *p = mask + (size_t)k * jump;
            int last = -1 - radius; /* place of the nearest set pixel to the left */
            memset(line, 0, (size_t)length);
            for (int i = 0; i < length; i++) {
                if (p[(size_t)i * step]) last = i;
                line[i] |= i - last <= radius;
            }
            last = length + radius;
            for (int i = length - 1; i >= 0; i--) {
                if (p[(size_t)i * step]) last = i;
                line[i] |= last - i <= radius;
            }
            for (int i = 0; i < length; i++) p[(size_t)i * step] = line[i];
        }
    }
}

static stk_status load_masks(hull *h) {
    stk_trainer *t = h->trainer;
    int width = t->performance.width, height = t->performance.height;
    size_t pixels = (size_t)width * (size_t)height;
    stk_image labels = {0};
    uint8_t *line = stk_calloc_aligned((size_t)(width > height ? width : height), 1);
    stk_status status =
        line == NULL ? stk_fail_memory("visual hull") : stk_image_init(&labels, width, height, 1);
    for (int i = 0; status == STK_OK && i < h->frames; i++) {
        int frame = (int)((int64_t)i * t->performance.train_frames / h->frames);
        status = stk_subject_labels(t->subject, frame, &labels);
        if (status != STK_OK) break;
        uint8_t *mask = h->masks + (size_t)i * pixels;
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                mask[(size_t)y * (size_t)width + (size_t)x] =
                    stk_image_row(&labels, y)[x] == STK_LABEL_HEAD;
        dilate(mask, width, height, h->margin, line);
        stk_ngp_camera_from_pose(&t->performance.camera, &t->performance.poses[frame],
                                 &h->cameras[i]);
    }
    stk_image_clear(&labels);
    stk_free(line);
    return status;
}

/* Is the point on the (dilated) head of this frame? -1 when out of the picture. */
static int on_head(const hull *h, int frame, const float p[3]) {
    const stk_ngp_camera *c = &h->cameras[frame];
    int w = h->trainer->performance.width, height = h->trainer->performance.height;
    float v[3] = {p[0] - c->origin[0], p[1] - c->origin[1], p[2] - c->origin[2]};
    float q[3];
    for (int k = 0; k < 3; k++) q[k] = c->R[k] * v[0] + c->R[3 + k] * v[1] + c->R[6 + k] * v[2];
    if (q[2] <= 0.0f) return -1;
    float u = c->fx * q[0] / q[2] + c->cx, r = c->fy * q[1] / q[2] + c->cy;
    if (!(u >= 0.0f && u < (float)w && r >= 0.0f && r < (float)height)) return -1;
    return h->masks[((size_t)frame * (size_t)height + (size_t)r) * (size_t)w + (size_t)u];
}

static void carve_slab(void *ctx, int slab, int worker) {
    (void)worker;
    hull *h = ctx;
    float *density = h->trainer->occupancy.density;
    for (uint32_t i = (uint32_t)slab * SLAB_CELLS; i < (uint32_t)(slab + 1) * SLAB_CELLS; i++) {
        uint32_t cell[3];
        stk_morton_decode(i, &cell[0], &cell[1], &cell[2]);
        float p[3];
        for (int k = 0; k < 3; k++) p[k] = ((float)cell[k] + 0.5f) * (2.0f / STK_GRID_SIDE) - 1.0f;
        int seen = 0, missed = 0;
        if (p[1] < -0.5f ||
            p[1] > FRONT_NGP) { /* outside the box (reference.md 4.1), or in front */
            density[i] = -1.0f;
            continue;
        }
        if (h->trainer->settings.vary & STK_VARY_HULL) continue;
        for (int f = 0; f < h->frames; f++) {
            int hit = on_head(h, f, p);
            seen += hit >= 0;
            missed += hit == 0;
        }
        if (seen == 0 || (float)missed > MISS_SHARE * (float)seen) density[i] = -1.0f;
    }
}

stk_status stk_train_carve_hull(stk_trainer *t) {
    hull *h = stk_calloc_aligned(1, sizeof *h);
    if (h == NULL) return stk_fail_memory("visual hull");
    int train = t->performance.train_frames;
    h->trainer = t;
    h->frames = train < HULL_FRAMES ? train : HULL_FRAMES;
    h->margin = (int)ceilf(MARGIN_SHARE * (float)t->performance.width);
    size_t pixels = (size_t)t->performance.width * (size_t)t->performance.height;
    h->masks = stk_calloc_aligned((size_t)h->frames, pixels);
    stk_status status = h->masks == NULL ? stk_fail_memory("visual hull") : load_masks(h);
    if (status == STK_OK) {
        memset(t->occupancy.density, 0, STK_GRID_CELLS * sizeof(float));
        stk_pool_run(t->pool, STK_GRID_CELLS / SLAB_CELLS, carve_slab, h);
        /* until the first update every cell of the hull counts as occupied */
        memset(t->occupancy.bits, 0, STK_GRID_BYTES);
        for (uint32_t i = 0; i < STK_GRID_CELLS; i++)
            if (t->occupancy.density[i] >= 0.0f)
                t->occupancy.bits[i / 8] |= (uint8_t)(1u << (i % 8));
    }
    stk_free(h->masks);
    stk_free(h);
    return status;
}
