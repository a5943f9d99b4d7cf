// swift-tools-version: 6.2

import PackageDescription

extension Target.Dependency {
    static let argumentParser = product(name: "ArgumentParser", package: "swift-argument-parser")
    static let deque = product(name: "DequeModule", package: "swift-collections")
    static let heap = product(name: "HeapModule", package: "swift-collections")
    static let asyncHTTPClient = product(name: "AsyncHTTPClient", package: "async-http-client")
    static let crypto = product(name: "Crypto", package: "swift-crypto")
    static let cryptoExtras = product(name: "CryptoExtras", package: "swift-crypto")
    static let httpTypes = product(name: "HTTPTypes", package: "swift-http-types")
    static let hummingbird = product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdCore = product(name: "HummingbirdCore", package: "hummingbird")
    static let inMemoryLogging = product(name: "InMemoryLogging", package: "swift-log")
    static let jwtKit = product(name: "JWTKit", package: "jwt-kit")
    static let logging = product(name: "Logging", package: "swift-log")
    static let nioEmbedded = product(name: "NIOEmbedded", package: "swift-nio")
    static let nioHTTPTypesHTTP1 = product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
    static let serviceLifecycle = product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let unixSignals = product(name: "UnixSignals", package: "swift-service-lifecycle")
}

let nio: [Target.Dependency] = ["NIOCore", "NIOFoundationEssentialsCompat", "NIOHTTP1", "NIOPosix"].map {
    .product(name: $0, package: "swift-nio")
}

/// The handler, and what it is called with.
let handler: [Target.Dependency] = ["BookingStatusSync", "FunctionRuntime", "SpannerChangeStreams", "Support", "Zendesk", .logging]

/// What servers over HTTP are made of.
let http: [Target.Dependency] = [.httpTypes, .hummingbirdCore, .logging, .serviceLifecycle] + nio

let package = Package(
    name: "booking-status-sync",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "booking-status-function", targets: ["BookingStatusFunction"]),
        .executable(name: "booking-status-webhook", targets: ["BookingStatusWebhook"]),
        .executable(name: "bookingstatus", targets: ["BookingStatusCLI"]),
        .executable(name: "bookingstatus-simulation", targets: ["SimulationRunner"]),
        .library(name: "FunctionRuntime", targets: ["FunctionRuntime"]),
        .library(name: "FunctionHosting", targets: ["FunctionHosting"]),
        .library(name: "PushAuthentication", targets: ["PushAuthentication"]),
        .library(name: "SpannerChangeStreams", targets: ["SpannerChangeStreams"]),
    ],
    dependencies: [
        // `traits: []` keeps the whole of Foundation, with its ICU tables, out of
        // `booking-status-function`.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
    ],
    targets: [
        // Everything may import Support: nothing with TLS is in it.
        .target(name: "Support"),

        // Runtime: the framework, of use to anyone. Each target imports only targets above it. Only
        // OutboundHTTP and what imports it build a TLS library.
        .target(name: "FunctionRuntime", dependencies: ["Support", .httpTypes, .logging]),
        .target(
            name: "FunctionHosting",
            dependencies: [
                "FunctionRuntime", "Support", .httpTypes, .hummingbirdCore, .logging, .nioHTTPTypesHTTP1, .serviceLifecycle, .unixSignals,
            ] + nio
        ),
        .target(name: "OutboundHTTP", dependencies: ["Support", .asyncHTTPClient] + nio),
        .target(
            name: "PushAuthentication",
            dependencies: ["FunctionRuntime", "OutboundHTTP", "Support", .asyncHTTPClient, .httpTypes, .jwtKit]
        ),

        // Function: what this system does.
        .target(name: "SpannerChangeStreams", dependencies: ["Support"]),
        .target(name: "Zendesk", dependencies: ["Support"]),
        .target(
            name: "BookingStatusSync",
            dependencies: ["FunctionRuntime", "SpannerChangeStreams", "Support", "Zendesk", .deque, .heap, .logging]
        ),
        .target(
            name: "BookingStatusService",
            dependencies: handler + ["FunctionHosting", .serviceLifecycle, .unixSignals]
        ),
        .executableTarget(
            name: "BookingStatusFunction",
            dependencies: ["BookingStatusService", "OutboundHTTP", "PushAuthentication", .asyncHTTPClient]
        ),
        .target(name: "TicketWebhook", dependencies: ["FunctionRuntime", "FunctionHosting", "Support", .httpTypes, .logging]),
        .executableTarget(
            name: "BookingStatusWebhook",
            dependencies: ["FunctionHosting", "OutboundHTTP", "Support", "TicketWebhook", .asyncHTTPClient, .crypto, .logging]
        ),

        // Local: plain HTTP to loopback. The container runs none of it.
        .target(name: "ZendeskSimulator", dependencies: ["FunctionHosting"] + http),
        .target(
            name: "LocalStack",
            dependencies: handler + ["BookingStatusService", "FunctionHosting", "TicketWebhook", "ZendeskSimulator"] + http,
            resources: [.copy("Console/Page")]
        ),
        .executableTarget(
            name: "BookingStatusCLI",
            dependencies: [
                "FunctionRuntime", "FunctionHosting", "LocalStack", "Support", "ZendeskSimulator", .argumentParser, .httpTypes, .logging,
                .serviceLifecycle, .unixSignals,
            ]
        ),

        // What tests share.
        .target(name: "TestSupport", dependencies: ["FunctionHosting", "Support", "Zendesk", "ZendeskSimulator"] + http),
        .target(name: "Simulation", dependencies: handler + ["ZendeskSimulator"]),
        .executableTarget(name: "SimulationRunner", dependencies: ["Simulation", .argumentParser]),
        .executableTarget(name: "Greeter", dependencies: ["FunctionRuntime", "FunctionHosting", .httpTypes, .logging]),

        // The suites.
        .testTarget(name: "GreeterTests", dependencies: ["FunctionRuntime", "FunctionHosting", "Greeter", .httpTypes]),
        .testTarget(name: "SupportTests", dependencies: ["Support", "TestSupport"]),
        .testTarget(name: "FunctionRuntimeTests", dependencies: ["FunctionRuntime", "Support", .httpTypes]),
        .testTarget(name: "SpannerChangeStreamsTests", dependencies: ["SpannerChangeStreams", "TestSupport"]),
        .testTarget(name: "OutboundHTTPTests", dependencies: ["OutboundHTTP", "Support", "TestSupport", .asyncHTTPClient] + http),
        .testTarget(name: "ZendeskTests", dependencies: ["Support", "TestSupport", "Zendesk", "ZendeskSimulator"] + http),
        .testTarget(
            name: "BookingStatusSyncTests",
            dependencies: handler + ["Simulation", "TestSupport", "ZendeskSimulator", .inMemoryLogging]
        ),
        .testTarget(
            name: "FunctionHostingTests",
            dependencies: [
                "FunctionRuntime", "FunctionHosting", "Greeter", "TestSupport", .asyncHTTPClient, .inMemoryLogging, .nioEmbedded,
            ] + http
        ),
        .testTarget(
            name: "BookingStatusServiceTests",
            dependencies: handler + [
                "BookingStatusService", "FunctionHosting", "OutboundHTTP", "TestSupport", "ZendeskSimulator", .asyncHTTPClient,
                .inMemoryLogging,
            ] + http
        ),
        .testTarget(
            name: "TicketWebhookTests",
            dependencies: [
                "FunctionHosting", "FunctionRuntime", "Support", "TestSupport", "TicketWebhook", .crypto, .httpTypes, .inMemoryLogging,
                .logging,
            ]
        ),
        .testTarget(
            name: "PushAuthenticationTests",
            dependencies: [
                "FunctionRuntime", "FunctionHosting", "OutboundHTTP", "PushAuthentication", "Support", "TestSupport", .asyncHTTPClient,
                .cryptoExtras, .jwtKit,
            ] + http
        ),
        .testTarget(name: "ZendeskSimulatorTests", dependencies: ["TestSupport", "ZendeskSimulator"]),
        .testTarget(
            name: "LocalStackTests",
            dependencies: ["FunctionRuntime", "LocalStack", "Support", "TestSupport", "ZendeskSimulator", .asyncHTTPClient] + http
        ),
        .testTarget(name: "SimulationTests", dependencies: handler + ["Simulation", "ZendeskSimulator", .inMemoryLogging]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "FunctionRuntime", "LocalStack", "SpannerChangeStreams", "TestSupport", "ZendeskSimulator", .asyncHTTPClient, .crypto,
            ] + http
        ),
    ]
)

/// The folders of `Sources` and `Tests` are the architecture. A suite lies as its target does.
let folders = [
    "Runtime": ["FunctionRuntime", "FunctionHosting", "OutboundHTTP", "PushAuthentication", "Greeter"],
    "Function": [
        "SpannerChangeStreams", "Zendesk", "BookingStatusSync", "BookingStatusService", "BookingStatusFunction", "TicketWebhook",
        "BookingStatusWebhook",
    ],
    "Local": ["ZendeskSimulator", "LocalStack", "BookingStatusCLI"],
]
for target in package.targets {
    let suite = target.type == .test ? "Tests" : ""
    if ["TestSupport", "Simulation", "SimulationRunner", "Greeter"].contains(target.name) { target.path = "Tests/Helpers/\(target.name)" }
    for (folder, names) in folders where target.path == nil && names.contains(where: { $0 + suite == target.name }) {
        target.path = "\(target.type == .test ? "Tests" : "Sources")/\(folder)/\(target.name)"
    }
}

// Tests/Benchmarks/run, Tests/Fuzzer/run and .ci/steps/instructions ask for these. libFuzzer brings
// the fuzzer's entry point.
if Context.environment["BENCHMARKS_AND_FUZZER"] != nil {
    let benchmarks = "Tests/Benchmarks/"
    package.targets += [
        .executableTarget(name: "BareServer", dependencies: [.hummingbird, .logging], path: benchmarks + "BareServer"),
        .executableTarget(name: "NoopFunction", dependencies: ["FunctionRuntime", "FunctionHosting"], path: benchmarks + "NoopFunction"),
        .executableTarget(name: "FixedRun", dependencies: handler + [.httpTypes], path: benchmarks + "FixedRun"),
        .executableTarget(
            name: "Fuzzer",
            dependencies: ["FunctionRuntime", "SpannerChangeStreams", .httpTypes],
            path: "Tests/Fuzzer",
            exclude: ["run"],
            swiftSettings: [.unsafeFlags(["-parse-as-library"])]
        ),
    ]
}

// Mutex.swift there says why. The module takes the place of the standard library's by its name.
let isSanitized = Context.environment["THREAD_SANITIZER"] != nil
if isSanitized {
    for target in package.targets { target.dependencies.append("SanitizedSynchronization") }
    package.targets.append(.target(name: "SanitizedSynchronization", path: "Tests/Helpers/SanitizedSynchronization"))
}

// GreeterTests is a page's code, compiled as its readers' manifest says.
for target in package.targets where target.name != "GreeterTests" {
    var settings: [SwiftSetting] = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]
    // A newer compiler's warnings must not break the build of a package that depends on this one.
    if Context.environment["CI"] != nil { settings.append(.treatAllWarnings(as: .error)) }
    if isSanitized, target.name != "SanitizedSynchronization" {
        settings.append(.unsafeFlags(["-module-alias", "Synchronization=SanitizedSynchronization"]))
    }
    target.swiftSettings = settings + (target.swiftSettings ?? [])
}
