// SPDX-License-Identifier: MIT

/// The public data sets that rules know something about, told from the names people give them.
public enum DatasetKind: String, Sendable, Equatable {
    /// What the law was fitted on.
    case fineweb = "FineWeb"
    /// Ends about 0.27 nats below FineWeb.
    case finewebEdu = "FineWeb-Edu"
    /// Ends about 0.20 nats below the law with the plain recipe; 9.04e9 tokens.
    case openwebtext = "OpenWebText"
    /// Text at character level, such as nanoGPT's shakespeare_char.
    case characters
    /// Small single texts and other data sets without a reference.
    case other
    /// No name, or one that no rule recognises.
    case unknown

    /// - Parameter name: a data set's name or path, such as "data/fineweb_edu" or "fineweb10B".
    public init(_ name: String?) {
        guard let name, !name.isEmpty else {
            self = .unknown
            return
        }
        // Short names count as whole words only: a path may hold "c4" by chance.
        let words = Set(name.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init))
        let key = String(name.lowercased().filter { $0.isLetter || $0.isNumber })
        if key.contains("finewebedu") || key.contains("edufineweb") || key.contains("fwedu") {
            self = .finewebEdu
        } else if key.contains("fineweb") {
            self = .fineweb
        } else if key.contains("openwebtext") || key == "owt" || key.contains("webtext") {
            self = .openwebtext
        } else if key.contains("char") {
            self = .characters
        } else if [
            "shakespeare", "tinystories", "stories", "wikitext", "enwik", "slimpajama", "dolma", "oscar",
            "wikipedia",
        ]
        .contains(where: key.contains) || !words.isDisjoint(with: ["c4", "pile", "thepile"]) {
            self = .other
        } else {
            self = .unknown
        }
    }
}
