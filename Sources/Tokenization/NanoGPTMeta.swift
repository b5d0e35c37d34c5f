// SPDX-License-Identifier: MIT
import Storage

/// What nanoGPT's `meta.pkl` says of the tokens beside it: how many ids there are, and the character of each when they are characters.
///
/// A pickle may call any function of Python; this reader takes plain numbers, texts, lists and dictionaries, and refuses all else.
/// - Note: Source: nanoGPT, data/shakespeare_char/prepare.py, which writes {"vocab_size", "itos", "stoi"}.
public struct NanoGPTMeta: Sendable {
    /// Number of ids.
    public let vocabSize: Int
    /// nil when the file names no characters, or tokens of several.
    public let tokenizer: CharTokenizer?

    /// The name of the file beside `train.bin`.
    public static let fileName = "meta.pkl"
    private static let largestFile = 64 << 20

    /// - Throws: `FileError` when the file cannot be read, `TokenizerError` when it is refused.
    public static func read(_ path: String) throws -> NanoGPTMeta {
        let file = try MappedFile(path: path)
        return try withExtendedLifetime(file) {
            guard file.count <= largestFile else { throw refuse(path, "it is larger than \(largestFile >> 20) MB") }
            do {
                return try read(file.bytes, path: path)
            } catch let error as PickleError {
                throw refuse(path, error.description)
            }
        }
    }

    private typealias Machine = PickleMachine<PlainPickleRules>
    private typealias Pairs = [(key: PickleCell, value: PickleCell)]

    private static func refuse(_ path: String, _ reason: String) -> TokenizerError {
        TokenizerError(
            .badFile,
            "'\(path)' is not used: \(reason). nanoGPT's prepare.py writes a dictionary of vocab_size, stoi and itos; make it again, "
                + "or move it away to do without it")
    }

    private static func read(_ bytes: UnsafeRawBufferPointer, path: String) throws -> NanoGPTMeta {
        var machine = Machine(bytes, rules: PlainPickleRules(subject: "vocabularies"))
        let top = try machine.run()
        guard let pairs = dictionary(top, machine) else { throw refuse(path, "it holds no dictionary") }
        guard case .int(let size)? = value("vocab_size", pairs), (1...1 << 24).contains(size) else {
            throw refuse(path, "it has no whole number vocab_size from 1 to \(1 << 24)")
        }
        guard let texts = try texts(pairs, size: size, machine, path: path) else {
            return NanoGPTMeta(vocabSize: size, tokenizer: nil)
        }
        let scalars = texts.compactMap { $0.unicodeScalars.count == 1 ? $0.unicodeScalars.first : nil }
        // Texts of several characters are some other tokenizer's, whose rules the file does not hold.
        guard scalars.count == texts.count, Set(scalars).count == scalars.count else {
            return NanoGPTMeta(vocabSize: size, tokenizer: nil)
        }
        return NanoGPTMeta(vocabSize: size, tokenizer: CharTokenizer(ordered: scalars))
    }

    /// The text of every id: from itos, or from stoi turned round; nil when the file has neither.
    private static func texts(_ pairs: Pairs, size: Int, _ machine: Machine, path: String) throws -> [String]? {
        var entries: [(id: PickleCell, text: PickleCell)]
        if let itos = value("itos", pairs) {
            if let list = list(itos, machine) {
                entries = list.enumerated().map { (.int($0), $1) }
            } else if let itos = dictionary(itos, machine) {
                entries = itos.map { ($0.key, $0.value) }
            } else {
                throw refuse(path, "its itos is neither a dictionary nor a list")
            }
        } else if let stoi = value("stoi", pairs) {
            guard let stoi = dictionary(stoi, machine) else { throw refuse(path, "its stoi is no dictionary") }
            entries = stoi.map { ($0.value, $0.key) }
        } else {
            return nil
        }
        var texts = [String?](repeating: nil, count: size)
        for entry in entries {
            guard case .int(let id) = entry.id, case .string(let text) = entry.text, texts.indices.contains(id) else {
                throw refuse(path, "an entry of its vocabulary is not a text with an id below vocab_size \(size)")
            }
            texts[id] = text
        }
        guard !texts.contains(nil) else { throw refuse(path, "its vocabulary has fewer entries than vocab_size \(size)") }
        return texts.compactMap { $0 }
    }

    private static func dictionary(_ cell: PickleCell, _ machine: Machine) -> Pairs? {
        guard case .node(let place) = cell, case .dictionary(let pairs) = machine.heap[place] else { return nil }
        return pairs
    }

    private static func list(_ cell: PickleCell, _ machine: Machine) -> [PickleCell]? {
        guard case .node(let place) = cell else { return nil }
        return switch machine.heap[place] {
        case .list(let items), .tuple(let items): items
        default: nil
        }
    }

    /// The value of a text key; of equal keys the last counts.
    private static func value(_ key: String, _ pairs: Pairs) -> PickleCell? {
        pairs.last { if case .string(key) = $0.key { true } else { false } }?.value
    }
}
