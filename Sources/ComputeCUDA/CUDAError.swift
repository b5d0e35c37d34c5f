// SPDX-License-Identifier: MIT
import Compute

/// Says why a graphics card cannot be used, or what happened to it, and what to do.
public enum CUDAError: Error, CustomStringConvertible, Equatable, Sendable {
    /// libcuda.so.1 cannot be loaded, or lacks a function.
    case noDriver(reason: String)
    /// The driver is there but sees no card.
    case noDevice(reason: String)
    /// Neither library of a usable version is found.
    case libraryMissing(CUDALibraryKind, reasons: [String], command: String)
    /// The driver serves an older CUDA than every library that was found.
    case driverTooOld(driver: CUDAVersion, library: CUDALibraryKind, needed: CUDAVersion, command: String)
    /// The compute capability is below 8.0, so the card has no bfloat16.
    case cardTooOld(name: String, capability: String)
    /// A call failed when the backend was made or the memory copied; nothing was lost.
    case call(what: String, code: String, text: String)
    /// The card failed in the middle of the work: nothing it computed since the last read counts.
    case cardLost(what: String, code: String, text: String)
    /// The card's memory was used up by something that no plan counts, such as another program.
    case outOfMemory(what: String)
    /// NVRTC refused the kernels of `file` (without `.cu`), for what `log` says.
    case compilation(file: String, log: String)
    /// A shape that no kernel takes.
    case unsupported(String)

    public var description: String {
        switch self {
        case .noDriver(let reason):
            return
                "no NVIDIA driver was found (\(reason)): install the driver of your system, or leave --device out to use the CPU"
        case .noDevice(let reason):
            return "the NVIDIA driver offers no graphics card (\(reason)): check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or leave "
                + "--device out to use the CPU"
        case .libraryMissing(let kind, let reasons, let command):
            let why = reasons.first.map { " (\($0))" } ?? ""
            return "\(kind.title) was not found\(why): \(command), or name its folder by --cuda-libraries DIR"
        case .driverTooOld(let driver, let library, let needed, let command):
            return
                "the NVIDIA driver serves CUDA \(driver), but the \(library.title) found needs \(needed): update the driver, or "
                + command
        case .cardTooOld(let name, let capability):
            return
                "\(name) has compute capability \(capability) and so no bfloat16; the kernels need 8.0 or newer (GeForce RTX 30 series, "
                + "A100 and later): leave --device out to use the CPU, in bfloat16 or float32"
        case .call(let what, let code, let text): return "the graphics card refused to \(what): \(text) (\(code))"
        case .cardLost(let what, let code, let text):
            return
                "the graphics card failed while it was to \(what): \(text) (\(code)); checkpoints are intact: look at `nvidia-smi` "
                + "and the system log, then go on with --resume"
        case .outOfMemory(let what):
            return
                "the graphics card ran out of memory while it was to \(what); checkpoints are intact: end other programs that use "
                + "the card (`nvidia-smi` lists them), or take a smaller batch_size (with more gradient_accumulation_steps) or recompute = "
                + "\"block\", then go on with --resume"
        case .compilation(let file, let log):
            return "the kernels in \(file).cu could not be compiled for this card: \(log); please report this"
        case .unsupported(let text): return text
        }
    }
}

/// A version as the driver and libraries state theirs.
public struct CUDAVersion: Sendable, Equatable, Comparable, CustomStringConvertible {
    /// 12 of 12.4.
    public let major: Int
    /// 4 of 12.4.
    public let minor: Int

    public init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// From the driver's number: 12040 is 12.4.
    init(driver number: Int) { self.init(number / 1000, number % 1000 / 10) }

    public static func < (a: CUDAVersion, b: CUDAVersion) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
    public var description: String { "\(major).\(minor)" }
}
