/* input.c - opens a container from a file or from memory and says in one sentence why it cannot.
 *
 * Paths are given to libavformat as "file:..." so that a colon or a percent sign in a name is never
 * taken for a protocol or a pattern. Of the things libavformat would take for video, text
 * renderers ("tty") are refused: a text file is not a clip.
 */
#include "media/input.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <libavutil/display.h>
#include <libavutil/log.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { IO_BUFFER = 1 << 16, MAGIC_BYTES = 12 };

static void forward_message(void *context, int level, const char *format, va_list arguments) {
    if (level > AV_LOG_WARNING) return;
    char line[512];
    int prefix = 1;
    av_log_format_line2(context, level, format, arguments, line, sizeof line, &prefix);
    size_t length = strlen(line);
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) length--;
    line[length] = '\0';
    if (length > 0) stk_log(STK_LOG_DEBUG, "libav: %s", line);
}

static void install_log(void) {
    av_log_set_callback(forward_message);
}

void stk_media_quiet(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install_log);
}

stk_status stk_media_fail(const char *name, const char *what, int averror) {
    if (averror == AVERROR(ENOMEM)) return stk_fail_memory(name);
    if (averror == AVERROR(ENOSPC))
        return stk_fail(STK_ERR_IO, "%s: %s: the disk is full; free some space and run again", name,
                        what);
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(averror, reason, sizeof reason);
    int system = averror == AVERROR(EIO) || averror == AVERROR(EACCES) ||
                 averror == AVERROR(EPERM) || averror == AVERROR(ENOENT) ||
                 averror == AVERROR(EPIPE) || averror == AVERROR(EROFS) ||
                 averror == AVERROR(EDQUOT);
    return stk_fail(system ? STK_ERR_IO : STK_ERR_FORMAT, "%s: %s: %s", name, what, reason);
}

static int read_bytes(void *opaque, uint8_t *target, int size) {
    stk_bytes *bytes = opaque;
    size_t left = bytes->size - bytes->position;
    if (left == 0) return AVERROR_EOF;
    size_t count = (size_t)size < left ? (size_t)size : left;
    memcpy(target, bytes->data + bytes->position, count);
    bytes->position += count;
    return (int)count;
}

static int64_t seek_bytes(void *opaque, int64_t offset, int whence) {
    stk_bytes *bytes = opaque;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE) return (int64_t)bytes->size;
    if (whence == SEEK_CUR)
        offset += (int64_t)bytes->position;
    else if (whence == SEEK_END)
        offset += (int64_t)bytes->size;
    else if (whence != SEEK_SET)
        return AVERROR(EINVAL);
    if (offset < 0 || offset > (int64_t)bytes->size) return AVERROR(EINVAL);
    bytes->position = (size_t)offset;
    return offset;
}

static stk_status attach_memory(stk_input *input, const void *data, size_t size) {
    input->bytes = (stk_bytes){data, size, 0};
    uint8_t *buffer = av_malloc(IO_BUFFER);
    if (buffer == NULL) return stk_fail_memory("reading buffer");
    input->io =
        avio_alloc_context(buffer, IO_BUFFER, 0, &input->bytes, read_bytes, NULL, seek_bytes);
    if (input->io == NULL) {
        av_free(buffer);
        return stk_fail_memory("reading buffer");
    }
    input->format = avformat_alloc_context();
    if (input->format == NULL) return stk_fail_memory("demuxer");
    input->format->pb = input->io;
    return STK_OK;
}

/* Why a file is not there to be opened, before libavformat is asked. */
static stk_status check_file(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOENT
                   ? stk_fail(STK_ERR_IO, "%s: no such file", path)
                   : stk_fail(STK_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return stk_fail(STK_ERR_IO, "%s: is a folder, not a clip", path);
    if (S_ISREG(info.st_mode) && info.st_size == 0)
        return stk_fail(STK_ERR_FORMAT, "%s: is empty", path);
    return STK_OK;
}

/* libavformat could not make sense of the file: is it a cut-off MP4, or no media at all? */
static stk_status explain_unreadable(const char *name, const char *path, int averror) {
    uint8_t magic[MAGIC_BYTES] = {0};
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    if (path != NULL && file == NULL)
        return stk_fail(STK_ERR_IO, "%s: cannot be opened: %s", name, strerror(errno));
    if (file != NULL) {
        size_t got = fread(magic, 1, sizeof magic, file);
        fclose(file);
        if (got == sizeof magic && memcmp(magic + 4, "ftyp", 4) == 0)
            return stk_fail(STK_ERR_FORMAT,
                            "%s: is cut off or damaged: the index of the MP4 file "
                            "cannot be read; copy or download it again",
                            name);
    }
    if (averror == AVERROR_INVALIDDATA || averror == AVERROR_EOF)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is not a video or sound file that can be read (or it "
                        "is damaged at its very beginning)",
                        name);
    return stk_media_fail(name, "cannot be read", averror);
}

stk_status stk_input_open(stk_input *input, const char *path, const void *data, size_t size) {
    stk_media_quiet();
    *input = (stk_input){0};
    const char *name = path != NULL ? path : "video in memory";
    char url[STK_PATH_MAX + 8];
    if (strlen(name) >= sizeof input->name)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", name);
    strcpy(input->name, name);
    snprintf(url, sizeof url, "file:%s", name);

    stk_status status = data != NULL ? attach_memory(input, data, size) : check_file(name);
    if (status != STK_OK) goto fail;
    AVDictionary *options = NULL;
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    int error = avformat_open_input(&input->format, data != NULL ? NULL : url, NULL, &options);
    av_dict_free(&options);
    const char *file = data != NULL ? NULL : name;
    if (error >= 0 && strcmp(input->format->iformat->name, "tty") == 0) error = AVERROR_INVALIDDATA;
    if (error >= 0) error = avformat_find_stream_info(input->format, NULL);
    if (error >= 0) return STK_OK;
    status = explain_unreadable(name, file, error);
fail:
    stk_input_close(input);
    return status;
}

void stk_input_close(stk_input *input) {
    if (input == NULL) return;
    if (input->format != NULL) avformat_close_input(&input->format);
    if (input->io != NULL) {
        av_freep(&input->io->buffer);
        avio_context_free(&input->io);
    }
}

int stk_input_stream(const stk_input *input, enum AVMediaType type) {
    int index = av_find_best_stream(input->format, type, -1, -1, NULL, 0);
    if (index < 0) return -1;
    const AVStream *stream = input->format->streams[index];
    return stream->disposition & AV_DISPOSITION_ATTACHED_PIC ? -1 : index;
}

int stk_stream_rotation_deg(const AVStream *stream) {
    const uint8_t *matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, NULL);
    if (matrix == NULL) return 0;
    double counterclockwise = av_display_rotation_get((const int32_t *)(const void *)matrix);
    if (isnan(counterclockwise)) return 0;
    int quarters = (int)lround(-counterclockwise / 90.0);
    return ((quarters % 4 + 4) % 4) * 90;
}
