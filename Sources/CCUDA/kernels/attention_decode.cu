// SPDX-License-Identifier: MIT
// Attention of a few new tokens to a cache: a block one query of one head. Some lanes share a key, eight elements each, so that
// a warp reads whole rows of keys and values, 512 bytes at a time; each such group has a softmax of its own, online, and goes
// over every so-manieth key. At the end groups are merged, then warps, in a fixed order.

enum { DECODE_WARPS = 16, DECODE_KEYS = 4 };  // warps a block; keys of a group whose loads do not wait for each other

/// The softmax of some keys: its largest score, the sum of e^(score - largest), and the values times those.
struct decoded {
    float largest, sum, values[8];
};

/// Elements [first, first + 8) of a row, zeros from `count` on.
DEVICE void load_eight(float (&to)[8], const act *row, int first, int count, bool vectors) {
    if (vectors) {
        // Eight elements begin within the row or behind it, since the row is a multiple of eight.
        const four a = first < count ? get4(row, first) : four{{0, 0, 0, 0}};
        const four b = first < count ? get4(row, first + 4) : four{{0, 0, 0, 0}};
        UNROLL
        for (int i = 0; i < 4; i++) {
            to[i] = a.v[i];
            to[4 + i] = b.v[i];
        }
        return;
    }
    UNROLL
    for (int i = 0; i < 8; i++) to[i] = first + i < count ? get(row, first + i) : 0;
}

DEVICE bool rows_of_eight(heads_t view) {
    return (u64)view.data % 16 == 0 && (view.batch_stride | view.token_stride | view.head_stride) % 8 == 0;
}

DEVICE decoded merge(const decoded &a, const decoded &b) {
    decoded result;
    result.largest = fmaxf(a.largest, b.largest);
    const float from_a = expf(a.largest - result.largest), from_b = expf(b.largest - result.largest);
    result.sum = a.sum * from_a + b.sum * from_b;
    UNROLL
    for (int i = 0; i < 8; i++) result.values[i] = a.values[i] * from_a + b.values[i] * from_b;
    return result;
}

/// length: null, or where the number of tokens in the cache before these lies; key_length does not count then.
KERNEL(512) attention_decode(
    heads_t out, heads_t q, heads_t k, heads_t v, int heads, int query_length, int key_length, const int *length,
    int head_size, float scale) {
    const shared<float> merged = DYNAMIC_SHARED(float);  // [DECODE_WARPS][HS + 2]
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, h = blockIdx.y % heads, b = blockIdx.y / heads;
    const int t = blockIdx.x, keys = length != nullptr ? *length + query_length : key_length;
    const int visible = keys - query_length + t + 1;
    int group = 1;  // lanes that share a key
    while (8 * group < head_size) group *= 2;
    const int place = lane % group * 8, groups = DECODE_WARPS * 32 / group, mine = threadIdx.x / group;
    const bool vectors = head_size % 8 == 0 && rows_of_eight(q) && rows_of_eight(k) && rows_of_eight(v);

    float query[8];
    load_eight(query, token<act>(q, b, h, t), place, head_size, vectors);
    decoded d = {LOWEST, 0, {}};
    // All lanes go round as often, since they add up scores together.
    for (int first = 0; first < visible; first += groups * DECODE_KEYS) {
        float scores[DECODE_KEYS], most = d.largest, row[8];
        UNROLL
        for (int j = 0; j < DECODE_KEYS; j++) {
            const int s = first + j * groups + mine;
            load_eight(row, token<act>(k, b, h, min(s, visible - 1)), place, head_size, vectors);
            float sum = 0;
            UNROLL
            for (int i = 0; i < 8; i++) sum += query[i] * row[i];
            for (int distance = group / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, distance);
            scores[j] = s < visible ? sum * scale : LOWEST;
            most = fmaxf(most, scores[j]);
        }
        const float shrink = expf(d.largest - most);
        d.largest = most;
        d.sum *= shrink;
        UNROLL
        for (int i = 0; i < 8; i++) d.values[i] *= shrink;
        UNROLL
        for (int j = 0; j < DECODE_KEYS; j++) {
            const int s = first + j * groups + mine;
            load_eight(row, token<act>(v, b, h, min(s, visible - 1)), place, head_size, vectors);
            const float weight = s < visible ? expf(scores[j] - most) : 0;
            d.sum += weight;
            UNROLL
            for (int i = 0; i < 8; i++) d.values[i] += weight * row[i];
        }
    }
    for (int distance = group; distance < 32; distance *= 2) {
        decoded other;
        other.largest = __shfl_xor_sync(ALL_LANES, d.largest, distance);
        other.sum = __shfl_xor_sync(ALL_LANES, d.sum, distance);
        UNROLL
        for (int i = 0; i < 8; i++) other.values[i] = __shfl_xor_sync(ALL_LANES, d.values[i], distance);
        d = merge(d, other);
    }
    const shared<float> share = merged + warp * (head_size + 2);
    if (lane < group) {
        if (lane == 0) {
            share[0] = d.largest;
            share[1] = d.sum;
        }
        UNROLL
        for (int i = 0; i < 8; i++) {
            if (place + i < head_size) share[2 + place + i] = d.values[i];
        }
    }
    __syncthreads();
    float most = LOWEST, total = 0;
    for (int w = 0; w < DECODE_WARPS; w++) most = fmaxf(most, merged[w * (head_size + 2)]);
    for (int w = 0; w < DECODE_WARPS; w++) total += merged[w * (head_size + 2) + 1] * expf(merged[w * (head_size + 2)] - most);
    act *to = token<act>(out, b, h, t);
    for (int i = threadIdx.x; i < head_size; i += DECODE_WARPS * 32) {
        float sum = 0;
        for (int w = 0; w < DECODE_WARPS; w++) sum += merged[w * (head_size + 2) + 2 + i] * expf(merged[w * (head_size + 2)] - most);
        set(to, i, sum / total);
    }
}
