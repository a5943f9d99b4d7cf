package import FoundationEssentials

/// An object's members by their names. Of several with one name the last counts.
package struct JSONObject {
    private let holder: JSONElement
    /// The holder's; each member's begins with it.
    private let path: String
    private let members: [JSONValue.Member]

    init(holder: JSONElement, path: String, members: [JSONValue.Member]) {
        self.holder = holder
        self.path = path
        self.members = members
    }

    /// One that is null is not there.
    package subscript(name: StaticString) -> JSONElement? {
        guard let element = element(name), !element.isNull else { return nil }
        return element
    }

    /// The first of two spellings that is there.
    package subscript(name: StaticString, other: StaticString) -> JSONElement? { self[name] ?? self[other] }

    /// Also one that is null.
    package func element(_ name: StaticString) -> JSONElement? {
        let bytes = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        return holder.last(members, named: bytes).map { holder.member($0, path, .known(name)) }
    }

    /// Also one that is null.
    package func element(named name: String) -> JSONElement? {
        var name = name
        return name.withUTF8 { holder.last(members, named: $0) }.map { holder.member($0, path, .found(name)) }
    }

    package var isEmpty: Bool { members.isEmpty }

    package func require(_ name: StaticString) throws(JSONFault) -> JSONElement {
        guard let element = element(name) else {
            throw JSONFault("\(path.isEmpty ? "" : "\(path).")\(name) is missing")
        }
        return element
    }

    /// All of them, in their order.
    ///
    /// - Throws: ``JSONFault`` where a name is no UTF-8.
    package func forEach(_ body: (String, JSONElement) throws(JSONFault) -> Void) throws(JSONFault) {
        for member in members {
            guard let name = holder.text(of: member.name) else { throw holder.wrongType }
            try body(name, holder.member(member.value, path, .found(name)))
        }
    }
}

extension JSONObject {
    /// An object's text, of its members' names and texts.
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
