// SPDX-License-Identifier: MIT
// cuBLASLt: plain loops, three "algorithms" that add up in different orders and cost different times.
#include <cstring>

#include "machine.h"

namespace fake {

struct Operation {
    int transpose_a = 0, transpose_b = 0;
};
struct Layout {
    int type = 0;
    int64_t rows = 0, columns = 0, leading = 0;
    size_t bytes() const { return (size_t)(leading * (columns - 1) + rows) * (type == 14 ? 2 : 4); }
};
struct Preference {
    uint64_t workspace = 0;
    uint32_t schemes = 7, alignment[4] = {256, 256, 256, 256};
};
struct Algorithm {
    uint64_t data[8];
};
struct Heuristic {
    Algorithm algorithm;
    size_t workspace;
    int status;
    float waves;
    int reserved[4];
};

static const uint64_t MAGIC = 0xa1605;
static const int ALGORITHMS = 3;

#define LOCKED              \
    Machine &m = machine(); \
    std::lock_guard guard(m.lock)

static size_t Version() { return 120903; }
static int CreateHandle(int **handle) {
    LOCKED;
    *handle = m.make<int>();
    return 0;
}
static int Destroy(void *handle) {
    LOCKED;
    return m.drop(handle, "cublasLt destroy") ? 0 : 7;
}
static int OperationCreate(Operation **operation, int compute, int scale) {
    LOCKED;
    if (compute != 68 || scale != 0) m.misuse("cublasLtMatmulDescCreate: not float32 sums");
    *operation = m.make<Operation>();
    return 0;
}
static int OperationSet(Operation *operation, int attribute, const void *value, size_t bytes) {
    LOCKED;
    if (!m.knows(operation, "cublasLtMatmulDescSetAttribute") || bytes != 4 || (attribute != 3 && attribute != 4)) return 7;
    (attribute == 3 ? operation->transpose_a : operation->transpose_b) = *(const int *)value;
    return 0;
}
static int LayoutCreate(Layout **layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
    LOCKED;
    if ((type != 0 && type != 14) || leading < (int64_t)rows || rows == 0 || columns == 0) return 7;
    *layout = m.make<Layout>();
    **layout = {type, (int64_t)rows, (int64_t)columns, leading};
    return 0;
}
static int PreferenceCreate(Preference **preference) {
    LOCKED;
    *preference = m.make<Preference>();
    return 0;
}
static int PreferenceSet(Preference *preference, int attribute, const void *value, size_t bytes) {
    LOCKED;
    if (!m.knows(preference, "cublasLtMatmulPreferenceSetAttribute")) return 7;
    if (attribute == 1 && bytes == 8) memcpy(&preference->workspace, value, 8);
    else if (attribute == 3 && bytes == 4) memcpy(&preference->schemes, value, 4);
    else if (attribute >= 5 && attribute <= 8 && bytes == 4) memcpy(&preference->alignment[attribute - 5], value, 4);
    else return 7;
    return 0;
}

/// Whether the layouts fit together; gives the inner size.
static bool consistent(Operation *operation, Layout *a, Layout *b, Layout *d, int64_t *inner) {
    const int64_t m = operation->transpose_a ? a->columns : a->rows, k = operation->transpose_a ? a->rows : a->columns;
    const int64_t n = operation->transpose_b ? b->rows : b->columns, kb = operation->transpose_b ? b->columns : b->rows;
    *inner = k;
    // float32 operands give float32; bfloat16 ones either.
    return k == kb && d->rows == m && d->columns == n && a->type == b->type && (a->type == 14 || d->type == 0);
}

static int AlgoGetHeuristic(
    void *handle, Operation *operation, Layout *a, Layout *b, Layout *c, Layout *d, Preference *preference, int wanted,
    Heuristic *results, int *count) {
    LOCKED;
    const char *what = "cublasLtMatmulAlgoGetHeuristic";
    for (const void *each : {handle, (void *)operation, (void *)a, (void *)b, (void *)c, (void *)d, (void *)preference}) {
        if (!m.knows(each, what)) return 7;
    }
    m.counts.heuristics++;
    *count = 0;
    int64_t inner;
    if (m.card.propose_nothing || !consistent(operation, a, b, d, &inner)) return 15;
    if (preference->schemes & 1) m.misuse(std::string(what) + ": sums in the order of arrival are allowed");
    uint32_t alignment = 256;
    for (uint32_t each : preference->alignment) alignment = std::min(alignment, each);
    for (int i = 0; i < ALGORITHMS && i < wanted; i++) {
        results[(*count)++] = {{{MAGIC, (uint64_t)i, alignment}}, (size_t)i << 20, 0, 1, {}};
    }
    return 0;
}
static int AlgoCheck(
    void *, Operation *operation, Layout *a, Layout *b, Layout *, Layout *d, const Algorithm *algorithm, Heuristic *result) {
    LOCKED;
    int64_t inner;
    if (algorithm->data[0] != MAGIC || algorithm->data[1] >= ALGORITHMS || !consistent(operation, a, b, d, &inner)) return 7;
    *result = {*algorithm, (size_t)algorithm->data[1] << 20, 0, 1, {}};
    return 0;
}

// MARK: The product

static float load(uint64_t address, int type, int64_t index) {
    if (type == 0) return ((const float *)address)[index];
    const uint32_t bits = (uint32_t)((const uint16_t *)address)[index] << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static void store(uint64_t address, int type, int64_t index, float value) {
    if (type == 0) {
        ((float *)address)[index] = value;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    ((uint16_t *)address)[index] = (uint16_t)(nan ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void multiply(
    const Operation &op, uint64_t a, const Layout &la, uint64_t b, const Layout &lb, float beta, uint64_t c, uint64_t d,
    const Layout &ld, int64_t inner, int order) {
    for (int64_t j = 0; j < ld.columns; j++) {
        for (int64_t i = 0; i < ld.rows; i++) {
            float sum = 0;
            for (int64_t step = 0; step < inner; step++) {
                const int64_t p = order == 1 ? inner - 1 - step : step;
                const int64_t at = op.transpose_a ? p + i * la.leading : i + p * la.leading;
                const int64_t bt = op.transpose_b ? j + p * lb.leading : p + j * lb.leading;
                sum += load(a, la.type, at) * load(b, lb.type, bt);
            }
            const int64_t index = i + j * ld.leading;
            store(d, ld.type, index, beta == 0 ? sum : sum + beta * load(c, ld.type, index));
        }
    }
}

static int Matmul(
    void *handle, Operation *operation, const void *alpha, uint64_t a, Layout *la, uint64_t b, Layout *lb, const void *beta,
    uint64_t c, Layout *lc, uint64_t d, Layout *ld, const Algorithm *algorithm, uint64_t workspace, size_t workspace_bytes,
    void *stream) {
    LOCKED;
    const std::string what = "cublasLtMatmul";
    for (const void *each : {handle, (void *)operation, (void *)la, (void *)lb, (void *)lc, (void *)ld, (void *)stream}) {
        if (!m.knows(each, "cublasLtMatmul")) return 7;
    }
    if (algorithm->data[0] != MAGIC) return m.misuse(what + ": an algorithm that is none"), 7;
    const uint64_t alignment = algorithm->data[2];
    for (uint64_t address : {a, b, c, d}) {
        if (address % alignment != 0) m.misuse(what + ": an address with less alignment than was promised");
    }
    if (algorithm->data[1] << 20 > workspace_bytes) m.misuse(what + ": too small a workspace");
    if (*(const float *)alpha != 1) m.misuse(what + ": alpha is not 1");
    int64_t inner;
    if (!consistent(operation, la, lb, ld, &inner)) return 7;
    const float add = *(const float *)beta;
    // Descriptors may be destroyed before the work runs.
    const Operation op = *operation;
    const Layout A = *la, B = *lb, D = *ld;
    const int order = (int)algorithm->data[1];
    return m.enqueue((Stream *)stream, [=, &m] {
        m.counts.products++;
        m.cost += order == 1 ? 1 : 2;
        const bool fits = m.holds(a, A.bytes(), "cublasLtMatmul A") && m.holds(b, B.bytes(), "cublasLtMatmul B")
            && m.holds(d, D.bytes(), "cublasLtMatmul D") && (add == 0 || m.holds(c, D.bytes(), "cublasLtMatmul C"))
            && m.holds(workspace, workspace_bytes, "cublasLtMatmul workspace");
        if (!fits) return;
        m.touch(a, A.bytes(), false, "a product");
        m.touch(b, B.bytes(), false, "a product");
        if (add != 0) m.touch(c, D.bytes(), false, "a product");
        m.touch(d, D.bytes(), true, "a product");
        multiply(op, a, A, b, B, add, c, d, D, inner, order);
    }) == 0 ? 0 : 13;
}

void *cublaslt_symbol(const std::string &name) {
#define NAMED(symbol, function) {symbol, (void *)function}
    static const std::map<std::string, void *> symbols = {
        NAMED("cublasLtGetVersion", Version), NAMED("cublasLtCreate", CreateHandle), NAMED("cublasLtDestroy", Destroy),
        NAMED("cublasLtMatmulDescCreate", OperationCreate), NAMED("cublasLtMatmulDescDestroy", Destroy),
        NAMED("cublasLtMatmulDescSetAttribute", OperationSet), NAMED("cublasLtMatrixLayoutCreate", LayoutCreate),
        NAMED("cublasLtMatrixLayoutDestroy", Destroy), NAMED("cublasLtMatmulPreferenceCreate", PreferenceCreate),
        NAMED("cublasLtMatmulPreferenceDestroy", Destroy), NAMED("cublasLtMatmulPreferenceSetAttribute", PreferenceSet),
        NAMED("cublasLtMatmulAlgoGetHeuristic", AlgoGetHeuristic), NAMED("cublasLtMatmulAlgoCheck", AlgoCheck),
        NAMED("cublasLtMatmul", Matmul)};
#undef NAMED
    auto found = symbols.find(name);
    return found == symbols.end() ? nullptr : found->second;
}

}  // namespace fake
