// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU

/// The portable CPU kernels on one thread, which every kernel is compared with.
final class Reference {
    let backend: CPUBackend

    init() throws { backend = try CPUBackend(threads: 1, isa: .portable) }

    func empty(_ shape: [Int], _ dtype: DType = .float32) throws -> Tensor {
        let bytes = shape.reduce(dtype.size, *)
        return Tensor(memory: try backend.allocate(byteCount: max(bytes, 1)), offset: 0, dtype: dtype, shape: shape)
    }

    func tensor(_ values: [Double], _ shape: [Int]? = nil, _ dtype: DType = .float32) throws -> Tensor {
        let tensor = try empty(shape ?? [values.count], dtype)
        let buffer = Buffer(values, dtype)
        backend.write(UnsafeRawBufferPointer(start: buffer.address, count: tensor.byteCount), to: tensor)
        return tensor
    }

    func workspace(_ bytes: Int) throws -> Tensor { try empty([max(bytes, 1)], .uint8) }

    func state(_ scalars: [StepState: Double] = [:]) throws -> Tensor {
        let state = try empty([StepState.count], .float64)
        for (index, value) in scalars { backend.writeScalar(value, to: state, index) }
        return state
    }

    func buffer(_ tensor: Tensor) -> Buffer {
        let buffer = Buffer(tensor.count, tensor.dtype)
        backend.read(tensor, into: UnsafeMutableRawBufferPointer(start: buffer.address, count: tensor.byteCount))
        return buffer
    }

    func values(_ tensor: Tensor) -> [Double] { buffer(tensor).values }
    func bytes(_ tensor: Tensor) -> [UInt8] { buffer(tensor).bytes }
}

/// A step state in the emulated machine's memory.
func deviceState(_ scalars: [StepState: Double] = [:]) -> Buffer {
    var values = [Double](repeating: 0, count: StepState.count)
    for (index, value) in scalars { values[index.rawValue] = value }
    return Buffer(values, .float64)
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

    /// Uniform in [-scale, scale), exact in the dtype.
    mutating func uniform(_ count: Int, _ dtype: DType = .float32, scale: Double = 1) -> [Double] {
        (0..<count).map { _ in
            let value = Float(Double(Int64(bitPattern: bits()) >> 11) * 0x1p-52 * scale)
            return Double(dtype == .bfloat16 ? BFloat16.float(BFloat16.bits(value)) : value)
        }
    }

    mutating func indices(_ count: Int, below limit: Int) -> [Double] { (0..<count).map { _ in Double(bits() % UInt64(limit)) } }
}

/// Largest |a - b| relative to the largest |b|; infinite where a number is missing.
func distance(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    var largest = 0.0, difference = 0.0
    for (x, y) in zip(a, b) {
        if !(x - y).isFinite { return .infinity }
        largest = max(largest, abs(y))
        difference = max(difference, abs(x - y))
    }
    return difference == 0 ? 0 : difference / max(largest, 1e-30)
}

/// How many elements differ: a failing comparison of whole arrays would print, and take minutes to compare, all of them.
func differences<T: Equatable>(_ a: [T], _ b: [T]) -> Int {
    abs(a.count - b.count) + zip(a, b).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
}

extension DType {
    static let acts: [DType] = [.float32, .bfloat16]
    /// Of a result that both sides compute in float32 and round once: neighbouring values of the dtype (2^-8 in bfloat16, where
    /// a last bit in float32 may decide), or float32 sums of some hundred terms in another order.
    var tolerance: Double { self == .bfloat16 ? 0x1p-8 : 2e-6 }
}
