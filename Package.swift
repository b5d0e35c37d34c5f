// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT
import PackageDescription

// The layers of docs/architecture.md: a target imports only what stands below it. Why each dependency is there:
// docs/decisions.md.
let package = Package(
    name: "apus",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "apus", targets: ["apus"]),
        .library(name: "ApusTokenization", targets: ["Tokenization", "Storage"]),
        .library(name: "ApusData", targets: ["Corpus", "Parquet", "RunLog"]),
        .library(
            name: "ApusModel",
            targets: [
                "Compute", "ComputeCPU", "ComputeCUDA", "Modeling", "Optimization", "Checkpoints", "Training", "Generation",
                "RunLog",
            ]),
        .library(name: "ApusHealth", targets: ["Health", "RunLog"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        .executableTarget(
            name: "apus",
            dependencies: [
                .product(name: "ArgumentParser", package: "swift-argument-parser"), .product(name: "TOMLKit", package: "TOMLKit"),
                "Health", "Training", "Generation", "Corpus", "Checkpoints", "RunLog", "Modeling", "Optimization", "ComputeCPU",
                "ComputeCUDA",
                "Compute", "Tokenization", "Storage", "Remote", "Parquet",
            ]),
        .target(name: "Health", dependencies: ["RunLog"]),
        .target(name: "Training", dependencies: ["Modeling", "Optimization", "Corpus", "Checkpoints", "RunLog", "Storage"]),
        .target(name: "Generation", dependencies: ["Modeling", "Tokenization", "Checkpoints"]),
        .target(name: "Corpus", dependencies: ["Tokenization", "CTokenization", "Parquet", "RunLog", "Storage"]),
        .target(name: "Checkpoints", dependencies: ["Compute", "Storage"]),
        .target(name: "RunLog", dependencies: ["Storage"]),
        .target(name: "Modeling", dependencies: ["Compute"]),
        .target(name: "Optimization", dependencies: ["Compute"]),
        .target(name: "ComputeCPU", dependencies: ["Compute", "CKernels"]),
        .target(name: "ComputeCUDA", dependencies: ["Compute", "CCUDA", "Storage"]),
        .target(name: "Compute"),
        .target(name: "Tokenization", dependencies: ["Storage", "CTokenization"]),
        .target(name: "Remote", dependencies: ["Storage"]),
        .target(name: "Parquet", dependencies: ["Storage", "CCodecs"]),
        .target(name: "Storage", dependencies: ["CHash", "CMapping"]),
        .target(name: "CKernels"),
        // The kernels are embedded as text: they are compiled for the card that is there.
        .target(name: "CCUDA", exclude: ["kernels"]),
        .target(name: "CTokenization"),
        .target(name: "CCodecs", linkerSettings: [.linkedLibrary("z"), .linkedLibrary("zstd")]),
        .target(name: "CHash"),
        .target(name: "CMapping"),
        .target(name: "TestKit", dependencies: ["Storage"], path: "Tests/TestKit"),
        .target(
            name: "FuzzKit", dependencies: ["CCodecs", "Corpus", "Checkpoints", "Health", "Remote"], path: "Tests/FuzzKit"),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzKit", "TestKit"]),
        .testTarget(name: "StorageTests", dependencies: ["Storage", "CHash"]),
        .testTarget(name: "RunLogTests", dependencies: ["RunLog", "TestKit"]),
        .testTarget(name: "ComputeTests", dependencies: ["Compute"]),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels"]),
        .testTarget(name: "ComputeCPUTests", dependencies: ["ComputeCPU", "CKernels"]),
        // The CUDA kernels' text compiled for the CPU: test use only.
        .target(name: "CUDAEmulation", path: "Tests/CUDAEmulation"),
        // A card made of host memory that runs those: test use only.
        .target(name: "FakeCUDA", dependencies: ["CUDAEmulation"], path: "Tests/FakeCUDA"),
        .testTarget(
            name: "ComputeCUDATests",
            dependencies: ["ComputeCUDA", "ComputeCPU", "FakeCUDA", "Training", "Generation", "Checkpoints", "TestKit"]),
        .testTarget(name: "CUDAKernelTests", dependencies: ["CUDAEmulation", "ComputeCPU", "Compute", "Generation"]),
        .testTarget(name: "TokenizationTests", dependencies: ["Tokenization", "CTokenization", "Storage"]),
        .testTarget(name: "ParquetTests", dependencies: ["Parquet", "CCodecs", "Storage"]),
        .testTarget(
            name: "CorpusTests", dependencies: ["Corpus", "CTokenization", "Tokenization", "Parquet", "RunLog", "Storage"]),
        .testTarget(name: "RemoteTests", dependencies: ["Remote", "Storage", "TestKit"]),
        .testTarget(name: "CheckpointsTests", dependencies: ["Checkpoints", "Compute", "Storage", "TestKit"]),
        .testTarget(name: "HealthTests", dependencies: ["Health", "RunLog"], exclude: ["Fixtures"]),
        .testTarget(name: "ModelingTests", dependencies: ["Modeling", "Optimization", "ComputeCPU", "Checkpoints", "TestKit"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["Training", "Generation", "ComputeCPU", "Checkpoints", "Corpus", "RunLog", "Tokenization", "TestKit"]),
        .testTarget(name: "CommandTests", dependencies: ["apus", "TestKit", "RunLog", "Checkpoints", "Storage"]),
    ],
    cLanguageStandard: .c2x,
    cxxLanguageStandard: .cxx17
)
