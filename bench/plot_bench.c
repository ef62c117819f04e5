/* plot_bench.c - `synctalk bench --json` as two plots in one SVG on stdout:
 *
 *   left   milliseconds a frame over the pixels of the rectangle worked on, a line for each kind of
 *          row and instruction set, with the most threads; not plain C, beside which
 *          all others would lie on the floor
 *   right  frames a second over threads at 512 px (else the largest size there is), best set
 *
 *   plot_bench run.json > doc/bench.svg
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 16, POINTS = 32, PANEL_W = 420, PANEL_H = 300, LEFT = 70, TOP = 70, GAP = 110 };

typedef struct curve {
    char name[64];
    double x[POINTS], y[POINTS];
    int count;
} curve;

typedef struct plot {
    const char *title, *x_label, *y_label;
    double x_most, y_most;
    curve curves[LINES];
    int count;
} plot;

static const char *const colours[] = {"#1b6ca8", "#c8553d", "#3f8f4f", "#7a4fa3",
                                      "#b8860b", "#4a4a4a", "#00838f", "#ad1457"};

/* --- reading ---------------------------------------------------------------------------------- */

static const char *text_of(const cJSON *row, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(row, key);
    return cJSON_IsString(value) ? value->valuestring : "";
}

static double number_of(const cJSON *row, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(row, key);
    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

static void add_point(plot *p, const char *name, double x, double y) {
    curve *c = NULL;
    for (int i = 0; i < p->count && c == NULL; i++)
        if (strcmp(p->curves[i].name, name) == 0) c = &p->curves[i];
    if (c == NULL && p->count < LINES) {
        c = &p->curves[p->count++];
        snprintf(c->name, sizeof c->name, "%s", name);
    }
    if (c == NULL || c->count == POINTS) return;
    int at = c->count++;
    for (; at > 0 && c->x[at - 1] > x; at--) { /* in order of x */
        c->x[at] = c->x[at - 1];
        c->y[at] = c->y[at - 1];
    }
    c->x[at] = x;
    c->y[at] = y;
    if (x > p->x_most) p->x_most = x;
    if (y > p->y_most) p->y_most = y;
}

static void read_rows(const cJSON *report, plot *cost, plot *scaling) {
    const cJSON *settings = cJSON_GetObjectItem(report, "settings"), *row;
    const cJSON *rows = cJSON_GetObjectItem(report, "render");
    const char *best = text_of(settings, "best_isa");
    const double most = number_of(settings, "threads");
    double size = 0;
    char name[64];
    cJSON_ArrayForEach(row, rows) {
        const double other = number_of(row, "size");
        if (size != 512 && (other == 512 || other > size)) size = other;
    }
    cJSON_ArrayForEach(row, rows) {
        const double threads = number_of(row, "threads"), seconds = number_of(row, "median_s");
        if (threads == most && strcmp(text_of(row, "isa"), "c") != 0) {
            snprintf(name, sizeof name, "%s, %s", text_of(row, "what"), text_of(row, "isa"));
            add_point(cost, name, number_of(row, "pixels") * 1e-3, seconds * 1e3);
        }
        if (number_of(row, "size") == size && strcmp(text_of(row, "isa"), best) == 0) {
            snprintf(name, sizeof name, "%s, %.0f px", text_of(row, "what"), size);
            add_point(scaling, name, threads, number_of(row, "frames_per_s"));
        }
    }
}

/* --- drawing ---------------------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, about a fifth of `most`. */
static double tick_of(double most) {
    const double rough = most / 5, power = pow(10, floor(log10(rough)));
    const double lead = rough / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

static void draw_axes(const plot *p, double x_tick, double y_tick) {
    for (double x = 0; x <= p->x_most * 1.001; x += x_tick) {
        const double at = PANEL_W * x / p->x_most;
        printf("<path class='grid' d='M%.1f 0V%d'/><text x='%.1f' y='%d' "
               "text-anchor='middle'>%g</text>\n",
               at, PANEL_H, at, PANEL_H + 18, x);
    }
    for (double y = 0; y <= p->y_most * 1.001; y += y_tick) {
        const double at = PANEL_H * (1 - y / p->y_most);
        printf("<path class='grid' d='M0 %.1fH%d'/><text x='-8' y='%.1f' "
               "text-anchor='end'>%g</text>\n",
               at, PANEL_W, at + 4, y);
    }
    printf("<text class='title' x='0' y='-22'>%s</text>\n", p->title);
    printf("<text x='%d' y='%d' text-anchor='middle'>%s</text>\n", PANEL_W / 2, PANEL_H + 38,
           p->x_label);
    printf("<text x='0' y='-6'>%s</text>\n", p->y_label);
}

static void draw_plot(plot *p, int left, int whole_x) {
    if (p->x_most <= 0 || p->y_most <= 0) return;
    const double x_tick = whole_x ? fmax(1, tick_of(p->x_most)) : tick_of(p->x_most);
    const double y_tick = tick_of(p->y_most);
    p->y_most = ceil(p->y_most / y_tick) * y_tick;
    printf("<g transform='translate(%d,%d)'>\n", left, TOP);
    draw_axes(p, x_tick, y_tick);
    for (int i = 0; i < p->count; i++) {
        const curve *c = &p->curves[i];
        const char *colour = colours[(size_t)i % (sizeof colours / sizeof *colours)];
        printf("<polyline fill='none' stroke='%s' stroke-width='2' points='", colour);
        for (int k = 0; k < c->count; k++)
            printf("%.1f,%.1f ", PANEL_W * c->x[k] / p->x_most,
                   PANEL_H * (1 - c->y[k] / p->y_most));
        printf("'/>\n");
        for (int k = 0; k < c->count; k++)
            printf("<circle r='3' fill='%s' cx='%.1f' cy='%.1f'/>\n", colour,
                   PANEL_W * c->x[k] / p->x_most, PANEL_H * (1 - c->y[k] / p->y_most));
        const int column = i % 2, line = i / 2;
        printf("<text fill='%s' x='%d' y='%d'>&#9632; %s</text>\n", colour, column * PANEL_W / 2,
               PANEL_H + 62 + 17 * line, c->name);
    }
    printf("</g>\n");
}

/* Text of the report within the picture: the characters that XML knows are left out. */
static void print_plain(const char *text) {
    for (; *text != '\0'; text++)
        if (strchr("<>&", *text) == NULL) putchar(*text);
}

static void draw(const cJSON *report, plot *cost, plot *scaling) {
    const int lines = (cost->count > scaling->count ? cost->count : scaling->count) / 2 + 1;
    const int width = 2 * PANEL_W + 2 * LEFT + GAP - 40, height = TOP + PANEL_H + 70 + 17 * lines;
    printf("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' "
           "font-size='12' fill='#222'>\n"
           "<style>.grid{stroke:#ddd}.title{font-size:15px;font-weight:bold}</style>\n"
           "<rect width='%d' height='%d' fill='white'/>\n<text x='%d' y='24'>synctalk ",
           width, height, width, height, LEFT);
    const cJSON *program = cJSON_GetObjectItem(report, "program");
    const cJSON *machine = cJSON_GetObjectItem(report, "machine");
    print_plain(text_of(program, "version"));
    printf(" ");
    print_plain(text_of(program, "label"));
    printf(" on ");
    print_plain(text_of(machine, "cpu"));
    printf(", %.0f cores, %.0f threads</text>\n", number_of(machine, "cores"),
           number_of(cJSON_GetObjectItem(report, "settings"), "threads"));
    draw_plot(cost, LEFT, 0);
    draw_plot(scaling, LEFT + PANEL_W + GAP, 1);
    printf("</svg>\n");
}

static cJSON *read_report(const char *path) {
    static char text[1 << 20];
    FILE *file = fopen(path, "r");
    if (file == NULL) return NULL;
    const size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    return cJSON_Parse(text);
}

int main(int argc, char **argv) {
    static plot cost = {.title = "Cost of a frame",
                        .x_label = "thousand pixels worked on",
                        .y_label = "milliseconds a frame"};
    static plot scaling = {.title = "Threads", .x_label = "threads", .y_label = "frames a second"};
    cJSON *report = argc == 2 ? read_report(argv[1]) : NULL;
    if (report == NULL) {
        fprintf(stderr, "usage: plot_bench FILE > PLOT.svg (FILE: of `synctalk bench --json`)\n");
        return 2;
    }
    read_rows(report, &cost, &scaling);
    if (cost.count == 0) {
        fprintf(stderr, "plot_bench: %s has no rows of frames\n", argv[1]);
        cJSON_Delete(report);
        return 1;
    }
    draw(report, &cost, &scaling);
    cJSON_Delete(report);
    return fflush(stdout) != 0;
}
