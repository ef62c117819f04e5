/* synthetic_model.c */
#include "base/face_mesh.h"
#include "base/file.h"
#include "base/rng.h"
#include "support.h"
#include "synthetic_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3 * STK_MESH_LANDMARKS, MODES_MAX = 8 };

/* --- the head --------------------------------------------------------------------------------- */

static const double IDENTITY_SIGMA_M[SYNTHETIC_IDENTITIES] = {0.004, 0.003, 0.002, 0.0015, 0.001};

void synthetic_model_identity(int k, int vertex, double out[3]) {
    const float *x = stk_canonical_face()[vertex];
    stk_rng rng;
    stk_rng_seed(&rng, 77, (uint64_t)k);
    for (int i = 0; i < 3; i++) {
        double a[4];
        for (int j = 0; j < 4; j++) a[j] = (j < 3 ? 22 : 3) * stk_rng_normal(&rng);
        out[i] = IDENTITY_SIGMA_M[k] * sin(a[0] * x[0] + a[1] * x[1] + a[2] * x[2] + a[3]);
    }
}

static double bump(const float *x, double cx, double cy, double width) {
    double dx = fabs((double)x[0]) - cx, dy = x[1] - cy;
    return exp(-(dx * dx + dy * dy) / (2 * width * width));
}

void synthetic_model_expression(int k, int vertex, double out[3]) {
    const float *x = stk_canonical_face()[vertex];
    double jaw = x[1] < -0.044 ? fmin((-0.044 - x[1]) / 0.006, 1) : 0;
    const double side = x[0] > 0 ? 1 : -1;
    memset(out, 0, 3 * sizeof *out);
    if (k == 0) out[1] = -0.018 * jaw, out[2] = -0.006 * jaw;
    if (k == 1) out[0] = 0.006 * side * bump(x, 0.024, -0.043, 0.01);
    if (k == 2) out[1] = 0.008 * bump(x, 0.035, 0.05, 0.012);
}

/* The file's own axes: millimetres, turned by 0.2 rad about x, shifted. */
static const double TURN_RAD = 0.2, SHIFT_MM[3] = {3, -20, 50};

static void to_file(const double head[3], int is_point, double out[3]) {
    double c = cos(TURN_RAD), s = sin(TURN_RAD);
    out[0] = 1000 * head[0];
    out[1] = 1000 * (c * head[1] - s * head[2]);
    out[2] = 1000 * (s * head[1] + c * head[2]);
    for (int i = 0; is_point && i < 3; i++) out[i] += SHIFT_MM[i];
}

typedef struct head_numbers {
    double mean[ROWS];
    double identity[SYNTHETIC_IDENTITIES][ROWS], identity_sigma[SYNTHETIC_IDENTITIES];
    double expression[SYNTHETIC_EXPRESSIONS][ROWS], expression_sigma[SYNTHETIC_EXPRESSIONS];
} head_numbers;

/* unit: modes of length 1 with their sigma apart. */
static void fill_mode(void (*mode)(int, int, double[3]), int k, int unit, double *rows,
                      double *sigma) {
    double squares = 0;
    for (int v = 0; v < STK_MESH_LANDMARKS; v++) {
        double head[3];
        mode(k, v, head);
        to_file(head, 0, rows + 3 * v);
    }
    for (int i = 0; i < ROWS; i++) squares += rows[i] * rows[i];
    *sigma = unit ? sqrt(squares) : 1;
    for (int i = 0; i < ROWS; i++) rows[i] /= *sigma;
}

static head_numbers *make_numbers(int unit_expressions) {
    head_numbers *h = calloc(1, sizeof *h);
    assert_non_null(h);
    for (int v = 0; v < STK_MESH_LANDMARKS; v++) {
        double head[3];
        for (int i = 0; i < 3; i++) head[i] = stk_canonical_face()[v][i];
        to_file(head, 1, h->mean + 3 * v);
    }
    for (int k = 0; k < SYNTHETIC_IDENTITIES; k++)
        fill_mode(synthetic_model_identity, k, 1, h->identity[k], &h->identity_sigma[k]);
    for (int k = 0; k < SYNTHETIC_EXPRESSIONS; k++)
        fill_mode(synthetic_model_expression, k, unit_expressions, h->expression[k],
                  &h->expression_sigma[k]);
    return h;
}

/* --- bytes ------------------------------------------------------------------------------------ */

typedef struct buffer {
    unsigned char *bytes;
    size_t size, room;
} buffer;

static void put(buffer *b, const void *bytes, size_t size) {
    if (b->size + size > b->room) {
        b->room = 2 * b->room + size;
        b->bytes = realloc(b->bytes, b->room);
        assert_non_null(b->bytes);
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static void put_number(buffer *b, uint64_t number, size_t size) {
    put(b, &number, size);
}

static void put_floats(buffer *b, const double *numbers, size_t count, int wide) {
    for (size_t i = 0; i < count; i++) {
        float narrow = (float)numbers[i];
        put(b, wide ? (const void *)&numbers[i] : &narrow, wide ? 8 : 4);
    }
}

/* --- eos -------------------------------------------------------------------------------------- */

static void put_matrix(buffer *b, uint32_t rows, uint32_t columns, const double *numbers) {
    put_number(b, rows, 4);
    put_number(b, columns, 4);
    put_floats(b, numbers, (size_t)rows * columns, 0);
}

static void put_space(buffer *b, const double *mean, int modes, const double *basis,
                      const double *sigma) {
    double eigenvalues[MODES_MAX] = {0};
    const uint32_t triangle[3] = {0, 1, 2};
    for (int k = 0; k < modes; k++) eigenvalues[k] = sigma[k] * sigma[k];
    put_matrix(b, mean != NULL ? ROWS : 0, mean != NULL, mean);
    put_matrix(b, modes > 0 ? ROWS : 0, (uint32_t)modes, basis);
    put_matrix(b, (uint32_t)modes, modes > 0, eigenvalues);
    put_number(b, modes > 0, 8);
    if (modes > 0) put(b, triangle, sizeof triangle);
}

static void put_blendshapes(buffer *b, const head_numbers *h) {
    put_number(b, SYNTHETIC_EXPRESSIONS, 8);
    for (int k = 0; k < SYNTHETIC_EXPRESSIONS; k++) {
        put_number(b, 6, 8);
        put(b, "shape0", 6);
        put_matrix(b, ROWS, 1, h->expression[k]);
    }
}

static void put_expression(buffer *b, int version, const head_numbers *h) {
    const double nothing[ROWS] = {0};
    put_number(b, 0, 1); /* not absent */
    put_number(b, version != 3, 4);
    if (version == 3)
        put_space(b, nothing, SYNTHETIC_EXPRESSIONS, h->expression[0], h->expression_sigma);
    else
        put_blendshapes(b, h);
}

static void put_eos(buffer *b, int version, const head_numbers *h) {
    put_number(b, (uint64_t)version, 4);
    put_space(b, h->mean, SYNTHETIC_IDENTITIES, h->identity[0], h->identity_sigma);
    put_space(b, NULL, 0, NULL, NULL);
    if (version >= 2) put_expression(b, version, h);
    if (version >= 3) {
        put_number(b, 0, 1);
        put_number(b, 1, 8);
        put_number(b, 4, 8);
        put(b, "chin", 4);
        put_number(b, 152, 4);
    }
    put_number(b, 1, 8);
    put_number(b, 0, 8), put_number(b, 0, 8);
    if (version >= 4) put_number(b, 0, 8);
}

/* --- numpy.save of a dictionary --------------------------------------------------------------- */

typedef struct pickler {
    buffer *b;
    int protocol, wide;
} pickler;

static void put_text(pickler *p, const char *text) {
    size_t n = strlen(text);
    if (p->protocol >= 4) {
        put(p->b, "\x8c", 1);
        put_number(p->b, n, 1);
    } else {
        put(p->b, "X", 1);
        put_number(p->b, n, 4);
    }
    put(p->b, text, n);
}

static void put_class(pickler *p, const char *module, const char *name) {
    if (p->protocol >= 4) {
        put_text(p, module);
        put_text(p, name);
        put(p->b, "\x93", 1);
    } else {
        put(p->b, "c", 1);
        put(p->b, module, strlen(module));
        put(p->b, "\n", 1);
        put(p->b, name, strlen(name));
        put(p->b, "\n", 1);
    }
}

/* A bytes object; protocol 2 spells it as a call that encodes a text in Latin 1. */
static void put_bytes(pickler *p, const unsigned char *bytes, size_t size) {
    if (p->protocol > 2) {
        put(p->b, "B", 1);
        put_number(p->b, size, 4);
        put(p->b, bytes, size);
        return;
    }
    buffer text = {0};
    for (size_t i = 0; i < size; i++) {
        unsigned char two[2] = {(unsigned char)(0xc0 | bytes[i] >> 6),
                                (unsigned char)(0x80 | (bytes[i] & 0x3f))};
        if (bytes[i] < 0x80)
            put(&text, &bytes[i], 1);
        else
            put(&text, two, 2);
    }
    put_class(p, "_codecs", "encode");
    put(p->b, "X", 1);
    put_number(p->b, text.size, 4);
    put(p->b, text.bytes, text.size);
    put_text(p, "latin1");
    put(p->b, "\x86R", 2);
    free(text.bytes);
}

/* _reconstruct(ndarray, (0,), b'b'), then the mark of its state: (1, shape, dtype, order, data) */
static void begin_array(pickler *p, const char *type) {
    const char *multiarray =
        p->protocol >= 4 ? "numpy._core.multiarray" : "numpy.core.multiarray"; /* NumPy 2, 1 */
    put_class(p, multiarray, "_reconstruct");
    put_class(p, "numpy", "ndarray");
    put(p->b, "K\0\x85", 3);
    put_bytes(p, (const unsigned char *)"b", 1);
    put(p->b, "\x87R(K\1", 5);
    if (strcmp(type, "O8") == 0) put(p->b, ")", 1);
}

static void put_type(pickler *p, const char *type) {
    put_class(p, "numpy", "dtype");
    put_text(p, type);
    put(p->b, "\x89\x88\x87R(K\3", 7);
    put_text(p, "<");
    put(p->b, "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb", 17);
}

static void put_array(pickler *p, const char *name, const double *numbers, uint32_t modes,
                      uint32_t rows) {
    buffer data = {0};
    uint32_t extent[2] = {modes, rows};
    put_text(p, name);
    begin_array(p, "f");
    for (int i = modes == 0; i < 2; i++) {
        put(p->b, "J", 1);
        put(p->b, &extent[i], 4);
    }
    put(p->b, modes == 0 ? "\x85" : "\x86", 1);
    put_type(p, p->wide ? "f8" : "f4");
    put(p->b, p->wide && modes > 0 ? "\x88" : "\x89", 1);
    if (p->wide && modes > 0) /* column after column */
        for (uint32_t r = 0; r < rows; r++)
            for (uint32_t k = 0; k < modes; k++) put_floats(&data, &numbers[k * rows + r], 1, 1);
    else
        put_floats(&data, numbers, (size_t)(modes + (modes == 0)) * rows, p->wide);
    put_bytes(p, data.bytes, data.size);
    put(p->b, "tb", 2);
    free(data.bytes);
}

static void put_npy(buffer *b, int protocol, int wide, const head_numbers *h) {
    const double nothing[ROWS] = {0};
    pickler p = {b, protocol, wide};
    char header[118];
    memset(header, ' ', sizeof header);
    const char text[] = "{'descr': '|O', 'fortran_order': False, 'shape': (), }";
    memcpy(header, text, sizeof text - 1);
    header[sizeof header - 1] = '\n';
    put(b, "\x93NUMPY\1\0", 8);
    put_number(b, sizeof header, 2);
    put(b, header, sizeof header);
    put(b, "\x80", 1);
    put_number(b, (uint64_t)protocol, 1);
    begin_array(&p, "O8");
    put_type(&p, "O8");
    put(b, "\x89](}(", 5);
    put_array(&p, "mu_shape", h->mean, 0, ROWS);
    put_array(&p, "b_shape", h->identity[0], SYNTHETIC_IDENTITIES, ROWS);
    put_array(&p, "sig_shape", h->identity_sigma, 0, SYNTHETIC_IDENTITIES);
    put_array(&p, "mu_exp", nothing, 0, ROWS);
    put_array(&p, "b_exp", h->expression[0], SYNTHETIC_EXPRESSIONS, ROWS);
    put_array(&p, "sig_exp", h->expression_sigma, 0, SYNTHETIC_EXPRESSIONS);
    put(b, "uetb.", 5);
}

/* --- files ------------------------------------------------------------------------------------ */

static void write_landmarks(const char *path) {
    buffer table = {0};
    char name[STK_PATH_MAX];
    snprintf(name, sizeof name, "%.*s.landmarks.txt", (int)(strrchr(path, '.') - path), path);
    const char head[] = "# points\n[landmark_mappings]\n";
    put(&table, head, sizeof head - 1);
    for (int i = 8; i < STK_POINTS_68; i++) {
        char line[64];
        int n = snprintf(line, sizeof line, "%d = %d  # point\n", i + 1, stk_mesh_of_68[i]);
        put(&table, line, (size_t)n);
    }
    const char tail[] = "[contour_landmarks]\nright = [ 1,\n 2 ]\n";
    put(&table, tail, sizeof tail - 1);
    TEST_OK(stk_file_write(name, table.bytes, table.size));
    free(table.bytes);
}

unsigned char *synthetic_model_write(synthetic_layout layout, const char *folder, char *path,
                                     size_t *size) {
    static const char *const names[SYNTHETIC_LAYOUTS] = {
        NULL,     "sfm_shape_1.bin", "two.bin", "three.bin", "four.bin",
        "p2.npy", "p3.npy",          "p4.npy",  "wide.npy"};
    int npy = layout >= SYNTHETIC_NPY_2, protocol = layout - SYNTHETIC_NPY_2 + 2;
    head_numbers *h = make_numbers(npy || layout == SYNTHETIC_EOS_3);
    buffer model = {0}, shapes = {0};
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, names[layout]));
    if (npy)
        put_npy(&model, layout == SYNTHETIC_NPY_F64 ? 3 : protocol, layout == SYNTHETIC_NPY_F64, h);
    else
        put_eos(&model, (int)layout, h);
    TEST_OK(stk_file_write(path, model.bytes, model.size));
    if (layout == SYNTHETIC_EOS_1) {
        char beside[STK_PATH_MAX];
        TEST_OK(stk_path_join(beside, STK_PATH_MAX, folder, "expression_blendshapes_1.bin"));
        put_blendshapes(&shapes, h);
        TEST_OK(stk_file_write(beside, shapes.bytes, shapes.size));
        free(shapes.bytes);
    }
    write_landmarks(path);
    free(h);
    *size = model.size;
    return model.bytes;
}
