import FoundationEssentials

/// Administration: ticket fields, views and the current user.
///
/// Source: Zendesk API reference, "Ticket fields", "Views", "Users", "Triggers", "Ticket forms" and
/// "OAuth tokens".
extension SimulatedZendesk {
    /// The user that every token acts as.
    package struct User: Equatable, Sendable {
        package var id = 900
        package var name = "Booking sync"
        package var role = "agent"
        package var isSuspended = false
        package var ticketRestriction: String?
        /// The scopes of the user's tokens.
        package var scopes = ["read", "write"]
        package var mayUpdateTickets = true
        package var mayAdminister = true

        package init() {}

        var json: JSON {
            [
                "id": .int(id), "name": .string(name), "role": .string(role), "suspended": .bool(isSuspended), "active": true,
                "ticket_restriction": JSON(ticketRestriction),
            ]
        }
    }

    /// A view, as it was created.
    package struct View: Equatable, Sendable {
        package var id: Int
        package var title: String
        package var definition: JSON

        var json: JSON {
            guard case .object(let members) = definition else { return .null }
            let own: [JSON.Member] = [
                .init(name: "id", value: .int(id)), .init(name: "active", value: true),
                .init(name: "conditions", value: ["all": definition["all"] ?? [], "any": []]),
            ]
            return .object(own + members.filter { !["id", "active", "all"].contains($0.name) })
        }
    }

    private struct FieldBody: Decodable {
        struct Field: Decodable {
            struct Option: Decodable { let name: String, value: String, `default`: Bool? }
            let type: String?
            let title: String?
            let visible_in_portal: Bool?
            let editable_in_portal: Bool?
            let custom_field_options: [Option]?
        }
        let ticket_field: Field
    }

    private struct ViewBody: Decodable { let view: JSON }

    mutating func administer(_ method: String, _ path: ArraySlice<String>, _ query: [String: String], _ body: Data) -> Response? {
        if let answer = administerWebhooks(method, path, body) { return answer }
        switch "\(method) \(path.joined(separator: "/"))" {
        case "GET users/me": return .init(200, ["user": user.json])
        case "GET oauth/tokens/current":
            return .init(200, ["token": ["id": 1, "user_id": .int(user.id), "scopes": .array(user.scopes.map { .string($0) })]])
        case "GET ticket_fields": return page("ticket_fields", fields.map(\.json), "/api/v2/ticket_fields.json", query)
        case "POST ticket_fields": return onlyAdministrators ?? createField(body)
        case let call where call.hasPrefix("PUT ticket_fields/"): return onlyAdministrators ?? changeField(path.last!, body)
        case "GET views": return page("views", views.map(\.json), "/api/v2/views.json", query)
        case let call where call.hasPrefix("GET views/") && path.count == 2:
            guard let view = views.first(where: { String($0.id) == path.last }) else { return notFound }
            return .init(200, ["view": view.json])
        case "POST views": return createView(body)
        case "GET triggers/active": return onlyAdministrators ?? page("triggers", triggers, "/api/v2/triggers/active.json", query)
        case "GET ticket_forms": return page("ticket_forms", ticketForms, "/api/v2/ticket_forms.json", query)
        default: return nil
        }
    }

    var onlyAdministrators: Response? {
        user.mayAdminister ? nil : forbidden
    }

    var forbidden: Response {
        .init(
            403,
            [
                "error": [
                    "title": "Forbidden",
                    "message": "You do not have access to this page. Please contact the account owner of this help desk for further help.",
                ]
            ]
        )
    }

    private mutating func createField(_ body: Data) -> Response {
        guard let field = try? JSONDecoder().decode(FieldBody.self, from: body).ticket_field, let title = field.title,
            let type = field.type, type == "text" || type == "tagger"
        else { return invalid("type or title") }
        let options = field.custom_field_options?.map { TicketField.Option(name: $0.name, tag: $0.value) }
        if let refusal = refusal(of: options ?? [], for: nil) { return refusal }
        var created = TicketField(id: (fields.map(\.id).max() ?? 1000) + 1, title: title, options: type == "tagger" ? options ?? [] : nil)
        // As in Zendesk, only agents see a new field by default.
        created.isVisibleInPortal = field.visible_in_portal ?? false
        created.isEditableInPortal = field.editable_in_portal ?? false
        created.defaultTag = field.custom_field_options?.first { $0.default == true }?.value
        fields.append(created)
        return Response(201, ["ticket_field": created.json])
    }

    /// Changes a field. The options sent replace all of its options.
    private mutating func changeField(_ id: String, _ body: Data) -> Response {
        guard let index = fields.firstIndex(where: { String($0.id) == id }) else { return notFound }
        guard let change = try? JSONDecoder().decode(FieldBody.self, from: body).ticket_field else { return invalid("ticket_field") }
        if let options = change.custom_field_options {
            let new = options.map { TicketField.Option(name: $0.name, tag: $0.value) }
            if let refusal = refusal(of: new, for: fields[index].id) { return refusal }
            fields[index].options = new
        }
        return Response(200, ["ticket_field": fields[index].json])
    }

    /// Refuses duplicate tags. A tag belongs to one option only, across all fields.
    private func refusal(of options: [TicketField.Option], for field: Int?) -> Response? {
        let taken = Set(fields.filter { $0.id != field }.flatMap { $0.options ?? [] }.map(\.tag))
        guard Set(options.map(\.tag)).count == options.count, options.allSatisfy({ !taken.contains($0.tag) }) else {
            return Response(
                422,
                [
                    "error": "RecordInvalid", "description": "Record validation errors",
                    "details": ["custom_field_options": [["description": "Custom field options: has already been taken"]]],
                ]
            )
        }
        return nil
    }

    private mutating func createView(_ body: Data) -> Response {
        guard let view = try? JSONDecoder().decode(ViewBody.self, from: body).view, let title = view["title"]?.string else {
            return invalid("view")
        }
        let id = (views.map(\.id).max() ?? 500) + 1
        views.append(View(id: id, title: title, definition: view))
        return Response(201, ["view": views[views.count - 1].json])
    }

    private func invalid(_ what: String) -> Response {
        Response(
            400,
            ["error": ["title": "Invalid attribute", "message": .string("You passed an invalid value for the \(what) attribute.")]]
        )
    }
}
