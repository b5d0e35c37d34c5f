// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// One way to run the kernels: instruction set and number of threads.
struct Engine: CustomTestStringConvertible, Sendable {
    let kernels: KernelChoice
    let threads: Int

    /// Every instruction set of this CPU with 1, 2 and 3 threads.
    static let all = KernelChoice.available.flatMap { kernels in [1, 2, 3].map { Engine(kernels: kernels, threads: $0) } }
    /// Every instruction set with 2 threads.
    static let eachISA = KernelChoice.available.map { Engine(kernels: $0, threads: 2) }
    static let portable = Engine(kernels: .portable, threads: 1)

    var testDescription: String { "\(kernels.rawValue) x \(threads)" }

    func lab() throws -> Lab { Lab(try CPUBackend(threads: threads, isa: kernels)) }
}

/// A backend and short ways to put numbers in and take them out.
final class Lab {
    let backend: CPUBackend

    init(_ backend: CPUBackend) { self.backend = backend }

    func empty(_ shape: [Int], _ dtype: DType = .float32) throws -> Tensor {
        let bytes = shape.reduce(dtype.size, *)
        return Tensor(memory: try backend.allocate(byteCount: max(bytes, 1)), offset: 0, dtype: dtype, shape: shape)
    }

    func tensor(_ values: [Double], _ shape: [Int]? = nil, _ dtype: DType = .float32) throws -> Tensor {
        let tensor = try empty(shape ?? [values.count], dtype)
        switch dtype {
        case .float32: values.map { Float($0) }.withUnsafeBytes { backend.write($0, to: tensor) }
        case .bfloat16: values.map { BFloat16.bits(Float($0)) }.withUnsafeBytes { backend.write($0, to: tensor) }
        case .int32: values.map { Int32($0) }.withUnsafeBytes { backend.write($0, to: tensor) }
        default: values.withUnsafeBytes { backend.write($0, to: tensor) }
        }
        return tensor
    }

    func workspace(_ bytes: Int) throws -> Tensor { try empty([max(bytes, 1)], .uint8) }

    /// A step state with some scalars set.
    func state(_ scalars: [StepState: Double] = [:]) throws -> Tensor {
        let state = try empty([StepState.count], .float64)
        for (index, value) in scalars { backend.writeScalar(value, to: state, index) }
        return state
    }

    func values(_ tensor: Tensor) -> [Double] {
        switch tensor.dtype {
        case .float32: return raw(tensor, Float(0)).map { Double($0) }
        case .bfloat16: return raw(tensor, UInt16(0)).map { Double(BFloat16.float($0)) }
        case .int32: return raw(tensor, Int32(0)).map { Double($0) }
        default: return raw(tensor, Double(0))
        }
    }

    private func raw<T>(_ tensor: Tensor, _ zero: T) -> [T] {
        var array = [T](repeating: zero, count: tensor.count)
        array.withUnsafeMutableBytes { backend.read(tensor, into: $0) }
        return array
    }
}

/// SplitMix64: the same numbers in every run.
struct Numbers {
    private var state: UInt64

    init(_ seed: Int) { state = UInt64(bitPattern: Int64(seed)) &* 0x9E37_79B9_7F4A_7C15 }

    mutating func bits() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// Uniform in [-1, 1), with a float32's or bfloat16's precision, so that a tensor holds it exactly.
    mutating func uniform(_ count: Int, _ dtype: DType = .float32) -> [Double] {
        (0..<count).map { _ in
            let value = Float(Double(Int64(bitPattern: bits()) >> 11) * 0x1p-52)
            return Double(dtype == .bfloat16 ? BFloat16.float(BFloat16.bits(value)) : value)
        }
    }

    mutating func indices(_ count: Int, below limit: Int) -> [Double] { (0..<count).map { _ in Double(bits() % UInt64(limit)) } }
}

/// Largest |a - b|, relative to the largest |b| (or absolute where that is below 1).
func distance(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    var largest = 1.0, difference = 0.0
    for (x, y) in zip(a, b) {
        if !(x - y).isFinite { return .infinity }
        largest = max(largest, abs(y))
        difference = max(difference, abs(x - y))
    }
    return difference / largest
}

/// The gradient of a float64 function by central differences: error about h^2 = 1e-10 and 1e-16 / h = 1e-11.
func numericGradient(_ x: [Double], h: Double = 1e-5, _ function: ([Double]) -> Double) -> [Double] {
    var x = x
    return x.indices.map { i in
        let value = x[i]
        x[i] = value + h
        let above = function(x)
        x[i] = value - h
        let below = function(x)
        x[i] = value
        return (above - below) / (2 * h)
    }
}

func logSumExp(_ x: [Double]) -> Double {
    let largest = x.max() ?? 0
    return largest + log(x.reduce(0) { $0 + exp($1 - largest) })
}

func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

extension DType {
    /// What a result in this dtype may be off by, relative to the largest: rounding of the result (2^-9 in bfloat16) and
    /// of float32 sums over some hundred terms.
    var tolerance: Double { self == .bfloat16 ? 0x1p-8 : 4e-6 }
}
