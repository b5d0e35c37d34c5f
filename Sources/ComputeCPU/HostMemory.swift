// SPDX-License-Identifier: MIT
import Compute

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Blocks of zeroed memory straight from the operating system, and how much of it this process has taken.
final class HostMemory: @unchecked Sendable {
    // SAFETY: `taken` is read and written under `lock` only.
    private let resources: CPUResources
    private var lock = pthread_mutex_t()
    private var taken = 0

    /// From this size on a block starts at a huge page and asks for more of them: fewer page faults and TLB misses.
    private static let hugePage = 2 << 20
    private static let page = 4096

    init(resources: CPUResources) {
        self.resources = resources
        pthread_mutex_init(&lock, nil)
    }

    deinit { pthread_mutex_destroy(&lock) }

    /// What can still be allocated: what the system has, less what was allocated here and not touched yet.
    var availableBytes: Int? {
        guard let available = resources.availableBytes() else { return nil }
        let untouched = max(0, locked { taken } - (resources.residentAnonymousBytes() ?? Int.max))
        return max(0, available - untouched)
    }

    /// - Throws: `MemoryError` before the system would have to kill something.
    func allocate(byteCount: Int) throws -> DeviceMemory {
        precondition(byteCount >= 0, "a block of \(byteCount) bytes was asked for")
        let available = availableBytes
        let advice = "take a smaller batch_size (and more gradient_accumulation_steps), a smaller model, or end other programs"
        let failure = MemoryError(wanted: byteCount, available: available, advice: advice)
        // Beyond 2^46 bytes the address space itself ends; the sums below cannot overflow.
        guard byteCount < 1 << 46, byteCount <= available ?? Int.max else { throw failure }
        let unit = byteCount >= 2 * Self.hugePage ? Self.hugePage : Self.page
        let size = max(unit, (byteCount + unit - 1) / unit * unit)
        guard let start = Self.map(size, alignment: unit) else { throw failure }
        locked { taken += size }
        return DeviceMemory(address: UInt(bitPattern: start), byteCount: byteCount) { address, _ in
            self.free(address, size)
        }
    }

    private func free(_ address: UInt, _ size: Int) {
        // SAFETY: called once, by the deinitializer of the block that was mapped with this address and size.
        munmap(UnsafeMutableRawPointer(bitPattern: address), size)
        locked { taken -= size }
    }

    /// Maps `size` bytes at a multiple of `alignment`: maps more, then gives both ends back.
    private static func map(_ size: Int, alignment: Int) -> UnsafeMutableRawPointer? {
        let slack = alignment > page ? alignment : 0
        guard let raw = mmap(nil, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), raw != MAP_FAILED
        else { return nil }
        guard slack > 0 else { return raw }
        let address = Int(bitPattern: raw)
        let before = (alignment - address % alignment) % alignment
        if before > 0 { munmap(raw, before) }
        if slack > before { munmap(raw + before + size, slack - before) }
        // Only advice: where the system has no huge pages to give, small ones serve.
        madvise(raw + before, size, MADV_HUGEPAGE)
        return raw + before
    }

    private func locked<T>(_ body: () -> T) -> T {
        pthread_mutex_lock(&lock)
        defer { pthread_mutex_unlock(&lock) }
        return body()
    }
}
