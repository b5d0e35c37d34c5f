// SPDX-License-Identifier: MIT
import CKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the operating system lets this process have: cores and memory, control groups included.
///
/// All numbers come from text files of /proc and /sys, so that tests can give other ones.
package struct CPUResources: Sendable {
    /// "" on a real machine; a folder with copies of /proc and /sys in tests.
    let root: String

    package init(root: String = "") { self.root = root }

    // MARK: Cores

    /// Threads to start: one a physical core among the CPUs in `affinity`, fewer where a control group's quota is below that.
    package func threadCount(affinity: [Int]) -> Int {
        let cores = max(1, coreCount(affinity))
        guard let quota = cpuQuota() else { return cores }
        return max(1, min(cores, Int(min(quota, 1e6))))
    }

    /// Distinct physical cores among CPUs; CPUs that do not tell their core count as one each.
    package func coreCount(_ cpus: [Int]) -> Int {
        var cores: Set<String> = []
        for cpu in cpus {
            let topology = "/sys/devices/system/cpu/cpu\(cpu)/topology/"
            let siblings = text(topology + "core_cpus_list") ?? text(topology + "thread_siblings_list")
            cores.insert(siblings.map { "core " + $0 } ?? "cpu \(cpu)")
        }
        return cores.count
    }

    /// CPUs' worth of time that control groups allow; nil when they set no limit.
    package func cpuQuota() -> Double? {
        var quotas: [Double] = []
        for folder in groupFolders("") {
            let fields = text(folder + "/cpu.max")?.split(separator: " ") ?? []
            if fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]), period > 0 {
                quotas.append(quota / period)
            }
        }
        for folder in groupFolders("/cpu") + groupFolders("/cpu,cpuacct") {
            if let quota = number(folder + "/cpu.cfs_quota_us"), quota > 0, let period = number(folder + "/cpu.cfs_period_us"),
                period > 0
            {
                quotas.append(quota / period)
            }
        }
        return quotas.min()
    }

    // MARK: Memory

    /// Bytes that can still be taken without swapping or being killed; nil when the system does not tell.
    package func availableBytes() -> Int? {
        var limits: [Double] = []
        if let available = field("MemAvailable:", of: "/proc/meminfo") { limits.append(available * 1024) }
        for folder in groupFolders("") {
            guard let limit = number(folder + "/memory.max"), let used = number(folder + "/memory.current") else { continue }
            // Cache that has not been used for a while is given back before anything is killed.
            limits.append(limit - used + (field("inactive_file", of: folder + "/memory.stat") ?? 0))
        }
        for folder in groupFolders("/memory") {
            guard let limit = number(folder + "/memory.limit_in_bytes"), let used = number(folder + "/memory.usage_in_bytes")
            else { continue }
            limits.append(limit - used + (field("total_inactive_file", of: folder + "/memory.stat") ?? 0))
        }
        guard let least = limits.min() else { return nil }
        return Int(max(0, min(least, 1e18)))
    }

    /// Bytes of anonymous memory that this process has touched.
    package func residentAnonymousBytes() -> Int? {
        field("RssAnon:", of: "/proc/self/status").map { Int(max(0, min($0, 1e15)) * 1024) }
    }

    // MARK: Files

    /// The folders of this process's control group and all above it, of version 2 ("") or one controller of version 1.
    private func groupFolders(_ controller: String) -> [String] {
        let top = "/sys/fs/cgroup" + controller
        var path = ""
        for line in (text("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[1] == controller.dropFirst() else { continue }
            path = String(parts[2])
        }
        var folders = [top]
        for part in path.split(separator: "/") where part != ".." { folders.append(folders[folders.count - 1] + "/" + part) }
        return folders
    }

    private func number(_ path: String) -> Double? { text(path).flatMap(Double.init) }

    /// The number behind a word at the start of a line.
    private func field(_ name: String, of path: String) -> Double? {
        for line in (text(path) ?? "").split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            if words.count >= 2, words[0] == name { return Double(words[1]) }
        }
        return nil
    }

    /// A small file's text without white space at its end; nil when it cannot be read.
    private func text(_ path: String) -> String? {
        let descriptor = open(root + path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.count < 1 << 20 {
            let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count <= 0 { break }
            bytes.append(contentsOf: buffer[0..<count])
        }
        while let last = bytes.last, last == 10 || last == 32 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The CPUs that the scheduler may run this process on.
package func schedulerAffinity() -> [Int] {
    var words = [UInt64](repeating: 0, count: 128)  // 8192 CPUs
    guard apus_affinity(&words, Int32(words.count)) == 0 else { return [0] }
    var cpus: [Int] = []
    for (index, word) in words.enumerated() {
        for bit in 0..<64 where word >> UInt64(bit) & 1 == 1 { cpus.append(index * 64 + bit) }
    }
    return cpus.isEmpty ? [0] : cpus
}
