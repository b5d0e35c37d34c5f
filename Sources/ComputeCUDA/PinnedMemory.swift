// SPDX-License-Identifier: MIT
import CCUDA

/// Page-locked host memory: what the card copies from and to without the host's help.
final class PinnedMemory: @unchecked Sendable {
    // SAFETY: constants; who may touch the bytes when is its owner's business.
    private let device: CUDADevice
    let start: UnsafeMutableRawPointer
    let byteCount: Int

    /// - Throws: `CUDAError.call` when the system gives no page-locked memory.
    init(_ device: CUDADevice, byteCount: Int) throws {
        device.use()
        var pointer: UnsafeMutableRawPointer?
        let megabytes = max(1, byteCount >> 20)
        try device.driver.check(
            device.driver.calls.host_allocate(&pointer, byteCount, 0), "lock \(megabytes) MB of host memory (`ulimit -l`)")
        guard let pointer else { throw CUDAError.unsupported("the driver gave no page-locked memory") }
        self.device = device
        self.byteCount = byteCount
        start = pointer
    }

    /// The driver waits for copies that use it.
    deinit {
        device.use()
        _ = device.driver.calls.host_free(start)
    }
}
