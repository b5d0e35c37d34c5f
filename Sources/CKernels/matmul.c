// SPDX-License-Identifier: MIT
// The driver of all matrix products: shares of threads, cache blocks, packing, and the operations as views on one product.
#include "include/apus_matmul.h"

#include "matmul_internal.h"

// A thread's part of the workspace. A block of a, packed or not, is meant for the second-level cache; where b's block is more
// than that can hold, it waits in the last level, and its panels come to the second one when they are used. Sums of a product
// over several blocks of k wait in `sums` until they are whole.
enum {
    A_BYTES = 512 << 10,   // the most that an instruction set asks for
    B_BYTES = 3072 << 10,
    SUM_BYTES = 1024 << 10,
    SLACK = 4096,  // panels may be written one vector beyond their end; and the parts do not share cache sets
    THREAD_BYTES = A_BYTES + B_BYTES + SUM_BYTES + 3 * SLACK,
    MOST_ROWS = 512,
    MOST_COLUMNS = 1024,
    ALIGNMENT = 128,
    MAX_TILE = 1024,  // floats: 32 x 32 of AMX
};

size_t apus_matmul_workspace(int threads) { return (size_t)(threads < 1 ? 1 : threads) * THREAD_BYTES + ALIGNMENT; }

typedef struct {
    const apus_gemm_t *gemm;
    const apus_kernels_t *kernels;  // NULL: the reference
    const apus_helpers_t *helpers;
    char *workspace;
    int small;            // few rows
    int in_place;         // a is read where it lies, not packed
    int only_stored;      // sums are c's values, or are added to them
    int m_parts, n_parts;  // the grid of threads
    float *column_sums;   // of a transposed (that is, of dout); NULL: none
} job_t;

/// A thread's buffers and what they hold.
typedef struct {
    void *a, *b;
    float *sums;
    long a_i, a_k;  // first row and k of the block of a that is packed; -1: none
} buffers_t;

static long least(long a, long b) { return a < b ? a : b; }

static long ceil_div(long a, long b) { return (a + b - 1) / b; }

static long round_up(long a, long b) { return ceil_div(a, b) * b; }

/// The size of equal parts, a multiple of `grain`, none longer than `most` (itself a multiple of `grain`).
static long part_size(long count, long most, long grain) { return round_up(ceil_div(count, ceil_div(count, most)), grain); }

/// Rows or columns of a block of k that fit into so many bytes, a multiple of `grain`.
static long block_size(long bytes, long kc, long element, long most, long grain) {
    const long fit = bytes / (kc * element);
    return least(fit, most) / grain * grain;
}

static const apus_kernels_t *kernels_of(apus_isa_t isa, apus_dtype_t dtype) {
    if ((int)isa == APUS_ISA_AMX_EMULATED_VALUE) return dtype == APUS_BF16 ? &apus_kernels_amx_emulated : NULL;
#if defined(__x86_64__)
    if ((int)isa == APUS_ISA_AMX_EMULATED_512_VALUE) return dtype == APUS_BF16 ? &apus_kernels_amx_emulated_512 : NULL;
    switch (isa) {
        case APUS_ISA_AVX2: return &apus_kernels_avx2;
        case APUS_ISA_AVX512: return &apus_kernels_avx512;
        case APUS_ISA_AVX512_BF16: return dtype == APUS_BF16 ? &apus_kernels_bf16 : &apus_kernels_avx512;
        case APUS_ISA_AMX: return dtype == APUS_BF16 ? &apus_kernels_amx : &apus_kernels_avx512;
        default: break;
    }
#endif
    return NULL;
}

static const apus_helpers_t *helpers_of(apus_isa_t isa) {
#if defined(__x86_64__)
    switch (isa) {
        case APUS_ISA_AVX2: return &apus_helpers_avx2;
        case APUS_ISA_AVX512: return &apus_helpers_avx512;
        case APUS_ISA_AVX512_BF16:
        case APUS_ISA_AMX: return &apus_helpers_bf16;
        default: break;
    }
#endif
    return &apus_helpers_portable;
}

// MARK: One thread's share

static void pack_a(const job_t *job, buffers_t *buffers, long i, long m, long k, long count, long padded) {
    if (job->in_place || (buffers->a_i == i && buffers->a_k == k)) return;
    const apus_gemm_t *g = job->gemm;
    const long at = i * g->a.row_stride + k * g->a.column_stride;
    const apus_pack_t source = {
        .data = (const char *)g->a.data + at * apus_size(g->dtype), .dtype = g->dtype, .p_stride = g->a.row_stride,
        .k_stride = g->a.column_stride, .p_count = m, .k_count = count, .k_padded = padded};
    job->kernels->pack_a(buffers->a, &source);
    buffers->a_i = i;
    buffers->a_k = k;
}

static void pack_b(const job_t *job, buffers_t *buffers, long j, long n, long k, long count, long padded) {
    const apus_gemm_t *g = job->gemm;
    const long at = k * g->b.row_stride + j * g->b.column_stride;
    const apus_pack_t source = {
        .data = (const char *)g->b.data + at * apus_size(g->dtype), .dtype = g->dtype, .p_stride = g->b.column_stride,
        .k_stride = g->b.row_stride, .p_count = n, .k_count = count, .k_padded = padded};
    job->kernels->pack_b(buffers->b, &source);
}

/// Asks for the lines where a tile's rows will be stored, while it is computed: stores that miss are not foreseen by the
/// hardware as loads are.
static void prefetch_rows(const char *to, long stride, long rows, long bytes) {
    for (long r = 0; r < rows; r++) {
        for (long at = 0; at < bytes; at += 64) __builtin_prefetch(to + r * stride + at, 1);
    }
}

/// Multiplies and stores a tile of `columns` columns from c's element (i, j) on; its sums over several blocks of k wait at `sums`.
///
/// Sums that nothing else is done to go straight to where they belong, and earlier ones are added in the kernel's registers. A tile at
/// c's right edge, one with an epilogue, and one of an instruction set that cannot add go through memory of their own.
static void multiply_tile(
    const job_t *job, apus_tile_t tile, apus_partial_t sums, long i, long j, long rows, long columns, long k) {
    const apus_kernels_t *kernels = job->kernels;
    const apus_gemm_t *g = job->gemm;
    _Alignas(64) float own[MAX_TILE];
    tile.to = own;
    tile.to_stride = kernels->nr;
    if (columns == kernels->nr && kernels->adds) {
        if (sums.partial != NULL && !sums.first) {
            tile.add = sums.partial;
            tile.add_stride = sums.stride;
        }
        if (sums.partial != NULL && !sums.last) {
            tile.to = sums.partial;
            tile.to_stride = sums.stride;
        } else if (job->only_stored) {
            tile.to = (float *)g->c + i * g->c_stride + j;
            tile.to_stride = g->c_stride;
            if (g->accumulate) {
                tile.add = tile.to;
                tile.add_stride = tile.to_stride;
            }
        }
        sums.partial = NULL;
    }
    kernels->multiply(&tile, rows, k);
    if (tile.to == own) kernels->finish(g, sums, i, j, rows, columns, own, kernels->nr);
}

/// Multiplies blocks, b's packed; c's rows start at i and columns at j. `sums` is of the block's first element.
static void multiply_blocks(
    const job_t *job, const buffers_t *buffers, apus_partial_t sums, long i, long m, long j, long n, long k, long padded) {
    const apus_kernels_t *kernels = job->kernels;
    const apus_gemm_t *g = job->gemm;
    const long size = apus_size(g->c_dtype);
    apus_tile_t tile = {.a_row = kernels->a_row, .a_step = kernels->a_step};
    const char *a = buffers->a;
    long a_stride = padded * kernels->element;  // from row to row of the block
    if (job->in_place) {
        a_stride = tile.a_row = g->a.row_stride * kernels->element;
        tile.a_step = kernels->step_in_place;
        a = (const char *)g->a.data + i * a_stride + k * kernels->element;
    }
    for (long jr = 0; jr < n; jr += kernels->nr) {
        tile.b = (const char *)buffers->b + jr * padded * kernels->element;
        const long columns = least(n - jr, kernels->nr);
        for (long ir = 0; ir < m; ir += kernels->mr) {
            const long rows = least(m - ir, kernels->mr);
            apus_partial_t here = sums;
            if (here.partial != NULL) here.partial += ir * here.stride + jr;
            if (here.partial != NULL && !here.last) {
                prefetch_rows((char *)here.partial, here.stride * 4, rows, columns * 4);
            } else {
                prefetch_rows((char *)g->c + ((i + ir) * g->c_stride + j + jr) * size, g->c_stride * size, rows, columns * size);
            }
            tile.a = a + ir * a_stride;
            multiply_tile(job, tile, here, i + ir, j + jr, rows, columns, padded);
        }
    }
}

/// c[i0 ..< i1, j0 ..< j1]. The blocks of k depend on k alone, so that each element's sum has one order whatever the share.
static void multiply_share(const job_t *job, buffers_t *buffers, long i0, long i1, long j0, long j1) {
    const apus_gemm_t *g = job->gemm;
    const apus_kernels_t *kernels = job->kernels;
    const long kc = part_size(g->k, job->in_place ? kernels->kc_in_place : kernels->kc, kernels->k_step);
    const long nc = part_size(j1 - j0, block_size(kernels->b_bytes, kc, kernels->element, MOST_COLUMNS, kernels->nr), kernels->nr);
    // Only sums that cannot wait in c itself limit how many rows are worked on at a time.
    const int waits = kc < g->k && !g->accumulate;
    const long ms = waits ? part_size(i1 - i0, SUM_BYTES / 4 / nc / kernels->mr * kernels->mr, kernels->mr) : i1 - i0;
    const long mc = part_size(ms, block_size(kernels->a_bytes, kc, kernels->element, MOST_ROWS, kernels->mr), kernels->mr);
    for (long j = j0; j < j1; j += nc) {
        const long n = least(j1 - j, nc);
        for (long is = i0; is < i1; is += ms) {
            const long end = least(is + ms, i1);
            for (long k = 0; k < g->k; k += kc) {
                const long count = least(g->k - k, kc), padded = round_up(count, kernels->k_step);
                pack_b(job, buffers, j, n, k, count, padded);
                for (long i = is; i < end; i += mc) {
                    const long m = least(end - i, mc);
                    pack_a(job, buffers, i, m, k, count, padded);
                    const apus_partial_t sums = {
                        .partial = waits ? buffers->sums + (i - is) * nc : NULL, .stride = nc, .first = k == 0,
                        .last = k + count == g->k};
                    multiply_blocks(job, buffers, sums, i, m, j, n, k, padded);
                }
            }
        }
    }
}

static void run_blocked(const job_t *job, int thread) {
    if (thread >= job->m_parts * job->n_parts) return;
    const apus_gemm_t *g = job->gemm;
    long i0, i1, j0, j1;
    apus_share(g->m, job->kernels->mr, thread / job->n_parts, job->m_parts, &i0, &i1);
    apus_share(g->n, job->kernels->nr, thread % job->n_parts, job->n_parts, &j0, &j1);
    if (i0 == i1 || j0 == j1) return;
    char *own = job->workspace + (size_t)thread * THREAD_BYTES;
    buffers_t buffers = {.a = own, .b = own + A_BYTES + SLACK, .a_i = -1, .a_k = -1};
    buffers.sums = (float *)(own + A_BYTES + B_BYTES + 2 * SLACK);
    if (job->kernels->enter != NULL) job->kernels->enter();
    multiply_share(job, &buffers, i0, i1, j0, j1);
    if (job->kernels->leave != NULL) job->kernels->leave();
}

static void run_share(void *context, int thread, int threads) {
    const job_t *job = context;
    const apus_gemm_t *g = job->gemm;
    long begin, end;
    if (job->small) {
        apus_share(g->n, 16, thread, threads, &begin, &end);
        if (begin < end) job->helpers->small(g, begin, end);
    } else if (job->kernels == NULL) {
        const int by_columns = g->n > g->m;
        apus_share(by_columns ? g->n : g->m, 1, thread, threads, &begin, &end);
        apus_gemm_reference(g, begin, end, by_columns);
    } else {
        run_blocked(job, thread);
    }
    if (job->column_sums != NULL) {
        apus_share(g->m, 64, thread, threads, &begin, &end);
        job->helpers->add_columns(job->column_sums, g->a.data, g->dtype, g->k, g->a.column_stride, begin, end);
    }
}

// MARK: Shares of threads

/// Chooses the grid of threads: the smallest share of tiles, packing included, counts; it depends on sizes alone.
static void choose_grid(job_t *job, int threads) {
    // Packing an element takes about as long as this many products of a tile.
    enum { PACK_COST = 32 };
    const apus_gemm_t *g = job->gemm;
    double best = 0;
    for (int m_parts = 1; m_parts <= threads; m_parts++) {
        const int n_parts = threads / m_parts;
        const double m = (double)(ceil_div(ceil_div(g->m, job->kernels->mr), m_parts) * job->kernels->mr);
        const double n = (double)(ceil_div(ceil_div(g->n, job->kernels->nr), n_parts) * job->kernels->nr);
        const double cost = m * n + PACK_COST * (m + n);
        if (m_parts > 1 && cost >= best) continue;
        best = cost;
        job->m_parts = m_parts;
        job->n_parts = n_parts;
    }
}

/// Whether a may be read where it lies: rows contiguous in k, elements as the kernel multiplies them, nothing to pad.
static int reads_in_place(const apus_gemm_t *g, const apus_kernels_t *kernels) {
    return kernels->step_in_place > 0 && g->a.column_stride == 1 && kernels->element == apus_size(g->dtype) &&
           g->k % kernels->k_step == 0;
}

static void run(apus_pool_t *pool, apus_isa_t isa, void *workspace, const apus_gemm_t *gemm, float *column_sums) {
    job_t job = {.gemm = gemm, .kernels = kernels_of(isa, gemm->dtype), .helpers = helpers_of(isa), .column_sums = column_sums};
    job.workspace = (char *)(((uintptr_t)workspace + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    job.small = gemm->m <= APUS_SMALL_ROWS && job.helpers->small != NULL && gemm->a.column_stride == 1 &&
                gemm->b.row_stride == 1;
    job.only_stored = gemm->c_dtype == APUS_F32 && gemm->bias == NULL && gemm->epilogue.activation == APUS_ACTIVATION_NONE &&
                      gemm->epilogue.residual == NULL && gemm->derivative == APUS_ACTIVATION_NONE;
    job.in_place = job.kernels != NULL && reads_in_place(gemm, job.kernels);
    // Few rows wait for the weights to come from memory; many keep the arithmetic busy.
    const double products = (double)gemm->m * gemm->n * gemm->k;
    const double nanoseconds = job.small ? (double)gemm->n * gemm->k / 16 : products / 100;
    if (job.kernels != NULL) choose_grid(&job, apus_pool_threads_for(pool, nanoseconds));
    apus_pool_run_short(pool, run_share, &job, nanoseconds);
}

void apus_gemm(apus_pool_t *pool, apus_isa_t isa, void *workspace, const apus_gemm_t *gemm) {
    run(pool, isa, workspace, gemm, NULL);
}

// MARK: Operations

void apus_matmul_forward(
    apus_pool_t *pool, apus_isa_t isa, void *workspace, void *out, apus_dtype_t out_dtype, const void *x, const void *weight,
    apus_dtype_t dtype, const float *bias, apus_epilogue_t epilogue, long rows, long n, long k) {
    const apus_gemm_t gemm = {
        .m = rows, .n = n, .k = k, .dtype = dtype, .a = {x, k, 1}, .b = {weight, 1, k}, .c = out, .c_stride = n,
        .c_dtype = out_dtype, .bias = bias, .epilogue = epilogue};
    run(pool, isa, workspace, &gemm, NULL);
}

void apus_matmul_backward_input(
    apus_pool_t *pool, apus_isa_t isa, void *workspace, void *dx, apus_dtype_t dx_dtype, const void *dout, const void *weight,
    apus_dtype_t dtype, apus_activation_t activation, const void *preactivation, long rows, long n, long k) {
    const apus_gemm_t gemm = {
        .m = rows, .n = k, .k = n, .dtype = dtype, .a = {dout, n, 1}, .b = {weight, k, 1}, .c = dx, .c_stride = k,
        .c_dtype = dx_dtype, .derivative = activation, .derivative_at = preactivation};
    run(pool, isa, workspace, &gemm, NULL);
}

void apus_matmul_backward_weight(
    apus_pool_t *pool, apus_isa_t isa, void *workspace, float *dweight, float *dbias, const void *dout, const void *x,
    apus_dtype_t dtype, long rows, long n, long k) {
    const apus_gemm_t gemm = {
        .m = n, .n = k, .k = rows, .dtype = dtype, .a = {dout, 1, n}, .b = {x, k, 1}, .c = dweight, .c_stride = k,
        .c_dtype = APUS_F32, .accumulate = 1};
    run(pool, isa, workspace, &gemm, dbias);
}
