// SPDX-License-Identifier: MIT
import Foundation
import Testing
import Tokenization

/// A small generator with a seed (SplitMix64), so that every run draws the same.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// The path of something in the folder `shared` beside the repository; nil, said aloud, when it is not there.
func sharedPath(_ name: String, for test: String) -> String? {
    var folder = URL(fileURLWithPath: #filePath)
    while folder.path != "/" {
        folder.deleteLastPathComponent()
        let path = folder.appendingPathComponent("shared/" + name).path
        if FileManager.default.fileExists(atPath: path) { return path }
    }
    print("skipped: \(test) needs ../shared/\(name)")
    return nil
}

/// A folder that is removed when the test is done with it.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-tokenization-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and gives its path.
    func write(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + name))
        return path + "/" + name
    }
}

/// Some lines of text with contractions, numbers, several scripts and much white space.
let sampleText = """
    The swift is a bird that hardly ever lands; it's fast, isn't it? They're flying 1,234.5 km at 111.6 km/h.
    "We'll see," she said. He'd gone; I'm here, you've won.  Two  blanks,   three.\tA tab.
    def main(argv):\n        return 0x1F + argv[0]\n\n\n
    Быстрые стрижи летят над городом. Die Mauersegler fliegen schnell über die Häuser. 雨燕飞得很快。燕子不会。
    Très vite : l'oiseau s'envole ! ½ ٣٤ Ⅷ 😀👍🏽 a\u{301}e\u{301} \u{3000}\u{A0}x\u{85}y \u{2028}
    the the the swift swifts swiftly; flying flies fly; lands landed landing; 1 12 123 1234 12345
    """

/// A tokenizer trained on the sample text.
func sampleTokenizer(size: Int = 320) throws -> BPETokenizer {
    let trainer = try BPETrainer(vocabularySize: size)
    try Array(sampleText.utf8).withUnsafeBytes { try trainer.add(document: $0) }
    return try trainer.train().tokenizer
}

extension TokenEncoder {
    /// The ids of a text. Where the encoder has other ways to give them, these must give the same.
    func ids(_ bytes: [UInt8]) throws -> [UInt32] {
        var ids: [UInt32] = []
        try bytes.withUnsafeBytes { try encode($0, into: &ids) }
        guard let pieces = self as? any PieceEncoder, String(validating: bytes, as: UTF8.self) != nil else { return ids }
        let narrow = NarrowIds()
        var whole: [UInt32] = []
        try bytes.withUnsafeBytes { text in
            try pieces.encode(wellFormed: text) { whole.append(contentsOf: $0) }
            try pieces.encode(wellFormed: text, into: narrow)
        }
        #expect(whole == ids)
        #expect(narrow.ids == ids.map { UInt16(truncatingIfNeeded: $0) })
        return ids
    }
}

/// Collects ids of 16 bits; what lies behind the room it gave is looked at.
final class NarrowIds: NarrowOutput {
    private(set) var ids: [UInt16] = []
    private var buffer = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: 0)
    private static let behind: UInt16 = 0xA5C3

    deinit { buffer.deallocate() }

    func room(for count: Int) throws -> UnsafeMutablePointer<UInt16> {
        buffer.deallocate()
        buffer = .allocate(capacity: count + 8)
        buffer.initialize(repeating: Self.behind)
        return try #require(buffer.baseAddress)
    }

    func keep(_ count: Int) {
        #expect(buffer.suffix(8).allSatisfy { $0 == Self.behind })
        ids += buffer[..<count]
    }
}

/// A valid text of random characters: mostly of the pool, some from anywhere in Unicode.
func randomText(_ generator: inout SeededGenerator, length: Int, wild: Double = 0.1) -> String {
    let pool =
        Array("aabcstlrevdmSLTM''  \n\r\t019!?.-".unicodeScalars)
        + Array("\u{A0}\u{3000}\u{85}\u{2028}éſ中文яж½٣😀\u{301}’—\0\u{1C}".unicodeScalars)
    var text = String.UnicodeScalarView()
    for _ in 0..<length {
        var scalar = pool[Int.random(in: 0..<pool.count, using: &generator)]
        if Double.random(in: 0..<1, using: &generator) < wild {
            scalar = Unicode.Scalar(UInt32.random(in: 0..<0x110000, using: &generator)) ?? scalar
        }
        text.append(scalar)
    }
    return String(text)
}

/// The plainest BPE: again and again the leftmost pair of the lowest rank is replaced.
struct NaiveBPE {
    var byteIds = [UInt32](repeating: 0, count: 256)
    var ranks: [[UInt32]: (rank: Int, result: UInt32)] = [:]

    /// Takes vocabulary and merges from a `tokenizer.json`.
    init(json: String) throws {
        let root = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        let model = root?["model"] as? [String: Any]
        let vocabulary = model?["vocab"] as? [String: Int] ?? [:]
        for byte in 0..<256 {
            byteIds[byte] = UInt32(vocabulary[String(Character(naiveByteCharacter(UInt8(byte))))] ?? -1)
        }
        for (rank, merge) in (model?["merges"] as? [String] ?? []).enumerated() {
            let parts = merge.split(separator: " ").map(String.init)
            let ids = parts.map { UInt32(vocabulary[$0] ?? -1) }
            ranks[ids] = (rank, UInt32(vocabulary[parts.joined()] ?? -1))
        }
    }

    func encode(word: some Sequence<UInt8>) -> [UInt32] {
        var ids = word.map { byteIds[Int($0)] }
        while true {
            var best: (rank: Int, at: Int, result: UInt32)?
            for at in 0..<max(0, ids.count - 1) {
                if let merge = ranks[[ids[at], ids[at + 1]]], merge.rank < best?.rank ?? .max {
                    best = (merge.rank, at, merge.result)
                }
            }
            guard let best else { return ids }
            ids.replaceSubrange(best.at...best.at + 1, with: [best.result])
        }
    }
}

/// GPT-2's character for a byte, written down once more.
func naiveByteCharacter(_ byte: UInt8) -> Unicode.Scalar {
    var next: UInt32 = 256
    for b in UInt8.min...UInt8.max {
        let isPrintable = (33...126).contains(b) || (161...172).contains(b) || b >= 174
        if b == byte { return isPrintable ? Unicode.Scalar(b) : Unicode.Scalar(next) ?? "?" }
        if !isPrintable { next += 1 }
    }
    return "?"
}
