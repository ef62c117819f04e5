/* bake.c - visibility of the surroundings and of the key light from every vertex and strand point.
 *
 *   directions: some over the whole sphere (for `transfer`), some around the key's place (for
 *   `key`), see `plans`; in batches of BATCH:
 *     maps      [BATCH][SIDE][SIDE] largest distance along the direction of all that casts;
 *               one task a map
 *     receivers one task a chunk; bilinear share of the four nearest texels that do not hide it
 *
 * Every receiver sums its directions in order, so the result is the same for any number of threads.
 */
#include "presenter/canvas_private.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

#define PI_F 3.14159265f

enum {
    DIRECTIONS_MAX = 180,
    BATCH = 12,
    SIDE = 256,
    CHUNK = 512,
    STRAND_STEP = 2,
    CELLS_MAX = STK_KEY_CELLS,
};

static const float DEGREE = PI_F / 180;

/* How many directions: of the sky; of the key by yaw and pitch, and their steps in degrees. */
typedef struct light_plan {
    int sky, yaws, pitches;
    float yaw_step, pitch_step;
} light_plan;

static const light_plan plans[] = {
    [STK_LIGHT_FINE] = {96, 12, 7, 10, 9}, [STK_LIGHT_COARSE] = {32, 7, 4, 18, 18}};

/* Spacing of the baked places of the key light, and its size as a Gaussian. A head that turns by
 * more than two cells keeps the outermost. */
static const float CELL_YAW = 22 * PI_F / 180, CELL_PITCH = 18 * PI_F / 180;
static const float KEY_SIGMA = 7.5f * PI_F / 180;
static const float UNCAST_HOLD = 0.2f;
static const float HAIR_WIDTH_M = 4e-4f;
/* Light gets this deep into hair before it is taken for hidden. */
static const float HAIR_DEPTH_M = 0.009f;
/* What hides a point sends back this share of the dome's light. */
static const float BOUNCE = 0.22f;
/* Surfaces of wet things seen less than this on average lie in a closed mouth: they are lit when
 * it opens, their makers darken them by `shade`. */
static const float ENCLOSED = 0.25f, ENCLOSED_LIGHT = 0.6f;

typedef struct light_direction {
    float d[3], u[3], v[3]; /* towards the light, and across */
    float low[2], scale;    /* texel = (p.u - low) scale */
    int cells;
    int cell[CELLS_MAX];
    float weight[CELLS_MAX];
    float basis[9]; /* sky only, times the solid angle / pi */
} light_direction;

typedef struct light_receiver {
    float p[3], n[3];
    float *transfer, *key;
    float facing[STK_KEY_CELLS]; /* weights of `key` so far */
    float depth;                 /* m, on top of the map's own tolerance */
    float hold;                  /* share of the usual distance held off its surface */
    int between;                 /* gets the mean of its neighbours on the strand */
} light_receiver;

typedef struct light_baker {
    const stk_actor *actor;
    light_plan plan;
    int ways; /* used directions */
    light_direction directions[DIRECTIONS_MAX];
    light_receiver *receivers;
    int vertices;     /* of all surfaces */
    float (*flat)[3]; /* [BATCH][vertices] */
    int count, first; /* receivers; first direction of this batch */
    float (*maps)[SIDE * SIDE];
    float *spare; /* [receivers][STK_KEY_CELLS] */
} light_baker;

static float dot3(const float a[3], const float b[3]) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void key_place(float *yaw, float *pitch) {
    stk_light studio;
    stk_light_studio(&studio);
    *yaw = atan2f(studio.key_dir[0], studio.key_dir[2]);
    *pitch = asinf(studio.key_dir[1]);
}

static void from_angles(float yaw, float pitch, float out[3]) {
    out[0] = sinf(yaw) * cosf(pitch);
    out[1] = sinf(pitch);
    out[2] = cosf(yaw) * cosf(pitch);
}

static float wrap_angle(float a) {
    return a > PI_F ? a - 2 * PI_F : a < -PI_F ? a + 2 * PI_F : a;
}

void stk_light_key_cells(const float key[3], float weight[STK_KEY_CELLS]) {
    float yaw, pitch;
    key_place(&yaw, &pitch);
    const float across = stk_clampf(wrap_angle(atan2f(key[0], key[2]) - yaw) / CELL_YAW +
                                        0.5f * (STK_KEY_ACROSS - 1),
                                    0, STK_KEY_ACROSS - 1.001f);
    const float up = stk_clampf((asinf(stk_clampf(key[1], -1, 1)) - pitch) / CELL_PITCH +
                                    0.5f * (STK_KEY_UP - 1),
                                0, STK_KEY_UP - 1.001f);
    const int i = (int)across, j = (int)up;
    const float a = across - (float)i, b = up - (float)j;
    memset(weight, 0, STK_KEY_CELLS * sizeof *weight);
    weight[j * STK_KEY_ACROSS + i] = (1 - a) * (1 - b);
    weight[j * STK_KEY_ACROSS + i + 1] = a * (1 - b);
    weight[(j + 1) * STK_KEY_ACROSS + i] = (1 - a) * b;
    weight[(j + 1) * STK_KEY_ACROSS + i + 1] = a * b;
}

static void key_weights(light_direction *direction, float yaw0, float pitch0) {
    for (int cell = 0; cell < STK_KEY_CELLS; cell++) {
        const float yaw =
            yaw0 + ((float)(cell % STK_KEY_ACROSS) - 0.5f * (STK_KEY_ACROSS - 1)) * CELL_YAW;
        const float pitch =
            pitch0 + ((float)(cell / STK_KEY_ACROSS) - 0.5f * (STK_KEY_UP - 1)) * CELL_PITCH;
        float centre[3];
        from_angles(yaw, pitch, centre);
        const float angle = acosf(stk_clampf(dot3(centre, direction->d), -1, 1)) / KEY_SIGMA;
        const float weight = expf(-0.5f * angle * angle);
        if (weight < 0.03f) continue;
        direction->cell[direction->cells] = cell;
        direction->weight[direction->cells++] = weight;
    }
}

static void across(light_direction *direction) {
    const float *d = direction->d;
    const float helper[3] = {fabsf(d[1]) < 0.9f ? 0 : 1, fabsf(d[1]) < 0.9f ? 1 : 0, 0};
    float *u = direction->u, *v = direction->v;
    u[0] = helper[1] * d[2] - helper[2] * d[1];
    u[1] = helper[2] * d[0] - helper[0] * d[2];
    u[2] = helper[0] * d[1] - helper[1] * d[0];
    const float scale = 1 / sqrtf(dot3(u, u));
    for (int i = 0; i < 3; i++) u[i] *= scale;
    v[0] = d[1] * u[2] - d[2] * u[1];
    v[1] = d[2] * u[0] - d[0] * u[2];
    v[2] = d[0] * u[1] - d[1] * u[0];
}

/* The sky by a Fibonacci spiral, equal areas; the key's surroundings by a grid of angles. */
static void make_directions(light_baker *baker) {
    const light_plan *plan = &baker->plan;
    const float sky = (float)plan->sky;
    float yaw, pitch;
    key_place(&yaw, &pitch);
    for (int i = 0; i < baker->ways; i++) {
        light_direction *direction = &baker->directions[i];
        if (i < plan->sky) {
            const float y = 1 - (2 * (float)i + 1) / sky, r = sqrtf(1 - y * y);
            const float turn = (float)i * 2.39996323f;
            direction->d[0] = r * cosf(turn);
            direction->d[1] = y;
            direction->d[2] = r * sinf(turn);
            stk_light_basis(direction->d, direction->basis);
            for (int j = 0; j < 9; j++) direction->basis[j] *= 4.0f / sky;
        } else {
            const int k = i - plan->sky, column = k % plan->yaws, row = k / plan->yaws;
            const float right = (float)column - 0.5f * (float)(plan->yaws - 1);
            const float up = (float)row - 0.5f * (float)(plan->pitches - 1);
            from_angles(yaw + right * plan->yaw_step * DEGREE,
                        pitch + up * plan->pitch_step * DEGREE, direction->d);
            key_weights(direction, yaw, pitch);
        }
        across(direction);
    }
}

static int casts(const stk_surface *surface) {
    return surface->casts && !surface->hidden;
}

/* Places of all vertices that cast in the map: its frame fits them with two texels of border. */
static void flatten(const stk_actor *actor, light_direction *direction, float (*flat)[3]) {
    float low[2] = {1e9f, 1e9f}, high[2] = {-1e9f, -1e9f};
    int count = 0;
    for (int s = 0; s < actor->surfaces; s++) {
        const stk_surface *surface = actor->surface[s];
        for (int i = 0; casts(surface) && i < surface->vertices; i++) {
            float *at = flat[count++];
            at[0] = dot3(surface->rest[i], direction->u);
            at[1] = dot3(surface->rest[i], direction->v);
            at[2] = dot3(surface->rest[i], direction->d);
            for (int k = 0; k < 2; k++) {
                low[k] = canvas_min(low[k], at[k]);
                high[k] = canvas_max(high[k], at[k]);
            }
        }
    }
    const float extent = canvas_max(canvas_max(high[0] - low[0], high[1] - low[1]), 1e-3f);
    direction->scale = (SIDE - 4) / extent;
    for (int k = 0; k < 2; k++) direction->low[k] = low[k] - 2 / direction->scale;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 2; k++)
            flat[i][k] = (flat[i][k] - direction->low[k]) * direction->scale;
}

static void fill_map(float *map, const float p[3], const float q[3], const float r[3]) {
    const float low_x = canvas_min(p[0], canvas_min(q[0], r[0]));
    const float high_x = canvas_max(p[0], canvas_max(q[0], r[0]));
    const float low_y = canvas_min(p[1], canvas_min(q[1], r[1]));
    const float high_y = canvas_max(p[1], canvas_max(q[1], r[1]));
    const int x0 = (int)low_x + 1, x1 = (int)high_x, y0 = (int)low_y + 1, y1 = (int)high_y;
    if (x0 > x1 || y0 > y1) return; /* between texels; all lie well inside the map */
    const float area = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    if (fabsf(area) < 1e-12f) return;
    const float scale = 1 / area;
    const float bx = (r[1] - p[1]) * scale, by = -(r[0] - p[0]) * scale;
    const float cx = -(q[1] - p[1]) * scale, cy = (q[0] - p[0]) * scale;
    for (int y = y0; y <= y1; y++) {
        for (int x = x0; x <= x1; x++) {
            const float dx = (float)x - p[0], dy = (float)y - p[1];
            const float b = dx * bx + dy * by, c = dx * cx + dy * cy;
            if (b < 0 || c < 0 || b + c > 1) continue;
            const float depth = p[2] + b * (q[2] - p[2]) + c * (r[2] - p[2]);
            float *texel = map + y * SIDE + x;
            if (depth > *texel) *texel = depth;
        }
    }
}

/* The hair as a whole hides light; brows, lashes and single fine hairs don't. */
static int strands_cast(const stk_strands *strands) {
    return !strands->hidden && strands->part == STK_PART_HAIR &&
           strands->width_m[0] >= HAIR_WIDTH_M;
}

static void map_place(const light_direction *direction, const float at[3], float out[3]) {
    out[0] = (dot3(at, direction->u) - direction->low[0]) * direction->scale;
    out[1] = (dot3(at, direction->v) - direction->low[1]) * direction->scale;
    out[2] = dot3(at, direction->d);
}

/* Every texel that a strand passes; some strands of many are enough. */
static void draw_strands(float *map, const light_direction *direction, const stk_strands *strands) {
    for (int i = 0; i + 1 < strands->count * strands->points; i++) {
        const int strand = i / strands->points;
        if (strand % STRAND_STEP != 0 || (i + 1) % strands->points == 0) continue;
        float a[3], b[3];
        map_place(direction, strands->rest[i], a);
        map_place(direction, strands->rest[i + 1], b);
        const float length = canvas_max(fabsf(b[0] - a[0]), fabsf(b[1] - a[1]));
        const int steps = (int)canvas_min(length, SIDE) + 1;
        for (int k = 0; k < steps; k++) {
            const float t = (float)k / (float)steps;
            const int x = (int)(a[0] + t * (b[0] - a[0]) + 0.5f);
            const int y = (int)(a[1] + t * (b[1] - a[1]) + 0.5f);
            if (x < 0 || y < 0 || x >= SIDE || y >= SIDE) continue;
            map[y * SIDE + x] = canvas_max(map[y * SIDE + x], a[2] + t * (b[2] - a[2]));
        }
    }
}

static void draw_map(void *ctx, int task, int worker) {
    (void)worker;
    light_baker *baker = ctx;
    light_direction *direction = &baker->directions[baker->first + task];
    float *map = baker->maps[task];
    float(*flat)[3] = baker->flat + (ptrdiff_t)task * baker->vertices;
    flatten(baker->actor, direction, flat);
    for (int i = 0; i < SIDE * SIDE; i++) map[i] = -1e9f;
    for (int s = 0; s < baker->actor->surfaces; s++) {
        const stk_surface *surface = baker->actor->surface[s];
        if (!casts(surface)) continue;
        for (int t = 0; t < surface->triangles; t++) {
            const int32_t *corner = surface->triangle[t];
            fill_map(map, flat[corner[0]], flat[corner[1]], flat[corner[2]]);
        }
        flat += surface->vertices;
    }
    for (int s = 0; s < baker->actor->strands_count; s++)
        if (strands_cast(baker->actor->strands[s]))
            draw_strands(map, direction, baker->actor->strands[s]);
}

/* Share of the direction's light that reaches the receiver. It is held off its surface by one and
 * a half texels, half of it along the normal, the rest towards the light. */
static float seen(const light_direction *direction, const float *map,
                  const light_receiver *receiver, float facing) {
    const float texel = 1 / direction->scale;
    const float off = receiver->hold * texel * (0.6f + 0.9f * (1 - facing));
    float p[3];
    for (int i = 0; i < 3; i++) p[i] = receiver->p[i] + off * receiver->n[i];
    const float x = (dot3(p, direction->u) - direction->low[0]) * direction->scale;
    const float y = (dot3(p, direction->v) - direction->low[1]) * direction->scale;
    const float depth = dot3(p, direction->d) + receiver->hold * 0.9f * texel + receiver->depth;
    if (!(x >= 0 && y >= 0 && x < SIDE - 1 && y < SIDE - 1)) return 1;
    const int i = (int)x, j = (int)y;
    const float a = x - (float)i, b = y - (float)j;
    const float *at = map + j * SIDE + i;
    return (1 - b) * ((at[0] <= depth) * (1 - a) + (at[1] <= depth) * a) +
           b * ((at[SIDE] <= depth) * (1 - a) + (at[SIDE + 1] <= depth) * a);
}

static void receive(void *ctx, int task, int worker) {
    (void)worker;
    light_baker *baker = ctx;
    const int end = (task + 1) * CHUNK < baker->count ? (task + 1) * CHUNK : baker->count;
    const int last = baker->first + BATCH < baker->ways ? baker->first + BATCH : baker->ways;
    for (int k = baker->first; k < last; k++) {
        const light_direction *direction = &baker->directions[k];
        const float *map = baker->maps[k - baker->first];
        for (int i = task * CHUNK; i < end; i++) {
            light_receiver *receiver = &baker->receivers[i];
            if (receiver->between) continue;
            const float facing = dot3(receiver->n, direction->d);
            if (k >=
                baker->plan.sky) { /* a little beyond the horizon, where light still wraps round */
                const float weight = canvas_max(facing, 0) + 0.02f;
                const float share =
                    facing > -0.3f ? seen(direction, map, receiver, canvas_max(facing, 0)) : 1;
                for (int c = 0; c < direction->cells; c++) {
                    const float w = weight * direction->weight[c];
                    receiver->facing[direction->cell[c]] += w;
                    receiver->key[direction->cell[c]] += w * share;
                }
            } else if (facing > 0) {
                const float share = seen(direction, map, receiver, facing) * facing;
                for (int j = 0; j < 9; j++) receiver->transfer[j] += share * direction->basis[j];
            }
        }
    }
}

static void open_transfer(const float n[3], float transfer[9]) {
    stk_light_basis(n, transfer);
    for (int j = 1; j < 4; j++) transfer[j] *= 2.0f / 3;
    for (int j = 4; j < 9; j++) transfer[j] *= 0.25f;
}

/* Divides the key's sums by their weights and adds what the hiding surfaces send back. */
static void finish(const light_receiver *receiver) {
    static const float open = 0.282095f;
    for (int c = 0; c < STK_KEY_CELLS; c++)
        receiver->key[c] = receiver->facing[c] > 0 ? receiver->key[c] / receiver->facing[c] : 1;
    if (receiver->transfer[0] < open)
        receiver->transfer[0] += BOUNCE * (open - receiver->transfer[0]);
}

/* Every second point of a strand lies between two that were lit. */
static void finish_between(const light_receiver *receivers, int count) {
    for (int i = 1; i + 1 < count; i++) {
        const light_receiver *r = &receivers[i];
        if (!r->between) continue;
        for (int j = 0; j < 9; j++) r->transfer[j] = 0.5f * (r[-1].transfer[j] + r[1].transfer[j]);
        for (int c = 0; c < STK_KEY_CELLS; c++) r->key[c] = 0.5f * (r[-1].key[c] + r[1].key[c]);
    }
}

static void finish_wet(const stk_surface *surface, const light_receiver *receivers) {
    static const float open = 0.282095f;
    float mean = 0;
    for (int i = 0; i < surface->vertices; i++) mean += surface->transfer[i][0] / open;
    mean /= (float)(surface->vertices > 0 ? surface->vertices : 1);
    if ((mean - BOUNCE) / (1 - BOUNCE) > ENCLOSED) return;
    for (int i = 0; i < surface->vertices; i++) {
        open_transfer(receivers[i].n, surface->transfer[i]);
        for (int j = 0; j < 9; j++) surface->transfer[i][j] *= ENCLOSED_LIGHT;
        for (int c = 0; c < STK_KEY_CELLS; c++) surface->key[i][c] = ENCLOSED_LIGHT;
    }
}

/* Strand normals point away from the middle of the skull, which lies behind the face's origin. */
static void add_strands(light_receiver *receivers, const stk_strands *strands) {
    static const float middle[3] = {0, 0.03f, -0.06f};
    for (int i = 0; i < strands->count * strands->points; i++) {
        light_receiver *r = &receivers[i];
        *r = (light_receiver){.transfer = strands->transfer[i],
                              .key = strands->key[i],
                              .depth = HAIR_DEPTH_M,
                              .hold = 1};
        const int k = i % strands->points;
        r->between = (k & 1) && k + 1 < strands->points;
        memcpy(r->p, strands->rest[i], sizeof r->p);
        for (int c = 0; c < 3; c++) r->n[c] = r->p[c] - middle[c];
        const float length = sqrtf(dot3(r->n, r->n));
        for (int c = 0; c < 3; c++) r->n[c] = length > 1e-6f ? r->n[c] / length : c == 2;
    }
}

static void add_surface(light_receiver *receivers, stk_surface *surface) {
    stk_surface_normals(surface, (const float(*)[3])surface->rest, 0, surface->vertices,
                        surface->normal);
    for (int i = 0; i < surface->vertices; i++) {
        receivers[i] = (light_receiver){.transfer = surface->transfer[i], .key = surface->key[i]};
        /* what casts no shadow can't shadow itself: eyes are shaded right up to the lids */
        receivers[i].hold = surface->casts ? 1 : UNCAST_HOLD;
        if (surface->material != NULL && surface->material->kind == STK_MATERIAL_HAIR)
            receivers[i].depth = HAIR_DEPTH_M;
        memcpy(receivers[i].p, surface->rest[i], sizeof receivers[i].p);
        memcpy(receivers[i].n, surface->normal[i], sizeof receivers[i].n);
    }
}

static void gather(light_baker *baker) {
    const stk_actor *actor = baker->actor;
    int at = 0;
    for (int s = 0; s < actor->surfaces; s++) {
        add_surface(baker->receivers + at, actor->surface[s]);
        at += actor->surface[s]->vertices;
    }
    for (int s = 0; s < actor->strands_count; s++) {
        add_strands(baker->receivers + at, actor->strands[s]);
        at += actor->strands[s]->count * actor->strands[s]->points;
    }
    for (int i = 0; i < at; i++) {
        memset(baker->receivers[i].transfer, 0, 9 * sizeof(float));
        memset(baker->receivers[i].key, 0, STK_KEY_CELLS * sizeof(float));
    }
}

/* One step of diffusion over the mesh: half of each vertex' light is the mean of its neighbours'.
 * `spare` has room for `size` floats a vertex. */
static void smooth(const stk_surface *surface, float *values, int size, float *spare) {
    memcpy(spare, values, (size_t)surface->vertices * (size_t)size * sizeof *spare);
    for (int v = 0; v < surface->vertices; v++) {
        const int first = surface->ring_start[v], last = surface->ring_start[v + 1];
        float *own = values + (ptrdiff_t)v * size;
        if (first == last) continue;
        const float share = 0.25f / (float)(last - first);
        for (int j = 0; j < size; j++) own[j] *= 0.5f;
        for (int r = first; r < last; r++) {
            const int32_t *t = surface->triangle[surface->ring[r] >> 2];
            const int corner = surface->ring[r] & 3;
            const float *a = spare + (ptrdiff_t)t[(corner + 1) % 3] * size;
            const float *b = spare + (ptrdiff_t)t[(corner + 2) % 3] * size;
            for (int j = 0; j < size; j++) own[j] += share * (a[j] + b[j]);
        }
    }
}

static void smooth_surface(void *ctx, int task, int worker) {
    (void)worker;
    light_baker *baker = ctx;
    const stk_surface *surface = baker->actor->surface[task];
    int at = 0; /* where its vertices begin, for a part of `spare` of its own */
    for (int s = 0; s < task; s++) at += baker->actor->surface[s]->vertices;
    float *spare = baker->spare + (ptrdiff_t)at * STK_KEY_CELLS;
    smooth(surface, surface->key[0], STK_KEY_CELLS, spare);
    smooth(surface, surface->key[0], STK_KEY_CELLS, spare);
    smooth(surface, surface->transfer[0], 9, spare);
}

stk_status stk_light_bake(stk_actor *actor, stk_light_detail detail, stk_pool *pool) {
    stk_status status = STK_OK;
    light_baker *baker = stk_calloc_aligned(1, sizeof *baker);
    if (baker == NULL) return stk_fail_memory("light baking");
    baker->actor = actor;
    baker->plan = plans[detail];
    baker->ways = baker->plan.sky + baker->plan.yaws * baker->plan.pitches;
    for (int s = 0; s < actor->surfaces; s++) {
        if ((status = stk_surface_link(actor->surface[s])) != STK_OK) goto done;
        baker->vertices += actor->surface[s]->vertices;
    }
    baker->count = baker->vertices;
    for (int s = 0; s < actor->strands_count; s++)
        baker->count += actor->strands[s]->count * actor->strands[s]->points;
    baker->receivers = stk_calloc_aligned((size_t)baker->count + 1, sizeof *baker->receivers);
    baker->maps = stk_calloc_aligned(BATCH, sizeof *baker->maps);
    baker->flat = stk_calloc_aligned((size_t)baker->vertices * BATCH + 1, sizeof *baker->flat);
    baker->spare = stk_calloc_aligned((size_t)baker->count * STK_KEY_CELLS + 1, sizeof(float));
    if (baker->receivers == NULL || baker->maps == NULL || baker->spare == NULL ||
        baker->flat == NULL) {
        status = stk_fail_memory("light baking");
        goto done;
    }
    gather(baker);
    make_directions(baker);
    for (; baker->first < baker->ways; baker->first += BATCH) {
        const int left = baker->ways - baker->first;
        stk_pool_run(pool, left < BATCH ? left : BATCH, draw_map, baker);
        stk_pool_run(pool, (baker->count + CHUNK - 1) / CHUNK, receive, baker);
    }
    for (int i = 0; i < baker->count; i++) finish(&baker->receivers[i]);
    finish_between(baker->receivers, baker->count);
    stk_pool_run(pool, actor->surfaces, smooth_surface, baker);
    for (int s = 0, at = 0; s < actor->surfaces; at += actor->surface[s++]->vertices) {
        const stk_material *material = actor->surface[s]->material;
        if (material != NULL && material->kind == STK_MATERIAL_WET)
            finish_wet(actor->surface[s], baker->receivers + at);
    }
done:
    stk_free(baker->receivers);
    stk_free(baker->maps);
    stk_free(baker->spare);
    stk_free(baker->flat);
    stk_free(baker);
    return status;
}
