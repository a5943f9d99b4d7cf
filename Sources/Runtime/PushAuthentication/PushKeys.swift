import FoundationEssentials
import FunctionRuntime
import JWTKit
import Support

/// Fetches the issuer's keys on demand and keeps them for as long as the issuer says. All waiting
/// callers share one fetch.
///
/// Source: RFC 7517 for the format.
final class PushKeys: Sendable {
    private let path: String
    private let http: any OutboundTransport
    private let time: TimeSource
    private let cache = SharedFetch(KeyCache<JWTKeyCollection>())

    private static let callTimeout = Duration.seconds(5)

    /// - Parameters:
    ///   - path: the path of the keys on the issuer's server.
    ///   - http: the transport to that server.
    init(path: String, _ http: any OutboundTransport, time: TimeSource) {
        self.path = path
        self.http = http
        self.time = time
    }

    /// The keys, including the one with this id.
    func keys(with id: String) async throws(CallerRejection) -> JWTKeyCollection {
        let late = CallerRejection.unavailable("the keys of PUSH_KEYS_URL did not arrive in time, so no token can be verified")
        return try await cache.value(before: Deadline(after: Self.callTimeout * 2, time), late: late) { cache throws(CallerRejection) in
            try keys(with: id, in: cache)
        } fetch: { () async throws(CallerRejection) in
            let fetched = try? await fetch()
            // A canceled fetch says nothing about the keys.
            if fetched == nil, Task.isCancelled { throw late }
            let cache = cache.withState { cache in
                if let fetched {
                    cache.fetched(fetched.keys, ids: fetched.ids, maximumAge: fetched.maximumAge, at: time.now())
                } else {
                    cache.failed(at: time.now())
                }
                return cache
            }
            guard let keys = try keys(with: id, in: cache) else { throw late }
            return keys
        }
    }

    /// The cached keys; nil if they have to be fetched first.
    private func keys(with id: String, in cache: KeyCache<JWTKeyCollection>) throws(CallerRejection) -> JWTKeyCollection? {
        switch cache.lookup(id, at: time.now()) {
        case .found(let keys): return keys
        case .fetch: return nil
        case .unknownKey: throw .unauthenticated("the token is signed with a key that its issuer does not have")
        case .unavailable(let after):
            throw .unavailable(after: after, "the keys of PUSH_KEYS_URL cannot be fetched, so no token can be verified")
        }
    }

    private struct Unusable: Error {}

    private func fetch() async throws -> (keys: JWTKeyCollection, ids: Set<String>, maximumAge: Duration?) {
        var request = OutboundRequest(.get, path)
        request.maximumAnswerBytes = 1 << 20
        let answer = try await http.send(request, timeout: Self.callTimeout)
        guard answer.status == 200 else { throw Unusable() }
        let keys = JWTKeyCollection()
        var ids: Set<String> = []
        // Adds each key on its own, for RS256 only. Adding the whole set would let a token choose
        // its algorithm.
        for key in try JSONDecoder().decode(KeySet.self, from: answer.body).keys {
            guard key.kty == "RSA", key.use ?? "sig" == "sig", key.alg ?? "RS256" == "RS256", let id = key.kid, let n = key.n, let e = key.e
            else { continue }
            guard let rsa = try? Insecure.RSA.PublicKey(modulus: n, exponent: e) else { continue }
            await keys.add(rsa: rsa, digestAlgorithm: .sha256, kid: JWKIdentifier(string: id))
            ids.insert(id)
        }
        guard !ids.isEmpty else { throw Unusable() }
        return (keys, ids, answer.headers["cache-control"].flatMap { Self.maximumAge($0) })
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
