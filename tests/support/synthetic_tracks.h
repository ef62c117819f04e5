/* synthetic_tracks.h - clips of followed points whose head, motion and camera are known: what
 * bundle adjustment is measured against.
 *
 * A rigid head of points (a face-sized half ellipsoid) moves as in synthetic_head.h. At any time
 * `slots` points are followed; each lives 40 to 80 frames (or the whole clip) and is followed by a
 * newly picked one. Observations get Gaussian noise, some are far off. At a cut all points end and
 * the head stands elsewhere.
 */
#ifndef STK_TESTS_SYNTHETIC_TRACKS_H
#define STK_TESTS_SYNTHETIC_TRACKS_H

#include "synthetic_head.h"
#include "head_sync/bundle.h"

typedef struct synthetic_tracks {
    int frames, slots, size, cut; /* cut: first frame of the second take, 0 = none */
    int everlasting;              /* points live through the take */
    double brow_px;               /* points of the forehead rise by this a unit of `lift` */
    double lively_px; /* points above the eyes move up and down together, as the brows do */
    double shared_px; /* all points of a frame are off by this, together */
    double focal_px, motion, noise_px, outliers; /* share of observations 5 to 30 px off */
    double landmark_px, shape_m;                 /* landmark noise; error of the mesh handed over */
    double start_focal, start_deg, start_px;     /* what the given poses are off by */
    uint64_t seed;
    synthetic_head head; /* true poses and mesh, landmarks */
    stk_tracks tracks;
    double (*place)[3]; /* [tracks.points] */
    stk_pose *given;    /* [frames] */
    float *lift;        /* [frames] deviation 1, correlated by half with the head's nod */
    float shape[STK_MESH_LANDMARKS][3];
    stk_bundle_input input;
} synthetic_tracks;

void synthetic_tracks_make(synthetic_tracks *clip);
void synthetic_tracks_clear(synthetic_tracks *clip);

typedef struct tracks_error {
    double turn_deg; /* median over frames, after one common turn of the head's axes */
    double place;    /* median of the shift over the depth, after one common origin and scale */
    double scale;    /* that scale */
    double focal;    /* estimated / true */
    double turn_second_deg, shift_second_px; /* the true motion's jitter figures */
} tracks_error;

tracks_error synthetic_tracks_compare(const synthetic_tracks *clip, const stk_bundle *bundle);

#endif
