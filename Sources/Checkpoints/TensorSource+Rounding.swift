// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Conversion of float32 to IEEE 754 binary16.
package enum Half {
    /// Rounds to the nearest half, ties to even; NaN stays NaN, what is too large becomes infinite.
    ///
    /// By hand, because Swift's Float16 does not exist on every platform.
    package static func bits(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000, magnitude = bits & 0x7fff_ffff
        if magnitude > 0x7f80_0000 { return sign | 0x7e00 | UInt16(truncatingIfNeeded: magnitude >> 13) & 0x1ff }
        if magnitude >= 0x4780_0000 { return sign | 0x7c00 }  // 65536 and more
        if magnitude >= 0x3880_0000 {
            // Normal: the exponent's bias changes from 127 to 15, 13 bits of the fraction go; a carry reaches the exponent.
            let rounded = magnitude &- 0x3800_0000 &+ 0xfff &+ (magnitude >> 13 & 1)
            return sign | UInt16(truncatingIfNeeded: rounded >> 13)
        }
        if magnitude < 0x3300_0000 { return sign }  // below half of the smallest half, 2^-25
        // Subnormal: the fraction with its leading one, shifted so that its unit is 2^-24.
        let fraction = magnitude & 0x007f_ffff | 0x0080_0000, shift = 126 - (magnitude >> 23)
        let half = UInt32(1) << (shift - 1), rest = fraction & ((1 << shift) - 1), whole = fraction >> shift
        let up = rest > half || (rest == half && whole & 1 == 1)
        return sign | UInt16(truncatingIfNeeded: whole + (up ? 1 : 0))
    }
}

extension TensorSource {
    /// The float32 numbers rounded to the nearest of another type, ties to even.
    ///
    /// - Parameter dtype: float32, float16 or bfloat16
    /// - Throws: when it is filled, `FileError` for a finite number that float16 cannot hold.
    package func rounded(to dtype: DType) -> TensorSource {
        guard dtype != self.dtype else { return self }
        let wide = self
        return TensorSource(name: name, dtype: dtype, shape: shape) { piece, offset in
            let narrow = piece.bindMemory(to: UInt16.self)
            guard !narrow.isEmpty else { return }
            let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: narrow.count)
            defer { values.deallocate() }
            try wide.fill(UnsafeMutableRawBufferPointer(values), offset * 2)
            if dtype == .bfloat16 {
                for i in narrow.indices { narrow[i] = BFloat16.bits(values[i]) }
                return
            }
            for i in narrow.indices {
                narrow[i] = Half.bits(values[i])
                guard narrow[i] & 0x7fff != 0x7c00 || values[i].isInfinite else {
                    throw FileError(
                        path: wide.name, operation: "write as float16",
                        reason:
                            "its element \(offset / 2 + i) is \(values[i]) and float16 ends at 65504; choose bfloat16 or float32")
                }
            }
        }
    }
}
