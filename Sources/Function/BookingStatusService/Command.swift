import Support

/// The command that the arguments select.
enum Command: Equatable {
    case serve
    case sweep(from: Int64)
    case setup(isMeant: Bool)
    case setUpWebhook(WantedWebhook, secretFile: String, isMeant: Bool)
    case check(tickets: [Int], webhook: String? = nil, isMeant: Bool)
    case help

    /// Names what is wrong with the arguments.
    struct Unknown: Error, Equatable {
        let reason: String

        init(_ reason: String) { self.reason = reason }
    }

    static let helpText = """
        usage: booking-status-function                            serve events
               booking-status-function sweep --all [--from TIME]  update every unsolved ticket [created since TIME]
               booking-status-function setup [--yes]              find or create the ticket fields and the view
               booking-status-function setup --webhook URL --secret-file FILE [--field-changes] [--yes]
                                                                  find or create the webhook for new tickets
               booking-status-function check [--webhook URL] [--ticket ID [--ticket ID [--yes]]]
                                                                  check the Zendesk account

        Settings are environment variables: see function/REFERENCE.md.

        setup needs ZENDESK_URL, the credentials of an administrator (ZENDESK_CLIENT_ID and
        ZENDESK_CLIENT_SECRET, or ZENDESK_ACCESS_TOKEN) and BOOKING_STATUS_TAGS. It prints the
        planned steps; --yes applies them. A second run changes nothing.

        setup --webhook takes the URL of the deployed booking-status-webhook, subscribes it to new
        tickets, and writes the signing secret into FILE. With --field-changes it also subscribes to
        changes of custom fields. After the secret was changed, a first run writes the new secret and the
        former one, a second run the new one alone.

        check reads the function's own settings, changes nothing, and says what to do about each
        finding. It exits with 1 if something would keep the function from working. With --ticket it
        tries an update with an outdated stamp, which Zendesk must refuse. With two tickets of two
        bookings it also tests whether changes can share calls: it writes their booking version and
        restores it. It prints the steps first; --yes applies them.
        """

    /// - Parameter arguments: without the program's name.
    init(_ arguments: some Collection<String>) throws(Unknown) {
        let options = Array(arguments.dropFirst())
        switch arguments.first {
        case nil: self = .serve
        case "help": self = .help
        case _ where arguments.contains("--help") || arguments.contains("-h"): self = .help
        case "sweep" where options == ["--all"]: self = .sweep(from: 0)
        case "sweep" where options.count == 3 && options[0] == "--all" && options[1] == "--from":
            guard let time = RFC3339(options[2]) else { throw Unknown("--from takes a time like 2026-11-24T03:00:00Z") }
            self = .sweep(from: time.seconds)
        case "sweep": throw Unknown("sweep takes --all and an optional --from TIME")
        case "setup" where options.isEmpty || options == ["--yes"]: self = .setup(isMeant: !options.isEmpty)
        case "setup": self = try Self.webhook(options)
        case "check": self = try Self.check(options)
        case let command?: throw Unknown("unknown command \(command)")
        }
    }

    private static func webhook(_ options: [String]) throws(Unknown) -> Command {
        var wanted = WantedWebhook(endpoint: "")
        var file: String?
        var isMeant = false
        var rest = options[...]
        while let option = rest.popFirst() {
            switch option {
            case "--yes": isMeant = true
            case "--field-changes": wanted.fieldChanges = true
            case "--webhook": wanted.endpoint = try url(rest.popFirst())
            case "--secret-file": file = rest.popFirst()
            default: throw Unknown("setup takes --yes, --webhook URL, --secret-file FILE and --field-changes, not \(option)")
            }
        }
        guard !wanted.endpoint.isEmpty, let file else { throw Unknown("--webhook URL and --secret-file FILE belong together") }
        return .setUpWebhook(wanted, secretFile: file, isMeant: isMeant)
    }

    private static func url(_ text: String?) throws(Unknown) -> String {
        guard let text, EnvironmentValues.isSafe(text) else { throw Unknown("--webhook takes an https URL") }
        return text
    }

    private static func check(_ options: [String]) throws(Unknown) -> Command {
        var tickets: [Int] = []
        var webhook: String?
        var isMeant = false
        var rest = options[...]
        while let option = rest.popFirst() {
            switch option {
            case "--yes": isMeant = true
            case "--ticket":
                guard let ticket = rest.popFirst().flatMap({ Int($0) }), ticket > 0, !tickets.contains(ticket) else {
                    throw Unknown("--ticket takes a ticket's number, and the two must differ")
                }
                tickets.append(ticket)
            case "--webhook": webhook = try url(rest.popFirst())
            default: throw Unknown("check takes --ticket NUMBER, --webhook URL and --yes, not \(option)")
            }
        }
        guard tickets.count <= 2 else { throw Unknown("--ticket can be given at most twice") }
        guard !isMeant || tickets.count == 2 else { throw Unknown("--yes needs two tickets") }
        return .check(tickets: tickets, webhook: webhook, isMeant: isMeant)
    }
}
