// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT
import PackageDescription

// The parsers compiled for libFuzzer: with counters on every edge and the address sanitizer. A package of its own, because
// the main one needs no unsafe flags, and Modules and FuzzKit are links to its folders. Built by scripts/fuzz, which names
// the fuzzer's runtime to the linker.
let swift: [SwiftSetting] = [
    .unsafeFlags(["-sanitize=address", "-sanitize-coverage=edge,trace-cmp,inline-8bit-counters"])
]
let c: [CSetting] = [
    .unsafeFlags([
        "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined",
        "-fsanitize-coverage=edge,trace-cmp,inline-8bit-counters",
    ])
]

func module(_ name: String, _ dependencies: [Target.Dependency] = [], libraries: [LinkerSetting] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Modules/" + name, cSettings: c, swiftSettings: swift,
        linkerSettings: libraries)
}

let package = Package(
    name: "apus-fuzz",
    dependencies: [.package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0")],
    targets: [
        module("CHash"), module("CMapping"), module("CTokenization"),
        module("CCodecs", libraries: [.linkedLibrary("z"), .linkedLibrary("zstd")]),
        module("Storage", ["CHash", "CMapping"]), module("RunLog", ["Storage"]), module("Compute"),
        module("Tokenization", ["Storage", "CTokenization"]), module("Parquet", ["Storage", "CCodecs"]),
        module("Corpus", ["Tokenization", "Parquet", "RunLog", "Storage"]), module("Checkpoints", ["Compute", "Storage"]),
        module("Health", ["RunLog"]), module("Remote", ["Storage"]),
        .target(
            name: "FuzzKit", dependencies: ["CCodecs", "Corpus", "Checkpoints", "Health", "Remote"], path: "FuzzKit",
            swiftSettings: swift),
        .target(name: "LibFuzzer", path: "Sources/LibFuzzer"),
        .executableTarget(
            name: "apus-fuzz", dependencies: ["FuzzKit", "LibFuzzer", "RunLog", .product(name: "TOMLKit", package: "TOMLKit")],
            path: "Sources/Fuzz",
            linkerSettings: [
                .unsafeFlags(["-sanitize=address", "-Xclang-linker", "-fsanitize=undefined"]), .linkedLibrary("stdc++"),
            ]),
    ],
    cLanguageStandard: .c2x
)
