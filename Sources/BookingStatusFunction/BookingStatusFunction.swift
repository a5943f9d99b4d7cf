import BookingStatusService
import PushAuthentication

@main
enum BookingStatusFunction {
    static func main() async {
        await BookingStatusMain.run { tokens, client in
            PushTokenCheck(
                PushTokenSettings(audience: tokens.audience, serviceAccount: tokens.serviceAccount, keysURL: tokens.keysURL),
                client: client
            )
        }
    }
}
