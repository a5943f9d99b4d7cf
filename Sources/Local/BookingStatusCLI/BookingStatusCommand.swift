import ArgumentParser

@main
struct BookingStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bookingstatus",
        abstract: "Local work with the booking status function.",
        subcommands: [
            DevCommand.self, DemoCommand.self, InvokeCommand.self, EventCommand.self, SimulatorCommand.self, SetupCommand.self,
            CheckCommand.self,
        ]
    )
}
