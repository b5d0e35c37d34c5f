// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT
import PackageDescription

// Measurements that need the libraries rather than the program. Build here: swift build -c release --package-path Benchmarks
let package = Package(
    name: "apus-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "apus", path: "..")],
    targets: [
        .executableTarget(
            name: "tokenizer-benchmark", dependencies: [.product(name: "ApusTokenization", package: "apus")], path: "tokenizer",
            exclude: ["compare.py", "parity.py"])
    ]
)
