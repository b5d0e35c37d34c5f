// SPDX-License-Identifier: MIT
import Compute
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct ElementwiseTests {
    static let counts = [1, 3, 15, 17, 100, 1023, 5000]

    static func reference(_ x: Double, _ activation: Activation) -> Double {
        switch activation {
        case .gelu: x / 2 * (1 + erf(x / 2.0.squareRoot()))
        case .geluTanh: x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        }
    }

    /// Values over all the range where GELU is neither 0 nor x, and far outside it.
    static func inputs(_ count: Int, _ dtype: DType) -> [Double] {
        var numbers = Numbers(count)
        let special = [0.0, -0.0, 1e-30, -1e-30, 6, -6, 12, -12, 100, -100, 3e4, -3e4, 1e19, -1e19]
        let all = special + numbers.uniform(max(0, count - special.count)).map { $0 * 7 }
        return all.prefix(count).map { dtype == .bfloat16 ? Double(BFloat16.float(BFloat16.bits(Float($0)))) : Double(Float($0)) }
    }

    @Test(arguments: Engine.all, [DType.float32, .bfloat16])
    func activation(_ engine: Engine, _ dtype: DType) throws {
        for activation in Activation.allCases { try check(try engine.lab(), dtype, activation) }
    }

    private func check(_ lab: Lab, _ dtype: DType, _ activation: Activation) throws {
        for count in Self.counts {
            let x = Self.inputs(count, dtype), dout = [Double](repeating: 1.5, count: count)
            let (tx, td) = (try lab.tensor(x, nil, dtype), try lab.tensor(dout, nil, dtype))
            let out = try lab.empty([count], dtype), dx = try lab.empty([count], dtype)
            lab.backend.activationForward(out: out, x: tx, activation)
            lab.backend.activationBackward(dx: dx, dout: td, x: tx, activation)
            lab.backend.activationBackward(dx: td, dout: td, x: tx, activation)
            #expect(lab.values(td) == lab.values(dx))
            let (outs, dxs) = (lab.values(out), lab.values(dx))
            for i in 0..<count {
                // Absolute: erf and tanh in float32 to 1e-6, times x/2; relative: the result's rounding.
                let expected = Self.reference(x[i], activation)
                let rounding = dtype == .bfloat16 ? 0x1p-8 : 1e-6
                #expect(abs(outs[i] - expected) <= 3e-6 + rounding * abs(expected), "\(activation)(\(x[i]))")
                // Where x is huge the derivative is 0 or 1 and differences lose all digits.
                let slope =
                    abs(x[i]) > 50 ? (x[i] > 0 ? 1 : 0) : numericGradient([x[i]]) { Self.reference($0[0], activation) }[0]
                #expect(abs(dxs[i] - 1.5 * slope) <= 5e-6 + rounding * abs(1.5 * slope), "\(activation)'(\(x[i]))")
            }
        }
    }

    @Test(arguments: Engine.all) func notANumberStaysOne(_ engine: Engine) throws {
        let lab = try engine.lab(), count = 37
        let x = try lab.tensor([Double](repeating: .nan, count: count)), out = try lab.empty([count])
        for activation in Activation.allCases {
            lab.backend.activationForward(out: out, x: x, activation)
            #expect(lab.values(out).allSatisfy { $0.isNaN })
        }
        let half = try lab.empty([count], .bfloat16)
        lab.backend.convert(from: x, to: half)
        #expect(lab.values(half).allSatisfy { $0.isNaN })
    }

    @Test(arguments: Engine.all) func residualAdd(_ engine: Engine) throws {
        let lab = try engine.lab()
        for count in Self.counts {
            for dtype in [DType.float32, .bfloat16] {
                var numbers = Numbers(count)
                let a = numbers.uniform(count), b = numbers.uniform(count, dtype)
                let (ta, tb) = (try lab.tensor(a), try lab.tensor(b, nil, dtype))
                lab.backend.residualAdd(out: ta, a: ta, b: tb)
                #expect(lab.values(ta) == zip(a, b).map { Double(Float($0) + Float($1)) })
            }
        }
    }

    /// Rounding agrees with the Swift definition for every exponent, ties included.
    @Test(arguments: Engine.all) func conversion(_ engine: Engine) throws {
        let lab = try engine.lab()
        var numbers = Numbers(9)
        var bits: [UInt32] = (0..<5003).map { _ in UInt32(truncatingIfNeeded: numbers.bits()) }
        for i in 0..<1000 { bits[i] = bits[i] & 0xffff_0000 | 0x8000 }  // ties
        bits[1000...1003] = [0x7f80_0000, 0xff80_0000, 0x7f7f_ffff, 0x7f80_0001]
        let floats = bits.map { Float(bitPattern: $0) }
        let from = try lab.empty([bits.count]), to = try lab.empty([bits.count], .bfloat16), back = try lab.empty([bits.count])
        floats.withUnsafeBytes { lab.backend.write($0, to: from) }
        lab.backend.convert(from: from, to: to)
        lab.backend.convert(from: to, to: back)
        var halves = [UInt16](repeating: 0, count: bits.count)
        halves.withUnsafeMutableBytes { lab.backend.read(to, into: $0) }
        for (half, float) in zip(halves, floats) {
            #expect(half == BFloat16.bits(float) || float.isNaN && BFloat16.float(half).isNaN, "\(float.bitPattern)")
        }
        var wide = [UInt32](repeating: 0, count: bits.count)
        wide.withUnsafeMutableBytes { lab.backend.read(back, into: $0) }
        #expect(wide == halves.map { UInt32($0) << 16 })
    }

    @Test func fillZeroAndCopy() throws {
        let lab = try Engine.portable.lab()
        let x = try lab.tensor(Self.inputs(5000, .float32)), y = try lab.empty([5000])
        lab.backend.convert(from: x, to: y)
        #expect(lab.values(x) == lab.values(y))
        lab.backend.fillZero(y.view([4000], start: 500))
        let values = lab.values(y)
        #expect(
            values[500..<4500].allSatisfy { $0 == 0 } && values[499] == lab.values(x)[499] && values[4500] == lab.values(x)[4500])
    }
}
