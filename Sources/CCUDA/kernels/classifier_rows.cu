// SPDX-License-Identifier: MIT
// A row of logits [V] to its loss -log softmax(logits)[target] and, over the same memory, to scale * (softmax - onehot): so the
// gradient needs no memory of its own. A block a row. A negative target leaves the row out: loss 0, gradient 0.

enum { CLASSIFIER_THREADS = 512 };

/// The largest logit so far and the sum of e^(logit - largest).
/// Source: Milakov, Gimelshein, Online normalizer calculation for softmax, 2018.
struct softmax_sum { float largest, sum; };

DEVICE softmax_sum merge(softmax_sum a, softmax_sum b) {
    const float largest = fmaxf(a.largest, b.largest);
    return {largest, a.sum * fast_exp2((a.largest - largest) * LOG2_E) + b.sum * fast_exp2((b.largest - largest) * LOG2_E)};
}

/// Merges over the block, in a fixed order; every thread gets the same.
DEVICE softmax_sum merge_block(softmax_sum value, shared<float> largest, shared<float> sum) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int distance = 16; distance > 0; distance /= 2) {
        const softmax_sum other = {__shfl_xor_sync(ALL_LANES, value.largest, distance),
                                   __shfl_xor_sync(ALL_LANES, value.sum, distance)};
        // Addition commutes, so both partners get the same bits.
        value = merge(value, other);
    }
    if (lane == 0) {
        largest[warp] = value.largest;
        sum[warp] = value.sum;
    }
    __syncthreads();
    softmax_sum total = {largest[0], sum[0]};
    for (int w = 1; w < CLASSIFIER_THREADS / 32; w++) total = merge(total, {largest[w], sum[w]});
    return total;
}

/// A row, groups of `Group` (1 or 4) elements at a time; Logit is what the logits are, Gradient what overwrites them.
template <int Group, class Logit, class Gradient>
DEVICE void classifier_row(float *loss, Logit *logits, Gradient *gradients, int target, int count, float scale, bool gradient) {
    SHARED(float, largest, CLASSIFIER_THREADS / 32);
    SHARED(float, sum, CLASSIFIER_THREADS / 32);
    const auto load = [&](int j, float (&v)[Group]) {
        if constexpr (Group == 4) {
            const four f = get4(logits, j);
            for (int i = 0; i < 4; i++) v[i] = f.v[i];
        } else {
            v[0] = get(logits, j);
        }
    };
    softmax_sum mine = {LOWEST, 0};
    for (int j = threadIdx.x * Group; j < count; j += CLASSIFIER_THREADS * Group) {
        float v[Group];
        load(j, v);
        float most = mine.largest;
        for (int i = 0; i < Group; i++) most = fmaxf(most, v[i]);
        mine.sum *= fast_exp2((mine.largest - most) * LOG2_E);
        mine.largest = most;
        for (int i = 0; i < Group; i++) mine.sum += fast_exp2((v[i] - most) * LOG2_E);
    }
    // The loss's own logit is read here, before the barrier within merge_block: after it the row is overwritten.
    const float wanted = threadIdx.x == 0 ? get(logits, target) : 0;
    const softmax_sum total = merge_block(mine, largest, sum);
    // In float64, since the loss is a small difference of numbers that may be large; one thread pays for it.
    if (threadIdx.x == 0) *loss = (float)(log((double)total.sum) + ((double)total.largest - (double)wanted));
    if (!gradient) return;
    const float factor = scale / total.sum;
    for (int tile = 0; tile < count; tile += CLASSIFIER_THREADS * Group) {
        const int j = tile + (int)threadIdx.x * Group;
        float v[Group];
        if (j < count) load(j, v);
        // A narrower gradient lands below its logit: on logits of this tile, which all threads have now read, or earlier.
        if (sizeof(Gradient) < sizeof(Logit)) __syncthreads();
        if (j >= count) continue;
        for (int i = 0; i < Group; i++) {
            v[i] = fast_exp2((v[i] - total.largest) * LOG2_E) * factor - (j + i == target ? scale : 0);
        }
        if constexpr (Group == 4) set4(gradients, j, {{v[0], v[1], v[2], v[3]}});
        else set(gradients, j, v[0]);
    }
}

template <class Logit, class Gradient>
DEVICE void classifier_block(float *losses, Logit *logits, const int *targets, int vocabulary, float scale, int gradient) {
    const i64 row = blockIdx.x;
    const int target = targets[row];
    Logit *x = logits + row * vocabulary;
    Gradient *to = (Gradient *)x;
    if (target < 0) {
        if (threadIdx.x == 0) losses[row] = 0;
        for (int j = threadIdx.x; gradient && j < vocabulary; j += CLASSIFIER_THREADS) set(to, j, 0);
    } else if (vocabulary % 4 == 0 && by_four(x)) {
        classifier_row<4>(losses + row, x, to, target, vocabulary, scale, gradient);
    } else {
        classifier_row<1>(losses + row, x, to, target, vocabulary, scale, gradient);
    }
}

KERNEL(512) classifier_rows(float *losses, float *logits, const int *targets, int vocabulary, float scale, int gradient) {
    classifier_block<float, act>(losses, logits, targets, vocabulary, scale, gradient);
}

KERNEL(512) classifier_rows_bf16(float *losses, bf16 *logits, const int *targets, int vocabulary, float scale, int gradient) {
    classifier_block<bf16, bf16>(losses, logits, targets, vocabulary, scale, gradient);
}
