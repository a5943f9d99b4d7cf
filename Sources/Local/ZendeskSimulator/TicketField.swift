/// A ticket field of the account.
package struct TicketField: Equatable, Sendable {
    package var id: Int
    package var title: String
    /// The options of a drop-down, in their order; nil for a text field.
    package var options: [Option]?
    /// The tag of a new ticket's option.
    package var defaultTag: String?
    package var isActive = true
    package var isVisibleInPortal = false
    package var isEditableInPortal = false

    package struct Option: Equatable, Sendable {
        package var name: String
        package var tag: String

        package init(name: String, tag: String) {
            self.name = name
            self.tag = tag
        }
    }

    package init(id: Int, title: String, options: [Option]? = nil) {
        self.id = id
        self.title = title
        self.options = options
    }

    /// Whether the field accepts the value. Zendesk silently drops values that a drop-down does not
    /// have.
    func accepts(_ value: JSON) -> Bool {
        switch value {
        case .null, "": true
        case .string(let text): options.map { $0.contains { $0.tag == text } } ?? true
        default: false
        }
    }
}

extension TicketField {
    var json: JSON {
        var members: [JSON.Member] = [
            .init(name: "id", value: .int(id)),
            .init(name: "type", value: options == nil ? "text" : "tagger"),
            .init(name: "title", value: .string(title)),
            .init(name: "active", value: .bool(isActive)),
            .init(name: "required", value: false),
            .init(name: "visible_in_portal", value: .bool(isVisibleInPortal)),
            .init(name: "editable_in_portal", value: .bool(isEditableInPortal)),
            .init(name: "raw_title", value: .string(title)), .init(name: "tag", value: nil), .init(name: "removable", value: true),
        ]
        if let options {
            let values: [JSON] = options.enumerated().map { number, option in
                [
                    "id": .int(id * 100 + number), "name": .string(option.name), "raw_name": .string(option.name),
                    "value": .string(option.tag), "default": .bool(option.tag == defaultTag),
                ]
            }
            members.append(.init(name: "custom_field_options", value: .array(values)))
        }
        return .object(members)
    }
}
