/* backdrop.h - what a model's torso branch paints behind the head.
 *
 *   pose -> torso branch -> rgb alpha + plate (1 - alpha)                  reference.md 3.6, 4.6
 */
#ifndef STK_RENDER_BACKDROP_H
#define STK_RENDER_BACKDROP_H

#include "base/pool.h"
#include "render/model.h"

/* For a model with a torso branch, whatever its performance. camera: of the picture; plate and
 * backdrop: RGB, of its size. The code of the first frame is used, as for the head (3.5). Allocates
 * nothing. */
void stk_model_backdrop_paint(const stk_model *model, const stk_camera *camera,
                              const stk_pose *pose, const stk_image *plate, stk_image *backdrop,
                              stk_pool *pool);

#endif
