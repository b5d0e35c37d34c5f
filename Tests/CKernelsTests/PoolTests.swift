// SPDX-License-Identifier: MIT
import CKernels
import Testing

@Suite struct PoolTests {
    /// Shares that are counted: runs of each, then the number of shares that each was told of.
    private static let most = 16

    /// Far more threads than cores, so that some always come late and others do their shares.
    @Test("every share of every task is done once, and before the call returns", arguments: [1, 2, 3, 16])
    func sharesAreDoneOnce(threads: Int) throws {
        let pool = try #require(apus_pool_create(Int32(threads)))
        defer { apus_pool_destroy(pool) }
        #expect(apus_pool_threads(pool) == Int32(threads))
        var counts = [Int32](repeating: 0, count: 2 * PoolTests.most)
        let rounds = 4000
        counts.withUnsafeMutableBufferPointer { counts in
            for round in 1...rounds {
                apus_pool_run(
                    pool,
                    { context, thread, threads in
                        guard let counts = context?.assumingMemoryBound(to: Int32.self) else { return }
                        counts[Int(thread)] += 1
                        counts[PoolTests.most + Int(thread)] = threads
                    }, counts.baseAddress)
                for thread in 0..<threads where counts[thread] != Int32(round) {
                    Issue.record("share \(thread) of task \(round) was done \(counts[thread] - Int32(round) + 1) times")
                    return
                }
            }
        }
        #expect(counts[..<threads].allSatisfy { $0 == Int32(rounds) })
        #expect(counts[threads..<PoolTests.most].allSatisfy { $0 == 0 })
        #expect(counts[PoolTests.most..<PoolTests.most + threads].allSatisfy { $0 == Int32(threads) })
    }

    @Test("a short task has one share, on the calling thread")
    func shortTasks() throws {
        let pool = try #require(apus_pool_create(4))
        defer { apus_pool_destroy(pool) }
        var counts = [Int32](repeating: 0, count: 2)
        counts.withUnsafeMutableBufferPointer { counts in
            apus_pool_run_short(
                pool,
                { context, thread, threads in
                    guard let counts = context?.assumingMemoryBound(to: Int32.self) else { return }
                    counts[0] += 1
                    counts[1] = threads
                }, counts.baseAddress, 10)
        }
        #expect(counts == [1, 1])
    }
}
