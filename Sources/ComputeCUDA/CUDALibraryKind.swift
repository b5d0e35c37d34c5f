// SPDX-License-Identifier: MIT

/// A library that is loaded besides the driver.
public enum CUDALibraryKind: String, Sendable, CaseIterable {
    /// Compiles the kernels for the card.
    case nvrtc
    /// Matrix products.
    case cublasLt

    /// NVIDIA's spelling, for messages.
    public var title: String { self == .nvrtc ? "NVRTC" : "cuBLASLt" }

    /// Start of the file's name, which ends in `.so.` and the major version.
    var stem: String { self == .nvrtc ? "libnvrtc" : "libcublasLt" }

    /// A function by which the file of a loaded library is found.
    var symbol: String { self == .nvrtc ? "nvrtcVersion" : "cublasLtGetVersion" }

    /// Major versions that are known to fit, newest first.
    static let majors = [13, 12]

    /// The package that brings it for a driver of this CUDA version, and one command that installs both.
    static func command(driver: CUDAVersion?) -> String {
        // CUDA 12 runs on drivers for 12 and 13 alike, so it is the safe one where the driver is not known.
        (driver?.major ?? 12) >= 13
            ? "pip install 'nvidia-cublas==13.*' 'nvidia-cuda-nvrtc==13.*'"
            : "pip install nvidia-cublas-cu12 nvidia-cuda-nvrtc-cu12"
    }
}
