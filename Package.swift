// swift-tools-version: 6.2
import PackageDescription

// The layers of docs/architecture.md; a target imports only what stands below it.
let package = Package(
    name: "apus",
    products: [],
    dependencies: [],
    targets: [
        .target(name: "CHash"),
        .target(name: "Storage", dependencies: ["CHash"]),
    ],
    cLanguageStandard: .c2x
)
