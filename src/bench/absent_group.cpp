#include "bench/absent_group.h"

namespace swallow {

void AbsentGroup::leave_out(int64_t bytes) {
  if (size_ == 1) return;
  ++calls_;
  bytes_ += bytes;
}

// A ring of n ranks sends (n - 1) / n of the whole tensor for a reduce-scatter or an all-gather,
// and twice that for an all-reduce, which is the one after the other.

void AbsentGroup::all_reduce(Stream&, const Tensor& tensor, ReduceOp) {
  leave_out(2 * tensor.bytes() * (size_ - 1) / size_);
}

void AbsentGroup::reduce_scatter(Stream&, const Tensor&, const Tensor& input) {
  leave_out(input.bytes() * (size_ - 1) / size_);
}

void AbsentGroup::all_gather(Stream&, const Tensor& output, const Tensor&) {
  leave_out(output.bytes() * (size_ - 1) / size_);
}

void AbsentGroup::broadcast(Stream&, const Tensor& tensor, int) {
  leave_out(tensor.bytes());
}

void AbsentGroup::exchange(Stream&, std::span<const Transfer> transfers) {
  for (const Transfer& transfer : transfers)
    if (transfer.direction == Transfer::Direction::send) leave_out(transfer.tensor.bytes());
}

}  // namespace swallow
