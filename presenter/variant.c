/* variant.c - the names of the variants. */
#include "base/attr.h"
#include "presenter/presenter.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define VARIANT(name)                                                                              \
    { #name, offsetof(stk_presenter_variant, name) }
static const struct {
    const char *name;
    size_t offset;
} variants[] = {
    VARIANT(cut),        VARIANT(second_face),   VARIANT(hand),    VARIANT(profile),
    VARIANT(silence),    VARIANT(no_sound),      VARIANT(no_face), VARIANT(shake),
    VARIANT(brightness), VARIANT(variable_rate),
};

const char *stk_presenter_variant_name(const stk_presenter_variant *variant, int index) {
    for (size_t i = 0; i < STK_ARRAY_SIZE(variants); i++) {
        int set = 1;
        if (variant != NULL) memcpy(&set, (const char *)variant + variants[i].offset, sizeof set);
        if (set && index-- == 0) return variants[i].name;
    }
    return NULL;
}

static int set_by_name(stk_presenter_variant *variant, const char *name, size_t length) {
    for (size_t i = 0; i < STK_ARRAY_SIZE(variants); i++) {
        if (strlen(variants[i].name) != length || memcmp(variants[i].name, name, length) != 0)
            continue;
        const int set = 1;
        memcpy((char *)variant + variants[i].offset, &set, sizeof set);
        return 1;
    }
    return 0;
}

stk_status stk_presenter_variant_parse(const char *names, stk_presenter_variant *variant) {
    *variant = (stk_presenter_variant){0};
    if (names == NULL) return STK_OK;
    for (const char *p = names; *p != '\0';) {
        const size_t length = strcspn(p, ",");
        if (!set_by_name(variant, p, length)) {
            char all[256] = "";
            for (int i = 0; stk_presenter_variant_name(NULL, i) != NULL; i++)
                snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? ", " : "",
                         stk_presenter_variant_name(NULL, i));
            return stk_fail(STK_ERR_ARGUMENT, "there is no variant \"%.*s\"; there are %s",
                            (int)length, p, all);
        }
        p += length;
        p += *p == ',';
    }
    return STK_OK;
}
