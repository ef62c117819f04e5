/* vary.c - see vary.h. */
#include "train/vary.h"

#include <stdio.h>
#include <string.h>

/* In the order of the bits. */
static const char *const names[STK_VARY_COUNT] = {
    "regions", "rates", "average", "probe", "blinks", "noise", "backdrop", "hull", "levels"};

static int find(const char *word, size_t length) {
    for (int i = 0; i < STK_VARY_COUNT; i++)
        if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0) return i;
    return -1;
}

stk_status stk_vary_parse(const char *list, unsigned *vary) {
    char known[STK_VARY_TEXT] = "";
    *vary = 0;
    if (list == NULL || list[0] == '\0') return STK_OK;
    for (const char *word = list;; word++) {
        const size_t length = strcspn(word, ",");
        const int i = find(word, length);
        if (i < 0) {
            stk_vary_text((1u << STK_VARY_COUNT) - 1, known);
            return stk_fail(STK_ERR_ARGUMENT, "--vary %.*s: must be of %s", (int)length, word,
                            known);
        }
        *vary |= 1u << i;
        word += length;
        if (*word == '\0') return STK_OK;
    }
}

void stk_vary_text(unsigned vary, char text[STK_VARY_TEXT]) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < STK_VARY_COUNT; i++)
        if (vary & (1u << i))
            used += (size_t)snprintf(text + used, STK_VARY_TEXT - used, "%s%s", used > 0 ? "," : "",
                                     names[i]);
}
