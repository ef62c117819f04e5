/* hand.c - the left hand that goes up before the mouth: skin, nails, sleeve.
 *
 *   hand_form.c (own frame) -> rest space, raised -> lowered by a rigid motion of all of it
 *
 * The back of the hand looks at the camera, fingers point to the picture's upper left, the forearm
 * comes from below on the right. Raised = 1 is modelled; less lowers it in front of the chest.
 */
#include "presenter/hand.h"

#include <math.h>
#include <string.h>

#include "base/image.h"
#include "base/memory.h"
#include "presenter/hand_private.h"
#include "presenter/noise.h"

enum { HAND_SKIN, HAND_NAILS, HAND_SLEEVE, HAND_PIECES };
enum { SLEEVE_AROUND = 40, SLEEVE_ALONG = 34 };

struct stk_hand {
    stk_surface surface[HAND_PIECES];
    stk_material material[HAND_PIECES];
    float (*raised[HAND_PIECES])[3];
};

/* Axes of the hand's frame in the rest space, by rows, and the wrist. */
static const float AXES[3][3] = {
    {-0.8660f, 0.4975f, -0.0500f}, {0.4906f, 0.8651f, 0.1046f}, {0.0953f, 0.0661f, 0.9932f}};
static const float WRIST[3] = {0.0900f, -0.1000f, 0.0920f};
static const float ELBOW[3] = {0.2700f, -0.4000f, 0.0500f};

static void to_rest(float p[3]) {
    float q[3];
    for (int i = 0; i < 3; i++)
        q[i] = WRIST[i] + p[0] * AXES[0][i] + p[1] * AXES[1][i] + p[2] * AXES[2][i];
    memcpy(p, q, sizeof q);
}

/* Where skin lies in its texture: the hand seen from its back. */
static void skin_place(const float p[3], float uv[2]) {
    uv[0] = stk_clampf((p[0] + 0.05f) / 0.26f, 0.0f, 1.0f);
    uv[1] = stk_clampf(0.5f - p[1] / 0.26f, 0.0f, 1.0f);
}

/* Height of wrinkles over the joints and fine cells of the skin; `red` where blood shows. */
static float skin_relief(const stk_hand_form *form, float x, float y, float *red) {
    float height = 0.0f, nearest, second;
    *red = 0.0f;
    for (int f = 0; f < STK_FINGERS; f++)
        for (int j = 0; j < STK_FINGER_JOINTS; j++) {
            const float *a = form->joint[f][j];
            const float *b = form->joint[f][j < 3 ? j + 1 : 2];
            const float bx = b[0] - a[0], by = b[1] - a[1], scale = 1.0f / (hypotf(bx, by) + 1e-6f);
            const float along = ((x - a[0]) * bx + (y - a[1]) * by) * scale;
            const float across = ((y - a[1]) * bx - (x - a[0]) * by) * scale;
            const float near = expf(-(along * along / 0.00003f + across * across / 0.00006f));
            *red += near * (j == 0 ? 0.7f : j == 3 ? 0.8f : 1.0f);
            if (j == 1 || j == 2)
                height += 0.00028f * near * cosf(along * 6.2831853f / 0.0026f + 25.0f * across);
        }
    stk_noise_cells3(650.0f * x, 900.0f * y, 1.0f, 5u, &nearest, &second);
    height += 0.00008f * (second - nearest);
    const float vein = stk_noise3(30.0f * x, 70.0f * y + 18.0f * x, 3.0f, 8u);
    const float back = stk_smoothstep(0.0f, 0.025f, x) * stk_smoothstep(0.09f, 0.065f, x);
    return height + 0.0005f * back * expf(-vein * vein * 40.0f);
}

static stk_status paint_skin(stk_material *material, const stk_hand_form *form,
                             const stk_look *look, int side) {
    STK_TRY(stk_image_init(&material->texture.colour, side, side, 4));
    STK_TRY(stk_image_init(&material->texture.detail, side, side, 4));
    const float step = 0.26f / (float)side;
    for (int row = 0; row < side; row++)
        for (int column = 0; column < side; column++) {
            const float x = step * ((float)column + 0.5f) - 0.05f;
            const float y = 0.13f - step * ((float)row + 0.5f);
            float red, spare;
            const float here = skin_relief(form, x, y, &red);
            const float right = skin_relief(form, x + step, y, &spare);
            const float below = skin_relief(form, x, y - step, &spare);
            const float blotch = stk_noise_fractal3(110.0f * x, 110.0f * y, 2.0f, 3, 11u);
            const float flush = stk_clampf(0.5f * red + 0.25f * blotch, -0.3f, 1.0f);
            const float tint[3] = {1.0f + 0.02f * blotch, 0.95f - 0.17f * flush,
                                   0.93f - 0.19f * flush};
            uint8_t *colour = stk_image_row(&material->texture.colour, row) + 4 * column;
            uint8_t *detail = stk_image_row(&material->texture.detail, row) + 4 * column;
            for (int c = 0; c < 3; c++) {
                const float light = stk_clampf(look->skin_rgb[c] * tint[c], 0.0f, 1.0f);
                colour[c] = (uint8_t)(255.0f * stk_srgb_from_linear(light) + 0.5f);
            }
            colour[3] = detail[3] = 255;
            detail[0] = (uint8_t)(128.5f + 127.0f * stk_clampf((right - here) / step, -1, 1));
            detail[1] = (uint8_t)(128.5f + 127.0f * stk_clampf((below - here) / step, -1, 1));
            detail[2] = 125;
        }
    return STK_OK;
}

/* The forearm's sleeve: a tube from the wrist to the elbow, its opening turned in, with folds. */
static void lay_sleeve(stk_sheet *sheet, float size) {
    float way[3], side[3], front[3], length = 0.0f;
    for (int i = 0; i < 3; i++) way[i] = ELBOW[i] - WRIST[i], length += way[i] * way[i];
    length = sqrtf(length);
    for (int i = 0; i < 3; i++) way[i] /= length;
    const float flat = sqrtf(way[0] * way[0] + way[1] * way[1]);
    side[0] = -way[1] / flat, side[1] = way[0] / flat, side[2] = 0.0f;
    for (int i = 0; i < 3; i++)
        front[i] = side[(i + 1) % 3] * way[(i + 2) % 3] - side[(i + 2) % 3] * way[(i + 1) % 3];
    for (int r = 0; r < SLEEVE_ALONG; r++)
        for (int c = 0; c < SLEEVE_AROUND; c++) {
            const int at = sheet->vertices + r * SLEEVE_AROUND + c;
            const float s = r < 4 ? 0.0f : (float)(r - 4) / (float)(SLEEVE_ALONG - 5);
            const float turn = 6.2831853f * (float)c / SLEEVE_AROUND;
            static const float lip[4][2] = {
                {0.020f, -0.004f}, {0.002f, -0.0035f}, {0, -0.002f}, {-0.0006f, -0.0008f}};
            const float along = 0.022f + s * (length + 0.02f) + (r < 4 ? lip[r][0] : 0.0f);
            const float cx = cosf(turn), sx = sinf(turn);
            const float fold = stk_noise3(2.2f * cx, 2.2f * sx, 26.0f * along + 2.0f * sx, 3u) +
                               0.5f * stk_noise3(3.0f * cx, 3.0f * sx, 70.0f * along, 4u);
            const float radius = size * (0.0385f + 0.016f * s) + (r < 4 ? lip[r][1] : 0.0f) +
                                 0.0035f * fold * stk_smoothstep(0.0f, 0.12f, s);
            for (int i = 0; i < 3; i++)
                sheet->point[at][i] =
                    WRIST[i] + along * way[i] + radius * (sx * side[i] + 0.86f * cx * front[i]);
            sheet->shade[at] = 1.0f;
            stk_cloth_place(sheet->point[at], 0.6f, sheet->uv[at]);
        }
    for (int r = 0; r + 1 < SLEEVE_ALONG; r++)
        for (int c = 0; c < SLEEVE_AROUND; c++) {
            const int32_t a = sheet->vertices + r * SLEEVE_AROUND + c;
            const int32_t b = sheet->vertices + r * SLEEVE_AROUND + (c + 1) % SLEEVE_AROUND;
            const int32_t quad[2][3] = {{a, b + SLEEVE_AROUND, a + SLEEVE_AROUND},
                                        {a, b, b + SLEEVE_AROUND}};
            memcpy(sheet->triangle[sheet->triangles], quad, sizeof quad);
            sheet->triangles += 2;
        }
    sheet->vertices += SLEEVE_AROUND * SLEEVE_ALONG;
}

static void turn_into_rest(stk_sheet *sheet) {
    for (int i = 0; i < sheet->vertices; i++) to_rest(sheet->point[i]);
    for (int t = 0; t < sheet->triangles; t++) { /* a mirrored frame */
        const int32_t swap = sheet->triangle[t][1];
        sheet->triangle[t][1] = sheet->triangle[t][2], sheet->triangle[t][2] = swap;
    }
}

static stk_status build_piece(int piece, const stk_hand_form *form, float size, stk_sheet *sheet) {
    if (piece == HAND_SLEEVE) {
        lay_sleeve(sheet, size);
        return STK_OK;
    }
    if (piece == HAND_SKIN) {
        STK_TRY(stk_hand_polygonise(form, sheet));
        for (int i = 0; i < sheet->vertices; i++) skin_place(sheet->point[i], sheet->uv[i]);
    } else
        stk_hand_nails(form, sheet);
    turn_into_rest(sheet);
    return STK_OK;
}

static stk_status finish_piece(stk_hand *hand, int piece, const stk_hand_form *form,
                               const stk_look *look) {
    static const char *const name[HAND_PIECES] = {"hand", "nails", "sleeve"};
    const float size = look->woman ? 0.93f : 1.03f;
    stk_sheet sheet;
    STK_TRY(stk_sheet_init(&sheet, 16000));
    stk_surface *surface = &hand->surface[piece];
    stk_status status = build_piece(piece, form, size, &sheet);
    const stk_part part = piece == HAND_SLEEVE ? STK_PART_TORSO : STK_PART_HAND;
    if (status == STK_OK) status = stk_sheet_surface(&sheet, name[piece], part, surface);
    stk_sheet_clear(&sheet);
    STK_TRY(status);
    surface->material = &hand->material[piece];
    const size_t n = (size_t)surface->vertices;
    hand->raised[piece] = stk_calloc_aligned(n, sizeof *hand->raised[piece]);
    if (!hand->raised[piece]) return stk_fail_memory("the hand");
    memcpy(hand->raised[piece], surface->rest, n * sizeof *surface->rest);
    return STK_OK;
}

stk_status stk_hand_create(stk_hand **hand, const stk_look *look, int side) {
    *hand = NULL;
    if (side < 8 || side > 1024) return stk_fail(STK_ERR_ARGUMENT, "hand of %d texels", side);
    stk_hand *made = stk_calloc_aligned(1, sizeof *made);
    if (!made) return stk_fail_memory("the hand");
    stk_hand_form form;
    stk_hand_pose(&form, look->woman ? 0.93f : 1.03f);
    stk_status status = STK_OK;
    for (int i = 0; i < HAND_PIECES && status == STK_OK; i++)
        status = finish_piece(made, i, &form, look);
    stk_material *skin = &made->material[HAND_SKIN], *nail = &made->material[HAND_NAILS];
    skin->kind = nail->kind = STK_MATERIAL_SKIN;
    skin->specular = 0.028f, skin->roughness = 0.5f;
    nail->specular = 0.045f, nail->roughness = 0.28f;
    for (int c = 0; c < 3; c++) {
        static const float pale[3] = {0.80f, 0.62f, 0.58f};
        skin->rgb[c] = 1.0f;
        nail->rgb[c] = 0.72f * look->skin_rgb[c] + 0.28f * pale[c];
    }
    if (status == STK_OK) status = paint_skin(skin, &form, look, side / 2);
    if (status == STK_OK)
        status =
            stk_cloth_weave(&made->material[HAND_SLEEVE],
                            look->attire == STK_ATTIRE_SWEATER ? STK_CLOTH_KNIT : STK_CLOTH_TWILL,
                            look->jacket_rgb, side, 0.0f, 9u, NULL);
    if (status != STK_OK)
        stk_hand_free(&made);
    else
        stk_hand_raise(made, 0.0f);
    *hand = made;
    return status;
}

void stk_hand_free(stk_hand **hand) {
    if (!hand || !*hand) return;
    for (int i = 0; i < HAND_PIECES; i++) {
        stk_surface_clear(&(*hand)->surface[i]);
        stk_image_clear(&(*hand)->material[i].texture.colour);
        stk_image_clear(&(*hand)->material[i].texture.detail);
        stk_free((*hand)->raised[i]);
    }
    stk_free(*hand);
    *hand = NULL;
}

stk_status stk_hand_add(stk_hand *hand, stk_actor *actor) {
    for (int i = 0; i < HAND_PIECES; i++) STK_TRY(stk_actor_add_surface(actor, &hand->surface[i]));
    return STK_OK;
}

void stk_hand_raise(stk_hand *hand, float raised) {
    const float low = 1.0f - stk_smoothstep(0.0f, 1.0f, raised);
    const float turn = 0.5f * low, c = cosf(turn), s = sinf(turn);
    for (int i = 0; i < HAND_PIECES; i++)
        for (int k = 0; k < hand->surface[i].vertices; k++) {
            const float *from = hand->raised[i][k];
            float *to = hand->surface[i].rest[k];
            const float x = from[0] - WRIST[0], y = from[1] - WRIST[1];
            to[0] = WRIST[0] + c * x - s * y + 0.03f * low;
            to[1] = WRIST[1] + s * x + c * y - 0.42f * low;
            to[2] = from[2] + 0.04f * low * (1.0f - low);
        }
}
