public import ArgumentParser
public import FunctionRuntime
import Foundation
import HTTPTypes
import LocalStack
import Support

struct InvokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invoke",
        abstract: "Send a sample event to a running function, and print its answer.",
        discussion: """
            FILE contains a change record as JSON, or a whole push body; - reads standard input. Exits with 0 if the function \
            acknowledges the event, and with 1 otherwise. The form "unwrapped" is for a subscription with payload unwrapping \
            and metadata; "legacy" is the background event of a first generation function.

            Examples:
              bookingstatus invoke events/3-checked-in.google.json
              bookingstatus invoke --sweep
              bookingstatus invoke events/2-booked.mercari.json --as binary --to http://127.0.0.1:9000/
            """
    )

    @Argument(help: "The file with the event.")
    var file: String?

    @Flag(help: "Request a sweep instead, as the schedule does.")
    var sweep = false

    @Option(name: .customLong("to"), help: "The function's URL, on this machine.")
    var url = "http://127.0.0.1:8080/"

    @Option(name: .customLong("as"), help: "The wire form: push, binary, structured, unwrapped or legacy.")
    var form = PubSubMessage.DeliveryForm.push

    func validate() throws {
        guard sweep != (file != nil) else { throw ValidationError("give FILE or --sweep") }
        guard LoopbackHTTP.takes(url) else { throw ValidationError("--to must be the http URL of a loopback address") }
    }

    func run() async throws {
        let message = try message()
        let answer: (status: Int, body: String)
        do throws(OutboundError) {
            answer = try await EventSender(url: url).send(message, as: form, timeout: .seconds(120))
        } catch {
            FileHandle.standardError.write(Data("no answer from \(url): is the function running there? (\(error))\n".utf8))
            throw ExitCode.failure
        }
        print(answer.status)
        if !answer.body.isEmpty { print(answer.body) }
        guard (200..<300).contains(answer.status) else { throw ExitCode.failure }
    }

    /// Reads the file as a message's data, or as a whole push body.
    private func message() throws -> PubSubMessage {
        guard let file else {
            return PubSubMessage(id: "sweep-\(UUID().uuidString)", data: Data(), attributes: ["task": "sweep"], publishTime: Date())
        }
        let data: Data
        do {
            data = try file == "-" ? FileHandle.standardInput.readToEnd() ?? Data() : Data(contentsOf: URL(fileURLWithPath: file))
        } catch {
            throw ValidationError("\(file) cannot be read")
        }
        let event = try CloudEvent(HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/"), body: data)
        var message = try PubSubMessage(event)
        message.publishTime = message.publishTime ?? Date()
        return message
    }
}

extension PubSubMessage.DeliveryForm: ExpressibleByArgument {}
