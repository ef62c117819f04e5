/* look.c - see look.h.
 *
 * A person is drawn as a kind (skin, hair and eyes that occur together) and then varied within it.
 * Colours are picked in sRGB from small tables, mixed between neighbours, and made linear.
 * Each attribute has its own random stream, so that changing one leaves the others as they are.
 */
#include "presenter/look.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/types.h"

typedef struct colour {
    unsigned char r, g, b;
} colour;

/* Skin of the cheek from pale to dark under white light (sRGB), with hair and eye tables that go
 * with it: first .. last of hair_tones and iris_tones. */
typedef struct kind {
    colour skin, lips;
    int hair_first, hair_last, iris_first, iris_last;
    float freckles;
} kind;

static const colour hair_tones[] = {
    {200, 168, 118}, /* 0 blond */
    {158, 118, 74},  /* 1 dark blond */
    {138, 70, 38},   /* 2 red */
    {104, 70, 44},   /* 3 light brown */
    {72, 46, 30},    /* 4 brown */
    {46, 30, 22},    /* 5 dark brown */
    {26, 19, 16},    /* 6 black-brown */
    {18, 15, 14},    /* 7 black */
};
static const colour iris_tones[] = {
    {110, 140, 168}, /* 0 blue */
    {122, 138, 140}, /* 1 grey */
    {104, 118, 78},  /* 2 green */
    {120, 92, 50},   /* 3 hazel */
    {94, 60, 32},    /* 4 brown */
    {58, 36, 22},    /* 5 dark brown */
};
static const kind kinds[] = {
    {{232, 196, 176}, {190, 116, 108}, 0, 3, 0, 2, 0.6f},
    {{224, 184, 158}, {184, 110, 100}, 1, 5, 0, 4, 0.3f},
    {{214, 172, 142}, {178, 106, 94}, 3, 6, 2, 4, 0.1f},
    {{200, 152, 116}, {164, 96, 82}, 4, 7, 3, 5, 0.05f},
    {{172, 122, 88}, {142, 84, 72}, 6, 7, 4, 5, 0},
    {{132, 88, 62}, {116, 70, 60}, 6, 7, 5, 5, 0},
    {{92, 60, 44}, {92, 56, 50}, 7, 7, 5, 5, 0},
};
static const colour jackets[] = {{38, 44, 58}, {56, 58, 62}, {30, 32, 36}, {68, 60, 54},
                                 {44, 62, 66}, {92, 46, 44}, {70, 78, 92}, {112, 104, 92}};
static const colour shirts[] = {{236, 236, 234}, {206, 218, 232}, {228, 220, 206},
                                {176, 192, 204}, {60, 64, 72},    {216, 200, 198}};
static const colour accents[] = {{120, 34, 40}, {34, 62, 104}, {38, 88, 74}, {150, 110, 50}};
static const colour walls[] = {{176, 178, 176}, {150, 160, 168}, {186, 176, 162}, {128, 142, 138}};

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static float linear(float byte) {
    const float v = byte / 255;
    return v <= 0.04045f ? v / 12.92f : powf((v + 0.055f) / 1.055f, 2.4f);
}

/* The mix of two tones, each channel varied by a common factor exp(spread n). */
static void tone(const colour *a, const colour *b, float t, float spread, stk_rng *rng,
                 float out[3]) {
    const float factor = expf(spread * stk_clampf(stk_rng_normal(rng), -2, 2));
    out[0] = linear((float)a->r + t * (float)(b->r - a->r)) * factor;
    out[1] = linear((float)a->g + t * (float)(b->g - a->g)) * factor;
    out[2] = linear((float)a->b + t * (float)(b->b - a->b)) * factor;
    for (int k = 0; k < 3; k++) out[k] = stk_clampf(out[k], 0.002f, 0.95f);
}

static const colour *pick(const colour *table, int first, int last, stk_rng *rng) {
    return table + first + (int)stk_rng_below(rng, (uint32_t)(last - first + 1));
}

enum { STREAM_KIND = 11, STREAM_SHAPE, STREAM_SKIN, STREAM_HAIR, STREAM_EYES, STREAM_ATTIRE };

static void draw_shape(stk_look *look, int seed) {
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)seed, STREAM_SHAPE);
    /* Narrower than the canonical face, whose oval is that of a wide average. */
    static const float woman[STK_LOOK_MODES] = {-0.9f, -0.8f, -0.3f, -0.2f, -0.6f, -0.2f,
                                                -0.9f, 0,     0.7f,  0.3f,  0.6f,  0,
                                                0.2f,  -0.2f, 0,     -1.0f};
    static const float man[STK_LOOK_MODES] = {-0.1f, 0.1f, 0.4f,  0.2f, 0.2f, 0.3f, 0.7f,  0,
                                              -0.2f, 0.1f, -0.3f, 0.1f, 0.1f, 0.3f, -0.2f, 0.7f};
    for (int i = 0; i < STK_LOOK_MODES; i++) {
        const float mean = look->woman ? woman[i] : man[i];
        look->shape[i] = stk_clampf(mean + 0.85f * stk_rng_normal(&rng), -2, 2);
    }
}

static void draw_skin_and_eyes(stk_look *look, int seed, const kind *k, const kind *next, float t) {
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)seed, STREAM_SKIN);
    tone(&k->skin, &next->skin, t, 0.05f, &rng, look->skin_rgb);
    tone(&k->lips, &next->lips, t, 0.06f, &rng, look->lip_rgb);
    if (look->woman)
        look->lip_rgb[0] *= 1.08f, look->lip_rgb[1] *= 0.88f, look->lip_rgb[2] *= 0.92f;
    look->ruddiness = stk_clampf(0.35f + 0.2f * stk_rng_normal(&rng), 0, 1);
    look->freckles = k->freckles * stk_rng_float(&rng) * stk_rng_float(&rng);
    look->stubble = look->woman ? 0 : stk_rng_float(&rng) * 0.6f;
    stk_rng_seed(&rng, (uint64_t)seed, STREAM_EYES);
    const colour *iris = pick(iris_tones, k->iris_first, k->iris_last, &rng);
    tone(iris, iris, 0, 0.12f, &rng, look->iris_rgb);
}

static void draw_hair(stk_look *look, int seed, const kind *k) {
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)seed, STREAM_HAIR);
    const colour *hair = pick(hair_tones, k->hair_first, k->hair_last, &rng);
    tone(hair, hair, 0, 0.12f, &rng, look->hair_rgb);
    const float darker = look->hair_rgb[0] > 0.12f ? 0.42f : 0.8f; /* blond people's brows */
    for (int c = 0; c < 3; c++) look->brow_rgb[c] = look->hair_rgb[c] * darker;
    const uint32_t draw = stk_rng_below(&rng, 4);
    if (look->woman)
        look->hair = draw == 0 ? STK_HAIR_SHORT : draw == 1 ? STK_HAIR_PARTED : STK_HAIR_BOB;
    else
        look->hair = draw < 2 ? STK_HAIR_SHORT : STK_HAIR_PARTED;
}

static void draw_attire(stk_look *look, int seed) {
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)seed, STREAM_ATTIRE);
    look->attire = (stk_attire_style)stk_rng_below(&rng, STK_ATTIRE_STYLES);
    const colour *c = pick(jackets, 0, COUNT(jackets) - 1, &rng);
    tone(c, c, 0, 0.1f, &rng, look->jacket_rgb);
    c = pick(shirts, 0, COUNT(shirts) - 1, &rng);
    tone(c, c, 0, 0.04f, &rng, look->shirt_rgb);
    c = pick(accents, 0, COUNT(accents) - 1, &rng);
    tone(c, c, 0, 0.1f, &rng, look->accent_rgb);
    look->wall = (int)stk_rng_below(&rng, 4);
    c = pick(walls, 0, COUNT(walls) - 1, &rng);
    tone(c, c, 0, 0.06f, &rng, look->wall_rgb);
}

static void set(float out[3], colour c) {
    out[0] = linear(c.r), out[1] = linear(c.g), out[2] = linear(c.b);
}

/* The person of the README: a woman of about 35 with brown hair. */
static void known_person(stk_look *look) {
    static const float shape[STK_LOOK_MODES] = {-1.5f, -1.0f, -0.8f, -1.2f, -0.8f, -0.4f,
                                                -1.4f, 0.5f,  1.0f,  0.5f,  0.6f,  1.2f,
                                                0.1f,  -0.7f, -0.3f, -0.9f};
    look->woman = 1;
    memcpy(look->shape, shape, sizeof shape);
    set(look->skin_rgb, (colour){224, 184, 160});
    set(look->lip_rgb, (colour){186, 106, 100});
    set(look->hair_rgb, (colour){78, 50, 33});
    set(look->brow_rgb, (colour){62, 41, 29});
    set(look->iris_rgb, (colour){108, 84, 52});
    look->ruddiness = 0.35f, look->freckles = 0.1f, look->stubble = 0;
    look->hair = STK_HAIR_PARTED;
    look->attire = STK_ATTIRE_JACKET_ROUND;
    set(look->jacket_rgb, (colour){40, 50, 70});
    set(look->shirt_rgb, (colour){232, 228, 220});
    set(look->accent_rgb, (colour){150, 110, 50});
    look->wall = 0;
    set(look->wall_rgb, (colour){168, 174, 174});
}

void stk_look_draw(stk_look *look, int seed) {
    memset(look, 0, sizeof *look);
    look->seed = seed;
    if (seed == 1) {
        known_person(look);
        return;
    }
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)seed, STREAM_KIND);
    look->woman = (int)stk_rng_below(&rng, 2);
    const float place = stk_rng_float(&rng) * ((float)COUNT(kinds) - 1.01f); /* pale .. dark */
    const int at = (int)place;
    const kind *k = kinds + at, *next = k + 1;
    draw_shape(look, seed);
    draw_skin_and_eyes(look, seed, k, next, place - (float)at);
    draw_hair(look, seed, k);
    draw_attire(look, seed);
}
