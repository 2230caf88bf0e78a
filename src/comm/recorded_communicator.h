// A communicator whose calls are noted in a ring before they are made and when they have returned.
#pragma once

#include <memory>

#include "comm/call_ring.h"
#include "comm/communicator.h"

namespace swallow {

class RecordedCommunicator final : public Communicator {
 public:
  /// `ring` outlives the communicator.
  RecordedCommunicator(std::unique_ptr<Communicator> inner, Axis axis, CallRing& ring);

  [[nodiscard]] int rank() const noexcept override { return inner_->rank(); }
  [[nodiscard]] int size() const noexcept override { return inner_->size(); }

  void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) override;
  void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) override;
  void all_gather(Stream& stream, const Tensor& output, const Tensor& input) override;
  void broadcast(Stream& stream, const Tensor& tensor, int root) override;
  void exchange(Stream& stream, std::span<const Transfer> transfers) override;
  void barrier() override;
  void abort(std::string_view reason) noexcept override { inner_->abort(reason); }

 private:
  std::unique_ptr<Communicator> inner_;
  Axis axis_;
  CallRing& ring_;
};

}  // namespace swallow
