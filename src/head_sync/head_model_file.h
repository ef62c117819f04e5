/* head_model_file.h - what the readers of morphable models hand to head_model.c; private to it.
 *
 * A file holds two linear spaces over the same N vertices:
 *   x [N][3] = mean + sum_k a_k sigma_k identity_k + sum_k e_k sigma_k expression_k
 * in any unit and any axes. The modes stay where they are (mapped); only rows that are asked for
 * are converted.
 */
#ifndef STK_HEAD_SYNC_HEAD_MODEL_FILE_H
#define STK_HEAD_SYNC_HEAD_MODEL_FILE_H

#include "base/file.h"
#include "head_sync/head_model.h"
#include "nn/dtype.h"
#include "nn/npy_dict.h"

enum { STK_HEAD_VERTICES_MIN = 68, STK_HEAD_VERTICES_MAX = 1 << 20, STK_HEAD_MODES_MAX = 100 };

typedef struct stk_head_modes {
    int count;                                 /* of those taken */
    int stored;                                /* of those there are */
    stk_dtype dtype;                           /* of the elements */
    int64_t row_step;                          /* elements from one coordinate to the next */
    const uint8_t *column[STK_HEAD_MODES_MAX]; /* first coordinate of mode k; borrowed */
    double sigma[STK_HEAD_MODES_MAX];          /* standard deviation of its coefficient */
} stk_head_modes;

typedef struct stk_head_file {
    const char *path;                    /* borrowed */
    char expressions_path[STK_PATH_MAX]; /* a file of its own, "" without */
    int vertices;
    float *mean; /* [vertices][3], owned */
    stk_head_modes identity, expression;
    int blendshapes; /* the expression modes are blendshapes: coefficients from 0 on */
    stk_map map, expressions_map;
    stk_npy_dict *dict;
} stk_head_file;

/* Coordinate `row` (3 vertex + axis) of mode k times its sigma. */
double stk_head_mode_at(const stk_head_modes *modes, int64_t row, int k);
/* "%s: not a readable head model: %s" */
stk_status stk_head_file_refuse(const char *path, const char *reason);
void stk_head_file_clear(stk_head_file *file);

/* The eos shape model (head_model_eos.c), and the blendshapes beside it if there are any. */
stk_status stk_head_file_read_eos(stk_head_file *file);
/* The converted BFM-2009, 3DMM_info.npy (head_model_bfm.c). */
stk_status stk_head_file_read_bfm(stk_head_file *file);
/* Name of the blendshapes beside an eos shape model, "" when there are none. */
stk_status stk_head_eos_expressions(const char *path, char expressions[STK_PATH_MAX]);

#endif
