/* field_case.h - a seeded radiance field with conditions and tiles of samples, for the field's
 * tests.
 *
 * All tensors lie in one block in the order of field_tensor, gradients in another, so that a test
 * can walk them by number.
 */
#ifndef STK_TESTS_FIELD_CASE_H
#define STK_TESTS_FIELD_CASE_H

#include "kernels/field.h"

typedef enum field_tensor {
    T_PLANE_XY,
    T_PLANE_YZ,
    T_PLANE_XZ,
    T_AUD0,
    T_AUD1,
    T_EXP0,
    T_EXP1,
    T_SIGMA0,
    T_SIGMA1,
    T_SIGMA2,
    T_COLOR0,
    T_COLOR1,
    T_UNC0,
    T_UNC1,
    T_AUDIO,
    T_CODE,
    T_EXPRESSION, /* the conditions, [FIELD_ROWS][..] */
    FIELD_TENSORS
} field_tensor;

enum { FIELD_ROWS = 3 };

typedef struct field_case {
    stk_field_shape shape;
    size_t offset[FIELD_TENSORS], count[FIELD_TENSORS];
    int fan_in[FIELD_TENSORS];
    size_t total;
    float *value, *grad;
    stk_field_weights weights;
    stk_field_grads grads;
    stk_field_cond cond;
    stk_field_dcond dcond;
} field_case;

/* One tile: inputs, what forward wrote, the gradients fed back, what backward wrote. */
typedef struct field_tile {
    float xyz[3 * STK_TILE] STK_ALIGNED(64);
    float dir[3 * STK_TILE] STK_ALIGNED(64);
    float sigma[STK_TILE] STK_ALIGNED(64);
    float rgb[3 * STK_TILE] STK_ALIGNED(64);
    float amb_aud[STK_TILE] STK_ALIGNED(64);
    float amb_exp[STK_TILE] STK_ALIGNED(64);
    float unc[STK_TILE] STK_ALIGNED(64);
    float dsigma[STK_TILE] STK_ALIGNED(64);
    float drgb[3 * STK_TILE] STK_ALIGNED(64);
    float damb_aud[STK_TILE] STK_ALIGNED(64);
    float damb_exp[STK_TILE] STK_ALIGNED(64);
    float dunc[STK_TILE] STK_ALIGNED(64);
    float denc[STK_ENC_MAX * STK_TILE] STK_ALIGNED(64);
    uint16_t row[STK_TILE];
    int n;
} field_tile;

const char *field_tensor_name(int tensor);
/* Uniform weights +-gain/sqrt(fan in), tables +-0.5. Ends the test when memory is short. */
void field_case_init(field_case *fc, int levels, int exp, uint64_t seed, float gain);
/* Turns a region mask on, oblique, of which a third of the positions see a ramp. */
void field_case_mask(field_case *fc);
void field_case_clear(field_case *fc);
/* Positions in, on and outside the box, on cell edges; random rows or (rows 0) all row 1; gradients
 * random for n lanes, zero beyond. */
void field_tile_init(field_tile *tile, int n, int rows, uint64_t seed);
stk_field_in field_tile_in(const field_tile *tile);
stk_field_out field_tile_out(field_tile *tile);
stk_field_dout field_tile_dout(const field_tile *tile);

#endif
