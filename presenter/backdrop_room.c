/* backdrop_room.c - three rooms laid out from shapes: an office by a window, a wall of books, a
 * plain wall with a lamp.
 *
 * Light comes from the upper left of the picture, as the studio's key does (light.h): shadows of
 * furniture fall to the lower right, walls fade from left to right. The presenter covers the middle
 * (|x| < 0.25), so what is to be seen stands at the sides; wide pictures show more of the same.
 * Sequences of random numbers are drawn in the order of layout: the same look and shape of picture
 * give the same room.
 */
#include "presenter/backdrop_private.h"

#include <math.h>
#include <string.h>

static float drawn(stk_room *room, float lo, float hi) {
    return lo + (hi - lo) * stk_rng_float(&room->rng);
}

/* A new shape with crisp edges; a full room gives a spare that is not shown. */
static stk_shape *lay(stk_room *room, stk_shape_kind kind, float x, float y, float hx, float hy,
                      const float rgb[3]) {
    const int at = room->shapes < STK_ROOM_SHAPES - 1 ? room->shapes++ : STK_ROOM_SHAPES - 1;
    stk_shape *shape = &room->shape[at];
    memset(shape, 0, sizeof *shape);
    shape->kind = kind;
    shape->x = x, shape->y = y, shape->hx = hx, shape->hy = hy;
    shape->soft = 0.003f, shape->stretch = 1.0f, shape->fine = 40.0f;
    shape->seed = (uint32_t)(at * 7 + 1);
    memcpy(shape->rgb, rgb, sizeof shape->rgb);
    return shape;
}

static void shadow(stk_room *room, float x, float y, float hx, float hy, float depth) {
    const float rgb[3] = {1.0f - depth, 1.0f - 0.96f * depth, 1.0f - 0.92f * depth};
    stk_shape *shape = lay(room, STK_SHAPE_BOX, x, y, hx, hy, rgb);
    shape->mode = STK_SHAPE_DARK;
    shape->soft = 1.2f * (hx < hy ? hx : hy);
    shape->corner = 0.5f * (hx < hy ? hx : hy);
}

static void glow(stk_room *room, float x, float y, float hx, float hy, const float rgb[3]) {
    lay(room, STK_SHAPE_GLOW, x, y, hx, hy, rgb)->mode = STK_SHAPE_ADD;
}

/* Muted colours of cloth and paper bindings. */
static void book_colour(stk_room *room, float rgb[3]) {
    static const float cloth[12][3] = {
        {0.20f, 0.055f, 0.04f}, {0.045f, 0.09f, 0.17f}, {0.05f, 0.11f, 0.085f},
        {0.42f, 0.36f, 0.27f},  {0.30f, 0.19f, 0.08f},  {0.11f, 0.10f, 0.11f},
        {0.50f, 0.47f, 0.42f},  {0.07f, 0.055f, 0.10f}, {0.33f, 0.12f, 0.06f},
        {0.10f, 0.17f, 0.22f},  {0.22f, 0.23f, 0.16f},  {0.26f, 0.25f, 0.25f}};
    const float *base = cloth[stk_rng_below(&room->rng, 12)];
    const float value = drawn(room, 0.75f, 1.2f);
    for (int c = 0; c < 3; c++) rgb[c] = base[c] * value * drawn(room, 0.93f, 1.07f);
}

/* One book standing on `foot`, its left side at x; returns its thickness. */
static float book(stk_room *room, float x, float foot, float tall, float light) {
    const float hx = 0.5f * drawn(room, 0.011f, 0.027f), hy = 0.5f * tall;
    float rgb[3], band[3];
    book_colour(room, rgb);
    for (int c = 0; c < 3; c++) rgb[c] *= light, band[c] = 0.4f * rgb[c] + 0.16f * light;
    const float lean = drawn(room, 0.0f, 1.0f) > 0.93f ? drawn(room, 0.03f, 0.08f) : 0.0f;
    const float mid = x + hx + hy * lean;
    stk_shape *spine = lay(room, STK_SHAPE_BOX, mid, foot - hy, hx - 0.0007f, hy, rgb);
    spine->corner = 0.002f, spine->turn = lean;
    spine->round = 0.35f, spine->slope[0] = -0.10f, spine->slope[1] = -0.08f;
    spine->streak = 0.10f, spine->fine = 60.0f, spine->stretch = 4.0f;
    const int bands = (int)stk_rng_below(&room->rng, 4);
    for (int i = 0; i < bands; i++) {
        const float at = drawn(room, -0.8f, 0.75f) * hy, high = drawn(room, 0.001f, 0.006f);
        stk_shape *label =
            lay(room, STK_SHAPE_BOX, mid - at * lean, foot - hy + at, 0.75f * hx, high, band);
        label->turn = lean, label->round = 0.3f;
    }
    return 2.0f * hx + (lean > 0.0f ? tall * lean : 0.0f);
}

static void vase(stk_room *room, float x, float foot, float size, const float rgb[3]) {
    shadow(room, x + 0.35f * size, foot - 0.5f * size, 0.5f * size, 0.55f * size, 0.3f);
    stk_shape *neck =
        lay(room, STK_SHAPE_BOX, x, foot - 1.25f * size, 0.17f * size, 0.3f * size, rgb);
    neck->round = 0.5f, neck->slope[0] = -0.3f, neck->corner = 0.05f * size;
    stk_shape *body =
        lay(room, STK_SHAPE_OVAL, x, foot - 0.55f * size, 0.45f * size, 0.55f * size, rgb);
    body->round = 0.45f, body->slope[0] = -0.35f, body->slope[1] = -0.15f;
}

/* A row of books and things between x0 and x1 standing on `foot`, at most `room_high` tall. */
static void shelf_row(stk_room *room, float x0, float x1, float foot, float high, float light) {
    float x = x0 + 0.004f;
    while (x < x1 - 0.03f) {
        const float kind = drawn(room, 0.0f, 1.0f);
        if (kind < 0.07f) {
            x += drawn(room, 0.02f, 0.06f); /* a gap */
        } else if (kind < 0.11f && x < x1 - 0.1f) {
            float rgb[3];
            book_colour(room, rgb);
            for (int c = 0; c < 3; c++) rgb[c] = light * (0.5f * rgb[c] + 0.18f);
            const float size = drawn(room, 0.05f, 0.065f) * (high / 0.16f);
            vase(room, x + 0.6f * size, foot, stk_rng_float(&room->rng) * 0.1f * size + size, rgb);
            x += 1.25f * size;
        } else if (kind < 0.15f && x < x1 - 0.1f) {
            const int pile = 2 + (int)stk_rng_below(&room->rng, 4);
            float top = foot;
            for (int i = 0; i < pile; i++) {
                float rgb[3];
                book_colour(room, rgb);
                for (int c = 0; c < 3; c++) rgb[c] *= light;
                const float hy = 0.5f * drawn(room, 0.011f, 0.02f);
                const float hx = drawn(room, 0.036f, 0.046f);
                stk_shape *lying = lay(room, STK_SHAPE_BOX, x + 0.047f, top - hy, hx, hy, rgb);
                lying->slope[1] = -0.25f, lying->slope[0] = -0.08f, lying->corner = 0.002f;
                top -= 2.0f * hy;
            }
            x += 0.1f;
        } else {
            const int run = 3 + (int)stk_rng_below(&room->rng, 7);
            const float tall = high * drawn(room, 0.62f, 0.92f);
            for (int i = 0; i < run && x < x1 - 0.03f; i++)
                x += book(room, x, foot, tall * drawn(room, 0.9f, 1.06f), light);
        }
    }
}

/* The board below a row, with its front edge and the shadow it throws. */
static void board(stk_room *room, float x0, float x1, float y, const float rgb[3]) {
    const float middle = 0.5f * (x0 + x1), hx = 0.5f * (x1 - x0);
    shadow(room, middle + 0.01f, y + 0.022f, hx, 0.02f, 0.35f);
    stk_shape *front = lay(room, STK_SHAPE_BOX, middle, y + 0.007f, hx, 0.008f, rgb);
    front->slope[1] = -0.15f, front->slope[0] = -0.08f;
    front->streak = 0.15f, front->fine = 60.0f, front->stretch = 0.12f;
}

static void plaster(stk_room *room, const float rgb[3], float fade) {
    stk_shape *wall = lay(room, STK_SHAPE_BOX, 0.0f, 0.5f, room->half + 0.1f, 0.6f, rgb);
    wall->slope[0] = -fade, wall->slope[1] = -0.10f;
    wall->streak = 0.05f, wall->fine = 5.0f;
    stk_shape *grain = lay(room, STK_SHAPE_BOX, 0.0f, 0.5f, room->half + 0.1f, 0.6f,
                           (const float[3]){1.0f, 1.0f, 1.0f});
    grain->mode = STK_SHAPE_DARK;
    grain->streak = 0.07f, grain->fine = 42.0f;
}

static void plant(stk_room *room, float x, float foot, float size) {
    const float clay[3] = {0.42f, 0.38f, 0.33f}, stem[3] = {0.05f, 0.08f, 0.03f};
    shadow(room, x + 0.25f * size, foot - 0.8f * size, 0.5f * size, 0.7f * size, 0.22f);
    for (int i = 0; i < 46; i++) {
        const float angle = drawn(room, -1.25f, 1.25f), far = drawn(room, 0.35f, 1.0f);
        const float back = (float)i / 45.0f; /* later leaves are nearer and brighter */
        const float length = size * drawn(room, 0.20f, 0.34f) * (0.7f + 0.5f * far);
        const float root = 0.45f * size;
        const float lx = x + sinf(angle) * far * 0.75f * size;
        const float ly = foot - root - (0.25f + 0.95f * cosf(angle) * far) * 0.8f * size;
        const float green[3] = {0.035f + 0.09f * back * drawn(room, 0.5f, 1.1f),
                                0.075f + 0.15f * back * drawn(room, 0.7f, 1.1f),
                                0.030f + 0.045f * back};
        stk_shape *stalk = lay(room, STK_SHAPE_BOX, 0.5f * (x + lx), 0.5f * (foot - root + ly),
                               0.003f, 0.5f * hypotf(lx - x, foot - root - ly), stem);
        stalk->turn = atan2f(lx - x, foot - root - ly);
        stk_shape *leaf =
            lay(room, STK_SHAPE_LEAF, lx, ly, length * drawn(room, 0.16f, 0.24f), length, green);
        leaf->turn = angle * 1.15f + drawn(room, -0.35f, 0.35f);
        leaf->slope[0] = -0.45f, leaf->slope[1] = -0.25f;
    }
    stk_shape *pot =
        lay(room, STK_SHAPE_BOX, x, foot - 0.22f * size, 0.30f * size, 0.30f * size, clay);
    pot->round = 0.45f, pot->slope[0] = -0.3f, pot->corner = 0.06f * size;
}

static void picture(stk_room *room, float x, float y, float hx, float hy, const float tone[3]) {
    const float frame[3] = {0.11f, 0.085f, 0.065f}, mat[3] = {0.62f, 0.60f, 0.56f};
    shadow(room, x + 0.012f, y + 0.016f, hx + 0.016f, hy + 0.016f, 0.35f);
    stk_shape *edge = lay(room, STK_SHAPE_BOX, x, y, hx, hy, frame);
    edge->slope[0] = -0.35f, edge->slope[1] = -0.35f;
    lay(room, STK_SHAPE_BOX, x, y, hx - 0.008f, hy - 0.008f, mat);
    const float ix = hx - 0.03f, iy = hy - 0.032f;
    const float sky[3] = {0.45f * tone[0] + 0.22f, 0.45f * tone[1] + 0.25f,
                          0.45f * tone[2] + 0.28f};
    lay(room, STK_SHAPE_BOX, x, y, ix, iy, sky)->slope[1] = 0.25f;
    /* hills, each nearer one darker, cut off by the frame's inner border */
    for (int i = 0; i < 5; i++) {
        const float depth = (float)i / 4.0f;
        const float hill[3] = {0.26f - 0.17f * depth, 0.30f - 0.19f * depth, 0.33f - 0.23f * depth};
        const float high = iy * (0.85f - 0.65f * depth);
        stk_shape *ridge = lay(room, STK_SHAPE_BOX, x, y + iy - 0.5f * high, ix, 0.5f * high, hill);
        ridge->streak = 0.5f, ridge->fine = 30.0f, ridge->slope[0] = drawn(room, -0.3f, 0.3f);
    }
}

/* A tall window at the left border with the day outside. */
static void window(stk_room *room, float edge) {
    const float day = 1.0f / room->exposure; /* what shines is not dimmed */
    const float sky[3] = {0.86f * day, 0.93f * day, 0.98f * day}, trees[3] = {0.30f, 0.42f, 0.26f};
    const float frame[3] = {0.50f, 0.50f, 0.49f};
    const float hx = 0.21f, x = edge - hx;
    lay(room, STK_SHAPE_BOX, x, 0.36f, hx, 0.44f, frame)->slope[0] = -0.25f;
    lay(room, STK_SHAPE_BOX, x, 0.36f, hx - 0.016f, 0.424f, sky);
    for (int i = 0; i < 160; i++) { /* crowns of trees, lower ones denser and darker */
        const float down = sqrtf(stk_rng_float(&room->rng)), size = drawn(room, 0.012f, 0.034f);
        const float at = drawn(room, -0.18f, 0.18f), hill = 0.06f * sinf(17.0f * at);
        const float value = day * (drawn(room, 0.75f, 1.9f) - 0.5f * down);
        const float rgb[3] = {trees[0] * value, trees[1] * value, trees[2] * value};
        const float ty = 0.40f + 0.36f * down + hill * (1.0f - down);
        lay(room, STK_SHAPE_OVAL, x + at, ty, size, 0.7f * size, rgb)->soft = 0.02f;
    }
    for (int i = -1; i <= 1; i += 2) /* the frame again, over the leaves */
        lay(room, STK_SHAPE_BOX, x + (float)i * (hx - 0.008f), 0.36f, 0.009f, 0.44f, frame);
    lay(room, STK_SHAPE_BOX, x, 0.33f, hx, 0.007f, frame);
    lay(room, STK_SHAPE_BOX, x, 0.80f, hx + 0.012f, 0.014f, frame)->slope[1] = -0.2f;
    glow(room, edge - 0.05f, 0.3f, 0.5f, 0.6f, (const float[3]){0.12f, 0.125f, 0.125f});
}

/* Drawers along the left wall, up to `right`, top at y. */
static void sideboard(stk_room *room, float right, float y) {
    const float wood[3] = {0.27f, 0.185f, 0.115f};
    const float left = -room->half - 0.1f, middle = 0.5f * (left + right);
    shadow(room, middle + 0.03f, y + 0.1f, 0.5f * (right - left) + 0.02f, 0.12f, 0.25f);
    stk_shape *front =
        lay(room, STK_SHAPE_BOX, middle, y + 0.2f, 0.5f * (right - left) - 0.008f, 0.2f, wood);
    front->streak = 0.22f, front->fine = 40.0f, front->stretch = 0.15f;
    front->slope[0] = -0.12f, front->slope[1] = -0.25f;
    for (float x = right - 0.20f; x > left; x -= 0.20f)
        lay(room, STK_SHAPE_BOX, x, y + 0.2f, 0.002f, 0.2f, (const float[3]){0.06f, 0.04f, 0.025f});
    stk_shape *top = lay(room, STK_SHAPE_BOX, middle, y, 0.5f * (right - left), 0.009f, wood);
    top->slope[1] = -0.35f, top->slope[0] = -0.1f;
    shadow(room, middle, y + 0.017f, 0.5f * (right - left), 0.008f, 0.5f);
}

static void office(stk_room *room, const stk_look *look) {
    room->exposure = 0.66f;
    const float wood[3] = {0.30f, 0.20f, 0.12f};
    const float side = room->half > 0.6f ? 0.42f : 0.74f * room->half;
    plaster(room, look->wall_rgb, 0.16f);
    const float edge = room->half > 0.62f ? -room->half + 0.27f : -room->half + 0.055f;
    window(room, edge);
    picture(room, -side + (room->half > 0.62f ? 0.0f : 0.035f), 0.21f, 0.085f, 0.11f,
            look->accent_rgb);
    const float x0 = side - 0.13f, x1 = room->half + 0.05f;
    for (int i = 0; i < 3; i++) {
        const float foot = 0.20f + 0.25f * (float)i;
        shadow(room, 0.5f * (x0 + x1) + 0.02f, foot - 0.05f, 0.5f * (x1 - x0), 0.07f, 0.16f);
        shelf_row(room, x0 + 0.01f, x1, foot, 0.155f, 0.85f);
        board(room, x0, x1, foot, wood);
    }
    sideboard(room, -side + 0.17f, 0.83f);
    plant(room, -side + 0.01f, 0.83f, 0.20f);
    vase(room, -side + 0.125f, 0.83f, 0.045f, (const float[3]){0.28f, 0.30f, 0.33f});
}

static void library(stk_room *room, const stk_look *look) {
    room->exposure = 1.0f;
    const float wood[3] = {0.13f, 0.078f, 0.043f}, back[3] = {0.045f, 0.030f, 0.020f};
    plaster(room, look->wall_rgb, 0.2f);
    lay(room, STK_SHAPE_BOX, 0.0f, 0.5f, room->half + 0.1f, 0.6f, back);
    const float bay = 0.44f;
    const int bays = (int)ceilf((room->half + 0.22f) / bay) + 1;
    for (int b = -bays; b <= bays; b++) {
        const float x0 = (float)b * bay - 0.5f * bay, x1 = x0 + bay;
        if (x1 < -room->half - 0.05f || x0 > room->half + 0.05f) continue;
        for (int i = 0; i < 6; i++) {
            const float foot = 0.135f + 0.197f * (float)i;
            shelf_row(room, x0 + 0.012f, x1 - 0.008f, foot, 0.165f, 0.95f);
            /* the shelf above shades the upper part of the row */
            shadow(room, 0.5f * (x0 + x1), foot - 0.165f, 0.5f * bay, 0.05f, 0.5f);
            board(room, x0, x1, foot, wood);
        }
        stk_shape *post = lay(room, STK_SHAPE_BOX, x0, 0.5f, 0.012f, 0.6f, wood);
        post->slope[0] = -0.25f, post->streak = 0.2f, post->fine = 50.0f, post->stretch = 9.0f;
    }
    glow(room, -room->half, 0.15f, 0.75f, 0.8f, (const float[3]){0.055f, 0.05f, 0.042f});
    shadow(room, room->half, 0.6f, 0.35f, 0.7f, 0.3f);
}

static void lamp(stk_room *room, float x, float foot) {
    const float shade[3] = {0.95f, 0.74f, 0.46f}, brass[3] = {0.22f, 0.15f, 0.07f};
    lay(room, STK_SHAPE_BOX, x, foot - 0.12f, 0.006f, 0.13f, brass)->round = 0.5f;
    lay(room, STK_SHAPE_OVAL, x, foot - 0.005f, 0.05f, 0.012f, brass);
    for (int i = 0; i < 24; i++) { /* a cone out of slices */
        const float t = (float)i / 23.0f;
        const float value =
            (0.62f + 0.38f * (1.0f - fabsf(2.0f * t - 1.1f))) * 0.95f / room->exposure;
        const float rgb[3] = {shade[0] * value, shade[1] * value, shade[2] * value};
        stk_shape *slice =
            lay(room, STK_SHAPE_BOX, x, foot - 0.37f + 0.13f * t, 0.058f + 0.03f * t, 0.0035f, rgb);
        slice->round = 0.45f;
    }
    glow(room, x, foot - 0.28f, 0.24f, 0.30f, (const float[3]){0.20f, 0.14f, 0.07f});
}

static void plain(stk_room *room, const stk_look *look) {
    room->exposure = 0.62f;
    const float top[3] = {0.16f, 0.105f, 0.065f};
    const float side = room->half > 0.6f ? 0.45f : 0.76f * room->half;
    plaster(room, look->wall_rgb, 0.22f);
    room->shape[1].streak = 0.13f;
    glow(room, -0.75f * room->half, 0.12f, 0.6f, 0.7f, (const float[3]){0.10f, 0.10f, 0.095f});
    shadow(room, room->half, 0.75f, 0.4f, 0.5f, 0.28f);
    /* panels of a wainscot: lines that a tracker can hold on to */
    const float line = 0.60f;
    stk_shape *rail =
        lay(room, STK_SHAPE_BOX, 0.0f, line, room->half + 0.1f, 0.009f, look->wall_rgb);
    rail->slope[1] = -0.3f;
    shadow(room, 0.0f, line + 0.016f, room->half + 0.1f, 0.007f, 0.3f);
    for (float x = -1.05f; x < 1.3f; x += 0.30f)
        for (int i = 0; i < 2; i++) {
            const float inner = i ? 0.006f : 0.0f, value = i ? 1.16f : 0.80f;
            const float rgb[3] = {value, value, value};
            stk_shape *panel =
                lay(room, STK_SHAPE_BOX, x, 0.83f, 0.115f - inner, 0.18f - inner, rgb);
            panel->mode = STK_SHAPE_DARK;
            panel->slope[0] = panel->slope[1] = i ? 0.0f : 0.12f;
        }
    picture(room, -side, 0.24f, 0.10f, 0.13f, look->accent_rgb);
    const float foot = 0.66f;
    shadow(room, side + 0.03f, foot + 0.06f, 0.16f, 0.07f, 0.3f);
    lamp(room, side, foot);
    stk_shape *table = lay(room, STK_SHAPE_BOX, side + 0.02f, foot + 0.02f, 0.17f, 0.018f, top);
    table->slope[1] = -0.4f, table->streak = 0.2f, table->stretch = 0.1f;
    shelf_row(room, side - 0.13f, side - 0.055f, foot, 0.10f, 0.8f);
}

void stk_room_furnish(stk_room *room, const stk_look *look, float half) {
    room->half = half, room->shapes = 0;
    room->blur = 0.0065f, room->wall_soft = 0.018f;
    stk_rng_seed(&room->rng, (uint64_t)(uint32_t)look->seed, 61);
    switch ((look->wall % 3 + 3) % 3) {
    case 0:
        office(room, look);
        break;
    case 1:
        library(room, look);
        break;
    default:
        plain(room, look);
        break;
    }
}
