// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import ComputeCUDA
import FakeCUDA
import Foundation
import TestKit
import Testing

/// All tests that use the fake card: there is one a process, so they run one after the other.
@Suite(.serialized) struct OnFakeCard {}

/// The fake card and its libraries.
enum FakeCard {
    /// Restarts the machine with a card.
    static func insert(_ change: (inout apus_fake_card_t) -> Void = { _ in }) {
        var card = apus_fake_card()
        change(&card)
        apus_fake_reset(&card)
    }

    /// Changes what goes wrong from now on.
    static func change(_ change: (inout apus_fake_card_t) -> Void) {
        var card = apus_fake_card()
        change(&card)
        apus_fake_change(&card)
    }

    static func libraries(
        _ environment: [String: String] = [:], open: @escaping LibraryOpener = { path, _ in (symbols(path), "") }
    ) throws -> CUDALibraries {
        try CUDALibraries(search: CUDALibrarySearch(folder: nil, environment: environment, root: "/nonexistent"), open: open)
    }

    static func symbols(_ path: String) -> SymbolSource { SymbolSource(lookup: apus_fake_symbol, source: nil, path: path) }

    static func backend(_ change: (inout CUDAOptions) -> Void = { _ in }) throws -> CUDABackend {
        var options = CUDAOptions()
        change(&options)
        return try CUDABackend(try libraries(), options)
    }

    static var misuses: String { String(cString: apus_fake_misuses()) }
    static var counts: apus_fake_counts_t { apus_fake_counts() }
}

/// A backend and short ways to put numbers in and take them out.
struct Bench {
    let backend: any Backend

    init(_ backend: any Backend) { self.backend = backend }

    func empty(_ shape: [Int], _ dtype: DType = .float32) throws -> Tensor {
        let bytes = shape.reduce(dtype.size, *)
        return Tensor(memory: try backend.allocate(byteCount: max(bytes, 1)), offset: 0, dtype: dtype, shape: shape)
    }

    func tensor(_ values: [Float], _ shape: [Int], _ dtype: DType = .float32) throws -> Tensor {
        let tensor = try empty(shape, dtype)
        if dtype == .bfloat16 {
            values.map { BFloat16.bits($0) }.withUnsafeBytes { backend.write($0, to: tensor) }
        } else {
            values.withUnsafeBytes { backend.write($0, to: tensor) }
        }
        return tensor
    }

    func words(_ values: [Int32]) throws -> Tensor {
        let tensor = try empty([values.count], .int32)
        values.withUnsafeBytes { backend.write($0, to: tensor) }
        return tensor
    }

    func state(_ scalars: [StepState: Double] = [:]) throws -> Tensor {
        let state = try empty([StepState.count], .float64)
        for (index, value) in scalars { backend.writeScalar(value, to: state, index) }
        return state
    }

    func workspace(_ bytes: Int) throws -> Tensor { try empty([max(bytes, 1)], .uint8) }

    func values(_ tensor: Tensor) throws -> [Float] {
        switch tensor.dtype {
        case .bfloat16: return try raw(tensor, UInt16(0)).map(BFloat16.float)
        case .float64: return try raw(tensor, 0.0).map { Float($0) }
        default: return try raw(tensor, Float(0))
        }
    }

    func raw<T>(_ tensor: Tensor, _ zero: T) throws -> [T] {
        var array = [T](repeating: zero, count: tensor.count)
        try array.withUnsafeMutableBytes { try backend.read(tensor, into: $0) }
        return array
    }
}

/// Seeded inputs: the same on every backend.
struct Inputs {
    private var generator: SeededGenerator

    init(_ seed: UInt64) { generator = SeededGenerator(seed) }

    /// With a bfloat16's precision, so that both dtypes hold it exactly.
    mutating func floats(_ count: Int) -> [Float] { generator.floats(count).map { BFloat16.float(BFloat16.bits($0)) } }

    mutating func words(_ count: Int, below limit: Int32) -> [Int32] {
        (0..<count).map { _ in Int32.random(in: 0..<limit, using: &generator) }
    }
}
