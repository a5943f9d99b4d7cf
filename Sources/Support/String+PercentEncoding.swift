extension String {
    /// Percent-encodes all UTF-8 bytes but those to keep.
    package func percentEncoded(keeping isKept: (UInt8) -> Bool) -> String {
        var encoded = ""
        for byte in utf8 {
            if isKept(byte) {
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                encoded += byte < 16 ? "%0" : "%"
                encoded += String(byte, radix: 16, uppercase: true)
            }
        }
        return encoded
    }
}
