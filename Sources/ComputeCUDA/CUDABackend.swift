// SPDX-License-Identifier: MIT
import CCUDA
import Compute
import Foundation

/// The operations on an NVIDIA graphics card: own kernels, and cuBLASLt for matrix products.
///
/// Operations only enqueue, on one stream; tokens come and checkpoints go on streams beside it. A failure shows at the next
/// `read`. Results are the same bits from run to run on one card with one version of the libraries, as long as the file of
/// algorithm choices stays (`CUDAOptions.cacheFolder`) and `CUDAOptions.deterministic` does.
/// One thread at a time may call.
public final class CUDABackend: Backend, @unchecked Sendable {
    // SAFETY: the stored properties are constants; that one thread at a time drives a backend is the documented contract.
    /// The one that `CUDAOptions.ordinal` names.
    public let card: CUDACard

    let device: CUDADevice
    let modules: KernelModules
    let products: Products
    private let heap: DeviceHeap
    private let staging: Staging
    private let uploads: Uploads
    private let libraries: CUDALibraries
    private let usesGraphs: Bool
    /// Sums have a fixed order.
    let isDeterministic: Bool

    /// - Throws: `CUDAError` naming what is missing or does not fit, `MemoryError`.
    public convenience init(_ options: CUDAOptions = CUDAOptions()) throws {
        let environment = ProcessInfo.processInfo.environment
        let search = CUDALibrarySearch(folder: options.libraries, environment: environment)
        var options = options
        if options.cacheFolder == nil { options.cacheFolder = KernelCache.standardFolder(environment) }
        try self.init(try CUDALibraries(search: search), options)
    }

    /// - Parameter options: with no cache folder nothing is kept.
    package init(_ libraries: CUDALibraries, _ options: CUDAOptions) throws {
        let cards = try CUDACard.all(libraries.driver)
        guard cards.indices.contains(options.ordinal) else {
            throw CUDAError.noDevice(reason: "card \(options.ordinal) was asked for, there are \(cards.count)")
        }
        card = cards[options.ordinal]
        guard card.capability >= CUDACard.oldest else {
            throw CUDAError.cardTooOld(name: card.name, capability: "\(card.capability)")
        }
        self.libraries = libraries
        let number = card.capability.major * 10 + card.capability.minor
        guard libraries.compiler.architectures.isEmpty || libraries.compiler.architectures.contains(number) else {
            throw CUDAError.unsupported(
                "NVRTC \(libraries.compiler.version) (\(libraries.compiler.path)) cannot compile for \(card.name) (\(card.architecture)): "
                    + CUDALibraryKind.command(driver: try libraries.driver.version()))
        }
        device = try CUDADevice(libraries.driver, card)
        heap = DeviceHeap(device, limit: options.memoryLimit)
        staging = try Staging(device)
        uploads = try Uploads(device, heap)
        modules = KernelModules(device, libraries.compiler, cache: KernelCache(folder: options.cacheFolder))
        let choices = ProductChoices(folder: options.cacheFolder, card: card.name, library: libraries.products.version)
        products = try Products(
            device, libraries.products, heap: heap, choices: choices,
            flopsWorthTiming: options.timesProducts ? options.flopsWorthTiming : .infinity)
        usesGraphs = options.graphs
        worksAhead = options.worksAhead
        isDeterministic = options.deterministic
    }

    public var deviceName: String { card.name }
    /// "sm_89", or "sm_89-fast" where two runs need not give the same bits.
    public var kernelName: String { card.architecture + (isDeterministic ? "" : "-fast") }
    /// Of the host.
    public var threadCount: Int { 1 }

    /// Compiles and loads what a model needs, on all cores; without it every kernel is compiled when it is first run.
    ///
    /// - Throws: `CUDAError`.
    public func prepare(dtype: DType, headSize: Int, training: Bool) throws {
        let act = KernelVariant(isBFloat16: dtype == .bfloat16), wide = KernelVariant(isBFloat16: false)
        var wanted: [(file: KernelFile, variant: KernelVariant)] = [
            (.embeddingForward, wide), (.layernormForward, act), (.activation, act), (.classifierRows, act), (.stepState, wide),
            (.convert, wide), (.copyHeads, act), (.attentionRowsForward, AttentionKernels.rowsVariant(dtype, headSize)),
        ]
        if !training { wanted += [(.attentionDecode, act), (.chooseTokens, wide)] }
        let tiled = AttentionKernels.tiledVariant(dtype, headSize)
        if let tiled { wanted.append((.attentionForward, tiled)) }
        if training {
            wanted += [
                (.embeddingBackward, wide), (.layernormBackward, act), (.columnSums, act), (.attentionDelta, act),
                (.adamwUpdate, wide),
            ]
            if let tiled, !isDeterministic {
                wanted.append((.attentionBackwardFast, tiled))
            } else if let tiled {
                wanted += [(.attentionBackwardKeys, tiled), (.attentionBackwardQueries, tiled)]
            } else {
                wanted.append((.attentionRowsBackward, AttentionKernels.rowsVariant(dtype, headSize)))
            }
        }
        try modules.prepare(wanted)
    }

    // MARK: Memory

    public func allocate(byteCount: Int) throws -> DeviceMemory { try heap.allocate(byteCount: byteCount) }
    public var availableBytes: Int? { heap.availableBytes }

    public func write(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) {
        precondition(bytes.count == tensor.byteCount, "\(bytes.count) bytes written to a tensor of \(tensor.byteCount)")
        precondition(!device.isCapturing, "a copy from the host cannot be repeated")
        if bytes.count <= Uploads.placeBytes {
            uploads.write(bytes, to: tensor.address)
        } else {
            staging.write(bytes, to: tensor.address)
        }
    }

    public func read(_ tensor: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws {
        precondition(bytes.count == tensor.byteCount, "\(bytes.count) bytes read from a tensor of \(tensor.byteCount)")
        try staging.read(tensor.address, into: bytes)
    }

    /// The host is ahead of the card by up to four micro-batches.
    public let worksAhead: Bool

    /// In page-locked memory.
    public func makeReadback(byteCount: Int, besideWork: Bool) throws -> any Readback {
        try CUDAReadback(device, byteCount: byteCount, besideWork: besideWork)
    }

    /// What went wrong, if anything, is kept for the next `read`.
    public func synchronize() { try? device.synchronize() }

    public func writeScalar(_ value: Double, to state: Tensor, _ index: StepState) {
        precondition(!device.isCapturing, "a scalar that the host writes cannot be repeated")
        launch(
            "write_scalar", of: .stepState, .wide, [.tensor(state), .int(index.rawValue), .double(value)], blocks: 1, block: 1)
    }

    public func fillZero(_ tensor: Tensor) {
        device.enqueue("clear memory") {
            $0.set_bytes(apus_cu_address_t(tensor.address), 0, tensor.byteCount, device.stream)
        }
    }

    public func convert(from source: Tensor, to destination: Tensor) {
        precondition(source.count == destination.count, "\(source.count) elements converted to \(destination.count)")
        let count = source.count
        if source.dtype == destination.dtype {
            device.enqueue("copy a tensor") {
                $0.copy_on_device(
                    apus_cu_address_t(destination.address), apus_cu_address_t(source.address), source.byteCount, device.stream)
            }
            return
        }
        let narrows = source.dtype == .float32 && destination.dtype == .bfloat16
        precondition(
            narrows || source.dtype == .bfloat16 && destination.dtype == .float32,
            "a tensor of \(source.dtype) converted to \(destination.dtype)")
        loop(
            narrows ? "convert_to_bf16" : "convert_to_float", of: .convert, .wide, count,
            [.tensor(destination), .tensor(source), .long(count)])
    }

    // MARK: Repeated work

    /// The first time the work runs as it is, which compiles and chooses what it needs; the second time it is recorded; after
    /// that the record is launched. Work that the driver cannot record runs as it is every time.
    public func repeated(_ work: RepeatedWork, _ enqueue: () -> Void) {
        guard usesGraphs, !device.isCapturing else { return enqueue() }
        guard let record = work.record as? Recording, record.device === device else {
            enqueue()
            work.record = Recording(device)
            return
        }
        if record.graph == nil, !record.isRefused {
            record.graph = device.capture(enqueue)
            record.isRefused = record.graph == nil
        }
        if let graph = record.graph { graph.launch() } else { enqueue() }
    }

    private final class Recording {
        let device: CUDADevice
        var graph: CUDAGraph?
        var isRefused = false

        init(_ device: CUDADevice) { self.device = device }
    }

    /// Kernels compiled and products timed since the start: 0 and 0 with a warm cache.
    package var preparations: (compiled: Int, timed: Int) { (modules.compiled, products.timed) }

    // MARK: Launching

    func launch(
        _ name: String, of file: KernelFile, _ variant: KernelVariant, _ parameters: [KernelParameter], blocks: Int,
        rows: Int = 1,
        block: Int = 256, shared: Int = 0
    ) {
        guard blocks > 0, rows > 0 else { return }
        modules.launch(name, of: file, variant, grid: (blocks, rows), block: block, shared: shared, parameters)
    }

    /// A kernel that goes over `count` elements with a stride of the whole grid.
    func loop(
        _ name: String, of file: KernelFile, _ variant: KernelVariant, _ count: Int, _ parameters: [KernelParameter],
        perBlock: Int = 1024
    ) {
        launch(name, of: file, variant, parameters, blocks: count == 0 ? 0 : min((count + perBlock - 1) / perBlock, 8192))
    }
}

extension KernelVariant {
    /// Of files without activations, and of float32 tensors.
    static let wide = KernelVariant(isBFloat16: false)

    static func act(_ tensor: Tensor) -> KernelVariant { KernelVariant(isBFloat16: tensor.isBFloat16) }
}

extension Tensor {
    /// Whether it is bfloat16 rather than float32.
    var isBFloat16: Bool {
        precondition(
            dtype == .float32 || dtype == .bfloat16, "a tensor of \(dtype) was given where float32 or bfloat16 is needed")
        return dtype == .bfloat16
    }

    /// Rows and width of a tensor seen as a matrix, the last dimension being the width.
    var matrix: (rows: Int, width: Int) {
        let width = shape.last ?? 1
        return (width == 0 ? 0 : count / width, width)
    }

    func require(_ expected: DType) { precondition(dtype == expected, "a tensor of \(dtype) where \(expected) is needed") }
}
