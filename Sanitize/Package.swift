// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT
import PackageDescription

// The C code, the layers right above it and their tests, for builds with sanitizers (scripts/sanitize): the whole package
// would take several times as long to build, once for each sanitizer. Sources and Tests are links to the main package's.
let package = Package(
    name: "apus",
    targets: [
        .target(name: "CHash"), .target(name: "CMapping"), .target(name: "CTokenization"), .target(name: "CKernels"),
        .target(name: "CCodecs", linkerSettings: [.linkedLibrary("z"), .linkedLibrary("zstd")]),
        .target(name: "Storage", dependencies: ["CHash", "CMapping"]),
        .target(name: "Tokenization", dependencies: ["Storage", "CTokenization"]),
        .target(name: "Parquet", dependencies: ["Storage", "CCodecs"]),
        .target(name: "Compute"), .target(name: "ComputeCPU", dependencies: ["Compute", "CKernels"]),
        .testTarget(name: "StorageTests", dependencies: ["Storage", "CHash"]),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels"]),
        .testTarget(name: "ComputeCPUTests", dependencies: ["ComputeCPU", "CKernels"]),
        .testTarget(name: "TokenizationTests", dependencies: ["Tokenization", "CTokenization", "Storage"]),
        .testTarget(name: "ParquetTests", dependencies: ["Parquet", "CCodecs", "Storage"]),
    ],
    cLanguageStandard: .c2x
)
