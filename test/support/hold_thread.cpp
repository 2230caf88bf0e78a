// Holds the main thread of a process, and no other of its threads, until this program is ended: as
// near as one may come to a rank whose computation hangs while its helper threads live.
//   hold_thread PID
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  const pid_t thread = argc == 2 ? static_cast<pid_t>(std::atoi(argv[1])) : 0;
  if (thread <= 0) {
    std::fprintf(stderr, "usage: hold_thread PID\n");
    return 2;
  }
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0 ||
      ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0) {
    std::fprintf(stderr, "hold_thread: cannot hold %d: %s\n", thread, std::strerror(errno));
    return 1;
  }
  int status = 0;
  if (waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) return 1;
  std::puts("held");
  std::fflush(stdout);
  // The process may end while its thread is held; there is nothing else to wait for.
  while (waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) {
  }
  return 0;
}
