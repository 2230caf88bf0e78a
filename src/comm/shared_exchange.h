// Point-to-point transfers between ranks of one host, through channels in memory that both map. A
// send ends when the channel has taken it, before the receiver comes if it fits.
#pragma once

#include <span>
#include <vector>

#include "comm/shared_board.h"

namespace swallow {

class SharedExchange {
 public:
  /// `board` outlives the object.
  explicit SharedExchange(SharedBoard& board) noexcept : board_(board) {}

  /// Tensors lie in host memory, and transfer_call has nothing against them.
  void run(std::span<const Transfer> transfers);

 private:
  struct Part {
    Call call;
    int peer = 0;
    std::byte* data = nullptr;
    int64_t left = 0;  // bytes
    bool begun = false;
    [[nodiscard]] bool sends() const noexcept { return call.kind == CallKind::send; }
    [[nodiscard]] bool done() const noexcept { return begun && left == 0; }
  };

  void list(std::span<const Transfer> transfers);
  [[nodiscard]] bool waits_for_earlier(size_t part) const;
  [[nodiscard]] bool move_all();
  bool move(Part& part);
  bool begin_send(Part& part, SharedChannel& channel);
  bool begin_receive(Part& part, SharedChannel& channel);
  [[nodiscard]] std::vector<int> silent_peers() const;
  void check_peers();
  void check_peer(Part& part);

  SharedBoard& board_;
  std::vector<Part> parts_;  // kept for the next call
};

}  // namespace swallow
