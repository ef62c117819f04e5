/* expression.h - what brows and lids do in a rendered film: the expression inputs of every frame,
 * made when the film is opened, so that frames may be rendered in any order.
 *
 *   clip    those of the source performance, forth and back
 *   still   its neutral, eyes open
 *   auto    that, with made-up blinks, and brows that follow the sound's loudness
 *   FILE    .csv, .json: a track, held at its ends; columns that it lacks stay neutral
 *           any other: a video of anyone, captured as `prepare` does, carried over from that
 *           person's range to the source's, forth and back
 *
 * What drives the model then, other than `clip` as it is: gains round the neutral, and the range of
 * the training frames (face_sync/expression_range.h).
 */
#ifndef STK_RENDER_EXPRESSION_H
#define STK_RENDER_EXPRESSION_H

#include "base/job.h"
#include "face_sync/expression_range.h"
#include "render/model.h"
#include "render/render.h"

/* One input of the model: the mean of these of the seven (stk_expression_name). Published variants
 * have fewer inputs (render/performance.c); --au45 has both blinks in one. */
typedef struct stk_expression_input {
    short source[2];
    short sources;
    stk_expression_kind kind;
} stk_expression_input;

typedef struct stk_expression {
    const float (*rows)[STK_EXPRESSIONS]; /* [count], those of `owned` or of the performance */
    int count;
    float (*owned)[STK_EXPRESSIONS]; /* NULL: as the source */
    int inputs;
    stk_expression_input input[STK_EXPRESSIONS];
    stk_expression_range range[STK_EXPRESSIONS]; /* of the training frames */
    float gain[STK_EXPRESSIONS];
} stk_expression;

/* frames: of the film. model must live as long. One sentence for a file or a gain that cannot be
 * used. */
stk_status stk_expression_open(stk_expression *expression, const stk_render_settings *settings,
                               const stk_model *model, int frames, const stk_job *job);
void stk_expression_clear(stk_expression *expression);
/* The inputs of frame i >= 0. Any thread. */
const float *stk_expression_at(const stk_expression *expression, int frame);

#endif
