/* gradcheck.h - a hand-written backward against central differences.
 *
 *   g_i  ~  (f(x + h e_i) - f(x - h e_i)) / (x_i^+ - x_i^-)
 *
 * f returns a double and should be computed in doubles, so that the difference quotient's own error
 * (round-off 1e-16 |f| / h, truncation h^2 f''' / 6) stays far below the float gradient's. The
 * divisor is the true distance of the two rounded floats.
 */
#ifndef STK_TESTS_GRADCHECK_H
#define STK_TESTS_GRADCHECK_H

#include <stddef.h>

typedef double (*test_function)(void *context);

typedef struct test_gradient {
    const char *what;      /* names the tensor in the message */
    float *x;              /* read by f; perturbed in place and restored */
    const float *gradient; /* claimed df/dx */
    size_t n;
    size_t every; /* check entries 0, every, 2 every, ... (0 counts as 1) */
    double step;  /* h */
    double
        tolerance; /* on |difference|, relative to the largest |claimed| entry of the tensor ... */
    double absolute; /* ... plus this */
} test_gradient;

/* Fails with a message naming the worst entry; returns the largest error relative to the largest
 * claimed entry (0 when all are 0). */
double test_gradcheck(const test_gradient *check, test_function f, void *context);

#endif
