// SPDX-License-Identifier: MIT
import CCUDA
import Compute

/// The card's memory: blocks of zeros, and how much is left.
final class DeviceHeap: @unchecked Sendable {
    // SAFETY: constants only; the driver's memory functions may be called from any thread.
    private let device: CUDADevice
    /// Bytes of the card that may be used, everything on it counted; nil for all.
    private let limit: Int?

    init(_ device: CUDADevice, limit: Int?) {
        self.device = device
        self.limit = limit
    }

    /// What the driver has free, or less where a limit was set: then the card is treated as one of `limit` bytes.
    var availableBytes: Int? {
        device.use()
        var free = 0, total = 0
        guard device.driver.calls.memory_info(&free, &total) == 0 else { return nil }
        guard let limit else { return free }
        return max(0, min(free, limit - (total - free)))
    }

    static let advice =
        "take a smaller batch_size (and more gradient_accumulation_steps), recompute = \"block\", or a smaller model; "
        + "end other programs that use the card (`nvidia-smi` lists them)"

    /// - Throws: `MemoryError`, or the failure that the card already had.
    func allocate(byteCount: Int) throws -> DeviceMemory {
        precondition(byteCount >= 0 && !device.isCapturing, "a block of \(byteCount) bytes was asked for")
        if let failure = device.failure { throw failure }
        let available = availableBytes
        let error = MemoryError(wanted: byteCount, available: available, advice: Self.advice)
        guard byteCount <= available ?? Int.max else { throw error }
        let size = max(byteCount, 256)
        var address: apus_cu_address_t = 0
        let result = device.driver.calls.memory_allocate(&address, size)
        if Int(result) == APUS_CU_OUT_OF_MEMORY { throw error }
        try device.driver.check(result, "give \(byteCount) bytes of memory")
        let device = self.device
        device.enqueue("clear memory") { $0.set_bytes(address, 0, size, device.stream) }
        return DeviceMemory(address: UInt(address), byteCount: byteCount) { address, _ in
            device.use()
            // The driver waits for work that uses the block.
            _ = device.driver.calls.memory_free(apus_cu_address_t(address))
        }
    }
}
