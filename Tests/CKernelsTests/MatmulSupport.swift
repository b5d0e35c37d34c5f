// SPDX-License-Identifier: MIT
import CKernels

/// An array of float32 or bfloat16 as a kernel gets it: guarded on both sides, and misaligned when asked.
final class MatmulArray {
    // SAFETY: the allocation covers guard + misalignment + count elements + guard; all accesses are within it.
    private static let guardBytes = 64
    private static let guardByte: UInt8 = 0xA5

    let dtype: apus_dtype_t
    let count: Int
    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int
    private let start: Int

    /// - Parameter misaligned: starts one element after a multiple of 64 bytes.
    init(_ dtype: apus_dtype_t, count: Int, misaligned: Bool = false) {
        self.dtype = dtype
        self.count = count
        let size = dtype == APUS_F32 ? 4 : 2
        start = Self.guardBytes + (misaligned ? size : 0)
        byteCount = start + count * size + Self.guardBytes
        memory = .allocate(byteCount: byteCount, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: Self.guardByte, count: byteCount)
    }

    convenience init(_ dtype: apus_dtype_t, _ values: [Float], misaligned: Bool = false) {
        self.init(dtype, count: values.count, misaligned: misaligned)
        for (i, value) in values.enumerated() { self[i] = value }
    }

    deinit { memory.deallocate() }

    var pointer: UnsafeMutableRawPointer { memory + start }
    var floats: UnsafeMutablePointer<Float> { pointer.assumingMemoryBound(to: Float.self) }

    subscript(i: Int) -> Float {
        get {
            dtype == APUS_F32
                ? pointer.load(fromByteOffset: 4 * i, as: Float.self)
                : Float(bitPattern: UInt32(pointer.load(fromByteOffset: 2 * i, as: UInt16.self)) << 16)
        }
        set {
            if dtype == APUS_F32 {
                pointer.storeBytes(of: newValue, toByteOffset: 4 * i, as: Float.self)
            } else {
                pointer.storeBytes(of: Self.bfloat16(newValue), toByteOffset: 2 * i, as: UInt16.self)
            }
        }
    }

    var values: [Double] { (0..<count).map { Double(self[$0]) } }
    var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: memory, count: byteCount)) }

    /// Whether nothing before or after the array was written.
    var guardsAreIntact: Bool {
        let all = bytes
        return (all[..<start] + all[(byteCount - Self.guardBytes)...]).allSatisfy { $0 == Self.guardByte }
    }

    /// Nearest even, as the hardware does it.
    static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(bits >> 16) | 0x40 }
        return UInt16((bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    }
}

/// Repeatable values in [-1, 1).
struct MatmulRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func next() -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int64(state >> 40) - (1 << 23)) / Float(1 << 23)
    }

    mutating func values(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }
}

/// A pool and a workspace, filled with bytes that would spoil a result that read them before writing.
final class MatmulEngine {
    // SAFETY: pool and workspace are this object's own and used by one test at a time.
    let pool: OpaquePointer
    let workspace: UnsafeMutableRawPointer

    init?(threads: Int32) {
        guard let pool = apus_pool_create(threads) else { return nil }
        self.pool = pool
        let bytes = apus_matmul_workspace(threads)
        workspace = .allocate(byteCount: bytes, alignment: 16)
        workspace.initializeMemory(as: UInt8.self, repeating: 0xFF, count: bytes)
    }

    deinit {
        apus_pool_destroy(pool)
        workspace.deallocate()
    }
}

/// Every instruction set that can run here, and the emulated AMX, with AVX-512's packing where that can run.
let matmulInstructionSets: [apus_isa_t] =
    (0...apus_isa_best().rawValue).map { apus_isa_t(rawValue: $0) } + matmulEmulations

let matmulEmulations =
    apus_isa_best().rawValue >= APUS_ISA_AVX512.rawValue
    ? [apus_isa_amx_emulated(), apus_isa_amx_emulated_512()] : [apus_isa_amx_emulated()]

func matmulName(_ isa: apus_isa_t) -> String {
    if isa == apus_isa_amx_emulated() { return "amx (emulated)" }
    return isa == apus_isa_amx_emulated_512() ? "amx (emulated, packed by AVX-512)" : String(cString: apus_isa_name(isa))
}

func matmulName(_ dtype: apus_dtype_t) -> String { dtype == APUS_F32 ? "float32" : "bfloat16" }
