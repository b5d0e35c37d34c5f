// SPDX-License-Identifier: MIT
import Compute

/// A kernel's parameter in the form that docs/gpu-kernels.md gives it.
enum KernelParameter {
    case tensor(Tensor)
    /// 0 where a kernel takes "null".
    case optional(Tensor?)
    case address(UInt)
    case int(Int)
    case long(Int)
    case unsignedLong(UInt64)
    case float(Float)
    case double(Double)
    case heads(HeadView)
    /// nil: no dropout.
    case dropout(Dropout?)
}

/// The array of pointers that a launch takes, and what they point to; used again for every launch.
///
/// Every value starts at a multiple of 8 bytes. The driver copies the values before the launch returns.
final class LaunchArguments {
    private let words: UnsafeMutablePointer<UInt64>
    private let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private var used = 0
    private var count = 0

    /// Most words and parameters of any kernel, with room to spare.
    private static let largest = 96

    init() {
        words = .allocate(capacity: Self.largest)
        words.initialize(repeating: 0, count: Self.largest)
        pointers = .allocate(capacity: Self.largest)
        pointers.initialize(repeating: nil, count: Self.largest)
    }

    deinit {
        words.deallocate()
        pointers.deallocate()
    }

    func with<Result>(
        _ parameters: [KernelParameter], _ body: (UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Result
    ) -> Result {
        (used, count) = (0, 0)
        for parameter in parameters { append(parameter) }
        return body(pointers)
    }

    private func append(_ parameter: KernelParameter) {
        switch parameter {
        case .tensor(let tensor): add(UInt64(tensor.address))
        case .optional(let tensor): add(tensor.map { UInt64($0.address) } ?? 0)
        case .address(let address): add(UInt64(address))
        case .int(let value): add(UInt64(UInt32(bitPattern: Int32(value))))
        case .long(let value): add(UInt64(bitPattern: Int64(value)))
        case .unsignedLong(let value): add(value)
        case .float(let value): add(UInt64(value.bitPattern))
        case .double(let value): add(value.bitPattern)
        case .heads(let view):
            let strides = [view.batchStride, view.tokenStride, view.headStride].map { UInt64(bitPattern: Int64($0)) }
            add(UInt64(view.address), strides[0], strides[1], strides[2])
        case .dropout(let dropout):
            // { u64 seed; u32 site, threshold; float scale; u32 unused }, little-endian as all these machines are.
            let (threshold, scale) = dropout?.kernelThreshold ?? (0, 1)
            add(dropout?.seed ?? 0, UInt64(dropout?.site ?? 0) | UInt64(threshold) << 32, UInt64(scale.bitPattern))
        }
    }

    private func add(_ values: UInt64...) {
        precondition(used + values.count <= Self.largest && count < Self.largest, "a kernel with too many parameters")
        pointers[count] = UnsafeMutableRawPointer(words + used)
        for value in values {
            words[used] = value
            used += 1
        }
        count += 1
    }
}

extension HeadView {
    /// Of its element `start`.
    var address: UInt { tensor.address + UInt(start * tensor.dtype.size) }
}

extension Dropout {
    /// The threshold rounded up, so that a word is below it when it is below probability x 2^32; what stays is scaled up.
    fileprivate var kernelThreshold: (threshold: UInt32, scale: Float) {
        let p = min(max(probability, 0), 1)
        return (UInt32(min((p * 0x1p32).rounded(.up), 0x1p32 - 1)), p < 1 ? Float(1 / (1 - p)) : 0)
    }
}
