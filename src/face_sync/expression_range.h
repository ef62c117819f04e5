/* expression_range.h - how far one expression coefficient goes in a performance: its neutral, its
 * usual reach, its extremes. By these a face is held at rest, driven no further than training has
 * seen (beyond, the field has learned nothing and tears), and given the motions of another person.
 *
 * DIFFERS: the published system feeds whatever number comes in (reference.md 8.2).
 */
#ifndef STK_FACE_SYNC_EXPRESSION_RANGE_H
#define STK_FACE_SYNC_EXPRESSION_RANGE_H

#include "base/status.h"
#include "base/types.h"

typedef enum stk_expression_kind {
    STK_EXPRESSION_BROW, /* rests at its median, goes both ways */
    STK_EXPRESSION_LID,  /* rests open, shuts for moments: too few frames for a 95 % quantile */
} stk_expression_kind;

typedef struct stk_expression_range {
    float neutral; /* brow: the median; lid: that of the frames less than half shut */
    /* 5 % and 95 % quantile, at least a quarter of the way to the extremes; high of a lid: the
     * 90 % quantile of its blinks' peaks (most blinks are shut between two frames) */
    float low, high;
    float lowest, highest;
} stk_expression_range;

/* Of n >= 1 values, `stride` floats apart. */
stk_status stk_expression_range_measure(stk_expression_range *range, const float *values, int n,
                                        int stride, stk_expression_kind kind);
/* To [lowest, highest] and 5 % of that beyond; NaN gives the lower end. */
float stk_expression_range_limit(const stk_expression_range *range, float value);
/* neutral + share of the way up to high; negative shares go down to low. */
float stk_expression_range_share(const stk_expression_range *range, float share);
/* One person's value as another's: neutral to neutral, the ways to high and low in proportion, at
 * most 4 times as far (who hardly moves has noise there). */
float stk_expression_range_carry(const stk_expression_range *from, const stk_expression_range *to,
                                 float value);

#endif
