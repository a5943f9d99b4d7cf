import Testing

@testable import BookingStatusService

@Suite("Command-line arguments of the function")
struct CommandTests {
    @Test(
        "select the command",
        arguments: [
            ([], .serve), (["--help"], .help), (["check", "--help"], .help), (["-h"], .help), (["help"], .help),
            (["sweep", "--all"], .sweep(from: 0)),
            (["sweep", "--all", "--from", "1970-01-01T00:00:07Z"], .sweep(from: 7)), (["setup"], .setup(isMeant: false)),
            (["setup", "--yes"], .setup(isMeant: true)), (["check"], .check(tickets: [], isMeant: false)),
            (
                ["setup", "--webhook", "https://r.example.com/", "--secret-file", "f"],
                .setUpWebhook(.init(endpoint: "https://r.example.com/"), secretFile: "f", isMeant: false)
            ),
            (
                ["setup", "--yes", "--field-changes", "--secret-file", "f", "--webhook", "https://r.example.com/"],
                .setUpWebhook(.init(endpoint: "https://r.example.com/", fieldChanges: true), secretFile: "f", isMeant: true)
            ),
            (["check", "--webhook", "https://r.example.com/"], .check(tickets: [], webhook: "https://r.example.com/", isMeant: false)),
            (["check", "--ticket", "7"], .check(tickets: [7], isMeant: false)),
            (["check", "--yes", "--ticket", "7", "--ticket", "8"], .check(tickets: [7, 8], isMeant: true)),
        ] as [([String], Command)]
    )
    func selects(arguments: [String], command: Command) throws {
        #expect(try Command(arguments) == command)
    }

    @Test(
        "are refused if they are not known, or make no sense",
        arguments: [
            ["serve"], ["sweep"], ["check", "--yes"], ["check", "--ticket", "7", "--yes"],
            ["sweep", "--all", "--from"], ["sweep", "--all", "--from", "yesterday"],
            ["setup", "--no"], ["check", "7"], ["check", "--ticket"], ["check", "--ticket", "x"], ["check", "--ticket", "0"],
            ["check", "--ticket", "7", "--ticket", "7"], ["check", "--ticket", "7", "--ticket", "8", "--ticket", "9"],
            ["setup", "--webhook", "https://r.example.com/"], ["setup", "--secret-file", "f"], ["check", "--webhook"],
            ["setup", "--webhook", "http://r.example.com/", "--secret-file", "f"], ["check", "--webhook", "r"],
        ]
    )
    func refuses(arguments: [String]) {
        #expect(throws: Command.Unknown.self) { try Command(arguments) }
    }
}
