import BookingStatusService

@main
enum BookingStatusFunction {
    static func main() async { await BookingStatusMain.run() }
}
