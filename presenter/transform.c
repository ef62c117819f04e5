/* transform.c - vertices and strand points from rest space to the camera, with their light.
 *
 * Skinning blends the two bones' images; the normal is made anew from the moved triangles. Light is
 * the baked transfer times the studio's harmonics turned into the bone's frame; strands are shaded
 * here, point by point. Tasks of CANVAS_CHUNK vertices, each written once.
 */
#include "presenter/canvas_private.h"

#include <math.h>
#include <string.h>

/* Red light wanders farthest below the skin, blue least; it fills the bands that vary fastest. */
static const float SKIN_BAND[3][3] = {{1, 0.90f, 0.70f}, {1, 0.96f, 0.88f}, {1, 0.98f, 0.94f}};
static const float NEAR_M = 0.05f;
/* Strands are drawn this much nearer than they are, so that roots stand on the skin. */
static const float STRAND_LIFT_M = 0.0012f;
static const float STRAND_HALF_MIN_PX = 0.42f;

static void project(const stk_canvas *canvas, const float p[3], float *x, float *y, float *near) {
    *x = *y = *near = 0;
    if (!(p[2] < -NEAR_M)) return;
    *near = -1 / p[2];
    *x = canvas->camera.cx_px + canvas->camera.focal_px * p[0] * *near;
    *y = canvas->camera.cy_px - canvas->camera.focal_px * p[1] * *near;
}

static void skin(const stk_bones *bones, const float p[3], float bind, float out[3]) {
    const float *H = bones->head.R, *T = bones->torso.R;
    for (int i = 0; i < 3; i++) {
        const float head =
            H[3 * i] * p[0] + H[3 * i + 1] * p[1] + H[3 * i + 2] * p[2] + bones->head.t[i];
        const float torso =
            T[3 * i] * p[0] + T[3 * i + 1] * p[1] + T[3 * i + 2] * p[2] + bones->torso.t[i];
        out[i] = bind * head + (1 - bind) * torso;
    }
}

/* Light that arrives at a point: fill from the harmonics, the shares of key and rim light seen. */
typedef struct arrival {
    float fill[3], key, rim;
} arrival;

static arrival gather_light(const canvas_job *job, const float transfer[9],
                            const float key[STK_KEY_CELLS], float bind, int is_skin) {
    arrival a = {.key = 0};
    for (int bone = 0; bone < 2; bone++) {
        const float share = bone == 0 ? bind : 1 - bind;
        if (share <= 0) continue;
        const float(*h)[3] = job->harmonics[bone][is_skin];
        float sum[3] = {0, 0, 0}, seen = 0, rim = 0;
        for (int j = 0; j < 9; j++) {
            for (int c = 0; c < 3; c++) sum[c] += transfer[j] * h[j][c];
            rim += transfer[j] * job->rim_basis[bone][j];
        }
        for (int c = 0; c < STK_KEY_CELLS; c++) seen += key[c] * job->key_weight[bone][c];
        for (int c = 0; c < 3; c++) a.fill[c] += share * sum[c];
        a.key += share * seen;
        a.rim += share * rim;
    }
    for (int c = 0; c < 3; c++) a.fill[c] = canvas_max(a.fill[c], 0);
    /* the blurred cosine towards the rim light is 0.34 for a point that faces it in the open; some
     * 0.05 is what harmonics leak */
    a.rim = stk_clampf((a.rim - 0.05f) * 3.6f, 0, 1);
    return a;
}

typedef struct range_of {
    int group, first, last;
} range_of;

/* The part of task's chunk, chunks being counted group after group. */
static int find_chunk(const int *first, int groups, int task, range_of *range) {
    for (int g = 0; g < groups; g++) {
        const int count = first[g + 1] - first[g];
        const int chunks = (count + CANVAS_CHUNK - 1) / CANVAS_CHUNK;
        if (task < chunks) {
            range->group = g;
            range->first = task * CANVAS_CHUNK;
            range->last = range->first + CANVAS_CHUNK < count ? range->first + CANVAS_CHUNK : count;
            return 1;
        }
        task -= chunks;
    }
    return 0;
}

static int count_chunks(const int *first, int groups) {
    int chunks = 0;
    for (int g = 0; g < groups; g++)
        chunks += (first[g + 1] - first[g] + CANVAS_CHUNK - 1) / CANVAS_CHUNK;
    return chunks;
}

static void move_vertices(void *ctx, int task, int worker) {
    (void)worker;
    stk_canvas *canvas = ctx;
    const canvas_job *job = &canvas->job;
    range_of range;
    if (!find_chunk(job->surface_first, job->actor->surfaces, task, &range)) return;
    stk_surface *surface = job->actor->surface[range.group];
    if (surface->hidden) return;
    for (int i = range.first; i < range.last; i++)
        skin(&job->bones, surface->rest[i], surface->bind[i], surface->position[i]);
}

static void finish_vertices(void *ctx, int task, int worker) {
    (void)worker;
    stk_canvas *canvas = ctx;
    const canvas_job *job = &canvas->job;
    range_of range;
    if (!find_chunk(job->surface_first, job->actor->surfaces, task, &range)) return;
    stk_surface *surface = job->actor->surface[range.group];
    if (surface->hidden) return;
    stk_surface_normals(surface, (const float(*)[3])surface->position, range.first, range.last,
                        surface->normal);
    const int is_skin = surface->material != NULL && surface->material->kind == STK_MATERIAL_SKIN;
    canvas_vertex *vertex = canvas->vertex + job->surface_first[range.group];
    for (int i = range.first; i < range.last; i++) {
        canvas_vertex *v = vertex + i;
        project(canvas, surface->position[i], &v->x, &v->y, &v->near);
        memcpy(v->normal, surface->normal[i], sizeof v->normal);
        const arrival light =
            gather_light(job, surface->transfer[i], surface->key[i], surface->bind[i], is_skin);
        memcpy(v->light, light.fill, sizeof v->light);
        v->key = light.key;
        v->rim = light.rim;
        memcpy(surface->light[i], v->light, sizeof v->light);
        memcpy(v->uv, surface->uv[i], sizeof v->uv);
        v->open = stk_clampf(surface->transfer[i][0] * (1 / 0.282095f), 0, 1);
        v->shade = surface->shade[i];
    }
}

static void project_strand(stk_canvas *canvas, const stk_strands *strands, int strand,
                           canvas_point *point) {
    const int base = strand * strands->points;
    for (int k = 0; k < strands->points; k++) {
        const float *at = strands->position[base + k];
        canvas_point *p = point + base + k;
        const float lifted[3] = {at[0], at[1], at[2] + STRAND_LIFT_M};
        project(canvas, lifted, &p->x, &p->y, &p->near);
        const float along = (float)k / (float)(strands->points - 1);
        const float width =
            strands->width_m[0] + along * (strands->width_m[1] - strands->width_m[0]);
        const float half = 0.5f * width * canvas->camera.focal_px * p->near;
        p->half_px = canvas_max(half, STRAND_HALF_MIN_PX);
        p->alpha = strands->opacity * half / p->half_px;
    }
}

static void shade_strand(stk_canvas *canvas, stk_strands *strands, int strand,
                         canvas_point *point) {
    const int base = strand * strands->points, last = base + strands->points - 1;
    const uint32_t mixed = (uint32_t)strand * 2654435761u;
    for (int i = base; i <= last; i++) {
        const float *a = strands->position[i > base ? i - 1 : i];
        const float *b = strands->position[i < last ? i + 1 : i], *p = strands->position[i];
        const float length = sqrtf((b[0] - a[0]) * (b[0] - a[0]) + (b[1] - a[1]) * (b[1] - a[1]) +
                                   (b[2] - a[2]) * (b[2] - a[2]));
        const float away = sqrtf(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
        const float s = length > 1e-9f ? 1 / length : 0, q = away > 1e-9f ? -1 / away : 0;
        const float tangent[3] = {(b[0] - a[0]) * s, (b[1] - a[1]) * s, (b[2] - a[2]) * s};
        const float view[3] = {p[0] * q, p[1] * q, p[2] * q};
        const arrival light =
            gather_light(&canvas->job, strands->transfer[i], strands->key[i], strands->bind[i], 0);
        const canvas_hair hair = {
            .rgb = strands->rgb[strand],
            .tangent = tangent,
            .view = view,
            .fill = light.fill,
            .key = light.key,
            .rim = light.rim,
            .shine = strands->shine,
            .shift = (float)(mixed >> 16) / 65536.0f - 0.5f,
        };
        canvas_shade_hair(&canvas->light, &hair, strands->light[i]);
        canvas_tone(strands->light[i], point[i].rgb);
    }
}

static void finish_strands(void *ctx, int task, int worker) {
    (void)worker;
    stk_canvas *canvas = ctx;
    const canvas_job *job = &canvas->job;
    const int per_task = 128;
    int group = 0;
    for (;; group++) {
        if (group == job->actor->strands_count) return;
        const int chunks = (job->actor->strands[group]->count + per_task - 1) / per_task;
        if (task < chunks) break;
        task -= chunks;
    }
    stk_strands *strands = job->actor->strands[group];
    if (strands->hidden || strands->points < 2) return;
    canvas_point *point = canvas->point + job->strand_first[group];
    const int end = (task + 1) * per_task < strands->count ? (task + 1) * per_task : strands->count;
    for (int strand = task * per_task; strand < end; strand++) {
        for (int k = strand * strands->points; k < (strand + 1) * strands->points; k++)
            skin(&job->bones, strands->rest[k], strands->bind[k], strands->position[k]);
        project_strand(canvas, strands, strand, point);
        shade_strand(canvas, strands, strand, point);
    }
}

/* Harmonics and key directions as each bone sees them. */
static void turn_light(stk_canvas *canvas) {
    canvas_job *job = &canvas->job;
    const stk_pose *bones[2] = {&job->bones.head, &job->bones.torso};
    for (int bone = 0; bone < 2; bone++) {
        const float *R = bones[bone]->R, *key = canvas->light.key_dir;
        stk_light_turn(&canvas->light, R, job->harmonics[bone][0]);
        for (int j = 0; j < 9; j++)
            for (int c = 0; c < 3; c++)
                job->harmonics[bone][1][j][c] =
                    job->harmonics[bone][0][j][c] * SKIN_BAND[c][j == 0  ? 0
                                                                 : j < 4 ? 1
                                                                         : 2];
        const float local[3] = {R[0] * key[0] + R[3] * key[1] + R[6] * key[2],
                                R[1] * key[0] + R[4] * key[1] + R[7] * key[2],
                                R[2] * key[0] + R[5] * key[1] + R[8] * key[2]};
        stk_light_key_cells(local, job->key_weight[bone]);
        const float *rim = canvas->light.rim_dir;
        const float behind[3] = {R[0] * rim[0] + R[3] * rim[1] + R[6] * rim[2],
                                 R[1] * rim[0] + R[4] * rim[1] + R[7] * rim[2],
                                 R[2] * rim[0] + R[5] * rim[1] + R[8] * rim[2]};
        stk_light_basis(behind, job->rim_basis[bone]);
    }
}

void canvas_transform(stk_canvas *canvas) {
    const canvas_job *job = &canvas->job;
    turn_light(canvas);
    const int chunks = count_chunks(job->surface_first, job->actor->surfaces);
    stk_pool_run(canvas->pool, chunks, move_vertices, canvas);
    stk_pool_run(canvas->pool, chunks, finish_vertices, canvas);
    int tasks = 0;
    for (int s = 0; s < job->actor->strands_count; s++)
        tasks += (job->actor->strands[s]->count + 127) / 128;
    stk_pool_run(canvas->pool, tasks, finish_strands, canvas);
}
