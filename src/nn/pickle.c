/* pickle.c - the stack machine: opcodes of protocols 2 to 4 that torch.save writes, and no others.
 *
 * Every opcode has one handler in HANDLERS; an opcode without one is refused. A handler may create
 * nodes, move the stack and fill the memo; none can reach outside the arena. Single-threaded.
 */
#include "nn/pickle.h"
#include "base/attr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 1 << 16,
    MEMORY_LIMIT = 256 << 20, /* a full checkpoint's tree takes well under 1 MB */
    MARK_LIMIT = 1024,        /* open MARKs; torch nests a handful */
    MEMO_LIMIT = 1 << 22,
    LARGE_BYTES = 1 << 16, /* from here on keep_bytes counts */
};

struct stk_pickle_chunk {
    struct stk_pickle_chunk *next;
    size_t size, used;
    _Alignas(16) uint8_t bytes[];
};

typedef struct machine {
    stk_pickle *pickle;
    const uint8_t *begin, *cursor, *end;
    stk_pth_value **stack, **memo;
    int depth, stack_capacity, memo_count, memo_capacity;
    int marks[MARK_LIMIT], mark_count;
    int stopped;
} machine;

void stk_pickle_init(stk_pickle *pickle, const char *path) {
    *pickle = (stk_pickle){.path = path, .what = "PyTorch file", .maker = "torch.save"};
}

void stk_pickle_clear(stk_pickle *pickle) {
    while (pickle->chunks != NULL) {
        struct stk_pickle_chunk *next = pickle->chunks->next;
        free(pickle->chunks);
        pickle->chunks = next;
    }
    *pickle = (stk_pickle){0};
}

stk_status stk_pickle_refuse(const stk_pickle *pickle, const char *reason) {
    return stk_fail(STK_ERR_FORMAT,
                    "%s: not a readable %s: %s; fetch it again, or save it again with %s",
                    pickle->path, pickle->what, reason, pickle->maker);
}

static stk_status no_memory(const stk_pickle *pickle) {
    if (pickle->memory < MEMORY_LIMIT / 2) return stk_fail_memory(pickle->path);
    return stk_pickle_refuse(pickle, "its object tree is larger than any checkpoint's");
}

void *stk_pickle_alloc(stk_pickle *pickle, size_t size) {
    if (size > MEMORY_LIMIT) return NULL;
    size = (size + 15) & ~(size_t)15;
    struct stk_pickle_chunk *chunk = pickle->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t wanted = size > CHUNK ? size : CHUNK;
        if (wanted > MEMORY_LIMIT - pickle->memory) return NULL;
        chunk = calloc(1, sizeof *chunk + wanted);
        if (chunk == NULL) return NULL;
        chunk->size = wanted;
        chunk->next = pickle->chunks;
        pickle->chunks = chunk;
        pickle->memory += wanted;
    }
    void *block = chunk->bytes + chunk->used;
    chunk->used += size;
    return block;
}

stk_pth_value *stk_pickle_node_new(stk_pickle *pickle, int type) {
    stk_pickle_node *node = stk_pickle_alloc(pickle, sizeof *node);
    if (node == NULL) return NULL;
    node->value.type = (stk_pth_type)type;
    return &node->value;
}

stk_pth_value *stk_pickle_text(stk_pickle *pickle, const void *bytes, size_t size) {
    stk_pth_value *value = stk_pickle_node_new(pickle, STK_PTH_STRING);
    char *copy = stk_pickle_alloc(pickle, size + 1);
    if (value == NULL || copy == NULL) return NULL;
    memcpy(copy, bytes, size);
    value->text = copy;
    value->count = (int)size;
    return value;
}

/* A doubled copy in the arena; the old one stays there unused. */
static void *doubled(stk_pickle *pickle, const void *old, int *capacity, size_t size) {
    int wanted = *capacity == 0 ? 4 : *capacity * 2;
    if (*capacity > MEMORY_LIMIT / 16) return NULL;
    void *block = stk_pickle_alloc(pickle, (size_t)wanted * size);
    if (block == NULL) return NULL;
    if (*capacity > 0) memcpy(block, old, (size_t)*capacity * size);
    *capacity = wanted;
    return block;
}

stk_status stk_pickle_append(stk_pickle *pickle, stk_pth_value *container, stk_pth_value *key,
                             stk_pth_value *item) {
    stk_pickle_node *node = (stk_pickle_node *)container;
    if (container->count == node->capacity) {
        int capacity = node->capacity;
        void *items = doubled(pickle, container->items, &capacity, sizeof item);
        if (items == NULL) return no_memory(pickle);
        container->items = items;
        if (container->type == STK_PTH_DICT) {
            void *keys = doubled(pickle, container->keys, &node->capacity, sizeof key);
            if (keys == NULL) return no_memory(pickle);
            container->keys = keys;
        }
        node->capacity = capacity;
    }
    if (container->type == STK_PTH_DICT) container->keys[container->count] = key;
    container->items[container->count++] = item;
    return STK_OK;
}

/* --- stack and input -------------------------------------------------------------------------- */

static const uint8_t *take(machine *m, uint64_t n) {
    if (n > (uint64_t)(m->end - m->cursor)) return NULL;
    const uint8_t *bytes = m->cursor;
    m->cursor += n;
    return bytes;
}

static stk_status truncated(machine *m) {
    return stk_pickle_refuse(m->pickle, "it ends too early");
}

/* Little-endian number of `bytes` <= 8 bytes. */
static stk_status take_number(machine *m, int bytes, uint64_t *number) {
    const uint8_t *in = take(m, (uint64_t)bytes);
    if (in == NULL) return truncated(m);
    *number = 0;
    memcpy(number, in, (size_t)bytes);
    return STK_OK;
}

static stk_status push(machine *m, stk_pth_value *value) {
    if (value == NULL) return no_memory(m->pickle);
    if (m->depth == m->stack_capacity) {
        void *stack = doubled(m->pickle, m->stack, &m->stack_capacity, sizeof *m->stack);
        if (stack == NULL) return no_memory(m->pickle);
        m->stack = stack;
    }
    m->stack[m->depth++] = value;
    return STK_OK;
}

/* Requires n values above the last MARK. */
static stk_status need(machine *m, int n) {
    int floor = m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0;
    if (m->depth - floor < n) return stk_pickle_refuse(m->pickle, "its value stack underflows");
    return STK_OK;
}

static stk_status pop_mark(machine *m, int *first) {
    if (m->mark_count == 0) return stk_pickle_refuse(m->pickle, "an end without a beginning");
    *first = m->marks[--m->mark_count];
    return STK_OK;
}

/* --- scalars and text ------------------------------------------------------------------------- */

static stk_status push_integer(machine *m, int type, int64_t integer) {
    stk_pth_value *value = stk_pickle_node_new(m->pickle, type);
    if (value != NULL) value->integer = integer;
    return push(m, value);
}

static stk_status op_none(machine *m, uint8_t op) {
    (void)op;
    return push(m, stk_pickle_node_new(m->pickle, STK_PTH_NONE));
}

static stk_status op_bool(machine *m, uint8_t op) {
    return push_integer(m, STK_PTH_BOOL, op == 0x88);
}

static stk_status op_int(machine *m, uint8_t op) {
    uint64_t number = 0;
    STK_TRY(take_number(m, op == 'J' ? 4 : op == 'M' ? 2 : 1, &number));
    return push_integer(m, STK_PTH_INT, op == 'J' ? (int32_t)number : (int64_t)number);
}

static stk_status op_long(machine *m, uint8_t op) {
    uint64_t length = 0, number = 0;
    STK_TRY(take_number(m, op == 0x8b ? 4 : 1, &length));
    if (length > 8) return stk_pickle_refuse(m->pickle, "an integer of more than 64 bits");
    STK_TRY(take_number(m, (int)length, &number));
    if (length > 0 && length < 8 && (number >> (8 * length - 1) & 1) != 0)
        number |= ~(uint64_t)0 << (8 * length);
    return push_integer(m, STK_PTH_INT, (int64_t)number);
}

static stk_status op_float(machine *m, uint8_t op) {
    uint64_t bits = 0;
    (void)op;
    STK_TRY(take_number(m, 8, &bits));
    bits = __builtin_bswap64(bits); /* big-endian, as the only number here */
    stk_pth_value *value = stk_pickle_node_new(m->pickle, STK_PTH_FLOAT);
    if (value != NULL) memcpy(&value->real, &bits, sizeof value->real);
    return push(m, value);
}

static stk_status push_bytes(machine *m, const uint8_t *bytes, uint64_t length) {
    if (length > INT32_MAX) return stk_pickle_refuse(m->pickle, "a bytes object of over 2 GB");
    stk_pth_value *value = stk_pickle_node_new(m->pickle, STK_PICKLE_BYTES);
    if (value != NULL) value->text = (const char *)bytes, value->count = (int)length;
    return push(m, value);
}

static stk_status op_text(machine *m, uint8_t op) {
    int short_form = op == 0x8c || op == 'U' || op == 'C', long_form = op == 0x8d || op == 0x8e;
    uint64_t length = 0;
    STK_TRY(take_number(m, short_form ? 1 : long_form ? 8 : 4, &length));
    const uint8_t *bytes = take(m, length);
    if (bytes == NULL) return truncated(m);
    if (m->pickle->keep_bytes && (op == 'B' || op == 0x8e) && length >= LARGE_BYTES)
        return push_bytes(m, bytes, length);
    return push(m, stk_pickle_text(m->pickle, bytes, (size_t)length));
}

/* --- containers ------------------------------------------------------------------------------- */

static stk_status op_mark(machine *m, uint8_t op) {
    (void)op;
    if (m->mark_count == MARK_LIMIT) return stk_pickle_refuse(m->pickle, "it is nested too deeply");
    m->marks[m->mark_count++] = m->depth;
    return STK_OK;
}

static stk_status op_pop(machine *m, uint8_t op) {
    (void)op;
    STK_TRY(need(m, 1));
    m->depth--;
    return STK_OK;
}

static stk_status op_empty(machine *m, uint8_t op) {
    int type = op == '}' ? STK_PTH_DICT : op == ']' ? STK_PTH_LIST : STK_PTH_TUPLE;
    return push(m, stk_pickle_node_new(m->pickle, type));
}

/* Moves stack[first..] into the container: pairs into a dict, values into a list or tuple. */
static stk_status move_items(machine *m, stk_pth_value *container, int first) {
    int pairs = container->type == STK_PTH_DICT, step = 1 + pairs;
    if ((m->depth - first) % step != 0)
        return stk_pickle_refuse(m->pickle, "a key without a value");
    for (int i = first; i < m->depth; i += step)
        STK_TRY(stk_pickle_append(m->pickle, container, pairs ? m->stack[i] : NULL,
                                  m->stack[i + pairs]));
    m->depth = first;
    return STK_OK;
}

static stk_status op_tuple(machine *m, uint8_t op) {
    int first = 0;
    if (op == 't') {
        STK_TRY(pop_mark(m, &first));
    } else {
        STK_TRY(need(m, op - 0x84));
        first = m->depth - (op - 0x84);
    }
    stk_pth_value *tuple = stk_pickle_node_new(m->pickle, STK_PTH_TUPLE);
    if (tuple == NULL) return no_memory(m->pickle);
    STK_TRY(move_items(m, tuple, first));
    return push(m, tuple);
}

/* APPEND, APPENDS, SETITEM, SETITEMS: the container lies below the items. */
static stk_status op_fill(machine *m, uint8_t op) {
    int pairs = op == 's' || op == 'u', first = m->depth - 1 - pairs;
    if (op == 'e' || op == 'u')
        STK_TRY(pop_mark(m, &first));
    else
        STK_TRY(need(m, 1 + pairs));
    int floor = m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0;
    if (first - 1 < floor) return stk_pickle_refuse(m->pickle, "its value stack underflows");
    stk_pth_value *container = m->stack[first - 1];
    if (container->type != (pairs ? STK_PTH_DICT : STK_PTH_LIST))
        return stk_pickle_refuse(m->pickle, "items are added to something that holds none");
    return move_items(m, container, first);
}

/* --- memo ------------------------------------------------------------------------------------- */

/* Makes memo[index] a place. The pickler numbers its memo upwards (from 0, Python 2 from 1), so an
 * index beyond the bytes read so far is no pickler's, but a memory bomb. */
static stk_status grow_memo(machine *m, uint64_t index) {
    if (index > (uint64_t)(m->cursor - m->begin) || index >= MEMO_LIMIT)
        return stk_pickle_refuse(m->pickle, "an impossible memo index");
    while ((int)index >= m->memo_capacity) {
        void *memo = doubled(m->pickle, m->memo, &m->memo_capacity, sizeof *m->memo);
        if (memo == NULL) return no_memory(m->pickle);
        m->memo = memo; /* the new half is zero, as all of the arena */
    }
    if ((int)index >= m->memo_count) m->memo_count = (int)index + 1;
    return STK_OK;
}

static stk_status op_put(machine *m, uint8_t op) {
    uint64_t index = (uint64_t)m->memo_count;
    if (op != 0x94) STK_TRY(take_number(m, op == 'r' ? 4 : 1, &index));
    STK_TRY(need(m, 1));
    STK_TRY(grow_memo(m, index));
    m->memo[index] = m->stack[m->depth - 1];
    return STK_OK;
}

static stk_status op_get(machine *m, uint8_t op) {
    uint64_t index = 0;
    STK_TRY(take_number(m, op == 'j' ? 4 : 1, &index));
    if (index >= (uint64_t)m->memo_count || m->memo[index] == NULL)
        return stk_pickle_refuse(m->pickle, "it refers to a value that was never stored");
    return push(m, m->memo[index]);
}

/* --- objects ---------------------------------------------------------------------------------- */

static stk_status take_line(machine *m, char *line, size_t size) {
    const uint8_t *end = memchr(m->cursor, '\n', (size_t)(m->end - m->cursor));
    if (end == NULL) return truncated(m);
    size_t length = (size_t)(end - m->cursor);
    if (length >= size) return stk_pickle_refuse(m->pickle, "an overlong class name");
    memcpy(line, m->cursor, length);
    line[length] = 0;
    m->cursor = end + 1;
    return STK_OK;
}

static stk_status op_class(machine *m, uint8_t op) {
    char module[128], name[128];
    stk_pth_value *value = NULL;
    if (op == 'c') {
        STK_TRY(take_line(m, module, sizeof module));
        STK_TRY(take_line(m, name, sizeof name));
    } else { /* STACK_GLOBAL */
        STK_TRY(need(m, 2));
        const stk_pth_value *a = m->stack[m->depth - 2], *b = m->stack[m->depth - 1];
        if (a->type != STK_PTH_STRING || b->type != STK_PTH_STRING)
            return stk_pickle_refuse(m->pickle, "a class whose name is not text");
        snprintf(module, sizeof module, "%s", a->text);
        snprintf(name, sizeof name, "%s", b->text);
        m->depth -= 2;
    }
    STK_TRY(stk_pickle_class(m->pickle, module, name, &value));
    return push(m, value);
}

static stk_status op_call(machine *m, uint8_t op) {
    stk_pth_value *result = NULL;
    (void)op;
    STK_TRY(need(m, 2));
    STK_TRY(stk_pickle_call(m->pickle, m->stack[m->depth - 2], m->stack[m->depth - 1], &result));
    m->depth -= 2;
    return push(m, result);
}

static stk_status op_build(machine *m, uint8_t op) {
    (void)op;
    STK_TRY(need(m, 2));
    STK_TRY(stk_pickle_build(m->pickle, m->stack[m->depth - 2], m->stack[m->depth - 1]));
    m->depth--;
    return STK_OK;
}

static stk_status op_persistent(machine *m, uint8_t op) {
    stk_pth_value *result = NULL;
    (void)op;
    STK_TRY(need(m, 1));
    STK_TRY(stk_pickle_persistent(m->pickle, m->stack[m->depth - 1], &result));
    m->depth--;
    return push(m, result);
}

/* --- framing ---------------------------------------------------------------------------------- */

static stk_status op_protocol(machine *m, uint8_t op) {
    uint64_t version = 0;
    (void)op;
    STK_TRY(take_number(m, 1, &version));
    if (version < 2 || version > 5)
        return stk_pickle_refuse(m->pickle, "an unknown pickle protocol");
    return STK_OK;
}

static stk_status op_frame(machine *m, uint8_t op) { /* a length hint only */
    uint64_t length = 0;
    (void)op;
    return take_number(m, 8, &length);
}

static stk_status op_stop(machine *m, uint8_t op) {
    (void)op;
    m->stopped = 1;
    return STK_OK;
}

typedef stk_status (*op_handler)(machine *m, uint8_t op);
static const op_handler HANDLERS[256] = {
    [0x80] = op_protocol, [0x95] = op_frame, ['.'] = op_stop,       ['N'] = op_none,
    [0x88] = op_bool,     [0x89] = op_bool,  ['J'] = op_int,        ['K'] = op_int,
    ['M'] = op_int,       [0x8a] = op_long,  [0x8b] = op_long,      ['G'] = op_float,
    ['X'] = op_text,      [0x8c] = op_text,  [0x8d] = op_text, /* text */
    ['T'] = op_text,      ['U'] = op_text,                     /* Python 2 strings */
    ['B'] = op_text,      ['C'] = op_text,   [0x8e] = op_text, /* bytes */
    ['('] = op_mark,      ['0'] = op_pop,    ['}'] = op_empty,      [']'] = op_empty,
    [')'] = op_empty,     ['t'] = op_tuple,  [0x85] = op_tuple,     [0x86] = op_tuple,
    [0x87] = op_tuple,    ['a'] = op_fill,   ['e'] = op_fill,       ['s'] = op_fill,
    ['u'] = op_fill,      ['q'] = op_put,    ['r'] = op_put,        [0x94] = op_put,
    ['h'] = op_get,       ['j'] = op_get,    ['c'] = op_class,      [0x93] = op_class,
    ['R'] = op_call,      ['b'] = op_build,  ['Q'] = op_persistent,
};

/* Height of the tree below a value; refuses cycles and depths over the limit. Recursion is bounded
 * by the limit: a value's height is known after its first visit. */
static stk_status check_tree(stk_pickle *pickle, stk_pth_value *value, int depth) {
    stk_pickle_node *node = (stk_pickle_node *)value;
    if (node->height > 0 && depth + node->height <= STK_PICKLE_DEPTH) return STK_OK;
    if (node->height != 0 || depth >= STK_PICKLE_DEPTH)
        return stk_pickle_refuse(pickle, "it is nested too deeply or contains itself");
    int height = 0, leaf = value->type < STK_PTH_LIST || value->type > STK_PTH_DICT;
    if (value->type > STK_PTH_OTHER) value->type = STK_PTH_OTHER;
    node->height = -1;
    for (int i = 0; !leaf && i < value->count; i++) {
        STK_TRY(check_tree(pickle, value->items[i], depth + 1));
        const stk_pickle_node *child = (const stk_pickle_node *)value->items[i];
        if (child->height > height) height = child->height;
        if (value->type == STK_PTH_DICT && value->keys[i]->type >= STK_PTH_LIST)
            return stk_pickle_refuse(pickle, "a dictionary key that is neither text nor number");
    }
    node->height = height + 1;
    return STK_OK;
}

stk_status stk_pickle_read(stk_pickle *pickle, const uint8_t *bytes, size_t size, size_t *used,
                           stk_pth_value **root) {
    machine m = {.pickle = pickle, .begin = bytes, .cursor = bytes, .end = bytes + size};
    while (!m.stopped) {
        if (m.cursor == m.end) return truncated(&m);
        uint8_t op = *m.cursor++;
        if (HANDLERS[op] == NULL) {
            char reason[64];
            snprintf(reason, sizeof reason, "pickle opcode 0x%02x is not allowed", op);
            return stk_pickle_refuse(pickle, reason);
        }
        STK_TRY(HANDLERS[op](&m, op));
    }
    if (m.depth != 1 || m.mark_count != 0)
        return stk_pickle_refuse(pickle, "it ends with an untidy stack");
    STK_TRY(check_tree(pickle, m.stack[0], 0));
    *used = (size_t)(m.cursor - bytes);
    *root = m.stack[0];
    return STK_OK;
}

void stk_pickle_resolve(stk_pickle *pickle) {
    for (stk_pickle_tensor *t = pickle->tensors; t != NULL; t = t->next) {
        const uint8_t *data = pickle->storages[t->storage].data;
        if (data != NULL)
            t->tensor.data = data + (size_t)t->offset * stk_dtype_size(t->tensor.dtype);
    }
}
