/* radiance_case.h - a variant of the rendering field against the training field's plain-C forward.
 */
#ifndef STK_TESTS_RADIANCE_CASE_H
#define STK_TESTS_RADIANCE_CASE_H

#include "field_case.h"
#include "kernels/radiance.h"

/* Shapes that a variant is tested with. */
typedef struct radiance_shape {
    int levels, exp;
} radiance_shape;
enum { RADIANCE_SHAPES = 6 };
extern const radiance_shape radiance_shapes[RADIANCE_SHAPES];

/* Row 1 of the case's conditions, as a frame's. */
stk_field_cond radiance_conditions(const field_case *fc);
/* Folds the case into the block (zeros at first) and compares eight tiles; fails, naming variant
 * and errors, where they are over the bound for its arithmetic. Resets the CPU mask. */
void radiance_compare(const stk_radiance_kernels *kernels, const field_case *fc, void *block);

#endif
