import ArgumentParser

/// Says where `setup` went. Kept for two releases.
struct SetupCommand: MovedCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup",
        abstract: "Moved: swift run booking-status-function setup",
        shouldDisplay: false
    )
    static let needs = "ZENDESK_URL, the credentials and BOOKING_STATUS_TAGS"

    @Argument(parsing: .captureForPassthrough)
    var arguments: [String] = []
}

/// Says where `check` went. Kept for two releases.
struct CheckCommand: MovedCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Moved: swift run booking-status-function check",
        shouldDisplay: false
    )
    static let needs = "the function's settings (function/REFERENCE.md)"

    @Argument(parsing: .captureForPassthrough)
    var arguments: [String] = []
}

/// A command that has moved to the function's own executable.
protocol MovedCommand: ParsableCommand {
    /// What the command reads from the environment there.
    static var needs: String { get }
}

extension MovedCommand {
    func run() throws {
        let name = Self.configuration.commandName ?? ""
        throw ValidationError(
            "\(name) is now a command of the function itself: export \(Self.needs), and run booking-status-function \(name) "
                + "(swift run booking-status-function \(name))"
        )
    }
}
