// SPDX-License-Identifier: MIT
import CKernels

/// Which instructions the CPU's kernels use, from the reference in plain C to the newest.
public enum KernelChoice: String, Sendable, CaseIterable, Comparable {
    /// Plain C, the reference; runs on every CPU.
    case portable
    /// AVX2 with FMA.
    case avx2
    /// AVX-512 with F, BW, DQ and VL.
    case avx512
    /// AVX-512 with BF16 dot products.
    case avx512BF16 = "avx512-bf16"
    /// The same and AMX tiles.
    case amx

    /// The best that this CPU and operating system allow.
    public static var best: KernelChoice {
        let best = apus_isa_best()
        return allCases.last { $0.isa.rawValue <= best.rawValue } ?? .portable
    }

    /// Everything that runs here, the reference first.
    public static var available: [KernelChoice] { allCases.filter { $0 <= best } }

    public static func < (a: KernelChoice, b: KernelChoice) -> Bool { a.isa.rawValue < b.isa.rawValue }

    /// The C kernels' name for it.
    package var isa: apus_isa_t {
        switch self {
        case .portable: APUS_ISA_PORTABLE
        case .avx2: APUS_ISA_AVX2
        case .avx512: APUS_ISA_AVX512
        case .avx512BF16: APUS_ISA_AVX512_BF16
        case .amx: APUS_ISA_AMX
        }
    }
}

/// Says why a CPU backend cannot be had.
public enum CPUBackendError: Error, CustomStringConvertible, Equatable {
    /// The CPU lacks the instructions asked for.
    case kernelsUnavailable(asked: KernelChoice, best: KernelChoice)
    /// Below 0 or above `CPUBackend.largestThreadCount`.
    case invalidThreadCount(Int)
    /// The operating system refused to start that many threads.
    case threadsRefused(Int)

    public var description: String {
        switch self {
        case .kernelsUnavailable(let asked, let best):
            let have = KernelChoice.available.map(\.rawValue).joined(separator: ", ")
            return
                "this CPU cannot run the \(asked.rawValue) kernels; it has \(have): leave the choice open or take \(best.rawValue)"
        case .invalidThreadCount(let count):
            return "threads is \(count); it must be 0 (one a core) or 1 to \(CPUBackend.largestThreadCount)"
        case .threadsRefused(let count):
            return "the system refused to start \(count) threads; ask for fewer, or raise the limit (ulimit -u)"
        }
    }
}
