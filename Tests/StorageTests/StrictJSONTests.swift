// SPDX-License-Identifier: MIT
import Storage
import Testing

@Suite struct StrictJSONTests {
    private func parse(_ text: String) throws -> StrictJSON { try StrictJSON.parse(Array(text.utf8)) }

    @Test func valuesAreRead() throws {
        let json = try parse(
            #" {"a": [1, -2, 0, 2.5e3, 9223372036854775807], "b": {"c": null, "d": true}, "e": "\u00e4\ud83d\ude00\n\/", "f": []} "#
        )
        #expect(json["a"] == .array([.integer(1), .integer(-2), .integer(0), .number(2500), .integer(.max)]))
        #expect(json["b"]?["d"]?.bool == true && json["b"]?["c"] == .null && json["b"]?["x"] == nil)
        #expect(json["e"]?.string == "ä😀\n/" && json["f"]?.integers == [])
        #expect(try parse("18446744073709551615") == .number(0x1p64))
        #expect(try parse("[-0, 999999999999999999, -9223372036854775808]").integers == [0, 999_999_999_999_999_999, .min])
        #expect(try parse("[-0.5, 1E-2, 1.0]").items?.map(\.number) == [-0.5, 0.01, 1])
    }

    @Test(arguments: [
        "", " ", "{", "}", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "01", "+1", "-", "1.", ".5", "1e",
        "1e999", "nul", "truex",
        "\"a", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\u{1}\"", "[1]]", "{\"a\":1,\"a\":2}", "NaN", "'a'",
    ]) func whatIsNoJSONIsRefused(_ text: String) {
        #expect(throws: StrictJSON.ParseError.self) { try parse(text) }
    }

    @Test func bytesThatAreNotUTF8AreRefused() {
        #expect(throws: StrictJSON.ParseError.self) { try StrictJSON.parse([0x22, 0xff, 0x22]) }
        #expect(throws: StrictJSON.ParseError.self) { try StrictJSON.parse(Array("\"\\n".utf8) + [0xc3, 0x22]) }
    }

    @Test func faultsAreNamedWithTheirPlace() {
        for (text, words) in [
            ("[1 2]", "']' is missing at byte 3"), ("{\"a\":1,\"a\":2}", "the key 'a' comes twice at byte 10"),
            ("\"\\u12g4\"", "four hexadecimal digits are missing at byte 5"),
            ("[1]]", "text after the end of the value at byte 3"),
        ] {
            let error = #expect(throws: StrictJSON.ParseError.self) { try parse(text) }
            #expect(error?.description == words)
        }
    }

    @Test func keysAreComparedAsWanted() throws {
        // One letter in two forms, and a sign that is canonically that letter.
        let text = "{\"\u{e9}\": 0, \"e\u{301}\": 1, \"\u{212b}\": 2, \"\u{c5}\": 3}"
        #expect(throws: StrictJSON.ParseError.self) { try parse(text) }
        let json = try StrictJSON.parse(Array(text.utf8), keys: .bytes)
        #expect(json.members?.map(\.value.integer) == [0, 1, 2, 3])
        #expect(json["e\u{301}"] == .integer(1) && json["\u{c5}"] == .integer(3))
        #expect(throws: StrictJSON.ParseError.self) {
            try StrictJSON.parse(Array("{\"a\":1,\"b\":2,\"a\":1}".utf8), keys: .bytes)
        }
    }

    @Test(arguments: [StrictJSON.KeyEquality.text, .bytes], [1, 7, 8, 9, 31, 32, 1000, 5000])
    func oneOfManyKeysThatComesTwiceIsFound(keys: StrictJSON.KeyEquality, count: Int) throws {
        let members = (0..<count).map { "\"ü\($0)\": \($0)" }
        let read = try StrictJSON.parse(Array("{\(members.joined(separator: ","))}".utf8), keys: keys)
        #expect(read.members?.map(\.value.integer) == Array(0..<count))
        for again in [0, count / 2, count - 1] {
            let text = "{\((members + [members[again]]).joined(separator: ","))}"
            let error = #expect(throws: StrictJSON.ParseError.self) { try StrictJSON.parse(Array(text.utf8), keys: keys) }
            #expect(error?.reason == "the key 'ü\(again)' comes twice")
        }
    }

    @Test func nestingIsBounded() throws {
        func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        #expect(try parse(nested(32)).items?.count == 1)
        let error = #expect(throws: StrictJSON.ParseError.self) { try parse(nested(33)) }
        #expect(error?.description == "values nested deeper than 32 at byte 32")
    }

    @Test func quotedTextsComeBack() throws {
        for text in ["", "plain", "q\" b\\ n\n t\t nul\0 ä 😀"] { #expect(try parse(StrictJSON.quote(text)) == .string(text)) }
        #expect(StrictJSON.quote("\"\\\n\r\t\u{1f}/ä") == #""\"\\\n\r\t\u001f/ä""#)
    }
}
