// swift-tools-version: 6.2

import PackageDescription

/// Warnings stop the build where `CI` is set, and only there: a newer compiler must not break the build of whoever depends on us.
let strictness: [SwiftSetting] = Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)]

let settings: [SwiftSetting] =
    strictness + [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]

extension Target.Dependency {
    static let argumentParser = product(name: "ArgumentParser", package: "swift-argument-parser")
    static let asyncHTTPClient = product(name: "AsyncHTTPClient", package: "async-http-client")
    static let configuration = product(name: "Configuration", package: "swift-configuration")
    static let httpTypes = product(name: "HTTPTypes", package: "swift-http-types")
    static let hummingbird = product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdCore = product(name: "HummingbirdCore", package: "hummingbird")
    static let inMemoryLogging = product(name: "InMemoryLogging", package: "swift-log")
    static let jwtKit = product(name: "JWTKit", package: "jwt-kit")
    static let logging = product(name: "Logging", package: "swift-log")
    static let nioCore = product(name: "NIOCore", package: "swift-nio")
    static let nioEmbedded = product(name: "NIOEmbedded", package: "swift-nio")
    static let nioFoundation = product(name: "NIOFoundationEssentialsCompat", package: "swift-nio")
    static let nioHTTP1 = product(name: "NIOHTTP1", package: "swift-nio")
    static let nioHTTPTypesHTTP1 = product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
    static let nioPosix = product(name: "NIOPosix", package: "swift-nio")
    static let cryptoExtras = product(name: "CryptoExtras", package: "swift-crypto")
    static let serviceLifecycle = product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let unixSignals = product(name: "UnixSignals", package: "swift-service-lifecycle")
}

let package = Package(
    name: "booking-status-sync",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "booking-status-function", targets: ["BookingStatusFunction"]),
        .executable(name: "bookingstatus", targets: ["BookingStatusCLI"]),
        .executable(name: "bookingstatus-simulation", targets: ["SimulationRunner"]),
        .library(name: "CloudEvents", targets: ["CloudEvents"]),
        .library(name: "FunctionRuntime", targets: ["FunctionRuntime"]),
        .library(name: "FunctionServer", targets: ["FunctionServer"]),
        .library(name: "PushAuthentication", targets: ["PushAuthentication"]),
        .library(name: "SpannerChangeStreams", targets: ["SpannerChangeStreams"]),
    ],
    dependencies: [
        // `traits: []` keeps the whole of Foundation, with its ICU tables, out of `booking-status-function`.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
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
        // What the container runs, in the order in which an event passes through it.
        .target(name: "Timing", swiftSettings: settings),
        .target(name: "JSONReader", swiftSettings: settings),
        .target(
            name: "OutboundHTTP",
            dependencies: ["Timing", .asyncHTTPClient, .nioCore, .nioFoundation, .nioHTTP1, .nioPosix],
            swiftSettings: settings
        ),
        .target(name: "CloudEvents", dependencies: ["JSONReader", "Timing", .httpTypes], swiftSettings: settings),
        .target(name: "FunctionRuntime", dependencies: ["CloudEvents", .logging], swiftSettings: settings),
        .target(name: "SpannerChangeStreams", dependencies: ["JSONReader", "Timing"], swiftSettings: settings),
        .target(
            name: "Zendesk",
            dependencies: ["OutboundHTTP", "Timing", .asyncHTTPClient, .nioCore, .nioFoundation, .nioHTTP1],
            swiftSettings: settings
        ),
        .target(
            name: "BookingStatusSync",
            dependencies: ["CloudEvents", "FunctionRuntime", "JSONReader", "SpannerChangeStreams", "Timing", "Zendesk", .logging],
            swiftSettings: settings
        ),
        .target(
            name: "Spanner",
            dependencies: [
                "BookingStatusSync", "JSONReader", "OutboundHTTP", "SpannerChangeStreams", "Timing", .asyncHTTPClient, .nioCore,
                .nioFoundation, .nioHTTP1,
            ],
            swiftSettings: settings
        ),
        .target(name: "ServerConnections", dependencies: [.hummingbirdCore, .logging, .nioCore], swiftSettings: settings),
        .target(
            name: "FunctionServer",
            dependencies: [
                "CloudEvents", "FunctionRuntime", "JSONReader", "ServerConnections", "Timing", .httpTypes, .hummingbirdCore, .logging,
                .nioCore,
                .nioFoundation, .nioHTTP1,
                .nioHTTPTypesHTTP1, .nioPosix, .serviceLifecycle, .unixSignals,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "PushAuthentication",
            dependencies: ["FunctionServer", "OutboundHTTP", "Timing", .asyncHTTPClient, .httpTypes, .jwtKit],
            swiftSettings: settings
        ),
        .target(
            name: "BookingStatusService",
            dependencies: [
                "OutboundHTTP",
                "BookingStatusSync", "FunctionServer", "PushAuthentication", "Spanner", "Timing", "Zendesk", .asyncHTTPClient,
                .configuration, .logging, .serviceLifecycle, .unixSignals,
            ],
            swiftSettings: settings
        ),
        .executableTarget(name: "BookingStatusFunction", dependencies: ["BookingStatusService"], swiftSettings: settings),

        // Local work: nothing below is linked into `booking-status-function`.
        .target(
            name: "ZendeskSimulator",
            dependencies: [
                "ServerConnections", "Timing", .httpTypes, .hummingbird, .logging, .nioCore, .nioFoundation, .serviceLifecycle,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "AccountSetup",
            dependencies: ["BookingStatusSync", "Timing", "Zendesk"],
            swiftSettings: settings
        ),
        .target(
            name: "LocalStack",
            dependencies: [
                "BookingStatusService", "BookingStatusSync", "CloudEvents", "FunctionServer", "Spanner", "SpannerChangeStreams",
                "Timing",
                "Zendesk",
                "ZendeskSimulator", .asyncHTTPClient, .httpTypes, .hummingbird, .logging, .nioCore, .nioFoundation, .nioHTTP1, .nioPosix,
                .serviceLifecycle,
            ],
            resources: [.copy("Console")],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "BookingStatusCLI",
            dependencies: [
                "OutboundHTTP",
                "AccountSetup", "BookingStatusService", "BookingStatusSync", "CloudEvents", "FunctionServer", "LocalStack", "Timing",
                "Zendesk",
                "ZendeskSimulator",
                .argumentParser, .asyncHTTPClient, .configuration, .httpTypes, .logging, .nioCore, .nioHTTP1, .serviceLifecycle,
                .unixSignals,
            ],
            swiftSettings: settings
        ),

        // Tests.
        .target(
            name: "TestSupport",
            dependencies: ["Timing", "ServerConnections", "Zendesk", "ZendeskSimulator", .hummingbird, .logging, .serviceLifecycle],
            path: "Tests/TestSupport",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "Greeter",
            dependencies: ["CloudEvents", "FunctionRuntime", "FunctionServer", .logging],
            path: "Tests/Greeter",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "NoopFunction",
            dependencies: ["CloudEvents", "FunctionRuntime", "FunctionServer"],
            path: "Tests/Benchmarks/NoopFunction",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "FixedRun",
            dependencies: ["Timing", "BookingStatusSync", "CloudEvents", "SpannerChangeStreams", "Zendesk", .httpTypes],
            path: "Tests/Benchmarks/FixedRun",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "BareServer",
            dependencies: [.hummingbird, .logging],
            path: "Tests/Benchmarks/BareServer",
            swiftSettings: settings
        ),
        .testTarget(name: "TimingTests", dependencies: ["Timing"], swiftSettings: settings),
        .testTarget(name: "JSONReaderTests", dependencies: ["JSONReader"], swiftSettings: settings),
        .testTarget(name: "CloudEventsTests", dependencies: ["CloudEvents", "JSONReader", .httpTypes], swiftSettings: settings),
        .testTarget(
            name: "SpannerChangeStreamsTests",
            dependencies: ["SpannerChangeStreams", "TestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "BookingStatusSyncTests",
            dependencies: [
                "Timing",
                "BookingStatusSync", "CloudEvents", "FunctionRuntime", "SpannerChangeStreams", "TestSupport", "Zendesk",
                "ZendeskSimulator", .inMemoryLogging, .logging,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ZendeskTests",
            dependencies: [
                "OutboundHTTP",
                "Timing",
                "TestSupport", "Zendesk", "ZendeskSimulator", .asyncHTTPClient, .httpTypes, .hummingbird, .nioCore,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "FunctionServerTests",
            dependencies: [
                "CloudEvents", "FunctionRuntime", "FunctionServer", "Greeter", "ServerConnections", "TestSupport", .hummingbirdCore,
                .asyncHTTPClient, .httpTypes, .inMemoryLogging, .logging, .nioCore, .nioEmbedded, .nioHTTP1, .nioPosix,
                .serviceLifecycle,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "PushAuthenticationTests",
            dependencies: [
                "CloudEvents", "FunctionRuntime", "FunctionServer", "OutboundHTTP", "PushAuthentication", "TestSupport", "Timing",
                .asyncHTTPClient, .cryptoExtras, .httpTypes, .hummingbird, .jwtKit,
                .nioCore,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "BookingStatusServiceTests",
            dependencies: [
                "BookingStatusService", "BookingStatusSync", "FunctionServer", "PushAuthentication", "Spanner", "TestSupport", "Zendesk",
                .configuration, .inMemoryLogging, .logging,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "Simulation",
            dependencies: [
                "Timing",
                "BookingStatusSync", "CloudEvents", "FunctionRuntime", "SpannerChangeStreams", "Zendesk", "ZendeskSimulator", .logging,
            ],
            path: "Tests/Simulation",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "SimulationRunner",
            dependencies: ["Simulation", .argumentParser],
            path: "Tests/SimulationRunner",
            swiftSettings: settings
        ),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "Timing",
                "BookingStatusSync", "CloudEvents", "FunctionRuntime", "Simulation", "Zendesk", "ZendeskSimulator", .inMemoryLogging,
                .logging,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "AccountSetupTests",
            dependencies: ["Timing", "AccountSetup", "BookingStatusSync", "TestSupport", "Zendesk", "ZendeskSimulator"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LocalStackTests",
            dependencies: [
                "LocalStack", "TestSupport", "Timing", "ZendeskSimulator", .asyncHTTPClient, .logging, .nioCore, .nioHTTP1,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "SpannerTests",
            dependencies: [
                "OutboundHTTP",
                "Timing",
                "BookingStatusSync", "Spanner", "SpannerChangeStreams", "TestSupport", "Zendesk", .asyncHTTPClient, .httpTypes,
                .hummingbird,
                .nioCore,
            ],
            swiftSettings: settings
        ),
        .testTarget(name: "ZendeskSimulatorTests", dependencies: ["TestSupport", "ZendeskSimulator"], swiftSettings: settings),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "CloudEvents", "LocalStack", "SpannerChangeStreams", "TestSupport", "ZendeskSimulator", .asyncHTTPClient, .httpTypes,
                .logging, .nioCore,
                .nioHTTP1,
                .nioPosix,
            ],
            swiftSettings: settings
        ),
    ]
)

// libFuzzer brings the entry point, so this one can be linked only where it is asked for: see Tests/Fuzzer/run.
if Context.environment["FUZZER"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzzer",
            dependencies: ["CloudEvents", "SpannerChangeStreams", .httpTypes],
            path: "Tests/Fuzzer",
            exclude: ["run"],
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]
        )
    )
}

// See Mutex.swift there. The product has no switch for it: the module takes the place of the standard library's by its name.
if Context.environment["THREAD_SANITIZER"] != nil {
    let alias: [SwiftSetting] = [.unsafeFlags(["-module-alias", "Synchronization=SanitizedSynchronization"])]
    for target in package.targets {
        target.dependencies.append("SanitizedSynchronization")
        target.swiftSettings = (target.swiftSettings ?? []) + alias
    }
    package.targets.append(
        .target(name: "SanitizedSynchronization", path: "Tests/SanitizedSynchronization", swiftSettings: settings)
    )
}
