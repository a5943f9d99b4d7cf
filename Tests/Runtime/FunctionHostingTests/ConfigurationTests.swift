import FunctionHosting
import Logging
import Testing

@Suite("Configuration from the environment")
struct ConfigurationTests {
    @Test("unset and empty variables give the defaults")
    func defaults() throws {
        #expect(try FunctionServerConfiguration(environment: [:]) == FunctionServerConfiguration())
        #expect(try FunctionServerConfiguration(environment: ["PORT": "", "LOG_LEVEL": "", "HOST": ""]) == FunctionServerConfiguration())
    }

    @Test("each variable sets its property")
    func variables() throws {
        let configuration = try FunctionServerConfiguration(environment: [
            "PORT": "81", "HOST": "127.0.0.1", "LOG_LEVEL": "DEBUG", "GOOGLE_CLOUD_PROJECT": "p", "FUNCTION_TIMEOUT_SECONDS": "7",
            "FUNCTION_CONCURRENCY": "8", "MAX_BODY_BYTES": "9", "LIVENESS_PATH": "/alive",
        ])
        #expect(
            configuration
                == FunctionServerConfiguration(
                    host: "127.0.0.1",
                    port: 81,
                    timeout: .seconds(7),
                    concurrency: 8,
                    maximumBodyBytes: 9,
                    livenessPath: "/alive",
                    logLevel: .debug,
                    project: "p"
                )
        )
    }

    @Test("all faults are reported at once, and no value is quoted")
    func faults() {
        let environment = [
            "PORT": "65536", "LOG_LEVEL": "loud", "FUNCTION_TIMEOUT_SECONDS": "0", "FUNCTION_CONCURRENCY": "x", "MAX_BODY_BYTES": "-1",
            "LIVENESS_PATH": "alive",
        ]
        let faults = #expect(throws: FunctionServerConfiguration.Faults.self) { try FunctionServerConfiguration(environment: environment) }
        #expect(faults?.descriptions.count == 6)
        let text = faults?.description ?? ""
        #expect(environment.keys.allSatisfy { text.contains("\($0) ") })
        #expect(!text.contains("65536") && !text.contains("loud"))
    }
}
