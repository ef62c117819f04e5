/* step.c - the rays of one slot (one frame), in blocks whose samples stay in cache:
 *
 *   march -> tiles -> field forward -> composite -> loss -> composite' -> field backward
 *
 * The loss of a ray (reference.md 5.2, without the uncertainty term and the smoothness probe):
 *   mean |c - g|  +  1e-4 H2(w)  +  f 1e-4 (a [outside the lower face] + e [inside the lower face])
 * with c the clamped colour over the backdrop, w the accumulated weight, a and e the unweighted ambient
 * sums, f the fraction of training done; all divided by the rays of the step.
 */
#include "train/internal.h"
#include "render/voice.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const float ENTROPY_WEIGHT = 1e-4f, AMBIENT_WEIGHT = 1e-4f;
static const float WEIGHT_EDGE = 1e-5f; /* the entropy's clamp */

typedef struct block {
    stk_trainer *trainer;
    block_scratch *scratch;
    const stk_ray_pick *picks; /* of this block */
    int rays, slot;
    int ray_base;              /* number of the first ray within the step */
    int tile_base;             /* first tile of this block in the step's store */
    int samples, tiles;
    stk_ngp_camera camera;
} block;

/* Uniform [0,1) from step and ray: reproducible whatever the order of work. */
static float ray_noise(uint64_t seed, int64_t step, int ray) {
    uint64_t x = seed * 0x9E3779B97F4A7C15u + (uint64_t)step * 0xD1B54A32D192ED03u + (uint64_t)ray;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (float)((x ^ (x >> 31)) >> 40) * 0x1p-24f;
}

static void put_sample(block *b, int index, const float xyz[3], const float dir[3],
                       const float dt_t[2]) {
    int tile = index / STK_TILE, lane = index % STK_TILE;
    float *position = b->trainer->tiles.xyz + (size_t)(b->tile_base + tile) * 3 * STK_TILE;
    float *direction = b->scratch->dir + (size_t)tile * 3 * STK_TILE;
    for (int c = 0; c < 3; c++) {
        position[c * STK_TILE + lane] = xyz[c];
        direction[c * STK_TILE + lane] = dir[c];
    }
    b->scratch->dt[index] = dt_t[0];
    b->scratch->t_after[index] = dt_t[1];
}

static void march_block(block *b) {
    stk_trainer *t = b->trainer;
    static const float centre[3] = {0, 0, 0}, forward[3] = {0, 0, 1}, nothing[2] = {0, 0};
    int n = 0;
    for (int r = 0; r < b->rays; r++) {
        const stk_ray_pick *pick = &b->picks[r];
        float d[3], near_far[2], xyz[STK_TRAIN_SAMPLES_MAX * 3], dt_t[STK_TRAIN_SAMPLES_MAX * 2], end;
        stk_ngp_ray(&b->camera, pick->col, pick->row, d);
        t->march.near_far(1, b->camera.origin, d, near_far);
        int count = 0;
        if (near_far[0] < FLT_MAX) {
            float noise = ray_noise((uint64_t)t->settings.seed, t->step, b->ray_base + r);
            count = t->march.march(b->camera.origin, d, near_far[0] + noise * STK_STEP_NGP,
                                   near_far[1], t->occupancy.bits, STK_TRAIN_SAMPLES_MAX, xyz, dt_t,
                                   &end);
        }
        b->scratch->first[r] = n;
        b->scratch->count[r] = count;
        for (int k = 0; k < count; k++) put_sample(b, n++, xyz + 3 * k, d, dt_t + 2 * k);
    }
    b->samples = n;
    b->tiles = (n + STK_TILE - 1) / STK_TILE;
    for (int i = n; i < b->tiles * STK_TILE; i++) put_sample(b, i, centre, forward, nothing);
    for (int i = 0; i < b->tiles; i++) {
        int left = n - i * STK_TILE;
        t->tiles.counts[b->tile_base + i] = left < STK_TILE ? left : STK_TILE;
    }
    uint16_t *rows = b->scratch->cond_row;
    for (int i = 0; i < b->tiles * STK_TILE; i++) rows[i] = (uint16_t)b->slot;
}

static stk_field_in tile_input(const block *b, int tile) {
    return (stk_field_in){
        .xyz = b->trainer->tiles.xyz + (size_t)(b->tile_base + tile) * 3 * STK_TILE,
        .dir = b->scratch->dir + (size_t)tile * 3 * STK_TILE,
        .cond_row = b->scratch->cond_row + (size_t)tile * STK_TILE,
        .n = b->trainer->tiles.counts[b->tile_base + tile],
    };
}

static stk_field_cond conditions(const stk_trainer *t) {
    return (stk_field_cond){t->audio_code, t->expression, t->code};
}

static void forward_block(block *b) {
    stk_trainer *t = b->trainer;
    block_scratch *s = b->scratch;
    const stk_field_cond cond = conditions(t);
    for (int i = 0; i < b->tiles; i++) {
        stk_field_in in = tile_input(b, i);
        size_t lane = (size_t)i * STK_TILE;
        stk_field_out out = {s->sigma + lane, s->rgb + 3 * lane, s->amb_aud + lane,
                             s->amb_exp + lane, NULL};
        t->nets.field.kernels.forward(&t->nets.field.shape, &t->weights, &cond, &in,
                                      s->acts + (size_t)i * t->field_act_floats, &out);
    }
}

/* Loss of one ray and its gradient; returns the colour term. inverse = 1 / rays of the step. */
static float ray_loss(const stk_ray_pick *pick, const stk_ray_out *out, float fraction,
                      float inverse, stk_ray_dout *dout) {
    float colour = 0;
    *dout = (stk_ray_dout){0};
    for (int c = 0; c < 3; c++) {
        float behind = (float)pick->backdrop[c] * (1.0f / 255.0f);
        float value = out->rgb[c] + (1.0f - out->weight) * behind;
        float error = stk_clampf(value, 0.0f, 1.0f) - (float)pick->target[c] * (1.0f / 255.0f);
        colour += fabsf(error);
        if (value < 0.0f || value > 1.0f || error == 0.0f) continue; /* the clamp stops the gradient */
        float g = error > 0.0f ? inverse / 3.0f : -inverse / 3.0f;
        dout->rgb[c] = g;
        dout->weight -= g * behind;
    }
    float w = out->weight;
    if (w > WEIGHT_EDGE && w < 1.0f - WEIGHT_EDGE)
        dout->weight += ENTROPY_WEIGHT * inverse * log2f((1.0f - w) / w);
    float ambient = fraction * AMBIENT_WEIGHT * inverse;
    dout->amb_aud = pick->in_low_face ? 0.0f : ambient;
    dout->amb_exp = pick->in_low_face ? ambient : 0.0f;
    return colour / 3.0f;
}

static double composite_block(block *b) {
    stk_trainer *t = b->trainer;
    block_scratch *s = b->scratch;
    const stk_samples samples = {s->sigma, s->rgb, s->amb_aud, s->amb_exp, NULL, s->dt, s->t_after};
    stk_dsamples gradient = {s->dsigma, s->drgb, s->damb_aud, s->damb_exp, NULL};
    const float inverse = 1.0f / (float)t->batch.rays;
    double sum = 0;
    if (b->tiles > 0) { /* unused lanes of the last tile get no gradient */
        size_t lane = (size_t)(b->tiles - 1) * STK_TILE;
        memset(s->dsigma + lane, 0, STK_TILE * sizeof(float));
        memset(s->damb_aud + lane, 0, STK_TILE * sizeof(float));
        memset(s->damb_exp + lane, 0, STK_TILE * sizeof(float));
        memset(s->drgb + 3 * lane, 0, 3 * STK_TILE * sizeof(float));
    }
    for (int r = 0; r < b->rays; r++) {
        stk_ray_out out = {0};
        stk_ray_dout dout;
        if (s->count[r] > 0) t->march.composite(&samples, s->first[r], s->count[r], &out);
        sum += ray_loss(&b->picks[r], &out, (float)t->fraction, inverse, &dout);
        if (s->count[r] > 0)
            t->march.composite_backward(&samples, s->first[r], s->count[r], &out, &dout, &gradient);
    }
    return sum;
}

/* The slot's private gradients: compact dense block, audio code, individual code. */
static void slot_gradient_views(const stk_trainer *t, int slot, stk_field_grads *grads) {
    float *private = t->slot_grads + (size_t)slot * t->dense_total;
    const stk_field *f = &t->nets.field;
    const struct {
        int index;
        float **view;
    } views[] = {{f->aud_att[0], &grads->aud_att[0]}, {f->aud_att[1], &grads->aud_att[1]},
                 {f->exp_att[0], &grads->exp_att[0]}, {f->exp_att[1], &grads->exp_att[1]},
                 {f->sigma[0], &grads->sigma[0]},     {f->sigma[1], &grads->sigma[1]},
                 {f->sigma[2], &grads->sigma[2]},     {f->color[0], &grads->color[0]},
                 {f->color[1], &grads->color[1]},     {f->unc[0], &grads->unc[0]},
                 {f->unc[1], &grads->unc[1]}};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        for (int k = 0; k < t->dense_count; k++)
            if (t->dense[k].index == views[i].index) *views[i].view = private + t->dense[k].offset;
}

static void backward_block(block *b, stk_field_grads *grads, stk_field_dcond *dcond) {
    stk_trainer *t = b->trainer;
    block_scratch *s = b->scratch;
    const stk_field_cond cond = conditions(t);
    for (int i = 0; i < b->tiles; i++) {
        stk_field_in in = tile_input(b, i);
        size_t lane = (size_t)i * STK_TILE;
        const stk_field_dout dout = {s->dsigma + lane, s->drgb + 3 * lane, s->damb_aud + lane,
                                     s->damb_exp + lane, NULL};
        float *denc = t->tiles.denc +
                      (size_t)(b->tile_base + i) * (size_t)t->nets.field.shape.enc * STK_TILE;
        t->nets.field.kernels.backward(&t->nets.field.shape, &t->weights, &cond, &in,
                                       s->acts + (size_t)i * t->field_act_floats, &dout, grads,
                                       dcond, denc);
    }
}

/* The audio net of this slot's frame, backward; rows as in the forward. */
static void audio_backward(stk_trainer *t, int slot) {
    const float *window[STK_AUDIO_WINDOW];
    stk_audio_window(stk_subject_audio_row(t->subject, 0), t->performance.frames,
                     t->nets.audio.row_floats, t->frame_list[slot], window);
    stk_audio_net_backward(&t->nets.audio, &t->nets.params, t->nets.params.value, window,
                           t->audio_acts + (size_t)slot * t->audio_act_floats,
                           t->daudio + (size_t)slot * STK_AUD,
                           t->slot_grads + (size_t)slot * t->dense_total);
}

void stk_train_slot(void *ctx, int slot, int worker) {
    stk_trainer *t = ctx;
    memset(t->slot_grads + (size_t)slot * t->dense_total, 0, t->dense_total * sizeof(float));
    memset(t->daudio + (size_t)slot * STK_AUD, 0, STK_AUD * sizeof(float));
    memset(t->dcode + (size_t)slot * STK_CODE, 0, STK_CODE * sizeof(float));
    memset(t->tiles.counts + slot * t->slot_tiles, 0, (size_t)t->slot_tiles * sizeof(int));
    stk_field_grads grads = {0};
    stk_field_dcond dcond = {t->daudio, t->dcode};
    slot_gradient_views(t, slot, &grads);
    block b = {.trainer = t, .scratch = &t->scratch[worker], .slot = slot};
    stk_ngp_camera_from_pose(&t->performance.camera,
                             &t->performance.poses[t->frame_list[slot]], &b.camera);
    slot_result result = {0};
    int tile = slot * t->slot_tiles;
    for (int first = 0; first < t->slot_rays; first += BLOCK_RAYS) {
        b.ray_base = slot * t->slot_rays + first;
        b.picks = t->picks + b.ray_base;
        b.rays = t->slot_rays - first < BLOCK_RAYS ? t->slot_rays - first : BLOCK_RAYS;
        b.tile_base = tile;
        march_block(&b);
        forward_block(&b);
        result.loss += composite_block(&b);
        backward_block(&b, &grads, &dcond);
        result.samples += b.samples;
        tile += b.tiles;
    }
    audio_backward(t, slot);
    t->results[slot] = result;
}
