#include "comm/solo_communicator.h"

#include "comm/call.h"

namespace swallow {

namespace {

void copy_unless_same(Stream& stream, const Tensor& output, const Tensor& input) {
  if (output.data != input.data) copy(stream, output, input);
}

}  // namespace

// The calls are built for their checks: a wrong argument must fail on one rank as on many.

void SoloCommunicator::all_reduce(Stream&, const Tensor& tensor, ReduceOp op) {
  static_cast<void>(all_reduce_call(tensor, op));
}

void SoloCommunicator::reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) {
  static_cast<void>(reduce_scatter_call(output, input, 1));
  copy_unless_same(stream, output, input);
}

void SoloCommunicator::all_gather(Stream& stream, const Tensor& output, const Tensor& input) {
  static_cast<void>(all_gather_call(output, input, 1));
  copy_unless_same(stream, output, input);
}

void SoloCommunicator::broadcast(Stream&, const Tensor& tensor, int root) {
  static_cast<void>(broadcast_call(tensor, root, 1));
}

void SoloCommunicator::exchange(Stream&, std::span<const Transfer> transfers) {
  for (const Transfer& transfer : transfers) static_cast<void>(transfer_call(transfer, 0, 1));
}

}  // namespace swallow
