/* speech.c - a text, sentence by sentence, to one sound with contiguous phones.
 *
 *   UTF-8 text -> sentences -> voice (flite | eSpeak NG) -> stk_spoken at 16 kHz
 *       -> edges cropped and faded, pauses of 0.25-0.5 s between -> loudness -> stk_utterance
 *
 * Pauses depend on the sentence's number only, so the same text and voice give the same bytes.
 * Any thread; the voices serialise themselves.
 */
#include "media/media.h"
#include "presenter/spoken.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE_MAX = 1000 /* bytes; longer ones are cut at a space */ };

static const double EDGE_S = 0.3;  /* silence before the first and after the last sentence */
static const double LEAD_S = 0.04; /* of a voice's own silence kept before the first phone */
static const double TAIL_S = 0.10; /* and after the last: the room it rings out in */
static const double SECONDS_MAX = 4 * 3600; /* 16-bit wave files hold more, patience does not */
static const float LOUDNESS = 0.1f;         /* rms of the speech: -20 dBFS */
static const float KNEE = 0.75f, CEILING = 0.94f;

/* --- sentences ----------------------------------------------------------------------------------
 */

static int is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Does the full stop at `stop` end an abbreviation? One letter, or one of the usual ones. */
static int is_abbreviation(const char *text, const char *stop) {
    static const char *const known[] = {"Mr", "Mrs", "Ms", "Dr", "St", "Prof", "vs", "etc", "No"};
    const char *word = stop;
    while (word > text && !is_space(word[-1])) word--;
    const size_t n = (size_t)(stop - word);
    if (n <= 1) return n == 1 && *word != 'I' && !(*word >= '0' && *word <= '9');
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i]) == n && strncmp(known[i], word, n) == 0) return 1;
    return 0;
}

/* The ideographic full stop, exclamation and question mark: 3 bytes each. */
static int is_wide_stop(const char *p) {
    return strncmp(p, "\xE3\x80\x82", 3) == 0 || strncmp(p, "\xEF\xBC\x81", 3) == 0 ||
           strncmp(p, "\xEF\xBC\x9F", 3) == 0;
}

static const char *sentence_end(const char *text, const char *start) {
    for (const char *p = start; *p != '\0'; p++) {
        if (p - start >= SENTENCE_MAX && is_space(*p)) return p;
        if (p - start >= 2 * SENTENCE_MAX && (*p & 0xC0) != 0x80) return p;
        if (is_wide_stop(p)) return p + 3;
        if (p[0] == '\n' && p[1] == '\n') return p;
        if (*p != '.' && *p != '!' && *p != '?') continue;
        const char *q = p + 1;
        while (*q != '\0' && strchr(".!?\"')", *q) != NULL) q++;
        if (strncmp(q, "\xE2\x80\x9D", 3) == 0 || strncmp(q, "\xE2\x80\x9C", 3) == 0) q += 3;
        const int ends = *q == '\0' || is_space(*q);
        if (ends && !(*p == '.' && q == p + 1 && *q != '\0' && is_abbreviation(text, p))) return q;
    }
    return start + strlen(start);
}

/* Something a voice could say: a letter or digit, or any character beyond ASCII. */
static int is_speakable(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s[i];
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c >= 0x80)
            return 1;
    }
    return 0;
}

/* Moves *at past the next speakable sentence and returns its start and length; 0 at the end. */
static size_t next_sentence(const char *text, const char **at, const char **start) {
    const char *p = *at;
    for (;;) {
        while (is_space(*p)) p++;
        if (*p == '\0') break;
        const char *end = sentence_end(text, p);
        if (is_speakable(p, (size_t)(end - p))) {
            *at = end;
            *start = p;
            return (size_t)(end - p);
        }
        p = end;
    }
    *at = p;
    return 0;
}

/* --- joining ------------------------------------------------------------------------------------
 */

/* Linear fades against the clicks of a cut. */
static void fade(float *samples, int64_t count) {
    const int64_t in = STK_SAMPLE_RATE / 100, out = STK_SAMPLE_RATE / 25;
    for (int64_t i = 0; i < in && i < count; i++) samples[i] *= (float)i / (float)in;
    for (int64_t i = 0; i < out && i < count; i++) samples[count - 1 - i] *= (float)i / (float)out;
}

static int64_t to_samples(double seconds) {
    return llrint(seconds * STK_SAMPLE_RATE);
}

static stk_status add_silence(stk_spoken *whole, double seconds) {
    STK_TRY(stk_spoken_append(whole, NULL, to_samples(seconds)));
    return stk_spoken_phone(whole, STK_PHONE_SILENCE, (double)whole->count / STK_SAMPLE_RATE, 0,
                            "pau");
}

/* Appends a sentence without the voice's own silence at its ends, save LEAD_S and TAIL_S. */
static stk_status add_sentence(stk_spoken *whole, stk_spoken *sentence) {
    int first = 0, last = sentence->phone_count - 1;
    while (first <= last && sentence->phones[first].class == STK_PHONE_SILENCE) first++;
    while (last >= first && sentence->phones[last].class == STK_PHONE_SILENCE) last--;
    if (first > last) return STK_OK;
    const double from_s = fmax(0, (double)sentence->phones[first].start_s - LEAD_S);
    const double to_s = (double)sentence->phones[last].end_s + TAIL_S;
    const int64_t from = to_samples(from_s);
    int64_t to = to_samples(to_s);
    if (to > sentence->count) to = sentence->count;
    fade(sentence->samples + from, to - from);
    const double shift_s = (double)(whole->count - from) / STK_SAMPLE_RATE;
    STK_TRY(stk_spoken_append(whole, sentence->samples + from, to - from));
    STK_TRY(stk_spoken_phone(whole, STK_PHONE_SILENCE,
                             (double)sentence->phones[first].start_s + shift_s, 0, "pau"));
    for (int i = first; i <= last; i++) {
        const stk_phone *p = &sentence->phones[i];
        STK_TRY(stk_spoken_phone(whole, p->class, (double)p->end_s + shift_s, p->stress, p->name));
    }
    return stk_spoken_phone(whole, STK_PHONE_SILENCE, (double)whole->count / STK_SAMPLE_RATE, 0,
                            "pau");
}

/* 0.25 .. 0.5 s, by the golden ratio: never the same twice running. */
static double pause_s(int sentence) {
    const double golden = 0.6180339887498949 * sentence;
    return 0.25 + 0.25 * (golden - floor(golden));
}

static int is_espeak(const char *voice) {
    return strncmp(voice, "espeak:", 7) == 0;
}

static stk_status say(const char *voice, const char *start, size_t length, stk_spoken *whole) {
    char *sentence = malloc(length + 1);
    if (sentence == NULL) return stk_fail_memory("a sentence");
    memcpy(sentence, start, length);
    sentence[length] = '\0';
    stk_spoken spoken;
    stk_spoken_init(&spoken);
    stk_status status = is_espeak(voice) ? stk_espeak_say(sentence, &spoken)
                                         : stk_flite_say(voice, sentence, &spoken);
    if (status == STK_OK) status = add_sentence(whole, &spoken);
    stk_spoken_clear(&spoken);
    free(sentence);
    return status;
}

static stk_status say_all(const char *text, const char *voice, double min_seconds,
                          stk_spoken *whole) {
    const char *at = text, *start = NULL;
    int64_t round_start = 0;
    STK_TRY(add_silence(whole, EDGE_S));
    for (int sentence = 0;; sentence++) {
        const size_t length = next_sentence(text, &at, &start);
        if (length == 0) {
            if (min_seconds <= 0 || whole->count == round_start) break;
            round_start = whole->count;
            at = text;
            sentence--;
            continue;
        }
        if (whole->phone_count > 1)
            STK_TRY(add_silence(whole, pause_s(sentence) - LEAD_S - TAIL_S));
        STK_TRY(say(voice, start, length, whole));
        const double seconds = (double)whole->count / STK_SAMPLE_RATE + EDGE_S;
        if (min_seconds > 0 && seconds >= min_seconds && whole->phone_count > 1) break;
        if (seconds > SECONDS_MAX)
            return stk_fail(STK_ERR_ARGUMENT, "the text takes more than 4 hours to say");
    }
    if (whole->phone_count <= 1)
        return stk_fail(STK_ERR_ARGUMENT, "the text holds nothing that voice \"%s\" can say",
                        voice);
    return add_silence(whole, EDGE_S);
}

/* Speech at -20 dBFS rms; what then passes the knee is bent below the ceiling. */
static void level(stk_spoken *whole) {
    double sum = 0;
    int64_t count = 0;
    for (int i = 0; i < whole->phone_count; i++) {
        const stk_phone *p = &whole->phones[i];
        if (p->class == STK_PHONE_SILENCE) continue;
        int64_t from = to_samples((double)p->start_s), to = to_samples((double)p->end_s);
        if (to > whole->count) to = whole->count;
        for (int64_t k = from; k < to; k++)
            sum += (double)whole->samples[k] * (double)whole->samples[k];
        count += to > from ? to - from : 0;
    }
    if (sum <= 0) return;
    const float gain = LOUDNESS / (float)sqrt(sum / (double)count);
    for (int64_t k = 0; k < whole->count; k++) {
        const float x = gain * whole->samples[k], size = fabsf(x);
        const float room = CEILING - KNEE;
        const float bent = size <= KNEE ? size : KNEE + room * tanhf((size - KNEE) / room);
        whole->samples[k] = copysignf(bent, x);
    }
}

stk_status stk_speech_synthesise(const char *text, const char *voice, double min_seconds,
                                 stk_utterance *utterance) {
    *utterance = (stk_utterance){0};
    if (!(min_seconds >= 0 && min_seconds <= SECONDS_MAX))
        return stk_fail(STK_ERR_ARGUMENT, "speech of %g seconds: 0 to %g", min_seconds,
                        SECONDS_MAX);
    if (strlen(voice) >= sizeof utterance->voice || (!is_espeak(voice) && !stk_flite_has(voice)))
        return stk_fail(STK_ERR_ARGUMENT,
                        "no voice \"%.64s\": choose slt, rms, awb, kal, or espeak:LANGUAGE "
                        "(espeak:de, espeak:fr+f2; needs libespeak-ng1 and espeak-ng-data)",
                        voice);
    stk_spoken whole;
    stk_spoken_init(&whole);
    if (is_espeak(voice)) STK_TRY(stk_espeak_begin(voice + 7));
    stk_status status = say_all(text, voice, min_seconds, &whole);
    if (is_espeak(voice)) stk_espeak_end();
    if (status != STK_OK) {
        stk_spoken_clear(&whole);
        return status;
    }
    level(&whole);
    utterance->sound = (stk_sound){whole.samples, whole.count, STK_SAMPLE_RATE};
    utterance->phones = whole.phones;
    utterance->count = whole.phone_count;
    snprintf(utterance->voice, sizeof utterance->voice, "%s", voice);
    return STK_OK;
}

stk_status stk_speech_from_file(const char *path, stk_utterance *utterance) {
    *utterance = (stk_utterance){0};
    STK_TRY(stk_sound_read(path, STK_SAMPLE_RATE, 0, &utterance->sound));
    if (utterance->sound.count == 0) {
        stk_utterance_clear(utterance);
        return stk_fail(STK_ERR_CONTENT, "%s holds no sound", path);
    }
    snprintf(utterance->voice, sizeof utterance->voice, "file");
    return STK_OK;
}

void stk_utterance_clear(stk_utterance *utterance) {
    free(utterance->phones);
    stk_sound_clear(&utterance->sound);
    *utterance = (stk_utterance){0};
}
