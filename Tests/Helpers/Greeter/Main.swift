import FunctionHosting

@main
enum Main {
    static func main() async throws {
        try await FunctionServer(Greeter()).runService()
    }
}
