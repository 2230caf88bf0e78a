// The communicator of a group with one rank, whatever the transport: collectives are copies.
#pragma once

#include "comm/communicator.h"

namespace swallow {

class SoloCommunicator final : public Communicator {
 public:
  [[nodiscard]] int rank() const noexcept override { return 0; }
  [[nodiscard]] int size() const noexcept override { return 1; }

  void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) override;
  void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) override;
  void all_gather(Stream& stream, const Tensor& output, const Tensor& input) override;
  void broadcast(Stream& stream, const Tensor& tensor, int root) override;
  /// There is no peer, so any transfer is a ContractError.
  void exchange(Stream& stream, std::span<const Transfer> transfers) override;
  void barrier() override {}
  /// There is nobody to wake in the group.
  void abort(std::string_view) noexcept override {}
};

}  // namespace swallow
