// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import Foundation
import Synchronization
import Testing

@Suite struct BackendTests {
    @Test func namesItself() throws {
        let backend = try CPUBackend(threads: 2, isa: .portable)
        #expect(backend.deviceName.hasSuffix(", 2 threads") && backend.kernelName == "portable" && backend.threadCount == 2)
        #expect(try CPUBackend(threads: 1).deviceName.hasSuffix(", 1 thread"))
        #expect(try CPUBackend().kernels == .best)
    }

    @Test func refusesWhatCannotBe() throws {
        #expect(throws: CPUBackendError.invalidThreadCount(-1)) { try CPUBackend(threads: -1) }
        #expect(throws: CPUBackendError.invalidThreadCount(1025)) { try CPUBackend(threads: 1025) }
        let error = CPUBackendError.kernelsUnavailable(asked: .amx, best: .avx2)
        #expect(error.description.hasPrefix("this CPU cannot run the amx kernels; it has portable"))
        for choice in KernelChoice.allCases where choice > .best {
            #expect(throws: CPUBackendError.kernelsUnavailable(asked: choice, best: .best)) { try CPUBackend(isa: choice) }
        }
    }

    @Test func hostWorkIsDoneOnceForEveryNumber() throws {
        for threads in [1, 3] {
            let backend: any Backend = TimedBackend(try CPUBackend(threads: threads))
            for count in [0, 1, 2, 100] {
                let times = Mutex([Int: Int]()), callers = Mutex(Set<UInt>())
                backend.forEach(count) { index in
                    times.withLock { $0[index, default: 0] += 1 }
                    callers.withLock { _ = $0.insert(UInt(pthread_self())) }
                }
                #expect(times.withLock { $0 } == Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, 1) }))
                #expect(callers.withLock { $0.count } <= threads)
            }
        }
    }

    @Test func memoryIsZeroAlignedAndBounded() throws {
        let backend = try CPUBackend(threads: 1)
        for bytes in [1, 4096, 5_000_001] {
            let memory = try backend.allocate(byteCount: bytes)
            #expect(memory.address % 64 == 0 && memory.byteCount == bytes)
            var copy = [UInt8](repeating: 1, count: bytes)
            let tensor = Tensor(memory: memory, offset: 0, dtype: .uint8, shape: [bytes])
            copy.withUnsafeMutableBytes { backend.read(tensor, into: $0) }
            #expect(copy.allSatisfy { $0 == 0 })
        }
        let available = try #require(backend.availableBytes)
        #expect(available > 0)
        #expect(throws: MemoryError.self) { try backend.allocate(byteCount: available + 1 << 40) }
        #expect(throws: MemoryError.self) { try backend.allocate(byteCount: Int.max) }
    }

    /// Memory that was allocated and not touched yet still counts as taken.
    @Test func untouchedMemoryCounts() throws {
        let backend = try CPUBackend(threads: 1)
        let before = try #require(backend.availableBytes), block = 1 << 30
        guard before > 2 << 30 else {
            print("skipped: untouchedMemoryCounts needs 2 GB of free memory")
            return
        }
        let memory = try backend.allocate(byteCount: block)
        let during = try #require(backend.availableBytes)
        // Other programs take and give memory meanwhile; half the block is more than they do in a moment.
        #expect(before - during > block / 4)
        withExtendedLifetime(memory) {}
    }

    /// A copy of /proc and /sys with the given files.
    private func system(_ files: [String: String]) throws -> CPUResources {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)").path
        for (path, text) in files {
            let file = URL(fileURLWithPath: root + path)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: false, encoding: .utf8)
        }
        return CPUResources(root: root)
    }

    @Test func respectsControlGroups() throws {
        let resources = try system([
            "/proc/self/cgroup": "0::/user/job\n", "/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n",
            "/proc/self/status": "Name: x\nRssAnon:\t  12 kB\n", "/sys/fs/cgroup/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/user/cpu.max": "250000 100000\n", "/sys/fs/cgroup/user/job/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/user/job/memory.max": "5000000\n", "/sys/fs/cgroup/user/job/memory.current": "2000000\n",
            "/sys/fs/cgroup/user/job/memory.stat": "anon 1\ninactive_file 500000\n", "/sys/fs/cgroup/user/memory.max": "max\n",
        ])
        #expect(resources.cpuQuota() == 2.5)
        #expect(resources.threadCount(affinity: [0, 1, 2, 3]) == 2)
        #expect(resources.threadCount(affinity: [0]) == 1)
        #expect(resources.availableBytes() == 3_500_000)
        #expect(resources.residentAnonymousBytes() == 12 * 1024)
    }

    @Test func oldControlGroups() throws {
        let resources = try system([
            "/proc/self/cgroup": "4:memory:/a\n3:cpu,cpuacct:/a\n", "/proc/meminfo": "MemAvailable: 8000 kB\n",
            "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "150000\n",
            "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "3000\n", "/sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1000\n",
        ])
        #expect(resources.cpuQuota() == 1.5)
        #expect(resources.threadCount(affinity: [0, 1, 2, 3]) == 1)
        #expect(resources.availableBytes() == 2000)
    }

    @Test func countsCoresNotThreads() throws {
        let resources = try system([
            "/sys/devices/system/cpu/cpu0/topology/core_cpus_list": "0,2\n",
            "/sys/devices/system/cpu/cpu1/topology/core_cpus_list": "1,3\n",
            "/sys/devices/system/cpu/cpu2/topology/core_cpus_list": "0,2\n",
            "/sys/devices/system/cpu/cpu3/topology/core_cpus_list": "1,3\n",
        ])
        #expect(resources.threadCount(affinity: [0, 1, 2, 3]) == 2)
        #expect(resources.threadCount(affinity: [0, 2]) == 1)
        #expect(resources.threadCount(affinity: [7, 8, 9]) == 3)
        #expect(resources.cpuQuota() == nil && resources.availableBytes() == nil)
        #expect(!schedulerAffinity().isEmpty)
    }

    /// Into the middle of a cache: what the copy does not name stays as it was.
    @Test(arguments: [DType.float32, .bfloat16], [1, 3]) func copyHeads(_ dtype: DType, _ threads: Int) throws {
        let backend = try CPUBackend(threads: threads)
        let (batch, tokens, capacity, heads, size) = (3, 5, 9, 2, 700)
        let width = heads * size
        func tensor(_ count: Int) throws -> Tensor {
            Tensor(memory: try backend.allocate(byteCount: count * dtype.size), offset: 0, dtype: dtype, shape: [count])
        }
        let packed = try tensor(batch * tokens * 3 * width), cache = try tensor(batch * capacity * width)
        let bytes = (0..<packed.byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        bytes.withUnsafeBytes { backend.write($0, to: packed) }
        backend.copyHeads(
            from: HeadView(packed, start: width, batchStride: tokens * 3 * width, tokenStride: 3 * width, headStride: size),
            to: HeadView(cache, start: 2 * width, batchStride: capacity * width, tokenStride: width, headStride: size),
            batch: batch, tokens: tokens, heads: heads, headSize: size)
        var expected = [UInt8](repeating: 0, count: cache.byteCount)
        let row = width * dtype.size
        for b in 0..<batch {
            for t in 0..<tokens {
                let from = ((b * tokens + t) * 3 + 1) * row, to = (b * capacity + 2 + t) * row
                expected.replaceSubrange(to..<to + row, with: bytes[from..<from + row])
            }
        }
        var found = [UInt8](repeating: 1, count: cache.byteCount)
        found.withUnsafeMutableBytes { backend.read(cache, into: $0) }
        #expect(found == expected)
    }
}
