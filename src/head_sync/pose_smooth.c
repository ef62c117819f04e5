/* pose_smooth.c - see pose_smooth.h. (Whittaker-Henderson smoothing with matrix weights.) */
#include "head_sync/pose_smooth.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum {
    CORE = 512,  /* frames a block answers for */
    MARGIN = 96, /* frames beyond on either side, several times the smoother's reach */
    BLOCK = CORE + 2 * MARGIN,
    DOF = 6,
    WIDTH = 2 * DOF + 1, /* D2'D2 couples a number with itself up to two frames away */
};

static const double ARM_M = 0.1; /* half a head: 1 rad of turn moves its surface so
                                  * far. (0.25 follows forehead texture of three television clips
                                  * 2-5 % worse, 0.05 the nose 2-3 %.) */
/* Keeps the system definite where frames know nothing; too weak to pull any that do. */
static const double RIDGE = 1e-9;
/* Larger steps between neighbouring frames are mistakes, not motion (25/s). */
static const double JUMP_RAD = 0.35, JUMP_M = 0.08, JUMP_DEPTH_RATIO = 0.15;

typedef struct smooth_block {
    int first, last;           /* frames solved together [first, last) */
    int core_first, core_last; /* frames written */
    int reference;             /* frame whose rotation the run's vectors are relative to */
} smooth_block;

struct stk_pose_smoother {
    const stk_se3 *poses;
    const double (*information)[36];
    stk_pool *pool;
    int blocks;
    smooth_block *list; /* [blocks] */
    double mean_information;
    double *workspace; /* [threads][BLOCK * DOF * (WIDTH + 1)] */
    double stiffness;
    int fold;
    stk_se3 *smooth;
};

static int is_jump(const stk_se3 *a, const stk_se3 *b) {
    double relative[9], w[3], dx = b->t[0] - a->t[0], dy = b->t[1] - a->t[1];
    stk_mat3_mul_bt(b->R, a->R, relative);
    stk_so3_log(relative, w);
    return w[0] * w[0] + w[1] * w[1] + w[2] * w[2] > JUMP_RAD * JUMP_RAD ||
           dx * dx + dy * dy > JUMP_M * JUMP_M ||
           fabs(b->t[2] - a->t[2]) > JUMP_DEPTH_RATIO * fabs(a->t[2]);
}

/* Walks the runs and their blocks; list may be NULL to count only. */
static int find_blocks(const stk_se3 *poses, const uint8_t *valid, const int32_t *take, int frames,
                       smooth_block *list) {
    int count = 0;
    for (int first = 0; first < frames;) {
        if (!valid[first]) {
            first++;
            continue;
        }
        int last = first + 1;
        while (last < frames && valid[last] && (take == NULL || take[last] == take[first]) &&
               !is_jump(&poses[last - 1], &poses[last]))
            last++;
        for (int core = first; core < last; core += CORE, count++) {
            if (list == NULL) continue;
            smooth_block *block = &list[count];
            block->core_first = core;
            block->core_last = core + CORE < last ? core + CORE : last;
            block->first = core - MARGIN > first ? core - MARGIN : first;
            block->last = block->core_last + MARGIN < last ? block->core_last + MARGIN : last;
            block->reference = first + (last - first) / 2;
        }
        first = last;
    }
    return count;
}

stk_status stk_pose_smoother_create(stk_pose_smoother **smoother, const stk_se3 *poses,
                                    const double (*information)[36], const uint8_t *valid,
                                    const int32_t *take, int frames, stk_pool *pool) {
    stk_pose_smoother *s = *smoother = stk_calloc_aligned(1, sizeof *s);
    if (s == NULL) return stk_fail_memory("the pose smoother");
    s->poses = poses;
    s->information = information;
    s->pool = pool;
    s->blocks = find_blocks(poses, valid, take, frames, NULL);
    s->list = stk_calloc_aligned((size_t)s->blocks + 1, sizeof *s->list);
    size_t threads = pool != NULL ? (size_t)stk_pool_threads(pool) : 1;
    s->workspace = stk_calloc_aligned(threads * BLOCK * DOF * (WIDTH + 1), sizeof(double));
    if (s->list == NULL || s->workspace == NULL) {
        stk_pose_smoother_free(smoother);
        return stk_fail_memory("the pose smoother");
    }
    find_blocks(poses, valid, take, frames, s->list);
    double sum = 0, used = 0;
    for (int i = 0; i < frames; i++) {
        if (!valid[i]) continue;
        sum += 0.5 * (information[i][21] + information[i][28]);
        used += 1;
    }
    s->mean_information = used > 0 ? sum / used : 1;
    return STK_OK;
}

void stk_pose_smoother_free(stk_pose_smoother **smoother) {
    if (smoother == NULL || *smoother == NULL) return;
    stk_free((*smoother)->list);
    stk_free((*smoother)->workspace);
    stk_free(*smoother);
    *smoother = NULL;
}

/* Lower band storage: row i holds A[i][i - d] at band[i * WIDTH + d]. Solves A x = b in place. */
static void band_solve(double *band, double *b, int n) {
    for (int i = 0; i < n; i++) {
        int from = i - WIDTH + 1 > 0 ? i - WIDTH + 1 : 0;
        double *row = band + (ptrdiff_t)i * WIDTH;
        for (int j = from; j <= i; j++) {
            const double *other = band + (ptrdiff_t)j * WIDTH;
            int begin = j - WIDTH + 1 > from ? j - WIDTH + 1 : from;
            double sum = row[i - j];
            for (int k = begin; k < j; k++) sum -= row[i - k] * other[j - k];
            row[i - j] = i == j ? sqrt(sum) : sum / other[0];
        }
        for (int k = from; k < i; k++) b[i] -= row[i - k] * b[k];
        b[i] /= row[0];
    }
    for (int i = n - 1; i >= 0; i--) {
        int to = i + WIDTH - 1 < n - 1 ? i + WIDTH - 1 : n - 1;
        for (int k = i + 1; k <= to; k++) b[i] -= band[(ptrdiff_t)k * WIDTH + k - i] * b[k];
        b[i] /= band[(ptrdiff_t)i * WIDTH];
    }
}

/* H of a left increment -> H of the rotation vector r: G' H G, G = diag(J(r), I). */
static void information_of_vector(const double H[36], const double r[3], double out[36]) {
    double J[9], G[36] = {0}, HG[36];
    stk_so3_left_jacobian(r, J);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) G[6 * i + j] = J[3 * i + j];
        G[7 * (i + 3)] = 1;
    }
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            HG[6 * i + j] = 0;
            for (int k = 0; k < 6; k++) HG[6 * i + j] += H[6 * i + k] * G[6 * k + j];
        }
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            out[6 * i + j] = 0;
            for (int k = 0; k < 6; k++) out[6 * i + j] += G[6 * k + i] * HG[6 * k + j];
        }
}

/* Adds s D2'D2 to the band: each inner triple of frames contributes (1 -2 1)'(1 -2 1). */
static void add_stiffness(double *band, int frames, double s) {
    static const double D2[3] = {1, -2, 1};
    for (int i = 2; i < frames; i++)
        for (int a = 0; a < 3; a++)
            for (int b = 0; b <= a; b++)
                for (int c = 0; c < DOF; c++) {
                    ptrdiff_t row = (ptrdiff_t)(i - 2 + a) * DOF + c;
                    double arm = c < 3 ? ARM_M * ARM_M : 1;
                    band[row * WIDTH + (ptrdiff_t)(a - b) * DOF] += s * arm * D2[a] * D2[b];
                }
}

/* Adds frame f's (x - p)' H (x - p) as row block i of the system. */
static void add_frame(const stk_pose_smoother *s, const double *reference, int f, int i,
                      double *band, double *b) {
    const stk_se3 *pose = &s->poses[f];
    double relative[9], p[DOF], H[36], ridge = RIDGE * s->mean_information;
    stk_mat3_mul_bt(pose->R, reference, relative);
    stk_so3_log(relative, p);
    memcpy(p + 3, pose->t, sizeof pose->t);
    information_of_vector(s->information[f], p, H);
    if (f % STK_SMOOTH_FOLDS == s->fold) memset(H, 0, sizeof H);
    for (int a = 0; a < DOF; a++) {
        H[7 * a] += ridge * (a < 3 ? ARM_M * ARM_M : 1);
        double sum = 0;
        for (int c = 0; c < DOF; c++) sum += H[6 * a + c] * p[c];
        b[DOF * i + a] = sum;
        for (int c = 0; c <= a; c++) band[(ptrdiff_t)(DOF * i + a) * WIDTH + a - c] += H[6 * a + c];
    }
}

static void smooth_task(void *ctx, int task, int worker) {
    stk_pose_smoother *s = ctx;
    const smooth_block *block = &s->list[task];
    const double *reference = s->poses[block->reference].R;
    int frames = block->last - block->first;
    double *band = s->workspace + (ptrdiff_t)worker * BLOCK * DOF * (WIDTH + 1);
    double *x = band + (ptrdiff_t)BLOCK * DOF * WIDTH;
    memset(band, 0, sizeof(double) * (size_t)frames * DOF * WIDTH);
    for (int i = 0; i < frames; i++) add_frame(s, reference, block->first + i, i, band, x);
    add_stiffness(band, frames, s->stiffness * s->mean_information);
    band_solve(band, x, frames * DOF);
    for (int f = block->core_first; f < block->core_last; f++) {
        const double *v = x + (ptrdiff_t)DOF * (f - block->first);
        double turn[9];
        stk_so3_exp(v, turn);
        stk_mat3_mul(turn, reference, s->smooth[f].R);
        memcpy(s->smooth[f].t, v + 3, sizeof s->smooth[f].t);
    }
}

void stk_pose_smoother_run(stk_pose_smoother *smoother, double stiffness, int fold,
                           stk_se3 *smooth) {
    smoother->stiffness = stiffness;
    smoother->fold = fold;
    smoother->smooth = smooth;
    stk_pool_run(smoother->pool, smoother->blocks, smooth_task, smoother);
}

void stk_pose_jitter(const stk_se3 *poses, const uint8_t *counts, const int32_t *take, int frames,
                     double focal_px, double *turn_deg, double *shift_px) {
    double turn = 0, shift = 0;
    int triples = 0;
    for (int i = 2; i < frames; i++) {
        if (!counts[i] || !counts[i - 1] || !counts[i - 2]) continue;
        if (take != NULL && take[i] != take[i - 2]) continue;
        double relative[9], before[3], after[3];
        stk_mat3_mul_bt(poses[i - 1].R, poses[i - 2].R, relative);
        stk_so3_log(relative, before);
        stk_mat3_mul_bt(poses[i].R, poses[i - 1].R, relative);
        stk_so3_log(relative, after);
        for (int k = 0; k < 3; k++) turn += (after[k] - before[k]) * (after[k] - before[k]);
        for (int k = 0; k < 2; k++) {
            const double d = poses[i].t[k] / poses[i].t[2] -
                             2 * poses[i - 1].t[k] / poses[i - 1].t[2] +
                             poses[i - 2].t[k] / poses[i - 2].t[2];
            shift += focal_px * focal_px * d * d;
        }
        triples++;
    }
    *turn_deg = triples > 0 ? sqrt(turn / triples) * 180 / M_PI : 0;
    *shift_px = triples > 0 ? sqrt(shift / triples) : 0;
}
