/* smooth.c - term (h) of the published loss: uncertainty and ambients of a sample should be those
 * of a point close by (reference.md 5.2 h).
 *
 *   every tile of the slot: values where the samples are, kept constant; values at x + d, d uniform
 *   in [-1e-3, 1e-3]^3, with their gradients -> further tiles, which the hash planes hear too
 *
 * Sound, expression and code get no gradient (ambients do not depend on them). Means run over the
 * samples of the step. DIFFERS: the published ones also run over what pads its sample array.
 */
#include "train/internal.h"

static const float REACH = 1e-3f;
static const double SMOOTHNESS_WEIGHT = 1e-5;
enum { SEED = 191 };

typedef struct probe {
    stk_trainer *t;
    block_scratch *s;
    stk_field_cond cond;
    stk_field_in in;
} probe;

/* Uncertainty and ambients of the probe's tile, into lane 0 .. 63 of tile `at` of the scratch. */
static void look(const probe *p, int at) {
    block_scratch *s = p->s;
    const size_t lane = (size_t)at * STK_TILE;
    stk_field_out out = {s->sigma + lane, s->rgb + 3 * lane, s->amb_aud + lane, s->amb_exp + lane,
                         s->unc + lane};
    p->t->field.forward(&p->t->nets.field.shape, &p->t->weights, &p->cond, &p->in, s->acts, &out);
}

static void move(const stk_trainer *t, const float *from, float *to, int tile) {
    const uint64_t seed = (uint64_t)t->settings.seed + SEED;
    for (int i = 0; i < 3 * STK_TILE; i++)
        to[i] = from[i] +
                REACH * (2 * stk_train_noise(seed, t->step, (int64_t)tile * 3 * STK_TILE + i) - 1);
}

/* The three terms of one tile: values of tile 0 of the scratch against those of tile 1. */
static double compare(const probe *p, int n) {
    block_scratch *s = p->s;
    const double weight =
        SMOOTHNESS_WEIGHT * (double)p->t->plan.now.ramp * n / (double)p->t->seen_samples;
    const float *still[] = {s->unc, s->amb_aud, s->amb_exp};
    float *slope[] = {s->dunc, s->damb_aud, s->damb_exp};
    double term = 0;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < STK_TILE; i++) slope[k][i] = 0;
        term += stk_loss_smoothness(n, still[k], still[k] + STK_TILE, weight, slope[k]);
    }
    return term;
}

double stk_train_smooth(stk_trainer *t, int slot, int worker, stk_field_grads *grads) {
    const size_t enc = (size_t)t->nets.field.shape.enc;
    const int half = t->plan.slot_tiles / 2, first = slot * t->plan.slot_tiles;
    probe p = {.t = t,
               .s = &t->scratch[worker],
               .cond = {t->audio_code, t->expression, t->code},
               .in = {.dir = t->scratch[worker].dir, .cond_row = t->scratch[worker].cond_row}};
    const stk_field_dout dout = {p.s->dsigma, p.s->drgb, p.s->damb_aud, p.s->damb_exp, p.s->dunc};
    for (int i = 0; i < STK_TILE; i++) p.s->dsigma[i] = 0;
    for (int i = 0; i < 3 * STK_TILE; i++) p.s->drgb[i] = 0;
    stk_field_dcond none = {t->daudio, t->dcode}; /* nothing is added to it */
    double term = 0;
    for (int tile = first; tile < first + half; tile++) {
        const int n = t->tiles.counts[tile];
        if (n == 0) continue;
        float *moved = t->tiles.xyz + (size_t)(tile + half) * 3 * STK_TILE;
        p.in.n = t->tiles.counts[tile + half] = n;
        p.in.xyz = t->tiles.xyz + (size_t)tile * 3 * STK_TILE;
        look(&p, 0);
        move(t, p.in.xyz, moved, tile);
        p.in.xyz = moved;
        look(&p, 1);
        term += compare(&p, n);
        t->field.backward(
            &t->nets.field.shape, &t->weights, &p.cond, &p.in, p.s->acts, &dout,
            &(stk_field_din){grads, &none, t->tiles.denc + (size_t)(tile + half) * enc * STK_TILE});
    }
    return term;
}
