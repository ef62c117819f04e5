/* gradcheck.c */
#include "gradcheck.h"
#include "support.h"

#include <math.h>

static double quotient(float *x, double step, test_function f, void *context) {
    float kept = *x, above = (float)((double)kept + step), below = (float)((double)kept - step);
    *x = above;
    double high = f(context);
    *x = below;
    double low = f(context);
    *x = kept;
    return (high - low) / ((double)above - (double)below);
}

double test_gradcheck(const test_gradient *check, test_function f, void *context) {
    size_t every = check->every > 0 ? check->every : 1, worst_at = 0;
    double largest = 0, worst = 0, worst_quotient = 0;
    for (size_t i = 0; i < check->n; i++) largest = fmax(largest, fabs((double)check->gradient[i]));
    for (size_t i = 0; i < check->n; i += every) {
        double measured = quotient(&check->x[i], check->step, f, context);
        double error = fabs(measured - (double)check->gradient[i]);
        if (error <= worst) continue;
        worst = error; /* a NaN comes here too and fails below */
        worst_at = i;
        worst_quotient = measured;
        if (!(error <= check->tolerance * largest + check->absolute)) break;
    }
    if (!(worst <= check->tolerance * largest + check->absolute))
        fail_msg("%s[%zu]: gradient %.9g, central difference %.9g, largest entry %g", check->what,
                 worst_at, (double)check->gradient[worst_at], worst_quotient, largest);
    return largest > 0 ? worst / largest : 0;
}
