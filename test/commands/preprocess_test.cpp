#include "commands/preprocess.h"

#include <catch2/catch.hpp>

#include "base/check.h"
#include "data/fixtures.h"

using swallow::run_preprocess;
using swallow::test::message_of;

TEST_CASE("preprocess refuses arguments by name before any work", "[unit][data]") {
  const std::vector<std::string> good = {"--input", "a.jsonl",           "--output-prefix",
                                         "o",       "--tokenizer-model", "m"};
  const auto refusal = [&](std::vector<std::string> more) {
    more.insert(more.begin(), good.begin(), good.end());
    return message_of<swallow::ConfigError>([&] { run_preprocess(more); });
  };
  REQUIRE(refusal({"--unknown"}).find("--unknown") != std::string::npos);
  REQUIRE(refusal({"--output-prefix", "twice"}).find("--output-prefix") != std::string::npos);
  for (const char* workers :
       {"0", "-1", "nan", "010", "0x10", "1.5", "", "1025", "99999999999999999999"}) {
    CAPTURE(workers);
    REQUIRE(refusal({"--workers", workers}).find("--workers") != std::string::npos);
  }
  REQUIRE(refusal({"--max-bad-lines", "-1"}).find("--max-bad-lines") != std::string::npos);
  REQUIRE(message_of<swallow::ConfigError>([] { run_preprocess({}); }).find("required") !=
          std::string::npos);
}

TEST_CASE("preprocess names an input that is not there", "[unit][data]") {
  REQUIRE(message_of<swallow::DataError>([] {
            run_preprocess({"--input", "/nonexistent/a.jsonl", "--output-prefix", "o",
                            "--tokenizer-model", "m"});
          }).find("/nonexistent/a.jsonl") == 0);
}
