import Foundation
import Testing

@testable import Support

@Suite("JSON text")
struct JSONReaderTests {
    private static let texts = [
        "null", "true", "false", "0", "-0", "12", "-1.5e+10", "1E9", "\"\"", "\"a\"", "\"\\u00e9\\n\\/\"", "\"é😀\"", "[]", "[1,[],{}]",
        "{}",
        " {\"a\" : [1 , 2],\t\"b\":{\"c\":null}}\r\n", "\"\\ud83d\\ude00\"", "[\"a\",\"b\"]",
    ]

    @Test("valid JSON is read, and its bytes are found", arguments: texts)
    func valid(text: String) throws {
        let element = try #require(JSONElement(Data(" \(text) ".utf8)))
        #expect(element.bytes == Data(text.trimmingCharacters(in: .whitespacesAndNewlines).utf8))
    }

    @Test(
        "invalid JSON is refused",
        arguments: [
            "", " ", "nul", "truE", "01", "-", "1.", ".5", "1e", "+1", "\"", "\"\\x\"", "\"\\u12\"", "\"\u{1}\"", "\"a\nb\"", "[", "[1",
            "[1,]", "[,1]", "{",
            "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "1 2", "[]]", "{}{}", "\u{feff}\u{feff}{}", "'a'", "[1 2]", "NaN",
            "Infinity",
            "// x\n1",
        ]
    )
    func invalid(text: String) {
        #expect(JSONElement(Data(text.utf8)) == nil)
    }

    @Test("a special character is found at any position in a run of sixteen", arguments: 0..<40)
    func runs(position: Int) throws {
        let before = String(repeating: "x", count: position), after = String(repeating: "é", count: 9)
        for (escape, character) in [("\\\"", "\""), ("\\\\", "\\"), ("\\t", "\t"), ("\\u0041", "A")] {
            let element = try #require(JSONElement(Data("\"\(before)\(escape)\(after)\"".utf8)))
            #expect(element.string == before + character + after)
        }
        #expect(try #require(JSONElement(Data("\"\(before)\"".utf8))).string == before)
        #expect(JSONElement(Data("\"\(before)\u{1f}\(after)\"".utf8)) == nil)
        #expect(JSONElement(Data("\"\(before)".utf8)) == nil)
    }

    @Test("escapes are read as Foundation reads them")
    func escapes() throws {
        var random = SystemRandomNumberGenerator()
        let parts = [
            "a", "é", "😀", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0041", "\\u00e9", "\\u20AC", "\\ud83d\\ude00",
            "\\ud83d", "\\ude00",
            "\\u0000",
        ]
        for _ in 0..<2000 {
            let text = Data(
                "\"\((0..<Int.random(in: 1...4, using: &random)).map { _ in parts.randomElement(using: &random)! }.joined())\"".utf8
            )
            let theirs = try? JSONDecoder().decode(String.self, from: text)
            #expect(JSONElement(text)?.string == theirs, "\(String(decoding: text, as: UTF8.self))")
        }
    }

    @Test("an array's elements are read in order, each with its path")
    func elements() throws {
        let element = try #require(JSONElement(Data(#" {"a": [ 1 ,{"b":[2]}, [[]],"x" ] } "#.utf8)))
        var found: [String] = []
        let array = try #require(try element.object()["a"])
        try array.forEachElement { found.append("\($0.path) \(String(decoding: $0.bytes, as: UTF8.self))") }
        #expect(found == ["0 1", #"1 {"b":[2]}"#, "2 [[]]", #"3 "x""#])
        #expect(throws: JSONFault("a.1.b has the wrong type")) {
            try array.forEachElement { (element) throws(JSONFault) in _ = try (try? element.object())?["b"]?.integer() }
        }
        #expect(throws: JSONFault("the body is not a JSON object")) { try element.forEachElement { _ in } }
        try #require(JSONElement(Data("[]".utf8))).forEachElement { _ in Issue.record("there is none") }
    }

    @Test("an object with more than 10,000 members is refused", arguments: [(10_000, true), (10_001, false)])
    func tooMany(count: Int, isKept: Bool) throws {
        let text = "{" + (0..<count).map { "\"\($0)\":0" }.joined(separator: ",") + "}"
        let element = try #require(JSONElement(Data(text.utf8)))
        #expect(((try? element.object()) != nil) == isKept)
    }

    @Test("the limit on members applies to the whole text")
    func tooManyInAll() throws {
        let members = (0..<6000).map { "\"\($0)\":0" }.joined(separator: ",")
        let object = try #require(JSONElement(Data(#"{"a":{\#(members)},"b":{\#(members)},"c":{}}"#.utf8))).object()
        #expect((try? object["a"]?.object()) != nil)
        #expect(throws: JSONFault("b has too many members: more than 10000")) { try object["b"]?.object() }
    }

    @Test("text that is not UTF-8 has no string")
    func utf8() throws {
        #expect(try #require(JSONElement(Data([0x22, 0xff, 0x22]))).string == nil)
        #expect(try #require(JSONElement(Data("\"\\ud800\"".utf8))).string == nil)
    }

    @Test("text is read to a depth of 512 levels and no deeper")
    func depth() {
        func nested(_ levels: Int) -> Data { Data((String(repeating: "[", count: levels) + String(repeating: "]", count: levels)).utf8) }
        #expect(JSONElement(nested(512)) != nil)
        #expect(JSONElement(nested(513)) == nil)
    }

    @Test("the last of several members with one name counts, and escapes do not hide a name")
    func members() throws {
        let element = try #require(JSONElement(Data(#"{"a":1,"b":null,"\u0061":2,"c":3}"#.utf8)))
        let object = try element.object()
        #expect(try object["a"]?.integer() == 2)
        #expect(object["b"] == nil)
        #expect(object.element("b") != nil)
        #expect(try object["b", "c"]?.integer() == 3)
    }

    @Test("the reader agrees with Foundation on damaged text")
    func agrees() throws {
        var random = SystemRandomNumberGenerator()
        let base = Data(
            #"{"message":{"data":"aGk=","attributes":{"a":"b\u00e9\"x"},"messageId":"7"},"deliveryAttempt":3,"x":[1.5e3,true,null,"y"]}"#
                .utf8
        )
        for _ in 0..<3000 {
            var text = base
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                text[Int.random(in: 0..<text.count, using: &random)] = "{}[]\",:\\0e.-tn \u{1}x".utf8.randomElement(using: &random)!
            }
            let theirs = (try? JSONSerialization.jsonObject(with: text, options: .fragmentsAllowed)) != nil
            #expect((JSONElement(text) != nil) == theirs, "\(String(decoding: text, as: UTF8.self))")
        }
    }

    @Test("names are compared by their bytes, whether or not they have escapes")
    func names() throws {
        // U+212A, the Kelvin sign, is canonically equivalent to K.
        let object = try #require(JSONElement(Data(#"{"K":1,"\u212a":2,"\u004b":3,"\u212A":4}"#.utf8))).object()
        #expect(try object["K"]?.integer() == 3)
        #expect(try object["\u{212a}"]?.integer() == 4)
    }
}
