/* express_shapes.c - what each expression moves: the one table to edit.
 *
 * Only landmarks that matter are pinned; express_smooth.c fills in the skin between. Millimetres, x
 * to the picture's right, y up, z out of the face, for the person's right half (landmarks with
 * x <= 0); express.c mirrors. An expression with a left and a right (stk_shape_mirror) is given for
 * the right one: its rows may name landmarks of the other half too. One without sides is given by
 * half and mirrored into itself.
 *
 * Landmark numbers: lips outer 61 185 40 39 37 0 | 61 146 91 181 84 17, inner 78 191 80 81 82 13 |
 * 78 95 88 178 87 14; brow upper edge 70 63 105 66 107, lower 46 53 52 65 55; nose wing 98 64 129;
 * nasolabial fold 203 206 216 212; cheek 50 205 207 187; chin 18 200 199 152. The sizes follow the
 * action units of [Ekman & Friesen 1978] on a face 155 mm wide.
 */
#include "presenter/express_shapes.h"

#define BROW_DOWN STK_BROW_DOWN_R
#define BROW_INNER STK_BROW_INNER_UP
#define BROW_OUTER STK_BROW_OUTER_UP_R
#define PUFF STK_CHEEK_PUFF
#define CHEEK STK_CHEEK_SQUINT_R
#define SQUINT STK_EYE_SQUINT_R
#define OPEN STK_JAW_OPEN
#define DIMPLE STK_MOUTH_DIMPLE_R
#define FROWN STK_MOUTH_FROWN_R
#define FUNNEL STK_MOUTH_FUNNEL
#define SIDE STK_MOUTH_RIGHT
#define LOWER STK_MOUTH_LOWER_DOWN_R
#define PRESS STK_MOUTH_PRESS_R
#define PUCKER STK_MOUTH_PUCKER
#define ROLL_LOWER STK_MOUTH_ROLL_LOWER
#define ROLL_UPPER STK_MOUTH_ROLL_UPPER
#define SHRUG_LOWER STK_MOUTH_SHRUG_LOWER
#define SHRUG_UPPER STK_MOUTH_SHRUG_UPPER
#define SMILE STK_MOUTH_SMILE_R
#define STRETCH STK_MOUTH_STRETCH_R
#define UPPER STK_MOUTH_UPPER_UP_R
#define SNEER STK_NOSE_SNEER_R

/* clang-format off */
const stk_shape_pull stk_shape_pulls[] = {
    /* corrugator: down and together, a bulge between the brows */
    {BROW_DOWN, 107, {2.2f, -8.4f, 1.1f}}, {BROW_DOWN, 55, {2.4f, -8.4f, 1.3f}},
    {BROW_DOWN, 66, {1.6f, -7.9f, 0.8f}},  {BROW_DOWN, 65, {1.6f, -7.9f, 1.0f}},
    {BROW_DOWN, 105, {0.8f, -6.1f, 0.3f}}, {BROW_DOWN, 52, {0.8f, -6.4f, 0.7f}},
    {BROW_DOWN, 63, {0.3f, -4.0f, 0}},     {BROW_DOWN, 53, {0.3f, -4.2f, 0.2f}},
    {BROW_DOWN, 70, {0, -1.9f, 0}},        {BROW_DOWN, 46, {0, -1.9f, 0}},
    {BROW_DOWN, 9, {0, -3.4f, 0.3f}},      {BROW_DOWN, 8, {0, -3.0f, 0.7f}},
    {BROW_DOWN, 10, {0, 0, 0}},            {BROW_DOWN, 336, {0, 0, 0}},
    {BROW_DOWN, 285, {0, 0, 0}},           {BROW_DOWN, 168, {0, -0.8f, 0}},
    {BROW_DOWN, 223, {0.4f, -2.8f, 0.8f}}, {BROW_DOWN, 222, {0.5f, -3.4f, 0.8f}},
    /* frontalis, inner part */
    {BROW_INNER, 107, {-0.2f, 7.0f, 0}},   {BROW_INNER, 55, {0.3f, 7.0f, 0}},
    {BROW_INNER, 66, {0, 5.6f, 0}},        {BROW_INNER, 65, {0, 5.4f, 0}},
    {BROW_INNER, 105, {0, 3.0f, 0}},       {BROW_INNER, 52, {0, 2.8f, 0}},
    {BROW_INNER, 63, {0, 0.8f, 0}},        {BROW_INNER, 53, {0, 0.8f, 0}},
    {BROW_INNER, 70, {0, 0, 0}},           {BROW_INNER, 46, {0, 0, 0}},
    {BROW_INNER, 9, {0, 5.0f, 0}},         {BROW_INNER, 8, {0, 2.8f, 0}},
    {BROW_INNER, 168, {0, 0.5f, 0}},       {BROW_INNER, 151, {0, 3.4f, 0}},
    {BROW_INNER, 10, {0, 0, 0}},           {BROW_INNER, 223, {0, 0.8f, 0}},
    {BROW_INNER, 222, {0, 1.4f, 0}},
    /* frontalis, outer part */
    {BROW_OUTER, 70, {-0.6f, 5.0f, -0.3f}}, {BROW_OUTER, 46, {-0.4f, 5.4f, 0}},
    {BROW_OUTER, 63, {-0.2f, 6.5f, 0}},     {BROW_OUTER, 53, {-0.2f, 6.5f, 0}},
    {BROW_OUTER, 105, {0, 5.8f, 0}},        {BROW_OUTER, 52, {0, 5.8f, 0}},
    {BROW_OUTER, 66, {0, 3.0f, 0}},         {BROW_OUTER, 65, {0, 3.0f, 0}},
    {BROW_OUTER, 107, {0, 0.8f, 0}},        {BROW_OUTER, 55, {0, 0.8f, 0}},
    {BROW_OUTER, 336, {0, 0, 0}},           {BROW_OUTER, 285, {0, 0, 0}},
    {BROW_OUTER, 10, {0, 0, 0}},            {BROW_OUTER, 223, {0, 1.6f, 0}},
    {BROW_OUTER, 224, {0, 1.6f, 0}},
    /* air in the cheeks */
    {PUFF, 205, {-3.0f, 0, 5.0f}},  {PUFF, 207, {-5.0f, 0, 6.0f}}, {PUFF, 187, {-5.5f, 0, 5.0f}},
    {PUFF, 216, {-3.5f, 0, 5.0f}},  {PUFF, 212, {-3.5f, 0, 5.0f}}, {PUFF, 206, {-1.5f, 0, 3.5f}},
    {PUFF, 214, {-5.0f, -0.5f, 5.0f}}, {PUFF, 50, {-1.5f, 0.3f, 2.0f}},
    {PUFF, 147, {-3.0f, 0, 2.0f}},  {PUFF, 0, {0, 0, 1.5f}},       {PUFF, 17, {0, 0, 1.5f}},
    {PUFF, 61, {0.8f, 0, 1.0f}},    {PUFF, 234, {0, 0, 0}},
    /* cheeks up */
    {CHEEK, 50, {-0.3f, 3.0f, 1.8f}},   {CHEEK, 101, {-0.2f, 2.4f, 1.5f}},
    {CHEEK, 117, {0, 2.4f, 1.0f}},      {CHEEK, 118, {0, 2.6f, 1.2f}},
    {CHEEK, 119, {0, 2.2f, 1.0f}},      {CHEEK, 205, {-0.5f, 2.2f, 1.5f}},
    {CHEEK, 229, {0, 1.4f, 0.6f}},      {CHEEK, 230, {0, 1.4f, 0.6f}},
    {CHEEK, 123, {-0.2f, 1.5f, 0.5f}},  {CHEEK, 61, {0, 0, 0}},
    {SQUINT, 229, {0, 1.2f, 0.4f}},     {SQUINT, 230, {0, 1.2f, 0.4f}},
    {SQUINT, 118, {0, 1.0f, 0.4f}},     {SQUINT, 228, {0, 1.0f, 0.3f}},
    /* what an opening jaw does to the skin besides turning it */
    {OPEN, 61, {1.6f, 0, -0.5f}},  {OPEN, 78, {1.4f, 0, -0.5f}},   {OPEN, 207, {1.2f, 0, -1.5f}},
    {OPEN, 187, {1.5f, 0, -1.5f}}, {OPEN, 14, {0, -1.5f, 0.5f}},   {OPEN, 17, {0, -1.5f, 0.5f}},
    {OPEN, 13, {0, 0.8f, 0}},      {OPEN, 0, {0, 0.5f, 0}},        {OPEN, 200, {0, 0, 0}},
    {OPEN, 206, {0, 0, 0}},        {OPEN, 214, {0.8f, 0, -1.0f}},
    /* buccinator: corner back, into the cheek */
    {DIMPLE, 61, {-4.5f, 0.6f, -4.0f}},   {DIMPLE, 78, {-4.0f, 0.5f, -3.5f}},
    {DIMPLE, 185, {-3.2f, 0.2f, -2.4f}},  {DIMPLE, 146, {-3.2f, 0.5f, -2.4f}},
    {DIMPLE, 40, {-1.8f, 0, -1.2f}},      {DIMPLE, 91, {-1.8f, 0.2f, -1.2f}},
    {DIMPLE, 0, {-0.2f, 0, -0.3f}},       {DIMPLE, 17, {-0.2f, 0, -0.3f}},
    {DIMPLE, 216, {-2.0f, 0.6f, 0.5f}},   {DIMPLE, 212, {-2.2f, 0.2f, 0.2f}},
    {DIMPLE, 291, {0, 0, 0}},             {DIMPLE, 205, {-0.5f, 0.5f, 0.8f}},
    /* depressor of the corner */
    {FROWN, 61, {-0.8f, -6.5f, -0.8f}},   {FROWN, 78, {-0.6f, -6.0f, -0.8f}},
    {FROWN, 185, {-0.4f, -4.0f, -0.2f}},  {FROWN, 191, {-0.3f, -3.8f, -0.2f}},
    {FROWN, 146, {-0.5f, -4.8f, -0.2f}},  {FROWN, 95, {-0.4f, -4.3f, -0.2f}},
    {FROWN, 40, {-0.2f, -1.6f, 0}},       {FROWN, 80, {-0.2f, -1.5f, 0}},
    {FROWN, 91, {-0.2f, -2.4f, 0}},       {FROWN, 88, {-0.2f, -2.0f, 0}},
    {FROWN, 0, {0, 0.3f, 0}},             {FROWN, 17, {0, 0.8f, 0.3f}},
    {FROWN, 13, {0, 0.2f, 0}},            {FROWN, 14, {0, 0.5f, 0}},
    {FROWN, 212, {-0.8f, -4.0f, 0.3f}},   {FROWN, 216, {-0.3f, -3.0f, -0.4f}},
    {FROWN, 214, {-0.5f, -2.0f, 0.8f}},   {FROWN, 291, {0, 0, 0}},
    /* orbicularis, lips flared */
    {FUNNEL, 61, {4.2f, -0.6f, 3.0f}},     {FUNNEL, 78, {4.0f, -0.6f, 2.6f}},
    {FUNNEL, 185, {3.8f, 1.0f, 4.2f}},    {FUNNEL, 146, {3.8f, -2.0f, 4.2f}},
    {FUNNEL, 191, {3.4f, 1.2f, 3.4f}},    {FUNNEL, 95, {3.4f, -2.2f, 3.4f}},
    {FUNNEL, 40, {2.8f, 1.9f, 5.6f}},     {FUNNEL, 91, {2.8f, -3.4f, 5.6f}},
    {FUNNEL, 80, {2.4f, 2.5f, 4.5f}},     {FUNNEL, 88, {2.4f, -3.8f, 4.5f}},
    {FUNNEL, 39, {1.7f, 2.6f, 6.6f}},     {FUNNEL, 181, {1.7f, -4.2f, 6.6f}},
    {FUNNEL, 81, {1.4f, 3.4f, 5.3f}},     {FUNNEL, 178, {1.4f, -4.8f, 5.3f}},
    {FUNNEL, 37, {0.7f, 2.8f, 7.0f}},     {FUNNEL, 84, {0.7f, -4.6f, 7.0f}},
    {FUNNEL, 82, {0.6f, 3.7f, 5.8f}},     {FUNNEL, 87, {0.6f, -5.4f, 5.8f}},
    {FUNNEL, 0, {0, 2.8f, 7.0f}},         {FUNNEL, 17, {0, -4.6f, 7.0f}},
    {FUNNEL, 13, {0, 3.7f, 5.8f}},        {FUNNEL, 14, {0, -5.4f, 5.8f}},
    {FUNNEL, 164, {0, 0.8f, 2.0f}},       {FUNNEL, 200, {0, -0.5f, 0.8f}},
    {FUNNEL, 216, {3.0f, 0, 0}},          {FUNNEL, 212, {3.0f, 0, 0}},
    {FUNNEL, 205, {1.0f, 0, -0.8f}},      {FUNNEL, 2, {0, 0, 0}},
    {FUNNEL, 207, {2.0f, 0, -1.0f}},
    /* whole mouth aside */
    {SIDE, 61, {-6.5f, 0.6f, -2.5f}},     {SIDE, 78, {-6.0f, 0.5f, -2.0f}},
    {SIDE, 291, {-6.0f, 0, 2.0f}},        {SIDE, 308, {-6.0f, 0, 2.0f}},
    {SIDE, 0, {-6.0f, 0, 0}},             {SIDE, 13, {-6.0f, 0, 0}},
    {SIDE, 14, {-6.0f, 0, 0}},            {SIDE, 17, {-6.0f, 0, 0}},
    {SIDE, 39, {-6.0f, 0, -0.6f}},        {SIDE, 269, {-6.0f, 0, 0.8f}},
    {SIDE, 181, {-6.0f, 0, -0.6f}},       {SIDE, 405, {-6.0f, 0, 0.8f}},
    {SIDE, 164, {-3.0f, 0, 0}},           {SIDE, 200, {-2.0f, 0, 0}},
    {SIDE, 2, {-0.6f, 0, 0}},             {SIDE, 205, {-1.0f, 0.2f, 1.2f}},
    {SIDE, 216, {-3.5f, 0.3f, 1.0f}},     {SIDE, 436, {-2.5f, 0, 0}},
    /* lower lip down */
    {LOWER, 87, {-0.2f, -6.0f, 0.4f}},    {LOWER, 178, {-0.5f, -6.8f, 0.7f}},
    {LOWER, 88, {-0.5f, -5.2f, 0.3f}},    {LOWER, 95, {-0.3f, -2.3f, 0}},
    {LOWER, 84, {-0.2f, -5.7f, 1.1f}},    {LOWER, 181, {-0.6f, -6.5f, 1.1f}},
    {LOWER, 91, {-0.6f, -4.7f, 0.7f}},    {LOWER, 146, {-0.3f, -2.3f, 0}},
    {LOWER, 14, {0, -3.4f, 0.2f}},        {LOWER, 17, {0, -3.4f, 0.7f}},
    {LOWER, 317, {0, -1.0f, 0}},          {LOWER, 314, {0, -1.0f, 0}},
    {LOWER, 402, {0, 0, 0}},              {LOWER, 405, {0, 0, 0}},
    {LOWER, 61, {0, -0.5f, 0}},           {LOWER, 78, {0, -0.5f, 0}},
    {LOWER, 13, {0, 0, 0}},               {LOWER, 200, {0, -0.8f, 0}},
    /* lips pressed: red thinner, corners tightened */
    {PRESS, 39, {-0.3f, -1.2f, -0.8f}},   {PRESS, 81, {-0.2f, -0.5f, -0.9f}},
    {PRESS, 40, {-0.6f, -1.0f, -0.8f}},   {PRESS, 80, {-0.5f, -0.4f, -0.8f}},
    {PRESS, 37, {-0.1f, -1.2f, -0.7f}},   {PRESS, 82, {0, -0.5f, -0.8f}},
    {PRESS, 181, {-0.3f, 1.5f, -0.8f}},   {PRESS, 178, {-0.2f, 0.7f, -0.9f}},
    {PRESS, 91, {-0.6f, 1.4f, -0.8f}},    {PRESS, 88, {-0.5f, 0.6f, -0.8f}},
    {PRESS, 84, {-0.1f, 1.5f, -0.7f}},    {PRESS, 87, {0, 0.7f, -0.8f}},
    {PRESS, 0, {0, -0.6f, -0.4f}},        {PRESS, 17, {0, 0.8f, -0.4f}},
    {PRESS, 13, {0, -0.3f, -0.4f}},       {PRESS, 14, {0, 0.4f, -0.4f}},
    {PRESS, 61, {-1.5f, 0.4f, -1.2f}},    {PRESS, 78, {-1.2f, 0.4f, -1.2f}},
    {PRESS, 291, {0, 0, 0}},              {PRESS, 200, {0, 0.8f, 0.5f}},
    {PRESS, 216, {-0.8f, 0.2f, 0.6f}},    {PRESS, 269, {0, 0, 0}},
    {PRESS, 405, {0, 0, 0}},
    /* orbicularis, lips together and forward */
    {PUCKER, 61, {8.0f, 0.2f, 6.2f}},     {PUCKER, 78, {7.6f, 0.2f, 5.7f}},
    {PUCKER, 185, {6.9f, 0.2f, 6.8f}},    {PUCKER, 146, {6.9f, 0.4f, 6.8f}},
    {PUCKER, 191, {6.7f, 0.1f, 6.5f}},    {PUCKER, 95, {6.7f, 0.3f, 6.5f}},
    {PUCKER, 40, {5.2f, 0.5f, 7.4f}},     {PUCKER, 91, {5.2f, 0.2f, 7.4f}},
    {PUCKER, 80, {5.0f, 0.2f, 7.0f}},     {PUCKER, 88, {5.0f, 0.2f, 7.0f}},
    {PUCKER, 39, {3.0f, 0.8f, 7.8f}},     {PUCKER, 181, {3.0f, -0.2f, 7.8f}},
    {PUCKER, 81, {2.9f, 0.2f, 7.4f}},     {PUCKER, 178, {2.9f, 0.2f, 7.4f}},
    {PUCKER, 37, {1.3f, 0.9f, 8.0f}},     {PUCKER, 84, {1.3f, -0.4f, 8.0f}},
    {PUCKER, 82, {1.2f, 0.2f, 7.6f}},     {PUCKER, 87, {1.2f, 0.2f, 7.6f}},
    {PUCKER, 0, {0, 0.8f, 8.0f}},         {PUCKER, 17, {0, -0.4f, 8.0f}},
    {PUCKER, 13, {0, 0.2f, 7.6f}},        {PUCKER, 14, {0, 0.2f, 7.6f}},
    {PUCKER, 164, {0, 0.2f, 2.8f}},       {PUCKER, 200, {0, 1.0f, 1.4f}},
    {PUCKER, 216, {4.2f, 0, 0.8f}},       {PUCKER, 212, {4.2f, 0, 0.8f}},
    {PUCKER, 206, {1.7f, -0.3f, 0}},      {PUCKER, 205, {1.3f, 0, -0.9f}},
    {PUCKER, 207, {2.7f, 0, -0.9f}},      {PUCKER, 2, {0, 0, 0}},
    /* lips rolled in over the teeth */
    {ROLL_LOWER, 17, {0, 3.2f, -3.8f}},   {ROLL_LOWER, 14, {0, 1.0f, -4.2f}},
    {ROLL_LOWER, 84, {0, 3.2f, -3.7f}},   {ROLL_LOWER, 87, {0, 1.0f, -4.0f}},
    {ROLL_LOWER, 181, {0, 2.8f, -3.2f}},  {ROLL_LOWER, 178, {0, 0.9f, -3.6f}},
    {ROLL_LOWER, 91, {0, 1.8f, -2.0f}},   {ROLL_LOWER, 88, {0, 0.6f, -2.4f}},
    {ROLL_LOWER, 61, {0, 0, -0.3f}},      {ROLL_LOWER, 78, {0, 0, -0.3f}},
    {ROLL_LOWER, 200, {0, 0.8f, 0.5f}},   {ROLL_LOWER, 18, {0, 2.0f, -2.0f}},
    {ROLL_UPPER, 0, {0, -2.8f, -3.2f}},   {ROLL_UPPER, 13, {0, -0.8f, -3.8f}},
    {ROLL_UPPER, 37, {0, -2.8f, -3.2f}},  {ROLL_UPPER, 82, {0, -0.8f, -3.6f}},
    {ROLL_UPPER, 39, {0, -2.4f, -2.8f}},  {ROLL_UPPER, 81, {0, -0.7f, -3.2f}},
    {ROLL_UPPER, 40, {0, -1.5f, -1.8f}},  {ROLL_UPPER, 80, {0, -0.5f, -2.1f}},
    {ROLL_UPPER, 61, {0, 0, -0.3f}},      {ROLL_UPPER, 78, {0, 0, -0.3f}},
    {ROLL_UPPER, 164, {0, -0.6f, -0.6f}}, {ROLL_UPPER, 2, {0, 0, 0}},
    /* mentalis: chin boss and lower lip up */
    {SHRUG_LOWER, 17, {0, 4.0f, 2.2f}},   {SHRUG_LOWER, 14, {0, 3.5f, 1.8f}},
    {SHRUG_LOWER, 181, {0, 3.2f, 1.6f}},  {SHRUG_LOWER, 178, {0, 2.8f, 1.3f}},
    {SHRUG_LOWER, 91, {0, 1.6f, 0.6f}},   {SHRUG_LOWER, 88, {0, 1.4f, 0.5f}},
    {SHRUG_LOWER, 200, {0, 4.0f, 1.5f}},  {SHRUG_LOWER, 199, {0, 3.0f, 1.5f}},
    {SHRUG_LOWER, 18, {0, 4.0f, 1.5f}},   {SHRUG_LOWER, 61, {0, -0.5f, 0}},
    {SHRUG_LOWER, 152, {0, 0.8f, 0}},     {SHRUG_LOWER, 0, {0, 0, 0}},
    {SHRUG_UPPER, 0, {0, 3.2f, 1.8f}},    {SHRUG_UPPER, 13, {0, 2.8f, 1.4f}},
    {SHRUG_UPPER, 39, {0, 2.6f, 1.4f}},   {SHRUG_UPPER, 81, {0, 2.2f, 1.0f}},
    {SHRUG_UPPER, 40, {0, 1.2f, 0.6f}},   {SHRUG_UPPER, 80, {0, 1.0f, 0.4f}},
    {SHRUG_UPPER, 164, {0, 2.0f, 0.8f}},  {SHRUG_UPPER, 61, {0, -0.3f, 0}},
    {SHRUG_UPPER, 2, {0, 0.3f, 0}},       {SHRUG_UPPER, 17, {0, 0, 0}},
    /* zygomatic: corner up and out, cheek pushed up and forward, the fold beside the nose deeper */
    {SMILE, 61, {-8.8f, 7.4f, -5.0f}},    {SMILE, 78, {-8.2f, 6.8f, -4.4f}},
    {SMILE, 185, {-6.8f, 5.2f, -3.3f}},   {SMILE, 146, {-7.0f, 5.0f, -3.3f}},
    {SMILE, 191, {-6.6f, 5.0f, -3.1f}},   {SMILE, 95, {-6.6f, 5.0f, -3.1f}},
    {SMILE, 40, {-4.6f, 3.0f, -2.0f}},    {SMILE, 91, {-4.8f, 2.7f, -2.0f}},
    {SMILE, 80, {-4.4f, 2.7f, -1.8f}},    {SMILE, 88, {-4.4f, 2.6f, -1.8f}},
    {SMILE, 39, {-2.4f, 1.4f, -1.1f}},    {SMILE, 181, {-2.6f, 1.0f, -1.1f}},
    {SMILE, 81, {-2.2f, 1.1f, -0.9f}},    {SMILE, 178, {-2.3f, 1.0f, -0.9f}},
    {SMILE, 0, {-0.2f, 0.3f, -0.4f}},     {SMILE, 17, {-0.2f, 0.3f, -0.4f}},
    {SMILE, 13, {-0.2f, 0.3f, -0.4f}},    {SMILE, 14, {-0.2f, 0.3f, -0.4f}},
    {SMILE, 216, {-6.2f, 6.0f, -1.6f}},    {SMILE, 212, {-6.4f, 4.6f, -1.8f}},
    {SMILE, 206, {-3.3f, 4.6f, -1.0f}},    {SMILE, 203, {-1.3f, 2.7f, -1.2f}},
    {SMILE, 205, {-2.4f, 5.5f, 4.8f}},    {SMILE, 50, {-1.3f, 4.3f, 3.5f}},
    {SMILE, 207, {-4.8f, 5.2f, 3.4f}},    {SMILE, 187, {-3.5f, 4.3f, 2.6f}},
    {SMILE, 36, {-1.2f, 4.2f, 2.6f}},     {SMILE, 142, {-0.4f, 1.8f, 0.6f}},
    {SMILE, 101, {-0.4f, 2.7f, 2.2f}},    {SMILE, 118, {-0.2f, 1.8f, 1.1f}},
    {SMILE, 123, {-1.5f, 2.7f, 1.5f}},    {SMILE, 98, {-0.9f, 0.6f, 0}},
    {SMILE, 291, {0, 0, 0}},              {SMILE, 269, {0, 0, 0}},
    {SMILE, 405, {0, 0, 0}},              {SMILE, 2, {0, 0, 0}},
    {SMILE, 200, {0, 0.2f, -0.4f}},       {SMILE, 230, {0, 0.9f, 0.4f}},
    /* risorius: corner out and down */
    {STRETCH, 61, {-7.0f, -2.5f, -4.0f}}, {STRETCH, 78, {-6.5f, -2.2f, -3.5f}},
    {STRETCH, 185, {-5.2f, -1.2f, -2.6f}}, {STRETCH, 146, {-5.4f, -2.6f, -2.6f}},
    {STRETCH, 40, {-3.4f, -0.4f, -1.6f}}, {STRETCH, 91, {-3.6f, -2.2f, -1.6f}},
    {STRETCH, 80, {-3.2f, -0.4f, -1.5f}}, {STRETCH, 88, {-3.4f, -1.5f, -1.5f}},
    {STRETCH, 39, {-1.8f, 0, -0.8f}},     {STRETCH, 181, {-1.9f, -1.4f, -0.8f}},
    {STRETCH, 0, {-0.2f, 0, -0.3f}},      {STRETCH, 17, {-0.2f, -0.6f, -0.3f}},
    {STRETCH, 216, {-4.0f, -0.8f, -0.6f}}, {STRETCH, 212, {-4.8f, -2.4f, -1.0f}},
    {STRETCH, 207, {-2.8f, -0.8f, 0.6f}}, {STRETCH, 291, {0, 0, 0}},
    {STRETCH, 214, {-3.0f, -1.8f, 0}},
    /* upper lip up */
    {UPPER, 82, {-0.1f, 4.3f, 0.2f}},     {UPPER, 81, {-0.3f, 5.3f, 0.2f}},
    {UPPER, 80, {-0.3f, 4.1f, 0}},        {UPPER, 191, {-0.2f, 1.9f, 0}},
    {UPPER, 37, {-0.1f, 4.1f, 0.4f}},     {UPPER, 39, {-0.4f, 5.0f, 0.4f}},
    {UPPER, 40, {-0.4f, 3.8f, 0.2f}},     {UPPER, 185, {-0.3f, 1.9f, 0}},
    {UPPER, 13, {0, 2.4f, 0.1f}},         {UPPER, 0, {0, 2.3f, 0.2f}},
    {UPPER, 312, {0, 0.7f, 0}},           {UPPER, 267, {0, 0.7f, 0}},
    {UPPER, 311, {0, 0, 0}},              {UPPER, 269, {0, 0, 0}},
    {UPPER, 61, {0, 0.6f, 0}},            {UPPER, 78, {0, 0.6f, 0}},
    {UPPER, 165, {-0.3f, 3.6f, 0.9f}},    {UPPER, 203, {-0.5f, 3.1f, 1.3f}},
    {UPPER, 206, {-0.6f, 3.1f, 1.5f}},    {UPPER, 98, {-0.5f, 1.4f, 0.2f}},
    {UPPER, 2, {0, 0.2f, 0}},             {UPPER, 205, {-0.2f, 1.9f, 1.3f}},
    /* nose wrinkled: wing and the lip below it up, brow down */
    {SNEER, 98, {-1.0f, 2.6f, 0.4f}},     {SNEER, 64, {-1.0f, 3.2f, 0.5f}},
    {SNEER, 129, {-0.8f, 3.4f, 0.8f}},    {SNEER, 48, {-0.8f, 3.0f, 0.5f}},
    {SNEER, 203, {-0.4f, 3.4f, 1.4f}},    {SNEER, 142, {-0.2f, 2.6f, 1.4f}},
    {SNEER, 126, {0, 2.0f, 1.0f}},        {SNEER, 36, {-0.2f, 2.4f, 1.6f}},
    {SNEER, 100, {0, 1.6f, 1.0f}},        {SNEER, 39, {-0.2f, 2.0f, 0.4f}},
    {SNEER, 37, {0, 1.6f, 0.4f}},         {SNEER, 0, {0, 0.7f, 0.1f}},
    {SNEER, 55, {0.6f, -2.0f, 0.5f}},     {SNEER, 107, {0.4f, -1.6f, 0.3f}},
    {SNEER, 193, {0.2f, -0.4f, 0.8f}},    {SNEER, 8, {0, -0.8f, 0.3f}},
    {SNEER, 4, {0, 0.4f, 0}},             {SNEER, 1, {0, 0.4f, 0}},
    {SNEER, 327, {0, 0, 0}},              {SNEER, 294, {0, 0, 0}},
    {SNEER, 269, {0, 0, 0}},              {SNEER, 168, {0, -0.2f, 0.3f}},
};
const int stk_shape_pull_count = (int)(sizeof stk_shape_pulls / sizeof stk_shape_pulls[0]);

/* Share of each in the jaw's turn; between them smooth, mirrored. */
const stk_jaw_share stk_jaw_shares[] = {
    /* lower lip and chin: all of it */
    {17, 1}, {84, 1}, {181, 0.98f}, {91, 0.88f}, {146, 0.68f},
    {14, 1}, {87, 1}, {178, 0.97f}, {88, 0.86f}, {95, 0.66f},
    {18, 1}, {200, 1}, {199, 1}, {175, 1}, {152, 1}, {148, 1}, {176, 0.99f}, {149, 0.97f},
    {150, 0.93f}, {136, 0.86f}, {172, 0.74f}, {58, 0.50f}, {132, 0.25f}, {93, 0.07f},
    {83, 1}, {182, 1}, {194, 1}, {204, 0.93f}, {32, 1}, {211, 0.99f}, {170, 0.98f}, {169, 0.92f},
    {106, 0.96f}, {43, 0.78f}, {202, 0.82f},
    /* corners: half */
    {61, 0.46f}, {78, 0.46f}, {57, 0.48f}, {212, 0.58f}, {216, 0.26f},
    {185, 0.25f}, {191, 0.24f}, {40, 0.09f}, {80, 0.08f}, {39, 0.02f}, {81, 0.01f},
    {37, 0}, {82, 0}, {0, 0}, {13, 0}, {164, 0}, {2, 0}, {98, 0}, {129, 0}, {1, 0}, {203, 0},
    /* cheeks: partly */
    {206, 0.05f}, {205, 0.08f}, {207, 0.34f}, {187, 0.26f}, {214, 0.62f}, {192, 0.52f},
    {213, 0.36f}, {147, 0.14f}, {177, 0.16f}, {215, 0.28f}, {138, 0.55f}, {135, 0.78f},
    {210, 0.82f}, {50, 0}, {36, 0}, {101, 0}, {123, 0.03f}, {116, 0}, {117, 0}, {118, 0},
    {137, 0.06f}, {227, 0}, {234, 0}, {127, 0}, {168, 0}, {6, 0}, {5, 0}, {230, 0}, {33, 0},
};
const int stk_jaw_share_count = (int)(sizeof stk_jaw_shares / sizeof stk_jaw_shares[0]);

const int16_t stk_lid_upper[STK_LID_RINGS][STK_LID_POINTS] = {
    {246, 161, 160, 159, 158, 157, 173},
    {247, 30, 29, 27, 28, 56, 190},
    {113, 225, 224, 223, 222, 221, 189},
};
const int16_t stk_lid_lower[STK_LID_RINGS][STK_LID_POINTS] = {
    {7, 163, 144, 145, 153, 154, 155},
    {25, 110, 24, 23, 22, 26, 112},
    {31, 228, 229, 230, 231, 232, 233},
};
const int16_t stk_lid_corners[2] = {33, 133};

const int16_t stk_lip_upper[STK_LIP_POINTS] = {78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308};
const int16_t stk_lip_lower[STK_LIP_POINTS] = {78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308};

const int16_t stk_face_oval[STK_OVAL_POINTS] = {
    10,  338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58,  132, 93,  234, 127, 162, 21,  54,  103, 67,  109,
};
/* clang-format on */
