// SPDX-License-Identifier: MIT

/// Finds a key that an object has already: by looking through a few, by a hash table beyond that.
///
/// A `Set` hashes the keys of a vocabulary again each time it grows, which takes longer than reading them.
struct StrictJSONKeys {
    let equality: StrictJSON.KeyEquality
    /// The upper half of a key's hash, and in the lower half its member's place plus one; 0: free. A power of two of them, at most
    /// half in use.
    private var slots: [UInt64] = []
    private static let upper: UInt64 = 0xffff_ffff_0000_0000

    init(equality: StrictJSON.KeyEquality) { self.equality = equality }

    /// Whether a key differs from those of all members; the next member must be its own.
    mutating func isNew(_ key: String, among members: [StrictJSON.Member]) -> Bool {
        if members.count < 8 { return !members.contains { isEqual($0.key, key) } }
        if 2 * members.count >= slots.count { grow(members) }
        let hash = hash(key), mask = slots.count - 1
        var slot = Int(hash >> 32) & mask
        while slots[slot] != 0 {
            if slots[slot] & Self.upper == hash, isEqual(members[Int(slots[slot] & ~Self.upper) - 1].key, key) { return false }
            slot = (slot + 1) & mask
        }
        slots[slot] = hash | UInt64(members.count + 1)
        return true
    }

    /// Makes the table four times as large; the first one takes the keys of all members.
    private mutating func grow(_ members: [StrictJSON.Member]) {
        let old = slots.isEmpty ? members.indices.map { hash(members[$0].key) | UInt64($0 + 1) } : slots.filter { $0 != 0 }
        slots = [UInt64](repeating: 0, count: max(32, 4 * slots.count))
        let mask = slots.count - 1
        for entry in old {
            var slot = Int(entry >> 32) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = entry
        }
    }

    private func isEqual(_ one: String, _ other: String) -> Bool {
        switch equality {
        case .text: one == other
        case .bytes: one.utf8.elementsEqual(other.utf8)
        }
    }

    /// Seeded differently in each process, so that no file can be made of keys that all meet; the lower half is 0.
    private func hash(_ key: String) -> UInt64 {
        var hasher = Hasher()
        switch equality {
        case .text: hasher.combine(key)
        case .bytes:
            var key = key
            key.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
        return UInt64(truncatingIfNeeded: hasher.finalize()) & Self.upper
    }
}
