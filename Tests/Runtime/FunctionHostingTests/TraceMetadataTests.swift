import FunctionRuntime
import Logging
import Testing

@testable import FunctionHosting

@Suite("Trace metadata")
struct TraceMetadataTests {
    @Test("a log line has the trace's full name if the project is known")
    func metadata() {
        let id = "0af7651916cd43dd8448eb211c80319c"
        let trace = TraceContext(traceID: id, spanID: "b7ad6b7169203331", isSampled: true)
        #expect(
            trace.metadata(project: "p") == [
                "logging.googleapis.com/trace": "projects/p/traces/\(id)", "logging.googleapis.com/spanId": "b7ad6b7169203331",
                "logging.googleapis.com/trace_sampled": "true",
            ]
        )
        #expect(trace.metadata(project: nil)["logging.googleapis.com/trace"] == "\(id)")
        #expect(TraceContext(traceID: id, isSampled: false).metadata(project: "p")["logging.googleapis.com/spanId"] == nil)
    }
}
