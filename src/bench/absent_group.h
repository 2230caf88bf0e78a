// The communicator of a group of which only one rank is there: the layers above see a group of its
// size and make the calls of one, and no byte moves. What a collective would have written keeps its
// old contents, so results are meaningless and times are those of the computation alone.
#pragma once

#include "comm/communicator.h"

namespace swallow {

class AbsentGroup final : public Communicator {
 public:
  /// This rank is number 0 of `size`.
  explicit AbsentGroup(int size) : size_(size) {}

  [[nodiscard]] int rank() const noexcept override { return 0; }
  [[nodiscard]] int size() const noexcept override { return size_; }

  void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) override;
  void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) override;
  void all_gather(Stream& stream, const Tensor& output, const Tensor& input) override;
  void broadcast(Stream& stream, const Tensor& tensor, int root) override;
  void exchange(Stream& stream, std::span<const Transfer> transfers) override;
  void barrier() override {}
  void abort(std::string_view) noexcept override {}

  /// Calls so far, and the bytes that a ring would have sent for them from this rank.
  [[nodiscard]] int64_t calls() const noexcept { return calls_; }
  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }

 private:
  void leave_out(int64_t bytes);

  int size_;
  int64_t calls_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace swallow
