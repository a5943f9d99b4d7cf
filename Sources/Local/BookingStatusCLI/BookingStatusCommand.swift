import ArgumentParser

@main
struct BookingStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bookingstatus",
        abstract: "Run and test the booking status function locally.",
        subcommands: [
            DevCommand.self, DemoCommand.self, InvokeCommand.self, EventCommand.self, SimulatorCommand.self, SetupCommand.self,
            CheckCommand.self,
        ]
    )
}
