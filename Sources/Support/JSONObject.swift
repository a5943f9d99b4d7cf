package import FoundationEssentials

/// An object's members by name. Of duplicates, the last one counts.
package struct JSONObject {
    private let holder: JSONElement
    /// The holder's path, with which each member's path begins.
    private let path: String
    private let members: [JSONValue.Member]

    init(holder: JSONElement, path: String, members: [JSONValue.Member]) {
        self.holder = holder
        self.path = path
        self.members = members
    }

    /// A member by name; nil if it is missing or null.
    package subscript(name: String) -> JSONElement? {
        guard let element = element(name), !element.isNull else { return nil }
        return element
    }

    /// The first of two spellings that is present.
    package subscript(name: String, other: String) -> JSONElement? { self[name] ?? self[other] }

    /// A member by name, even if it is null.
    package func element(_ name: String) -> JSONElement? {
        holder.last(members, named: name).map { holder.member($0, path, name) }
    }

    package var isEmpty: Bool { members.isEmpty }

    package func require(_ name: String) throws(JSONFault) -> JSONElement {
        guard let element = element(name) else {
            throw JSONFault("\(path.isEmpty ? "" : "\(path).")\(name) is missing")
        }
        return element
    }

    /// Calls the body with each member, in order.
    ///
    /// - Throws: ``JSONFault`` if a name is not UTF-8, and what the body throws.
    package func forEach(_ body: (String, JSONElement) throws(JSONFault) -> Void) throws(JSONFault) {
        for member in members {
            guard let name = holder.text(of: member.name) else { throw holder.wrongType }
            try body(name, holder.member(member.value, path, name))
        }
    }
}

extension JSONObject {
    /// The JSON text of an object. Each value is JSON text already.
    package static func text(_ members: [(name: String, value: Data)]) -> Data {
        var text = Data("{".utf8)
        for (index, member) in members.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            text += quoted(member.name)
            text.append(UInt8(ascii: ":"))
            text += member.value
        }
        text.append(UInt8(ascii: "}"))
        return text
    }

    private static func quoted(_ text: String) -> Data {
        do {
            return try JSONEncoder().encode(text)
        } catch {
            preconditionFailure("a string always encodes: \(error)")
        }
    }
}
