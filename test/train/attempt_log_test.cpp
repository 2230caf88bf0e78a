#include "train/attempt_log.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "support/scratch_folder.h"

using namespace swallow;
using Catch::Contains;

namespace {

constexpr int64_t kMost = 3;

/// An attempt from `iteration` that dies.
void die_at(const std::filesystem::path& folder, int64_t iteration) {
  AttemptLog(folder).begin(iteration, kMost, "job", "host");
}

std::string text_of(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("after three deaths without a new checkpoint the fourth job is refused") {
  const test::ScratchFolder folder;
  for (int i = 0; i < 3; ++i) die_at(folder.path(), 40);
  CHECK_THROWS_AS(die_at(folder.path(), 40), CrashLoopError);
  CHECK_THROWS_WITH(die_at(folder.path(), 40), Contains("iteration 40") &&
                                                   Contains(folder / "attempts.jsonl") &&
                                                   Contains("--max-failed-attempts"));
  CHECK_NOTHROW(AttemptLog(folder.path()).begin(40, 0, "job", "host"));
}

TEST_CASE("progress and an end in good order are no crash loop") {
  const test::ScratchFolder folder;
  die_at(folder.path(), 40);
  die_at(folder.path(), 40);
  SECTION("a new checkpoint") {
    die_at(folder.path(), 50);
  }
  SECTION("an end in good order") {
    AttemptLog log(folder.path());
    log.begin(40, kMost, "job", "host");
    log.end(40, ExitCode::stopped);
  }
  for (int i = 0; i < 2; ++i) CHECK_NOTHROW(die_at(folder.path(), 40));
  CHECK(AttemptLog(folder.path()).failed_in_a_row(40) == 2);
}

TEST_CASE("attempts are numbered, and nothing is kept without a folder") {
  const test::ScratchFolder folder;
  die_at(folder.path() / "run", 0);
  AttemptLog second(folder.path() / "run");
  CHECK(second.number() == 0);
  second.begin(0, kMost, "a \"quoted\" job\xff", "host");
  CHECK(second.number() == 2);
  const std::string text = text_of(folder.path() / "run" / "attempts.jsonl");
  CHECK_THAT(text, Contains(R"("attempt":2)") && Contains(R"(a \"quoted\" job)"));
  AttemptLog none{std::filesystem::path()};
  none.begin(0, kMost, "job", "host");
  none.end(0, ExitCode::ok);
  CHECK(none.number() == 0);
}

TEST_CASE("lines that a crash has torn are passed over") {
  const test::ScratchFolder folder;
  die_at(folder.path(), 5);
  std::ofstream(folder / "attempts.jsonl", std::ios::app)
      << "null\n{\"attempt\":\"x\"}\n{\"attempt\": 2, \"from_iter";
  die_at(folder.path(), 5);
  CHECK(AttemptLog(folder.path()).failed_in_a_row(5) == 2);
}

TEST_CASE("an attempt that cannot be noted is an error of writing") {
  const test::ScratchFolder folder;
  std::filesystem::create_directory(folder / "attempts.jsonl");
  CHECK_THROWS_AS(die_at(folder.path(), 0), IoError);
}
