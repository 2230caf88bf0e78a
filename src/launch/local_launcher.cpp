#include "launch/local_launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "launch/child_process.h"
#include "launch/job_secret.h"
#include "launch/socket.h"

namespace swallow {
namespace {

constexpr int kMostRanks = 1024;
// A child's end may reach another thread as a signal, or not at all: look this often anyway.
constexpr std::chrono::milliseconds kLookAgain{200};

/// Blocks the signals that a Launcher reads from a descriptor, for its lifetime.
class SignalQueue {
 public:
  SignalQueue() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD})
      sigaddset(&wanted, number);
    pthread_sigmask(SIG_BLOCK, &wanted, &before_);
    queue_ = Socket(signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!queue_.valid()) throw ResourceError("--nproc: signalfd: {}", std::strerror(errno));
  }
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;
  ~SignalQueue() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  [[nodiscard]] int fd() const noexcept { return queue_.fd(); }
  /// The next signal, or 0.
  [[nodiscard]] int next() const {
    signalfd_siginfo info{};
    const ssize_t received = read(queue_.fd(), &info, sizeof info);
    return received == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  sigset_t before_{};
  Socket queue_;
};

/// A process started with its standard descriptors closed would hand their numbers to the first
/// pipes, and the children's own standard descriptors would overwrite them.
void occupy_standard_descriptors() {
  int fd = 0;
  while (fd >= 0 && fd <= 2) fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd > 2) close(fd);
}

/// Two pipes a rank and a few more; the soft limit is raised as far as the hard one allows.
void make_room_for_descriptors(int nproc) {
  const rlim_t needed = 2 * static_cast<rlim_t>(nproc) + 64;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  if (limit.rlim_max < needed)
    throw ResourceError("--nproc {}: needs {} open files, the limit is {}: raise it (ulimit -Hn)",
                        nproc, needed, limit.rlim_max);
  limit.rlim_cur = needed;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// This process's environment without SWALLOW_* of an outer launcher.
std::vector<std::string> inherited_environment() {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).starts_with("SWALLOW_")) result.emplace_back(*entry);
  return result;
}

class Launcher {
 public:
  Launcher(int nproc, std::span<char* const> argv, const LocalLaunchOptions& options)
      : options_(options) {
    // The parent listens and rank 0 inherits the socket, so no port can be lost in between.
    const Socket listener = listen_tcp("127.0.0.1", 0, nproc + 64);
    ChildCommand command{
        .program = options.program.c_str(), .argv = {argv.begin(), argv.end()}, .environment = {}};
    command.argv.push_back(nullptr);
    const std::vector<std::string> common = inherited_environment();
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    const std::string secret = new_job_secret();
    try {
      for (int rank = 0; rank < nproc; ++rank) {
        command.environment = common;
        const auto set = [&](std::string_view name, const auto& value) {
          command.environment.push_back(fmt::format("SWALLOW_{}={}", name, value));
        };
        set("RANK", rank);
        set("SIZE", nproc);
        set("LOCAL_RANK", rank);
        set("LOCAL_SIZE", nproc);
        set("RENDEZVOUS", fmt::format("127.0.0.1:{}", local_port(listener)));
        set("KEY", fmt::format("nproc-{}-{}", getpid(), now));
        set("SECRET", secret);
        command.inherited_fd = rank == 0 ? listener.fd() : -1;
        if (rank == 0) set("LISTEN_FD", listener.fd());
        children_.push_back(start_child(command, nproc > 1 ? fmt::format("[{}] ", rank) : "",
                                        {options.stdout_fd, options.stderr_fd}));
      }
    } catch (const Error&) {
      kill_all();
      throw;
    }
  }
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  int run() {
    while (reap()) {
      wait_for_events();
      if (now() >= kill_at_) {
        signal_all(SIGKILL);
        killed_ = true;
        kill_at_ = Deadline::max();
      }
    }
    for (ChildProcess& child : children_) {
      for (LineForwarder& output : child.outputs) {
        output.forward();
        output.finish();  // a grandchild may keep the pipe open; nobody waits for it
      }
    }
    return failure_.value_or(stopped_ ? static_cast<int>(ExitCode::stopped) : 0);
  }

 private:
  static Deadline now() { return AwakeClock::now(); }

  void signal_all(int number) const noexcept {
    for (const ChildProcess& child : children_)
      if (child.running) child.send_signal(number);
  }

  void kill_all() noexcept {
    signal_all(SIGKILL);
    for (ChildProcess& child : children_) {
      while (waitpid(child.pid, nullptr, 0) < 0 && errno == EINTR) {
      }
      child.running = false;
    }
  }

  void wait_for_events() {
    std::vector<pollfd> entries = {{signals_.fd(), POLLIN, 0}};
    for (const ChildProcess& child : children_)
      for (const LineForwarder& output : child.outputs) entries.push_back({output.fd(), POLLIN, 0});
    poll(entries.data(), entries.size(), poll_timeout(std::min(kill_at_, now() + kLookAgain)));
    while (const int number = signals_.next())
      if (number != SIGCHLD) signal_all(number);
    for (size_t i = 1; i < entries.size(); ++i)
      if (entries[i].revents != 0) children_[(i - 1) / 2].outputs[(i - 1) % 2].forward();
  }

  /// Takes note of the children that have ended; false when none is left.
  bool reap() {
    bool any = false;
    for (size_t rank = 0; rank < children_.size(); ++rank) {
      ChildProcess& child = children_[rank];
      if (!child.running) continue;
      int status = 0;
      if (waitpid(child.pid, &status, WNOHANG) == child.pid) {
        child.running = false;
        note_end(static_cast<int>(rank), status);
      }
      any = any || child.running;
    }
    return any;
  }

  void note_end(int rank, int status) {
    const bool signalled = WIFSIGNALED(status);
    const int code = signalled ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (code == 0) return;
    if (code == static_cast<int>(ExitCode::stopped)) {
      // Its state is saved, and the others are about to end the same way: nothing to hurry.
      stopped_ = true;
      return;
    }
    if (failure_ && !names_cause(code)) return;
    failure_ = code;
    for (LineForwarder& output : children_[static_cast<size_t>(rank)].outputs) output.forward();
    report(rank, signalled ? "was killed by signal" : "ended with status",
           signalled ? WTERMSIG(status) : code);
    if (kill_at_ != Deadline::max()) return;
    signal_all(SIGTERM);
    kill_at_ = now() + options_.grace;
  }

  /// Whether a further failure explains the first one. A dying rank's connections close before its
  /// parent can see its end, so a survivor that complains of a lost peer may be seen first.
  [[nodiscard]] bool names_cause(int code) const {
    constexpr int kPeerLost = static_cast<int>(ExitCode::peer_lost);
    return failure_ == kPeerLost && code != kPeerLost && code != 128 + SIGTERM && !killed_;
  }

  void report(int rank, std::string_view how, int number) const {
    if (children_.size() == 1) return;
    const std::string text =
        fmt::format("swallow-train: rank {} {} {}; ending the others\n", rank, how, number);
    static_cast<void>(!write(options_.stderr_fd, text.data(), text.size()));
  }

  const LocalLaunchOptions& options_;
  SignalQueue signals_;
  std::vector<ChildProcess> children_;
  std::optional<int> failure_;
  bool stopped_ = false;
  bool killed_ = false;
  Deadline kill_at_ = Deadline::max();
};

}  // namespace

int launch_local(int nproc, std::span<char* const> argv, const LocalLaunchOptions& options) {
  if (nproc < 1 || nproc > kMostRanks)
    throw ConfigError("--nproc {}: expected a number of ranks from 1 to {}", nproc, kMostRanks);
  SWALLOW_CHECK(!argv.empty(), "launch_local needs the program's name as first argument");
  occupy_standard_descriptors();
  make_room_for_descriptors(nproc);
  return Launcher(nproc, argv, options).run();
}

}  // namespace swallow
