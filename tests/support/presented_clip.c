/* presented_clip.c - clips of presented.h, made once a build.
 *
 *   settings -> STK_BUILD_ROOT/presented/<settings>/{clip.mp4, truth/, made}
 *
 * `made` says from which library (size and time of libsynctalk.a, which holds the presenter) and how
 * many frames. Whoever makes a clip holds the lock <settings>.lock; test programs that want the same
 * one meanwhile wait for it. Without a build folder it goes to a temporary one.
 */
#include "presented.h"
#include "support.h"
#include "base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT = 160 };

/* Size and time of the library; 0 where there is none. */
static int library_stamp(const char *build, char stamp[TEXT]) {
    char path[STK_PATH_MAX];
    struct stat info;
    TEST_OK(stk_path_join(path, sizeof path, build, "libsynctalk.a"));
    if (stat(path, &info) != 0) return 0;
    snprintf(stamp, TEXT, "%lld %lld.%09ld", (long long)info.st_size,
             (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    return 1;
}

static void name_of(const stk_presenter_settings *s, char name[TEXT]) {
    char variants[TEXT / 2] = "";
    const char *one;
    for (int i = 0; (one = stk_presenter_variant_name(&s->variant, i)) != NULL; i++)
        snprintf(variants + strlen(variants), sizeof variants - strlen(variants), "-%s", one);
    assert_true(s->text == NULL && s->audio == NULL && s->voice == NULL); /* not in the name */
    const int length = snprintf(name, TEXT, "%dx%d-%gs-%gfps-seed%d-crf%d-late%d%s%s", s->width,
                                s->height, s->seconds, s->fps, s->seed, s->crf, s->audio_offset,
                                variants, s->truth != NULL ? "-truth" : "");
    assert_in_range(length, 1, TEXT - 1);
}

static int make(stk_presenter_settings *settings, presented *p, const char *folder) {
    stk_presenter_figures result;
    TEST_OK(stk_path_join(p->clip, sizeof p->clip, folder, "clip.mp4"));
    TEST_OK(stk_path_join(p->truth, sizeof p->truth, folder, "truth"));
    settings->output = p->clip;
    if (settings->truth != NULL) settings->truth = p->truth;
    TEST_OK(stk_presenter_make(settings, NULL, &result));
    return result.frames;
}

/* Takes it from the folder when it was made by this library, else makes it there. */
static void make_once(stk_presenter_settings *settings, presented *p, const char *folder,
                      const char *stamp) {
    char note[STK_PATH_MAX], text[2 * TEXT] = "", *found;
    const size_t length = strlen(stamp);
    TEST_OK(stk_path_join(note, sizeof note, folder, "made"));
    TEST_OK(stk_directory_create(folder));
    if (stk_file_exists(note)) {
        TEST_OK(stk_file_read_text(note, sizeof text, &found));
        snprintf(text, sizeof text, "%s", found);
        stk_free(found);
    }
    if (strncmp(text, stamp, length) == 0 && text[length] == '\n') {
        p->frames = atoi(text + length);
        TEST_OK(stk_path_join(p->clip, sizeof p->clip, folder, "clip.mp4"));
        TEST_OK(stk_path_join(p->truth, sizeof p->truth, folder, "truth"));
        return;
    }
    unlink(note);
    p->frames = make(settings, p, folder);
    snprintf(text, sizeof text, "%s\n%d\n", stamp, p->frames);
    TEST_OK(stk_file_write(note, text, strlen(text)));
}

static void share(stk_presenter_settings *settings, presented *p, const char *build,
                  const char *stamp) {
    char all[STK_PATH_MAX], folder[STK_PATH_MAX], lock[STK_PATH_MAX], name[TEXT];
    name_of(settings, name);
    TEST_OK(stk_path_join(all, sizeof all, build, "presented"));
    TEST_OK(stk_directory_create(all));
    TEST_OK(stk_path_join(folder, sizeof folder, all, name));
    snprintf(lock, sizeof lock, "%.4000s.lock", folder);
    const int file = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    assert_true(file >= 0);
    assert_int_equal(flock(file, LOCK_EX), 0);
    make_once(settings, p, folder, stamp);
    close(file);
}

static void find(presented *p, stk_presenter_settings *settings) {
    const char *build = getenv("STK_BUILD_ROOT"), *folder = test_temporary_folder();
    char stamp[TEXT];
    memset(p, 0, sizeof *p);
    p->side = settings->width;
    TEST_OK(stk_path_join(p->folder, sizeof p->folder, folder, "person"));
    if (build != NULL && library_stamp(build, stamp))
        share(settings, p, build, stamp);
    else
        p->frames = make(settings, p, folder);
}

void presented_clip(presented *p, stk_presenter_settings settings) {
    settings.truth = "truth"; /* any: the place is ours */
    find(p, &settings);
}

void presented_clip_alone(presented *p, stk_presenter_settings settings) {
    settings.truth = NULL;
    find(p, &settings);
}
