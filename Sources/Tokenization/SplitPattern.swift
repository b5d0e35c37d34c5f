// SPDX-License-Identifier: MIT
import CTokenization

/// The pattern that cuts a text into the words inside which BPE merges happen.
public enum SplitPattern: String, Sendable, CaseIterable {
    /// GPT-2, r50k, p50k.
    case gpt2
    /// GPT-4's as Hugging Face files write it; Llama-3's too.
    case cl100k
    /// GPT-4's as tiktoken writes it: white space at the end of a text is one word.
    case cl100kTiktoken = "cl100k-tiktoken"
    /// GPT-4's with every digit a word of its own.
    case qwen2
    /// No splitting: the whole text is one word.
    case none

    var code: apus_split {
        switch self {
        case .gpt2: APUS_SPLIT_GPT2
        case .cl100k: APUS_SPLIT_CL100K
        case .cl100kTiktoken: APUS_SPLIT_CL100K_END
        case .qwen2: APUS_SPLIT_QWEN2
        case .none: APUS_SPLIT_NONE
        }
    }

    /// Cuts a text into its words; ill-formed UTF-8 is read as U+FFFD. For looking at, not for speed.
    public func words(in text: some Collection<UInt8>) -> [String] {
        // Decoding and encoding again mends the text.
        let bytes = Array(String(decoding: Array(text), as: UTF8.self).utf8)
        var starts: [Int] = []
        bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
            var splitter = apus_splitter()
            apus_splitter_start(&splitter, code, base, bytes.count)
            var batch = [Int](repeating: 0, count: 256)
            while case let count = apus_splitter_next(&splitter, &batch, batch.count), count > 0 {
                starts += batch[..<count]
            }
        }
        return zip(starts, starts.dropFirst()).map { String(decoding: bytes[$0..<$1], as: UTF8.self) }
    }

    private static let cl100kHead = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"#
    private static let cl100kTail = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
    private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// The pattern as a `tokenizer.json` states it; nil for `none`.
    public var regex: String? {
        switch self {
        case .gpt2: #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .cl100k: Self.cl100kHead + #"\p{N}{1,3}"# + Self.cl100kTail + Self.spaces
        case .cl100kTiktoken: Self.cl100kHead + #"\p{N}{1,3}"# + Self.cl100kTail + #"\s+\z|"# + Self.spaces
        case .qwen2: Self.cl100kHead + #"\p{N}"# + Self.cl100kTail + Self.spaces
        case .none: nil
        }
    }

    /// The pattern of a regular expression in one of the spellings in use; nil for another one.
    init?(regex: String) {
        let others: [String: SplitPattern] = [
            #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
            #"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"#: .gpt2,
            // tiktoken's own spelling, with possessive repetition.
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"#
                + #"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"#:
                .cl100kTiktoken,
        ]
        guard let pattern = others[regex] ?? Self.allCases.first(where: { $0.regex == regex }) else { return nil }
        self = pattern
    }
}

/// The class of a character by which texts are split (Unicode 16).
public enum UnicodeClass: Int32, Sendable {
    /// Letters are Unicode's L, numbers N, spaces White_Space; other is everything else.
    case other, letter, number, space

    /// `other` for unassigned code points; never fails.
    public init(_ scalar: Unicode.Scalar) { self = Self(rawValue: apus_unicode_class(scalar.value)) ?? .other }
}
