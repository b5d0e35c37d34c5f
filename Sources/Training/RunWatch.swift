// SPDX-License-Identifier: MIT
import Compute
import Foundation
import RunLog

/// Watches the run itself: its times, its memory, its disk. Every matter is spoken of once a process.
package struct RunWatch {
    /// What is wrong and what helps.
    package struct Finding: Equatable {
        package let code: String
        package let message: String

        func event(step: Int) -> RunEvent {
            var event = RunEvent(.warning, step: step)
            event.code = code
            event.message = message
            return event
        }
    }

    /// What the machine has left.
    package struct Surroundings {
        /// Bytes that can still be allocated; nil where the system does not tell.
        package var availableMemory: Int?
        /// Bytes free on the run folder's disk.
        package var freeDisk: Int?
        /// What the next checkpoint will take.
        package var checkpointBytes: Int
        /// How often the CPU's cores were slowed down for their temperature since the machine started.
        package var throttlings: Int?
        package var folder: String

        package init(availableMemory: Int?, freeDisk: Int?, checkpointBytes: Int, throttlings: Int?, folder: String) {
            self.availableMemory = availableMemory
            self.freeDisk = freeDisk
            self.checkpointBytes = checkpointBytes
            self.throttlings = throttlings
            self.folder = folder
        }
    }

    private var said: Set<String> = []
    /// Seconds of the last updates and of their waiting for data.
    private var times: [Double] = []
    private var waits: [Double] = []
    private var lastLook: ContinuousClock.Instant?
    private var firstThrottlings: Int?

    package static let window = 50
    /// An update this many medians long is worth a word, when it costs at least `noticeable` seconds more.
    static let slowFactor = 10.0, noticeable = 1.0
    /// Share of the time that may go into waiting for data.
    static let tolerableWait = 0.2
    static let lookSeconds = 10.0
    /// Free memory below which the system may end the run.
    static let leastMemory = 256_000_000
    /// Room for this many checkpoints: the next one, and what it replaces while both exist.
    static let checkpointsOfRoom = 2
    /// A laptop's cores are slowed for moments all the time; this many times in a run is more than that.
    static let tolerableThrottlings = 100

    package init() {}

    package mutating func step(seconds: Double, waited: Double) -> [Finding] {
        var findings: [Finding] = []
        if times.count >= Self.window / 2, !said.contains("slow-step") {
            let median = times.sorted()[times.count / 2]
            if seconds > Self.slowFactor * median, seconds - median > Self.noticeable {
                say(
                    "slow-step",
                    "an update took \(text(seconds)) s where \(text(median)) s is usual: another program, a busy disk or a sleeping "
                        + "machine held it up; if it comes again, see what else runs (top, iotop)", &findings)
            }
        }
        times.append(seconds)
        waits.append(waited)
        if times.count > Self.window {
            times.removeFirst()
            waits.removeFirst()
        }
        let all = times.reduce(0, +), waiting = waits.reduce(0, +)
        if times.count == Self.window, waiting > Self.tolerableWait * all {
            say(
                "data-wait",
                "updates wait \(Int((waiting / all * 100).rounded())) % of their time for data: the token files are on a slow or busy "
                    + "disk; copy the data folder to a local one", &findings)
        }
        return findings
    }

    package func isLookDue(_ now: ContinuousClock.Instant) -> Bool {
        lastLook.map { (now - $0).seconds >= Self.lookSeconds } ?? true
    }

    package mutating func look(_ around: Surroundings, at now: ContinuousClock.Instant) -> [Finding] {
        lastLook = now
        var findings: [Finding] = []
        if let memory = around.availableMemory, memory < Self.leastMemory {
            say(
                "memory-low",
                "only \(MemoryError.text(memory)) of memory are left: end other programs, or stop here (Ctrl-C saves), lower batch_size "
                    + "and --resume, before the system ends something", &findings)
        }
        let wanted = Self.checkpointsOfRoom * around.checkpointBytes
        if let free = around.freeDisk, free < wanted {
            say(
                "disk-low",
                "the disk of '\(around.folder)' has \(MemoryError.text(free)) free and a checkpoint takes "
                    + "\(MemoryError.text(around.checkpointBytes)): free some space, or `apus checkpoint prune \(around.folder) "
                    + "--keep 2`, before one does not fit", &findings)
        }
        if let count = around.throttlings {
            let first = firstThrottlings ?? count
            firstThrottlings = first
            if count - first > Self.tolerableThrottlings {
                say(
                    "throttled",
                    "the CPU was slowed down \(count - first) times for its temperature since the run started: look after its cooling, "
                        + "or use fewer threads", &findings)
            }
        }
        return findings
    }

    private mutating func say(_ code: String, _ message: String, _ findings: inout [Finding]) {
        if said.insert(code).inserted { findings.append(Finding(code: code, message: message)) }
    }

    private func text(_ seconds: Double) -> String { String(format: seconds < 1 ? "%.3f" : "%.1f", seconds) }
}

/// How often a CPU's cores were slowed down for their temperature, where Linux counts it (Intel).
package enum ThermalThrottling {
    /// - Parameter root: "" on a real machine, a folder with a copy of /sys in tests
    /// - Returns: the sum over all cores since the machine started; nil where it is not counted.
    package static func count(root: String = "") -> Int? {
        let folder = root + "/sys/devices/system/cpu"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let counts = names.filter { $0.hasPrefix("cpu") && Int($0.dropFirst(3)) != nil }.compactMap { name in
            FileManager.default.contents(atPath: "\(folder)/\(name)/thermal_throttle/core_throttle_count").flatMap {
                Int(String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
            }
        }
        return counts.isEmpty ? nil : counts.reduce(0) { $0 &+ $1 }
    }
}
