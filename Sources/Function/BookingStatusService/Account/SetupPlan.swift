import BookingStatusSync

/// The steps that prepare an account for the function: a pure function of its current state.
struct SetupPlan: Equatable, Sendable {
    private(set) var steps: [Step] = []
    /// Problems that a person must fix first. If there are any, nothing is changed.
    private(set) var obstacles: [String] = []

    enum Step: Equatable, Sendable {
        case found(String, id: Int)
        case createDropDown
        case createTextField(title: String)
        /// All options of the field, the existing ones first. Zendesk removes options that are left
        /// out.
        case addOptions(field: Int, all: [Option], added: [String])
        case createView
    }

    struct Option: Equatable, Sendable {
        /// Nil for a new option.
        var id: Int?
        var name: String
        var tag: String
    }

    var changes: [Step] {
        steps.filter { if case .found = $0 { false } else { true } }
    }

    init(_ wanted: WantedAccount, fields: [TicketFieldDefinition], views: [ViewDefinition]) {
        planDropDown(wanted, fields)
        for title in [WantedAccount.bookingIDTitle, WantedAccount.versionTitle] {
            guard let field = find(title, "text", fields) else { continue }
            steps.append(field.map { .found(title, id: $0.id) } ?? .createTextField(title: title))
        }
        if let view = views.first(where: { $0.title == WantedAccount.viewTitle }) {
            steps.append(.found("view \(WantedAccount.viewTitle)", id: view.id))
        } else {
            steps.append(.createView)
        }
    }

    private mutating func planDropDown(_ wanted: WantedAccount, _ fields: [TicketFieldDefinition]) {
        let elsewhere = fields.filter { $0.title != WantedAccount.statusTitle }
        for tag in wanted.statuses.map(\.tag) {
            guard let other = elsewhere.first(where: { $0.custom_field_options?.contains { $0.value == tag } == true }) else { continue }
            obstacles.append(
                "the tag \(tag) belongs to an option of \"\(other.title)\" (\(other.id)): a tag can have only one option: use another"
            )
        }
        guard let found = find(WantedAccount.statusTitle, "tagger", fields) else { return }
        guard let field = found else { return steps.append(.createDropDown) }
        let options = field.custom_field_options ?? []
        let added = wanted.statuses.filter { status in !options.contains { $0.value == status.tag } }
        if added.isEmpty {
            steps.append(.found(WantedAccount.statusTitle, id: field.id))
        } else {
            let all =
                options.map { Option(id: $0.id, name: $0.name, tag: $0.value) }
                + added.map { Option(id: nil, name: $0.status, tag: $0.tag) }
            steps.append(.addOptions(field: field.id, all: all, added: added.map(\.tag)))
        }
    }

    /// Finds a field by its title. Returns nil and adds an obstacle if the field cannot be used;
    /// returns `.some(nil)` if there is none.
    private mutating func find(_ title: String, _ type: String, _ fields: [TicketFieldDefinition]) -> TicketFieldDefinition?? {
        let found = fields.filter { $0.title == title }
        guard found.count <= 1 else {
            obstacles.append("there are \(found.count) ticket fields with the title \"\(title)\": rename all but the one to use")
            return .none
        }
        guard let field = found.first else { return .some(nil) }
        guard field.type == type else {
            obstacles.append("the ticket field \"\(title)\" (\(field.id)) is of the type \(field.type), not \(type): rename it")
            return .none
        }
        guard field.active else {
            obstacles.append("the ticket field \"\(title)\" (\(field.id)) is deactivated: activate it in the Admin Center, or rename it")
            return .none
        }
        return .some(field)
    }
}

extension SetupPlan.Step: CustomStringConvertible {
    var description: String {
        switch self {
        case .found(let what, let id): "found \(what) (\(id))"
        case .createDropDown: "create the drop-down field \"\(WantedAccount.statusTitle)\" with one option for each status, and no default"
        case .createTextField(let title): "create the text field \"\(title)\""
        case .addOptions(let field, _, let added): "add to the drop-down field \(field) the options \(added.joined(separator: ", "))"
        case .createView: "create the shared view \"\(WantedAccount.viewTitle)\": unsolved tickets with a status, sorted by it"
        }
    }
}
