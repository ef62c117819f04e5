/* head_model_landmarks.h - which vertex of a morphable model is which of the 68 iBUG points. */
#ifndef STK_HEAD_SYNC_HEAD_MODEL_LANDMARKS_H
#define STK_HEAD_SYNC_HEAD_MODEL_LANDMARKS_H

#include "base/face_mesh.h"
#include "base/file.h"

/* vertex[i]: of point i (0-based), -1 when it is not known. From the table of numbers beside the
 * model, MODEL.landmarks.txt for a model named MODEL.bin or MODEL.npy, else from the built-in ones
 * by the number of vertices. *path (may be NULL) receives the name of the table, "" if built in.
 * Refused: no table; lines that are not "point = vertex"; numbers out of range; fewer than 6 points
 * that the head tracker can use. */
stk_status stk_head_landmarks_find(const char *model, int vertices, int vertex[STK_POINTS_68],
                                   char path[STK_PATH_MAX]);
/* Name of that table, "" when there is none. */
void stk_head_landmarks_path(const char *model, char path[STK_PATH_MAX]);

#endif
