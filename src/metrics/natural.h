/* natural.h - statistics of natural scenes, which NIQE and BRISQUE both rest on.
 *
 *   plane -> (x - mu) / (sigma + C): mean-subtracted, contrast-normalised (MSCN), 7x7 Gaussian
 *         -> asymmetric generalised Gaussian fits of it and of its products with four neighbours
 *
 * Mittal, Moorthy, Bovik 2012 (BRISQUE); Mittal, Soundararajan, Bovik 2013 (NIQE). Pure functions.
 */
#ifndef STK_METRICS_NATURAL_H
#define STK_METRICS_NATURAL_H

enum {
    STK_NATURAL_FITS = 5, /* the plane, its products with the right, lower, and both diagonal */
    STK_NATURAL_FEATURES = 36, /* 18 at each of two scales */
    STK_AGGD_SHAPES = 9801,    /* alpha 0.2, 0.201 ... 10 */
};

/* r(alpha) = G(2/alpha)^2 / (G(1/alpha) G(3/alpha)), which rises with alpha. */
typedef struct stk_aggd_table {
    double ratio[STK_AGGD_SHAPES];
} stk_aggd_table;
void stk_aggd_table_init(stk_aggd_table *table);

typedef struct stk_aggd {
    double alpha;       /* shape; 2 = Gaussian */
    double left, right; /* root mean squares of the negative and of the positive values */
} stk_aggd;
/* Moment matching. Returns 0 when values of one sign are missing (no texture); zeros count for the
 * shape only. */
int stk_aggd_fit(const stk_aggd_table *table, const double *values, int count, stk_aggd *fit);
/* left and right times sqrt(G(1/alpha) / G(3/alpha)), and the mean (beta_r - beta_l)
 * G(2/alpha) / G(1/alpha). */
void stk_aggd_scales(const stk_aggd *fit, double *left, double *right, double *mean);

/* out [height][width]; borders repeat. constant: C; |x - mu| below 1e-9 C is exactly 0, so that a
 * flat area holds no rounding noise. scratch: 2 width height. */
void stk_mscn(const double *plane, int width, int height, double constant, double *out,
              double *scratch);
/* Fits of a block of an MSCN plane. Beyond the block's border: its other side (wrap), or 0. values:
 * width height. Returns 0 when a fit fails. */
int stk_natural_fit(const stk_aggd_table *table, const double *mscn, int width, int height,
                    int stride, int wrap, double *values, stk_aggd fits[STK_NATURAL_FITS]);

#endif
