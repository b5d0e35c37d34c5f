// SPDX-License-Identifier: MIT
// Copies [B, T, heads, head size] between two views that do not overlap: new keys and values into a cache, of which
// first_token (null: 0) tokens are left out where its length lies on the device.

/// Whether every row of a view starts where four elements can be loaded at once.
DEVICE bool rows_by_four(heads_t view) {
    return by_four((const act *)view.data) && (view.batch_stride | view.token_stride | view.head_stride) % 4 == 0;
}

KERNEL(256) copy_heads(
    heads_t to, heads_t from, int batch, int tokens, int heads, int head_size, const int *first_token) {
    if (first_token != nullptr) to.data = token<act>(to, 0, 0, *first_token);
    const i64 count = (i64)batch * tokens * heads * head_size;
    const auto place = [&](heads_t view, i64 i) {
        const i64 row = divide(i, head_size), at = divide(row, heads), b = divide(at, tokens);
        return token<act>(view, b, row - at * heads, at - b * tokens) + (i - row * head_size);
    };
    each_element(count, head_size % 4 == 0 && rows_by_four(to) && rows_by_four(from), [&](i64 i) {
        // Bits are copied, not values, so that not-a-numbers stay as they are.
        if (sizeof(act) == 2) store8(place(to, i), load8(place(from, i)));
        else store16(place(to, i), load16(place(from, i)));
    }, [&](i64 i) { *place(to, i) = *place(from, i); });
}
