/* refine.h - what a training frame may differ in from what the subject says of it: exposure and
 * camera, learned beside the field (STK_VARY_EXPOSURE, STK_VARY_CAMERA; scripts/ideas.sh tells what
 * comes of it). The default does without.
 *
 *   lit = gain rgb + offset weight                        per frame and channel
 *   q' = exp([w]) (q - q0) + q0 + t                       q a point seen from the camera, q0 the
 *                                                         head's origin, both in ngp units
 *
 * Both are Gauss-Newton steps on the rays of a step, held near nothing by priors, with a mean of
 * nothing over the training frames: held-out frames, which have neither, are rendered as they are.
 */
#ifndef STK_TRAIN_REFINE_H
#define STK_TRAIN_REFINE_H

#include "kernels/march.h"
#include "portrait/field.h"
#include "subject/ray_cache.h"

enum {
    STK_REFINE_CAMERA = 6,   /* w [3], t [3] */
    STK_REFINE_EXPOSURE = 6, /* gain - 1 [3], offset [3] */
    STK_REFINED = STK_REFINE_CAMERA + STK_REFINE_EXPOSURE
};

/* What the rays of a slot ask for: of a system of equations its matrix and right side. */
typedef struct stk_refine_sum {
    float camera[STK_REFINE_CAMERA][STK_REFINE_CAMERA + 1];
    float exposure[3][2][3];
} stk_refine_sum;

/* A ray that was composited: its colour over the backdrop, lit. */
typedef struct stk_refine_ray {
    const stk_ray_pick *pick;
    const stk_ngp_camera *camera;
    const float *direction;
    const stk_ray_out *out; /* as composited, not lit */
    float shown[3];
} stk_refine_ray;

struct stk_trainer;
stk_status stk_refine_init(struct stk_trainer *trainer);
/* The frame's camera as it is by now. */
void stk_refine_camera(const struct stk_trainer *trainer, int frame, stk_ngp_camera *camera);
/* The composited ray as the frame's exposure has it; and the gradient by that -> by the ray. */
stk_ray_out stk_refine_light(const struct stk_trainer *trainer, int frame, const stk_ray_out *out);
void stk_refine_light_back(const struct stk_trainer *trainer, int frame, stk_ray_dout *dout);
/* Adds the ray to the slot's sums. */
void stk_refine_add(struct stk_trainer *trainer, int slot, const stk_refine_ray *ray);
/* After a step. */
void stk_refine_update(struct stk_trainer *trainer);

/* The parts, for tests. `camera` moved by `moved`; what each of the six does to the place (px) in
 * the picture of the point `seen` from the camera. */
void stk_refine_move(stk_ngp_camera *camera, const float moved[STK_REFINE_CAMERA]);
void stk_refine_motion(const stk_ngp_camera *camera, const float seen[3],
                       float motion[STK_REFINE_CAMERA][2]);
/* Where it is, seen from the camera. */
void stk_refine_see(const stk_ngp_camera *camera, const float point[3], float seen[3]);

#endif
