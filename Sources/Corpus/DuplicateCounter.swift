// SPDX-License-Identifier: MIT

/// Counts how many 64-bit identities were seen before; a hash table without values.
struct DuplicateCounter {
    private(set) var duplicates = 0
    /// Distinct identities remembered.
    private(set) var remembered = 0
    /// Whether new identities are no longer remembered, so that `duplicates` is a lower bound.
    private(set) var isFull = false
    /// 0 marks a free place; the identity 0 itself is stored as 1.
    private var table = [UInt64](repeating: 0, count: 1 << 12)
    private let limit: Int

    static let most = 24_000_000

    /// - Parameter limit: identities remembered at most; 24 million take 256 MiB.
    init(limit: Int = Self.most) { self.limit = limit }

    /// - Returns: whether the identity is new and is remembered now.
    @discardableResult
    mutating func add(_ identity: UInt64) -> Bool {
        let identity = max(identity, 1)
        guard let free = place(of: identity) else {
            duplicates += 1
            return false
        }
        guard remembered < limit else {
            isFull = true
            return false
        }
        table[free] = identity
        remembered += 1
        if remembered * 4 > table.count * 3 { grow() }
        return true
    }

    /// Takes over what was counted in a part whose remembered identities have been added.
    mutating func add(duplicates count: Int, isFull full: Bool) {
        duplicates += count
        isFull = isFull || full
    }

    /// The free place where an identity belongs; nil when it is there already.
    private func place(of identity: UInt64) -> Int? {
        let mask = table.count - 1
        var i = Int(truncatingIfNeeded: identity) & mask
        while table[i] != 0 {
            if table[i] == identity { return nil }
            i = (i + 1) & mask
        }
        return i
    }

    private mutating func grow() {
        let old = table
        table = [UInt64](repeating: 0, count: old.count * 2)
        for identity in old where identity != 0 {
            if let free = place(of: identity) { table[free] = identity }
        }
    }
}
