// SPDX-License-Identifier: MIT
import Storage

/// One id a character: nanoGPT's `shakespeare_char`.
public final class CharTokenizer: Tokenizer {
    /// Always "char".
    public let name = "char"
    /// Always nil: every id is a character.
    public var endOfText: UInt32? { nil }
    /// One id a character, without gaps.
    public var vocabularySize: Int { characters.count }
    /// The id of each is its place.
    public let characters: [Unicode.Scalar]
    // The id plus one of every code point up to the highest in use, 0 where there is none.
    fileprivate let ids: [UInt32]

    /// Gives ids in the order of code points.
    ///
    /// - Parameter characters: in any order, repeated or not.
    public convenience init(characters: some Sequence<Unicode.Scalar>) {
        self.init(ordered: Set(characters).sorted { $0.value < $1.value })
    }

    /// Gives each character its place as id.
    ///
    /// - Parameter characters: each once; of a repeated one the last place counts.
    package init(ordered characters: [Unicode.Scalar]) {
        self.characters = characters
        var ids = [UInt32](repeating: 0, count: Int(characters.map(\.value).max() ?? 0) + 1)
        for (id, scalar) in characters.enumerated() { ids[Int(scalar.value)] = UInt32(id) + 1 }
        self.ids = ids
    }

    /// Takes the distinct characters of a text; ill-formed UTF-8 counts as U+FFFD.
    public convenience init(text: UnsafeRawBufferPointer) {
        var collector = CharacterCollector()
        collector.add(text)
        self.init(characters: collector.characters)
    }

    /// Reads the `"char"` model of a `tokenizer.json`.
    convenience init(json: StrictJSON, path: String) throws {
        func bad(_ what: String) -> TokenizerError { TokenizerError(.badFile, "'\(path)': \(what)") }
        guard let members = json["model"]?["vocab"]?.members else { throw bad("the model has no \"vocab\"") }
        var scalars: [Unicode.Scalar] = [], seen: Set<Unicode.Scalar> = []
        for (place, member) in members.enumerated() {
            guard let scalar = member.key.unicodeScalars.first, member.key.unicodeScalars.count == 1,
                member.value.id == UInt32(place), seen.insert(scalar).inserted
            else { throw bad("entry \(place + 1) of \"vocab\" is not one character, found nowhere else, with id \(place)") }
            scalars.append(scalar)
        }
        self.init(ordered: scalars)
    }

    public func tokenizerJSON() throws -> String {
        let entries = characters.enumerated().map { "      \(StrictJSON.quote(String(Character($1)))): \($0)" }
        return "{\n  \"version\": \"1.0\",\n  \"model\": {\n    \"type\": \"char\",\n    \"vocab\": {\n"
            + entries.joined(separator: ",\n") + "\n    }\n  }\n}\n"
    }

    public func makeEncoder() -> any TokenEncoder { CharEncoder(self) }

    public func bytes(of id: UInt32) -> [UInt8] {
        id < characters.count ? Array(String(Character(characters[Int(id)])).utf8) : []
    }
}

/// Collects the distinct characters of texts, for `CharTokenizer`; one to a thread, then `add` the others to one.
public struct CharacterCollector: Sendable {
    private var seen = [Bool](repeating: false, count: 0x110000)

    /// Takes 1.1 MB: one flag for every code point.
    public init() {}

    /// Takes a text's characters; ill-formed UTF-8 counts as U+FFFD.
    public mutating func add(_ text: UnsafeRawBufferPointer) {
        var decoder = UTF8()
        var bytes = text.makeIterator()
        while true {
            switch decoder.decode(&bytes) {
            case .scalarValue(let scalar): seen[Int(scalar.value)] = true
            case .error: seen[0xFFFD] = true
            case .emptyInput: return
            }
        }
    }

    /// Takes the characters that another one collected.
    public mutating func add(_ other: CharacterCollector) {
        for (code, isThere) in other.seen.enumerated() where isThere { seen[code] = true }
    }

    /// The characters so far, ascending.
    public var characters: [Unicode.Scalar] {
        seen.indices.compactMap { seen[$0] ? Unicode.Scalar(UInt32($0)) : nil }
    }
}

/// Looks every character up in the tokenizer's table.
final class CharEncoder: TokenEncoder {
    private let tokenizer: CharTokenizer

    init(_ tokenizer: CharTokenizer) { self.tokenizer = tokenizer }

    func encode(_ text: UnsafeRawBufferPointer, into ids: inout [UInt32]) throws {
        ids.reserveCapacity(ids.count + text.count)
        let table = tokenizer.ids
        func append(_ scalar: Unicode.Scalar) throws {
            guard scalar.value < table.count, table[Int(scalar.value)] > 0 else { throw unknown(scalar) }
            ids.append(table[Int(scalar.value)] - 1)
        }
        var decoder = UTF8()
        var bytes = text.makeIterator()
        while true {
            switch decoder.decode(&bytes) {
            case .scalarValue(let scalar): try append(scalar)
            case .error: try append("\u{FFFD}")
            case .emptyInput: return
            }
        }
    }

    /// Names a character that the vocabulary does not have; control characters by their code only.
    private func unknown(_ scalar: Unicode.Scalar) -> TokenizerError {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        let code = "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        let shown = scalar.properties.generalCategory == .control ? code : "'\(scalar)' (\(code))"
        return TokenizerError(
            .unknownCharacter,
            "the character \(shown) is not among the \(tokenizer.vocabularySize) characters that this tokenizer knows; "
                + "leave it out, or prepare the data again with a text that has it")
    }
}
