/* regions.c - the region mask of a subject (portrait/region_mask.h), from the landmarks and poses
 * of its training frames.
 *
 *   landmarks [frames][478], poses -> mean height of the lower lids' four points, of the nose's tip
 */
#include "train/internal.h"
#include "base/face_mesh.h"
#include "portrait/region_mask.h"

static double height_of(const stk_trainer *t, const short *points, int count) {
    const stk_performance *p = &t->performance;
    double sum = 0;
    for (int i = 0; i < p->train_frames; i++) {
        const float(*landmarks)[3] = stk_subject_landmarks(t->subject, i);
        for (int k = 0; k < count; k++) {
            const int vertex = stk_mesh_of_68[points[k]];
            sum += (double)stk_height_on_head(&p->camera, &p->poses[i],
                                              stk_canonical_face()[vertex][2], landmarks[vertex][0],
                                              landmarks[vertex][1]);
        }
    }
    return sum / ((double)count * p->train_frames);
}

void stk_train_region_mask(const stk_trainer *t, stk_region_mask *mask) {
    static const short lids[] = {40, 41, 46, 47}, tip[] = {30};
    const double eyes = height_of(t, lids, STK_ARRAY_SIZE(lids));
    stk_region_mask_init(mask, (float)eyes, (float)height_of(t, tip, 1));
}
