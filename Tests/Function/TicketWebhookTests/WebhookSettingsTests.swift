import FunctionHosting
import Testing

@testable import TicketWebhook

@Suite("The receiver's settings")
struct WebhookSettingsTests {
    private let valid = ["WEBHOOK_TOPIC": "projects/p/topics/tickets", "ZENDESK_WEBHOOK_SECRET": "a,b"]

    @Test("are read from the environment, with limits that no variable lifts")
    func read() throws {
        let environment = valid.merging(["MAX_BODY_BYTES": "99999999", "FUNCTION_TIMEOUT_SECONDS": "600"]) { $1 }
        let settings = try WebhookSettings { environment[$0] }
        #expect(settings.secrets == ["a", "b"])
        #expect(settings.bookingIDField == nil)
        #expect(settings.server.maximumBodyBytes == 256 << 10)
        #expect(settings.server.timeout == .seconds(10))
        #expect((settings.pubSubURL, settings.metadataHost) == ("https://pubsub.googleapis.com", "metadata.google.internal"))
        let emulated = try WebhookSettings { ($0 == "PUBSUB_EMULATOR_HOST" ? "127.0.0.1:1" : environment[$0]) }
        #expect((emulated.pubSubURL, emulated.metadataHost) == ("http://127.0.0.1:1", nil))
    }

    @Test("name every fault at once")
    func faults() {
        let environment = ["WEBHOOK_TOPIC": "tickets", "ZENDESK_WEBHOOK_SECRET": "a,b,c", "WEBHOOK_FIELD_CHANGES": "true", "PORT": "x"]
        let names = ["PORT", "WEBHOOK_TOPIC", "ZENDESK_WEBHOOK_SECRET", "ZENDESK_BOOKING_ID_FIELD", "ZENDESK_BOOKING_ID_FIELD"]
        #expect {
            try WebhookSettings { environment[$0] }
        } throws: { error in
            (error as? FunctionServerConfiguration.Faults)?.descriptions.map { $0.prefix { $0 != " " } } == names.map { $0[...] }
        }
        #expect(throws: FunctionServerConfiguration.Faults.self) { try WebhookSettings { _ in nil } }
    }
}
