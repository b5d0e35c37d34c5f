// SPDX-License-Identifier: MIT
import CCUDA

/// A file of kernels; docs/gpu-kernels.md says what each needs.
enum KernelFile: String, CaseIterable, Sendable {
    case activation
    case adamwUpdate = "adamw_update"
    case attentionBackwardFast = "attention_backward_fast"
    case attentionBackwardKeys = "attention_backward_keys"
    case attentionBackwardQueries = "attention_backward_queries"
    case attentionDecode = "attention_decode"
    case attentionDelta = "attention_delta"
    case attentionForward = "attention_forward"
    case attentionRowsBackward = "attention_rows_backward"
    case attentionRowsForward = "attention_rows_forward"
    case chooseTokens = "choose_tokens"
    case classifierRows = "classifier_rows"
    case columnSums = "column_sums"
    case convert
    case copyHeads = "copy_heads"
    case dropout
    case embeddingBackward = "embedding_backward"
    case embeddingForward = "embedding_forward"
    case layernormBackward = "layernorm_backward"
    case layernormForward = "layernorm_forward"
    case residualAdd = "residual_add"
    case stepState = "step_state"

    /// The macro that makes one variant a head size, if there is one.
    private var headMacro: String? {
        switch self {
        case .attentionForward, .attentionBackwardFast, .attentionBackwardKeys, .attentionBackwardQueries: "HEAD_SIZE"
        case .attentionRowsForward, .attentionRowsBackward: "HEAD_SLOTS"
        default: nil
        }
    }

    /// What is compiled together: the texts that every module begins with, and this one.
    var source: String {
        let tiles = headMacro == "HEAD_SIZE" ? ["attention_tiles"] : []
        return (["prelude", "philox"] + tiles + [rawValue]).map(Self.text).joined(separator: "\n")
    }

    private static func text(_ name: String) -> String {
        var size = 0
        guard let start = apus_cuda_kernel_text(name, &size) else { return "" }
        // SAFETY: the text is a constant of `size` bytes in the program.
        return start.withMemoryRebound(to: UInt8.self, capacity: size) {
            String(decoding: UnsafeBufferPointer(start: $0, count: size), as: UTF8.self)
        }
    }

    /// NVRTC's options for a variant.
    func options(_ variant: KernelVariant, architecture: String) -> [String] {
        let head = headMacro.map { ["-D\($0)=\(variant.head)"] } ?? []
        return ["-std=c++17", "--gpu-architecture=\(architecture)", "-DACT_BF16=\(variant.isBFloat16 ? 1 : 0)"] + head
    }
}

/// One way to compile a file.
struct KernelVariant: Hashable, Sendable {
    /// Whether "act" is bfloat16.
    let isBFloat16: Bool
    /// `HEAD_SIZE` or `HEAD_SLOTS`; 0 for files without.
    var head = 0
}
