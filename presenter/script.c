/* script.c - what the presenter says when nobody gives a text: written for this program.
 *
 * One of several openings, then paragraphs of everyday sentences in an order that changes with the
 * seed. Every paragraph is plain speech; together they hold every English phone many times in many
 * neighbourhoods, with lip closures (p b m), lip-to-teeth sounds (f v) and rounded vowels in each.
 */
#include "presenter/speech.h"

#include <stdlib.h>
#include <string.h>

static const char *const openings[] = {
    "Hello, and welcome. I am a presenter who does not exist. My face, my hair and my voice were "
    "made by a small program, and everything you hear me say is written down, sound by sound, "
    "together with the shape of my mouth.",
    "Good morning, everyone. Before we begin, let me tell you who I am. Nobody filmed me. "
    "A program built my face from a few thousand points, gave me a voice, and asked me to talk for "
    "a couple of minutes.",
    "Hi there, it is good to see you. You may wonder whether I am real. I am not, but the way I "
    "move is measured carefully, and that makes me a useful person to learn from.",
    "Welcome back. Today I would like to show you how a face can be taught to speak. You are "
    "looking at the teacher: a made up person, whose every motion is known.",
    "Thank you for stopping by. I was put together this morning, from numbers alone, and my job is "
    "to talk while you watch my lips, my eyes and my shoulders.",
};

static const char *const paragraphs[] = {
    "Here is how it works. The program first looks at a short film of one person. It follows the "
    "head, the lips and the eyes, frame by frame. Then it learns how that face changes with the "
    "sound of the voice. After half an hour it can move the same face to any other speech.",
    "Yesterday we walked along the river path, past the boathouse and the old stone bridge. The "
    "wind was fresh, the water was rough, and a brown dog chased five ducks through the reeds. My "
    "brother bought warm bread and plum jam from the village shop, and we ate it under a beech "
    "tree.",
    "Do you have a favourite breakfast? I usually choose a bowl of porridge with blueberries, "
    "chopped apple and a spoon of honey. On Sunday my mother fries mushrooms, tomatoes and potato "
    "cakes. She measures nothing, yet it always tastes the same.",
    "To judge a picture of somebody talking, look at the small things. The lips must meet for "
    "every p, b and m. The lower lip must touch the teeth for f and v. And when someone says "
    "food, view or move, the mouth should grow round a little before you hear it.",
    "The train to the coast leaves from platform four at twenty past eight. Please buy your "
    "ticket before you board. If you miss it, there is a bus every hour, but it stops in each "
    "village, and the journey takes the whole afternoon.",
    "This morning I pulled a thick wool jumper over my head, found both shoes, and still could not "
    "find my keys. They were in the fridge, beside the butter. I laughed about it, because I "
    "would have blamed anybody but myself.",
    "Music changes a room. When the violin starts softly and the drum joins beneath it, people "
    "stop whispering. By the third verse they are moving their feet, and in the final chorus "
    "everybody sings, even those who swore that they never would.",
    "Our garden is smaller than a car park, but we manage to grow beans, carrots, thyme and a few "
    "yellow roses. In March we turn the earth. In July we water it each evening. And by "
    "September we are giving away more pumpkins than anyone could wish for.",
    "My neighbour repairs watches. He says that patience is mostly a matter of good light and a "
    "comfortable chair. He opens the back, brushes off the dust, and listens. Usually the problem "
    "is one bent tooth on one tiny wheel.",
    "Let me finish with a few short words. Peter, maybe. Five above. Which shoe? The other author. "
    "A usual pleasure. Long, young, singing. Boy, buy, bay, bow. Thank you very much for watching, "
    "and goodbye for now.",
};

enum {
    OPENINGS = sizeof openings / sizeof openings[0],
    PARAGRAPHS = sizeof paragraphs / sizeof paragraphs[0],
    LAST = PARAGRAPHS - 1, /* the farewell keeps its place */
};

const char *stk_speech_script(int seed, int part) {
    const unsigned number = (unsigned)seed;
    if (part < 0 || part > PARAGRAPHS) return NULL;
    if (part == 0) return openings[number % OPENINGS];
    if (part - 1 == LAST) return paragraphs[LAST];
    /* A walk round the others: LAST = 9, so strides 1, 2, 4, 5, 7, 8 visit each once. */
    static const unsigned strides[] = {1, 2, 4, 5, 7, 8};
    const unsigned stride = strides[number / LAST % 6];
    return paragraphs[(number % LAST + (unsigned)(part - 1) * stride) % LAST];
}

stk_status stk_speech_script_join(int seed, char **text) {
    size_t size = 1;
    for (int part = 0; stk_speech_script(seed, part) != NULL; part++)
        size += strlen(stk_speech_script(seed, part)) + 1;
    char *joined = malloc(size);
    *text = joined;
    if (joined == NULL) return stk_fail_memory("the script");
    char *end = joined;
    for (int part = 0; stk_speech_script(seed, part) != NULL; part++) {
        if (part > 0) *end++ = '\n';
        end = stpcpy(end, stk_speech_script(seed, part));
    }
    *end = '\0';
    return STK_OK;
}
