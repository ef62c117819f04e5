/* synthetic_person.h - a painted person with known classes and landmarks, for parser tests. */
#ifndef STK_TESTS_SYNTHETIC_PERSON_H
#define STK_TESTS_SYNTHETIC_PERSON_H

#include "base/types.h"

/* Paints a person of the given size and face centre into rgb (background noise-free blue-grey,
 * skin, darker neck, green cloth, brown hair) and the true classes into labels; fills the landmarks
 * that the parser reads. roll_rad tilts the head only. unit: half the face's width in px. */
void test_paint_person(stk_image *rgb, stk_image *labels, stk_landmarks *landmarks, float cx,
                       float cy, float unit, float roll_rad);

#endif
