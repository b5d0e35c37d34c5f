// SPDX-License-Identifier: MIT
import Compute
import Foundation
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// The emulated machine itself: what a GPU would not forgive is found, in every order.
@Suite struct MachineTests {
    /// What is said of a fault may depend on who comes first.
    static let faults: [(name: String, sentences: [String])] = [
        ("faulty_divergent_barrier", ["threads wait for each other for ever"]),
        (
            "faulty_divergent_shuffle",
            ["a lane ended while its warp waits in a collective", "a collective of all lanes in a warp of which some have ended"]
        ),
        ("faulty_missing_barrier", ["shared memory is read that was not written", "shared memory is read that another thread"]),
        (
            "faulty_early_write",
            ["shared memory is written that another thread may still read", "shared memory is read that another thread wrote"]
        ),
        ("faulty_unwritten", ["shared memory is read that was not written"]),
        ("faulty_out_of_range", ["an address outside of its array in shared memory"]),
        ("faulty_early_sum", ["shared memory is read while others may still add to it"]),
        (
            "faulty_late_clear",
            ["shared memory is added to that was not written", "shared memory is added to that another thread wrote"]
        ),
    ]

    @Test(arguments: faults.indices, Order.all) func faultsAreFound(_ index: Int, _ order: Order) throws {
        let fault = Self.faults[index]
        let error = #expect(throws: EmulationError.self) {
            try launch(fault.name, block: 64, order, .memory(Buffer(64, .int32)))
        }
        let said = error?.description ?? ""
        #expect(fault.sentences.contains { said.contains($0) }, "\(said)")
    }

    @Test(arguments: Order.all) func copiesAreWaitedFor(_ order: Order) throws {
        let from = Buffer([Double](repeating: 1, count: 512), .bfloat16)
        let error = #expect(throws: EmulationError.self) {
            try launch(
                "faulty_copy_not_waited_for", block: 64, shared: 1024, order, .memory(Buffer(64, .int32)), .memory(from))
        }
        #expect(error?.description.contains("before the asynchronous copy") == true)
    }

    @Test(arguments: Order.both) func misalignedLoadsAreFound(_ order: Order) throws {
        let from = Buffer([Double](repeating: 1, count: 128))
        let error = #expect(throws: EmulationError.self) {
            try launch("faulty_misaligned_load", block: 64, order, .memory(Buffer(64, .int32)), .memory(from))
        }
        #expect(error?.description.contains("a misaligned load") == true)
    }

    @Test(arguments: Order.all) func faultlessKernelsPass(_ order: Order) throws {
        let out = Buffer(64, .int32)
        try launch("faultless_warp", block: 64, order, .memory(out))
        #expect(out.values == (0..<64).map { Double($0 ^ 1) })
        try launch("faultless_sum", block: 64, order, .memory(out))
        #expect(out.values.allSatisfy { $0 == 63 * 64 / 2 })
    }

    /// Fragments lie as CuTe's strides say, which were written by others than this emulation.
    @Test(arguments: Order.both) func fragmentLayouts(_ order: Order) throws {
        var numbers = Numbers(1)
        let a = numbers.uniform(16 * 16, .bfloat16), b = numbers.uniform(8 * 16, .bfloat16), c = Buffer(16 * 8)
        try launch("probe_mma", block: 32, order, .memory(c), .memory(Buffer(a, .bfloat16)), .memory(Buffer(b, .bfloat16)))
        var product = [Double](repeating: 0, count: 16 * 8)
        for (m, n, k) in (0..<2048).map({ ($0 % 16, $0 / 16 % 8, $0 / 128) }) {
            product[m + 16 * n] += a[m + 16 * k] * b[n + 8 * k]
        }
        // 16 products of bfloat16, exact in float32, added in float32.
        #expect(distance(c.values, product) < 1e-6)
        for transposed in [0, 1] {
            let expected = Buffer(256, .int32), got = Buffer(256, .int32)
            try launch(
                "probe_matrices", block: 32, shared: 512, order, .memory(expected), .memory(got), .memory(Buffer(a, .bfloat16)),
                .int(transposed))
            #expect(got.values == expected.values)
        }
    }

    @Test func impossibleLaunchesAreRefused() {
        let out = Buffer(64, .int32)
        #expect(throws: EmulationError.self) { try launch("faultless_warp", block: 32, Order.both[0], .memory(out)) }
        #expect(throws: EmulationError.self) {
            try launch("faultless_warp", grid: (1, 70_000), block: 64, Order.both[0], .memory(out))
        }
        #expect(throws: EmulationError.self) {
            try launch("faultless_warp", block: 64, shared: 100 << 10, Order.both[0], .memory(out))
        }
        #expect(throws: EmulationError.self) { try launch("no_such_kernel", block: 64, Order.both[0], .memory(out)) }
    }

    /// docs/gpu-kernels.md is the contract of kernels and host: every kernel file is named in it with the parameters that it has.
    @Test func theContractNamesEveryKernel() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let contract = try String(contentsOf: root.appending(path: "docs/gpu-kernels.md"), encoding: .utf8)
        let folder = root.appending(path: "Sources/CCUDA/kernels")
        let declaration = try Regex(#"KERNEL\(\w+\) (\w+)\(([^)]*)\)"#, as: (Substring, Substring, Substring).self)
        var kernels = 0
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() where file.hasSuffix(".cu") {
            #expect(contract.contains(file), "\(file) is not in docs/gpu-kernels.md")
            let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
            // Sums of floats have a fixed order everywhere else; whole numbers may be added in any.
            let addsAtomically = text.contains("add_fragment") || text.contains("atomicAdd")
            #expect(!addsAtomically || ["prelude.cu", "attention_backward_fast.cu"].contains(file), "\(file)")
            for match in text.matches(of: declaration) {
                kernels += 1
                let parameters = match.output.2.split(separator: ",").count
                #expect(contract.contains("`\(match.output.1)`("), "\(match.output.1) is not in docs/gpu-kernels.md")
                let name = String(match.output.1)
                let heads = [0, 64, 1]
                let found = heads.flatMap { head in DType.acts.compactMap { emulatedParameters(name, $0, head) } }
                #expect(found.first == parameters, "\(name) has \(parameters) parameters, emulated \(found)")
            }
        }
        #expect(kernels == 35)
    }
}
