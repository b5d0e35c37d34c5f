// SPDX-License-Identifier: MIT
import CCUDA
import Foundation
import Storage

/// Which algorithm was fastest for a product on this card with this version of cuBLASLt, kept on disk.
///
/// Runs after the first make the same choices, and so give the same bits. What cannot be read is as good as absent; every
/// choice is checked by the library before it is used.
final class ProductChoices {
    private struct Stored: Codable {
        var version = 1
        /// Product -> the algorithm's 64 bytes in hexadecimal.
        var products: [String: String] = [:]
    }

    private let path: String?
    private var stored: Stored

    /// - Parameter folder: nil keeps nothing.
    init(folder: String?, card: String, library: Int) {
        let name = String(card.lowercased().map { $0.isLetter || $0.isNumber ? $0 : "-" })
        path = folder.map { "\($0)/products-\(name)-\(library).json" }
        stored = Self.load(path) ?? Stored()
    }

    private static func load(_ path: String?) -> Stored? {
        guard let path, let data = FileManager.default.contents(atPath: path),
            let stored = try? JSONDecoder().decode(Stored.self, from: data), stored.version == 1
        else { return nil }
        return stored
    }

    subscript(shape: ProductShape) -> apus_lt_algorithm_t? {
        guard let text = stored.products[shape.name], text.count == 128 else { return nil }
        var words: [UInt64] = []
        var rest = text[...]
        while words.count < 8, let word = UInt64(rest.prefix(16), radix: 16) {
            words.append(word)
            rest = rest.dropFirst(16)
        }
        guard words.count == 8 else { return nil }
        return apus_lt_algorithm_t(data: (words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7]))
    }

    /// Adds a choice to those on disk, other processes' among them.
    func keep(_ algorithm: apus_lt_algorithm_t, for shape: ProductShape) {
        let d = algorithm.data
        let words = [d.0, d.1, d.2, d.3, d.4, d.5, d.6, d.7].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        if let others = Self.load(path) { stored.products.merge(others.products) { mine, _ in mine } }
        stored.products[shape.name] = words.joined()
        guard let path else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        guard let data = try? encoder.encode(stored) else { return }
        try? Folder.create(Paths.parent(of: path))
        try? AtomicFileWriter.write(data, to: path)
    }
}
