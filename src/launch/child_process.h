// One rank started by the local launcher: a process in a group of its own, with pipes for its
// output that are passed on line by line.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "launch/socket.h"

namespace swallow {

/// Cuts what arrives on a pipe into lines with a prefix, so that ranks never share a line.
class LineForwarder {
 public:
  LineForwarder() = default;
  LineForwarder(Socket pipe, std::string prefix, int target)
      : pipe_(std::move(pipe)), prefix_(std::move(prefix)), target_(target) {}

  [[nodiscard]] int fd() const noexcept { return pipe_.fd(); }  // -1: at its end
  /// Passes on what can be read without waiting; closes the pipe at its end.
  void forward();
  /// Passes on an unfinished line, as nothing will follow.
  void finish();

 private:
  void write_lines(bool all);

  Socket pipe_;
  std::string prefix_;
  int target_ = -1;
  std::string pending_;
};

struct ChildCommand {
  const char* program = nullptr;
  std::vector<char*> argv;  // ends with a null pointer
  std::vector<std::string> environment;
  int inherited_fd = -1;  // stays open in the child; -1: none
};

struct ChildProcess {
  pid_t pid = -1;
  bool running = false;
  std::array<LineForwarder, 2> outputs;  // its standard output and error

  /// To the whole group: a rank that is a shell script has children of its own.
  void send_signal(int number) const noexcept;
};

/// Starts a process that dies with the calling thread. `targets` are where its standard output and
/// error go. Throws ResourceError when the system has no room for it.
ChildProcess start_child(const ChildCommand& command, const std::string& prefix,
                         std::array<int, 2> targets);

}  // namespace swallow
