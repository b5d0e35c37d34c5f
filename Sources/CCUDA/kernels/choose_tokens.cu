// SPDX-License-Identifier: MIT
// The next token of each text, as Generation/Sampler.swift chooses it: a block a text. Nothing is sorted: the token at which
// the sum of weights, likeliest first, passes a random number is found by some bits of the logits at a time. Weights are whole
// numbers (e^x in units of 2^-44), so that their sums are exact in whatever order they are added.

enum {
    CHOICE_THREADS = 512,
    CHOICE_WARPS = CHOICE_THREADS / 32,
    CHOICE_BINS = 2048,  // of 11 bits
    CHOICE_UNIT = 44,    // bits behind the point: 2^19 weights of at most 1 add up to at most 2^63
};

/// Where each number of the decoding state lies, as Compute's DecodingState.
enum { DECODING_LENGTH, DECODING_POSITION, DECODING_FIRST_SAMPLE, DECODING_MADE };

/// Among what is chosen. Candidates are the logits whose order is at least `least`.
struct choice_t {
    const float *logits;
    int count;
    float top;  // the largest
    double temperature;
    u32 least;
};

/// What the block's threads share.
struct choice_memory {
    shared<u32> low, high;  // [CHOICE_BINS]: 64-bit sums in two halves
    shared<u64> sums;       // [CHOICE_WARPS]
    shared<u64> found;      // [2]
};

/// Larger for a larger logit, and the same for -0 and 0; 0 for what is never chosen: infinities and what is no number.
DEVICE u32 order_of(float logit) {
    if (!(logit - logit == 0)) return 0;
    const u32 bits = logit == 0 ? 0 : bits_of(logit);
    return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}
DEVICE float logit_of(u32 order) { return float_of(order >> 31 != 0 ? order & 0x7fffffffu : ~order); }

DEVICE u64 weight_of(const choice_t &c, float logit) {
    return (u64)(exp((double)(logit - c.top) / c.temperature) * (double)((u64)1 << CHOICE_UNIT));
}

/// Sum of a warp's values before this lane.
DEVICE u64 sum_of_lanes_before(u64 value) {
    const int lane = threadIdx.x % 32;
    u64 sum = value;
    for (int distance = 1; distance < 32; distance *= 2) {
        const u64 other = __shfl_sync(ALL_LANES, sum, (lane - distance) & 31);
        if (lane >= distance) sum += other;
    }
    return sum - value;
}

/// Shares each warp's `sum`: gives the sum of the warps before this one, and `total` of all.
DEVICE u64 sum_of_warps_before(u64 sum, u64 &total, shared<u64> sums) {
    const int warp = threadIdx.x / 32;
    __syncthreads();
    if (threadIdx.x % 32 == 0) sums[warp] = sum;
    __syncthreads();
    u64 before = 0;
    total = 0;
    for (int w = 0; w < CHOICE_WARPS; w++) {
        if (w == warp) before = total;
        total += sums[w];
    }
    return before;
}

/// sums[bin] += value, by many threads at once.
DEVICE void add_to_bin(const choice_memory &m, int bin, u64 value) {
    const u32 part = (u32)value, before = atomic_add(m.low + bin, part);
    // However the additions are ordered, as many of them carry.
    const u32 rest = (u32)(value >> 32) + (before + part < before ? 1 : 0);
    if (rest != 0) atomic_add(m.high + bin, rest);
}

/// A group of equal logits, and the sum of the weights of all candidates above them.
struct place_t {
    u32 order;
    u64 before;
};

/// Where the sum of the candidates' weights, likeliest first, passes `target`, which is below the sum of all. With `counted` every
/// candidate weighs 1.
DEVICE place_t find_place(const choice_t &c, u64 target, bool counted, const choice_memory &m) {
    place_t place = {0, 0};
    KEEP_LOOP
    for (int pass = 0; pass < 3; pass++) {
        const int shift = pass == 0 ? 21 : pass == 1 ? 10 : 0, bits = pass == 2 ? 10 : 11;
        __syncthreads();
        for (int bin = threadIdx.x; bin < CHOICE_BINS; bin += CHOICE_THREADS) {
            m.low[bin] = 0;
            m.high[bin] = 0;
        }
        __syncthreads();
        for (int i = threadIdx.x; i < c.count; i += CHOICE_THREADS) {
            const float logit = c.logits[i];
            const u32 order = order_of(logit);
            // The bits before these must be those that were found; a shift by 32 is none.
            if (order < c.least || (pass > 0 && order >> shift >> bits != place.order)) continue;
            add_to_bin(m, (int)(order >> shift & ((1u << bits) - 1)), counted ? 1 : weight_of(c, logit));
        }
        __syncthreads();
        // Four bins a thread, the largest first.
        const int first = CHOICE_BINS - 1 - 4 * (int)threadIdx.x;
        u64 weights[4], sum = 0, total;
        for (int j = 0; j < 4; j++) {
            weights[j] = (u64)(u32)m.high[first - j] << 32 | (u64)(u32)m.low[first - j];
            sum += weights[j];
        }
        const u64 lanes_before = sum_of_lanes_before(sum), warp = __shfl_sync(ALL_LANES, lanes_before + sum, 31);
        u64 before = place.before + sum_of_warps_before(warp, total, m.sums) + lanes_before;
        for (int j = 0; j < 4; j++) {
            if (target >= before && target < before + weights[j]) {
                m.found[0] = (u64)(first - j);
                m.found[1] = before;
            }
            before += weights[j];
        }
        __syncthreads();
        place.order = place.order << bits | (u32)m.found[0];
        place.before = m.found[1];
    }
    return place;
}

/// Weight of logit i when it is wanted: a candidate, or (`only` is not 0) one of that order.
DEVICE u64 weight_at(const choice_t &c, int i, int end, u32 only) {
    const float logit = i < end ? c.logits[i] : 0;
    const u32 order = i < end ? order_of(logit) : 0;
    return i < end && (only != 0 ? order == only : order >= c.least) ? weight_of(c, logit) : 0;
}

/// Adds up the wanted weights, a range of indices a warp: `sum` is this warp's, `before` that of the ranges before.
DEVICE u64 sum_weights(const choice_t &c, u32 only, u64 &sum, u64 &before, const choice_memory &m) {
    const int range = (c.count + CHOICE_WARPS - 1) / CHOICE_WARPS, begin = (int)threadIdx.x / 32 * range;
    const int end = min(c.count, begin + range);
    u64 mine = 0, total;
    for (int i = begin + (int)threadIdx.x % 32; i < end; i += 32) mine += weight_at(c, i, end, only);
    sum = warp_sum(mine);
    before = sum_of_warps_before(sum, total, m.sums);
    return total;
}

/// The index at which the sum of the wanted weights, by index, passes `target`; `sum` and `before` as `sum_weights` gave them.
DEVICE int find_index(const choice_t &c, u32 only, u64 target, u64 sum, u64 before, const choice_memory &m) {
    const int range = (c.count + CHOICE_WARPS - 1) / CHOICE_WARPS, begin = (int)threadIdx.x / 32 * range;
    const int end = min(c.count, begin + range);
    if (target >= before && target < before + sum) {  // one warp
        for (int tile = begin; tile < end && before <= target; tile += 32) {
            const int i = tile + (int)threadIdx.x % 32;
            const u64 weight = weight_at(c, i, end, only), here = before + sum_of_lanes_before(weight);
            if (target >= here && target < here + weight) m.found[0] = (u64)i;
            before = __shfl_sync(ALL_LANES, here + weight, 31);
        }
    }
    __syncthreads();
    return (int)m.found[0];
}

/// The likeliest token, of equals the first, in the lower half (inverted) of a number whose upper half is its order; and how
/// many logits can be chosen.
DEVICE u64 find_likeliest(const choice_t &c, u64 &finite, const choice_memory &m) {
    u64 best = 0, mine = 0;
    for (int i = threadIdx.x; i < c.count; i += CHOICE_THREADS) {
        const u32 order = order_of(c.logits[i]);
        const u64 key = (u64)order << 32 | (u32)~i;
        if (order != 0) {
            mine++;
            best = key > best ? key : best;
        }
    }
    for (int distance = 16; distance > 0; distance /= 2) {
        const u64 other = __shfl_xor_sync(ALL_LANES, best, distance);
        best = other > best ? other : best;
    }
    sum_of_warps_before(warp_sum(mine), finite, m.sums);
    __syncthreads();
    if (threadIdx.x % 32 == 0) m.sums[threadIdx.x / 32] = best;
    __syncthreads();
    for (int w = 0; w < CHOICE_WARPS; w++) best = m.sums[w] > best ? (u64)m.sums[w] : best;
    return best;
}

/// An index into the logits, the same in all threads. `fraction` is a random number in units of 2^-64.
DEVICE int choose(choice_t c, int top_k, double top_p, u64 fraction, const choice_memory &m) {
    u64 finite;
    const u64 best = find_likeliest(c, finite, m);
    const int likeliest = best == 0 ? 0 : (int)~(u32)best;
    if (best == 0 || c.temperature == 0 || top_k == 1) return likeliest;
    c.top = c.logits[likeliest];
    c.least = 1;  // all that can be chosen
    const bool limited = top_k > 0 && (u64)top_k < finite;
    if (limited) c.least = find_place(c, (u64)(top_k - 1), true, m).order;
    u64 sum, before, total = sum_weights(c, 0, sum, before, m);
    if (!limited && top_p >= 1) {
        return find_index(c, 0, __umul64hi(fraction, total), sum, before, m);
    }
    if (top_p < 1) {
        // The fewest tokens, likeliest first, that have top_p of the whole: the last of them is where the sum reaches it.
        const double reach = ceil(top_p * (double)total);
        const u64 target = reach >= (double)total ? total - 1 : reach > 1 ? (u64)reach - 1 : 0;
        const place_t place = find_place(c, target, false, m);
        const u64 weight = weight_of(c, logit_of(place.order));
        total = place.before + ((target - place.before) / weight + 1) * weight;
    }
    const u64 target = __umul64hi(fraction, total);
    const place_t place = find_place(c, target, false, m);
    // Of equal logits the first comes first.
    sum_weights(c, place.order, sum, before, m);
    return find_index(c, place.order, target - place.before, sum, before, m);
}

KERNEL(512) choose_tokens(
    int *tokens, int *history, int history_length, const float *logits, int vocabulary, int choices, const int *state,
    double temperature, int top_k, double top_p, u64 seed) {
    SHARED(u32, low, CHOICE_BINS);
    SHARED(u32, high, CHOICE_BINS);
    SHARED(u64, sums, CHOICE_WARPS);
    SHARED(u64, found, 2);
    const int b = blockIdx.x;
    u32 words[4] = {(u32)state[DECODING_POSITION], (u32)(state[DECODING_FIRST_SAMPLE] + b), 0, 0x73616d70u};
    philox(words, seed);
    const u64 fraction = ((u64)words[0] << 21 ^ (u64)(words[1] >> 11)) << 11;  // 53 bits, as the host takes
    const choice_t c = {logits + (i64)b * vocabulary, choices, 0, temperature, 1};
    const int token = choose(c, top_k, top_p, fraction, {low, high, sums, found});
    if (threadIdx.x != 0) return;
    tokens[b] = token;
    const int made = state[DECODING_MADE];
    if (history != nullptr && made < history_length) history[(i64)b * history_length + made] = token;
}

/// Ends a step: every text has a token more.
KERNEL(256) advance_decoding(int *state, int *positions, int batch) {
    const int length = state[DECODING_LENGTH] + 1;
    for (int b = threadIdx.x; b < batch; b += 256) positions[b] = length;
    __syncthreads();  // all have read the state
    if (threadIdx.x != 0) return;
    state[DECODING_LENGTH] = length;
    state[DECODING_POSITION] += 1;
    state[DECODING_MADE] += 1;
}
