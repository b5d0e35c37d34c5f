// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Widens or narrows stored floating-point numbers to float32.
struct FloatSource: Sendable {
    let dtype: DType

    /// - Throws: `FileError` when the type is an integer's.
    init(dtype: DType, path: String) throws {
        guard [.float64, .float32, .float16, .bfloat16].contains(dtype) else {
            throw FileError(
                path: path, operation: "use the tensors", reason: "weights of type \(dtype) are no floating-point numbers")
        }
        self.dtype = dtype
    }

    /// Element `index` of little-endian bytes; float64 is rounded to the nearest.
    @inline(__always)
    func value(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Float {
        switch dtype {
        case .float64: return Float(bytes.loadUnaligned(fromByteOffset: index * 8, as: Double.self))
        case .float16: return Self.half(bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
        case .bfloat16: return BFloat16.float(bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
        default: return bytes.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
        }
    }

    /// IEEE 754 binary16 to binary32, exact.
    ///
    /// By hand, because Swift's Float16 does not exist on every platform and would need a library call here.
    static func half(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16, exponent = UInt32(bits >> 10) & 31, fraction = UInt32(bits & 1023)
        switch exponent {
        case 0:  // zero or subnormal: fraction x 2^-24
            let magnitude = Float(fraction) * 0x1p-24
            return Float(bitPattern: magnitude.bitPattern | sign)
        case 31: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
