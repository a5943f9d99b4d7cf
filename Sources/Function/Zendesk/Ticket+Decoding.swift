extension Ticket: Decodable {
    private enum Key: String, CodingKey {
        case id, status
        case updatedStamp = "updated_at"
        case customFields = "custom_fields"
    }

    struct CustomField: Decodable {
        let id: Int
        let value: FieldValue?
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        id = try container.decode(Int.self, forKey: .id)
        status = try container.decode(String.self, forKey: .status)
        updatedStamp = try container.decode(String.self, forKey: .updatedStamp)
        customFields = [:]
        for field in try container.decodeIfPresent([CustomField].self, forKey: .customFields) ?? [] {
            // An empty text field is null or "".
            if let value = field.value, value != .text("") { customFields[field.id] = value }
        }
    }
}

extension FieldValue: Decodable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let flag = try? container.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? container.decode(Int.self) {
            self = .number(String(number))
        } else if let number = try? container.decode(Double.self) {
            self = .number(String(number))
        } else {
            self = .list((try? container.decode([String].self)) ?? [])
        }
    }
}
