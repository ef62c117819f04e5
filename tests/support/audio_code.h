/* audio_code.h - the audio code of a feature window, in double from reference.md 2.5, for tests
 * that need the field's condition and not the audio net. */
#ifndef STK_TESTS_AUDIO_CODE_H
#define STK_TESTS_AUDIO_CODE_H

/* auds [8][512] of an "ave" checkpoint (.pth) -> code [32]. */
void test_audio_code(const char *path, const float *auds, float code[32]);

#endif
