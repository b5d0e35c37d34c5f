// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT
import PackageDescription

// What a package that uses Apus as a library looks like. Build and run it here: make examples
let package = Package(
    name: "apus-examples",
    platforms: [.macOS(.v15)],
    // In a package of one's own: .package(url: "...", from: "0.1.0")
    dependencies: [.package(name: "apus", path: "..")],
    targets: [
        .executableTarget(
            name: "tiny-gpt",
            dependencies: [
                .product(name: "ApusTokenization", package: "apus"), .product(name: "ApusData", package: "apus"),
                .product(name: "ApusModel", package: "apus"),
            ])
    ]
)
