/* feature_file.h - feature rows made outside this program, in the published data sets' .npy files,
 * as rows of the audio net (face_sync/audio.h).
 *
 *   deepspeech  aud_ds.npy [n][16][29]      esperanto  aud_eo.npy [n][16][44]
 *   hubert      aud_hu.npy [n][2][1024]     wav2vec    aud.npy    [n][16][32]
 *   ave         aud_ave.npy [n][512] or [n][1][512]
 *
 * [n][steps][channels] in the file, [channels][steps] as a row; float32 or float64 (reference.md
 * 1.1, 2.5, 2.8). The file is mapped: memory does not grow with it.
 */
#ifndef STK_FACE_SYNC_FEATURE_FILE_H
#define STK_FACE_SYNC_FEATURE_FILE_H

#include "face_sync/audio.h"

typedef struct stk_feature_file stk_feature_file;

/* STK_ERR_MISMATCH with one sentence when the file holds features of another kind. */
stk_status stk_feature_file_open(stk_feature_file **file, const char *path, stk_audio_kind kind);
void stk_feature_file_close(stk_feature_file **file);
/* Rows in it, one a video frame. */
int stk_feature_file_rows(const stk_feature_file *file);
/* Row 0 <= i < rows, [stk_audio_row_floats(kind)]. STK_ERR_CONTENT when it holds no
 * numbers, or larger ones than features can be (10,000). */
stk_status stk_feature_file_row(const stk_feature_file *file, int row, float *out);

#endif
