// SPDX-License-Identifier: MIT
import Foundation
import Health

/// Finds data that lies beside the repository and is not part of it.
enum SharedData {
    /// `../shared/NAME` of the repository; nil, said aloud, when it is not there.
    static func path(_ name: String, file: String = #filePath) -> String? {
        var folder = URL(fileURLWithPath: file).deletingLastPathComponent()
        while folder.path != "/" {
            let candidate = folder.deletingLastPathComponent().appendingPathComponent("shared/" + name).path
            if FileManager.default.fileExists(atPath: candidate) { return candidate }
            folder = folder.deletingLastPathComponent()
        }
        print("skipped: this test needs ../shared/\(name)")
        return nil
    }

    /// The public curves with their names; empty when they are not there.
    static func curves() throws -> [(name: String, facts: RunFacts)] {
        guard let folder = path("refdata/curves") else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".csv") }.sorted().map {
            ($0, try HealthInput.load(path: folder + "/" + $0))
        }
    }
}
