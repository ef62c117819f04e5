/* parsing.h - which pixel is head, neck, torso or background, and the layers made from it
 * (reference.md 6.1, 6.4, 6.5).
 *
 *   picture + landmarks -> person mask (mp_selfie_segmentation), hair mask (mp_hair_segmentation),
 *                          face mesh, skin colour of the clip -> label map
 *   all pictures + label maps -> background plate
 *   picture + label map + plate -> torso composite: neck and torso over the plate, with the neck
 *                                  and collar continued upward under the head
 *
 * One thread per handle. Label maps are one byte a pixel (stk_label), of the picture's size.
 */
#ifndef STK_PORTRAIT_SYNC_PARSING_H
#define STK_PORTRAIT_SYNC_PARSING_H

#include "base/status.h"
#include "base/types.h"

typedef struct stk_parser stk_parser;

/* models: folder or NULL. Person and hair graphs that are missing are replaced by what the mesh and
 * colour models can tell; stk_parser_mode says so. */
stk_status stk_parser_create(stk_parser **parser, const char *models, int width, int height);
void stk_parser_free(stk_parser **parser);
/* From now on the labels are those of the published parser, whose weights lie at path (bisenet.h):
 * slower by far, and without the graphs, landmarks or frames before. Once, before the first frame;
 * after a failure the parser is of no use. */
stk_status stk_parser_use_bisenet(stk_parser *parser, const char *path);
const char *stk_parser_mode(const stk_parser *parser);
/* Forgets the temporal state (at a cut). */
void stk_parser_reset(stk_parser *parser);
/* labels: 1 channel, same size, written. landmarks may be NULL (no face found: person mask only).
 */
stk_status stk_parser_frame(stk_parser *parser, const stk_image *rgb,
                            const stk_landmarks *landmarks, stk_image *labels);

/* --- background plate (reference.md 6.4) ------------------------------------------------------ */
typedef struct stk_plate stk_plate;
stk_status stk_plate_create(stk_plate **plate, int width, int height);
void stk_plate_free(stk_plate **plate);
/* Adds a frame (every 20th of a clip suffices; the caller chooses). */
stk_status stk_plate_add(stk_plate *plate, const stk_image *rgb, const stk_image *labels);
/* RGB of the plate; *seen = fraction of pixels that some frame showed uncovered. */
stk_status stk_plate_finish(stk_plate *plate, stk_image *rgb, float *seen);

/* --- torso picture (reference.md 6.5) --------------------------------------------------------- */
/* composite: RGB, what stands behind the head: torso and neck (continued upward under the head)
 * over the plate. target: RGB, the training target: the frame with background pixels from the
 * plate. Both preallocated, same size. scratch: stk_torso_scratch_bytes(width, height), 64-byte
 * aligned. */
size_t stk_torso_scratch_bytes(int width, int height);
void stk_torso_compose(const stk_image *rgb, const stk_image *labels, const stk_image *plate,
                       stk_image *composite, stk_image *target, void *scratch);

#endif
