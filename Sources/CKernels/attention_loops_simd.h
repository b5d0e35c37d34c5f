// SPDX-License-Identifier: MIT
// The order of a backward's tiles, for both kinds of products: LOAD_QUERIES and BACKWARD_TILE are named by the including
// file, and LOAD_HEAD where tiles are to be taken from a whole head's rows. Every sum runs over tiles in ascending order in
// each of the three functions, so that they agree bit by bit.

/// One tile of queries against all its keys: writes dq; adds to dk and dv [keys][padded] unless NULL. rows: NULL, or the head's.
static void FN(backward_queries)(
    const attention_args_t *args, head_t head, long t0, char *scratch, const head_rows_t *rows, float *dk, float *dv) {
    const apus_attention_t *shape = &args->shape;
    const long padded = apus_padded(shape->head_size), queries = FN(at_most_tile)(shape->query_length - t0);
    const long visible = shape->key_length - shape->query_length + t0 + queries;
    backward_scratch_t s = apus_backward_scratch(scratch, shape->head_size);
    LOAD_QUERIES(args, head, t0, queries, s);
    memset(s.dq, 0, sizeof(float) * (size_t)(TILE * padded));
    for (long s0 = 0; s0 < visible; s0 += TILE) {
        BACKWARD_TILE(
            args, head, t0, queries, s0, FN(at_most_tile)(visible - s0), s, rows, s.dq, dk != NULL ? dk + s0 * padded : NULL,
            dv != NULL ? dv + s0 * padded : NULL);
    }
    FN(store_rows)(args->dq, shape, head, t0, queries, s.dq, shape->scale);
}

/// One tile of keys against all queries that see it: writes dk and dv, with the sums of `backward_head` in the same order.
static void FN(backward_keys)(const attention_args_t *args, head_t head, long s0, char *scratch) {
    const apus_attention_t *shape = &args->shape;
    const long padded = apus_padded(shape->head_size), offset = shape->key_length - shape->query_length;
    backward_scratch_t s = apus_backward_scratch(scratch, shape->head_size);
    memset(s.dk, 0, sizeof(float) * (size_t)(TILE * padded));
    memset(s.dv, 0, sizeof(float) * (size_t)(TILE * padded));
    for (long t0 = 0; t0 < shape->query_length; t0 += TILE) {
        const long queries = FN(at_most_tile)(shape->query_length - t0), visible = offset + t0 + queries;
        if (visible <= s0) continue;
        LOAD_QUERIES(args, head, t0, queries, s);
        BACKWARD_TILE(args, head, t0, queries, s0, FN(at_most_tile)(visible - s0), s, NULL, NULL, s.dk, s.dv);
    }
    const long keys = FN(at_most_tile)(shape->key_length - s0);
    FN(store_rows)(args->dk, shape, head, s0, keys, s.dk, shape->scale);
    FN(store_rows)(args->dv, shape, head, s0, keys, s.dv, 1);
}

/// A whole head. workspace: `head_rows_t` twice, of keys and values and of their gradients.
static void FN(backward_head)(const attention_args_t *args, head_t head, char *scratch, float *workspace) {
    const apus_attention_t *shape = &args->shape;
    pieces_t memory = {.base = (char *)workspace};
    const head_rows_t gradients = apus_head_rows(&memory, shape), rows = apus_head_rows(&memory, shape), *loaded = NULL;
#ifdef LOAD_HEAD
    LOAD_HEAD(args, head, &rows);
    loaded = &rows;
#endif
    memset(gradients.k, 0, sizeof(float) * (size_t)apus_head_floats(shape));
    memset(gradients.v, 0, sizeof(float) * (size_t)apus_head_floats(shape));
    for (long t0 = 0; t0 < shape->query_length; t0 += TILE) {
        FN(backward_queries)(args, head, t0, scratch, loaded, gradients.k, gradients.v);
    }
    FN(store_rows)(args->dk, shape, head, 0, shape->key_length, gradients.k, shape->scale);
    FN(store_rows)(args->dv, shape, head, 0, shape->key_length, gradients.v, 1);
}

#undef LOAD_QUERIES
#undef BACKWARD_TILE
#undef LOAD_HEAD
