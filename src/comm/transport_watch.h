// An eye on communication that goes on after its calls have returned, as it does on a GPU: whether
// it has failed, and how to end it so that nobody waits for a kernel that waits for a lost peer.
#pragma once

#include <string>
#include <string_view>

namespace swallow {

class TransportWatch {
 public:
  TransportWatch() = default;
  TransportWatch(const TransportWatch&) = delete;
  TransportWatch& operator=(const TransportWatch&) = delete;
  virtual ~TransportWatch() = default;

  /// Throws CommError when a call of any group has failed. Never waits for a peer.
  virtual void check() = 0;
  /// Ends all calls under way, without their results; every later call of any group throws a
  /// CommError with `reason`. The first reason wins. Tells nobody: see ControlPlane::abort.
  virtual void cancel(std::string_view reason) noexcept = 0;
  /// The last call of each group, for messages: "tp group: all_reduce(sum, 4 x f32) with ranks
  /// 0, 1".
  [[nodiscard]] virtual std::string last_calls() const = 0;
};

}  // namespace swallow
