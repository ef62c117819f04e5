/* media.h - sound and pictures in and out; the only room that knows FFmpeg.
 *
 *   clip --probe--> stk_media_info
 *   clip --retime plan--> which source frame stands for each 1/25 s --reader--> RGB frames in order
 *   clip --sound--> mono float at any rate, sample 0 at the time of output frame 0
 *   RGB frames + sound --writer--> mp4 (H.264 + AAC) | y4m on stdout | PNG folder
 *   mp4 (file or memory) --store--> any frame by number, with a small cache of decoded groups
 *
 * All pictures handed out are RGB24, full range, converted by the stream's own matrix and range.
 * Threading: one thread per handle.
 */
#ifndef STK_MEDIA_MEDIA_H
#define STK_MEDIA_MEDIA_H

#include "base/job.h"
#include "base/status.h"
#include "base/types.h"

typedef struct stk_media_info {
    int has_video, has_audio;
    int width, height; /* as shown (after rotation) */
    int rotation_deg;
    double fps;        /* average rate by the container */
    double duration_s; /* of the video stream, else of the file */
    double video_start_s, audio_start_s;
    int audio_rate, audio_channels;
    int64_t frames_estimate;
    char container[32], video_codec[32], audio_codec[32], pixel_format[32];
    char comment[256]; /* the metadata comment, "" if none (ours says: synthetic) */
} stk_media_info;

/* Fails with one sentence for a file that is missing, not media, or damaged beyond reading. */
stk_status stk_media_probe(const char *path, stk_media_info *info);

/* --- video in --------------------------------------------------------------------------------- */

/* Which decoded source frame is shown at each output frame (25/s). Repeated source frames (a 25 fps
 * film in a 30 fps container) are recognised and never used; where the distinct frames already come
 * at 25/s (to 0.5 %, and never 60 ms off their time stamps) each is used exactly once, in order.
 * Otherwise each output time takes the source frame nearest in time. Owned: release with
 * stk_retime_clear. */
typedef struct stk_retime {
    int frames;          /* output frames */
    int32_t *source;     /* [frames] decode index of the source frame */
    double *time_s;      /* [frames] its time stamp on the container's clock */
    int source_frames;   /* decoded in all */
    int repeats;         /* source frames recognised as repeats */
    int dropped;         /* distinct source frames that no output frame shows */
    int doubled;         /* output frames that show the same source frame as their predecessor */
    double first_time_s; /* container time of output frame 0: sound sample 0 is taken there. Used
                          * in order, the frames' stagger is averaged out of it. */
    double source_fps;   /* rate of the distinct frames */
    int distinct_count;
    int32_t *distinct;  /* [distinct_count] decode index of those that repeat none */
    double *distinct_s; /* [distinct_count] their time stamps */
} stk_retime;

stk_status stk_retime_plan(const char *path, const stk_job *job, stk_retime *plan);
void stk_retime_clear(stk_retime *plan);

/* Decodes in order and hands out the plan's frames. A plan of NULL hands out all decoded frames. */
typedef struct stk_video_reader stk_video_reader;
stk_status stk_video_reader_open(stk_video_reader **reader, const char *path,
                                 const stk_retime *plan);
void stk_video_reader_close(stk_video_reader **reader);
/* Next frame; *frame is a view owned by the reader, valid until the next call. *end is set to 1
 * (and no frame given) after the last. time_s may be NULL. A damaged tail ends the clip with a
 * warning. */
stk_status stk_video_reader_next(stk_video_reader *reader, const stk_image **frame, double *time_s,
                                 int *end);

/* --- sound in --------------------------------------------------------------------------------- */

/* Whole sound as mono float (mean of the channels) at `rate` (windowed-sinc resampling), starting
 * at `start_s` on the container's clock (pass stk_retime.first_time_s, or 0 for a plain sound file,
 * whose clock starts at its first sample). Missing sound before the stream's start is silence.
 * Owned by the caller: stk_sound_clear. */
stk_status stk_sound_read(const char *path, int rate, double start_s, stk_sound *sound);
void stk_sound_clear(stk_sound *sound);
/* Exactly `count` samples: cut, or continued with silence. */
stk_status stk_sound_fit(stk_sound *sound, int64_t count);
/* How many samples stk_sound_read would give: decodes all, keeps nothing. */
stk_status stk_sound_length(const char *path, int rate, double start_s, int64_t *samples);

/* The same in pieces, with constant memory. One timeline: sample 0 is the sound at `start_s` on the
 * container's clock, whatever the track's own start, encoder priming or gaps are. */
typedef struct stk_sound_source stk_sound_source;
/* channels: 1 = mean of all, 2 = stereo (mono is doubled), 0 = the track's own, at most 2. rate 0 =
 * the track's own. */
stk_status stk_sound_source_open(stk_sound_source **source, const char *path, int rate,
                                 int channels, double start_s);
void stk_sound_source_close(stk_sound_source **source);
int stk_sound_source_rate(const stk_sound_source *source);
int stk_sound_source_channels(const stk_sound_source *source);
/* Up to `count` samples into each of planes[channels]; *got < count only at the track's end. */
stk_status stk_sound_source_read(stk_sound_source *source, float *const *planes, int count,
                                 int *got);

/* 16-bit PCM WAV, written atomically. */
stk_status stk_sound_write_wav(const char *path, const stk_sound *sound);

/* --- video out -------------------------------------------------------------------------------- */

/* The last two take RGBA pictures, PNG takes either; sound as in MP4, in WebM as Vorbis. */
typedef enum stk_writer_format {
    STK_WRITER_MP4,
    STK_WRITER_Y4M,
    STK_WRITER_PNG,
    STK_WRITER_PRORES, /* .mov, ProRes 4444 with alpha */
    STK_WRITER_VP9,    /* .webm, VP9 with alpha */
} stk_writer_format;

typedef struct stk_writer_options {
    stk_writer_format format;
    int channels;           /* of the pictures given: 0 = 3, or 4 (PNG; always with alpha films) */
    int width, height;      /* even for MP4, ProRes and VP9 */
    int fps, fps_den;       /* fps / fps_den frames a second, e.g. 30000 / 1001; fps_den 0 = 1 */
    int timescale;          /* MP4: 0 = constant rate; else ticks a second of the time stamps given
                             * to stk_video_writer_frame_at, fps being about their rate */
    int crf;                /* 0 (lossless) .. 51 */
    int gop;                /* key frame distance; 0 = encoder's choice */
    const char *preset;     /* x264 preset, NULL = "veryfast" */
    const char *sound_path; /* re-encoded to AAC and muxed, streamed from the file; NULL = none */
    double sound_start_s;   /* container time of the sound at frame 0 */
    const char *comment;    /* NULL = none. The mark of synthetic pictures: metadata "comment" of an
                             * MP4, tEXt "Comment" of each PNG; a Y4M says XSYNTHETIC=1 instead */
    int threads;            /* encoder threads; 0 = choose */
} stk_writer_options;

/* Writes to a temporary name; finish renames, discard removes. path "-" with Y4M is stdout. PNG:
 * path is a folder, frames are 000000.png ... Constant memory however long. */
typedef struct stk_video_writer stk_video_writer;
stk_status stk_video_writer_create(stk_video_writer **writer, const char *path,
                                   const stk_writer_options *options);
stk_status stk_video_writer_frame(stk_video_writer *writer, const stk_image *rgb);
/* With a timescale: the frame is shown from time_s on, which must grow from frame to frame. */
stk_status stk_video_writer_frame_at(stk_video_writer *writer, const stk_image *rgb, double time_s);
/* Flushes, muxes the remaining sound (cut or padded to the picture's length), renames; frees. */
stk_status stk_video_writer_finish(stk_video_writer **writer);
/* Keeps what was written so far playable under the final name when keep != 0 (Ctrl-C), else
 * removes. */
void stk_video_writer_discard(stk_video_writer **writer, int keep);

/* --- any frame by number ---------------------------------------------------------------------- */

typedef struct stk_frame_store stk_frame_store;
/* From a file, or from `size` bytes at `data` (kept by the caller) when path is NULL. The video
 * must be one made by stk_video_writer with gop > 0 (constant rate). */
stk_status stk_frame_store_open(stk_frame_store **store, const char *path, const void *data,
                                size_t size);
void stk_frame_store_close(stk_frame_store **store);
/* Keeps up to `groups` decoded groups (gop * width * height * 1.5 bytes each) instead of 2: random
 * access then costs no decode once all are in. Drops what is cached now. */
stk_status stk_frame_store_set_cache(stk_frame_store *store, int groups);
int stk_frame_store_count(const stk_frame_store *store);
/* The size of every frame it gives. */
void stk_frame_store_size(const stk_frame_store *store, int *width, int *height);
/* Frame `index` as an RGB view owned by the store, valid until the next call. Sequential access in
 * either direction costs about one decode a frame, random access half a group of them. */
stk_status stk_frame_store_get(stk_frame_store *store, int index, const stk_image **frame);
/* The same into the caller's picture: RGB, of the store's size. */
stk_status stk_frame_store_read(stk_frame_store *store, int index, stk_image *frame);

/* --- still pictures --------------------------------------------------------------------------- */

/* 1, 3 or 4 channels; atomic. */
stk_status stk_png_write(const char *path, const stk_image *image);
/* PNG or JPEG, converted to `channels` (1, 3 or 4); owned by the caller: stk_image_clear. */
stk_status stk_picture_read(const char *path, int channels, stk_image *image);
/* Baseline JPEG of about quality 97, chroma not subsampled; atomic. */
stk_status stk_jpeg_write(const char *path, const stk_image *rgb);
/* The same in memory, for carrying in a text: quantiser 1 (best) to 31. Owned by the caller:
 * stk_free. */
stk_status stk_jpeg_encode(const stk_image *rgb, int quantiser, uint8_t **bytes, size_t *size);
/* Width and height by the header of a PNG or JPEG: to refuse an enormous one before decoding. */
stk_status stk_picture_size(const char *path, int *width, int *height);

#endif
