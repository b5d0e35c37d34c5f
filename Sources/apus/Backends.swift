// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import RunLog

/// The one place that names concrete backends.
enum Backends {
    /// - Parameter isa: kernels to use instead of the best.
    /// - Throws: `KernelError` for kernels that this CPU cannot run, `UsageError` for a device that is not there.
    static func make(device: String = "cpu", threads: Int, isa: String?) throws -> any Backend {
        switch device {
        case "cpu": return try CPUBackend(threads: threads, isa: try isa.map(kernels))
        case "cuda":
            throw UsageError("device cuda is not available in this version; leave --device out to use the CPU")
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

    static func make(_ config: RunConfig, isa: String?) throws -> any Backend {
        try make(device: config.device, threads: config.threads, isa: isa)
    }
}
