// SPDX-License-Identifier: MIT

/// One of N parts of a preparation: `--part 3/8`.
public struct PreparePart: Codable, Sendable, Equatable {
    /// From 1.
    public var index: Int
    /// Parts in all, 1...100,000.
    public var count: Int

    /// The only part: everything.
    public static let whole = PreparePart(index: 1, count: 1)
    static let most = 100_000

    /// Nothing is checked; the text form checks its range.
    public init(index: Int, count: Int) {
        self.index = index
        self.count = count
    }

    /// - Parameter text: `i/N`, i from 1 to N.
    /// - Throws: `CorpusError` of kind usage.
    public init(_ text: String) throws {
        let numbers = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 2, let index = numbers[0], let count = numbers[1],
            case let part = PreparePart(index: index, count: count), part.isValid
        else {
            throw CorpusError.usage("--part is '\(text)'; it takes i/N with i from 1 to N, for example 1/8 to 8/8")
        }
        self = part
    }

    /// Whether the numbers are in their ranges: what was decoded may hold any.
    var isValid: Bool { (1...Self.most).contains(count) && (1...count).contains(index) }

    var text: String { "\(index)/\(count)" }
}

/// Which items and row groups belong to a part.
///
/// The items lie one behind the other on a line, each as long as it is heavy, and a part is the i-th of N equal pieces of
/// the line. A file belongs to the part that holds its middle; so does each row group of a Parquet file, its row groups
/// being taken as equally long. Thus parts are contiguous, need only the list of the sources, and joined in
/// order give the sources in order.
struct PartSelection: Sendable {
    private let part: PreparePart
    /// Where each item begins on the line, and the end of the last.
    private let starts: [Double]
    private let isParquet: [Bool]

    init(_ part: PreparePart, items: [SourceItem]) {
        self.part = part
        var starts = [0.0]
        for item in items { starts.append((starts.last ?? 0) + Double(SourceReader.weight(item))) }
        self.starts = starts
        isParquet = items.map { $0.format == .parquet }
    }

    /// Whether a row group belongs to the part; an item without row groups is its only one.
    func holds(item: Int, group: Int, of groups: Int) -> Bool {
        if part.count == 1 { return true }
        let length = starts[item + 1] - starts[item]
        return owner(of: starts[item] + length * (Double(group) + 0.5) / Double(max(groups, 1))) == part.index
    }

    /// Whether the part can hold any of an item, told without opening its file.
    func mayHold(item: Int) -> Bool {
        guard isParquet[item], part.count > 1 else { return holds(item: item, group: 0, of: 1) }
        return (owner(of: starts[item])...owner(of: starts[item + 1])).contains(part.index)
    }

    /// The part, from 1, that holds a place on the line; IEEE arithmetic, so the same on every machine.
    private func owner(of place: Double) -> Int {
        let total = starts.last ?? 0
        guard total > 0 else { return 1 }
        return min(part.count, Int(place / total * Double(part.count)) + 1)
    }
}
