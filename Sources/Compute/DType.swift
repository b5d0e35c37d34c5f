// SPDX-License-Identifier: MIT

/// Element types of tensors in memory and on disk.
public enum DType: String, Sendable, CaseIterable {
    /// Models compute in float32 and bfloat16; the others are of files, token ids and the step's scalars.
    case float64, float32, float16, bfloat16, int64, int32, uint16, uint8

    /// Bytes of one element.
    public var size: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16, .uint16: 2
        case .uint8: 1
        }
    }
}

/// Conversion between float32 and bfloat16, the upper half of a float32.
public enum BFloat16 {
    /// Rounds to the nearest bfloat16, ties to even; NaN stays NaN.
    public static func bits(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
    }

    /// Exact: every bfloat16 is a float32.
    public static func float(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
}
