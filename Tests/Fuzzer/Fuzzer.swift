import FunctionRuntime
import FoundationEssentials
import HTTPTypes
import SpannerChangeStreams

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Called by libFuzzer with one input after another; what it looks for are crashes and hangs.
///
/// Each input is read in every way in which bytes from outside are read: as a body in each wire
/// form, as a request with header fields of its own, and as a change record.
///
/// Source: LLVM's documentation, "libFuzzer", "Fuzz Target".
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = Data(bytes: start, count: count)
    let begin = processorTime()
    defer {
        // In milliseconds. A megabyte takes under 50 without what counts each branch here; what
        // grows faster than its size shows long before that.
        let cost = processorTime() - begin
        if cost > 50 + Double(count) / 1000 { fatalError("\(count) bytes took \(cost) ms") }
    }
    read(input, HTTPFields())
    read(input, [.contentType: "application/cloudevents+json"])
    let (fields, body) = fieldsAndBody(input)
    read(body, fields)
    _ = try? DataChangeRecord(json: input)
    _ = try? DataChangeRecord(json: input, columns: ["ID", "Status"])
    return 0
}

/// Of this process, in milliseconds.
private func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1_000_000
}

private func read(_ body: Data, _ fields: HTTPFields) {
    let head = HTTPRequest(method: .post, scheme: nil, authority: nil, path: fields[.path] ?? "/", headerFields: fields)
    guard let event = try? CloudEvent(head, body: body) else { return }
    // What an event is written as is the same event.
    let json = HTTPRequest(
        method: .post,
        scheme: nil,
        authority: nil,
        path: "/",
        headerFields: [.contentType: "application/cloudevents+json"]
    )
    guard let written = try? CloudEvent(json, body: event.json()) else { fatalError("an event's JSON cannot be read") }
    guard written.id == event.id, written.source == event.source, written.type == event.type, written.timeText == event.timeText else {
        fatalError("an event's JSON reads as something else")
    }
    guard let message = try? PubSubMessage(event) else { return }
    _ = try? DataChangeRecord(json: message.data)
    for form in PubSubMessage.DeliveryForm.allCases {
        // What was read can be written, and is the same when it is read again; but for what has no
        // place in a header.
        let (head, body) = message.request(as: form)
        if form == .unwrapped, !message.fitsHeaders {
            _ = try? CloudEvent(head, body: body)
            continue
        }
        guard let again = try? PubSubMessage(CloudEvent(head, body: body)) else { fatalError("what is written as \(form) cannot be read") }
        guard again.id == message.id, again.data == message.data, again.attributes == message.attributes else {
            fatalError("what is written as \(form) reads as something else")
        }
    }
}

extension PubSubMessage {
    /// Whether id and attributes can stand in header fields as they are; no field of up to three
    /// letters has a meaning of its own.
    fileprivate var fitsHeaders: Bool {
        let names = attributes.keys
        return ([id] + attributes.values).allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (0x21...0x7e).contains($0) } }
            && names.allSatisfy { $0.utf8.count <= 3 && $0.utf8.allSatisfy { (0x61...0x7a).contains($0) } }
    }
}

/// Lines `name: value` up to an empty one, then a body.
private func fieldsAndBody(_ input: Data) -> (HTTPFields, Data) {
    var fields = HTTPFields()
    var rest = input[...]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        let line = rest[..<end]
        rest = rest[(end + 1)...]
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { break }
        guard let name = HTTPField.Name(String(decoding: line[..<colon], as: UTF8.self)) else { continue }
        fields.append(HTTPField(name: name, value: String(decoding: line[(colon + 1)...], as: UTF8.self)))
    }
    return (fields, Data(rest))
}

extension HTTPField.Name {
    /// Names the request's path in an input.
    fileprivate static let path = HTTPField.Name("path")!
}
