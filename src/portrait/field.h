/* field.h - the tri-plane radiance field as parameters with official names, and the ngp camera.
 */
#ifndef STK_PORTRAIT_FIELD_H
#define STK_PORTRAIT_FIELD_H

#include "base/status.h"
#include "base/types.h"
#include "kernels/field.h"
#include "nn/params.h"

typedef struct stk_field {
    stk_field_shape shape;
    stk_field_kernels kernels;
    int plane[STK_PLANES]; /* parameter indices: encoder_xy/yz/xz.embeddings */
    int aud_att[2], exp_att[2], sigma[3], color[2], unc[2];
    int codes, code_rows; /* individual_codes [rows][4] */
} stk_field;

/* Registers all tensors of reference.md 3.8 (codes with `code_rows` rows). exp: 7, 4, 2, or 1
 * (au45). */
stk_status stk_field_register(stk_field *field, stk_params *params, int levels, int exp,
                              int code_rows);
/* Published initialisation. */
void stk_field_init(const stk_field *field, stk_params *params, stk_rng *rng);
/* Views into a value plane (params->value or ->ema) and into a gradient block with the same layout.
 */
void stk_field_weights_view(const stk_field *field, const stk_params *params, const float *value,
                            stk_field_weights *weights);
void stk_field_grads_view(const stk_field *field, const stk_params *params, float *grad,
                          stk_field_grads *grads);

/* Camera to world in the ngp frame: o = origin, columns of R map (x right, y down, z forward). */
typedef struct stk_ngp_camera {
    float R[9], origin[3];
    float fx, fy, cx, cy;
} stk_ngp_camera;

/* reference.md 7.5 then 1.4, scale 4. */
void stk_ngp_camera_from_pose(const stk_camera *camera, const stk_pose *pose, stk_ngp_camera *ngp);
/* The json camera-to-world matrix (row-major 4x4) -> ngp, reference.md 1.4. */
void stk_ngp_camera_from_json(const float matrix[16], float fx, float fy, float cx, float cy,
                              stk_ngp_camera *ngp);
/* Unit direction of the ray through the centre of pixel (col, row): 0.5 is added to both. */
void stk_ngp_ray(const stk_ngp_camera *ngp, float col, float row, float d[3]);
/* ngp position of a head point in metres: (x,y,z) -> 4 (y, z, x). */
void stk_ngp_from_head(const float head[3], float ngp[3]);

#endif
