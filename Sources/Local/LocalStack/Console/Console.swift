import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOFoundationEssentialsCompat
import ServiceLifecycle
import Synchronization
import ZendeskSimulator

/// Serves the console's page and the actions of its buttons. It shares its port with the simulated
/// Zendesk.
final class Console: Sendable {
    /// The path of the push tap in front of the function.
    static let tapPath = "/push"

    private let state = Mutex<(stack: LocalSystem, tap: PushTap)?>(nil)

    func open(_ stack: LocalSystem) {
        let tap = PushTap(function: LoopbackHTTP(stack.functionURL), journal: stack.journal)
        state.withLock { $0 = (stack, tap) }
    }

    /// - Returns: nil if the request is not for the console.
    func respond(to request: Request) async throws -> Response? {
        let path = request.uri.path
        let isForTap = path.hasPrefix("\(Self.tapPath)/")
        guard isForTap || path == "/" || path == "/favicon.ico" || path.hasPrefix("/console/") else { return nil }
        guard let (stack, tap) = state.withLock({ $0 }) else { return Response(status: .serviceUnavailable) }
        guard comesFromHere(request) else {
            return refusal(.forbidden, "this is for the console's own page, and for pushes from this machine")
        }
        if isForTap { return try await tap.forward(request, path: String(path.dropFirst(Self.tapPath.count))) }
        var response = try await answer(request, path, stack)
        // The page runs no foreign scripts, and no other page can frame it.
        response.headers[HTTPField.Name("content-security-policy")!] = "default-src 'self'; frame-ancestors 'none'"
        response.headers[HTTPField.Name("x-content-type-options")!] = "nosniff"
        response.headers[.cacheControl] = "no-store"
        return response
    }

    private func answer(_ request: Request, _ path: String, _ stack: LocalSystem) async throws -> Response {
        do {
            switch (request.method, path) {
            case (.get, "/"): return try file("index.html", "text/html; charset=utf-8")
            case (.get, "/favicon.ico"): return try file("favicon.svg", "image/svg+xml")
            case (.get, "/console/console.css"): return try file("console.css", "text/css; charset=utf-8")
            case (.get, "/console/console.js"): return try file("console.js", "text/javascript; charset=utf-8")
            case (.get, "/console/state"): return json(try await ConsoleState.json(of: stack, booking: booking(request)))
            case (.get, "/console/changes"): return changes(stack, booking(request))
            case (.get, "/console/message"): return message(request, stack)
            case (.post, _) where request.headers[.contentType]?.hasPrefix("application/json") != true:
                return refusal(.unsupportedMediaType, "the console takes JSON")
            case (.post, "/console/bookings"): return try await changeBooking(request, stack)
            case (.post, "/console/tickets"): return try await changeTicket(request, stack)
            case (.post, "/console/faults"): return try await changeFaults(request, stack)
            case (.post, "/console/checkout-hour"):
                try await CheckoutHour.turn(stack)
                return json([:])
            case (.post, "/console/replay"): return try await replay(request, stack)
            default: return refusal(.notFound, "the console has no such path")
            }
        } catch let error as DecodingError {
            return refusal(.badRequest, "the body is invalid: \(error)")
        }
    }

    /// Whether the request comes from this machine. Another site's page must not reach the console,
    /// whatever host name it uses.
    private func comesFromHere(_ request: Request) -> Bool {
        let authority = request.head.authority ?? ""
        let host = authority.split(separator: ":").first
        guard host == "127.0.0.1" || host == "localhost" else { return false }
        return request.headers[HTTPField.Name("origin")!].map { $0 == "http://\(authority)" } ?? true
    }

    private func booking(_ request: Request) -> String? {
        request.uri.queryParameters["booking"].flatMap { $0.isEmpty ? nil : String($0) }
    }

    // MARK: Content

    private func file(_ name: String, _ type: String) throws -> Response {
        guard let url = Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Page") else {
            return refusal(.notFound, "\(name) is not among the package's resources")
        }
        var response = Response(status: .ok, body: .init(byteBuffer: ByteBuffer(data: try Data(contentsOf: url))))
        response.headers[.contentType] = type
        return response
    }

    private func json(_ value: JSON) -> Response {
        var response = Response(status: .ok, body: .init(byteBuffer: ByteBuffer(data: value.data)))
        response.headers[.contentType] = "application/json"
        return response
    }

    private func refusal(_ status: HTTPResponse.Status, _ message: String) -> Response {
        var response = json(["error": .string(message)])
        response.status = status
        return response
    }

    /// The state whenever it has changed, as server-sent events.
    ///
    /// Source: WHATWG HTML, "Server-sent events".
    private func changes(_ stack: LocalSystem, _ booking: String?) -> Response {
        var response = Response(
            status: .ok,
            body: .init { writer in
                var shown = Data()
                var lastWrite = ContinuousClock.now
                while !Task.isShuttingDownGracefully {
                    let state = try await ConsoleState.json(of: stack, booking: booking).data
                    if state != shown {
                        try await writer.write(ByteBuffer(data: Data("data: ".utf8) + state + Data("\n\n".utf8)))
                        (shown, lastWrite) = (state, .now)
                    } else if ContinuousClock.now - lastWrite > .seconds(5) {
                        // Only a write shows whether the client is still connected.
                        try await writer.write(ByteBuffer(string: ":\n\n"))
                        lastWrite = .now
                    }
                    try await Task.sleep(for: .milliseconds(100))
                }
                try await writer.finish(nil)
            }
        )
        response.headers[.contentType] = "text/event-stream"
        return response
    }

    private func message(_ request: Request, _ stack: LocalSystem) -> Response {
        guard let entry = request.uri.queryParameters["id"].flatMap({ stack.journal.entry(String($0)) }) else {
            return refusal(.notFound, "the message is not known, or forgotten")
        }
        let deliveries: [JSON] = entry.deliveries.map { delivery in
            [
                "attempt": .int(delivery.attempt), "head": .string(delivery.head),
                "body": .string(String(decoding: delivery.body, as: UTF8.self)),
                "status": delivery.answer?.status.map { .int($0) } ?? .null, "answer": JSON(delivery.answer?.body),
            ]
        }
        return json(["record": .string(String(decoding: entry.record, as: UTF8.self)), "deliveries": .array(deliveries)])
    }

    // MARK: Actions

    private func body<Body: Decodable>(_ request: Request, _ type: Body.Type = Body.self) async throws -> Body {
        try JSONDecoder().decode(type, from: Data(buffer: try await request.body.collect(upTo: 1 << 16)))
    }

    private func changeBooking(_ request: Request, _ stack: LocalSystem) async throws -> Response {
        struct Change: Decodable {
            /// Nil makes up an ID.
            let id: String?
            /// Nil deletes.
            let status: String?
        }
        let change = try await body(request, Change.self)
        let id = change.id ?? "B-\(String(UInt32.random(in: 0x100000...0xffffff), radix: 16))"
        guard !id.isEmpty, id.count <= 36 else { return refusal(.badRequest, "an ID has 1 to 36 characters") }
        guard try await stack.bookings.commit(id, change.status) != nil || change.status == nil else {
            return refusal(.internalServerError, "the commit gave no time")
        }
        return json(["id": .string(id)])
    }

    private func changeTicket(_ request: Request, _ stack: LocalSystem) async throws -> Response {
        struct Change: Decodable {
            /// Nil opens a new ticket.
            let id: Int?
            let subject: String?
            let booking: String?
            /// The status that an agent sets on an existing ticket. Nil empties the field.
            let status: String?
        }
        let change = try await body(request, Change.self)
        let tag = change.status.flatMap { status in LocalAccount.statuses.first { $0.status == status }?.tag }
        let id = stack.zendesk.withAccount { account, now in
            if let id = change.id {
                account.edit(id, now: now) { $0[LocalAccount.bookingStatusField] = JSON(tag) }
                return id
            }
            let id = (account.tickets.keys.max() ?? 0) + 1
            let fields = change.booking.map { [LocalAccount.bookingIDField: JSON.string($0)] } ?? [:]
            account.open(SimulatedTicket(id: id, subject: change.subject ?? "", createdAt: now, customFields: fields), now: now)
            return id
        }
        return json(["id": .int(id)])
    }

    private func changeFaults(_ request: Request, _ stack: LocalSystem) async throws -> Response {
        struct Change: Decodable {
            let duplicates: Bool?
            let reordering: Bool?
            let searchLag: Bool?
            let tooManyRequests: Bool?
            let conflicts: Bool?
            let outage: Bool?
            let slow: Bool?
        }
        let change = try await body(request, Change.self)
        if let isOn = change.duplicates { stack.pipeline.faults.duplicates = isOn }
        if let isOn = change.reordering { stack.pipeline.faults.reordering = isOn }
        if let isOn = change.slow { stack.zendesk.delay = isOn ? ConsoleState.slowness : .zero }
        stack.zendesk.withAccount { account, _ in
            if let isOn = change.searchLag { account.searchLag = isOn ? ConsoleState.searchLag : 0...0 }
            if let isOn = change.tooManyRequests { account.faults.tooManyRequests = isOn ? ConsoleState.chance : 0 }
            if let isOn = change.conflicts { account.faults.conflicts = isOn ? ConsoleState.chance : 0 }
            if let isOn = change.outage { account.faults.outage = isOn ? 1 : 0 }
        }
        return json([:])
    }

    private func replay(_ request: Request, _ stack: LocalSystem) async throws -> Response {
        struct Choice: Decodable {
            /// Nil replays all.
            let id: String?
        }
        let choice = try await body(request, Choice.self)
        let letters = try await stack.broker.deadLetters().filter { choice.id == nil || $0.messageID == choice.id }
        stack.journal.replayed(Set(letters.map(\.data)))
        try await stack.broker.replay(letters)
        return json(["replayed": .int(letters.count)])
    }
}
