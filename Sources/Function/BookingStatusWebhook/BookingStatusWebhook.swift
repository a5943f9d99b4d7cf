import AsyncHTTPClient
import Crypto
import FoundationEssentials
import OutboundHTTP
import TicketWebhook

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@main
enum BookingStatusWebhook {
    /// Lives as long as the process.
    private static let client = HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: HTTPTransport.configuration)

    static func main() async {
        let status = await WebhookMain.run { origin in
            HTTPTransport(client, origin: origin)
        } isAuthentic: { secrets in
            let keys = secrets.map { SymmetricKey(data: Data($0.utf8)) }
            return { signature, text in
                keys.contains { HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: text, using: $0) }
            }
        }
        exit(status)
    }
}
