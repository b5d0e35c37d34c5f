// SPDX-License-Identifier: MIT
import CCUDA
import Foundation

/// The kernels of a card: compiled when one is first wanted, or taken from the cache, and loaded once.
final class KernelModules {
    private struct ModuleKey: Hashable {
        let file: KernelFile
        let variant: KernelVariant
    }

    private struct FunctionKey: Hashable {
        let module: ModuleKey
        let name: String
    }

    private final class Function {
        let handle: apus_cu_function_t
        /// Dynamic shared memory that it was allowed so far.
        var sharedBytes = KernelModules.sharedBytesWithoutAsking

        init(_ handle: apus_cu_function_t) { self.handle = handle }
    }

    private let device: CUDADevice
    private let compiler: RuntimeCompiler
    private let cache: KernelCache
    private var modules: [ModuleKey: apus_cu_module_t] = [:]
    private var functions: [FunctionKey: Function] = [:]
    private let arguments = LaunchArguments()
    /// Modules compiled since the start, for tests and for `apus doctor`.
    private(set) var compiled = 0

    /// More dynamic shared memory than this must be asked for.
    fileprivate static let sharedBytesWithoutAsking = 48 << 10

    init(_ device: CUDADevice, _ compiler: RuntimeCompiler, cache: KernelCache) {
        self.device = device
        self.compiler = compiler
        self.cache = cache
    }

    deinit {
        device.use()
        _ = device.driver.calls.stream_synchronize(device.stream)
        for module in modules.values { _ = device.driver.calls.module_unload(module) }
    }

    // MARK: Launch

    /// Enqueues a kernel; a failure is kept by the device.
    func launch(
        _ name: String, of file: KernelFile, _ variant: KernelVariant, grid: (x: Int, y: Int), block: Int, shared: Int = 0,
        _ parameters: [KernelParameter]
    ) {
        guard device.failure == nil else { return }
        do {
            let function = try function(name, ModuleKey(file: file, variant: variant))
            try allow(function, shared, name)
            device.enqueue("run \(name)") { calls in
                arguments.with(parameters) {
                    calls.launch_kernel(
                        function.handle, UInt32(grid.x), UInt32(grid.y), 1, UInt32(block), 1, 1, UInt32(shared), device.stream,
                        $0,
                        nil)
                }
            }
        } catch {
            device.fail(error as? CUDAError ?? .unsupported("\(error)"))
        }
    }

    private func allow(_ function: Function, _ bytes: Int, _ name: String) throws {
        guard bytes > function.sharedBytes else { return }
        guard bytes <= device.card.sharedBytes else {
            throw CUDAError.unsupported(
                "\(name) needs \(bytes) bytes of shared memory for this head size, \(device.card.name) has \(device.card.sharedBytes): "
                    + "choose more heads (n_head)")
        }
        device.enqueue("allow \(name) its shared memory") {
            $0.function_set_attribute(function.handle, Int32(APUS_CU_FUNCTION_MAX_DYNAMIC_SHARED), Int32(bytes))
        }
        function.sharedBytes = bytes
    }

    private func function(_ name: String, _ key: ModuleKey) throws -> Function {
        let wanted = FunctionKey(module: key, name: name)
        if let known = functions[wanted] { return known }
        let module = try module(key)
        var handle: apus_cu_function_t?
        try device.driver.check(device.driver.calls.module_function(&handle, module, name), "find the kernel \(name)")
        guard let handle else { throw CUDAError.unsupported("\(key.file.rawValue).cu has no kernel \(name)") }
        let function = Function(handle)
        functions[wanted] = function
        return function
    }

    // MARK: Modules

    private func module(_ key: ModuleKey) throws -> apus_cu_module_t {
        if let known = modules[key] { return known }
        let (code, wasCompiled) = try code(key)
        if wasCompiled { compiled += 1 }
        return try load(key, code)
    }

    private func load(_ key: ModuleKey, _ code: [UInt8]) throws -> apus_cu_module_t {
        device.use()
        var module: apus_cu_module_t?
        try device.driver.check(
            code.withUnsafeBytes { bytes in
                bytes.baseAddress.map { device.driver.calls.module_load(&module, $0) } ?? apus_cu_result_t(APUS_CU_INVALID_VALUE)
            }, "load the kernels of \(key.file.rawValue).cu")
        guard let module else { throw CUDAError.unsupported("\(key.file.rawValue).cu gave no module") }
        modules[key] = module
        return module
    }

    /// Machine code from the cache or the compiler, and whether it was compiled now. May run on any thread.
    private func code(_ key: ModuleKey) throws -> (code: [UInt8], wasCompiled: Bool) {
        try Self.code(key.file, key.variant, compiler, cache, architecture: device.card.architecture)
    }

    private static func code(
        _ file: KernelFile, _ variant: KernelVariant, _ compiler: RuntimeCompiler, _ cache: KernelCache, architecture: String
    ) throws -> (code: [UInt8], wasCompiled: Bool) {
        let source = file.source, options = file.options(variant, architecture: architecture)
        let key = KernelCache.key(source: source, options: options, compiler: compiler.version)
        if let code = cache.read(file, key: key) { return (code, false) }
        let code = try compiler.compile(source, file: file.rawValue, options: options)
        cache.write(code, file, key: key)
        return (code, true)
    }

    /// Compiles what is not in the cache on all cores, so that a first run starts in seconds.
    ///
    /// - Throws: the first `CUDAError`.
    func prepare(_ wanted: [(file: KernelFile, variant: KernelVariant)]) throws {
        let keys = wanted.map { ModuleKey(file: $0.file, variant: $0.variant) }.filter { modules[$0] == nil }
        let results = Results(keys.count)
        let compiler = compiler, cache = cache, architecture = device.card.architecture
        let wanted = keys.map { ($0.file, $0.variant) }
        DispatchQueue.concurrentPerform(iterations: wanted.count) { index in
            results.set(
                index,
                Result { try Self.code(wanted[index].0, wanted[index].1, compiler, cache, architecture: architecture) })
        }
        for (key, result) in zip(keys, results.values) {
            guard let (code, wasCompiled) = try result?.get() else { continue }
            if wasCompiled { compiled += 1 }
            _ = try load(key, code)
        }
    }

    /// What several threads found out.
    private final class Results: @unchecked Sendable {
        // SAFETY: `values` is used under `lock`, and without it once all threads are done.
        private let lock = NSLock()
        private(set) var values: [Result<(code: [UInt8], wasCompiled: Bool), any Error>?]

        init(_ count: Int) { values = [Result<(code: [UInt8], wasCompiled: Bool), any Error>?](repeating: nil, count: count) }

        func set(_ index: Int, _ value: Result<(code: [UInt8], wasCompiled: Bool), any Error>) {
            lock.withLock { values[index] = value }
        }
    }
}
