import FoundationEssentials

/// A strict JSON parser that records where each value is in the text. Its cost depends only on the
/// text's size, not on its content.
///
/// The content of an envelope is passed on byte for byte. Foundation's decoder takes ten times as
/// long for a push, and cubic time for nested arrays that are tried as one type after another.
///
/// Invalid UTF-8 is found only when a string's text is read.
///
/// Source: RFC 8259.
struct JSONParser {
    /// The maximum nesting depth; deeper text is refused. No envelope needs more.
    static let maximumDepth = 512
    /// The maximum depth at which members are kept. No envelope needs more. Deeper objects, and
    /// those in an array, are checked and skipped.
    static let maximumKeptDepth = 3
    /// The maximum number of members kept of a text. An object that would exceed it keeps none.
    /// Members take ten times as much memory as their shortest text.
    static let maximumMembers = 10_000

    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var depth = 0
    private var arrays = 0
    private var kept = 0

    /// Returns nil if the bytes are not JSON text.
    static func parse(_ text: Data) -> JSONValue? {
        text.withUnsafeBytes { buffer in
            var parser = JSONParser(bytes: buffer.bindMemory(to: UInt8.self))
            guard let value = parser.value() else { return nil }
            parser.skipSpace()
            return parser.position == parser.bytes.count ? value : nil
        }
    }

    /// Calls the body with each element of an array in a text that ``parse(_:)`` has read.
    static func forEachElement<Failure: Error>(
        of text: Data,
        in range: Range<Int>,
        _ body: (JSONValue) throws(Failure) -> Void
    ) throws(Failure) {
        var position = range.lowerBound + 1
        while let value = element(of: text, at: &position) { try body(value) }
    }

    /// Reads the array element at the position and advances to the next one. Returns nil at the
    /// array's end.
    private static func element(of text: Data, at position: inout Int) -> JSONValue? {
        text.withUnsafeBytes { buffer in
            var parser = JSONParser(bytes: buffer.bindMemory(to: UInt8.self))
            parser.position = position
            defer { position = parser.position }
            parser.skipSpace()
            guard parser.next != UInt8(ascii: "]"), let value = parser.value() else { return nil }
            parser.skipSpace()
            _ = parser.take(UInt8(ascii: ","))
            return value
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// The next byte, or 0 at the end. No JSON text has a NUL byte outside of its strings.
    private var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

    private mutating func skipSpace() {
        while next == 0x20 || next == 0x0a || next == 0x0d || next == 0x09 { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    private mutating func value() -> JSONValue? {
        skipSpace()
        let start = position
        let kind: JSONValue.Kind?
        switch next {
        case UInt8(ascii: "\""): kind = string()
        case UInt8(ascii: "{"): kind = nested { $0.object() }
        case UInt8(ascii: "["): kind = nested { $0.array() }
        case UInt8(ascii: "t"): kind = word("true", .bool(true))
        case UInt8(ascii: "f"): kind = word("false", .bool(false))
        case UInt8(ascii: "n"): kind = word("null", .null)
        default: kind = number()
        }
        return kind.map { JSONValue(kind: $0, range: start..<position) }
    }

    private mutating func nested(_ read: (inout JSONParser) -> JSONValue.Kind?) -> JSONValue.Kind? {
        guard depth < Self.maximumDepth else { return nil }
        depth += 1
        defer { depth -= 1 }
        position += 1
        return read(&self)
    }

    private mutating func object() -> JSONValue.Kind? {
        var members: [JSONValue.Member] = []
        var isKept = arrays == 0 && depth <= Self.maximumKeptDepth
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object(members) }
        repeat {
            skipSpace()
            let start = position
            guard next == UInt8(ascii: "\""), let kind = string() else { return nil }
            let name = JSONValue(kind: kind, range: start..<position)
            skipSpace()
            guard take(UInt8(ascii: ":")), let value = value() else { return nil }
            if isKept {
                kept += 1
                members.append(.init(name: name, value: value))
            }
            if isKept, kept > Self.maximumMembers {
                kept -= members.count
                isKept = false
                members = []
            }
            skipSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { return nil }
        return isKept ? .object(members) : .skippedObject
    }

    private mutating func array() -> JSONValue.Kind? {
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array }
        arrays += 1
        defer { arrays -= 1 }
        repeat {
            guard value() != nil else { return nil }
            skipSpace()
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "]")) ? .array : nil
    }

    private mutating func word(_ word: StaticString, _ kind: JSONValue.Kind) -> JSONValue.Kind? {
        let count = word.utf8CodeUnitCount
        guard bytes.count - position >= count else { return nil }
        for offset in 0..<count where bytes[position + offset] != word.utf8Start[offset] { return nil }
        position += count
        return kind
    }

    private mutating func number() -> JSONValue.Kind? {
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) {
            guard skipDigits() else { return nil }
        }
        if take(UInt8(ascii: ".")), !skipDigits() { return nil }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            guard skipDigits() else { return nil }
        }
        return .number
    }

    /// Returns whether there was at least one digit.
    private mutating func skipDigits() -> Bool {
        let start = position
        while (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) { position += 1 }
        return position > start
    }

    private mutating func string() -> JSONValue.Kind? {
        position += 1
        var hasEscapes = false
        while position < bytes.count {
            skipPlain()
            switch next {
            case UInt8(ascii: "\""):
                position += 1
                return .string(hasEscapes: hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                position += 1
                guard escape() else { return nil }
            default: return nil
            }
        }
        return nil
    }

    private mutating func escape() -> Bool {
        let byte = next
        position += 1
        switch byte {
        case UInt8(ascii: "u"):
            for _ in 0..<4 {
                guard isHexadecimal(next) else { return false }
                position += 1
            }
            return true
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"),
            UInt8(ascii: "t"):
            return true
        default: return false
        }
    }

    private func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): true
        default: false
        }
    }

    /// Skips everything but quotation marks, backslashes and control characters. Reads 16 bytes at
    /// a time: one by one, a usual event would cost 7 % more instructions.
    private mutating func skipPlain() {
        typealias Block = SIMD16<UInt8>
        let quote = Block(repeating: UInt8(ascii: "\"")), backslash = Block(repeating: UInt8(ascii: "\\")), space = Block(repeating: 0x20)
        let text = UnsafeRawBufferPointer(bytes)
        while position <= text.count &- 16 {
            let block = text.loadUnaligned(fromByteOffset: position, as: Block.self)
            // In the mask, all eight bits of a special byte are set.
            let special = unsafeBitCast((block .== quote) .| (block .== backslash) .| (block .< space), to: SIMD2<UInt64>.self)
            guard special[0] == 0 else {
                position &+= UInt64(littleEndian: special[0]).trailingZeroBitCount / 8
                return
            }
            guard special[1] == 0 else {
                position &+= 8 &+ UInt64(littleEndian: special[1]).trailingZeroBitCount / 8
                return
            }
            position &+= 16
        }
        while position < bytes.count, bytes[position] >= 0x20, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\")
        {
            position += 1
        }
    }
}
