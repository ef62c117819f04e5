/* head_model_landmarks.c - see head_model_landmarks.h.
 *
 * A table is text, one "point = vertex" a line, points from 1 to 68 as iBUG counts them, vertices
 * from 0; "#" begins a comment, "[landmark_mappings]" the section that is read (without any section
 * all lines are). That is how eos writes them (ibug_to_sfm.txt), so those can be used as they are.
 */
#include "head_sync/head_model_landmarks.h"

#include "base/attr.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_BYTES_MAX = 1 << 16, USABLE_MIN = 6 };

typedef struct pair {
    short point; /* 1-based, as in the sources */
    int vertex;
} pair;

/* Surrey Face Model, 3448 vertices [eos, ibug_to_sfm.txt] */
static const pair sfm_3448[] = {
    {9, 33},    {18, 225}, {19, 229},  {20, 233},  {21, 2086}, {22, 157}, {23, 590}, {24, 2091},
    {25, 666},  {26, 662}, {27, 658},  {28, 2842}, {29, 379},  {30, 272}, {31, 114}, {32, 100},
    {33, 2794}, {34, 270}, {35, 2797}, {36, 537},  {37, 177},  {38, 172}, {39, 191}, {40, 181},
    {41, 173},  {42, 174}, {43, 614},  {44, 624},  {45, 605},  {46, 610}, {47, 607}, {48, 606},
    {49, 398},  {50, 315}, {51, 413},  {52, 329},  {53, 825},  {54, 736}, {55, 812}, {56, 841},
    {57, 693},  {58, 411}, {59, 264},  {60, 431},  {62, 416},  {63, 423}, {64, 828}, {66, 817},
    {67, 442},  {68, 404},
};
/* BFM-2009, the published pipeline's 34650 vertices: points 18 to 68 [reference.md 7.2] */
static const pair bfm_34650[] = {
    {18, 27932}, {19, 28270}, {20, 28552}, {21, 28771}, {22, 28990}, {23, 29567}, {24, 29780},
    {25, 30000}, {26, 30316}, {27, 30627}, {28, 8155},  {29, 8173},  {30, 8184},  {31, 8190},
    {32, 6516},  {33, 7363},  {34, 8203},  {35, 9043},  {36, 9884},  {37, 1828},  {38, 4016},
    {39, 5177},  {40, 6341},  {41, 4804},  {42, 3771},  {43, 9955},  {44, 11094}, {45, 12255},
    {46, 14323}, {47, 12526}, {48, 11495}, {49, 5262},  {50, 6024},  {51, 7375},  {52, 8215},
    {53, 9055},  {54, 10394}, {55, 11179}, {56, 9674},  {57, 8835},  {58, 8235},  {59, 7635},
    {60, 6793},  {61, 5779},  {62, 7384},  {63, 8225},  {64, 9064},  {65, 10536}, {66, 8828},
    {67, 8228},  {68, 7628},
};
/* BFM-2009, all 53490 vertices [eos, ibug_to_bfm.txt] */
static const pair bfm_53490[] = {
    {18, 38792}, {20, 40087}, {22, 40514}, {23, 41091}, {25, 41511}, {27, 42825},
    {31, 8319},  {34, 8334},  {37, 2088},  {40, 5959},  {43, 10603}, {46, 14472},
    {49, 5006},  {52, 8344},  {55, 11714}, {58, 8374},  {63, 8354},  {67, 8366},
};
/* BFM-2017 without the inside of the mouth, 53149 vertices [eos, ibug_to_bfm2017-1_bfm_nomouth] */
static const pair bfm_53149[] = {
    {9, 47846}, {31, 8156},  {37, 2602}, {40, 5830}, {43, 10390}, {46, 13481}, {49, 5522},
    {50, 6026}, {51, 7355},  {52, 8181}, {53, 9007}, {54, 10329}, {55, 10857}, {56, 9730},
    {57, 8670}, {58, 8199},  {59, 7726}, {60, 6898}, {61, 6291},  {62, 7364},  {63, 8190},
    {64, 9016}, {65, 10088}, {66, 8663}, {67, 8191}, {68, 7719},
};

static const struct {
    int vertices, count;
    const pair *pairs;
} built_in[] = {
    {3448, STK_ARRAY_SIZE(sfm_3448), sfm_3448},
    {34650, STK_ARRAY_SIZE(bfm_34650), bfm_34650},
    {53490, STK_ARRAY_SIZE(bfm_53490), bfm_53490},
    {53149, STK_ARRAY_SIZE(bfm_53149), bfm_53149},
};

static int take_built_in(int vertices, int vertex[STK_POINTS_68]) {
    for (size_t i = 0; i < STK_ARRAY_SIZE(built_in); i++) {
        if (built_in[i].vertices != vertices) continue;
        for (int k = 0; k < built_in[i].count; k++)
            vertex[built_in[i].pairs[k].point - 1] = built_in[i].pairs[k].vertex;
        return 1;
    }
    return 0;
}

/* One line of a table; 0 when it cannot be read. */
static int parse_line(char *line, int vertices, int *reading, int vertex[STK_POINTS_68]) {
    static const char SECTION[] = "[landmark_mappings]";
    line[strcspn(line, "#\r")] = '\0';
    line += strspn(line, " \t");
    if (*line == '\0') return 1;
    if (*line == '[') {
        *reading = strncmp(line, SECTION, sizeof SECTION - 1) == 0;
        return 1;
    }
    if (!*reading) return 1;
    char *end, *second;
    long point = strtol(line, &end, 10);
    end += strspn(end, " \t");
    if (point < 1 || point > STK_POINTS_68 || *end != '=') return 0;
    long number = strtol(end + 1, &second, 10);
    if (second == end + 1 || second[strspn(second, " \t")] != '\0') return 0;
    if (number < 0 || number >= vertices) return 0;
    vertex[point - 1] = (int)number;
    return 1;
}

static stk_status parse_table(const char *path, int vertices, int vertex[STK_POINTS_68]) {
    char *text;
    int reading = 1, number = 0, good = 1;
    STK_TRY(stk_file_read_text(path, TABLE_BYTES_MAX, &text));
    for (char *line = text, *next; good && line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) *next++ = '\0';
        number++;
        good = parse_line(line, vertices, &reading, vertex);
    }
    stk_free(text);
    if (good) return STK_OK;
    return stk_fail(STK_ERR_FORMAT,
                    "%s: line %d is not \"point = vertex\" with a point from 1 to 68 and a vertex "
                    "below %d",
                    path, number, vertices);
}

void stk_head_landmarks_path(const char *model, char path[STK_PATH_MAX]) {
    const char *slash = strrchr(model, '/'), *dot = strrchr(model, '.');
    size_t stem =
        dot != NULL && (slash == NULL || dot > slash) ? (size_t)(dot - model) : strlen(model);
    int n = snprintf(path, STK_PATH_MAX, "%.*s.landmarks.txt", (int)stem, model);
    if (n >= STK_PATH_MAX || !stk_file_exists(path)) path[0] = '\0';
}

stk_status stk_head_landmarks_find(const char *model, int vertices, int vertex[STK_POINTS_68],
                                   char path[STK_PATH_MAX]) {
    char table[STK_PATH_MAX];
    int usable = 0;
    for (int i = 0; i < STK_POINTS_68; i++) vertex[i] = -1;
    stk_head_landmarks_path(model, table);
    if (path != NULL) memcpy(path, table, STK_PATH_MAX);
    if (table[0] != '\0')
        STK_TRY(parse_table(table, vertices, vertex));
    else if (!take_built_in(vertices, vertex))
        return stk_fail(
            STK_ERR_ARGUMENT,
            "%s: which of its %d vertices are the landmarks is not known; write a table "
            "\"point = vertex\" (68 iBUG points) beside it, named like it but ending in "
            ".landmarks.txt",
            model, vertices);
    enum { FIRST_INNER = 17 }; /* the contour slides over the head as it turns */
    for (int i = FIRST_INNER; i < STK_POINTS_68; i++) usable += vertex[i] >= 0;
    if (usable >= USABLE_MIN) return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "%s: names only %d of the points 18 to 68; %d are needed",
                    table, usable, USABLE_MIN);
}
