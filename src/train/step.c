/* step.c - the rays of one slot (one frame), in blocks whose samples stay in cache:
 *
 *   march -> [a few samples a ray -> tiles -> field forward] until none is left
 *   -> composite -> loss -> composite' -> field'
 *
 * Samples are evaluated in rounds of whole tiles: a ray whose transmittance has fallen below the
 * limit takes part in no further round, since compositing would not visit its later samples. The
 * result is the same as evaluating all of them up to that limit; fewer are evaluated the more
 * opaque the surfaces are (doc/SPEED.md).
 */
#include "train/internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A ray that lets less through takes part in no further round. DIFFERS: the published limit is
 * 1e-4; what is lost is below a quarter of an 8-bit level. Rendering stops at the same limit, but
 * at the sample, not at the end of its round. */
static const float ROUND_TRANSMITTANCE = STK_FAST_TRANSMITTANCE;

typedef struct block {
    stk_trainer *trainer;
    block_scratch *scratch;
    const stk_ray_pick *picks; /* of this block */
    int rays, slot;
    int ray_base;  /* number of the first ray within the step */
    int tile_base; /* first tile of this block in the step's store */
    int samples, tiles, looked;
    stk_ngp_camera camera;
} block;

float stk_train_noise(uint64_t seed, int64_t step, int64_t number) {
    uint64_t x =
        seed * 0x9E3779B97F4A7C15u + (uint64_t)step * 0xD1B54A32D192ED03u + (uint64_t)number;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (float)((x ^ (x >> 31)) >> 40) * 0x1p-24f;
}

/* Sample positions of ray r, from its origin in its direction. */
static void march_ray(block *b, int r) {
    const stk_trainer *t = b->trainer;
    block_scratch *s = b->scratch;
    const float *d = s->ray_dir + 3 * r, *origin = s->ray_origin + 3 * r;
    float near_far[2], end;
    t->march.near_far(1, origin, d, near_far);
    s->count[r] = 0;
    if (near_far[0] == FLT_MAX) return;
    float noise = stk_train_noise((uint64_t)t->settings.seed, t->step, b->ray_base + r);
    s->count[r] = t->march.march(origin, d, near_far[0] + noise * STK_STEP_NGP, near_far[1],
                                 t->occupancy.bits, RAY_SAMPLES, s->xyz + 3 * RAY_SAMPLES * r,
                                 s->dt_t + 2 * RAY_SAMPLES * r, &end);
    for (int k = 0; k < s->count[r]; k++) {
        s->dt[r * RAY_SAMPLES + k] = s->dt_t[2 * (r * RAY_SAMPLES + k)];
        s->t_after[r * RAY_SAMPLES + k] = s->dt_t[2 * (r * RAY_SAMPLES + k) + 1];
    }
}

/* Every ray of the block, as the frame's camera sees it. */
static void march_block(block *b) {
    block_scratch *s = b->scratch;
    for (int r = 0; r < b->rays; r++) {
        stk_ngp_ray(&b->camera, b->picks[r].col, b->picks[r].row, s->ray_dir + 3 * r);
        memcpy(s->ray_origin + 3 * r, b->camera.origin, sizeof b->camera.origin);
        s->ray_row[r] = (uint16_t)b->slot;
        march_ray(b, r);
    }
}

/* Writes one position and direction into lane `lane` of the block's tiles. */
static void put_lane(block *b, int lane, const float xyz[3], const float dir[3]) {
    size_t tile = (size_t)(lane / STK_TILE), at = (size_t)(lane % STK_TILE);
    float *position = b->trainer->tiles.xyz + ((size_t)b->tile_base + tile) * 3 * STK_TILE + at;
    float *direction = b->scratch->dir + tile * 3 * STK_TILE + at;
    for (int c = 0; c < 3; c++) {
        position[c * STK_TILE] = xyz[c];
        direction[c * STK_TILE] = dir[c];
    }
}

/* Decides how many more samples each ray adds to the next round and returns their sum:
 * ROUND_SAMPLES of every living ray, less what would leave a tile partly filled; where they do not
 * fill one tile, more. */
static int plan_round(block *b) {
    block_scratch *s = b->scratch;
    int n = 0;
    for (int r = 0; r < b->rays; r++) {
        int left = s->transmittance[r] < ROUND_TRANSMITTANCE ? 0 : s->count[r] - s->used[r];
        s->fresh[r] = left < ROUND_SAMPLES ? left : ROUND_SAMPLES;
        n += s->fresh[r];
    }
    if (n >= STK_TILE) {
        int spare = n % STK_TILE;
        n -= spare;
        for (int r = b->rays - 1; spare > 0; r--) {
            int cut = s->fresh[r] < spare ? s->fresh[r] : spare;
            s->fresh[r] -= cut;
            spare -= cut;
        }
        return n;
    }
    for (int before = 0; n > before && n < STK_TILE;) {
        before = n;
        for (int r = 0; r < b->rays && n < STK_TILE; r++) {
            if (s->transmittance[r] < ROUND_TRANSMITTANCE) continue;
            if (s->used[r] + s->fresh[r] == s->count[r]) continue;
            s->fresh[r]++;
            n++;
        }
    }
    return n;
}

/* Puts the n samples of a round into fresh tiles. */
static void gather_round(block *b, int n) {
    static const float centre[3] = {0, 0, 0}, forward[3] = {0, 0, 1};
    block_scratch *s = b->scratch;
    int first = b->tiles * STK_TILE, lane = first;
    for (int r = 0; r < b->rays; r++) {
        int sample = r * RAY_SAMPLES + s->used[r];
        for (int k = 0; k < s->fresh[r]; k++, sample++, lane++) {
            s->lane_of[sample] = lane;
            s->cond_row[lane] = s->ray_row[r];
            put_lane(b, lane, s->xyz + 3 * sample, s->ray_dir + 3 * r);
        }
    }
    int tiles = (n + STK_TILE - 1) / STK_TILE;
    for (; lane < first + tiles * STK_TILE; lane++) put_lane(b, lane, centre, forward);
    for (int i = 0; i < tiles; i++) {
        int left = n - i * STK_TILE;
        b->trainer->tiles.counts[b->tile_base + b->tiles + i] = left < STK_TILE ? left : STK_TILE;
    }
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

/* Whether this step's loss asks for the uncertainty. */
static int uncertain(const stk_trainer *t) {
    return (t->plan.now.terms & STK_TERM_UNCERTAINTY) != 0;
}

static void forward_tiles(block *b, int first, int count) {
    stk_trainer *t = b->trainer;
    block_scratch *s = b->scratch;
    const stk_field_cond cond = conditions(t);
    for (int i = first; i < first + count; i++) {
        stk_field_in in = tile_input(b, i);
        size_t lane = (size_t)i * STK_TILE;
        stk_field_out out = {s->sigma + lane, s->rgb + 3 * lane, s->amb_aud + lane,
                             s->amb_exp + lane, uncertain(t) ? s->unc + lane : NULL};
        t->field.forward(&t->nets.field.shape, &t->weights, &cond, &in,
                         s->acts + (size_t)i * t->field_act_floats, &out);
    }
}

/* Index of channel c of flat sample i in a [tiles][3][64] array. */
static size_t rgb_index(int i, int c) {
    return ((size_t)(i / STK_TILE) * 3 + (size_t)c) * STK_TILE + (size_t)(i % STK_TILE);
}

/* Outputs of the round from tile order to ray order; transmittance of each ray after them. */
static void collect_round(block *b) {
    block_scratch *s = b->scratch;
    for (int r = 0; r < b->rays; r++) {
        int sample = r * RAY_SAMPLES + s->used[r];
        for (int k = 0; k < s->fresh[r]; k++, sample++) {
            int lane = s->lane_of[sample];
            s->ray_sigma[sample] = s->sigma[lane];
            s->ray_aud[sample] = s->amb_aud[lane];
            s->ray_exp[sample] = s->amb_exp[lane];
            s->ray_unc[sample] = s->unc[lane];
            for (int c = 0; c < 3; c++)
                s->ray_rgb[rgb_index(sample, c)] = s->rgb[rgb_index(lane, c)];
            s->transmittance[r] *= 1.0f - stk_march_alpha(s->sigma[lane], s->dt[sample]);
        }
        s->used[r] += s->fresh[r];
    }
}

static void forward_block(block *b) {
    b->tiles = b->samples = 0;
    for (int r = 0; r < b->rays; r++) {
        b->scratch->used[r] = 0;
        b->scratch->transmittance[r] = 1.0f;
    }
    for (int n; (n = plan_round(b)) > 0;) {
        int tiles = (n + STK_TILE - 1) / STK_TILE;
        gather_round(b, n);
        forward_tiles(b, b->tiles, tiles);
        collect_round(b);
        b->tiles += tiles;
        b->samples += n;
    }
}

/* What stands behind a ray. DIFFERS: inside the face it is a random colour, new at every step and
 * ray, in patches one of the picture. The torso picture holds skin there (the neck continued
 * upward), and a face learned over skin stays half transparent: the edge of the continued neck then
 * shows through the jaw. The published schedules have the picture. */
static void backdrop_of(const block *b, int r, float behind[3]) {
    const stk_trainer *t = b->trainer;
    const stk_ray_pick *pick = &b->picks[r];
    const int random = !t->schedule->published_rays && !(t->settings.vary & STK_VARY_BACKDROP) &&
                       pick->label == STK_LABEL_HEAD && pick->in_face;
    const int number =
        t->plan.now.kind == STK_STEP_RAYS ? b->ray_base + r : b->slot / t->plan.parts;
    const uint64_t seed = (uint64_t)t->settings.seed + 77;
    for (int c = 0; c < 3; c++)
        behind[c] = random ? stk_train_noise(seed, t->step, 3 * (int64_t)number + c)
                           : (float)pick->backdrop[c] * (1.0f / 255.0f);
}

/* Gradients of one ray's samples from ray order to tile order. */
static void scatter_gradients(block_scratch *s, int r) {
    for (int k = 0; k < s->used[r]; k++) {
        int sample = r * RAY_SAMPLES + k, lane = s->lane_of[sample];
        s->dsigma[lane] = s->dray_sigma[sample];
        s->damb_aud[lane] = s->dray_aud[sample];
        s->damb_exp[lane] = s->dray_exp[sample];
        s->dunc[lane] = s->dray_unc[sample];
        for (int c = 0; c < 3; c++) s->drgb[rgb_index(lane, c)] = s->dray_rgb[rgb_index(sample, c)];
    }
}

/* The block's samples by ray, for compositing. */
static stk_samples samples_of(const block *b) {
    const block_scratch *s = b->scratch;
    return (stk_samples){
        s->ray_sigma, s->ray_rgb, s->ray_aud, s->ray_exp, uncertain(b->trainer) ? s->ray_unc : NULL,
        s->dt,        s->t_after};
}

/* Composites ray r; a ray without samples shows what is behind it. */
static stk_ray_out composite_ray(const block *b, int r) {
    const stk_samples samples = samples_of(b);
    const int used = b->scratch->used[r];
    stk_ray_out out = {0};
    if (used > 0) b->trainer->march.composite(&samples, (int64_t)r * RAY_SAMPLES, used, &out);
    return out;
}

/* The loss of ray r and its gradient; returns the colour term. */
static double ray_loss(const block *b, int r, const stk_ray_out *out, stk_ray_dout *dout) {
    const stk_trainer *t = b->trainer;
    const size_t ray = (size_t)(b->ray_base + r);
    const unsigned terms = t->plan.now.terms;
    const float inverse = 1.0f / (float)t->plan.rays;
    const float ramp = t->plan.now.ramp;
    float behind[3];
    backdrop_of(b, r, behind);
    const stk_ray_target target = stk_train_target(&b->picks[r], behind);
    double colour;
    if (terms & STK_TERM_UNCERTAINTY) {
        stk_ray_dout unused = {0};
        colour = (double)stk_loss_colour(&target, out, 0.0f, &unused, NULL);
        stk_loss_published(&target, out, t->shares[ray], ramp, inverse, dout);
    } else {
        colour = (double)stk_train_ray_loss(&b->picks[r], behind, out, ramp, inverse, dout).colour;
    }
    if (t->settings.attention == STK_ATTENTION_FREE) dout->amb_aud = dout->amb_exp = 0;
    if (terms & STK_TERM_PERCEPTUAL) stk_loss_push(&target, out, t->dmade + 3 * ray, dout);
    return colour;
}

/* Composites every ray, its loss, and both backwards into the tiles' gradients; returns the colour
 * term. */
static double composite_block(block *b) {
    stk_trainer *t = b->trainer;
    block_scratch *s = b->scratch;
    const stk_samples samples = samples_of(b);
    stk_dsamples gradient = {s->dray_sigma, s->dray_rgb, s->dray_aud, s->dray_exp,
                             uncertain(t) ? s->dray_unc : NULL};
    size_t lanes = (size_t)b->tiles * STK_TILE; /* lanes that no ray owns get no gradient */
    memset(s->dsigma, 0, lanes * sizeof(float));
    memset(s->damb_aud, 0, lanes * sizeof(float));
    memset(s->damb_exp, 0, lanes * sizeof(float));
    memset(s->dunc, 0, lanes * sizeof(float));
    memset(s->drgb, 0, 3 * lanes * sizeof(float));
    double sum = 0;
    for (int r = 0; r < b->rays; r++) {
        const stk_ray_out out = composite_ray(b, r);
        stk_ray_dout dout;
        sum += ray_loss(b, r, &out, &dout);
        if (s->used[r] == 0) continue;
        t->march.composite_backward(&samples, (int64_t)r * RAY_SAMPLES, s->used[r], &out, &dout,
                                    &gradient);
        scatter_gradients(s, r);
    }
    return sum;
}

/* Private gradient of dense parameter `index`. */
static float *slot_gradient(const stk_trainer *t, int slot, int index) {
    for (int k = 0; k < t->dense_count; k++)
        if (t->dense[k].index == index)
            return t->slot_grads + (size_t)slot * t->dense_total + t->dense[k].offset;
    return NULL;
}

static void slot_gradient_views(const stk_trainer *t, int slot, stk_field_grads *grads) {
    const stk_field *f = &t->nets.field;
    for (int i = 0; i < 2; i++) {
        grads->aud_att[i] = slot_gradient(t, slot, f->aud_att[i]);
        grads->exp_att[i] = slot_gradient(t, slot, f->exp_att[i]);
        grads->color[i] = slot_gradient(t, slot, f->color[i]);
        grads->unc[i] = slot_gradient(t, slot, f->unc[i]);
    }
    for (int i = 0; i < 3; i++) grads->sigma[i] = slot_gradient(t, slot, f->sigma[i]);
}

static void backward_block(block *b, stk_field_grads *grads, stk_field_dcond *dcond) {
    stk_trainer *t = b->trainer;
    block_scratch *s = b->scratch;
    const stk_field_cond cond = conditions(t);
    for (int i = 0; i < b->tiles; i++) {
        stk_field_in in = tile_input(b, i);
        size_t lane = (size_t)i * STK_TILE;
        const stk_field_dout dout = {s->dsigma + lane, s->drgb + 3 * lane, s->damb_aud + lane,
                                     s->damb_exp + lane, uncertain(t) ? s->dunc + lane : NULL};
        float *denc =
            t->tiles.denc + (size_t)(b->tile_base + i) * (size_t)t->nets.field.shape.enc * STK_TILE;
        t->field.backward(&t->nets.field.shape, &t->weights, &cond, &in,
                          s->acts + (size_t)i * t->field_act_floats, &dout,
                          &(stk_field_din){grads, dcond, denc});
    }
}

/* The audio net of this slot's frame, backward; rows as in the forward. */
static void audio_backward(stk_trainer *t, int slot) {
    const float *window[STK_AUDIO_WINDOW];
    stk_train_window(t, slot, window);
    stk_audio_net_backward(&t->nets.audio, &t->nets.params, t->nets.params.value, window,
                           t->audio_acts + (size_t)slot * t->audio_act_floats,
                           t->daudio + (size_t)slot * STK_AUD,
                           t->slot_grads + (size_t)slot * t->dense_total);
}

/* Where the rays end with open lids. */
static void look_for_ends(block *b) {
    block_scratch *s = b->scratch;
    for (int r = 0; r < b->rays; r++) s->ray_row[r] = stk_train_lids_open(b->trainer, b->slot);
    forward_block(b);
    for (int r = 0; r < b->rays; r++) {
        const stk_ray_out out = composite_ray(b, r);
        s->ray_end[r] = stk_train_lids_end(&out);
        s->ray_row[r] = (uint16_t)b->slot;
    }
    memset(b->trainer->tiles.counts + b->tile_base, 0, (size_t)b->tiles * sizeof(int));
    b->looked += b->samples;
}

/* What lids.c makes of the block's rays. */
static void turn_lids(block *b) {
    block_scratch *s = b->scratch;
    const int turned = stk_train_lids_turn(b->trainer, b->slot);
    if (turned) look_for_ends(b);
    stk_train_lids(b->trainer, b->slot,
                   &(stk_train_rays){b->ray_base, b->rays, b->picks, s->ray_end, s->ray_origin,
                                     s->ray_dir, s->ray_row});
    for (int r = 0; turned && r < b->rays; r++)
        if (s->ray_row[r] != b->slot) march_ray(b, r);
}

/* The slot's block from its ray `first` on (of `count`), its tiles from `tile` on, marched and
 * evaluated. */
static void open_block(block *b, int first, int count, int tile) {
    const stk_trainer *t = b->trainer;
    int all;
    b->ray_base = stk_train_first_ray(&t->plan, b->slot, &all) + first;
    b->picks = t->picks + b->ray_base;
    b->rays = count - first < BLOCK_RAYS ? count - first : BLOCK_RAYS;
    b->tile_base = tile;
    march_block(b);
    turn_lids(b);
    forward_block(b);
}

static void open_slot(block *b, stk_trainer *t, int slot, int worker) {
    const int tiles = t->plan.slot_tiles;
    *b = (block){.trainer = t, .scratch = &t->scratch[worker], .slot = slot};
    const stk_performance *p = &t->performance;
    stk_ngp_camera_from_pose(&p->camera, &p->poses[t->frame_list[slot]], &b->camera);
    for (int i = 0; i < BLOCK_TILES * STK_TILE; i++) b->scratch->cond_row[i] = (uint16_t)slot;
    memset(t->tiles.counts + slot * tiles, 0, (size_t)tiles * sizeof(int));
}

/* DIFFERS in cost, not in result: what the second pass needs is computed again in it. Keeping it
 * would take 2 KiB a sample (256 MiB for 16 patches), and reading that back costs about as much. */
void stk_train_look(void *ctx, int slot, int worker) {
    stk_trainer *t = ctx;
    block b;
    int count;
    stk_train_first_ray(&t->plan, slot, &count);
    open_slot(&b, t, slot, worker);
    t->results[slot].samples = 0;
    for (int first = 0; first < count; first += BLOCK_RAYS) {
        open_block(&b, first, count, slot * t->plan.slot_tiles);
        for (int r = 0; r < b.rays; r++) {
            const size_t ray = (size_t)(b.ray_base + r);
            float behind[3];
            backdrop_of(&b, r, behind);
            const stk_ray_target target = stk_train_target(&b.picks[r], behind);
            t->seen[ray] = composite_ray(&b, r);
            stk_loss_shown(&target, &t->seen[ray], t->made + 3 * ray);
            memcpy(t->real + 3 * ray, target.rgb, sizeof target.rgb);
        }
        t->results[slot].samples += b.samples;
    }
}

void stk_train_slot(void *ctx, int slot, int worker) {
    stk_trainer *t = ctx;
    memset(t->slot_grads + (size_t)slot * t->dense_total, 0, t->dense_total * sizeof(float));
    memset(t->daudio + (size_t)slot * STK_AUD, 0, STK_AUD * sizeof(float));
    memset(t->dcode + (size_t)slot * STK_CODE, 0, STK_CODE * sizeof(float));
    stk_field_grads grads = {0};
    stk_field_dcond dcond = {t->daudio, t->dcode};
    slot_gradient_views(t, slot, &grads);
    block b;
    open_slot(&b, t, slot, worker);
    slot_result result = {0};
    int tile = slot * t->plan.slot_tiles, count;
    stk_train_first_ray(&t->plan, slot, &count);
    for (int first = 0; first < count; first += BLOCK_RAYS) {
        open_block(&b, first, count, tile);
        result.loss += composite_block(&b);
        backward_block(&b, &grads, &dcond);
        result.samples += b.samples;
        tile += b.tiles;
    }
    if (t->plan.now.terms & STK_TERM_SMOOTHNESS)
        result.smooth = stk_train_smooth(t, slot, worker, &grads);
    result.lips = (double)stk_train_lips(t, slot, t->daudio + (size_t)slot * STK_AUD,
                                         slot_gradient(t, slot, t->nets.lip_weight),
                                         slot_gradient(t, slot, t->nets.lip_bias));
    result.looked = b.looked;
    stk_train_lids_collect(t, slot);
    audio_backward(t, slot);
    t->results[slot] = result;
}
