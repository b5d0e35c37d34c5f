// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import TestKit
import Testing
import Training

/// What a run says about its own times, memory and disk: once, with a cure.
@Suite struct WatchTests {
    @Test func aSlowStepIsSaidOnce() {
        var watch = RunWatch()
        for _ in 0..<40 { #expect(watch.step(seconds: 0.4, waited: 0).isEmpty) }
        #expect(watch.step(seconds: 3.9, waited: 0).isEmpty)
        let found = watch.step(seconds: 4.5, waited: 0)
        #expect(found.map(\.code) == ["slow-step"])
        #expect(found.first?.message.contains("4.5 s where 0.400 s is usual") == true)
        #expect(watch.step(seconds: 9, waited: 0).isEmpty)
    }

    /// Ten times a millisecond is noise.
    @Test func quickStepsMayWobble() {
        var watch = RunWatch()
        for i in 0..<500 { #expect(watch.step(seconds: i % 60 == 59 ? 0.9 : 0.001, waited: 0).isEmpty) }
    }

    @Test func waitingForDataIsSaidOnce() {
        var watch = RunWatch()
        var found: [RunWatch.Finding] = []
        for i in 0..<200 { found += watch.step(seconds: 0.1, waited: i < 60 ? 0.01 : 0.04) }
        #expect(found.map(\.code) == ["data-wait"])
        #expect(found.first?.message.contains("of their time for data") == true)
    }

    @Test func memoryDiskAndHeatAreSaidOnce() {
        var watch = RunWatch()
        let clock = ContinuousClock()
        func around(memory: Int = 8_000_000_000, disk: Int = 50_000_000_000, heat: Int = 1000) -> RunWatch.Surroundings {
            .init(availableMemory: memory, freeDisk: disk, checkpointBytes: 1_500_000_000, throttlings: heat, folder: "runs/x")
        }
        #expect(watch.isLookDue(clock.now))
        #expect(watch.look(around(), at: clock.now).isEmpty)
        #expect(!watch.isLookDue(clock.now))
        let found = watch.look(around(memory: 100_000_000, disk: 2_900_000_000, heat: 1500), at: clock.now)
        #expect(found.map(\.code) == ["memory-low", "disk-low", "throttled"])
        #expect(found[1].message.contains("2.9 GB free") && found[1].message.contains("apus checkpoint prune runs/x --keep 2"))
        #expect(watch.look(around(memory: 1, disk: 1, heat: 9999), at: clock.now).isEmpty)
        // What the system does not tell is no finding.
        var blind = RunWatch()
        let nothing = RunWatch.Surroundings(availableMemory: nil, freeDisk: nil, checkpointBytes: 1, throttlings: nil, folder: "")
        #expect(blind.look(nothing, at: clock.now).isEmpty)
    }

    @Test func throttlingIsCountedOverAllCores() throws {
        let folder = try TemporaryFolder()
        #expect(ThermalThrottling.count(root: folder.path) == nil)
        for (cpu, count) in [("cpu0", "3\n"), ("cpu12", "4\n"), ("cpufreq", "99\n")] {
            let path = "sys/devices/system/cpu/\(cpu)/thermal_throttle"
            try FileManager.default.createDirectory(atPath: folder(path), withIntermediateDirectories: true)
            try folder.write(path + "/core_throttle_count", count)
        }
        #expect(ThermalThrottling.count(root: folder.path) == 7)
    }
}
