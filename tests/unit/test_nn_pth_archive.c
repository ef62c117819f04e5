/* Hostile and damaged archives of PyTorch files: code instead of tensors, entries that lie about
 * their size, overlap, are compressed, or whose names lead elsewhere; archives that are cut. All are
 * refused with one sentence (run under ASan). */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/pth.h"
#include "nn/pth_write.h"

#include <stdio.h>
#include <string.h>
#include <zip.h>

static char folder[STK_PATH_MAX], path[STK_PATH_MAX];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(path, sizeof path, folder, "hostile.pth"));
    return 0;
}

/* --- archives made here ----------------------------------------------------------------------- */

static void add_entry(zip_t *zip, const char *name, const void *data, size_t size, int method) {
    zip_source_t *source = zip_source_buffer(zip, data, size, 0);
    zip_int64_t index = zip_file_add(zip, name, source, 0);
    assert_true(index >= 0);
    assert_int_equal(zip_set_file_compression(zip, (zip_uint64_t)index, method, 0), 0);
}

/* An archive with this pickle and one storage "0" of four floats. */
static void write_archive(const void *pickle, size_t size, int method) {
    static const float floats[4] = {1, 2, 3, 4};
    int error;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &error);
    assert_non_null(zip);
    add_entry(zip, "m/data.pkl", pickle, size, ZIP_CM_STORE);
    add_entry(zip, "m/data/0", floats, sizeof floats, method);
    add_entry(zip, "m/version", "3\n", 2, ZIP_CM_STORE);
    assert_int_equal(zip_close(zip), 0);
}

static void assert_refused(const char *why) {
    stk_pth *file;
    if (stk_pth_open(&file, path) == STK_OK) fail_msg("accepted, although %s", why);
    assert_null(file);
    if (strstr(stk_error_text(), why) == NULL)
        fail_msg("refused with \"%s\" instead of \"%s\"", stk_error_text(), why);
    assert_non_null(strstr(stk_error_text(), path));
    assert_null(strchr(stk_error_text(), '\n'));
}
#define REFUSED(pickle, why)                                                                       \
    (write_archive(pickle, sizeof(pickle) - 1, ZIP_CM_STORE), assert_refused(why))

/* {"w": tensor of storage `key` with `elements`, shape [4]} */
#define TENSOR(key, elements)                                                                      \
    "\x80\x02}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n("                                      \
    "(X\x07\0\0\0storagectorch\nFloatStorage\n" key "X\3\0\0\0cpu" elements "tQ"                   \
    "K\0K\4\x85K\1\x85\x89"                                                                        \
    "ccollections\nOrderedDict\n)RtRs."
#define KEY_0                                                                                      \
    "X\1\0\0\0"                                                                                    \
    "0"

static void open_archive_made_here_is_read(void **state) {
    (void)state;
    static const char sound[] = TENSOR(KEY_0, "K\4");
    static const float wanted[4] = {1, 2, 3, 4};
    float found[4];
    stk_pth *file;
    write_archive(sound, sizeof sound - 1, ZIP_CM_STORE);
    TEST_OK(stk_pth_open(&file, path));
    TEST_OK(stk_pth_read_f32(stk_pth_get(stk_pth_model(file), "w"), found, 4, "w"));
    test_assert_close("w", found, wanted, 4, 0);
    stk_pth_close(&file);
}

static void open_code_in_archive_is_refused(void **state) {
    (void)state;
    REFUSED("\x80\x02"
            "cos\nsystem\nX\4\0\0\0true\x85R.",
            "os.system");
    REFUSED("\x80\x02"
            "cbuiltins\neval\nX\1\0\0\0"
            "1\x85R.",
            "builtins.eval");
    REFUSED("\x80\x02"
            "c__builtin__\nexec\nX\1\0\0\0"
            "1\x85R.",
            "__builtin__.exec");
    REFUSED("\x80\x02"
            "csubprocess\nPopen\n)R.",
            "subprocess.Popen");
    REFUSED("\x80\x02"
            "ctorch\nload\nX\1\0\0\0"
            "1\x85R.",
            "torch.load");
    REFUSED("\x80\x02"
            "ctorch.storage\n_load_from_bytes\n)R.",
            "torch.storage._load_from_bytes");
    REFUSED("\x80\x02"
            "cbuiltins\ngetattr\n(ctorch\nFloatStorage\nX\4\0\0\0_newtR.",
            "builtins.getattr");
    REFUSED("\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", "posix.system");
    /* a class of the list used as something else, and state for an object that has none */
    REFUSED("\x80\x02"
            "ctorch\nFloatStorage\n)R.",
            "it calls a storage class");
    REFUSED("\x80\x02]}b.", "sets the state");
}

static void open_name_that_leads_elsewhere_is_missing(void **state) {
    (void)state;
    REFUSED(TENSOR("X\x14\0\0\0../../../etc/passwd0", "K\4"), "is missing");
    REFUSED(TENSOR("X\x0b\0\0\0/etc/passwd", "K\4"), "is missing");
    REFUSED(TENSOR("X\x01\0\0\0.", "K\4"), "is missing");
    REFUSED(TENSOR("X\0\0\0\0", "K\4"), "is missing");
}

static void open_size_that_lies_is_refused(void **state) {
    (void)state;
    REFUSED(TENSOR(KEY_0, "K\5"), "has the wrong size");
    REFUSED(TENSOR(KEY_0, "\x8a\5\0\0\0\0\1"), "has the wrong size");
    REFUSED(TENSOR(KEY_0, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), "impossible storage");
    REFUSED(TENSOR(KEY_0, "J\xff\xff\xff\xff"), "described wrongly");
    REFUSED(TENSOR(KEY_0, "K\3"), "outside its storage");
}

static void open_compressed_entry_is_refused(void **state) {
    (void)state;
    static const char sound[] = TENSOR(KEY_0, "K\4");
    static float zeros[1 << 16];
    int error;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &error);
    assert_non_null(zip);
    add_entry(zip, "m/data.pkl", sound, sizeof sound - 1, ZIP_CM_STORE);
    add_entry(zip, "m/data/0", zeros, sizeof zeros, ZIP_CM_DEFLATE);
    assert_int_equal(zip_close(zip), 0);
    assert_refused("is compressed or encrypted");
    assert_refused("save it again with torch.save");
}

/* --- archives that were changed --------------------------------------------------------------- */

enum { TENSORS = 10, FLOATS = 1 << 16 };

/* TENSORS equal tensors, and where their parts lie. */
typedef struct archive {
    uint8_t *bytes;
    size_t size, directory, end, second; /* central directory, its end, local header of data/1 */
} archive;

static uint32_t number(const uint8_t *at, int size) {
    uint32_t value = 0;
    memcpy(&value, at, (size_t)size);
    return value;
}

static void make_archive(archive *a) {
    static const float zeros[FLOATS];
    static const int64_t shape[1] = {FLOATS};
    stk_pth_writer *writer;
    stk_map map;
    char name[16];
    TEST_OK(stk_pth_writer_create(&writer, path));
    for (int i = 0; i < TENSORS; i++) {
        snprintf(name, sizeof name, "t%d", i);
        TEST_OK(stk_pth_writer_tensor(writer, name, STK_F32, 1, shape, zeros));
    }
    TEST_OK(stk_pth_writer_finish(&writer));
    TEST_OK(stk_map_open(&map, path));
    a->size = map.size;
    a->bytes = stk_calloc_aligned(1, map.size);
    assert_non_null(a->bytes);
    memcpy(a->bytes, map.data, map.size);
    stk_map_close(&map);
    a->end = a->size - 22; /* no comment */
    a->directory = number(a->bytes + a->end + 16, 4);
    const uint8_t *entry = a->bytes + a->directory;
    for (int i = 0; i < 2; i++)
        entry += 46 + number(entry + 28, 2) + number(entry + 30, 2) + number(entry + 32, 2);
    assert_memory_equal(entry + 46, "archive/data/1", 14);
    a->second = number(entry + 42, 4);
}

static void put(const archive *a, size_t size) {
    TEST_OK(stk_file_write(path, a->bytes, size));
}

/* Every entry of the directory points at the first storage: a small file that would need the
 * memory of a large one. */
static void open_overlapping_entries_is_refused(void **state) {
    (void)state;
    archive a;
    make_archive(&a);
    size_t length = a.size - a.directory;
    const uint32_t first = number(a.bytes + a.directory + 46 + 16 + 42, 4);
    uint8_t *entry = a.bytes + a.directory + 46 + 16;
    for (int i = 0; i < TENSORS; i++) {
        assert_int_equal(number(entry, 4), 0x02014b50);
        memcpy(entry + 42, &first, sizeof first);
        entry += 46 + number(entry + 28, 2) + number(entry + 30, 2) + number(entry + 32, 2);
    }
    memmove(a.bytes + a.second, a.bytes + a.directory, length);
    const uint32_t moved = (uint32_t)a.second;
    memcpy(a.bytes + a.second + length - 22 + 16, &moved, sizeof moved);
    put(&a, a.second + length);
    stk_pth *file;
    assert_int_equal(stk_pth_open(&file, path), STK_ERR_FORMAT);
    assert_null(file);
    stk_free(a.bytes);
}

static void open_changed_data_is_refused(void **state) {
    (void)state;
    archive a;
    make_archive(&a);
    a.bytes[a.second - 5] ^= 1; /* the last storage before it: its checksum disagrees */
    put(&a, a.size);
    assert_refused("is damaged");
    a.bytes[a.second - 5] ^= 1;
    /* sizes in the directory: 4 GB, and one byte less than there is */
    uint8_t *entry = a.bytes + a.directory + 46 + 16;
    const uint32_t sizes[2] = {UINT32_MAX - 1, FLOATS * sizeof(float) - 1};
    for (int i = 0; i < 2; i++) {
        uint8_t saved[8];
        memcpy(saved, entry + 20, sizeof saved);
        memcpy(entry + 20, &sizes[i], 4);
        memcpy(entry + 24, &sizes[i], 4);
        put(&a, a.size);
        stk_pth *file;
        assert_int_equal(stk_pth_open(&file, path), STK_ERR_FORMAT);
        memcpy(entry + 20, saved, sizeof saved);
    }
    stk_free(a.bytes);
}

static void open_cut_archive_is_refused(void **state) {
    (void)state;
    archive a;
    make_archive(&a);
    const size_t ends[] = {
        4, 30, 64, a.second - 1, a.second + 100, a.directory, a.directory + 50, a.end, a.size - 1};
    for (size_t i = 0; i < STK_ARRAY_SIZE(ends); i++) {
        put(&a, ends[i]);
        assert_refused("archive");
    }
    stk_free(a.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_archive_made_here_is_read),
        cmocka_unit_test(open_code_in_archive_is_refused),
        cmocka_unit_test(open_name_that_leads_elsewhere_is_missing),
        cmocka_unit_test(open_size_that_lies_is_refused),
        cmocka_unit_test(open_compressed_entry_is_refused),
        cmocka_unit_test(open_overlapping_entries_is_refused),
        cmocka_unit_test(open_changed_data_is_refused),
        cmocka_unit_test(open_cut_archive_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
