import HTTPTypes
import CryptoExtras
import FoundationEssentials
import HummingbirdCore
import JWTKit
import NIOCore
import Synchronization
import TestSupport
import Support

@testable import PushAuthentication

/// Signs tokens as Google does, and serves the keys.
final class Issuer: Sendable {
    private let keys: [String: _RSA.Signing.PrivateKey]
    private let cacheControl: String?
    private let state = Mutex(State())

    private struct State {
        var fetches = 0
        /// The keys that the issuer owns up to; a further one is added with its first token.
        var published: Set = ["first"]
        var status = 200
        var body: String?
    }

    init(cacheControl: String? = nil) throws {
        keys = ["first": try .init(keySize: .bits2048), "second": try .init(keySize: .bits2048)]
        self.cacheControl = cacheControl
    }

    /// How often the keys were asked for.
    var fetches: Int { state.withLock(\.fetches) }

    /// - Parameter body: instead of the keys.
    func answer(status: Int, body: String?) {
        state.withLock {
            $0.status = status
            $0.body = body
        }
    }

    /// - Parameters:
    ///   - key: which of the issuer's keys signs.
    ///   - id: the key's id in the token's header, if it is not the key's.
    ///   - algorithm: what the header says; the signature is RS256's, or for HS256 one with the
    ///     public key as the secret.
    func token(_ claims: PushClaims, key: String = "first", as id: String? = nil, algorithm: String = "RS256") async throws -> String {
        _ = state.withLock { $0.published.insert(key) }
        let keyID = JWKIdentifier(string: id ?? key)
        let collection = JWTKeyCollection()
        let rsa = try Insecure.RSA.PrivateKey(backing: keys[key]!)
        switch algorithm {
        case "RS256": await collection.add(rsa: rsa, digestAlgorithm: .sha256, kid: keyID)
        case "RS512": await collection.add(rsa: rsa, digestAlgorithm: .sha512, kid: keyID)
        case "HS256":
            let secret = Data(rsa.publicKey.pemRepresentation.utf8)
            await collection.add(hmac: .init(key: .init(data: secret)), digestAlgorithm: .sha256, kid: keyID)
        case "none": await collection.addUnsecuredNone(kid: keyID)
        default: preconditionFailure("this issuer does not know \(algorithm)")
        }
        return try await collection.sign(claims, kid: keyID)
    }

    /// Serves the keys at the URL while the body runs.
    func serve(_ body: @escaping @Sendable (_ url: String) async throws -> Void) async throws {
        try await withStandIn { _ in
            self.response()
        } _: { url in
            try await body("\(url)/keys")
        }
    }

    private func response() -> Response {
        let (status, body, published) = state.withLock { state in
            state.fetches += 1
            return (state.status, state.body, state.published)
        }
        var headers: HTTPFields = [.contentType: "application/json"]
        headers[.cacheControl] = cacheControl
        headers[.location] = status == 302 ? "http://127.0.0.1:1/" : nil
        return Response(status: .init(code: status), headers: headers, body: .init(byteBuffer: ByteBuffer(string: body ?? json(published))))
    }

    private func json(_ published: Set<String>) -> String {
        let members = published.map { id in
            let numbers = try! Insecure.RSA.PrivateKey(backing: keys[id]!).publicKey.getKeyPrimitives()
            let (n, e) = (Self.base64URL(numbers.modulus), Self.base64URL(numbers.publicExponent))
            // Without `alg`, as a lazy issuer would write it: a token must not choose its algorithm
            // because of that.
            return #"{"kid":"\#(id)","kty":"RSA","use":"sig","n":"\#(n)","e":"\#(e)"}"#
        }
        return "{\"keys\":[{\"kid\":\"ec\",\"kty\":\"EC\",\"crv\":\"P-256\"},\(members.joined(separator: ","))]}"
    }

    private static func base64URL(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

/// A clock that a test moves. Who sleeps is patient: a machine with much else to do is no reason to
/// give up.
final class TestClock: Sendable {
    private let moment = Mutex(Duration.zero)
    var now: Duration { moment.withLock { $0 } }
    var source: TimeSource {
        TimeSource(
            now: { self.now },
            secondsSince1970: { 999_000 },
            sleep: { try await Task.sleep(for: $0 * 30) },
            random: { 0 }
        )
    }

    func advance(by duration: Duration) { moment.withLock { $0 += duration } }
}
