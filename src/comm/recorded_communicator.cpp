#include "comm/recorded_communicator.h"

#include <utility>

namespace swallow {

// A call that throws never returns in the ring: that is where the rank was when the job ended.

RecordedCommunicator::RecordedCommunicator(std::unique_ptr<Communicator> inner, Axis axis,
                                           CallRing& ring)
    : inner_(std::move(inner)), axis_(axis), ring_(ring) {}

void RecordedCommunicator::all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) {
  ring_.begin(axis_, all_reduce_call(tensor, op));
  inner_->all_reduce(stream, tensor, op);
  ring_.end();
}

void RecordedCommunicator::reduce_scatter(Stream& stream, const Tensor& output,
                                          const Tensor& input) {
  ring_.begin(axis_, reduce_scatter_call(output, input, size()));
  inner_->reduce_scatter(stream, output, input);
  ring_.end();
}

void RecordedCommunicator::all_gather(Stream& stream, const Tensor& output, const Tensor& input) {
  ring_.begin(axis_, all_gather_call(output, input, size()));
  inner_->all_gather(stream, output, input);
  ring_.end();
}

void RecordedCommunicator::broadcast(Stream& stream, const Tensor& tensor, int root) {
  ring_.begin(axis_, broadcast_call(tensor, root, size()));
  inner_->broadcast(stream, tensor, root);
  ring_.end();
}

void RecordedCommunicator::exchange(Stream& stream, std::span<const Transfer> transfers) {
  if (transfers.empty()) return;
  ring_.begin(axis_, transfer_call(transfers.front(), rank(), size()));
  inner_->exchange(stream, transfers);
  ring_.end();
}

void RecordedCommunicator::barrier() {
  ring_.begin(axis_, {.kind = CallKind::barrier});
  inner_->barrier();
  ring_.end();
}

}  // namespace swallow
