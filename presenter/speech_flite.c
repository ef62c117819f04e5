/* speech_flite.c - the four English voices of flite 2.2 (Carnegie Mellon, BSD-like licence).
 *
 *   sentence -> ASCII -> flite utterance -> wave (16 kHz) + Segment relation (phone, end time)
 *                                        -> SylStructure (stress, accent of the phone's syllable)
 *
 * The libraries are linked. Diphthongs and affricates become two phones each, because the lips show
 * both halves. flite keeps its voices and its error handler in globals: all calls are serialised by
 * one lock, voices are made once. What flite regards as fatal comes back here by its own long jump
 * instead of an exit.
 */
#include "presenter/spoken.h"

#include <flite/cst_error.h>
#include <flite/flite.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

cst_voice *register_cmu_us_slt(const char *folder);
cst_voice *register_cmu_us_rms(const char *folder);
cst_voice *register_cmu_us_awb(const char *folder);
cst_voice *register_cmu_us_kal16(const char *folder);

typedef struct voice_entry {
    const char *name;
    cst_voice *(*make)(const char *folder);
    cst_voice *voice; /* made at the first use, kept for the process */
} voice_entry;

static voice_entry voices[] = {
    {"slt", register_cmu_us_slt, NULL},
    {"rms", register_cmu_us_rms, NULL},
    {"awb", register_cmu_us_awb, NULL},
    {"kal", register_cmu_us_kal16, NULL},
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int started;

/* The US English phone set. `share` of the phone's time goes to `first`, the rest to `second`. */
typedef struct phone_entry {
    const char *name;
    stk_phone_class first, second;
    float share;
} phone_entry;

static const phone_entry phone_table[] = {
    {"aa", STK_PHONE_AA, STK_PHONE_AA, 1},     {"ae", STK_PHONE_AE, STK_PHONE_AE, 1},
    {"ah", STK_PHONE_AH, STK_PHONE_AH, 1},     {"ao", STK_PHONE_OW, STK_PHONE_OW, 1},
    {"aw", STK_PHONE_AA, STK_PHONE_UW, 0.6f},  {"ax", STK_PHONE_AH, STK_PHONE_AH, 1},
    {"axr", STK_PHONE_ER, STK_PHONE_ER, 1},    {"ay", STK_PHONE_AA, STK_PHONE_IY, 0.6f},
    {"b", STK_PHONE_PBM, STK_PHONE_PBM, 1},    {"ch", STK_PHONE_TDN, STK_PHONE_SH, 0.35f},
    {"d", STK_PHONE_TDN, STK_PHONE_TDN, 1},    {"dh", STK_PHONE_TH, STK_PHONE_TH, 1},
    {"dx", STK_PHONE_TDN, STK_PHONE_TDN, 1},   {"eh", STK_PHONE_EH, STK_PHONE_EH, 1},
    {"el", STK_PHONE_L, STK_PHONE_L, 1},       {"em", STK_PHONE_PBM, STK_PHONE_PBM, 1},
    {"en", STK_PHONE_TDN, STK_PHONE_TDN, 1},   {"er", STK_PHONE_ER, STK_PHONE_ER, 1},
    {"ey", STK_PHONE_EH, STK_PHONE_IY, 0.55f}, {"f", STK_PHONE_FV, STK_PHONE_FV, 1},
    {"g", STK_PHONE_KG, STK_PHONE_KG, 1},      {"hh", STK_PHONE_H, STK_PHONE_H, 1},
    {"hv", STK_PHONE_H, STK_PHONE_H, 1},       {"ih", STK_PHONE_IY, STK_PHONE_IY, 1},
    {"iy", STK_PHONE_IY, STK_PHONE_IY, 1},     {"jh", STK_PHONE_TDN, STK_PHONE_SH, 0.4f},
    {"k", STK_PHONE_KG, STK_PHONE_KG, 1},      {"l", STK_PHONE_L, STK_PHONE_L, 1},
    {"m", STK_PHONE_PBM, STK_PHONE_PBM, 1},    {"n", STK_PHONE_TDN, STK_PHONE_TDN, 1},
    {"ng", STK_PHONE_KG, STK_PHONE_KG, 1},     {"nx", STK_PHONE_TDN, STK_PHONE_TDN, 1},
    {"ow", STK_PHONE_OW, STK_PHONE_UW, 0.6f},  {"oy", STK_PHONE_OW, STK_PHONE_IY, 0.6f},
    {"p", STK_PHONE_PBM, STK_PHONE_PBM, 1},    {"r", STK_PHONE_R, STK_PHONE_R, 1},
    {"s", STK_PHONE_SZ, STK_PHONE_SZ, 1},      {"sh", STK_PHONE_SH, STK_PHONE_SH, 1},
    {"t", STK_PHONE_TDN, STK_PHONE_TDN, 1},    {"th", STK_PHONE_TH, STK_PHONE_TH, 1},
    {"uh", STK_PHONE_UW, STK_PHONE_UW, 1},     {"uw", STK_PHONE_UW, STK_PHONE_UW, 1},
    {"v", STK_PHONE_FV, STK_PHONE_FV, 1},      {"w", STK_PHONE_W, STK_PHONE_W, 1},
    {"y", STK_PHONE_IY, STK_PHONE_IY, 1},      {"z", STK_PHONE_SZ, STK_PHONE_SZ, 1},
    {"zh", STK_PHONE_SH, STK_PHONE_SH, 1},
};

static int is_vowel(stk_phone_class class) {
    return class >= STK_PHONE_AA && class <= STK_PHONE_Y_ROUND;
}

/* Vowels only: 1 in an accented syllable, 0.6 in a stressed one without accent, else 0. */
static float stress_of(const cst_item *segment) {
    const char *stress = flite_ffeature_string(segment, "R:SylStructure.parent.stress");
    if (stress == NULL || strcmp(stress, "1") != 0) return 0;
    const char *accent = flite_ffeature_string(segment, "R:SylStructure.parent.accented");
    return accent != NULL && strcmp(accent, "1") == 0 ? 1.0f : 0.6f;
}

static stk_status add_segment(const cst_item *segment, double end_s, stk_spoken *spoken) {
    const char *name = flite_ffeature_string(segment, "name");
    for (size_t i = 0; name != NULL && i < sizeof phone_table / sizeof phone_table[0]; i++) {
        const phone_entry *entry = &phone_table[i];
        if (strcmp(entry->name, name) != 0) continue;
        const double start = stk_spoken_end_s(spoken);
        const double middle = start + (double)entry->share * (end_s - start);
        const float stress = is_vowel(entry->first) ? stress_of(segment) : 0;
        STK_TRY(stk_spoken_phone(spoken, entry->first, middle, stress, name));
        if (entry->share < 1) STK_TRY(stk_spoken_phone(spoken, entry->second, end_s, 0, name));
        return STK_OK;
    }
    return stk_spoken_phone(spoken, STK_PHONE_SILENCE, end_s, 0, "pau"); /* pau, brth, h# */
}

static stk_status take(cst_utterance *utterance, stk_spoken *spoken) {
    const cst_wave *wave = utt_wave(utterance);
    if (wave == NULL || wave->num_channels != 1)
        return stk_fail(STK_ERR_UNSUPPORTED, "flite gave no mono sound");
    STK_TRY(stk_spoken_resample(spoken, wave->samples, wave->num_samples, wave->sample_rate));
    const double length_s = (double)spoken->count / STK_SAMPLE_RATE;
    for (cst_item *s = relation_head(utt_relation(utterance, "Segment")); s != NULL;
         s = item_next(s)) {
        const double end_s = (double)item_feat_float(s, "end");
        STK_TRY(add_segment(s, end_s < length_s ? end_s : length_s, spoken));
    }
    return stk_spoken_phone(spoken, STK_PHONE_SILENCE, length_s, 0, "pau");
}

/* What survives the jump: no local of the function that sets it does. */
typedef struct saying {
    voice_entry *entry;
    const char *text;
    stk_spoken *spoken;
    cst_utterance *utterance; /* NULL where flite failed at once */
    stk_status status;
    int done; /* 0: flite jumped or gave nothing; status is not set */
} saying;

/* Everything of flite that can end in its fatal error runs here, reading the result included. */
static void synthesise(saying *say) {
    jmp_buf here;
    jmp_buf *const before = cst_errjmp;
    cst_errjmp = &here;
    if (setjmp(here) == 0) {
        if (!started) flite_init();
        started = 1;
        if (say->entry->voice == NULL) say->entry->voice = say->entry->make(NULL);
        if (say->entry->voice != NULL)
            say->utterance = flite_synth_text(say->text, say->entry->voice);
        if (say->utterance != NULL) {
            say->status = take(say->utterance, say->spoken);
            say->done = 1;
        }
    }
    cst_errjmp = before;
}

/* The clustergen voices draw their noise with rand(): they get a sequence of their own, always the
 * same, and the process's goes on afterwards as if nothing had been drawn. */
static void synthesise_repeatably(saying *say) {
    char state[128];
    char *before = initstate(1, state, sizeof state);
    synthesise(say);
    setstate(before);
}

/* flite's lexicon knows ASCII only: typographic quotes and dashes get their plain likeness, accents
 * of Latin-1 and Latin-A letters are dropped, what else there is becomes a space. */
static void to_ascii(const char *text, char *ascii) {
    static const char latin1[] = "AAAAAAACEEEEIIIIDNOOOOO OUUUUYTsaaaaaaaceeeeiiiidnooooo ouuuuyty";
    const unsigned char *p = (const unsigned char *)text;
    while (*p != '\0') {
        char c = ' ';
        if (*p < 0x80) {
            c = (char)(*p < ' ' ? ' ' : *p);
        } else if (*p == 0xC3 && p[1] >= 0x80 && p[1] <= 0xBF) {
            c = latin1[p[1] - 0x80];
        } else if (p[0] == 0xE2 && p[1] == 0x80 && p[2] != 0) {
            c = (char)(p[2] == 0x98 || p[2] == 0x99   ? '\''
                       : p[2] == 0x93 || p[2] == 0x94 ? ','
                                                      : ' ');
        }
        p++;
        while ((*p & 0xC0) == 0x80) p++;
        *ascii++ = c;
    }
    *ascii = '\0';
}

static voice_entry *find(const char *voice) {
    for (size_t i = 0; i < sizeof voices / sizeof voices[0]; i++)
        if (strcmp(voices[i].name, voice) == 0) return &voices[i];
    return NULL;
}

int stk_flite_has(const char *voice) {
    return find(voice) != NULL;
}

stk_status stk_flite_say(const char *voice, const char *sentence, stk_spoken *spoken) {
    voice_entry *entry = find(voice);
    if (entry == NULL) return stk_fail(STK_ERR_ARGUMENT, "flite has no voice \"%s\"", voice);
    char *ascii = malloc(strlen(sentence) + 1);
    if (ascii == NULL) return stk_fail_memory("a sentence");
    to_ascii(sentence, ascii);
    pthread_mutex_lock(&lock);
    saying say = {.entry = entry, .text = ascii, .spoken = spoken};
    synthesise_repeatably(&say);
    const stk_status status =
        say.done
            ? say.status
            : stk_fail(STK_ERR_UNSUPPORTED, "flite cannot say \"%.200s\"; change the text", ascii);
    if (say.utterance != NULL) delete_utterance(say.utterance);
    pthread_mutex_unlock(&lock);
    free(ascii);
    return status;
}
