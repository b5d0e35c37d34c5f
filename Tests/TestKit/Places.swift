// SPDX-License-Identifier: MIT
import Foundation

/// Where tests find files.
public enum Places {
    /// The repository's folder.
    public static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// A file or folder of Tests/Fixtures.
    public static func fixture(_ name: String) -> String { repository + "/Tests/Fixtures/" + name }

    /// A file of the folder `shared` beside the repository, which holds data that is not ours to ship; nil when it is not there.
    ///
    /// Says aloud what is skipped without it.
    public static func shared(_ name: String, for test: String) -> String? {
        let path = (repository as NSString).deletingLastPathComponent + "/shared/" + name
        if FileManager.default.fileExists(atPath: path) { return path }
        print("skipped: \(test) needs ../shared/\(name)")
        return nil
    }
}
