/* spd.h - small dense systems that are symmetric and positive definite, in double: the normal
 * equations of least squares. Pure, without allocation; safe from any thread.
 */
#ifndef STK_BASE_SPD_H
#define STK_BASE_SPD_H

/* Solves a x = b by Cholesky; a [n][n] row-major, of which the lower half is read and destroyed, x
 * in b. 0, and b as it was, when a is not positive definite or holds what is no number. */
int stk_spd_solve(double *a, double *b, int n);

#endif
