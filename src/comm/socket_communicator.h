// The transport between ranks that are processes: one TCP connection for each pair of ranks of a
// group, no helper threads. All data goes straight between the two ranks concerned; sums are taken
// in rank order by the owner of each slice. Host memory only.
#pragma once

#include <chrono>
#include <vector>

#include "comm/communicator.h"
#include "comm/socket_engine.h"

namespace swallow {

class SocketCommunicator final : public Communicator {
 public:
  /// `control` outlives every call, but need not outlive the object.
  SocketCommunicator(PeerSockets peers, ControlPlane& control, std::chrono::milliseconds timeout);

  [[nodiscard]] int rank() const noexcept override { return engine_.index(); }
  [[nodiscard]] int size() const noexcept override { return engine_.size(); }

  void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) override;
  void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) override;
  void all_gather(Stream& stream, const Tensor& output, const Tensor& input) override;
  void broadcast(Stream& stream, const Tensor& tensor, int root) override;
  void exchange(Stream& stream, std::span<const Transfer> transfers) override;
  void barrier() override;
  /// Ends the whole job, not only the group: a group cannot go on without one of its ranks.
  void abort(std::string_view reason) noexcept override { engine_.control().abort(reason); }

 private:
  void queue_headers(const Call& call);
  void reduce_whole(const Call& call, std::byte* data);
  template <class SliceOfRank>
  void reduce_slices(const Call& call, std::byte* output, const std::byte* input,
                     const SliceOfRank& slice_of_rank);
  void reserve_scratch(int64_t bytes_per_peer);
  [[nodiscard]] std::byte* scratch(int peer) const;

  SocketEngine engine_;
  Buffer scratch_;  // what peers send to be summed here; grows to the largest need and stays
  int64_t scratch_stride_ = 0;
  std::vector<const void*> inputs_;  // by rank: the terms of a sum
  uint64_t num_collectives_ = 0;
  std::vector<uint64_t> num_sent_;      // transfers, by peer
  std::vector<uint64_t> num_received_;  // likewise
};

}  // namespace swallow
