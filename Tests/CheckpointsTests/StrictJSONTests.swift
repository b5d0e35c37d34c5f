// SPDX-License-Identifier: MIT
import Checkpoints
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
    }

    @Test func quotedTextsComeBack() throws {
        for text in ["", "plain", "q\" b\\ n\n t\t nul\0 ä 😀"] { #expect(try parse(StrictJSON.quote(text)) == .string(text)) }
    }
}
