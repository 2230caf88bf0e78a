// What all ranks of a job share beside the collectives: small messages between everybody, and the
// news that somebody has failed. Implemented over the rendezvous connections for processes, over
// shared memory for ranks that are threads, and trivially for a single rank.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace swallow {

class ControlPlane {
 public:
  ControlPlane() = default;
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;
  virtual ~ControlPlane() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// Every rank gives a blob (at most 16 MiB) and gets all of them in rank order. Also a
  /// barrier. Throws CommError when a rank is lost.
  virtual std::vector<std::string> exchange(std::string_view blob) = 0;
  void barrier() { exchange({}); }

  /// For the reason of a failure: what this rank is about, and for how many seconds it has computed
  /// without waiting for others (negative: it waits). Meant to be called about once a second, from
  /// any thread; never waits, and nothing is lost with what cannot be told.
  virtual void tell(double busy_seconds, std::string_view doing) noexcept {
    static_cast<void>(busy_seconds), static_cast<void>(doing);
  }
  /// Tells every rank that the job has failed and why. The first reason wins. Never throws.
  virtual void abort(std::string_view reason) noexcept = 0;
  /// Throws CommError with the reason if some rank has aborted or is gone.
  virtual void check() = 0;
  /// A file descriptor that becomes readable when check() would throw, for use in poll; -1 if none.
  [[nodiscard]] virtual int wake_fd() const noexcept { return -1; }
};

}  // namespace swallow
