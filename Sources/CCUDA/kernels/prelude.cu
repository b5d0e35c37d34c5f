// SPDX-License-Identifier: MIT
// What every kernel needs, without any CUDA header, so that NVRTC needs no include path: this text comes first in a module.
//
// Each primitive that a CPU lacks has two bodies: inline PTX here, and C++ in Tests/CUDAEmulation/device.h, which defines
// APUS_EMULATED. Source of the instructions and their fragment layouts: "PTX ISA", sections 9.7.14 (mma, ldmatrix) and
// 9.7.9.25 (cp.async).

#ifndef ACT_BF16
#define ACT_BF16 1
#endif

#ifndef APUS_EMULATED

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define DEVICE __device__ __forceinline__
/// A kernel for blocks of so many threads; the compiler may use the registers that this leaves a thread.
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)
#define UNROLL _Pragma("unroll")
#define KEEP_LOOP _Pragma("unroll 1")

/// A pointer into shared memory. The emulation checks every access through it.
template <class T> using shared = T *;
template <class T, class U> DEVICE shared<T> shared_cast(U *pointer) { return (T *)pointer; }
#define SHARED(T, name, count) \
    __shared__ T name##_memory[count]; \
    const shared<T> name = name##_memory
extern __shared__ __align__(128) u8 dynamic_shared_memory[];
#define DYNAMIC_SHARED(T) ((shared<T>)dynamic_shared_memory)

struct __align__(2) bf16 { u16 bits; };
/// 8 and 16 bytes that are loaded and stored by one instruction.
struct __align__(8) words2 { u32 x, y; };
struct __align__(16) words4 { u32 x, y, z, w; };

DEVICE float float_of(u32 bits) { return __uint_as_float(bits); }
/// The nearest bfloat16, ties to even.
DEVICE bf16 to_bf16(float x) {
    bf16 result;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(x));
    return result;
}
/// Two bfloat16 in a word, `low` in the lower half.
DEVICE u32 pack_bf16(float low, float high) {
    u32 result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
    return result;
}
/// 2^x with a relative error of 2^-22; results below the smallest normal number are 0.
DEVICE float fast_exp2(float x) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

template <class T> DEVICE words2 load8(const T *from) { return *(const words2 *)from; }
template <class T> DEVICE words4 load16(const T *from) { return *(const words4 *)from; }
template <class T> DEVICE void store4(T *to, u32 value) { *(u32 *)to = value; }
template <class T> DEVICE void store8(T *to, words2 value) { *(words2 *)to = value; }
template <class T> DEVICE void store16(T *to, words4 value) { *(words4 *)to = value; }

/// Adds to a number in shared memory that others add to as well; gives what was there.
DEVICE u32 atomic_add(shared<u32> to, u32 value) { return atomicAdd(to, value); }

// 128 sums in global memory that warps add their accumulators of 16 x 8 to; they lie so that every instruction meets whole lines.
// One instruction adds four numbers since sm_90, PTX 8.1.
#if __CUDA_ARCH__ >= 900 && __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1201
DEVICE void add_fragment(float *sums, const float (&c)[4]) {
    asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};"
                 :: "l"(sums + threadIdx.x % 32 * 4), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]) : "memory");
}
DEVICE void load_fragment(float (&c)[4], const float *sums) {
    const words4 w = load16(sums + threadIdx.x % 32 * 4);
    c[0] = float_of(w.x), c[1] = float_of(w.y), c[2] = float_of(w.z), c[3] = float_of(w.w);
}
#else
DEVICE void add_fragment(float *sums, const float (&c)[4]) {
    UNROLL
    for (int e = 0; e < 4; e++) atomicAdd(sums + (32 * e + threadIdx.x % 32), c[e]);
}
DEVICE void load_fragment(float (&c)[4], const float *sums) {
    UNROLL
    for (int e = 0; e < 4; e++) c[e] = sums[32 * e + threadIdx.x % 32];
}
#endif

DEVICE u32 shared_address(const void *pointer) { return (u32)__cvta_generic_to_shared(pointer); }

/// c[16, 8] += a[16, 16] b[16, 8] by a warp, bfloat16 to float32. With g = lane / 4 and t = lane % 4 a lane holds
/// a: rows g, g + 8, g, g + 8 at columns 2t, 2t, 2t + 8, 2t + 8 (and the next one); b: rows 2t and 2t + 8 (and the next
/// one) of column g; c: columns 2t, 2t + 1 of row g, then of row g + 8.
DEVICE void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
/// Four 8 x 8 matrices of bfloat16: lane l gives the address of row l % 8 of matrix l / 8 (16 bytes, aligned to 16), and
/// gets of every matrix row l / 4, columns 2 (l % 4) and the next.
DEVICE void load_matrices(u32 (&r)[4], shared<bf16> row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
/// The same with every matrix transposed: rows 2 (l % 4) and the next of column l / 4.
DEVICE void load_matrices_transposed(u32 (&r)[4], shared<bf16> row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
/// Starts copying 16 bytes from global to shared memory, both aligned to 16; zeros when not `wanted`.
DEVICE void copy_async16(shared<bf16> to, const bf16 *from, bool wanted) {
    const u32 bytes = wanted ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}
/// Ends a group of this thread's copies.
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until at most N groups are under way. Other threads see the copies after a barrier.
template <int N> DEVICE void wait_copies() { asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory"); }

#endif

#if ACT_BF16
typedef bf16 act;
#else
typedef float act;
#endif

#define ALL_LANES 0xffffffffu
#define LOG2_E 1.44269504f
/// Below every score; not -infinity, since the difference of two infinities is not a number.
#define LOWEST -3.0e38f

/// A [B, T, heads, head size] inside a tensor, as Compute's HeadView; strides in elements.
struct heads_t {
    void *data;
    i64 batch_stride, token_stride, head_stride;
};

/// Dropout at one place of the model, as Compute's Dropout; threshold 0: none.
struct dropout_t {
    u64 seed;
    u32 site, threshold;
    float scale;
    u32 unused;
};

/// Where each scalar of the step state lies, as Compute's StepState.
enum { STATE_LOSS, STATE_GRAD_NORM, STATE_CLIP_FACTOR, STATE_LEARNING_RATE, STATE_UPDATES, STATE_FINITE, STATE_GRAD_CLIP,
       STATE_SAMPLE_INDEX };

DEVICE float get(const float *x, i64 i) { return x[i]; }
DEVICE float get(const bf16 *x, i64 i) { return float_of((u32)x[i].bits << 16); }
DEVICE void set(float *x, i64 i, float value) { x[i] = value; }
DEVICE void set(bf16 *x, i64 i, float value) { x[i] = to_bf16(value); }

struct four { float v[4]; };

/// Four elements from i on, at an address of a multiple of four elements.
DEVICE four get4(const float *x, i64 i) {
    const words4 w = load16(x + i);
    return {{float_of(w.x), float_of(w.y), float_of(w.z), float_of(w.w)}};
}
DEVICE four get4(const bf16 *x, i64 i) {
    const words2 w = load8(x + i);
    return {{float_of(w.x << 16), float_of(w.x & 0xffff0000u), float_of(w.y << 16), float_of(w.y & 0xffff0000u)}};
}
DEVICE u32 bits_of(float x) { return __float_as_uint(x); }
DEVICE void set4(float *x, i64 i, four f) {
    store16(x + i, {bits_of(f.v[0]), bits_of(f.v[1]), bits_of(f.v[2]), bits_of(f.v[3])});
}
DEVICE void set4(bf16 *x, i64 i, four f) { store8(x + i, {pack_bf16(f.v[0], f.v[1]), pack_bf16(f.v[2], f.v[3])}); }

/// Whether groups of four elements from `x` on can be loaded at once.
template <class T> DEVICE bool by_four(const T *x) { return (u64)x % (4 * sizeof(T)) == 0; }

/// a / b of numbers that are not negative. In 32 bits where they fit: a GPU takes some hundred instructions for 64-bit division.
DEVICE i64 divide(i64 a, i64 b) { return (a | b) >> 32 == 0 ? (i64)((u32)a / (u32)b) : a / b; }

/// Calls many(i) for groups of four elements and one(i) for single ones, so that each of `count` is met once by the grid.
template <class Many, class One> DEVICE void each_element(i64 count, bool groups_of_four, Many many, One one) {
    const i64 first = (i64)blockIdx.x * blockDim.x + threadIdx.x, stride = (i64)gridDim.x * blockDim.x;
    const i64 groups = groups_of_four ? count / 4 : 0;
    for (i64 g = first; g < groups; g += stride) many(4 * g);
    for (i64 i = 4 * groups + first; i < count; i += stride) one(i);
}

/// Sum and maximum over a warp, in every lane. All lanes add in one order, so that they agree to the bit.
template <class T> DEVICE T warp_sum(T value) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(ALL_LANES, value, distance);
    return value;
}
DEVICE float warp_max(float value) {
    for (int distance = 16; distance > 0; distance /= 2) value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, distance));
    return value;
}

/// Where token t of head h of sample b starts.
template <class T> DEVICE T *token(heads_t view, i64 b, i64 h, i64 t) {
    return (T *)view.data + b * view.batch_stride + h * view.head_stride + t * view.token_stride;
}
