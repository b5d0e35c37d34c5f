// SPDX-License-Identifier: MIT
import CUDAEmulation
import Compute
import Testing

/// In which order the emulated machine does what a GPU may do in any order.
struct Order: CustomTestStringConvertible, Sendable {
    /// Last block, warp and lane first.
    let reverse: Bool
    /// Asynchronous copies arrive when they are waited for, and not at once.
    let lateCopies: Bool

    static let all = [false, true].flatMap { reverse in [true, false].map { Order(reverse: reverse, lateCopies: $0) } }
    /// Each setting once both ways, for what needs no more.
    static let both = [Order(reverse: false, lateCopies: true), Order(reverse: true, lateCopies: false)]

    var testDescription: String { "\(reverse ? "last" : "first") thread first, copies \(lateCopies ? "late" : "early")" }
}

/// Device memory of the emulated machine, between two zones that no kernel may touch.
///
/// Zones and fresh memory hold bits that are not a number in every dtype, so that reading them shows as well.
final class Buffer {
    private static let zone = 512
    let dtype: DType
    let count: Int
    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int
    private let start: Int

    /// - Parameter misaligned: bytes by which the first element misses a multiple of 256
    init(_ count: Int, _ dtype: DType = .float32, misaligned: Int = 0) {
        self.dtype = dtype
        self.count = count
        start = Self.zone + misaligned
        byteCount = start + count * dtype.size + Self.zone
        memory = .allocate(byteCount: byteCount, alignment: 256)
        memory.initializeMemory(as: UInt8.self, repeating: 0xff, count: byteCount)
    }

    convenience init(_ values: [Double], _ dtype: DType = .float32, misaligned: Int = 0) {
        self.init(values.count, dtype, misaligned: misaligned)
        for (i, value) in values.enumerated() { store(value, i) }
    }

    deinit { memory.deallocate() }

    var address: UnsafeMutableRawPointer { memory + start }

    private func store(_ value: Double, _ i: Int) {
        let at = address + i * dtype.size
        switch dtype {
        case .float64: at.storeBytes(of: value, as: Double.self)
        case .bfloat16: at.storeBytes(of: BFloat16.bits(Float(value)), as: UInt16.self)
        case .int32: at.storeBytes(of: Int32(value), as: Int32.self)
        default: at.storeBytes(of: Float(value), as: Float.self)
        }
    }

    var values: [Double] {
        (0..<count).map { i in
            let at = address + i * dtype.size
            switch dtype {
            case .float64: return at.load(as: Double.self)
            case .bfloat16: return Double(BFloat16.float(at.load(as: UInt16.self)))
            case .int32: return Double(at.load(as: Int32.self))
            default: return Double(at.load(as: Float.self))
            }
        }
    }

    var bytes: [UInt8] { [UInt8](UnsafeRawBufferPointer(start: address, count: count * dtype.size)) }

    /// Whether nothing was written outside of the elements.
    var zonesIntact: Bool {
        let all = UnsafeRawBufferPointer(start: memory, count: byteCount)
        return all[..<start].allSatisfy { $0 == 0xff } && all[(start + count * dtype.size)...].allSatisfy { $0 == 0xff }
    }
}

/// A parameter of a kernel.
enum Argument {
    case memory(Buffer?)
    /// A view of a buffer as `HeadView`: start and strides in elements.
    case heads(Buffer, View)
    case int(Int)
    case long(Int)
    case float(Float)
    case double(Double)
    case word(UInt32)
    case words(UInt64)
    case dropout(DropoutMask?)

    struct View: Sendable {
        let start: Int, batchStride: Int, tokenStride: Int, headStride: Int
    }

    /// The parameter's bytes, as the C types of docs/gpu-kernels.md lay them out.
    fileprivate var bytes: [UInt8] {
        func raw<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { [UInt8]($0) } }
        switch self {
        case .memory(let buffer): return raw(UInt64(UInt(bitPattern: buffer?.address)))
        case .heads(let buffer, let view):
            let data = UInt64(UInt(bitPattern: buffer.address + view.start * buffer.dtype.size))
            return raw(data) + raw(Int64(view.batchStride)) + raw(Int64(view.tokenStride)) + raw(Int64(view.headStride))
        case .int(let value): return raw(Int32(value))
        case .long(let value): return raw(Int64(value))
        case .float(let value): return raw(value)
        case .double(let value): return raw(value)
        case .word(let value): return raw(value)
        case .words(let value): return raw(value)
        case .dropout(let mask):
            guard let mask else { return [UInt8](repeating: 0, count: 24) }
            return raw(mask.seed) + raw(mask.site) + raw(mask.threshold) + raw(mask.scale) + raw(UInt32(0))
        }
    }

    fileprivate var buffer: Buffer? {
        switch self {
        case .memory(let buffer): return buffer
        case .heads(let buffer, _): return buffer
        default: return nil
        }
    }
}

/// Dropout as the kernels take it.
struct DropoutMask: Sendable {
    let probability: Double
    var seed: UInt64 = 0x1234_5678_9abc_def0
    var site: UInt32 = 7

    var threshold: UInt32 { UInt32(min((probability * 0x1p32).rounded(.up), 0x1p32 - 1)) }
    var scale: Float { Float(1 / (1 - probability)) }
}

/// What the emulated machine found wrong.
struct EmulationError: Error, CustomStringConvertible {
    let description: String
}

/// Runs a kernel: grid and block as in docs/gpu-kernels.md.
///
/// - Parameters:
///   - act: which of the two variants
///   - head: HEAD_SIZE or HEAD_SLOTS
/// - Throws: `EmulationError`, also when a kernel wrote outside of its buffers.
func launch(
    _ name: String, act: DType = .float32, head: Int = 0, grid: (Int, Int) = (1, 1), block: Int = 256, shared: Int = 0,
    _ order: Order, _ arguments: Argument...
) throws {
    guard let kernel = apus_emulated_kernel(name, act == .bfloat16 ? 1 : 0, Int32(head)) else {
        throw EmulationError(description: "there is no kernel \(name) for \(act), head \(head)")
    }
    guard Int(apus_emulated_parameters(kernel)) == arguments.count else {
        throw EmulationError(
            description: "\(name) has \(apus_emulated_parameters(kernel)) parameters, \(arguments.count) were given")
    }
    var geometry = apus_emulated_geometry_t(
        grid: (UInt32(grid.0), UInt32(grid.1), 1), block: (UInt32(block), 1, 1), shared_bytes: shared)
    var options = apus_emulated_options_t(reverse: order.reverse ? 1 : 0, late_copies: order.lateCopies ? 1 : 0)
    // Each parameter in a slot of its own, at a multiple of 16 bytes.
    let slots = UnsafeMutableRawPointer.allocate(byteCount: 32 * max(arguments.count, 1), alignment: 16)
    defer { slots.deallocate() }
    var pointers: [UnsafeMutableRawPointer?] = []
    for (i, argument) in arguments.enumerated() {
        let slot = slots + 32 * i
        argument.bytes.withUnsafeBytes { slot.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(slot), byteCount: $0.count) }
        pointers.append(slot)
    }
    if let message = apus_emulated_launch(kernel, &geometry, &pointers, &options) {
        throw EmulationError(description: String(cString: message))
    }
    for (i, argument) in arguments.enumerated() where argument.buffer?.zonesIntact == false {
        throw EmulationError(description: "\(name) wrote outside of its argument \(i)")
    }
}

/// Blocks of a loop kernel.
func loopGrid(_ elements: Int) -> (Int, Int) { (max(1, min((elements + 1023) / 1024, 8192)), 1) }
func blocks(_ count: Int, _ of: Int) -> Int { (count + of - 1) / of }

/// Number of parameters of an emulated kernel; nil: there is no such variant.
func emulatedParameters(_ name: String, _ act: DType, _ head: Int) -> Int? {
    apus_emulated_kernel(name, act == .bfloat16 ? 1 : 0, Int32(head)).map { Int(apus_emulated_parameters($0)) }
}
