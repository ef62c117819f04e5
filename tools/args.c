/* args.c - one parser and one --help for all subcommands, from the option tables. */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const tool_commands[][2] = {
    {"prepare", "a video -> a subject folder"},
    {"train", "a subject -> one model file"},
    {"render", "model + sound -> video"},
    {"eval", "held-out frames: rendered against real"},
    {"info", "what is this file?"},
    {"sync", "how late is the sound of a clip, and how sure is that?"},
    {"compare", "videos of any system beside the real one: the figures of eval, and sync"},
    {"ablate", "what every module is worth: the paper's ablation on one subject"},
    {"sheet", "pictures and moments of videos side by side in one PNG"},
    {"convert", "a published checkpoint <-> a model"},
    {"presenter", "an invented person who talks -> a video to try all this with"},
    {"bench", "how fast is this machine? tables of speeds"},
    {"subject import", "the published system's dataset folder -> a subject folder"},
    {"subject export", "a subject folder -> the published system's dataset folder"},
    {"encoder train", "clips of people who speak -> the encoder that hears lips"},
    {"encoder pack", "both sides of a trained encoder -> one small file"},
    {NULL, NULL},
};

static void print_option(const stk_option *option) {
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", option->flag,
             option->flag[0] != '\0' && option->word[0] != '\0' ? " " : "", option->word);
    printf("  %-24s %s", left, option->help);
    if (option->kind == STK_OPTION_INT || option->kind == STK_OPTION_REAL)
        printf(" (default %s)", option->initial);
    printf("\n");
}

void tool_help(const char *command) {
    const char *purpose = "";
    for (int i = 0; tool_commands[i][0] != NULL; i++)
        if (strcmp(tool_commands[i][0], command) == 0) purpose = tool_commands[i][1];
    const stk_option *table = stk_option_table(command);
    printf("synctalk %s: %s\n\nusage: synctalk %s", command, purpose, command);
    for (const stk_option *o = table; o->name != NULL; o++)
        if (o->flag[0] == '\0') printf(" %s", o->word);
    printf(" [options]\n\n");
    for (const stk_option *o = table; o->name != NULL; o++) print_option(o);
    printf("\nAlways: -q quiet, -v verbose, --help,\n"
           "  --cpu-mask NAME          use no more than c, avx2, avx512, avx512bf16 or amx, for "
           "comparing\n");
}

static int complain(const char *command, const char *text) {
    fprintf(stderr, "synctalk %s: %s\nTry: synctalk %s --help\n", command, text, command);
    return EXIT_USAGE;
}

static const stk_option *find_flag(const stk_option *table, const char *flag) {
    for (const stk_option *o = table; o->name != NULL; o++)
        if (o->flag[0] != '\0' && strcmp(o->flag, flag) == 0) return o;
    return NULL;
}

static const stk_option *find_positional(const stk_option *table, int index) {
    for (const stk_option *o = table; o->name != NULL; o++)
        if (o->flag[0] == '\0' && index-- == 0) return o;
    return NULL;
}

/* The options that every command knows: -1 = not one, -2 = taken, else an exit code. */
static int take_common(tool *t, const char *command, int *i) {
    const char *word = t->argv[*i];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        tool_help(command);
        return EXIT_DONE;
    }
    if (strcmp(word, "-q") == 0) return t->quiet = 1, -2;
    if (strcmp(word, "-v") == 0) return t->verbose = 1, -2;
    if (strcmp(word, "--cpu-mask") != 0) return -1;
    if (*i + 1 < t->argc && stk_set_cpu_mask(t->argv[*i + 1]) == STK_OK) return ++*i, -2;
    return complain(command,
                    "--cpu-mask needs one of c, avx2, avx512, avx512bf16, amx or a number");
}

static int is_repeated(const stk_option *option) {
    size_t length = strlen(option->word);
    return length > 3 && strcmp(option->word + length - 3, "...") == 0;
}

/* The value of a repeated argument so far with one more; NULL when out of memory. */
static const char *join(tool *t, const char *word) {
    size_t old = t->list != NULL ? strlen(t->list) : 0;
    char *list = realloc(t->list, old + strlen(word) + 2);
    if (list == NULL) return NULL;
    t->list = list;
    snprintf(list + old, strlen(word) + 2, "%s%s", old > 0 ? "\n" : "", word);
    return list;
}

int tool_parse(tool *t, const char *command, void *options) {
    const stk_option *table = stk_option_table(command);
    int positionals = 0, only_positionals = 0;
    char text[512];
    for (int i = 0; i < t->argc; i++) {
        const char *word = t->argv[i];
        int taken = only_positionals ? -1 : take_common(t, command, &i);
        if (taken >= 0) return taken;
        if (taken == -2) continue;
        if (!only_positionals && strcmp(word, "--") == 0) {
            only_positionals = 1;
            continue;
        }
        const stk_option *option;
        const char *value = word;
        if (!only_positionals && word[0] == '-' && word[1] != '\0') {
            option = find_flag(table, word);
            if (option == NULL) {
                snprintf(text, sizeof text, "there is no option %s", word);
                return complain(command, text);
            }
            if (option->kind != STK_OPTION_FLAG) {
                if (++i == t->argc) {
                    snprintf(text, sizeof text, "%s needs a value: %s", word, option->word);
                    return complain(command, text);
                }
                value = is_repeated(option) ? join(t, t->argv[i]) : t->argv[i];
            }
        } else {
            option = find_positional(table, positionals);
            if (option != NULL && is_repeated(option))
                value = join(t, word);
            else
                positionals++;
            if (option == NULL) {
                snprintf(text, sizeof text, "\"%s\" is one argument too many", word);
                return complain(command, text);
            }
        }
        if (value == NULL) return complain(command, "out of memory");
        if (stk_option_set(option, options, value, text, sizeof text) != STK_OK)
            return complain(command, text);
    }
    if (t->verbose) fprintf(stderr, "%s\n", stk_system_line());
    return -1;
}
