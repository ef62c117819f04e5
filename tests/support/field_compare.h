/* field_compare.h - a bfloat16 variant of the training field against the float32 twin.
 *
 * Bounds. Rounding to bfloat16 errs by at most 2^-9 of a value, so a product of two by 2^-8, and a
 * sum of products without cancellation too. From the features to the colour there are 7 layers, and
 * a gradient passes at most 9 products more: 16 * 2^-8 of the value where nothing cancels, which a
 * field of positive weights, tables and conditions gives (its ReLUs are all open). The root mean
 * square of one product's error is 2^-9 sqrt(2/3); sixteen independent ones make 6.4e-3, and 2^-6
 * leaves room for roundings that samples share.
 *
 * With signs, a hidden unit within its rounding of zero may open in one field and not in the other:
 * some 0.8 * 5e-3 of the units, whose share in a gradient's norm is the root of that, 6 %. Twice
 * that is allowed in norm, and half of the largest value in one place, where it is the part of one
 * sample; anything misplaced errs by 100 %.
 */
#ifndef STK_TESTS_FIELD_COMPARE_H
#define STK_TESTS_FIELD_COMPARE_H

#include "field_case.h"

enum { FIELD_TILES = 3, FIELD_SHAPES = 6 };

/* Tiles of 64, 17 and 1 samples, and the gradients of all tensors after them. */
typedef struct field_run {
    field_tile tile[FIELD_TILES];
    float *grad;
} field_run;

/* |a - b|_2 / |b|_2 and max |a - b| / max |b|. */
typedef struct field_bounds {
    double norm, worst;
} field_bounds;
/* Of what forward writes and of gradients: as derived above, for either kind of field. */
typedef struct field_limits {
    field_bounds forward, backward;
} field_limits;
extern const field_limits field_positive_limits, field_any_limits;

/* Field number `shape` with its tiles in both runs: the same, gradients of the weights unset. */
void field_runs_init(field_case *fc, int shape, int positive, field_run *a, field_run *b);
void field_runs_clear(field_case *fc, field_run *a, field_run *b);
/* Packs, then forward and backward of all tiles. What a kernel must write holds no numbers before;
 * `between` (NULL = none) is called before and after every kernel. */
void field_run_kernels(const stk_field_kernels *kernels, field_case *fc, field_run *run,
                       void (*between)(void));
/* Fails, naming what differs from `twin` by how much. */
void field_runs_compare(const field_case *fc, const field_run *got, const field_run *twin,
                        const field_limits *limits);

#endif
