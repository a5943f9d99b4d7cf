import AsyncHTTPClient
import FoundationEssentials
import FunctionServer
import JWTKit
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import Synchronization

/// The issuer's keys: fetched when they are needed, kept for as long as the issuer says, one fetch at a time for all who wait.
///
/// Source: RFC 7517 for the format.
final class PushKeys: Sendable {
    private let url: String
    private let client: HTTPClient
    private let now: @Sendable () -> Duration
    private let state = Mutex(State())

    private struct State {
        var cache = KeyCache<JWTKeyCollection>()
        /// Those who wait for the fetch under way; nil if none is.
        var waiting: [CheckedContinuation<Void, Never>]?
    }

    init(url: String, client: HTTPClient, now: @escaping @Sendable () -> Duration) {
        self.url = url
        self.client = client
        self.now = now
    }

    /// The keys, among which is the one with this id.
    func keys(with id: String) async throws(CallerRejection) -> JWTKeyCollection {
        while true {
            switch state.withLock({ $0.cache.lookup(id, at: now()) }) {
            case .found(let keys): return keys
            case .unknownKey: throw .unauthenticated("the token is signed with a key that its issuer does not have")
            case .unavailable(let after):
                throw .unavailable(after: after, "the keys of PUSH_KEYS_URL cannot be had, so no token can be verified")
            case .fetch: await fetchOrWait()
            }
        }
    }

    private func fetchOrWait() async {
        let isFetching = state.withLock { state in
            if state.waiting != nil { return true }
            state.waiting = []
            return false
        }
        guard !isFetching else {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.waiting != nil else { return true }
                    state.waiting?.append(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
            return
        }
        let fetched = try? await fetch()
        let waiting = state.withLock { state in
            if let fetched {
                state.cache.fetched(fetched.keys, ids: fetched.ids, maximumAge: fetched.maximumAge, at: now())
            } else {
                state.cache.failed(at: now())
            }
            defer { state.waiting = nil }
            return state.waiting ?? []
        }
        for continuation in waiting { continuation.resume() }
    }

    private struct Unusable: Error {}

    private func fetch() async throws -> (keys: JWTKeyCollection, ids: Set<String>, maximumAge: Duration?) {
        let deadline = NIODeadline.now() + .seconds(5)
        let (status, maximumAge, body) = try await withThrowingTaskGroup { [client, url] group in
            group.addTask {
                let response = try await client.execute(HTTPClientRequest(url: url), deadline: deadline)
                let body = try await response.body.collect(upTo: 1 << 20)
                return (response.status.code, Self.maximumAge(response.headers["cache-control"].joined(separator: ",")), Data(buffer: body))
            }
            // The client's deadline covers the response's head only.
            group.addTask {
                try await Task.sleep(for: .seconds(5))
                throw Unusable()
            }
            defer { group.cancelAll() }
            return try await group.next()!
        }
        guard status == 200 else { throw Unusable() }
        let keys = JWTKeyCollection()
        var ids: Set<String> = []
        // One by one and for RS256 alone: a set added as a whole would let a token choose its algorithm.
        for key in try JSONDecoder().decode(KeySet.self, from: body).keys {
            guard key.kty == "RSA", key.use ?? "sig" == "sig", key.alg ?? "RS256" == "RS256", let id = key.kid, let n = key.n, let e = key.e
            else { continue }
            guard let rsa = try? Insecure.RSA.PublicKey(modulus: n, exponent: e) else { continue }
            await keys.add(rsa: rsa, digestAlgorithm: .sha256, kid: JWKIdentifier(string: id))
            ids.insert(id)
        }
        guard !ids.isEmpty else { throw Unusable() }
        return (keys, ids, maximumAge)
    }

    private struct KeySet: Decodable {
        struct Key: Decodable { let kty: String?, use: String?, alg: String?, kid: String?, n: String?, e: String? }
        let keys: [Key]
    }

    /// Source: RFC 9111, section 5.2.2.1.
    static func maximumAge(_ cacheControl: String) -> Duration? {
        for directive in cacheControl.split(separator: ",") {
            let parts = directive.filter { $0 != " " }.lowercased().split(separator: "=")
            if parts == ["no-store"] || parts == ["no-cache"] { return .zero }
            if parts.count == 2, parts[0] == "max-age", let seconds = Int(parts[1]), seconds >= 0 { return .seconds(min(seconds, 1 << 31)) }
        }
        return nil
    }
}
