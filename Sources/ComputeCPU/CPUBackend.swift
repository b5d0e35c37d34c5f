// SPDX-License-Identifier: MIT
import CKernels
import Compute

/// The operations on this machine's CPU: C kernels on a pool of threads.
///
/// An operation has run when its call returns. One thread at a time may call, since all operations share the pool and its
/// scratch memory; results are the same from run to run for one number of threads and one choice of kernels.
public final class CPUBackend: Backend, @unchecked Sendable {
    // SAFETY: the stored properties are constants; the pool's one-caller rule is the documented contract.
    /// Asking for more throws `CPUBackendError.invalidThreadCount`; a choice left open stays at or below it.
    public static let largestThreadCount = 1024

    public let deviceName: String
    public let kernelName: String
    public let threadCount: Int
    /// The kernels that run.
    public let kernels: KernelChoice

    let pool: OpaquePointer
    let isa: apus_isa_t
    private let memory: HostMemory
    /// What the matrix products and each thread's attention need, held from the start so that no operation allocates.
    private let matmulScratch: DeviceMemory
    private let attentionScratch: DeviceMemory

    /// - Parameters:
    ///   - threads: 0 for one a physical core, within the scheduler's affinity and the control group's quota
    ///   - isa: nil for the best that the CPU has
    /// - Throws: `CPUBackendError`, or `MemoryError` when even the scratch memory cannot be had.
    public convenience init(threads: Int = 0, isa: KernelChoice? = nil) throws {
        try self.init(threads: threads, isa: isa, resources: CPUResources())
    }

    package init(threads: Int, isa: KernelChoice?, resources: CPUResources) throws {
        let best = KernelChoice.best
        kernels = isa ?? best
        guard kernels <= best else { throw CPUBackendError.kernelsUnavailable(asked: kernels, best: best) }
        guard (0...Self.largestThreadCount).contains(threads) else { throw CPUBackendError.invalidThreadCount(threads) }
        let wanted = threads > 0 ? threads : min(resources.threadCount(affinity: schedulerAffinity()), Self.largestThreadCount)
        memory = HostMemory(resources: resources)
        matmulScratch = try memory.allocate(byteCount: apus_matmul_workspace(Int32(wanted)))
        attentionScratch = try memory.allocate(byteCount: apus_attention_scratch() * wanted)
        guard let pool = apus_pool_create(Int32(wanted)) else { throw CPUBackendError.threadsRefused(wanted) }
        self.pool = pool
        self.isa = kernels.isa
        threadCount = wanted
        kernelName = kernels.rawValue
        deviceName = "\(Self.cpuName()), \(wanted) thread\(wanted == 1 ? "" : "s")"
    }

    deinit { apus_pool_destroy(pool) }

    private static func cpuName() -> String {
        var name = [CChar](repeating: 0, count: 64)
        apus_cpu_name(&name, Int32(name.count))
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    // MARK: Memory

    public func allocate(byteCount: Int) throws -> DeviceMemory { try memory.allocate(byteCount: byteCount) }
    public var availableBytes: Int? { memory.availableBytes }

    public func write(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) {
        precondition(bytes.count == tensor.byteCount, "\(bytes.count) bytes written to a tensor of \(tensor.byteCount)")
        apus_copy(pool, isa, tensor.pointer, bytes.baseAddress, bytes.count)
    }

    public func read(_ tensor: Tensor, into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count == tensor.byteCount, "\(bytes.count) bytes read from a tensor of \(tensor.byteCount)")
        apus_copy(pool, isa, bytes.baseAddress, tensor.pointer, bytes.count)
    }

    public func hostBytes(of tensor: Tensor) -> UnsafeRawBufferPointer? {
        UnsafeRawBufferPointer(start: tensor.pointer, count: tensor.byteCount)
    }

    public func synchronize() {}

    public func forEach(_ count: Int, _ body: @Sendable (Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            var work = HostWork(count: count, body: body)
            apus_pool_run(
                pool,
                { context, thread, threads in
                    // SAFETY: the pool gives back the pointer to `work`, which lives until the pool has run.
                    guard let work = context?.assumingMemoryBound(to: HostWork.self).pointee else { return }
                    for index in stride(from: Int(thread), to: work.count, by: Int(threads)) { work.body(index) }
                }, &work)
        }
    }

    public func writeScalar(_ value: Double, to state: Tensor, _ index: StepState) { state.doubles[index.rawValue] = value }

    public func fillZero(_ tensor: Tensor) { apus_fill_zero(pool, isa, tensor.pointer, tensor.byteCount) }

    public func convert(from source: Tensor, to destination: Tensor) {
        precondition(source.count == destination.count, "\(source.count) elements converted to \(destination.count)")
        if source.dtype == destination.dtype {
            apus_copy(pool, isa, destination.pointer, source.pointer, source.byteCount)
        } else {
            apus_convert(
                pool, isa, destination.pointer, destination.kernelDType, source.pointer, source.kernelDType, source.count)
        }
    }

    var matmulWorkspace: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: matmulScratch.address) }
    var scratch: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: attentionScratch.address) }
}

// SAFETY: `Tensor` has checked that its elements lie within its memory, and the memory lives as long as the tensor, which
// the caller holds during an operation. The memory is the CPU's, since this backend allocated it.
extension Tensor {
    var pointer: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: address) }
    var floats: UnsafeMutablePointer<Float>? { typed(.float32) }
    var words: UnsafeMutablePointer<Int32>? { typed(.int32) }

    /// The scalars of the step state.
    var doubles: UnsafeMutableBufferPointer<Double> { UnsafeMutableBufferPointer(start: typed(.float64), count: count) }

    private func typed<T>(_ expected: DType) -> UnsafeMutablePointer<T>? {
        precondition(dtype == expected, "a tensor of \(dtype) was given where \(expected) is needed")
        return pointer?.assumingMemoryBound(to: T.self)
    }

    /// The kernels' name of the dtype.
    var kernelDType: apus_dtype_t {
        switch dtype {
        case .float32: return APUS_F32
        case .bfloat16: return APUS_BF16
        default: preconditionFailure("a tensor of \(dtype) was given where float32 or bfloat16 is needed")
        }
    }

    /// Rows and width of a tensor seen as a matrix, the last dimension being the width.
    var matrix: (rows: Int, width: Int) {
        let width = shape.last ?? 1
        return (width == 0 ? 0 : count / width, width)
    }
}

/// What `forEach` gives the pool.
private struct HostWork {
    let count: Int
    let body: @Sendable (Int) -> Void
}
