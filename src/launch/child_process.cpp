#include "launch/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/check.h"

namespace swallow {
namespace {

constexpr size_t kLongestLine = 1 << 16;  // longer ones are cut, or a rank could fill our memory

/// Writes everything, waiting where the reader is slow; gives up when nobody reads any more.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd entry{fd, POLLOUT, 0};
      poll(&entry, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

std::pair<Socket, Socket> make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0)
    throw ResourceError("--nproc: cannot make a pipe for a rank's output: {}",
                        std::strerror(errno));
  std::pair<Socket, Socket> ends{Socket(fds[0]), Socket(fds[1])};
  set_nonblocking(ends.first);
  return ends;
}

/// The child between fork and exec: only async-signal-safe calls, since the parent may have
/// threads.
[[noreturn]] void become(const ChildCommand& command, char* const* environment, pid_t parent,
                         int out, int err) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // it died before the line above
  const int null = open("/dev/null", O_RDONLY);
  const bool good = null >= 0 && dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0;
  if (good && null > 2) close(null);
  if (command.inherited_fd >= 0) fcntl(command.inherited_fd, F_SETFD, 0);
  // The parent blocks what it forwards; a rank starts with nothing blocked.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (good) execve(command.program, command.argv.data(), environment);
  constexpr char kText[] = "cannot start the program\n";
  static_cast<void>(!write(err, kText, sizeof kText - 1));
  _exit(127);
}

}  // namespace

void LineForwarder::forward() {
  constexpr size_t kChunk = 1 << 16;  // what a pipe holds: one read empties it
  char buffer[kChunk];
  while (pipe_.valid()) {
    const ssize_t received = read(pipe_.fd(), buffer, kChunk);
    if (received > 0) {
      pending_.append(buffer, static_cast<size_t>(received));
      write_lines(false);
      // One rank that never stops writing must not starve the others.
      if (static_cast<size_t>(received) == kChunk) return;
    } else if (received < 0 && errno == EINTR) {
      continue;
    } else {
      if (received == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) finish();
      return;
    }
  }
}

void LineForwarder::finish() {
  write_lines(true);
  pipe_.close();
}

void LineForwarder::write_lines(bool all) {
  std::string text;
  size_t start = 0;
  while (start < pending_.size()) {
    const size_t newline = pending_.find('\n', start);
    const bool whole = newline != std::string::npos;
    if (!whole && !all && pending_.size() - start < kLongestLine) break;
    const size_t end = whole ? newline : pending_.size();
    text += prefix_;
    text.append(pending_, start, end - start);
    text += '\n';
    start = end + (whole ? 1 : 0);
  }
  pending_.erase(0, start);
  write_all(target_, text);
}

void ChildProcess::send_signal(int number) const noexcept {
  if (pid > 0) kill(-pid, number);
}

ChildProcess start_child(const ChildCommand& command, const std::string& prefix,
                         std::array<int, 2> targets) {
  auto [out_read, out_write] = make_pipe();
  auto [err_read, err_write] = make_pipe();
  std::vector<char*> environment;
  for (const std::string& entry : command.environment)
    environment.push_back(const_cast<char*>(entry.c_str()));  // execve does not write to it
  environment.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0)
    throw ResourceError("--nproc: cannot start another process: {} (see ulimit -u)",
                        std::strerror(errno));
  if (pid == 0) become(command, environment.data(), parent, out_write.fd(), err_write.fd());
  setpgid(pid, pid);  // here as well, so that a signal sent at once finds the group
  ChildProcess child;
  child.pid = pid;
  child.running = true;
  child.outputs[0] = LineForwarder(std::move(out_read), prefix, targets[0]);
  child.outputs[1] = LineForwarder(std::move(err_read), prefix, targets[1]);
  return child;
}

}  // namespace swallow
