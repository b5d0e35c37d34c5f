// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import ComputeCUDA
import Health
import RunLog

/// The one place that names concrete backends.
enum Backends {
    /// - Parameter isa: kernels to use instead of the best.
    /// - Throws: `CPUBackendError` for kernels that this CPU cannot run, `CUDAError` saying what a graphics card lacks,
    ///   `UsageError` for a device that is none.
    static func make(device: String = "cpu", threads: Int, isa: String?, _ options: DeviceOptions? = nil) throws -> any Backend {
        switch device {
        case "cpu":
            if options?.memoryLimit != nil { throw UsageError("--memory-limit is for --device cuda; leave it out") }
            return try CPUBackend(threads: threads, isa: try isa.map(kernels))
        case "cuda":
            var cuda = CUDAOptions()
            cuda.libraries = options?.cudaLibraries
            cuda.memoryLimit = try options?.memoryBytes()
            cuda.deterministic = options?.deterministic ?? true
            return try CUDABackend(cuda)
        default: throw UsageError("unknown device '\(device)'; choose cpu or cuda")
        }
    }

    private static func kernels(_ name: String) throws -> KernelChoice {
        guard let choice = KernelChoice(rawValue: name) else {
            throw UsageError(
                "unknown kernels '\(name)'; choose one of \(KernelChoice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    static func make(_ config: RunConfig, isa: String?, _ options: DeviceOptions? = nil) throws -> any Backend {
        try make(device: config.device, threads: config.threads, isa: isa, options)
    }

    /// Has what a model needs compiled before its first step, where a device compiles at all.
    static func prepare(_ backend: any Backend, dtype: DType, headSize: Int, training: Bool) throws {
        try (backend as? CUDABackend)?.prepare(dtype: dtype, headSize: headSize, training: training)
    }

    /// The datasheet's dense rate of a graphics card, FLOP/s; nil for a CPU and for cards that are not in the table.
    static func peakFlops(_ backend: any Backend, dtype: DType) -> Double? {
        guard let cuda = backend as? CUDABackend else { return nil }
        return GPU.named(cuda.deviceName)?.peakTflops(dtype: dtype.rawValue).map { $0 * 1e12 }
    }
}
