/* ray_cache.h - the pixels that training samples, mapped: for every frame the head rectangle as
 *
 *   [frame][y][x][8] bytes = target r g b | backdrop r g b | label | weight class
 *
 * built once under cache/ from picture.mp4, torso.mp4 and the labels. target is the frame with
 * background pixels from the plate, backdrop is the torso composite. The weight class says how
 * eagerly the sampler draws this pixel (0 = plain backdrop far from the head, 1 = head border band,
 * 2 = head, 3 = eyes and brows, 4 = mouth; 5 = something before the face, which is drawn by whole
 * windows and pictures only, never as a ray of its own).
 */
#ifndef STK_SUBJECT_RAY_CACHE_H
#define STK_SUBJECT_RAY_CACHE_H

#include "subject/subject.h"

enum { STK_RAY_BYTES = 8, STK_RAY_CLASSES = 5, STK_RAY_EYES = 3 /* that class */ };

typedef struct stk_ray_cache stk_ray_cache;

/* Maps the cache; builds it first where it is absent or was built from other inputs. pool and job
 * may be NULL. Independent of the subject once open. */
stk_status stk_ray_cache_open(stk_ray_cache **cache, const stk_subject *subject, stk_pool *pool,
                              const stk_job *job);
void stk_ray_cache_close(stk_ray_cache **cache);
stk_rect stk_ray_cache_rect(const stk_ray_cache *cache);
/* [h][w][8] of a frame, h and w of the rectangle. */
const uint8_t *stk_ray_cache_frame(const stk_ray_cache *cache, int frame);

/* One drawn ray. */
typedef struct stk_ray_pick {
    int32_t frame;     /* subject frame */
    uint16_t slot;     /* index into the batch's frame list */
    uint16_t col, row; /* picture pixel */
    uint8_t target[3], backdrop[3];
    uint8_t label;                /* stk_label */
    uint8_t in_face, in_low_face; /* inside those rectangles (reference.md 1.3) */
} stk_ray_pick;

typedef struct stk_batch_settings {
    int frames;                   /* distinct frames of a batch */
    int rays;                     /* in all; a multiple of frames */
    float share[STK_RAY_CLASSES]; /* share of rays drawn from each class; sums to 1 */
} stk_batch_settings;

/* Draws the frames of a batch: each train frame once per epoch, shuffled by the generator, none
 * twice a batch. frame_list [settings->frames]. epoch_order: [train_frames] scratch kept by the
 * caller with *epoch_position (0 at the start), both part of the checkpoint. Returns the seed of
 * the batch's rays, drawn from rng too. */
uint64_t stk_ray_cache_frames(const stk_ray_cache *cache, const stk_batch_settings *settings,
                              stk_rng *rng, int32_t *epoch_order, int32_t *epoch_position,
                              int32_t *frame_list);
/* Draws the rays of one slot of the batch, from the seed and the slot alone; any thread. picks
 * [rays / frames]. A class that the frame does not have is drawn from the head instead. Allocates
 * nothing. */
void stk_ray_cache_rays(const stk_ray_cache *cache, const stk_batch_settings *settings,
                        uint64_t seed, int slot, int32_t frame, stk_ray_pick *picks);
/* n rays drawn uniformly over the whole rectangle, as the published training does over the
 * picture, but for what stands before the face; else as above. */
void stk_ray_cache_uniform(const stk_ray_cache *cache, uint64_t seed, int slot, int32_t frame,
                           int n, stk_ray_pick *picks);
/* The ray through one pixel (picture px, inside the rectangle). 0, and pick is left as it is, where
 * something stands before the face. */
int stk_ray_cache_pick(const stk_ray_cache *cache, int slot, int32_t frame, int col, int row,
                       stk_ray_pick *pick);
/* n pixels of a window (picture px, inside the rectangle) in row-major order, from number `first`
 * on. Any thread; allocates nothing. */
void stk_ray_cache_window(const stk_ray_cache *cache, int slot, int32_t frame, stk_rect window,
                          int first, int n, stk_ray_pick *picks);
/* A window of the given size in the frame: its middle is a pixel of a class drawn by `share`, as
 * far as the rectangle lets it; share NULL: anywhere, uniformly. */
stk_rect stk_ray_cache_place(const stk_ray_cache *cache, const float *share, int32_t frame,
                             int width, int height, stk_rng *rng);
/* Both, for all slots: picks [settings->rays], grouped by slot. */
void stk_ray_cache_batch(const stk_ray_cache *cache, const stk_batch_settings *settings,
                         stk_rng *rng, int32_t *epoch_order, int32_t *epoch_position,
                         int32_t *frame_list, stk_ray_pick *picks);
/* Has the system read this frame's pixels from disk, ahead of need and without waiting; any thread.
 * Rays touch a frame all over, and one page at a time a disk is a hundred times slower. */
void stk_ray_cache_prefetch(const stk_ray_cache *cache, int32_t frame);
int stk_ray_cache_train_frames(const stk_ray_cache *cache);
/* Gives the pages touched so far back (they stay in the system's file cache): called now and then,
 * it bounds the resident memory of a run however long the clip. Not while another thread draws. */
void stk_ray_cache_trim(const stk_ray_cache *cache);

#endif
