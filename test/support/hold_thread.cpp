// Holds the main thread of a process in the midst of a computation, and none of its other threads,
// until this program or the process ends: a rank that hangs while its helper threads live.
//   hold_thread PID
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>

namespace {

bool wait_for_stop(pid_t thread) {
  int status = 0;
  return waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status);
}

/// Of a stopped thread: whether the kernel has nothing to do for it, such as to wait for a message.
bool computes(pid_t thread) {
  std::string call;
  std::ifstream("/proc/" + std::to_string(thread) + "/syscall") >> call;
  return call == "-1";
}

}  // namespace

int main(int argc, char** argv) {
  const pid_t thread = argc == 2 ? static_cast<pid_t>(std::atoi(argv[1])) : 0;
  if (thread <= 0) {
    std::cerr << "usage: hold_thread PID\n";
    return 2;
  }
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) {
    std::cerr << "hold_thread: cannot hold " << thread << ": " << std::strerror(errno) << "\n";
    return 1;
  }
  while (true) {
    if (ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0 || !wait_for_stop(thread)) return 1;
    if (computes(thread)) break;
    if (ptrace(PTRACE_CONT, thread, nullptr, nullptr) != 0) return 1;
    usleep(1000);
  }
  std::cout << "held" << std::endl;
  while (wait_for_stop(thread)) {  // until the process ends, its thread held
  }
  return 0;
}
