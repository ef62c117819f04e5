/* hdr.c - see hdr.h.
 *
 *   8-bit signal --[BT.2100] inverse OETF of HLG, or EOTF of PQ--> linear light R, G, B
 *   --HLG: OOTF of a screen of 1000 cd/m2, gain Y^0.2--> light over that of reference white
 *   --BT.2020 to BT.709 primaries--> cut to [0,1] --gamma 1/2.4--> 8 bits
 *
 * Reference white is 203 cd/m2, HLG 75 % or PQ 58 % [BT.2408]; what is brighter is cut: a face in
 * good light lies below. Without this a clip of a phone that records HLG, as many do unasked, is
 * grey and pale. All by tables, about 5 ns a pixel.
 */
#include "media/hdr.h"
#include "base/memory.h"

#include <math.h>

enum { GAINS = 4096, CODES = 65536 };
static const double WHITE_NITS = 203, HLG_SCREEN_NITS = 1000, HLG_GAMMA = 1.2, SCREEN_GAMMA = 2.4;
/* [BT.2020] luminance */
static const float luma[3] = {0.2627f, 0.6780f, 0.0593f};
/* [BT.2087] linear BT.2020 -> BT.709 */
static const float narrow[3][3] = {
    {1.6605f, -0.5876f, -0.0728f}, {-0.1246f, 1.1329f, -0.0083f}, {-0.0182f, -0.1006f, 1.1187f}};

struct stk_hdr {
    stk_hdr_kind kind;
    int wide;
    float linear[256];     /* HLG: scene light, [0,1]; PQ: light over reference white */
    float gain[GAINS + 1]; /* HLG: by luminance of the scene */
    uint8_t code[CODES + 1];
};

static double hlg_linear(double signal) {
    const double a = 0.17883277, b = 1 - 4 * a, c = 0.5 - a * log(4 * a);
    return signal <= 0.5 ? signal * signal / 3 : (exp((signal - c) / a) + b) / 12;
}

static double pq_nits(double signal) {
    const double m1 = 2610.0 / 16384, m2 = 2523.0 / 32, c1 = 3424.0 / 4096, c2 = 2413.0 / 128,
                 c3 = 2392.0 / 128;
    const double root = pow(signal, 1 / m2);
    return 10000 * pow(fmax(root - c1, 0) / (c2 - c3 * root), 1 / m1);
}

stk_hdr *stk_hdr_create(stk_hdr_kind kind, int wide) {
    stk_hdr *hdr = stk_calloc_aligned(1, sizeof *hdr);
    if (hdr == NULL) return NULL;
    hdr->kind = kind;
    hdr->wide = wide;
    for (int i = 0; i < 256; i++)
        hdr->linear[i] =
            (float)(kind == STK_HDR_HLG ? hlg_linear(i / 255.0) : pq_nits(i / 255.0) / WHITE_NITS);
    for (int i = 0; i <= GAINS; i++)
        hdr->gain[i] =
            (float)(HLG_SCREEN_NITS / WHITE_NITS * pow((double)i / GAINS, HLG_GAMMA - 1));
    for (int i = 0; i <= CODES; i++)
        hdr->code[i] = (uint8_t)lrint(255 * pow((double)i / CODES, 1 / SCREEN_GAMMA));
    return hdr;
}

void stk_hdr_free(stk_hdr **hdr) {
    if (hdr == NULL || *hdr == NULL) return;
    stk_free(*hdr);
    *hdr = NULL;
}

static uint8_t encode(const stk_hdr *hdr, float light) {
    if (!(light > 0)) return 0;
    return hdr->code[light < 1 ? (int)(light * CODES + 0.5f) : CODES];
}

void stk_hdr_to_sdr(const stk_hdr *hdr, stk_image *rgb) {
    for (int y = 0; y < rgb->height; y++) {
        uint8_t *p = stk_image_row(rgb, y);
        for (int x = 0; x < rgb->width; x++, p += 3) {
            float light[3] = {hdr->linear[p[0]], hdr->linear[p[1]], hdr->linear[p[2]]};
            if (hdr->kind == STK_HDR_HLG) {
                const float l = luma[0] * light[0] + luma[1] * light[1] + luma[2] * light[2];
                const float gain = hdr->gain[(int)(fminf(l, 1) * GAINS + 0.5f)];
                for (int k = 0; k < 3; k++) light[k] *= gain;
            }
            for (int k = 0; k < 3; k++)
                p[k] = encode(hdr, hdr->wide ? narrow[k][0] * light[0] + narrow[k][1] * light[1] +
                                                   narrow[k][2] * light[2]
                                             : light[k]);
        }
    }
}
