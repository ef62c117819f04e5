/* region_mask.c - see region_mask.h.
 *
 *   pixel -> ray in the head frame -> its point at depth z -> height; two heights -> two ramps
 */
#include "portrait/region_mask.h"
#include "portrait/field.h"

#include <math.h>

float stk_height_on_head(const stk_camera *camera, const stk_pose *pose, float z, float u,
                         float v) {
    const float *R = pose->R, *t = pose->t;
    const float cam[3] = {(u - camera->cx_px) / camera->focal_px,
                          (camera->cy_px - v) / camera->focal_px, -1};
    float origin[3], ray[3];
    for (int k = 0; k < 3; k++) {
        origin[k] = -(R[k] * t[0] + R[3 + k] * t[1] + R[6 + k] * t[2]);
        ray[k] = R[k] * cam[0] + R[3 + k] * cam[1] + R[6 + k] * cam[2];
    }
    return origin[1] + (z - origin[2]) / ray[2] * ray[1];
}

void stk_region_mask_init(stk_region_mask *mask, float eyes, float nose) {
    const float middle = 0.5f * (eyes + nose);
    const float half = 0.5f * fmaxf(eyes - nose, STK_REGION_RAMP_MIN);
    const float top[3] = {0, middle + half, 0}, bottom[3] = {0, middle - half, 0};
    float high[3], low[3]; /* the height is the first ngp axis */
    stk_ngp_from_head(top, high);
    stk_ngp_from_head(bottom, low);
    const float slope = 1 / (high[0] - low[0]);
    *mask = (stk_region_mask){1, {-slope, 0, 0, slope * high[0]}, {slope, 0, 0, -slope * low[0]}};
}
