import Foundation
import NIOCore
import NIOPosix
import Support

/// Google's Spanner and Pub/Sub emulators. Uses those named in the environment, or starts its own,
/// which end with this process even if it crashes.
package struct GoogleEmulators: Sendable {
    /// The Spanner emulator's REST interface, without a path.
    package let spannerURL: String
    package let pubSubURL: String
    private let processes: [SupervisedProcess]

    package struct Missing: Error, CustomStringConvertible {
        package let description: String
    }

    /// - Parameter environment: `SPANNER_EMULATOR_HOST` is HOST:PORT of gRPC, on this machine. The
    ///   REST port is ten higher, as by default.
    /// - Throws: ``Missing`` if the Cloud SDK is missing or an emulator does not start.
    package static func start(environment: [String: String] = ProcessInfo.processInfo.environment) async throws -> GoogleEmulators {
        var processes: [SupervisedProcess] = []
        do {
            let spanner: String
            if let host = environment["SPANNER_EMULATOR_HOST"].flatMap({ $0.isEmpty ? nil : $0 }) {
                guard let address = restAddress(ofSpannerAt: host), LoopbackHTTP.takes(address) else {
                    throw Missing(description: "SPANNER_EMULATOR_HOST is not HOST:PORT of a loopback address")
                }
                spanner = address
            } else {
                let (grpc, rest) = (try await freePort(), try await freePort())
                let emulator = try SupervisedProcess(
                    ["gcloud", "emulators", "spanner", "start", "--host-port=127.0.0.1:\(grpc)", "--rest-port=\(rest)"],
                    environment
                )
                processes.append(emulator)
                spanner = "http://127.0.0.1:\(rest)"
                try await emulator.answers("\(spanner)/v1/projects/\(SpannerBookings.project)/instanceConfigs")
            }
            let pubSub: String
            if let host = environment["PUBSUB_EMULATOR_HOST"].flatMap({ $0.isEmpty ? nil : $0 }) {
                pubSub = "http://\(host)"
                guard LoopbackHTTP.takes(pubSub) else {
                    throw Missing(description: "PUBSUB_EMULATOR_HOST is not HOST:PORT of a loopback address")
                }
            } else {
                let port = try await freePort()
                let emulator = try SupervisedProcess(
                    ["gcloud", "beta", "emulators", "pubsub", "start", "--host-port=127.0.0.1:\(port)"],
                    environment
                )
                processes.append(emulator)
                pubSub = "http://127.0.0.1:\(port)"
                try await emulator.answers("\(pubSub)/v1/projects/\(SpannerBookings.project)/topics")
            }
            return GoogleEmulators(spannerURL: spanner, pubSubURL: pubSub, processes: processes)
        } catch {
            for process in processes { process.end() }
            throw error
        }
    }

    package func end() {
        for process in processes { process.end() }
    }

    static func restAddress(ofSpannerAt host: String) -> String? {
        guard let colon = host.lastIndex(of: ":"), let port = Int(host[host.index(after: colon)...]) else { return nil }
        return "http://\(host[..<colon]):\(port + 10)"
    }

    private static func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(host: "127.0.0.1", port: 0).get()
        let port = channel.localAddress?.port ?? 0
        try await channel.close()
        return port
    }
}

/// A program in its own process group. A supervising shell ends it when our end of a pipe closes,
/// which also happens when we crash.
private final class SupervisedProcess: @unchecked Sendable {
    private let process = Process()
    private let lifeline = Pipe()
    private let log: URL
    private let name: String

    private static let supervisor = """
        set -m
        "$@" < /dev/null &
        group=$!
        trap : INT TERM HUP
        while kill -0 $group; do
            read -r -t 1 _
            [ $? -gt 128 ] || break
        done
        kill -TERM -- -$group
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            kill -0 -- -$group || exit 0
            sleep 0.1
        done
        kill -KILL -- -$group
        """

    init(_ command: [String], _ environment: [String: String]) throws {
        name = command.prefix { !$0.hasPrefix("-") }.joined(separator: " ")
        let path = (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(command[0])" }
        guard path.contains(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw GoogleEmulators.Missing(
                description: "\(command[0]) is not installed. Install the Google Cloud SDK with the components cloud-spanner-emulator, "
                    + "pubsub-emulator and beta, or name running emulators in SPANNER_EMULATOR_HOST and PUBSUB_EMULATOR_HOST."
            )
        }
        log = FileManager.default.temporaryDirectory.appendingPathComponent("bookingstatus-\(UUID().uuidString).log")
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", Self.supervisor, "supervisor"] + command
        process.environment = environment.merging(
            ["CLOUDSDK_CORE_PROJECT": SpannerBookings.project, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"]
        ) { _, ours in ours }
        process.standardInput = lifeline
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try? output.close()
        try? lifeline.fileHandleForReading.close()
    }

    func answers(_ url: String) async throws {
        let http = LoopbackHTTP(url)
        let end = ContinuousClock.now + .seconds(90)
        while ContinuousClock.now < end, process.isRunning {
            if (try? await http.send(OutboundRequest(.get, ""), timeout: .seconds(5)))?.status == 200 { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        let said = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        throw GoogleEmulators.Missing(description: "\(name) does not answer. It printed:\n\(said.suffix(2000))")
    }

    func end() {
        try? lifeline.fileHandleForWriting.close()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: log)
    }
}
