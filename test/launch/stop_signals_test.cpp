#include "launch/stop_signals.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

using namespace swallow;

namespace {

/// The status, as of waitpid, of a process that does `work` and then ends with 75.
template <class Work>
int status_of(Work work) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const int number : {SIGTERM, SIGINT}) std::signal(number, SIG_DFL);  // Catch's handlers
    work();
    _exit(75);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("a signal is received once, and the first is kept", "[unit][launch]") {
  const int status = status_of([] {
    StopSignals signals;
    const bool none = signals.received() == 0;
    raise(SIGUSR2);
    raise(SIGTERM);
    const int first = signals.received();
    raise(SIGUSR1);
    if (!none || first == 0 || signals.received() != first) _exit(1);
  });
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 75);
}

TEST_CASE("a signal that comes too late leaves the exit code alone", "[unit][launch]") {
  for (const int signal : {SIGTERM, SIGUSR1, SIGUSR2}) {
    CAPTURE(signal);
    const int status = status_of([signal] {
      {
        StopSignals signals;
        raise(signal);  // never asked for
      }
      raise(signal);
    });
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 75);
  }
}

TEST_CASE("Ctrl-C ends the process again once nothing watches for it", "[unit][launch]") {
  const int status = status_of([] {
    { StopSignals signals; }
    raise(SIGINT);
  });
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGINT);
}
