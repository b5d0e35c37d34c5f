// SPDX-License-Identifier: MIT
import CCUDA

/// What a graphics card says of itself.
public struct CUDACard: Sendable, Equatable {
    /// Such as "NVIDIA GeForce RTX 4070".
    public let name: String
    /// Such as 8.9.
    public let capability: CUDAVersion
    /// SMs, as the driver counts them.
    public let multiprocessors: Int
    /// The card's memory as the driver gives it, in use or not.
    public let totalBytes: Int
    /// Largest dynamic shared memory of a block, bytes.
    public let sharedBytes: Int
    let ordinal: Int
    let handle: apus_cu_device_t

    /// As NVRTC names it: "sm_89".
    public var architecture: String { "sm_\(capability.major)\(capability.minor)" }

    /// Oldest card that the kernels run on.
    static let oldest = CUDAVersion(8, 0)

    /// Every card, in the driver's order (`CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER` apply).
    ///
    /// - Throws: `CUDAError.noDevice` when there is none.
    package static func all(_ driver: Driver) throws -> [CUDACard] {
        var count: Int32 = 0
        try driver.check(driver.calls.device_count(&count), "count the cards")
        guard count > 0 else { throw CUDAError.noDevice(reason: "it counts none") }
        return try (0..<Int(count)).map { try CUDACard(driver, ordinal: $0) }
    }

    private init(_ driver: Driver, ordinal: Int) throws {
        var device: apus_cu_device_t = 0
        try driver.check(driver.calls.device_get(&device, Int32(ordinal)), "open card \(ordinal)")
        var characters = [CChar](repeating: 0, count: 256)
        try driver.check(driver.calls.device_name(&characters, Int32(characters.count), device), "tell its name")
        func attribute(_ number: Int) throws -> Int {
            var value: Int32 = 0
            try driver.check(driver.calls.device_attribute(&value, Int32(number), device), "tell its properties")
            return Int(value)
        }
        var bytes = 0
        try driver.check(driver.calls.device_total_memory(&bytes, device), "tell its memory")
        name = SymbolSource.text(characters)
        capability = CUDAVersion(try attribute(APUS_CU_COMPUTE_CAPABILITY_MAJOR), try attribute(APUS_CU_COMPUTE_CAPABILITY_MINOR))
        multiprocessors = try attribute(APUS_CU_MULTIPROCESSOR_COUNT)
        sharedBytes = try attribute(APUS_CU_MAX_SHARED_MEMORY_OPTIN)
        totalBytes = bytes
        self.ordinal = ordinal
        handle = device
    }
}
