/* ray_cache.h - the pixels that training samples, mapped: for every frame the head rectangle as
 *
 *   [frame][y][x][8] bytes = target r g b | backdrop r g b | label | weight class
 *
 * built once under cache/ from picture.mp4, torso.mp4 and the labels. target is the frame with
 * background pixels from the plate, backdrop is the torso composite. The weight class says how
 * eagerly the sampler draws this pixel (0 = plain backdrop far from the head, 1 = head border band,
 * 2 = head, 3 = eyes and brows, 4 = mouth).
 */
#ifndef STK_SUBJECT_RAY_CACHE_H
#define STK_SUBJECT_RAY_CACHE_H

#include "subject/subject.h"

enum { STK_RAY_BYTES = 8, STK_RAY_CLASSES = 5 };

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

/* Draws frames (each train frame once per epoch, shuffled by the generator) and rays, grouped by
 * slot. frame_list [settings->frames]; picks [settings->rays]. Allocates nothing. epoch_order:
 * [train_frames] scratch kept by the caller with *epoch_position (0 at the start), both part of the
 * checkpoint. A class that a frame does not have is drawn from the head instead. */
void stk_ray_cache_batch(const stk_ray_cache *cache, const stk_batch_settings *settings,
                         stk_rng *rng, int32_t *epoch_order, int32_t *epoch_position,
                         int32_t *frame_list, stk_ray_pick *picks);
int stk_ray_cache_train_frames(const stk_ray_cache *cache);
/* Gives the pages touched so far back (they stay in the system's file cache): called now and then,
 * it bounds the resident memory of a run however long the clip. Not while another thread draws. */
void stk_ray_cache_trim(const stk_ray_cache *cache);

#endif
