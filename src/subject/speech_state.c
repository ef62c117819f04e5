/* speech_state.c - see speech_state.h.
 *
 *   level_i  root mean square of the frame's 40 ms of sound, dB
 *   loud     above the middle between the clip's quiet (10th percentile) and loud (95th) levels,
 *            and above -55 dB
 *   motion   standard deviation of the lip opening over the window
 */
#include "subject/speech_state.h"

#include <math.h>

enum { REACH = 15, SAMPLES = STK_SAMPLE_RATE / STK_FPS, LEVELS = 121 }; /* -120 .. 0 dB */
enum { SCORE_REACH = 6 };
static const float SCORE_MIN = 0;
static const double MOTION_MIN = 0.02;
static const double LOUD_SHARE_MIN = 0.3;
static const int LEVEL_FLOOR_DB = -55;

static int level_db(const stk_sound *sound, int frame) {
    double power = 1e-12;
    for (int64_t i = (int64_t)frame * SAMPLES; i < (int64_t)(frame + 1) * SAMPLES; i++)
        if (i < sound->count) power += (double)(sound->samples[i] * sound->samples[i]) / SAMPLES;
    return stk_clampi((int)lround(10 * log10(power)), 1 - LEVELS, 0);
}

/* The level that `share` of the frames do not exceed. */
static int percentile(const int counts[LEVELS], int frames, double share) {
    int below = 0;
    for (int i = 0; i < LEVELS; i++) {
        below += counts[i];
        if (below >= share * frames) return i + 1 - LEVELS;
    }
    return 0;
}

static int loud_from(const stk_sound *sound, int frames) {
    int counts[LEVELS] = {0};
    for (int i = 0; i < frames; i++) counts[level_db(sound, i) + LEVELS - 1]++;
    const int quiet = percentile(counts, frames, 0.1), high = percentile(counts, frames, 0.95);
    const int middle = quiet > high - 12 ? high - 12 : (quiet + high) / 2;
    return middle > LEVEL_FLOOR_DB ? middle : LEVEL_FLOOR_DB;
}

static int speaks(const stk_speech_look *looks, const int32_t *take, int frames, int at,
                  const stk_sound *sound, int loud_db) {
    double sum = 0, squares = 0;
    int seen = 0, loud = 0;
    for (int i = at - REACH; i <= at + REACH; i++) {
        if (i < 0 || i >= frames || take[i] != take[at] || !looks[i].usable) continue;
        const double v = (double)looks[i].opening;
        sum += v;
        squares += v * v;
        seen++;
        loud += level_db(sound, i) > loud_db;
    }
    if (seen < REACH / 2) return 0;
    const double variance = squares / seen - sum / seen * (sum / seen);
    return variance > MOTION_MIN * MOTION_MIN && loud > LOUD_SHARE_MIN * seen;
}

void stk_speech_state_from_motion(const stk_speech_look *looks, const int32_t *take, int frames,
                                  const stk_sound *sound, uint8_t *state) {
    const int loud_db = loud_from(sound, frames);
    for (int i = 0; i < frames; i++) {
        state[i] = looks[i].usable ? STK_SPEECH_FACE : STK_SPEECH_NONE;
        if (looks[i].usable && speaks(looks, take, frames, i, sound, loud_db))
            state[i] = STK_SPEECH_SPEAKS;
    }
}

void stk_speech_state_by_score(const float *score, int frames, uint8_t *state) {
    for (int i = 0; i < frames; i++) {
        float sum = 0;
        int count = 0;
        for (int k = i - SCORE_REACH; k <= i + SCORE_REACH; k++)
            if (k >= 0 && k < frames) sum += score[k], count++;
        if (state[i] == STK_SPEECH_SPEAKS && !(sum > SCORE_MIN * (float)count))
            state[i] = STK_SPEECH_FACE;
    }
}
