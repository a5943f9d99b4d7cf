import FunctionRuntime
import Logging

struct Greeter: FunctionHandler {
    func handle(_ message: PubSubMessage, context: FunctionContext) async throws {
        guard let name = message.attributes["name"] else {
            throw FunctionFailure.unprocessable("the attribute name is missing")
        }
        context.logger.info("hello", metadata: ["name": "\(name)"])
    }
}
