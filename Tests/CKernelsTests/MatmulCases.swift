// SPDX-License-Identifier: MIT
import CKernels
import Foundation
import Testing

/// One product: which operation, its shape, its types and what comes after it.
struct MatmulCase: CustomTestStringConvertible, Sendable {
    enum Operation: String, CaseIterable, Sendable {
        case forward, forwardBias, gelu, geluTanh, residual, residualInPlace
        case backwardInput, backwardGELU, backwardGELUTanh
        case backwardWeight
    }

    let operation: Operation
    let rows: Int
    let n: Int
    let k: Int
    let dtype: apus_dtype_t
    /// Of out or dx; a weight's gradient is float32 always.
    let outDtype: apus_dtype_t
    let misaligned: Bool

    var testDescription: String {
        "\(operation) R\(rows) N\(n) K\(k) \(matmulName(dtype)) to \(matmulName(outDtype))\(misaligned ? ", misaligned" : "")"
    }

    /// (R, N, K): one; odd; one row more or less than tiles of 6, 14, 16 and 32; few rows (a path of their own up to 16);
    /// K and R beyond one block of k (2048 or 1024 of float32 and 4096 of bfloat16 where a is read in place, at most 1024 where
    /// it is packed, 96 of the emulation); aligned sizes of a model.
    static let shapes: [(Int, Int, Int)] = [
        (1, 1, 1), (2, 3, 5), (17, 31, 65), (1, 65, 31), (5, 64, 130), (16, 33, 400), (15, 17, 33), (31, 1, 2), (29, 47, 7),
        (64, 96, 128), (57, 130, 1), (33, 70, 801), (801, 34, 20), (20, 801, 37), (230, 40, 33), (48, 1100, 40),
        (64, 40, 256), (64, 256, 40), (20, 33, 4100), (18, 4100, 32), (1090, 34, 20),
    ]

    static let all: [MatmulCase] = shapes.flatMap { rows, n, k in
        Operation.allCases.flatMap { operation in
            [(APUS_F32, APUS_F32), (APUS_BF16, APUS_BF16), (APUS_BF16, APUS_F32), (APUS_F32, APUS_BF16)].compactMap { types in
                // A residual in place is float32; a weight's gradient too.
                let floatOnly = operation == .residualInPlace || operation == .backwardWeight
                if floatOnly && types.1 != APUS_F32 { return nil }
                return MatmulCase(
                    operation: operation, rows: rows, n: n, k: k, dtype: types.0, outDtype: types.1,
                    misaligned: (rows + n + k) % 2 == 1)
            }
        }
    }
}

/// A result and, for each element, how far a kernel may be from it.
struct MatmulExpectation {
    var values: [Double]
    var tolerances: [Double]
}

/// The operands of a case, rounded to their dtypes, and the float64 results.
struct MatmulReference {
    let test: MatmulCase
    let x: MatmulArray  // forward: x; backward: x, too
    let weight: MatmulArray
    let dout: MatmulArray
    let bias: MatmulArray
    let residual: MatmulArray
    let preactivation: MatmulArray
    /// What dweight and dbias hold before.
    let start: Float = 0.25

    init(_ test: MatmulCase) {
        self.test = test
        var random = MatmulRandom(seed: UInt64(test.rows * 7919 + test.n * 31 + test.k))
        x = MatmulArray(test.dtype, random.values(test.rows * test.k), misaligned: test.misaligned)
        weight = MatmulArray(test.dtype, random.values(test.n * test.k), misaligned: test.misaligned)
        dout = MatmulArray(test.dtype, random.values(test.rows * test.n), misaligned: test.misaligned)
        bias = MatmulArray(APUS_F32, random.values(test.n), misaligned: test.misaligned)
        residual = MatmulArray(APUS_F32, random.values(test.rows * test.n), misaligned: test.misaligned)
        preactivation = MatmulArray(test.dtype, random.values(test.rows * test.k).map { $0 * 5 }, misaligned: test.misaligned)
    }

    // MARK: Error bounds

    /// A float32 sum of `count` products is off by at most count * 2^-24 * sum |a b| (Higham, Accuracy and Stability,
    /// (3.5)), whatever its order; a few roundings more are for bias, residual and epilogue.
    private static func product(_ i: Int, _ j: Int, _ count: Int, a: (Int) -> Double, b: (Int) -> Double) -> (Double, Double) {
        var sum = 0.0
        var size = 0.0
        for l in 0..<count {
            let term = a(l) * b(l)
            sum += term
            size += abs(term)
        }
        return (sum, Double(count + 4) * 0x1p-24 * size)
    }

    /// Storing in bfloat16 (8 significant bits) is off by at most 2^-8 of the value; in float32 by 2^-24.
    private static func rounding(_ value: Double, _ tolerance: Double, _ dtype: apus_dtype_t) -> Double {
        tolerance + (abs(value) + tolerance) * (dtype == APUS_BF16 ? 0x1p-8 : 0x1p-23) + 1e-30
    }

    // MARK: Results

    /// out, and for activations the preactivation.
    func forward() -> (out: MatmulExpectation, preactivation: MatmulExpectation) {
        var out = MatmulExpectation(values: [], tolerances: [])
        var before = out
        let xs = x.values
        let ws = weight.values
        for r in 0..<test.rows {
            for j in 0..<test.n {
                var (value, tolerance) = Self.product(
                    r, j, test.k, a: { xs[r * test.k + $0] }, b: { ws[j * test.k + $0] })
                if test.operation != .forward {
                    value += Double(bias[j])
                    tolerance += 0x1p-23 * (abs(value) + abs(Double(bias[j])))
                }
                let stored = Self.rounding(value, tolerance, test.dtype)
                before.values.append(value)
                before.tolerances.append(stored)
                switch test.operation {
                case .gelu, .geluTanh:
                    // |GELU'| stays below 1.13; the kernels' Phi and tanh are off by 2e-7 of x at most.
                    tolerance = stored * 1.13 + 2e-7 * abs(value)
                    value = test.operation == .gelu ? Self.gelu(value) : Self.geluTanh(value)
                case .residual, .residualInPlace:
                    let added = Double(residual[r * test.n + j])
                    value += added
                    tolerance += 0x1p-23 * (abs(value) + abs(added))
                default: break
                }
                out.values.append(value)
                out.tolerances.append(Self.rounding(value, tolerance, test.outDtype))
            }
        }
        return (out, before)
    }

    func backwardInput() -> MatmulExpectation {
        var result = MatmulExpectation(values: [], tolerances: [])
        let ds = dout.values
        let ws = weight.values
        for r in 0..<test.rows {
            for c in 0..<test.k {
                var (value, tolerance) = Self.product(
                    r, c, test.n, a: { ds[r * test.n + $0] }, b: { ws[$0 * test.k + c] })
                if test.operation != .backwardInput {
                    let at = Double(preactivation[r * test.k + c])
                    let slope = test.operation == .backwardGELU ? Self.geluDerivative(at) : Self.geluTanhDerivative(at)
                    // The kernels' derivatives are off by 2e-6 at most: errors of Phi and e^x times x up to 5.
                    tolerance = tolerance * 1.13 + 2e-6 * abs(value)
                    value *= slope
                }
                result.values.append(value)
                result.tolerances.append(Self.rounding(value, tolerance, test.outDtype))
            }
        }
        return result
    }

    func backwardWeight() -> (dweight: MatmulExpectation, dbias: MatmulExpectation) {
        var dweight = MatmulExpectation(values: [], tolerances: [])
        var dbias = dweight
        let ds = dout.values
        let xs = x.values
        for j in 0..<test.n {
            for c in 0..<test.k {
                let (value, tolerance) = Self.product(
                    j, c, test.rows, a: { ds[$0 * test.n + j] }, b: { xs[$0 * test.k + c] })
                dweight.values.append(value + Double(start))
                // Blocks of k are added to what is there, so the sum's size counts the start, too.
                dweight.tolerances.append(Self.rounding(value + Double(start), tolerance, APUS_F32) + 0x1p-20)
            }
            let (sum, tolerance) = Self.product(j, 0, test.rows, a: { ds[$0 * test.n + j] }, b: { _ in 1 })
            dbias.values.append(sum + Double(start))
            dbias.tolerances.append(Self.rounding(sum + Double(start), tolerance, APUS_F32))
        }
        return (dweight, dbias)
    }

    // MARK: Activations in float64

    static func gelu(_ x: Double) -> Double { 0.5 * x * erfc(-x / 2.0.squareRoot()) }

    static func geluDerivative(_ x: Double) -> Double {
        0.5 * erfc(-x / 2.0.squareRoot()) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
    }

    private static func inner(_ x: Double) -> Double { (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x) }

    static func geluTanh(_ x: Double) -> Double { 0.5 * x * (1 + tanh(inner(x))) }

    static func geluTanhDerivative(_ x: Double) -> Double {
        let t = tanh(inner(x))
        let slope = (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope
    }
}
