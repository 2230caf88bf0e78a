#include "launch/rank_status.h"

#include <catch2/catch.hpp>

#include "launch/message.h"

using namespace swallow;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

const RankStatuses::Time kNow{std::chrono::hours(5)};

}  // namespace

TEST_CASE("a status comes back as it was sent, without control characters") {
  const RankStatus sent{.busy_seconds = -1, .doing = "step 3,\n\x1b[2Jin call 7"};
  const auto got = RankStatus::decode(sent.encode());
  REQUIRE(got);
  CHECK(got->busy_seconds == -1);
  CHECK(got->doing == "step 3,??[2Jin call 7");
}

TEST_CASE("bytes that are no status are refused") {
  CHECK(!RankStatus::decode("x"));
  CHECK(!RankStatus::decode(encode_texts({"1.0"})));
  CHECK(!RankStatus::decode(encode_texts({"1.0x", "step"})));
  CHECK(!RankStatus::decode(encode_texts({"", "step"})));
}

TEST_CASE("a lost rank's last words are told with their age") {
  RankStatuses statuses(2);
  CHECK(statuses.last_words(1, kNow).empty());
  statuses.note(1, "rank 1 on b", {.busy_seconds = 0, .doing = "step 3"}, kNow - 400ms);
  CHECK_THAT(statuses.last_words(1, kNow), Contains("0.4 s before") && Contains("step 3"));
}

TEST_CASE("who is silent or busy for long is suspected, who waits is not") {
  RankStatuses statuses(4);
  statuses.note(0, "rank 0 on a", {.busy_seconds = -1, .doing = "step 3, in call 7"}, kNow);
  statuses.note(1, "rank 1 on a", {.busy_seconds = 2, .doing = "step 3"}, kNow);
  CHECK(statuses.suspects(kNow).empty());
  statuses.note(2, "rank 2 on b", {.busy_seconds = 44, .doing = "step 2, for 44.0 s"}, kNow);
  statuses.note(3, "rank 3 on b", {.busy_seconds = -1, .doing = "step 2"}, kNow - 90s);
  const std::string text = statuses.suspects(kNow);
  CHECK_THAT(text, Contains("rank 3 on b (no word for 90 s; then in step 2), rank 2 on b (step 2"));
  CHECK_THAT(text, !Contains("rank 0") && !Contains("rank 1"));
}

TEST_CASE("of many suspects the first are named and the others counted") {
  RankStatuses statuses(100);
  for (int rank = 0; rank < 100; ++rank)
    statuses.note(rank, fmt::format("rank {}", rank), {.doing = "step"}, kNow - 60s);
  CHECK_THAT(statuses.suspects(kNow), Contains("and 96 more"));
}
