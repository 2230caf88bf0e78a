#include "data/json_text.h"

#include <catch2/catch.hpp>

using swallow::json_texts;
using swallow::JsonTexts;

namespace {

using Keys = std::vector<std::string>;

/// The only text of a line that must be good.
std::string text_of(std::string_view line, const std::string& key) {
  const JsonTexts result = json_texts(line, Keys{key});
  REQUIRE(result.problem.empty());
  return result.texts.at(0);
}

}  // namespace

TEST_CASE("the text is the string under the key of the outermost object", "[unit][data]") {
  REQUIRE(text_of(R"({"text": "abc"})", "text") == "abc");
  REQUIRE(text_of(R"({"id": 1, "meta": {"text": "no"}, "text": "yes", "a": [1, "x"]})", "text") ==
          "yes");
  REQUIRE(text_of(R"({"t": "\u65e5\u672c\n\ud83d\ude00"})", "t") == "日本\n😀");
  REQUIRE(text_of("{\"text\": \"日本語\"}\r", "text") == "日本語");
  REQUIRE(text_of("\xef\xbb\xbf{\"text\": \"after a byte order mark\"}", "text") ==
          "after a byte order mark");
  REQUIRE(text_of(R"({"text": "a\u0000b"})", "text") == std::string("a\0b", 3));
  REQUIRE(text_of(R"({"text": ""})", "text").empty());
}

TEST_CASE("one line gives the texts of several keys, in the order of the keys", "[unit][data]") {
  const std::string line = R"({"b": "second", "c": {"a": "no"}, "n": 1, "a": "first"})";
  REQUIRE(json_texts(line, Keys{"a", "b"}).texts == Keys{"first", "second"});
  REQUIRE(json_texts(line, Keys{"b", "a"}).texts == Keys{"second", "first"});
  REQUIRE(json_texts(line, Keys{"a", "d", "b"}).problem == "no key \"d\"");
  REQUIRE(json_texts(line, Keys{"a", "c"}).problem == "\"c\" is an object, expected a string");
  REQUIRE(json_texts(line, Keys{"n", "a"}).problem == "\"n\" is a number, expected a string");
  REQUIRE(json_texts(R"({"a": "x", "b": "y", "a": "z"})", Keys{"b", "a"}).problem ==
          "the key \"a\" is there twice");
}

TEST_CASE("a line that is not such an object is explained", "[unit][data]") {
  const auto problem = [](std::string_view line) { return json_texts(line, Keys{"text"}).problem; };
  REQUIRE(problem(R"({"body": "x"})") == "no key \"text\"");
  REQUIRE(problem(R"({"text": 3})") == "\"text\" is a number, expected a string");
  REQUIRE(problem(R"({"text": null})") == "\"text\" is null, expected a string");
  REQUIRE(problem(R"({"text": ["x"]})") == "\"text\" is an array, expected a string");
  REQUIRE(problem(R"({"text": {"text": "x"}})") == "\"text\" is an object, expected a string");
  REQUIRE(problem(R"(["text", "x"])") == "the line is an array, expected an object");
  REQUIRE(problem(R"("text")") == "the line is a string, expected an object");
  REQUIRE(problem("17") == "the line is a number, expected an object");
  REQUIRE(problem(R"({"text": "a", "text": "b"})") == "the key \"text\" is there twice");
  REQUIRE(problem(R"({"text": "a)").find("byte ") == 0);
  REQUIRE(problem(R"({"text": "a"} {"text": "b"})").find("byte ") == 0);
  REQUIRE(problem("{\"text\": \"a\xff\"}").find("UTF-8") != std::string::npos);
  REQUIRE(problem("{\"text\": \"\xc0\xaf\"}").find("UTF-8") != std::string::npos);      // overlong
  REQUIRE(problem("{\"text\": \"\xed\xa0\x80\"}").find("UTF-8") != std::string::npos);  // surrogate
  REQUIRE(problem(R"({"text": "\ud800"})").find("surrogate") != std::string::npos);
  REQUIRE(problem(R"({"text": "\udc00 \ud800"})").find("surrogate") != std::string::npos);
  REQUIRE(problem(std::string("{\"text\": \"a\0b\"}", 15)).find("control character") !=
          std::string::npos);
  REQUIRE(problem(std::string(10, '\0')).find("byte 1: ") == 0);
  REQUIRE(problem("\xef\xbb\xbf").find("byte ") == 0);  // nothing but a byte order mark
  REQUIRE(problem("{\"x\": " + std::string(65, '[')) == "nested deeper than 64");
  REQUIRE_FALSE(problem("{\"x\": " + std::string(100000, '[')).empty());
}

TEST_CASE("an explanation is short and safe to print", "[unit][data]") {
  const std::string problem =
      json_texts("{\"text\": \"" + std::string(100000, 'a') + "\x1b[31m\xff", Keys{"text"}).problem;
  REQUIRE(problem.size() < 250);
  for (const char c : problem) REQUIRE((c >= ' ' && c <= '~'));
}
