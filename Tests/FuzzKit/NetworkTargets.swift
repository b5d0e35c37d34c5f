// SPDX-License-Identifier: MIT
import Remote

/// What servers answer.
public enum NetworkTargets {
    public static let all: [FuzzTarget] = [FuzzTarget("http-response", response)]

    /// Headers, trailers and messages in pieces of a chosen size.
    private static func response(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let (size, stream) = head(input)
        var parser = ResponseParser(url: "https://host/input"), position = 0
        while position < stream.count {
            let end = min(position + max(1, Int(size)), stream.count)
            try parser.take(UnsafeRawBufferPointer(rebasing: stream[position..<end])) { headers in
                _ = headers.fields["retry-after"].flatMap(Downloader.pause)
            }
            position = end
        }
        _ = parser.message
    }
}

/// All parsers of this kit.
public enum FuzzTargets {
    public static let all = DataTargets.all + RunTargets.all + CheckpointTargets.all + NetworkTargets.all
}
