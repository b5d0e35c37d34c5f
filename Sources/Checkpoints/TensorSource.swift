// SPDX-License-Identifier: MIT
import Compute
import Storage

/// A tensor to be written: what it is, and a function that delivers its bytes piece by piece.
///
/// Pieces come in order and cover the tensor once, so that writing a model needs one buffer, whatever the model's size.
public struct TensorSource: Sendable {
    /// Name on disk, such as "transformer.h.0.attn.c_attn.weight".
    public let name: String
    /// Of the bytes that `fill` delivers.
    public let dtype: DType
    /// Empty for a scalar.
    public let shape: [Int]
    /// Fills `piece` with the little-endian bytes that start `offset` bytes into the tensor.
    ///
    /// Both are multiples of the element size.
    public let fill: @Sendable (_ piece: UnsafeMutableRawBufferPointer, _ offset: Int) throws -> Void

    /// `fill` is called only when the tensor is written or read.
    public init(
        name: String, dtype: DType, shape: [Int],
        fill: @escaping @Sendable (_ piece: UnsafeMutableRawBufferPointer, _ offset: Int) throws -> Void
    ) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.fill = fill
    }

    /// A tensor in device memory; it is read when it is written, so it must not change before that.
    public init(name: String, tensor: Tensor, backend: any Backend) {
        self.init(name: name, dtype: tensor.dtype, shape: tensor.shape) { piece, offset in
            let size = tensor.dtype.size
            try backend.read(tensor.view([piece.count / size], start: offset / size), into: piece)
        }
    }

    /// A tensor of host values.
    ///
    /// - Precondition: there are as many values as the shape has elements.
    public init(name: String, shape: [Int], values: [Float]) {
        precondition(Self.count(shape) == values.count, "\(values.count) values for '\(name)' of shape \(shape)")
        self.init(name: name, dtype: .float32, shape: shape) { piece, offset in
            values.withUnsafeBytes { piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + piece.count])) }
        }
    }

    /// Number of elements, or nil when the shape is negative or too large to count.
    public var count: Int? { Self.count(shape) }

    /// Bytes of the whole tensor, or nil when they cannot be counted.
    public var byteCount: Int? { Self.byteCount(dtype, shape) }

    static func count(_ shape: [Int]) -> Int? {
        var count = 1
        for dimension in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard dimension >= 0, !overflow else { return nil }
            count = product
        }
        return count
    }

    static func byteCount(_ dtype: DType, _ shape: [Int]) -> Int? {
        guard let count = count(shape) else { return nil }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: dtype.size)
        return overflow ? nil : bytes
    }
}
