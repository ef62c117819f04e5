/* ablate_state.c - FOLDER/ablation.state, a few lines of text:
 *
 *   synctalk-ablation 1
 *   settings subject=<identity> seed=1 rays=2048 frames=16 encoder=<of its SHA-256>
 *   steps 3000
 *   trained full
 *   trained encoder
 */
#include "train/ablate.h"

#include "base/file.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_BYTES_MAX = 16 << 10 };
static const char HEADER[] = "synctalk-ablation 1";
static const int64_t STEPS_MAX = 100000000;

static stk_status damaged(const char *path) {
    return stk_fail(STK_ERR_FORMAT, "%s: is damaged; remove it, or give -o another folder", path);
}

static int find_variant(const char *key) {
    for (int v = 0; v < STK_VARIANTS; v++)
        if (strcmp(stk_variant_names[v].key, key) == 0) return v;
    return -1;
}

/* One line behind the header. */
static stk_status read_line(stk_ablate_state *state, const char *line) {
    if (strncmp(line, "steps ", 6) == 0) {
        char *end;
        state->steps = strtoll(line + 6, &end, 10);
        return *end == '\0' && state->steps > 0 && state->steps <= STEPS_MAX ? STK_OK
                                                                             : damaged(state->path);
    }
    const int variant = strncmp(line, "trained ", 8) == 0 ? find_variant(line + 8) : -1;
    if (variant < 0) return damaged(state->path);
    state->trained[variant] = 1;
    return STK_OK;
}

static stk_status read_text(stk_ablate_state *state, char *text) {
    char *rest = text, *line = strsep(&rest, "\n");
    if (line == NULL || strcmp(line, HEADER) != 0) return damaged(state->path);
    line = strsep(&rest, "\n");
    if (line == NULL || strncmp(line, "settings ", 9) != 0) return damaged(state->path);
    if (strcmp(line + 9, state->settings) != 0)
        return stk_fail(STK_ERR_MISMATCH,
                        "%s: was begun with other settings (%.200s; now %.200s); give the same, or "
                        "-o another folder",
                        state->path, line + 9, state->settings);
    while ((line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0') STK_TRY(read_line(state, line));
    return STK_OK;
}

/* Its SHA-256, cut to 16 digits: files of one name may differ, and the program's own changes with
 * its versions. */
static stk_status name_encoder(const char *encoder, char name[STK_SHA256_TEXT]) {
    const void *bytes;
    size_t size;
    if (encoder == NULL) {
        snprintf(name, STK_SHA256_TEXT, "none");
        return STK_OK;
    }
    if (strcmp(encoder, STK_AVE_BUILTIN) == 0 && stk_ave_builtin(&bytes, &size))
        stk_sha256(bytes, size, name);
    else
        STK_TRY(stk_sha256_file(encoder, name));
    name[16] = '\0';
    return STK_OK;
}

stk_status stk_ablate_state_open(stk_ablate_state *state, const stk_ablate_settings *s,
                                 const stk_subject *subject) {
    char encoder[STK_SHA256_TEXT];
    *state = (stk_ablate_state){0};
    STK_TRY(name_encoder(s->encoder, encoder));
    STK_TRY(stk_path_join(state->path, sizeof state->path, s->folder, "ablation.state"));
    snprintf(state->settings, sizeof state->settings,
             "subject=%s seed=%d rays=%d frames=%d encoder=%s",
             stk_subject_get_info(subject)->identity, s->seed, s->rays, s->frames, encoder);
    if (!stk_file_exists(state->path)) return STK_OK;
    char *text;
    STK_TRY(stk_file_read_text(state->path, STATE_BYTES_MAX, &text));
    stk_status status = read_text(state, text);
    stk_free(text);
    if (status == STK_OK && s->steps > 0 && state->steps > 0 && state->steps != s->steps)
        return stk_fail(STK_ERR_MISMATCH,
                        "%s: was begun with --steps %lld; give that, or -o another folder",
                        state->path, (long long)state->steps);
    return status;
}

stk_status stk_ablate_state_save(const stk_ablate_state *state) {
    char text[STATE_BYTES_MAX];
    int n = snprintf(text, sizeof text, "%s\nsettings %s\nsteps %lld\n", HEADER, state->settings,
                     (long long)state->steps);
    for (int v = 0; v < STK_VARIANTS; v++)
        if (state->trained[v])
            n += snprintf(text + n, sizeof text - (size_t)n, "trained %s\n",
                          stk_variant_names[v].key);
    return stk_file_write(state->path, text, (size_t)n);
}
