#include "launch/rendezvous.h"

#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "base/check.h"
#include "launch/meeting_job.h"

using namespace std::chrono_literals;
using Catch::Contains;
using swallow::CommError;
using swallow::ControlPlane;
using swallow::Meeting;
using swallow::MeetingJob;
using swallow::require_no_errors;

namespace {

/// Sleeps until the control plane has news; false when none comes.
bool wait_for_news(const ControlPlane& control) {
  pollfd entry{control.wake_fd(), POLLIN, 0};
  return poll(&entry, 1, 120'000) == 1;
}

/// What a process that is killed leaves: its connection ends without a goodbye.
void die(const ControlPlane& control) {
  shutdown(control.wake_fd(), SHUT_RDWR);
}

std::string blob_of(int rank, int round) {
  const auto size = static_cast<size_t>((rank * 131 + round * 17) % 1000);
  return std::string(size, static_cast<char>('a' + (rank + round) % 26)) + std::to_string(rank);
}

}  // namespace

TEST_CASE("every rank gets every blob in rank order", "[ranks]") {
  const int size = GENERATE(2, 8, 64);
  const MeetingJob job(size);
  const auto errors = job.run_met([&](Meeting& meeting) {
    SWALLOW_CHECK(meeting.control->size() == size, "size");
    for (int round = 0; round < 5; ++round) {
      const auto blobs = meeting.control->exchange(blob_of(meeting.control->rank(), round));
      SWALLOW_CHECK(static_cast<int>(blobs.size()) == size, "{} blobs", blobs.size());
      for (int rank = 0; rank < size; ++rank)
        SWALLOW_CHECK(blobs[static_cast<size_t>(rank)] == blob_of(rank, round), "blob {}", rank);
      meeting.control->check();
    }
    meeting.control->barrier();
  });
  require_no_errors(errors);
}

TEST_CASE("blobs may be as large as a message and no larger", "[ranks]") {
  const MeetingJob job(3);
  const auto errors = job.run_met([](Meeting& meeting) {
    const bool large = meeting.control->rank() == 1;
    std::string blob(large ? 16 << 20 : 3, static_cast<char>('0' + meeting.control->rank()));
    const auto blobs = meeting.control->exchange(blob);
    SWALLOW_CHECK(blobs[1] == std::string(16 << 20, '1') && blobs[2] == "222", "wrong blobs");
    blob += std::string(large ? 1 : 16 << 20, 'x');
    bool refused = false;
    try {
      meeting.control->exchange(blob);
    } catch (const swallow::ContractError&) {
      refused = true;
    }
    SWALLOW_CHECK(refused, "more than 16 MiB was taken");
    meeting.control->barrier();
  });
  require_no_errors(errors);
}

TEST_CASE("nothing wakes a rank while all is well", "[ranks]") {
  const MeetingJob job(4);
  std::atomic<int> quiet = 0;
  const auto errors = job.run_met([&](Meeting& meeting) {
    for (int round = 0; round < 20; ++round) {
      meeting.control->barrier();
      pollfd entry{meeting.control->wake_fd(), POLLIN, 0};
      if (poll(&entry, 1, 0) == 0) ++quiet;
    }
  });
  require_no_errors(errors);
  REQUIRE(quiet == 80);
}

TEST_CASE("a dead rank is noticed by all others, waiting or not", "[ranks]") {
  const int size = GENERATE(8, 64);
  const int victim = GENERATE(3, 0);
  MeetingJob job(size);
  job.options.host = {.name = "some-host", .boot_id = "b"};
  const auto errors = job.run_met([&](Meeting& meeting) {
    ControlPlane& control = *meeting.control;
    control.barrier();
    if (control.rank() == victim) return die(control);
    if (control.rank() % 2 == 0) {
      control.barrier();  // throws
    } else {
      SWALLOW_CHECK(wait_for_news(control), "no news");
      control.check();  // throws
    }
  });
  for (int rank = 0; rank < size; ++rank) {
    CAPTURE(rank);
    const std::string& error = errors[static_cast<size_t>(rank)];
    if (rank == victim)
      CHECK(error == "");
    else
      CHECK_THAT(error, Catch::StartsWith("CommError") &&
                            Contains(fmt::format("rank {} on some-host", victim)));
  }
}

TEST_CASE("the first reason for an abort reaches every rank and stays", "[ranks]") {
  const MeetingJob job(8);
  const auto errors = job.run_met([](Meeting& meeting) {
    ControlPlane& control = *meeting.control;
    control.barrier();
    if (control.rank() == 5) {
      control.abort("loss is not finite");
      control.abort("a later reason");
    }
    SWALLOW_CHECK(wait_for_news(control), "no news");
    for (int i = 0; i < 3; ++i) {
      try {
        i == 1 ? control.barrier() : control.check();
        SWALLOW_CHECK(false, "the abort was forgotten");
      } catch (const CommError&) {
      }
      SWALLOW_CHECK(wait_for_news(control), "the descriptor went quiet");
    }
    control.check();
  });
  for (const std::string& error : errors)
    CHECK_THAT(error, Contains("rank 5") && Contains("loss is not finite"));
}

TEST_CASE("a rank that ends by an exception takes the others with it", "[ranks]") {
  const int victim = GENERATE(0, 2);
  const MeetingJob job(4);
  const auto errors = job.run_met([&](Meeting& meeting) {
    if (meeting.control->rank() == victim) throw std::runtime_error("bad file");
    meeting.control->barrier();
  });
  for (int rank = 0; rank < 4; ++rank)
    CHECK_THAT(errors[static_cast<size_t>(rank)],
               rank == victim ? Contains("bad file") : Contains(fmt::format("rank {} on", victim)));
}

TEST_CASE("a rank that says goodbye while others wait for it is named", "[ranks]") {
  const int leaver = GENERATE(0, 3);
  const MeetingJob job(4);
  const auto errors = job.run_met([&](Meeting& meeting) {
    if (meeting.control->rank() != leaver) meeting.control->barrier();
  });
  for (int rank = 0; rank < 4; ++rank) {
    if (rank != leaver)
      CHECK_THAT(errors[static_cast<size_t>(rank)],
                 Contains(fmt::format("rank {} on", leaver)) && Contains("has ended"));
  }
}

TEST_CASE("a rank that is late for an exchange is named", "[ranks]") {
  MeetingJob job(4);
  job.options.timeouts.exchange = 1s;
  const auto errors = job.run_met([](Meeting& meeting) {
    if (meeting.control->rank() != 2) meeting.control->barrier();
    SWALLOW_CHECK(wait_for_news(*meeting.control), "no news");
    meeting.control->check();
  });
  for (const std::string& error : errors)
    CHECK_THAT(error, Contains("did not come to an exchange") && Catch::EndsWith(": 2"));
}
