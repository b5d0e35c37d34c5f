// SPDX-License-Identifier: MIT
import Foundation
import Parquet
import Storage
import Testing

/// Not a test but the measurement of docs/parquet.md: `PARQUET_SPEED=FOLDER swift test -c release --filter decodeSpeed`.
@Suite struct SpeedTests {
    static let folder = ProcessInfo.processInfo.environment["PARQUET_SPEED"]

    /// Prints, for each Parquet file of a folder, the best of 100 readings of its column `text` on one thread.
    @Test(.enabled(if: folder != nil, "needs PARQUET_SPEED=FOLDER"))
    func decodeSpeed() throws {
        let folder = try #require(Self.folder), clock = ContinuousClock(), buffers = DecodeBuffers()
        for name in Folder.names(folder) where name.hasSuffix(".parquet") {
            var best = Duration.seconds(1_000_000), bytes = 0
            for _ in 0..<100 {
                let time = try clock.measure {
                    bytes = 0
                    let file = try ParquetFile(path: folder + "/" + name), column = try file.byteArrayColumn(named: "text")
                    for group in file.rowGroups.indices {
                        try file.forEachValue(column: column, rowGroup: group, buffers: buffers) { bytes += $0?.count ?? 0 }
                    }
                }
                best = min(best, time)
            }
            print("\(name): \(bytes) bytes of text, \(best), \(Int(Double(bytes) / (best / .seconds(1)) / 1e6)) MB/s")
            #expect(bytes > 0)
        }
    }
}
