/* speech_espeak.c - voices of other languages from libespeak-ng, if the user has it installed.
 *
 * eSpeak NG is under the GPL 3: it is never linked, nothing of it is part of this project, and its
 * header is not used. The few functions and the event record below are declared anew from the
 * documented interface (revision 12, version 1.51) and looked up by name at run time.
 *
 *   sentence -> espeak_Synth -> sound (22.05 kHz, 16 bits) + phoneme events (IPA, start in ms)
 *
 * Each character of an IPA name is a mouth shape (diphthongs and affricates have two); length and
 * accent marks are skipped. The events carry no stress: vowels that last longer than the sentence's
 * median take its place. The library's timing depends on what it spoke before, so every text
 * starts with a fresh copy: loaded by begin, unloaded by end, one at a time under a lock. (It does
 * not free all that it took: 10-200 kB a text. And to start it twice without unloading it hangs, so
 * a copy that somebody else loaded into this process is left alone.)
 */
#include "presenter/spoken.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct espeak_event {
    int type;
    unsigned int unique_identifier;
    int text_position, length;
    int audio_position; /* ms from the sentence's start */
    int sample;
    void *user_data;
    union {
        int number;
        const char *name;
        char string[8]; /* terminated unless all 8 are used */
    } id;
} espeak_event;

enum {
    EVENT_END = 0,
    EVENT_PHONEME = 7,
    OUTPUT_SYNCHRONOUS = 2,
    OPTION_PHONEME_EVENTS = 1,
    OPTION_PHONEME_IPA = 2,
    OPTION_DONT_EXIT = 0x8000,
    TEXT_UTF8 = 1,
    BUFFER_MS = 60,
};

typedef int espeak_callback(short *samples, int count, espeak_event *events);

typedef struct espeak_library {
    void *handle;
    int rate;
    int (*initialize)(int output, int buffer_ms, const char *path, int options);
    int (*set_voice)(const char *name);
    void (*set_callback)(espeak_callback *callback);
    int (*synth)(const void *text, size_t size, unsigned position, int position_type,
                 unsigned end_position, unsigned flags, unsigned *identifier, void *user_data);
    int (*terminate)(void);
} espeak_library;

typedef struct mark {
    int start_ms;
    char name[9];
} mark;

/* What the callback collects of one sentence; it has no argument of ours to travel in for blocks
 * without events. Guarded by the lock. */
typedef struct collection {
    int16_t *samples;
    int64_t count, capacity;
    mark *marks;
    int mark_count, mark_capacity;
    int out_of_memory;
} collection;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static espeak_library library;
static collection heard;
static int english;
static int kept; /* a copy of ours is still loaded after unload */

static int collect_samples(const short *samples, int count) {
    if (heard.count + count > heard.capacity) {
        const int64_t capacity = 2 * heard.capacity + count + 65536;
        int16_t *grown = realloc(heard.samples, (size_t)capacity * sizeof *grown);
        if (grown == NULL) return -1;
        heard.samples = grown;
        heard.capacity = capacity;
    }
    memcpy(heard.samples + heard.count, samples, (size_t)count * sizeof *samples);
    heard.count += count;
    return 0;
}

static int collect_mark(const espeak_event *event) {
    if (heard.mark_count == heard.mark_capacity) {
        const int capacity = 2 * heard.mark_capacity + 256;
        mark *grown = realloc(heard.marks, (size_t)capacity * sizeof *grown);
        if (grown == NULL) return -1;
        heard.marks = grown;
        heard.mark_capacity = capacity;
    }
    mark *m = &heard.marks[heard.mark_count++];
    m->start_ms = event->audio_position;
    memcpy(m->name, event->id.string, 8);
    m->name[8] = '\0';
    return 0;
}

/* Returns 1 to stop the library, 0 to go on. */
static int collect(short *samples, int count, espeak_event *events) {
    if (samples != NULL && count > 0 && collect_samples(samples, count) != 0)
        heard.out_of_memory = 1;
    for (; events != NULL && events->type != EVENT_END; events++)
        if (events->type == EVENT_PHONEME && collect_mark(events) != 0) heard.out_of_memory = 1;
    return heard.out_of_memory;
}

/* --- the library --------------------------------------------------------------------------------
 */

static int look_up(void *handle, const char *name, void *function) {
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol); /* an object pointer holds a function's on POSIX */
    return symbol != NULL;
}

static const char LIBRARY_NAME[] = "libespeak-ng.so.1";

static int is_taken(void) {
    void *handle = dlopen(LIBRARY_NAME, RTLD_NOW | RTLD_NOLOAD);
    if (handle != NULL) dlclose(handle);
    return handle != NULL;
}

static void unload(void) {
    if (library.handle != NULL) {
        dlclose(library.handle);
        kept = is_taken();
    }
    library = (espeak_library){0};
}

static int load(void) {
    if (is_taken()) return 0;
    library.handle = dlopen(LIBRARY_NAME, RTLD_NOW | RTLD_LOCAL);
    if (library.handle == NULL) return 0;
    void *handle = library.handle;
    if (look_up(handle, "espeak_Initialize", &library.initialize) &&
        look_up(handle, "espeak_SetVoiceByName", &library.set_voice) &&
        look_up(handle, "espeak_SetSynthCallback", &library.set_callback) &&
        look_up(handle, "espeak_Synth", &library.synth) &&
        look_up(handle, "espeak_Terminate", &library.terminate)) {
        library.rate =
            library.initialize(OUTPUT_SYNCHRONOUS, BUFFER_MS, NULL,
                               OPTION_PHONEME_EVENTS | OPTION_PHONEME_IPA | OPTION_DONT_EXIT);
        if (library.rate <= 0) library.terminate(); /* what it had begun, threads among it */
    }
    if (library.rate > 0) return 1;
    unload();
    return 0;
}

static void forget_heard(void) {
    free(heard.samples);
    free(heard.marks);
    heard = (collection){0};
}

stk_status stk_espeak_begin(const char *voice) {
    pthread_mutex_lock(&lock);
    const int taken = is_taken(), ours = taken && kept;
    if (!load()) {
        pthread_mutex_unlock(&lock);
        if (ours)
            return stk_fail(STK_ERR_UNSUPPORTED,
                            "voice \"espeak:%s\": the copy of eSpeak NG that was used before "
                            "cannot be unloaded here; start the program anew for this text",
                            voice);
        if (taken)
            return stk_fail(STK_ERR_UNSUPPORTED,
                            "voice \"espeak:%s\": another part of this program uses eSpeak NG",
                            voice);
        return stk_fail(
            STK_ERR_ARGUMENT,
            "voice \"espeak:%s\" needs eSpeak NG: install the packages libespeak-ng1 and "
            "espeak-ng-data, or choose slt, rms, awb or kal",
            voice);
    }
    library.set_callback(collect);
    if (library.set_voice(voice) != 0) {
        stk_espeak_end();
        return stk_fail(
            STK_ERR_ARGUMENT,
            "eSpeak NG has no voice \"%s\": give a language, with a variant if you like "
            "(espeak:de, espeak:fr+f2); `espeak-ng --voices` lists them",
            voice);
    }
    english = strncmp(voice, "en", 2) == 0;
    return STK_OK;
}

void stk_espeak_end(void) {
    library.terminate();
    unload();
    forget_heard();
    pthread_mutex_unlock(&lock);
}

int stk_espeak_installed(void) {
    pthread_mutex_lock(&lock);
    const int there = load();
    if (there) {
        library.terminate();
        unload();
    }
    pthread_mutex_unlock(&lock);
    return there;
}

/* --- IPA to mouth shapes ------------------------------------------------------------------------
 */

typedef struct letter {
    unsigned code;
    stk_phone_class class;
} letter;

/* Every letter of the IPA chart that has a shape of its own; by class. */
static const letter letters[] = {
    {'a', STK_PHONE_AA},        {0x251, STK_PHONE_AA},      {0x252, STK_PHONE_OW},
    {0xE6, STK_PHONE_AE},       {0x250, STK_PHONE_AH},      {0x259, STK_PHONE_AH},
    {0x28C, STK_PHONE_AH},      {0x258, STK_PHONE_AH},      {0x264, STK_PHONE_AH},
    {0x25C, STK_PHONE_ER},      {0x25A, STK_PHONE_ER},      {0x25D, STK_PHONE_ER},
    {'e', STK_PHONE_EH},        {0x25B, STK_PHONE_EH},      {0x25E, STK_PHONE_AH},
    {'i', STK_PHONE_IY},        {0x26A, STK_PHONE_IY},      {0x268, STK_PHONE_IY},
    {0x26F, STK_PHONE_IY},      {'j', STK_PHONE_IY},        {0x29D, STK_PHONE_IY},
    {'o', STK_PHONE_OW},        {0x254, STK_PHONE_OW},      {'u', STK_PHONE_UW},
    {0x28A, STK_PHONE_UW},      {0x289, STK_PHONE_UW},      {'y', STK_PHONE_Y_ROUND},
    {0x28F, STK_PHONE_Y_ROUND}, {0xF8, STK_PHONE_Y_ROUND},  {0x153, STK_PHONE_Y_ROUND},
    {0x275, STK_PHONE_Y_ROUND}, {0x265, STK_PHONE_Y_ROUND}, {0x276, STK_PHONE_Y_ROUND},
    {'p', STK_PHONE_PBM},       {'b', STK_PHONE_PBM},       {'m', STK_PHONE_PBM},
    {0x253, STK_PHONE_PBM},     {'f', STK_PHONE_FV},        {'v', STK_PHONE_FV},
    {0x271, STK_PHONE_FV},      {0x28B, STK_PHONE_FV},      {0x3B2, STK_PHONE_FV},
    {0x278, STK_PHONE_FV},      {0x3B8, STK_PHONE_TH},      {0xF0, STK_PHONE_TH},
    {'t', STK_PHONE_TDN},       {'d', STK_PHONE_TDN},       {'n', STK_PHONE_TDN},
    {'r', STK_PHONE_TDN},       {0x27E, STK_PHONE_TDN},     {0x288, STK_PHONE_TDN},
    {0x256, STK_PHONE_TDN},     {0x273, STK_PHONE_TDN},     {0x272, STK_PHONE_TDN},
    {0x27D, STK_PHONE_TDN},     {0x257, STK_PHONE_TDN},     {'l', STK_PHONE_L},
    {0x26B, STK_PHONE_L},       {0x26D, STK_PHONE_L},       {0x28E, STK_PHONE_L},
    {0x26C, STK_PHONE_L},       {'s', STK_PHONE_SZ},        {'z', STK_PHONE_SZ},
    {0xE7, STK_PHONE_SZ},       {0x283, STK_PHONE_SH},      {0x292, STK_PHONE_SH},
    {0x255, STK_PHONE_SH},      {0x291, STK_PHONE_SH},      {0x282, STK_PHONE_SH},
    {0x290, STK_PHONE_SH},      {'k', STK_PHONE_KG},        {'g', STK_PHONE_KG},
    {0x261, STK_PHONE_KG},      {0x14B, STK_PHONE_KG},      {'x', STK_PHONE_KG},
    {0x3C7, STK_PHONE_KG},      {0x263, STK_PHONE_KG},      {'q', STK_PHONE_KG},
    {'c', STK_PHONE_KG},        {0x25F, STK_PHONE_KG},      {0x281, STK_PHONE_KG},
    {0x280, STK_PHONE_KG},      {0x260, STK_PHONE_KG},      {0x279, STK_PHONE_R},
    {0x27B, STK_PHONE_R},       {'w', STK_PHONE_W},         {0x28D, STK_PHONE_W},
    {'h', STK_PHONE_H},         {0x266, STK_PHONE_H},       {0x294, STK_PHONE_H},
    {0x127, STK_PHONE_H},       {0x295, STK_PHONE_H},
};

/* The next character of UTF-8; malformed bytes pass as themselves. */
static unsigned next_code(const unsigned char **p) {
    const unsigned char *s = *p;
    const int more = s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : s[0] >= 0xC0 ? 1 : 0;
    unsigned code = more == 0 ? s[0] : s[0] & (0x3Fu >> more);
    int k = 1;
    for (; k <= more && (s[k] & 0xC0) == 0x80; k++) code = code << 6 | (s[k] & 0x3Fu);
    *p = s + k;
    return code;
}

/* classes[4] receives the shapes of a name, equal neighbours once; returns how many. */
static int shapes_of(const char *name, stk_phone_class classes[4]) {
    int count = 0;
    for (const unsigned char *p = (const unsigned char *)name; *p != '\0' && count < 4;) {
        const unsigned code = next_code(&p);
        for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
            if (letters[i].code != code) continue;
            stk_phone_class class = letters[i].class;
            if (code == 0x25C && !english) class = STK_PHONE_AH; /* German -er */
            if (count == 0 || classes[count - 1] != class) classes[count++] = class;
        }
    }
    return count;
}

static int is_vowel(stk_phone_class class) {
    return class >= STK_PHONE_AA && class <= STK_PHONE_Y_ROUND;
}

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Stress by length: 1 above 1.2 medians of the sentence's vowels, 0.6 above 0.95. */
static stk_status stress_long_vowels(stk_spoken *spoken) {
    float *lengths = malloc(((size_t)spoken->phone_count + 1) * sizeof *lengths);
    if (lengths == NULL) return stk_fail_memory("phones");
    int count = 0;
    for (int i = 0; i < spoken->phone_count; i++)
        if (is_vowel(spoken->phones[i].class))
            lengths[count++] = spoken->phones[i].end_s - spoken->phones[i].start_s;
    qsort(lengths, (size_t)count, sizeof *lengths, compare_floats);
    const float median = count > 0 ? lengths[count / 2] : 0;
    free(lengths);
    for (int i = 0; i < spoken->phone_count; i++) {
        stk_phone *p = &spoken->phones[i];
        const float length = p->end_s - p->start_s;
        if (is_vowel(p->class) && p->class != STK_PHONE_AH)
            p->stress = length > 1.2f * median ? 1.0f : length > 0.95f * median ? 0.6f : 0;
    }
    return STK_OK;
}

/* A nameless mark is a pause; a short one between two sounds is a glide that IPA does not write,
 * and belongs to the sound before it. */
static int is_glide(int i, double length_s) {
    return heard.marks[i].name[0] == '\0' && length_s < 0.06 && i > 0 && i + 1 < heard.mark_count &&
           heard.marks[i - 1].name[0] != '\0' && heard.marks[i + 1].name[0] != '\0';
}

static stk_status add_mark(int i, double end_s, stk_spoken *spoken) {
    const mark *m = &heard.marks[i];
    stk_phone_class classes[4];
    const double start = stk_spoken_end_s(spoken);
    if (is_glide(i, end_s - start) && spoken->phone_count > 0) {
        if (end_s > start) spoken->phones[spoken->phone_count - 1].end_s = (float)end_s;
        return STK_OK;
    }
    if (m->name[0] == '\0') return stk_spoken_phone(spoken, STK_PHONE_SILENCE, end_s, 0, "pau");
    const int count = shapes_of(m->name, classes);
    if (count == 0) return stk_spoken_phone(spoken, STK_PHONE_H, end_s, 0, m->name);
    for (int k = 0; k < count; k++)
        STK_TRY(stk_spoken_phone(spoken, classes[k], start + (end_s - start) * (k + 1) / count, 0,
                                 m->name));
    return STK_OK;
}

stk_status stk_espeak_say(const char *sentence, stk_spoken *spoken) {
    heard.count = 0;
    heard.mark_count = 0;
    const int failed =
        library.synth(sentence, strlen(sentence) + 1, 0, 0, 0, TEXT_UTF8, NULL, NULL);
    if (heard.out_of_memory) return stk_fail_memory("speech");
    if (failed != 0)
        return stk_fail(STK_ERR_UNSUPPORTED, "eSpeak NG cannot say \"%.200s\" (code %d)", sentence,
                        failed);
    STK_TRY(stk_spoken_resample(spoken, heard.samples, heard.count, library.rate));
    const double length_s = (double)spoken->count / STK_SAMPLE_RATE;
    if (heard.mark_count > 0 && heard.marks[0].start_ms > 0)
        STK_TRY(stk_spoken_phone(spoken, STK_PHONE_SILENCE, heard.marks[0].start_ms / 1000.0, 0,
                                 "pau"));
    for (int i = 0; i < heard.mark_count; i++) {
        double end_s = i + 1 < heard.mark_count ? heard.marks[i + 1].start_ms / 1000.0 : length_s;
        STK_TRY(add_mark(i, end_s < length_s ? end_s : length_s, spoken));
    }
    STK_TRY(stk_spoken_phone(spoken, STK_PHONE_SILENCE, length_s, 0, "pau"));
    return stress_long_vowels(spoken);
}
