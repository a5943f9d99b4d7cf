import AsyncHTTPClient
import BookingStatusService
import OutboundHTTP
import PushAuthentication

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@main
enum BookingStatusFunction {
    /// Lives as long as the process.
    private static let client = HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: HTTPTransport.configuration)

    static func main() async {
        let status = await BookingStatusMain.run { origin in
            HTTPTransport(client, origin: origin)
        } verifier: { tokens in
            PushTokenCheck(tokens, client: client)
        }
        exit(status)
    }
}
