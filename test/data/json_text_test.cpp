#include "data/json_text.h"

#include <catch2/catch.hpp>

using swallow::json_text;

TEST_CASE("the text is the string under the key of the outermost object", "[unit][data]") {
  REQUIRE(json_text(R"({"text": "abc"})", "text").text == "abc");
  REQUIRE(json_text(R"({"id": 1, "meta": {"text": "no"}, "text": "yes", "a": [1, "x"]})", "text")
              .text == "yes");
  REQUIRE(json_text(R"({"t": "\u65e5\u672c\n\ud83d\ude00"})", "t").text == "日本\n😀");
  REQUIRE(json_text("{\"text\": \"日本語\"}\r", "text").text == "日本語");
  REQUIRE(json_text(R"({"text": ""})", "text").problem.empty());
}

TEST_CASE("a line that is not such an object is explained", "[unit][data]") {
  const auto problem = [](std::string_view line) { return json_text(line, "text").problem; };
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
  REQUIRE(problem("{\"x\": " + std::string(65, '[')) == "nested deeper than 64");
  REQUIRE_FALSE(problem("{\"x\": " + std::string(100000, '[')).empty());
}

TEST_CASE("an explanation is short and safe to print", "[unit][data]") {
  const std::string problem =
      json_text("{\"text\": \"" + std::string(100000, 'a') + "\x1b[31m\xff", "text").problem;
  REQUIRE(problem.size() < 250);
  for (const char c : problem) REQUIRE((c >= ' ' && c <= '~'));
}
