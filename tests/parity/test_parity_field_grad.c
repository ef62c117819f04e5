/* The gradients of whole training steps against the published code: samples -> field -> compositing
 * -> loss (reference.md 5.2) -> back through compositing, field, tables, audio attention and audio
 * net.
 *
 * The loss is written out here, ray by ray; the trainer has its own. Samples, pixels, masks and
 * noise come from the fixtures, so that only the arithmetic is compared. Tolerances: loss 1e-5
 * relative, each gradient 1e-3 in relative L2 norm (shared/parity/README.md; float noise
 * is 2.3e-4).
 */
#include "support.h"
#include "audio_code.h"
#include "checkpoint.h"
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/types.h"
#include "face_sync/audio.h"
#include "kernels/march.h"
#include "nn/pth.h"

/* The samples of a step in tiles, with all that hangs on them. */
typedef struct batch {
    int tiles;
    int64_t n;
    int *counts;
    float *xyz, *dir, *dt, *t;                 /* [tiles][3][64] twice, [tiles][64] twice */
    float *sigma, *rgb, *aud, *eye, *unc;      /* outputs */
    float *dsigma, *drgb, *daud, *deye, *dunc; /* and their gradients */
    float *acts, *denc;
} batch;

typedef struct step {
    stk_params params;
    stk_field field;
    stk_field_weights weights;
    float *grad; /* [params.total] */
    float audio[STK_AUD], exp[STK_EXP_MAX], daudio[STK_AUD], dcode_unused[STK_CODE];
    int code_row;
    double factor; /* global step / iterations */
    double loss;
} step;

static float *tiles_of(int tiles, int channels) {
    float *block = stk_calloc_aligned((size_t)tiles * (size_t)channels * STK_TILE, sizeof(float));
    assert_non_null(block);
    return block;
}

/* [n][stride], columns first.. -> [tiles][channels][64]. */
static void to_tiles(const float *flat, int64_t n, int stride, int first, int channels,
                     float *out) {
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < channels; k++)
            out[(i / STK_TILE * channels + k) * STK_TILE + i % STK_TILE] =
                flat[i * stride + first + k];
}

static void batch_init(batch *b, const stk_safetensors *file, const stk_field *field) {
    float *xyz = test_fixture_f32(file, "march/xyzs", &b->n);
    float *dir = test_fixture_f32(file, "march/dirs", NULL);
    float *deltas = test_fixture_f32(file, "march/deltas", NULL);
    b->n /= 3;
    int tiles = b->tiles = (int)((b->n + STK_TILE - 1) / STK_TILE);
    float **const three[] = {&b->xyz, &b->dir, &b->rgb, &b->drgb};
    float **const one[] = {&b->dt,  &b->t,      &b->sigma, &b->aud,  &b->eye,
                           &b->unc, &b->dsigma, &b->daud,  &b->deye, &b->dunc};
    for (size_t i = 0; i < STK_ARRAY_SIZE(three); i++) *three[i] = tiles_of(tiles, 3);
    for (size_t i = 0; i < STK_ARRAY_SIZE(one); i++) *one[i] = tiles_of(tiles, 1);
    b->denc = tiles_of(tiles, field->shape.enc);
    b->acts = tiles_of(tiles, (int)(stk_field_act_floats(&field->shape) / STK_TILE));
    b->counts = stk_calloc_aligned((size_t)tiles, sizeof *b->counts);
    assert_non_null(b->counts);
    for (int t = 0; t < tiles; t++)
        b->counts[t] = (int)(b->n - (int64_t)t * STK_TILE < STK_TILE ? b->n % STK_TILE : STK_TILE);
    to_tiles(xyz, b->n, 3, 0, 3, b->xyz);
    to_tiles(dir, b->n, 3, 0, 3, b->dir);
    to_tiles(deltas, b->n, 2, 0, 1, b->dt);
    to_tiles(deltas, b->n, 2, 1, 1, b->t);
    stk_free(xyz), stk_free(dir), stk_free(deltas);
}

static void batch_clear(batch *b) {
    float *blocks[] = {b->xyz, b->dir,    b->dt,   b->t,    b->sigma, b->rgb,  b->aud,  b->eye,
                       b->unc, b->dsigma, b->drgb, b->daud, b->deye,  b->dunc, b->acts, b->denc};
    for (size_t i = 0; i < STK_ARRAY_SIZE(blocks); i++) stk_free(blocks[i]);
    stk_free(b->counts);
}

static const uint16_t row_zero[STK_TILE];

static stk_field_in tile_in(const batch *b, int t) {
    return (stk_field_in){b->xyz + t * 3 * STK_TILE, b->dir + t * 3 * STK_TILE, row_zero,
                          b->counts[t]};
}

static stk_field_cond step_cond(const step *s) {
    const float *codes = s->params.value + s->params.list[s->field.codes].offset;
    return (stk_field_cond){s->audio, s->exp, codes + s->code_row * STK_CODE};
}

static void forward(const step *s, batch *b) {
    size_t acts = stk_field_act_floats(&s->field.shape);
    stk_field_cond cond = step_cond(s);
    for (int t = 0; t < b->tiles; t++) {
        int at = t * STK_TILE;
        stk_field_in in = tile_in(b, t);
        stk_field_out out = {b->sigma + at, b->rgb + 3 * at, b->aud + at, b->eye + at, b->unc + at};
        s->field.kernels.forward(&s->field.shape, &s->weights, &cond, &in, b->acts + acts * t,
                                 &out);
    }
}

static void backward(step *s, batch *b, stk_field_dcond *dcond) {
    const stk_field_shape *shape = &s->field.shape;
    size_t acts = stk_field_act_floats(shape);
    stk_field_cond cond = step_cond(s);
    stk_field_grads grads;
    stk_field_grads_view(&s->field, &s->params, s->grad, &grads);
    for (int t = 0; t < b->tiles; t++) {
        int at = t * STK_TILE;
        stk_field_in in = tile_in(b, t);
        stk_field_dout dout = {b->dsigma + at, b->drgb + 3 * at, b->daud + at, b->deye + at,
                               b->dunc + at};
        s->field.kernels.backward(
            shape, &s->weights, &cond, &in, b->acts + acts * t, &dout,
            &(stk_field_din){&grads, dcond, b->denc + (size_t)at * shape->enc});
    }
    for (int p = 0; p < STK_PLANES; p++)
        for (int level = 0; level < shape->grid.levels; level++)
            s->field.kernels.grid_backward(shape, p, level, b->tiles, b->counts, b->xyz, b->denc,
                                           s->grad + s->params.list[s->field.plane[p]].offset);
}

/* One ray's pixel: |c - g| averaged over channels, and its gradient by the composited values, both
 * still to be weighted. c = clamp(rgb + (1 - weight) bg) passes no gradient outside [0, 1]. */
typedef struct pixel {
    double error, distance, drgb[3], dweight;
} pixel;

static pixel pixel_loss(const stk_ray_out *ray, const float *bg, const float *image,
                        const float *expected) {
    pixel p = {0};
    double square = 0;
    for (int k = 0; k < 3; k++) {
        double c = ray->rgb[k] + (1.0 - ray->weight) * bg[k];
        double clamped = c < 0 ? 0 : c > 1 ? 1 : c, difference = clamped - image[k];
        assert_float_equal(clamped, expected[k], 2e-4);
        p.error += fabs(difference) / 3;
        square += difference * difference;
        p.drgb[k] = c == clamped ? (difference > 0 ? 1.0 : difference < 0 ? -1.0 : 0) / 3 : 0;
        p.dweight -= p.drgb[k] * bg[k];
    }
    p.distance = sqrt(square);
    return p;
}

/* Terms of reference.md 5.2 that the plain loss lacks: (a) and (e) of one ray. */
static void uncertain_and_opaque(const step *s, const stk_ray_out *ray, const pixel *p,
                                 double attention, int in_face, int n, stk_ray_dout *d,
                                 double *loss) {
    double sf = s->factor, beta = 1.0 + ray->unc, log_beta = log(beta);
    double blend = (1 - sf) + sf * attention;
    double factor = 0.2 + 0.8 * (blend < 0 ? 0 : blend > 10 ? 10 : blend);
    *loss += factor * p->error / n;
    for (int k = 0; k < 3; k++) d->rgb[k] = (float)(factor * p->drgb[k] / n);
    double dweight = factor * p->dweight / n, dunc;
    if (in_face) {
        *loss += 0.01 * sf * (p->distance / (2 * beta * beta) + log_beta * log_beta / 2) / n;
        dunc = 0.01 * sf * (-p->distance / (beta * beta * beta) + log_beta / beta) / n;
    } else {
        *loss += 0.01 * sf * ray->unc / n;
        dunc = 0.01 * sf / n;
    }
    double w = ray->weight < 1e-5 ? 1e-5 : ray->weight > 1 - 1e-5 ? 1 - 1e-5 : ray->weight;
    *loss -= 1e-4 * (w * log2(w) + (1 - w) * log2(1 - w)) / n;
    if (w == (double)ray->weight) dweight -= 1e-4 * (log2(w) - log2(1 - w)) / n;
    d->weight = (float)dweight;
    d->unc = (float)dunc;
}

typedef struct pixels {
    float *bg, *image, *expected;
    uint8_t *face, *lowface;
    int32_t *rays;
    int n;
} pixels;

static void pixels_init(pixels *px, const stk_safetensors *file) {
    int64_t n;
    px->bg = test_fixture_f32(file, "in/bg_color", &n);
    px->n = (int)(n / 3);
    px->image = test_fixture_f32(file, "in/images", NULL);
    px->expected = test_fixture_f32(file, "pred_rgb", NULL);
    px->face = test_fixture_raw(file, "in/face_mask", STK_U8, NULL);
    px->lowface = test_fixture_raw(file, "in/lowface_mask", STK_U8, NULL);
    px->rays = test_fixture_raw(file, "march/rays", STK_I32, NULL);
}

static void pixels_clear(pixels *px) {
    stk_free(px->bg), stk_free(px->image), stk_free(px->expected), stk_free(px->face);
    stk_free(px->lowface), stk_free(px->rays);
}

/* Composites all rays, adds up the loss and feeds its gradient back to the samples. full: the loss
 * of training; else the plain one. */
static void rays_loss(step *s, batch *b, const pixels *px, int full) {
    enum { RAYS = 512 };
    stk_march_kernels march;
    stk_march_kernels_init(&march);
    const stk_samples samples = {b->sigma, b->rgb, b->aud, b->eye, b->unc, b->dt, b->t};
    stk_dsamples dsamples = {b->dsigma, b->drgb, b->daud, b->deye, b->dunc};
    static stk_ray_out out[RAYS];
    double sum = 0;
    int n = px->n;
    assert_int_equal(n, RAYS);
    for (int i = 0; i < n; i++) {
        march.composite(&samples, px->rays[3 * i + 1], px->rays[3 * i + 2], &out[i]);
        sum += exp((double)out[i].unc);
    }
    for (int i = 0; i < n; i++) {
        pixel p = pixel_loss(&out[i], px->bg + 3 * i, px->image + 3 * i, px->expected + 3 * i);
        stk_ray_dout d = {.weight = (float)(p.dweight / n)};
        double lambda = 1e-4 / n, l_aud = lambda, l_exp = lambda;
        if (full) {
            l_aud = px->lowface[i] ? 0 : lambda * s->factor;
            l_exp = px->lowface[i] ? lambda * s->factor : 0;
            uncertain_and_opaque(s, &out[i], &p, exp((double)out[i].unc) / sum * n, px->face[i], n,
                                 &d, &s->loss);
        } else {
            s->loss += p.error / n;
            for (int k = 0; k < 3; k++) d.rgb[k] = (float)(p.drgb[k] / n);
        }
        s->loss += l_aud * out[i].amb_aud + l_exp * out[i].amb_exp;
        d.amb_aud = (float)l_aud;
        d.amb_exp = (float)l_exp;
        march.composite_backward(&samples, px->rays[3 * i + 1], px->rays[3 * i + 2], &out[i], &d,
                                 &dsamples);
    }
}

/* Mean |a - b| over n samples times factor; gradient by b. */
static double smooth_term(const float *a, const float *b, int64_t n, double factor, float *db) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double difference = (double)b[i] - a[i];
        sum += fabs(difference);
        db[i] = (float)(factor / (double)n * (difference > 0 ? 1 : difference < 0 ? -1 : 0));
    }
    return factor * sum / (double)n;
}

/* Term (h): the same samples moved; gradient only through the moved ones, codes detached. */
static void smoothness(step *s, const batch *still, const stk_safetensors *file) {
    static const char what[] = "reg_u";
    batch moved;
    batch_init(&moved, file, &s->field);
    float *u = test_fixture_f32(file, what, NULL);
    for (int64_t i = 0; i < 3 * moved.n; i++) {
        int64_t sample = i / 3, tile = sample / STK_TILE;
        moved.xyz[(tile * 3 + i % 3) * STK_TILE + sample % STK_TILE] += (2 * u[i] - 1) * 1e-3f;
    }
    forward(s, &moved);
    double factor = s->factor * 1e-5;
    s->loss += smooth_term(still->unc, moved.unc, moved.n, factor, moved.dunc);
    s->loss += smooth_term(still->aud, moved.aud, moved.n, factor, moved.daud);
    s->loss += smooth_term(still->eye, moved.eye, moved.n, factor, moved.deye);
    float unused[STK_AUD] = {0};
    backward(s, &moved, &(stk_field_dcond){unused, s->dcode_unused});
    stk_free(u);
    batch_clear(&moved);
}

static void step_init(step *s, const stk_safetensors *file, const char *checkpoint) {
    memset(s, 0, sizeof *s);
    test_checkpoint_field(checkpoint, STK_EXPRESSIONS, &s->params, &s->field);
    stk_field_weights_view(&s->field, &s->params, s->params.value, &s->weights);
    s->grad = stk_calloc_aligned(s->params.total, sizeof *s->grad);
    assert_non_null(s->grad);
    float *auds = test_fixture_f32(file, "in/auds", NULL);
    test_audio_code(checkpoint, auds, s->audio);
    stk_free(auds);
    TEST_OK(stk_safetensors_read_f32(file, "in/eye", s->exp, STK_EXPRESSIONS));
    s->code_row = (int)test_fixture_number(file, "in/index");
}

static void compare_gradients(const step *s, const stk_safetensors *file) {
    for (int i = 0; i < s->params.n; i++) {
        const stk_param *p = &s->params.list[i];
        char name[96];
        snprintf(name, sizeof name, "grad/%s", p->name);
        float *want = test_fixture_f32(file, name, NULL);
        double error = test_relative_l2(s->grad + p->offset, want, p->count);
        if (!(error <= 1e-3)) fail_msg("%s is wrong by %.3g (relative L2)", name, error);
        stk_free(want);
    }
}

/* On from the field's gradient by the audio code, through attention and audio net. */
static void compare_audio_gradients(const step *s, const stk_safetensors *file,
                                    const char *checkpoint) {
    stk_audio_net net;
    stk_params params;
    stk_pth *model;
    const float *rows[STK_AUDIO_WINDOW];
    float code[STK_AUDIO_CODE], *auds = test_fixture_f32(file, "in/auds", NULL);
    TEST_OK(stk_params_init(&params));
    TEST_OK(stk_audio_net_register(&net, &params, STK_AUDIO_AVE));
    TEST_OK(stk_params_seal(&params, 1));
    TEST_OK(stk_pth_open(&model, checkpoint));
    TEST_OK(stk_params_load_pth(&params, stk_pth_model(model), checkpoint, NULL));
    stk_pth_close(&model);
    float *acts = stk_calloc_aligned(stk_audio_net_act_floats(&net), sizeof *acts);
    assert_non_null(acts);
    for (int i = 0; i < STK_AUDIO_WINDOW; i++) rows[i] = auds + i * net.row_floats;
    stk_audio_net_forward(&net, &params, params.value, rows, acts, code);
    stk_audio_net_backward(&net, &params, params.value, rows, acts, s->daudio, params.grad);
    for (int i = 0; i < params.n; i++) {
        char name[96];
        snprintf(name, sizeof name, "grad/%s", params.list[i].name);
        float *want = test_fixture_f32(file, name, NULL);
        double error = test_relative_l2(stk_params_grad(&params, i), want, params.list[i].count);
        if (!(error <= 1e-3)) fail_msg("%s is wrong by %.3g (relative L2)", name, error);
        stk_free(want);
    }
    stk_free(acts), stk_free(auds);
    stk_params_clear(&params);
}

static void check_step(const char *fixture, uint32_t mask) {
    const char *checkpoint = test_shared_or_skip("parity/official_A.pth");
    stk_safetensors *file = test_fixture_open(fixture);
    stk_cpu_set_mask(mask);
    int full = strcmp(fixture, "A_grad_simple") != 0;
    step s;
    batch b;
    pixels px;
    step_init(&s, file, checkpoint);
    if (full)
        s.factor = test_fixture_number(file, "global_step") / test_fixture_number(file, "iters");
    batch_init(&b, file, &s.field);
    pixels_init(&px, file);
    float *codes = s.grad + s.params.list[s.field.codes].offset;
    stk_field_dcond dcond = {s.daudio, codes + s.code_row * STK_CODE};
    forward(&s, &b);
    rays_loss(&s, &b, &px, full);
    backward(&s, &b, &dcond);
    if (stk_safetensors_find(file, "reg_u") != NULL) smoothness(&s, &b, file);
    double loss = test_fixture_number(file, "loss");
    assert_float_equal(s.loss, loss, 1e-5 * loss);
    compare_gradients(&s, file);
    compare_audio_gradients(&s, file, checkpoint);
    pixels_clear(&px);
    batch_clear(&b);
    stk_free(s.grad);
    stk_params_clear(&s.params);
    stk_safetensors_close(&file);
}

static void simple_loss_gradients_agree(void **state) {
    (void)state;
    check_step("A_grad_simple", 0);
    check_step("A_grad_simple", STK_CPU_AVX2);
    check_step("A_grad_simple", UINT32_MAX);
}

static void training_loss_gradients_agree(void **state) {
    (void)state;
    check_step("A_grad_step", 0);
    check_step("A_grad_step", UINT32_MAX);
}

static void smoothness_gradients_agree(void **state) {
    (void)state;
    check_step("A_grad_step_reg", 0);
    check_step("A_grad_step_reg", UINT32_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_loss_gradients_agree),
        cmocka_unit_test(training_loss_gradients_agree),
        cmocka_unit_test(smoothness_gradients_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
