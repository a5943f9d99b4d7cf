import FunctionRuntime
import Logging

extension TraceContext {
    /// The trace as metadata for ``CloudLogHandler``.
    ///
    /// - Parameter project: the Google Cloud project; without it a trace has no full name.
    ///
    /// Source: Cloud Logging's documentation, "Structured logging", "Special JSON fields".
    func metadata(project: String?) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            CloudLogHandler.traceKey: "\(project.map { "projects/\($0)/traces/" } ?? "")\(traceID)",
            CloudLogHandler.traceSampledKey: "\(isSampled)",
        ]
        if let spanID { metadata[CloudLogHandler.spanKey] = "\(spanID)" }
        return metadata
    }
}
