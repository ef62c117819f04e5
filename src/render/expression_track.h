/* expression_track.h - expression coefficients over time from a file (doc/FORMATS.md): CSV with a
 * line of names, or JSON. Of the 52 ARKit blendshapes the seven that drive a model are kept; other
 * columns are passed over.
 *
 *   .csv | .json -> rows (time, values of the columns there are) -> value at any moment
 */
#ifndef STK_RENDER_EXPRESSION_TRACK_H
#define STK_RENDER_EXPRESSION_TRACK_H

#include "base/status.h"
#include "base/types.h"

typedef struct stk_expression_track {
    int rows;
    uint8_t has[STK_EXPRESSIONS];     /* which of the seven columns there are; at least one */
    double *time_s;                   /* [rows], rising; owned */
    float (*values)[STK_EXPRESSIONS]; /* [rows]; 0 where there is no column; owned */
} stk_expression_track;

/* browDownLeft, browDownRight, browInnerUp, browOuterUpLeft, browOuterUpRight, eyeBlinkLeft,
 * eyeBlinkRight: the published selection "upper". */
const char *stk_expression_name(int index);
/* Index of a name, -1 for others. Letters of either case; "_L" and "_R" stand for Left and Right.
 */
int stk_expression_find(const char *name, size_t length);

/* 1 when the path's ending says that it is a track: .csv or .json. */
int stk_expression_track_is(const char *path);
/* STK_ERR_FORMAT with one sentence for a file without rows, times or any of the columns, and for a
 * value that is no number; *track is empty then. */
stk_status stk_expression_track_read(stk_expression_track *track, const char *path);
void stk_expression_track_clear(stk_expression_track *track);
/* Linear between rows, the first and the last row held outside. */
void stk_expression_track_at(const stk_expression_track *track, double time_s,
                             float values[STK_EXPRESSIONS]);

#endif
