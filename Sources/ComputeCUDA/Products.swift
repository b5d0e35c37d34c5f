// SPDX-License-Identifier: MIT
import CCUDA
import Compute

/// Matrix products on the card: plans made once a shape, algorithms chosen once and remembered.
final class Products {
    private let device: CUDADevice
    private let library: MatrixLibrary
    private let handle: apus_lt_handle_t
    private let heap: DeviceHeap
    private let choices: ProductChoices
    private let flopsWorthTiming: Double
    private var plans: [ProductShape: ProductPlan] = [:]
    /// Scratch memory for split products; between two products other operations may use it, since all run in order.
    let workspace: DeviceMemory
    /// Products that were timed since the start.
    private(set) var timed = 0

    /// What NVIDIA recommends for its largest cards, and enough for any.
    static let workspaceBytes = 32 << 20
    /// Proposals that are timed.
    private static let proposals = 8

    /// - Parameter flopsWorthTiming: smaller products take the library's first proposal.
    /// - Throws: `CUDAError`, `MemoryError`.
    init(_ device: CUDADevice, _ library: MatrixLibrary, heap: DeviceHeap, choices: ProductChoices, flopsWorthTiming: Double)
        throws
    {
        self.device = device
        self.library = library
        self.heap = heap
        self.choices = choices
        self.flopsWorthTiming = flopsWorthTiming
        workspace = try heap.allocate(byteCount: Self.workspaceBytes)
        device.use()
        var handle: apus_lt_handle_t?
        try ProductPlan.check(library.calls.create(&handle), "open cuBLASLt")
        guard let handle else { throw CUDAError.call(what: "open cuBLASLt", code: "cuBLASLt", text: "no handle given") }
        self.handle = handle
    }

    deinit {
        device.use()
        plans = [:]
        _ = library.calls.destroy(handle)
    }

    /// Enqueues D = op(A) op(B), plus C when it is given; C and D are float32 or bfloat16 of one shape, and may be one.
    func run(
        a: (address: UInt, transposed: Bool), b: (address: UInt, transposed: Bool), c: UInt?, d: UInt, m: Int, n: Int, k: Int,
        dtype: DType, result: DType
    ) {
        guard device.failure == nil, m > 0, n > 0 else { return }
        let lowest = (a.address | b.address | d | (c ?? 0)) | 256
        let shape = ProductShape(
            transposesA: a.transposed, transposesB: b.transposed, m: m, n: n, k: k, isBFloat16: dtype == .bfloat16,
            givesBFloat16: result == .bfloat16, adds: c != nil, alignment: 1 << lowest.trailingZeroBitCount)
        let operands = Operands(a: UInt64(a.address), b: UInt64(b.address), c: UInt64(c ?? d), d: UInt64(d))
        do {
            let plan = try plans[shape] ?? makePlan(shape, operands)
            device.enqueue("multiply \(shape.name)") { _ in call(plan, shape, operands) }
        } catch {
            device.fail(error as? CUDAError ?? .unsupported("\(error)"))
        }
    }

    private struct Operands {
        let a, b, c, d: UInt64
    }

    private func call(_ plan: ProductPlan, _ shape: ProductShape, _ operands: Operands) -> apus_cu_result_t {
        var alpha: Float = 1, beta: Float = shape.adds ? 1 : 0
        let status = library.calls.matmul(
            handle, plan.operation, &alpha, operands.a, plan.a, operands.b, plan.b, &beta, operands.c, plan.d, operands.d, plan.d,
            &plan.algorithm, UInt64(workspace.address), workspace.byteCount, device.stream)
        // The library's own status says less than what the driver says at the next wait.
        return status == 0 ? 0 : apus_cu_result_t(APUS_CU_LAUNCH_FAILED)
    }

    // MARK: Choosing

    private func makePlan(_ shape: ProductShape, _ operands: Operands) throws -> ProductPlan {
        device.use()
        let plan = try ProductPlan(library, shape)
        if let known = choices[shape], accepts(known, plan) {
            plan.algorithm = known
        } else {
            let proposals = try propose(plan, shape)
            plan.algorithm = proposals[0]
            if shape.flops >= flopsWorthTiming, proposals.count > 1, !device.isCapturing,
                let fastest = fastest(of: proposals, plan, shape, operands)
            {
                plan.algorithm = fastest
                choices.keep(fastest, for: shape)
            }
        }
        plans[shape] = plan
        return plan
    }

    private func accepts(_ algorithm: apus_lt_algorithm_t, _ plan: ProductPlan) -> Bool {
        var algorithm = algorithm, result = apus_lt_heuristic_t()
        let status = library.calls.check(handle, plan.operation, plan.a, plan.b, plan.d, plan.d, &algorithm, &result)
        return status == 0 && result.workspace_bytes <= workspace.byteCount
    }

    /// The library's proposals for a product, the one it thinks best first.
    private func propose(_ plan: ProductPlan, _ shape: ProductShape) throws -> [apus_lt_algorithm_t] {
        var preference: apus_lt_preference_t?
        try ProductPlan.check(library.calls.preference_create(&preference), "choose an algorithm")
        guard let preference else { throw CUDAError.unsupported("cuBLASLt gave no preference") }
        defer { _ = library.calls.preference_destroy(preference) }
        var bytes = UInt64(workspace.byteCount), schemes = UInt32(APUS_LT_ORDERED_REDUCTIONS), alignment = UInt32(shape.alignment)
        _ = library.calls.preference_set(preference, Int32(APUS_LT_MAX_WORKSPACE), &bytes, 8)
        // Only sums in a fixed order: two runs give the same bits.
        try ProductPlan.check(
            library.calls.preference_set(preference, Int32(APUS_LT_REDUCTION_SCHEMES), &schemes, 4), "choose an ordered algorithm"
        )
        for attribute in [APUS_LT_ALIGNMENT_A, APUS_LT_ALIGNMENT_B, APUS_LT_ALIGNMENT_C, APUS_LT_ALIGNMENT_D] {
            _ = library.calls.preference_set(preference, Int32(attribute), &alignment, 4)
        }
        var results = [apus_lt_heuristic_t](repeating: apus_lt_heuristic_t(), count: Self.proposals), count: Int32 = 0
        let status = library.calls.heuristic(
            handle, plan.operation, plan.a, plan.b, plan.d, plan.d, preference, Int32(results.count), &results, &count)
        let usable = results.prefix(Int(count)).filter { $0.status == 0 && $0.workspace_bytes <= workspace.byteCount }
        guard status == 0, !usable.isEmpty else {
            throw CUDAError.unsupported(
                "cuBLASLt has no algorithm for the product \(shape.name) on \(device.card.name) (status \(status)); try --dtype float32 or "
                    + "sizes that are multiples of 8")
        }
        return usable.map(\.algorithm)
    }

    /// Times every proposal on the real operands; a result that is also an input is written to scratch memory instead.
    ///
    /// - Returns: nil when it could not be measured.
    private func fastest(
        of proposals: [apus_lt_algorithm_t], _ plan: ProductPlan, _ shape: ProductShape, _ operands: Operands
    ) -> apus_lt_algorithm_t? {
        var operands = operands, scratch: DeviceMemory?
        if shape.adds, operands.c == operands.d {
            let bytes = shape.m * shape.n * (shape.givesBFloat16 ? 2 : 4)
            guard let memory = try? heap.allocate(byteCount: bytes) else { return nil }
            scratch = memory
            operands = Operands(a: operands.a, b: operands.b, c: UInt64(memory.address), d: UInt64(memory.address))
        }
        defer { withExtendedLifetime(scratch) {} }
        guard let clock = try? StreamClock(device) else { return nil }
        let best = plan.algorithm
        var fastest: (algorithm: apus_lt_algorithm_t, seconds: Double)?
        for proposal in proposals {
            plan.algorithm = proposal
            var seconds = Double.infinity
            // The first run loads the algorithm's code.
            guard call(plan, shape, operands) == 0 else { continue }
            for _ in 0..<3 { if let time = clock.measure({ call(plan, shape, operands) == 0 }) { seconds = min(seconds, time) } }
            if seconds < fastest?.seconds ?? .infinity { fastest = (proposal, seconds) }
        }
        plan.algorithm = best
        timed += 1
        return fastest?.algorithm
    }
}

/// Measures what a stream does, by the card's own clock.
private final class StreamClock {
    private let device: CUDADevice
    private let start: apus_cu_event_t
    private let end: apus_cu_event_t

    init(_ device: CUDADevice) throws {
        var events: [apus_cu_event_t] = []
        for _ in 0..<2 {
            var event: apus_cu_event_t?
            try device.driver.check(device.driver.calls.event_create(&event, UInt32(APUS_CU_EVENT_DEFAULT)), "make a clock")
            if let event { events.append(event) }
        }
        guard events.count == 2 else { throw CUDAError.unsupported("the driver gave no events") }
        self.device = device
        (start, end) = (events[0], events[1])
    }

    deinit {
        _ = device.driver.calls.event_destroy(start)
        _ = device.driver.calls.event_destroy(end)
    }

    /// Seconds; nil when the work or the clock failed.
    func measure(_ work: () -> Bool) -> Double? {
        let calls = device.driver.calls
        guard calls.event_record(start, device.stream) == 0, work(), calls.event_record(end, device.stream) == 0,
            calls.event_synchronize(end) == 0
        else { return nil }
        var milliseconds: Float = 0
        return calls.event_elapsed(&milliseconds, start, end) == 0 ? Double(milliseconds) * 1e-3 : nil
    }
}
