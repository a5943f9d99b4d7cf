import Foundation
import FunctionRuntime
import Logging

/// Takes events of Cloud Storage.
struct NewObjects: FunctionHandler {
    private struct Object: Decodable { let bucket: String, name: String }

    func handle(_ event: CloudEvent, context: FunctionContext) async throws {
        guard event.type == "google.cloud.storage.object.v1.finalized", let data = event.data else {
            throw FunctionFailure.unprocessable("not a new object")
        }
        let object = try JSONDecoder().decode(Object.self, from: data)
        context.logger.info("new object", metadata: ["bucket": "\(object.bucket)", "name": "\(object.name)"])
    }
}
