// SPDX-License-Identifier: MIT
import ArgumentParser

/// What only a graphics card needs to be told; machines differ, so none of it is kept with a run.
struct DeviceOptions: ParsableArguments {
    @Option(
        name: .customLong("cuda-libraries"),
        help: "Folder of NVRTC and cuBLASLt for --device cuda [searched; also APUS_CUDA_LIBRARIES].")
    var cudaLibraries: String?

    @Option(name: .customLong("memory-limit"), help: "Treat the graphics card as one with this many GB [all it has].")
    var memoryLimit: Double?

    @Option(
        help: ArgumentHelp(
            "Whether two runs on one graphics card give the same bits; false: a backward of attention that may be faster.",
            valueName: "bool"))
    var deterministic = true

    /// Bytes, of `memoryLimit`.
    func memoryBytes() throws -> Int? {
        guard let memoryLimit else { return nil }
        guard memoryLimit > 0, memoryLimit < 1e6 else { throw UsageError("--memory-limit must be a number of GB above 0") }
        return Int(memoryLimit * 1e9)
    }
}
