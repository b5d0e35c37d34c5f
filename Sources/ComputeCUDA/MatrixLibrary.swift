// SPDX-License-Identifier: MIT
import CCUDA

/// cuBLASLt's functions.
package final class MatrixLibrary: @unchecked Sendable {
    // SAFETY: the table is constant.
    let calls: apus_cublaslt_t
    private let table: UnsafeMutablePointer<apus_cublaslt_t>
    package let path: String
    /// Such as 120903.
    package let version: Int

    /// - Throws: `CUDAError.libraryMissing` when a function is not there.
    package init(_ library: SymbolSource) throws {
        var missing: UnsafePointer<CChar>?
        guard let table = apus_cublaslt_table(library.lookup, library.source, &missing) else {
            throw CUDAError.functionMissing(.cublasLt, library, missing)
        }
        self.table = table
        calls = table.pointee
        path = library.path
        version = Int(clamping: calls.version())
    }

    deinit { apus_cuda_table_free(table) }
}

/// A product as cuBLASLt sees it: column-major D[m, n] = op(A) op(B) (+ C), C and D of one layout.
struct ProductShape: Hashable {
    let transposesA: Bool
    let transposesB: Bool
    let m: Int
    let n: Int
    let k: Int
    /// Of A and B.
    let isBFloat16: Bool
    let givesBFloat16: Bool
    /// Whether C is added.
    let adds: Bool
    /// Bytes that all four addresses are multiples of, at most 256.
    let alignment: Int

    /// Rows, columns of A and B as they lie in memory; the rows are also the leading dimension.
    var a: (rows: Int, columns: Int) { transposesA ? (k, m) : (m, k) }
    var b: (rows: Int, columns: Int) { transposesB ? (n, k) : (k, n) }

    var flops: Double { 2 * Double(m) * Double(n) * Double(k) }

    /// As the file of choices names it.
    var name: String {
        "\(transposesA ? "t" : "n")\(transposesB ? "t" : "n") \(m) \(n) \(k) \(isBFloat16 ? "bf16" : "f32") "
            + "\(givesBFloat16 ? "bf16" : "f32")\(adds ? " add" : "") \(alignment)"
    }
}

/// Descriptors of one product and the algorithm chosen for it.
final class ProductPlan {
    let operation: apus_lt_operation_t
    let a: apus_lt_layout_t
    let b: apus_lt_layout_t
    let d: apus_lt_layout_t
    var algorithm = apus_lt_algorithm_t()
    private let library: MatrixLibrary

    /// - Throws: `CUDAError.call` with cuBLASLt's status.
    init(_ library: MatrixLibrary, _ shape: ProductShape) throws {
        var operation: apus_lt_operation_t?
        try Self.check(
            library.calls.operation_create(&operation, Int32(APUS_LT_COMPUTE_FLOAT32), Int32(APUS_LT_FLOAT32)),
            "describe a product")
        var layouts: [apus_lt_layout_t] = []
        func discard() {
            if let operation { _ = library.calls.operation_destroy(operation) }
            layouts.forEach { _ = library.calls.layout_destroy($0) }
        }
        do {
            for (attribute, transposes) in [(APUS_LT_TRANSPOSE_A, shape.transposesA), (APUS_LT_TRANSPOSE_B, shape.transposesB)] {
                var value: Int32 = transposes ? 1 : 0
                guard let operation else { continue }
                try Self.check(library.calls.operation_set(operation, Int32(attribute), &value, 4), "describe a product")
            }
            let input = shape.isBFloat16 ? APUS_LT_BFLOAT16 : APUS_LT_FLOAT32
            let output = shape.givesBFloat16 ? APUS_LT_BFLOAT16 : APUS_LT_FLOAT32
            for (type, size) in [(input, shape.a), (input, shape.b), (output, (rows: shape.m, columns: shape.n))] {
                var layout: apus_lt_layout_t?
                try Self.check(
                    library.calls.layout_create(&layout, Int32(type), UInt64(size.rows), UInt64(size.columns), Int64(size.rows)),
                    "describe a matrix")
                if let layout { layouts.append(layout) }
            }
        } catch {
            discard()
            throw error
        }
        guard let operation, layouts.count == 3 else {
            discard()
            throw CUDAError.call(what: "describe a product", code: "cuBLASLt", text: "no descriptor given")
        }
        self.operation = operation
        (a, b, d) = (layouts[0], layouts[1], layouts[2])
        self.library = library
    }

    deinit {
        _ = library.calls.operation_destroy(operation)
        for layout in [a, b, d] { _ = library.calls.layout_destroy(layout) }
    }

    static func check(_ status: Int32, _ what: String) throws {
        guard status != 0 else { return }
        throw CUDAError.call(what: what, code: "cuBLASLt status \(status)", text: "the product is not possible")
    }
}
