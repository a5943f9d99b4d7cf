import FunctionRuntime
import HTTPTypes
import Testing

@Suite("Trace context")
struct TraceContextTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"

    @Test(
        "a trace is read from either header",
        arguments: [
            (["traceparent": "00-\(trace)-b7ad6b7169203331-01"], "b7ad6b7169203331", true),
            (["traceparent": "00-\(trace)-b7ad6b7169203331-00"], "b7ad6b7169203331", false),
            (["x-cloud-trace-context": "\(trace)/255;o=1"], "00000000000000ff", true),
            (["x-cloud-trace-context": "\(trace.uppercased())/18446744073709551615"], "ffffffffffffffff", false),
            (["x-cloud-trace-context": trace], nil, false),
            (["traceparent": "broken", "x-cloud-trace-context": "\(trace)/1;o=1"], "0000000000000001", true),
        ] as [([String: String], String?, Bool)]
    )
    func reads(headers: [String: String], span: String?, isSampled: Bool) throws {
        let context = try #require(TraceContext(fields(headers)))
        #expect(context.traceID == Self.trace)
        #expect(context.spanID == span)
        #expect(context.isSampled == isSampled)
    }

    @Test(
        "an invalid trace is ignored",
        arguments: [
            "", "00", "00-\(trace)-b7ad6b7169203331", "ff-\(trace)-b7ad6b7169203331-01",
            "00-\(String(repeating: "0", count: 32))-b7ad6b7169203331-01",
            "00-\(trace)-0000000000000000-01", "00-\(trace)x-b7ad6b7169203331-01", "00-\(trace)-b7ad6b7169203331-zz",
        ]
    )
    func refuses(traceparent: String) {
        #expect(TraceContext(fields(["traceparent": traceparent, "x-cloud-trace-context": "nonsense/1"])) == nil)
    }

    private func fields(_ headers: [String: String]) -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in headers { fields[HTTPField.Name(name)!] = value }
        return fields
    }
}
