/* record.h - the run folder: what a training run leaves for people and programs to look at.
 *
 *   figures.csv    one line every few seconds, more seldom as the run gets longer
 *   previews/      real | rendered, NNNNNNNNN.jpg by step, at most RECORD_PREVIEWS: every other one
 *                  goes when there are more
 *   preview.png    the last one in full size
 *   settings.json  what the run was asked for, and on which machine
 *   log.txt        the lines of the log, with the time
 *   report.html    all of that on one page (record_page.c)
 *
 * A resumed run goes on in its folder; what lies there of steps after the resumed one is dropped,
 * and figures of other columns are kept as figures.csv.old.
 * The model does not depend on any of it. One thread, the log apart.
 */
#ifndef STK_TRAIN_RECORD_H
#define STK_TRAIN_RECORD_H

#include "base/image.h"
#include "base/page.h"
#include "train/internal.h"

enum { RECORD_PREVIEWS = 24 };

/* A line of figures.csv; NaN = not known there (an empty field). */
typedef enum record_figure {
    RECORD_SECONDS, /* trained, over resumed runs */
    RECORD_STEP,
    RECORD_LOSS,               /* mean absolute colour error, running mean */
    RECORD_LIPS,               /* squared error of the lip probe, running mean; 1 = knows nothing */
    RECORD_PERCEPTUAL_PATCHES, /* running mean; in schedules that have them */
    RECORD_PERCEPTUAL_LIPS,
    RECORD_RATE, /* learning rate of the hash planes */
    RECORD_STEPS_PER_S,
    RECORD_RAYS_PER_S,
    RECORD_SAMPLES_PER_S,
    RECORD_PSNR, /* of the preview's frames: whole picture, head, mouth; dB */
    RECORD_PSNR_HEAD,
    RECORD_PSNR_MOUTH,
    RECORD_SAMPLES_PER_RAY,
    RECORD_OCCUPIED, /* share of the grid's cells */
    RECORD_ROLLBACKS,
    RECORD_RESIDENT_MIB,
    RECORD_COLUMNS
} record_figure;
extern const char *const record_names[RECORD_COLUMNS];

typedef struct record_row {
    double figure[RECORD_COLUMNS];
} record_row;

/* One of the settings, for settings.json and the page. */
typedef struct record_fact {
    const char *name;
    char value[256];
    int is_text;
} record_fact;
enum { RECORD_FACTS_MAX = 40 };

typedef struct stk_record {
    char folder[STK_PATH_MAX]; /* "" = none is kept */
    char title[160];
    record_row *rows; /* owned */
    int count, room;
    stk_page log; /* lines from before the folder was begun */
    int begun, made;
    record_fact facts[RECORD_FACTS_MAX];
    int facts_count;
} stk_record;

/* Folder NULL: `model` without its ending + ".run"; "none": none, and all below does nothing.
 * Created if absent; refused when it holds anything but a run. */
stk_status stk_record_open(stk_record *record, const char *folder, const char *model);
/* Removes the folder again if it was made and never begun. */
void stk_record_close(stk_record *record);
/* With the trainer as it stands before its first step (resumed: after the state was read). */
stk_status stk_record_begin(stk_record *record, const stk_trainer *trainer);
/* 1 when a line is due. */
int stk_record_due(const stk_record *record, double seconds);
/* Appends a line. */
stk_status stk_record_add(stk_record *record, const record_row *row);
/* The picture of the last line, real | rendered. */
stk_status stk_record_picture(stk_record *record, const stk_image *sheet);
/* record_page.c: writes report.html. state: what the run does ("is running", "ended" ...). */
stk_status stk_record_page(const stk_record *record, const char *state);
/* Path of a file of the folder. */
stk_status stk_record_path(const stk_record *record, const char *name, char path[STK_PATH_MAX]);
/* Name of the preview of a line below the folder; 0 when there is none. */
int stk_record_preview(const stk_record *record, int row, char name[40]);
/* Bytes that the folder may come to hold, for pictures of the size. */
int64_t stk_record_bytes(int width, int height);

#endif
