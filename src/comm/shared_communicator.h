// The transport between ranks that are processes of one host: memory that all of them map. All data
// is copied once in and once out, small enough pieces to stay in the cache; sums are taken in rank
// order by the owner of each slice. Host memory only. What a collective costs a rank besides its
// bytes does not grow with the number of ranks, unlike over sockets.
#pragma once

#include <vector>

#include "comm/communicator.h"
#include "comm/shared_board.h"
#include "comm/shared_exchange.h"

namespace swallow {

class SharedCommunicator final : public Communicator {
 public:
  /// See SharedBoard.
  SharedCommunicator(SharedSegment segment, GroupPlace place, ControlPlane& control,
                     SharedBoard::Waiting waiting);

  [[nodiscard]] int rank() const noexcept override { return board_.index(); }
  [[nodiscard]] int size() const noexcept override { return board_.size(); }

  void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) override;
  void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) override;
  void all_gather(Stream& stream, const Tensor& output, const Tensor& input) override;
  void broadcast(Stream& stream, const Tensor& tensor, int root) override;
  void exchange(Stream& stream, std::span<const Transfer> transfers) override;
  void barrier() override;
  /// Ends the whole job, not only the group: a group cannot go on without one of its ranks.
  void abort(std::string_view reason) noexcept override { board_.control().abort(reason); }

 private:
  void reduce_whole(const Call& call, std::byte* data);
  template <class SliceOfRank>
  void reduce_slices(const Call& call, std::byte* output, const std::byte* input,
                     const SliceOfRank& slice_of_rank);
  template <class SliceOfRank>
  void gather_slices(const Call& call, std::byte* output, const std::byte* mine,
                     const SliceOfRank& slice_of_rank);

  SharedBoard board_;
  SharedExchange exchange_;
  std::vector<const void*> inputs_;  // by rank: the terms of a sum
};

}  // namespace swallow
