import FoundationEssentials

/// Resolves the escapes in a string's text, which ``JSONParser`` has checked. Returns nil for an
/// unpaired surrogate.
///
/// Source: RFC 8259, section 7.
func unescaped(_ text: Data) -> Data? {
    // An escape is never shorter than its result.
    var result = Data(count: text.count)
    let count = text.withUnsafeBytes { text in
        result.withUnsafeMutableBytes { result in unescape(text, to: result) }
    }
    guard let count else { return nil }
    return result.prefix(count)
}

/// - Returns: the number of bytes written.
private func unescape(_ text: UnsafeRawBufferPointer, to result: UnsafeMutableRawBufferPointer) -> Int? {
    var position = 0, count = 0
    while position < text.count {
        var byte = text[position]
        position &+= 1
        if byte == UInt8(ascii: "\\") {
            byte = text[position]
            position &+= 1
            switch byte {
            case UInt8(ascii: "b"): byte = 0x08
            case UInt8(ascii: "f"): byte = 0x0c
            case UInt8(ascii: "n"): byte = 0x0a
            case UInt8(ascii: "r"): byte = 0x0d
            case UInt8(ascii: "t"): byte = 0x09
            case UInt8(ascii: "u"):
                var scalar = codeUnit(text, at: position)
                position += 4
                if 0xd800..<0xdc00 ~= scalar, position + 6 <= text.count, text[position] == UInt8(ascii: "\\"),
                    text[position + 1] == UInt8(ascii: "u"), case let low = codeUnit(text, at: position + 2), 0xdc00..<0xe000 ~= low
                {
                    scalar = 0x10000 + (scalar - 0xd800) << 10 + (low - 0xdc00)
                    position += 6
                }
                guard let bytes = Unicode.Scalar(scalar).flatMap({ UTF8.encode($0) }) else { return nil }
                for byte in bytes {
                    result[count] = byte
                    count &+= 1
                }
                continue
            default: break
            }
        }
        result[count] = byte
        count &+= 1
    }
    return count
}

/// The value of four hexadecimal digits.
private func codeUnit(_ text: UnsafeRawBufferPointer, at start: Int) -> UInt32 {
    text[start..<start + 4].reduce(0) { $0 << 4 | UInt32($1 <= UInt8(ascii: "9") ? $1 & 0xf : ($1 & 0xf) + 9) }
}
