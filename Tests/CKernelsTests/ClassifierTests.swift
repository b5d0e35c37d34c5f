// SPDX-License-Identifier: MIT
import CKernels
import Foundation
import Testing

struct ClassifierCase: CustomTestStringConvertible, Sendable {
    let rows: Int
    let width: Int
    let vocabulary: Int
    let dtype: apus_dtype_t

    var testDescription: String { "R\(rows) C\(width) V\(vocabulary) \(matmulName(dtype))" }

    /// (R, C, V): one; odd; more than a block of a row's sum (1024); more than one chunk of rows (1024); GPT-2's vocabulary.
    static let shapes = [(1, 1, 1), (3, 5, 7), (17, 31, 65), (40, 48, 1003), (33, 64, 2100), (1030, 8, 5), (18, 24, 50257)]
    static let all = shapes.flatMap { shape in
        [APUS_F32, APUS_BF16].map { ClassifierCase(rows: shape.0, width: shape.1, vocabulary: shape.2, dtype: $0) }
    }
}

/// Softmax cross-entropy of a head in float64, row by row.
struct ClassifierReference {
    let test: ClassifierCase
    let x: [Double]
    let weight: [Double]
    let targets: [Int32]
    let scale: Double

    /// losses, dx, dweight
    func results() -> (losses: [Double], dx: [Double], dweight: [Double], dxSize: [Double], dweightSize: [Double]) {
        let (rows, width, vocabulary) = (test.rows, test.width, test.vocabulary)
        var losses = [Double](repeating: 0, count: rows)
        var dx = [Double](repeating: 0, count: rows * width)
        var dweight = [Double](repeating: 0, count: vocabulary * width)
        // Sums of (p + onehot) |w| and (p + onehot) |x|: what relative errors of p and roundings of dlogits are multiplied by.
        var dxSize = dx
        var dweightSize = dweight
        for r in 0..<rows where targets[r] >= 0 {
            var logits = [Double](repeating: 0, count: vocabulary)
            for v in 0..<vocabulary {
                for c in 0..<width { logits[v] += x[r * width + c] * weight[v * width + c] }
            }
            let most = logits.max() ?? 0
            let sum = logits.reduce(0) { $0 + exp($1 - most) }
            losses[r] = log(sum) + most - logits[Int(targets[r])]
            for v in 0..<vocabulary {
                let probability = exp(logits[v] - most) / sum
                let onehot = v == Int(targets[r]) ? 1.0 : 0
                let gradient = scale * (probability - onehot)
                let size = scale * (probability + onehot)
                for c in 0..<width {
                    dx[r * width + c] += gradient * weight[v * width + c]
                    dweight[v * width + c] += gradient * x[r * width + c]
                    dxSize[r * width + c] += size * abs(weight[v * width + c])
                    dweightSize[v * width + c] += size * abs(x[r * width + c])
                }
            }
        }
        return (losses, dx, dweight, dxSize, dweightSize)
    }
}

/// The operands of a case: logits of some units' spread, a few rows left out.
private struct Operands {
    let x: MatmulArray
    let weight: MatmulArray
    var targets: [Int32]
    let reference: ClassifierReference

    init(_ test: ClassifierCase, scale: Double) {
        var random = MatmulRandom(seed: UInt64(test.rows + test.width * 1000 + test.vocabulary * 77))
        let misaligned = test.vocabulary % 2 == 1
        x = MatmulArray(test.dtype, random.values(test.rows * test.width).map { $0 * 3 }, misaligned: misaligned)
        weight = MatmulArray(test.dtype, random.values(test.vocabulary * test.width), misaligned: misaligned)
        // Without a period, so that a row of another chunk has another target.
        targets = (0..<test.rows).map { _ in
            random.next() < -0.6 ? -1 : Int32(min(test.vocabulary - 1, Int((random.next() + 1) / 2 * Float(test.vocabulary))))
        }
        reference = ClassifierReference(test: test, x: x.values, weight: weight.values, targets: targets, scale: scale)
    }
}

private struct Outcome {
    let losses: MatmulArray
    let dx: MatmulArray
    let dweight: MatmulArray
}

private func run(
    _ operands: Operands, _ test: ClassifierCase, _ isa: apus_isa_t, threads: Int, backward: Bool
) throws -> Outcome {
    let engine = try #require(MatmulEngine(threads: Int32(threads)))
    let bytes = apus_classifier_workspace(test.rows, test.width, test.vocabulary, test.dtype)
    let workspace = MatmulArray(APUS_F32, count: (bytes + 3) / 4)
    memset(workspace.pointer, 0xFF, bytes)
    let outcome = Outcome(
        losses: MatmulArray(APUS_F32, count: test.rows), dx: MatmulArray(test.dtype, count: test.rows * test.width),
        dweight: MatmulArray(APUS_F32, [Float](repeating: 0.5, count: test.vocabulary * test.width)))
    operands.targets.withUnsafeBufferPointer { targets in
        if backward {
            apus_classifier_forward_backward(
                engine.pool, isa, engine.workspace, workspace.pointer, outcome.losses.floats, outcome.dx.pointer,
                outcome.dweight.floats, operands.x.pointer, operands.weight.pointer, test.dtype, targets.baseAddress,
                operands.reference.scale, test.rows, test.width, test.vocabulary)
        } else {
            apus_classifier_forward(
                engine.pool, isa, engine.workspace, workspace.pointer, outcome.losses.floats, operands.x.pointer,
                operands.weight.pointer, test.dtype, targets.baseAddress, test.rows, test.width, test.vocabulary)
        }
    }
    #expect(workspace.guardsAreIntact && outcome.losses.guardsAreIntact)
    #expect(outcome.dx.guardsAreIntact && outcome.dweight.guardsAreIntact)
    return outcome
}

@Suite struct ClassifierTests {
    @Test("losses and gradients agree with float64 on every instruction set", arguments: ClassifierCase.all)
    func agreement(_ test: ClassifierCase) throws {
        let operands = Operands(test, scale: 0.37)
        let expected = operands.reference.results()
        // Logits are sums of C products below 3 each, so they are off by 3 C (C + 4) 2^-24 at most; exp and its sum add
        // 2e-6. An error of the logits is about the same relative error of the probabilities.
        let width = Double(test.width)
        let logitError = 3 * width * (width + 4) * 0x1p-24 + 2e-6
        // dlogits are rounded to act, and so is dx; sums over V and R are float32.
        let unit = test.dtype == APUS_BF16 ? 0x1p-8 : 0x1p-24
        let sumError = Double(max(test.vocabulary, test.rows)) * 0x1p-24
        let relative = 2 * logitError + unit + sumError
        let losses = MatmulExpectation(
            values: expected.losses, tolerances: expected.losses.map { 2 * logitError + abs($0) * 0x1p-23 })
        let dx = MatmulExpectation(
            values: expected.dx,
            tolerances: zip(expected.dx, expected.dxSize).map { abs($0) * unit + $1 * relative })
        let dweight = MatmulExpectation(
            values: expected.dweight.map { $0 + 0.5 },
            tolerances: expected.dweightSize.map { $0 * relative + 0x1p-23 })
        for isa in matmulInstructionSets {
            var first: Outcome?
            for threads in [1, 3] {
                let at = "\(matmulName(isa)), \(threads) threads"
                let outcome = try run(operands, test, isa, threads: threads, backward: true)
                #expect(matmulMismatch(outcome.losses, losses) == nil, "\(at)")
                #expect(matmulMismatch(outcome.dx, dx) == nil, "\(at)")
                #expect(matmulMismatch(outcome.dweight, dweight) == nil, "\(at)")
                // The same bits again, and for any number of threads.
                let again = try run(operands, test, isa, threads: threads, backward: true)
                for other in [again, first ?? again] {
                    #expect(other.losses.bytes == outcome.losses.bytes, "\(at)")
                    #expect(other.dx.bytes == outcome.dx.bytes && other.dweight.bytes == outcome.dweight.bytes, "\(at)")
                }
                first = outcome
                // The forward alone gives the same losses, bit for bit.
                let forward = try run(operands, test, isa, threads: threads, backward: false)
                #expect(forward.losses.bytes == outcome.losses.bytes, "\(at)")
            }
        }
    }

    @Test("rows without a target have loss 0 and a dx of 0, whatever their logits") func leftOut() throws {
        let test = ClassifierCase(rows: 4, width: 3, vocabulary: 9, dtype: APUS_F32)
        var operands = Operands(test, scale: 1)
        operands.targets = [1, 0, 2, -1]
        operands.x[3 * 3] = .infinity
        for isa in matmulInstructionSets {
            let outcome = try run(operands, test, isa, threads: 2, backward: true)
            #expect(outcome.losses[3] == 0)
            for c in 0..<3 { #expect(outcome.dx[9 + c] == 0) }
        }
    }

    @Test("a NaN in a row gives a NaN loss and leaves the other rows' losses alone", arguments: [APUS_F32, APUS_BF16])
    func nan(_ dtype: apus_dtype_t) throws {
        let test = ClassifierCase(rows: 3, width: 5, vocabulary: 70, dtype: dtype)
        var operands = Operands(test, scale: 1)
        operands.targets = [69, 0, 7]
        operands.x[5 + 4] = .nan
        for isa in matmulInstructionSets {
            let outcome = try run(operands, test, isa, threads: 2, backward: true)
            #expect(outcome.losses[1].isNaN)
            #expect(outcome.losses[0].isFinite && outcome.losses[2].isFinite)
        }
    }

    @Test("far apart logits neither overflow nor lose the loss") func extremes() throws {
        // One weight row of 1000 among zeros: logits 1000 and 0; the loss of a wrong target is 1000, of the right one 0.
        let test = ClassifierCase(rows: 2, width: 1, vocabulary: 3, dtype: APUS_F32)
        let x = MatmulArray(APUS_F32, [1, 1])
        let weight = MatmulArray(APUS_F32, [0, 1000, 0])
        let reference = ClassifierReference(test: test, x: x.values, weight: weight.values, targets: [0, 1], scale: 1)
        for isa in matmulInstructionSets {
            let operands = Operands(x: x, weight: weight, targets: [0, 1], reference: reference)
            let outcome = try run(operands, test, isa, threads: 1, backward: true)
            #expect(outcome.losses[0] == 1000 && outcome.losses[1] == 0)
            #expect(outcome.dx[0] == 1000 && outcome.dx[1] == 0)
            #expect(outcome.dweight[0] == -0.5 && outcome.dweight[1] == 1.5 && outcome.dweight[2] == 0.5)
        }
    }

    @Test("the reference's gradients are the finite differences of its losses") func finiteDifferences() {
        let test = ClassifierCase(rows: 4, width: 5, vocabulary: 11, dtype: APUS_F32)
        let base = Operands(test, scale: 0.7).reference
        let gradients = base.results()
        // Central differences in float64: h^2 of truncation and 1e-16 / h of rounding meet near 1e-10.
        let h = 1e-5
        func loss(_ x: [Double], _ weight: [Double]) -> Double {
            let moved = ClassifierReference(test: test, x: x, weight: weight, targets: base.targets, scale: base.scale)
            return base.scale * moved.results().losses.reduce(0, +)
        }
        for i in base.x.indices {
            var (up, down) = (base.x, base.x)
            up[i] += h
            down[i] -= h
            let difference = (loss(up, base.weight) - loss(down, base.weight)) / (2 * h)
            #expect(abs(difference - gradients.dx[i]) < 1e-8, "dx \(i)")
        }
        for i in base.weight.indices {
            var (up, down) = (base.weight, base.weight)
            up[i] += h
            down[i] -= h
            let difference = (loss(base.x, up) - loss(base.x, down)) / (2 * h)
            #expect(abs(difference - gradients.dweight[i]) < 1e-8, "dweight \(i)")
        }
    }
}

extension Operands {
    init(x: MatmulArray, weight: MatmulArray, targets: [Int32], reference: ClassifierReference) {
        self.x = x
        self.weight = weight
        self.targets = targets
        self.reference = reference
    }
}
