// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Compiled kernels on disk, so that only the first run on a machine compiles.
///
/// An entry is named by a hash of everything that the machine code follows from: text, options (the card's architecture
/// among them) and the compiler's version. It is the SHA-256 of the code, then the code; one that does not fit its own
/// checksum is as good as none.
struct KernelCache: Sendable {
    /// nil: nothing is kept.
    let folder: String?

    static func key(source: String, options: [String], compiler: CUDAVersion) -> String {
        SHA256.hex(of: (["apus-kernels-1", "\(compiler)"] + options + [source]).joined(separator: "\u{0}"))
    }

    func read(_ file: KernelFile, key: String) -> [UInt8]? {
        guard let path = path(file, key), let data = FileManager.default.contents(atPath: path), data.count > 32 else {
            return nil
        }
        let code = [UInt8](data.dropFirst(32))
        var hash = SHA256()
        hash.update(code)
        return hash.finalize() == [UInt8](data.prefix(32)) ? code : nil
    }

    /// Keeps an entry. A folder that cannot be written to costs the next run a compilation, nothing else.
    func write(_ code: [UInt8], _ file: KernelFile, key: String) {
        guard let folder, let path = path(file, key) else { return }
        var hash = SHA256()
        hash.update(code)
        try? Folder.create(folder)
        try? AtomicFileWriter.write(Data(hash.finalize() + code), to: path)
    }

    private func path(_ file: KernelFile, _ key: String) -> String? {
        folder.map { "\($0)/\(file.rawValue)-\(key.prefix(40)).cubin" }
    }

    /// `$XDG_CACHE_HOME/apus/cuda`, or `~/.cache/apus/cuda`; nil without either variable.
    package static func standardFolder(_ environment: [String: String]) -> String? {
        if let cache = environment["XDG_CACHE_HOME"], !cache.isEmpty { return cache + "/apus/cuda" }
        return environment["HOME"].flatMap { $0.isEmpty ? nil : $0 + "/.cache/apus/cuda" }
    }
}
