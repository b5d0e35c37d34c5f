// SPDX-License-Identifier: MIT
import CCUDA
import Compute

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Copies of tokens to the card on a stream of their own, so that those of the next micro-batch travel while one computes.
///
/// A recorded step reads its tokens at fixed addresses, which a copy that travels meanwhile must not touch. So the bytes go
/// from page-locked memory to a landing place on the card, beside the work; from there the stream of operations takes them to
/// the tensor when it comes to that, in microseconds. Two events a place keep the order: `arrived`, for which the operations
/// wait, and `taken`, for which the next copy to that place waits. The host waits only when all places are on their way.
final class Uploads {
    private struct Place {
        let host: UnsafeMutableRawPointer
        let landing: apus_cu_address_t
        /// On the stream of uploads: the bytes are on the card, and the page-locked ones may change.
        let arrived: CUDAEvent
        /// On the stream of operations: the landing place may change.
        let taken: CUDAEvent
        var isUsed = false
    }

    private let device: CUDADevice
    private let pinned: PinnedMemory
    private let landing: DeviceMemory
    private var places: [Place] = []
    private var next = 0

    /// Tokens and targets of four micro-batches.
    static let count = 8
    /// Tokens of the largest micro-batch that `--batch-size auto` tries; what is larger does not go this way.
    static let placeBytes = 512 << 10

    /// - Throws: `CUDAError`, `MemoryError`.
    init(_ device: CUDADevice, _ heap: DeviceHeap) throws {
        self.device = device
        pinned = try PinnedMemory(device, byteCount: Self.count * Self.placeBytes)
        landing = try heap.allocate(byteCount: Self.count * Self.placeBytes)
        for index in 0..<Self.count {
            let offset = index * Self.placeBytes
            places.append(
                Place(
                    host: pinned.start + offset, landing: apus_cu_address_t(landing.address) + UInt64(offset),
                    arrived: try CUDAEvent(device), taken: try CUDAEvent(device)))
        }
        // New memory is cleared by the stream of operations.
        places[0].taken.record(on: device.stream)
        places[0].taken.hold(device.uploads)
    }

    deinit { for place in places where place.isUsed { try? place.arrived.waitFromAnyThread("finish its work") } }

    /// Copies host bytes, at most `placeBytes`, to the card in order with its operations; the bytes may change afterwards.
    func write(_ bytes: UnsafeRawBufferPointer, to address: UInt) {
        guard let base = bytes.baseAddress, !bytes.isEmpty, device.failure == nil else { return }
        let index = next, place = places[index], count = bytes.count
        next = (next + 1) % places.count
        if place.isUsed {
            place.arrived.wait()
            place.taken.hold(device.uploads)
        }
        memcpy(place.host, base, count)
        device.enqueue("take data from the host") { $0.copy_to_device(place.landing, place.host, count, device.uploads) }
        place.arrived.record(on: device.uploads)
        place.arrived.hold(device.stream)
        device.enqueue("take data from the host") {
            $0.copy_on_device(apus_cu_address_t(address), place.landing, count, device.stream)
        }
        place.taken.record(on: device.stream)
        places[index].isUsed = true
    }
}
