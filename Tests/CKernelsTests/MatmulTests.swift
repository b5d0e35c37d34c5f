// SPDX-License-Identifier: MIT
import CKernels
import Testing

/// What one run of a case wrote.
private struct Outcome {
    var main: MatmulArray
    var extra: MatmulArray?
}

private func run(_ reference: MatmulReference, _ isa: apus_isa_t, _ engine: MatmulEngine) -> Outcome {
    let test = reference.test
    let (rows, n, k) = (test.rows, test.n, test.k)
    switch test.operation {
    case .forward, .forwardBias, .gelu, .geluTanh, .residual, .residualInPlace:
        let out = MatmulArray(test.outDtype, count: rows * n, misaligned: test.misaligned)
        var epilogue = apus_epilogue_t()
        var extra: MatmulArray?
        if test.operation == .gelu || test.operation == .geluTanh {
            let preactivation = MatmulArray(test.dtype, count: rows * n, misaligned: test.misaligned)
            epilogue.activation = test.operation == .gelu ? APUS_ACTIVATION_GELU : APUS_ACTIVATION_GELU_TANH
            epilogue.preactivation = preactivation.pointer
            extra = preactivation
        }
        if test.operation == .residual { epilogue.residual = UnsafePointer(reference.residual.floats) }
        if test.operation == .residualInPlace {
            for i in 0..<rows * n { out[i] = reference.residual[i] }
            epilogue.residual = UnsafePointer(out.floats)
        }
        let bias = test.operation == .forward ? nil : UnsafePointer(reference.bias.floats)
        apus_matmul_forward(
            engine.pool, isa, engine.workspace, out.pointer, test.outDtype, reference.x.pointer, reference.weight.pointer,
            test.dtype, bias, epilogue, rows, n, k)
        return Outcome(main: out, extra: extra)
    case .backwardInput, .backwardGELU, .backwardGELUTanh:
        let dx = MatmulArray(test.outDtype, count: rows * k, misaligned: test.misaligned)
        let activation: apus_activation_t =
            switch test.operation {
            case .backwardGELU: APUS_ACTIVATION_GELU
            case .backwardGELUTanh: APUS_ACTIVATION_GELU_TANH
            default: APUS_ACTIVATION_NONE
            }
        apus_matmul_backward_input(
            engine.pool, isa, engine.workspace, dx.pointer, test.outDtype, reference.dout.pointer, reference.weight.pointer,
            test.dtype, activation, test.operation == .backwardInput ? nil : reference.preactivation.pointer, rows, n, k)
        return Outcome(main: dx, extra: nil)
    case .backwardWeight:
        let dweight = MatmulArray(APUS_F32, [Float](repeating: reference.start, count: n * k), misaligned: test.misaligned)
        let dbias = MatmulArray(APUS_F32, [Float](repeating: reference.start, count: n), misaligned: test.misaligned)
        apus_matmul_backward_weight(
            engine.pool, isa, engine.workspace, dweight.floats, dbias.floats, reference.dout.pointer, reference.x.pointer,
            test.dtype, rows, n, k)
        return Outcome(main: dweight, extra: dbias)
    }
}

/// Names the first element that is too far off; NaN is.
func matmulMismatch(_ array: MatmulArray, _ expected: MatmulExpectation) -> String? {
    for i in 0..<array.count {
        let error = abs(Double(array[i]) - expected.values[i])
        if !(error <= expected.tolerances[i]) {
            return "element \(i) is \(array[i]), expected \(expected.values[i]) +- \(expected.tolerances[i])"
        }
    }
    return nil
}

@Suite struct MatmulTests {
    @Test("every operation, shape, dtype, instruction set and number of threads agrees with float64", arguments: MatmulCase.all)
    func agreement(_ test: MatmulCase) throws {
        let reference = MatmulReference(test)
        let main: MatmulExpectation
        let extra: MatmulExpectation
        switch test.operation {
        case .backwardInput, .backwardGELU, .backwardGELUTanh:
            (main, extra) = (reference.backwardInput(), MatmulExpectation(values: [], tolerances: []))
        case .backwardWeight: (main, extra) = reference.backwardWeight()
        default: (main, extra) = reference.forward()
        }
        for isa in matmulInstructionSets {
            var first: Outcome?
            for threads in 1...3 {
                let engine = try #require(MatmulEngine(threads: Int32(threads)))
                let outcome = run(reference, isa, engine)
                let at = "\(matmulName(isa)), \(threads) threads"
                #expect(matmulMismatch(outcome.main, main) == nil, "\(at)")
                #expect(outcome.main.guardsAreIntact, "\(at)")
                if let second = outcome.extra {
                    #expect(matmulMismatch(second, extra) == nil, "\(at)")
                    #expect(second.guardsAreIntact, "\(at)")
                }
                // The workspace now holds other bytes than before: the same operands must give the same bits; so must any
                // number of threads.
                let again = run(reference, isa, engine)
                for other in [again, first ?? again] {
                    #expect(other.main.bytes == outcome.main.bytes && other.extra?.bytes == outcome.extra?.bytes, "\(at)")
                }
                first = outcome
            }
        }
    }

    @Test("views with gaps between rows, transposed or not, are read and written where they say", arguments: [0, 1, 2, 3])
    func strides(_ orientation: Int) throws {
        let (m, n, k, gap) = (45, 37, 67, 1000)
        let (aIsTransposed, bIsTransposed) = (orientation & 1 == 1, orientation & 2 == 2)
        for dtype in [APUS_F32, APUS_BF16] {
            var random = MatmulRandom(seed: 5)
            let a = MatmulArray(dtype, random.values(max(m, k) * gap))
            let b = MatmulArray(dtype, random.values(max(n, k) * gap))
            let (aRow, aColumn) = aIsTransposed ? (1, gap) : (gap, 1)
            let (bRow, bColumn) = bIsTransposed ? (1, gap) : (gap, 1)
            for isa in matmulInstructionSets {
                let engine = try #require(MatmulEngine(threads: 2))
                let c = MatmulArray(APUS_F32, [Float](repeating: 3, count: m * gap))
                var gemm = apus_gemm_t()
                (gemm.m, gemm.n, gemm.k, gemm.dtype) = (m, n, k, dtype)
                gemm.a = apus_matrix_t(data: a.pointer, row_stride: aRow, column_stride: aColumn)
                gemm.b = apus_matrix_t(data: b.pointer, row_stride: bRow, column_stride: bColumn)
                (gemm.c, gemm.c_stride, gemm.c_dtype, gemm.accumulate) = (c.pointer, gap, APUS_F32, 1)
                apus_gemm(engine.pool, isa, engine.workspace, &gemm)
                for i in 0..<m {
                    for j in 0..<gap {
                        var expected = 3.0
                        if j < n {
                            for l in 0..<k { expected += Double(a[i * aRow + l * aColumn]) * Double(b[l * bRow + j * bColumn]) }
                        }
                        // 67 products below 1 and the 3, in float32: 70 * 2^-24 * 70.
                        #expect(abs(Double(c[i * gap + j]) - expected) <= (j < n ? 3e-4 : 0), "\(matmulName(isa)) \(i) \(j)")
                    }
                }
            }
        }
    }

    @Test("bfloat16 results are the nearest, ties to even; infinities and NaN stay") func rounding() throws {
        // With K = 1 and weight 1 the product is x itself, so that only the rounding is left.
        let bits: [UInt32] = [
            0x3f80_0000, 0x3f80_8000, 0x3f81_8000, 0x3f80_7fff, 0x3f80_8001, 0xbf80_8000, 0x7f7f_ffff, 0x7f80_0000, 0xff80_0000,
            0x0080_8000, 0x7fc0_0000, 0x7f7f_7fff, 0x8000_0000, 0x4049_0fdb,
        ]
        for rows in [3, 40] {  // both the path of few rows and the blocked one
            let x = MatmulArray(APUS_F32, (0..<rows * 1).map { Float(bitPattern: bits[$0 % bits.count]) })
            let one = MatmulArray(APUS_F32, [1])
            for isa in matmulInstructionSets {
                let engine = try #require(MatmulEngine(threads: 1))
                let out = MatmulArray(APUS_BF16, count: rows)
                apus_matmul_forward(
                    engine.pool, isa, engine.workspace, out.pointer, APUS_BF16, x.pointer, one.pointer, APUS_F32, nil,
                    apus_epilogue_t(), rows, 1, 1)
                for r in 0..<rows {
                    if x[r].isNaN {
                        #expect(out[r].isNaN, "\(matmulName(isa))")
                    } else {
                        #expect(MatmulArray.bfloat16(out[r]) == MatmulArray.bfloat16(x[r] + 0), "\(matmulName(isa)) \(x[r])")
                    }
                }
            }
        }
    }

    @Test("up to 16 rows, a row's bits are those it has alone", arguments: [APUS_F32, APUS_BF16])
    func rowsAlone(_ dtype: apus_dtype_t) throws {
        for (n, k) in [(1, 1), (37, 65), (130, 400)] {
            var random = MatmulRandom(seed: 11)
            let x = MatmulArray(dtype, random.values(16 * k))
            let weight = MatmulArray(dtype, random.values(n * k))
            for isa in matmulInstructionSets where !matmulEmulations.contains(isa) {
                let engine = try #require(MatmulEngine(threads: 2))
                func product(from row: Int, rows: Int) -> [Double] {
                    let out = MatmulArray(APUS_F32, count: rows * n)
                    let first = x.pointer + row * k * (dtype == APUS_F32 ? 4 : 2)
                    apus_matmul_forward(
                        engine.pool, isa, engine.workspace, out.pointer, APUS_F32, first, weight.pointer, dtype, nil,
                        apus_epilogue_t(), rows, n, k)
                    return out.values
                }
                let alone = (0..<16).map { product(from: $0, rows: 1) }
                for rows in 2...16 {
                    let together = product(from: 0, rows: rows)
                    #expect(together == alone.prefix(rows).flatMap { $0 }, "\(matmulName(isa)), \(rows) rows")
                }
            }
        }
    }

    @Test("a NaN spoils its own row and no other", arguments: [APUS_F32, APUS_BF16]) func nan(_ dtype: apus_dtype_t) throws {
        for (rows, n, k) in [(5, 33, 70), (45, 33, 70)] {
            var random = MatmulRandom(seed: 9)
            let x = MatmulArray(dtype, random.values(rows * k))
            let weight = MatmulArray(dtype, random.values(n * k))
            x[2 * k + 69] = .nan
            for isa in matmulInstructionSets {
                let engine = try #require(MatmulEngine(threads: 2))
                let out = MatmulArray(APUS_F32, count: rows * n)
                apus_matmul_forward(
                    engine.pool, isa, engine.workspace, out.pointer, APUS_F32, x.pointer, weight.pointer, dtype, nil,
                    apus_epilogue_t(activation: APUS_ACTIVATION_GELU, preactivation: nil, residual: nil), rows, n, k)
                for i in 0..<rows * n { #expect(out[i].isNaN == (i / n == 2), "\(matmulName(isa)) \(i)") }
            }
        }
    }

    @Test("the workspace grows with the threads and is never empty") func workspace() {
        #expect(apus_matmul_workspace(0) == apus_matmul_workspace(1))
        #expect(apus_matmul_workspace(1) > 0)
        #expect(apus_matmul_workspace(3) > apus_matmul_workspace(2))
    }

    @Test("ceilings are measured for what the instruction set has, and are 0 for what it lacks") func ceilings() throws {
        let engine = try #require(MatmulEngine(threads: 2))
        let memory = MatmulArray(APUS_F32, count: 1 << 18)
        for isa in matmulInstructionSets where !matmulEmulations.contains(isa) {
            #expect(apus_ceiling_fma(engine.pool, isa, 0.01) > 0)
            let hasBFloat16 = isa.rawValue >= APUS_ISA_AVX512_BF16.rawValue
            #expect((apus_ceiling_bf16(engine.pool, isa, 0.01) > 0) == hasBFloat16)
            #expect(apus_ceiling_read(engine.pool, isa, memory.pointer, 1 << 20, 0.01) > 0)
        }
        #expect(apus_ceiling_read(engine.pool, APUS_ISA_PORTABLE, memory.pointer, 0, 0.01) == 0)
    }
}
