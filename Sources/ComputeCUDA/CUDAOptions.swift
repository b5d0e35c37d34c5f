// SPDX-License-Identifier: MIT

/// How a graphics card is to be used.
public struct CUDAOptions: Sendable, Equatable {
    /// The folder of NVRTC and cuBLASLt; nil: they are searched in the usual places.
    public var libraries: String?
    /// Treat the card as one with this many bytes; nil: all it has.
    public var memoryLimit: Int?
    /// Where compiled kernels and choices of algorithms are kept; nil: `~/.cache/apus/cuda`.
    public var cacheFolder: String?
    /// Add up in a fixed order everywhere, so that two runs give the same bits. Without it attention's backward adds up in whatever
    /// order the card comes to, and computes the scores once instead of twice.
    public var deterministic = true
    /// Record repeated work as CUDA graphs.
    public var graphs = true
    /// Enqueue the next update before the last one's numbers are read; off only to compare.
    package var worksAhead = true
    /// Time cuBLASLt's proposals for a product the first time; otherwise its first proposal is taken.
    public var timesProducts = true
    /// Products below this many FLOP take the first proposal: timing them would cost more than it brings.
    package var flopsWorthTiming = 0x1p28
    /// Which of the cards that the driver shows, from 0.
    public var ordinal = 0

    /// The first card with all its memory, graphs and timing on.
    public init() {}
}
