/* painted_clip.h - short clips whose every pixel is known by formula, for the tests of media. */
#ifndef STK_TESTS_PAINTED_CLIP_H
#define STK_TESTS_PAINTED_CLIP_H

#include "base/file.h"
#include "base/image.h"
#include "media/media.h"

enum { PAINTED_WIDTH = 64, PAINTED_HEIGHT = 48, PAINTED_FRAMES = 60 };

/* A fresh name in one temporary folder. */
void painted_path(char path[STK_PATH_MAX], const char *name);
/* Smooth colours under a grey wave that moves with the frame number. */
void painted_frame(stk_image *image, int index);
/* PAINTED_WIDTH x PAINTED_HEIGHT at 25 frames/s, one thread, marked "synthetic test". */
stk_writer_options painted_options(stk_writer_format format, int crf, int gop);
/* Frames 0 .. frames - 1. */
void painted_clip(const char *path, const stk_writer_options *options, int frames);
/* A wav with a click (one raised-cosine pulse of 2 ms) at each given second. */
void painted_clicks(const char *path, int rate, double length_s, const double *at, int clicks);

#endif
