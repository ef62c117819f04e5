/* truth.h - what is known exactly about a presenter's clip, as a folder (doc/FORMATS.md).
 *
 *   frame by frame: poses, landmarks, shapes -> tables in memory; parts -> deflated; neck -> film
 *   at the end: tables.safetensors, labels.safetensors, background.png, neck.mp4, truth.json
 *
 * truth.json is written last: a folder with it is whole. One thread.
 */
#ifndef STK_PRESENTER_TRUTH_H
#define STK_PRESENTER_TRUTH_H

#include "presenter/bust.h"
#include "presenter/canvas.h"
#include "presenter/presenter.h"
#include "presenter/speech.h"

/* Of the whole clip; everything borrowed until the truth is closed. */
typedef struct stk_truth_clip {
    const stk_presenter_settings *settings;
    const stk_utterance *utterance; /* NULL without a sound track */
    stk_camera camera;
    int frames, cut_frame; /* cut_frame: first after the jump, -1 = none */
    double sound_at_s;     /* time of the picture at which the utterance begins */
    const char *voice;     /* NULL = none spoke */
} stk_truth_clip;

typedef struct stk_truth_frame {
    double time_s;
    const stk_bones *bones;
    const stk_face_state *state;
    const float (*landmarks)[3]; /* [478] head frame, m */
    float mouth_opening_m, mouth_width_m, exposure;
    int visible;            /* a face is there, not covered, turned by less than 45 degrees */
    const stk_image *parts; /* stk_part a pixel */
    const stk_image *neck;  /* RGB: torso and neck without head */
} stk_truth_frame;

typedef struct stk_truth stk_truth;

/* STK_ERR_ARGUMENT where the folder holds a file of a truth's names, but no truth. Absent is fine.
 */
stk_status stk_truth_check(const char *folder);
/* Of the index-th file of a truth; NULL after the last. */
const char *stk_truth_file_name(int index);
/* Checks the folder and makes it; an earlier truth in it is removed. */
stk_status stk_truth_open(stk_truth **truth, const char *folder, const stk_truth_clip *clip);
stk_status stk_truth_add(stk_truth *truth, const stk_truth_frame *frame);
/* After as many frames as were announced. background: RGB, the room without anyone. */
stk_status stk_truth_write(stk_truth *truth, const stk_image *background);
/* Frees; keep = 0 removes what was written, and the folder if it was made. Takes NULL. */
void stk_truth_close(stk_truth **truth, int keep);
/* Projects a point of the head frame: px, z in the scale of px at the head's origin (smaller is
 * nearer, 0 there). */
void stk_truth_project(const stk_camera *camera, const stk_pose *pose, const float head[3],
                       float px[3]);
/* truth.json alone (truth_json.c). */
stk_status stk_truth_describe(const stk_truth_clip *clip, const char *path);

#endif
