/* iris.c - the eyeball: white with veins, limbus, fibres of the iris, pupil.
 *
 *   uv = 0.5 + 0.5 direction * (angle from the optical axis / span)  ->  place on the globe
 *   angle over the iris' --> pupil, collarette, fibres, limbal ring, white
 *
 * Both eyes share the picture; it is mirrored neither in colour nor in light.
 */
#include "presenter/skin_parts.h"

#include <math.h>

#include "base/image.h"
#include "presenter/noise.h"

enum { BAND = 16 };
static const float pupil_share = 0.36f;

typedef struct iris_job {
    const stk_look *look;
    stk_texture *texture;
    float span, iris_angle; /* radians */
} iris_job;

static float mix(float a, float b, float t) {
    return a + (b - a) * t;
}

/* White of the eye: pinkish and veined away from the iris, most in the corners. */
static void white(const float dir[3], float rgb[3]) {
    float side = fabsf(dir[0]), red = stk_smoothstep(0.5f, 0.95f, side);
    float x = dir[0] * 7.0f, y = dir[1] * 7.0f, z = dir[2] * 7.0f;
    float bend = stk_noise3(x * 0.8f, y * 0.8f, z * 0.8f, 301);
    float n = stk_noise3(x * 0.5f + bend, y * 2.2f + 1.5f * bend, z * 0.5f, 302);
    float m = stk_noise3(x * 1.1f - bend, y * 3.9f + 1.2f * bend, z, 303);
    float vein =
        stk_smoothstep(0.075f, 0.0f, fabsf(n)) + 0.6f * stk_smoothstep(0.07f, 0.0f, fabsf(m));
    vein *= (0.10f + 0.45f * red) * stk_smoothstep(-0.4f, 0.4f, stk_noise3(x, y, z, 304));
    float cloud = 0.03f * stk_noise_fractal3(x * 0.5f, y * 0.5f, z * 0.5f, 3, 305);
    rgb[0] = (0.60f + cloud) * (1.0f - 0.06f * red) * (1.0f - 0.25f * vein);
    rgb[1] = (0.555f + cloud) * (1.0f - 0.24f * red) * (1.0f - 0.75f * vein);
    rgb[2] = (0.525f + cloud) * (1.0f - 0.26f * red) * (1.0f - 0.72f * vein);
}

/* r: 0 at the pupil's centre, 1 at the limbus; x, y: unit direction. */
static void iris(const stk_look *look, float r, float x, float y, float rgb[3]) {
    uint32_t seed = (uint32_t)look->seed;
    float wave = stk_noise3(x * 3.0f, y * 3.0f, 0.0f, seed + 311);
    float fine = stk_noise3(x * 17.0f, y * 17.0f, 2.2f * r, seed + 312);
    float coarse = stk_noise3(x * 6.5f, y * 6.5f, 1.3f * r, seed + 313);
    float crypt = stk_noise3(x * 4.0f, y * 4.0f, 5.0f * r, seed + 314);
    float ring = 0.56f + 0.05f * wave; /* collarette */
    float light = 1.0f + 0.45f * fine + 0.40f * coarse - 0.35f * stk_smoothstep(0.15f, 0.5f, crypt);
    light *= 1.0f + 0.35f * stk_smoothstep(0.14f, 0.0f, fabsf(r - ring));
    light *= mix(1.0f, 0.30f, stk_smoothstep(0.80f, 0.99f, r)); /* limbal ring */
    light *= mix(0.55f, 1.0f, stk_smoothstep(pupil_share, pupil_share + 0.12f, r));
    /* inside of the collarette browner, as in most eyes */
    float warm = 0.45f * stk_smoothstep(ring + 0.06f, ring - 0.12f, r);
    float brown[3] = {0.16f, 0.085f, 0.035f};
    const float *own = look->iris_rgb;
    float grey = 0.2f * own[0] + 0.7f * own[1] + 0.1f * own[2];
    for (int c = 0; c < 3; c++) {
        rgb[c] = 0.8f * mix(mix(own[c], grey, 0.22f), brown[c], warm) * light;
    }
    float pupil = stk_smoothstep(pupil_share + 0.025f, pupil_share - 0.025f, r);
    for (int c = 0; c < 3; c++) rgb[c] = mix(rgb[c], 0.004f, pupil);
}

static void eye_texel(const iris_job *job, float u, float v, float rgb[3]) {
    float radius = sqrtf(u * u + v * v), angle = 2.0f * radius * job->span;
    float x = radius > 1e-6f ? u / radius : 1.0f, y = radius > 1e-6f ? v / radius : 0.0f;
    float s = sinf(fminf(angle, 3.14159265f));
    float dir[3] = {x * s, y * s, cosf(angle)}, inside[3];
    white(dir, rgb);
    /* the limbus is soft: a grey shade reaches into the white */
    float r = angle / job->iris_angle;
    float shade = 1.0f - 0.28f * stk_smoothstep(1.30f, 1.0f, r);
    for (int c = 0; c < 3; c++) rgb[c] *= shade;
    float share = stk_smoothstep(1.06f, 0.93f, r);
    if (share <= 0.0f) return;
    iris(job->look, fminf(r, 1.0f), x, y, inside);
    for (int c = 0; c < 3; c++) rgb[c] = mix(rgb[c], inside[c], share);
}

static void iris_band(void *ctx, int task, int worker) {
    const iris_job *job = ctx;
    (void)worker;
    int side = job->texture->colour.width;
    for (int y = task * BAND; y < task * BAND + BAND && y < side; y++) {
        uint8_t *colour = stk_image_row(&job->texture->colour, y);
        uint8_t *detail = stk_image_row(&job->texture->detail, y);
        for (int x = 0; x < side; x++) {
            float u = ((float)x + 0.5f) / (float)side - 0.5f, rgb[3];
            eye_texel(job, u, ((float)y + 0.5f) / (float)side - 0.5f, rgb);
            for (int c = 0; c < 3; c++) colour[4 * x + c] = stk_skin_byte(rgb[c]);
            detail[4 * x + 2] = 18; /* roughness 0.07 */
        }
    }
}

stk_status stk_iris_paint(const stk_look *look, int side, float span, float iris_angle,
                          stk_pool *pool, stk_texture *texture) {
    STK_TRY(stk_texture_init(texture, side));
    iris_job job = {.look = look, .texture = texture, .span = span, .iris_angle = iris_angle};
    stk_pool_run(pool, (side + BAND - 1) / BAND, iris_band, &job);
    return STK_OK;
}
