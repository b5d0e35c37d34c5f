// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Conversion between float32 and the tensor types of GGUF.
package enum GGUFBlocks {
    /// Widens elements of a tensor.
    ///
    /// - Parameters:
    ///   - bytes: the whole tensor
    ///   - type: one of the readable ones
    ///   - first: the first element that is wanted; there are at least `values.count` from it on
    package static func decode(
        _ bytes: UnsafeRawBufferPointer, _ type: GGUFTensorType, from first: Int, into values: UnsafeMutableBufferPointer<Float>
    ) {
        switch type {
        case .q8_0: decodeQ8(bytes, from: first, into: values)
        case .f16:
            for i in values.indices {
                values[i] = FloatSource.half(
                    UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: (first + i) * 2, as: UInt16.self)))
            }
        case .bf16:
            for i in values.indices {
                values[i] = BFloat16.float(
                    UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: (first + i) * 2, as: UInt16.self)))
            }
        default:
            UnsafeMutableRawBufferPointer(values).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[first * 4..<(first + values.count) * 4]))
        }
    }

    private static func decodeQ8(
        _ bytes: UnsafeRawBufferPointer, from first: Int, into values: UnsafeMutableBufferPointer<Float>
    ) {
        var scale: Float = 0
        for i in values.indices {
            let element = first + i, block = element / 32 * 34, place = element % 32
            if place == 0 || i == values.startIndex {
                scale = FloatSource.half(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: block, as: UInt16.self)))
            }
            values[i] = Float(Int8(bitPattern: bytes[block + 2 + place])) * scale
        }
    }

    /// Rounds blocks of 32 numbers to Q8_0: the scale is the largest magnitude over 127, halves are rounded away from zero.
    ///
    /// The integers are made with the float32 scale and the float16 one is stored, as ggml does.
    /// - Parameters:
    ///   - values: finite numbers, a multiple of 32
    ///   - bytes: 34 for every 32 numbers
    package static func encodeQ8(_ values: UnsafeBufferPointer<Float>, into bytes: UnsafeMutableRawBufferPointer) {
        for block in 0..<min(values.count / 32, bytes.count / 34) {
            let numbers = UnsafeBufferPointer(rebasing: values[block * 32..<block * 32 + 32])
            let scale = (numbers.lazy.map(\.magnitude).max() ?? 0) / 127
            // The reciprocal of a scale below 2^-128 is infinite; such a block is zero beside any other.
            let inverse = scale > 0 && (1 / scale).isFinite ? 1 / scale : 0
            bytes.storeBytes(of: Half.bits(inverse == 0 ? 0 : scale).littleEndian, toByteOffset: block * 34, as: UInt16.self)
            for (place, number) in numbers.enumerated() {
                let rounded = max(-127, min(127, (number * inverse).rounded(.toNearestOrAwayFromZero)))
                bytes[block * 34 + 2 + place] = UInt8(bitPattern: Int8(rounded))
            }
        }
    }
}

extension TensorSource {
    /// The float32 numbers in a type of GGUF, piece by piece; pieces and offsets are whole blocks.
    ///
    /// - Throws: when it is filled, `FileError` for a number that the type cannot hold.
    func encoded(as type: GGUFTensorType) -> @Sendable (UnsafeMutableRawBufferPointer, Int) throws -> Void {
        switch type {
        case .f16: return rounded(to: .float16).fill
        case .bf16: return rounded(to: .bfloat16).fill
        case .q8_0:
            return { [self] piece, offset in
                let count = piece.count / 34 * 32, first = offset / 34 * 32
                guard count > 0 else { return }
                let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
                defer { values.deallocate() }
                try fill(UnsafeMutableRawBufferPointer(values), first * 4)
                if let bad = values.firstIndex(where: { !($0.magnitude <= 8e6) }) {
                    throw FileError(
                        path: name, operation: "write as Q8_0",
                        reason: "its element \(first + bad) is \(values[bad]), which a float16 scale cannot reach; choose float32"
                    )
                }
                GGUFBlocks.encodeQ8(UnsafeBufferPointer(values), into: piece)
            }
        default: return fill
        }
    }
}
