import ArgumentParser

/// Says where `setup` went. Kept for two releases.
struct SetupCommand: MovedCommand {
    static let configuration = CommandConfiguration(commandName: "setup", shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough)
    var arguments: [String] = []
}

/// Says where `check` went. Kept for two releases.
struct CheckCommand: MovedCommand {
    static let configuration = CommandConfiguration(commandName: "check", shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough)
    var arguments: [String] = []
}

/// A command that has moved to the function's own executable.
protocol MovedCommand: ParsableCommand {}

extension MovedCommand {
    func run() throws {
        let name = Self.configuration.commandName ?? ""
        throw ValidationError(
            "\(name) is a command of the function itself now: set ZENDESK_URL, its credentials and BOOKING_STATUS_TAGS, "
                + "and run booking-status-function \(name)"
        )
    }
}
