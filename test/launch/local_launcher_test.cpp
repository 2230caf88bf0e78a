#include "launch/local_launcher.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"

using namespace std::chrono_literals;
using Catch::Contains;

namespace {

struct Result {
  int status = 0;
  std::string out;
  std::string err;
  std::vector<std::string> lines;  // of standard output, sorted
};

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

std::string read_back(FILE* file) {
  std::string text(static_cast<size_t>(lseek(fileno(file), 0, SEEK_END)), '\0');
  REQUIRE(pread(fileno(file), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return text;
}

/// Runs a shell script as every rank.
Result launch(int nproc, std::string script, std::chrono::milliseconds grace = 20s) {
  const File out(tmpfile(), &fclose);
  const File err(tmpfile(), &fclose);
  char shell[] = "sh";
  char flag[] = "-c";
  char* argv[] = {shell, flag, script.data()};
  Result result;
  result.status = swallow::launch_local(nproc, argv,
                                        {.program = "/bin/sh",
                                         .grace = grace,
                                         .stdout_fd = fileno(out.get()),
                                         .stderr_fd = fileno(err.get())});
  result.out = read_back(out.get());
  result.err = read_back(err.get());
  std::istringstream stream(result.out);
  for (std::string line; std::getline(stream, line);) result.lines.push_back(line);
  std::sort(result.lines.begin(), result.lines.end());
  return result;
}

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/swallow_launch_XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] size_t count() const {
    const std::filesystem::directory_iterator files(path_);
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("every rank learns its place, and its lines carry its number", "[ranks]") {
  const Result got = launch(3,
                            "echo $SWALLOW_RANK/$SWALLOW_SIZE "
                            "$SWALLOW_LOCAL_RANK/$SWALLOW_LOCAL_SIZE; echo oops >&2");
  REQUIRE(got.status == 0);
  REQUIRE(got.lines == std::vector<std::string>{"[0] 0/3 0/3", "[1] 1/3 1/3", "[2] 2/3 2/3"});
  for (const char* line : {"[0] oops\n", "[1] oops\n", "[2] oops\n"})
    REQUIRE_THAT(got.err, Contains(line));
}

TEST_CASE("a single rank's output has no prefix", "[ranks]") {
  const Result got = launch(1, "echo hello; printf tail; exit 3");
  REQUIRE(got.status == 3);
  REQUIRE(got.out == "hello\ntail\n");
  REQUIRE(got.err == "");
}

TEST_CASE("ranks share one rendezvous and key, and rank 0 inherits the listening socket",
          "[ranks]") {
  const Result got = launch(2,
                            "echo $SWALLOW_RENDEZVOUS $SWALLOW_KEY;"
                            "if [ -e /proc/self/fd/${SWALLOW_LISTEN_FD:-none} ]; then echo open; "
                            "else echo no socket; fi");
  REQUIRE(got.lines.size() == 4);
  REQUIRE_THAT(got.lines[0], Catch::StartsWith("[0] 127.0.0.1:") && Contains("nproc-"));
  REQUIRE(got.lines[0].substr(4) == got.lines[2].substr(4));
  REQUIRE(got.lines[1] == "[0] open");
  REQUIRE(got.lines[3] == "[1] no socket");
}

TEST_CASE("lines stay whole however they are written", "[ranks]") {
  const Result got = launch(4,
                            "i=0; while [ $i -lt 50 ]; do printf 'rank %s ' $SWALLOW_RANK; "
                            "printf 'line %s\\n' $i; i=$((i+1)); done");
  REQUIRE(got.lines.size() == 200);
  for (int rank = 0; rank < 4; ++rank)
    for (int i = 0; i < 50; ++i)
      REQUIRE(std::binary_search(got.lines.begin(), got.lines.end(),
                                 fmt::format("[{0}] rank {0} line {1}", rank, i)));
}

TEST_CASE("no output is lost when ranks end at once, nor are long lines", "[ranks]") {
  const Result got = launch(2, "printf '%070000d\\n' 7; printf '%030000d\\n' 8");
  size_t digits = 0;
  for (const char c : got.out) digits += c == '0' || c == '7' || c == '8' ? 1 : 0;
  size_t prefixes = 0;  // of rank 0, whose number is a digit counted above
  for (const std::string& line : got.lines) prefixes += line.starts_with("[0] ") ? 1 : 0;
  REQUIRE(digits - prefixes == 200'000);
}

TEST_CASE("the first failure ends the others and gives the status", "[ranks]") {
  const Folder folder;
  // The others say that they were asked to end; they would sleep far longer than the test runs.
  const Result got =
      launch(4, "if [ $SWALLOW_RANK = 2 ]; then while [ $(ls " + folder.path() +
                    " | wc -l) -lt 3 ]; do sleep 0.01; done; echo bad >&2; exit 5; fi;"
                    "trap 'echo asked; exit 9' TERM; touch " +
                    folder.path() + "/$SWALLOW_RANK; sleep 1000 & wait");
  REQUIRE(got.status == 5);
  REQUIRE(got.lines == std::vector<std::string>{"[0] asked", "[1] asked", "[3] asked"});
  REQUIRE_THAT(got.err, Contains("[2] bad\n") && Contains("rank 2 ended with status 5"));
}

TEST_CASE("a rank that ignores SIGTERM is killed after the grace", "[ranks]") {
  const Folder folder;
  const std::string mark = folder.path() + "/ready";
  const Result got = launch(2,
                            "if [ $SWALLOW_RANK = 1 ]; then while [ ! -e " + mark +
                                " ]; do sleep 0.01; done; kill -9 $$; fi; trap '' TERM; touch " +
                                mark + "; while true; do sleep 1000; done",
                            50ms);
  REQUIRE(got.status == 128 + SIGKILL);
  REQUIRE_THAT(got.err, Contains("rank 1 was killed by signal 9"));
}

TEST_CASE("a lost peer's own status counts more than the complaint about it", "[ranks]") {
  const Folder folder;
  const std::string mark = folder.path() + "/ready";
  const Result got = launch(3, "if [ $SWALLOW_RANK = 2 ]; then trap 'exit 5' TERM; touch " + mark +
                                   "; sleep 1000 & wait; fi; while [ ! -e " + mark +
                                   " ]; do sleep 0.01; done; exit 76");
  REQUIRE(got.status == 5);
  REQUIRE_THAT(got.err, Contains("ended with status 76") && Contains("rank 2 ended with status 5"));
}

TEST_CASE("ranks that stopped with their state saved hurry nobody", "[ranks]") {
  const Result got = launch(3,
                            "if [ $SWALLOW_RANK = 0 ]; then exit 75; fi; "
                            "sleep 0.1; echo finished; exit $((SWALLOW_RANK == 1 ? 75 : 0))");
  REQUIRE(got.status == 75);
  REQUIRE(got.lines == std::vector<std::string>{"[1] finished", "[2] finished"});
}

TEST_CASE("signals are passed on to every rank", "[ranks]") {
  const int number = GENERATE(SIGUSR1, SIGUSR2, SIGTERM, SIGINT);
  const Folder folder;
  const pthread_t launcher = pthread_self();
  // To this thread alone, which has them blocked once its children run.
  std::thread sender([&] {
    while (folder.count() < 3) std::this_thread::sleep_for(1ms);
    pthread_kill(launcher, number);
  });
  const Result got =
      launch(3, fmt::format("trap 'echo got it; exit 75' {}; touch {}/$SWALLOW_RANK; "
                            "sleep 1000 & wait",
                            number, folder.path()));
  sender.join();
  REQUIRE(got.status == 75);
  REQUIRE(got.lines == std::vector<std::string>{"[0] got it", "[1] got it", "[2] got it"});
}

TEST_CASE("a grandchild that keeps the output open is not waited for", "[ranks]") {
  const Result got = launch(2, "echo $SWALLOW_RANK; setsid sleep 3 & exit 0");
  REQUIRE(got.status == 0);
  REQUIRE(got.lines == std::vector<std::string>{"[0] 0", "[1] 1"});
}

TEST_CASE("many ranks can be started", "[ranks]") {
  const Result got = launch(64, "echo x");
  REQUIRE(got.status == 0);
  REQUIRE(got.lines.size() == 64);
}

TEST_CASE("a program that cannot be started and a silly count are errors", "[ranks]") {
  char name[] = "x";
  char* argv[] = {name};
  const File err(tmpfile(), &fclose);
  REQUIRE(swallow::launch_local(
              1, argv, {.program = "/no/such/program", .stderr_fd = fileno(err.get())}) == 127);
  REQUIRE_THAT(read_back(err.get()), Contains("cannot start the program"));
  REQUIRE_THROWS_AS(swallow::launch_local(0, argv), swallow::ConfigError);
  REQUIRE_THROWS_WITH(swallow::launch_local(1025, argv), Contains("--nproc 1025"));
}
