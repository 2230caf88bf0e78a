// Tensors on a GPU over a transport that knows host memory only: each call copies to page-locked
// memory, waits for the copy, lets the transport work there, and copies back in stream order. Slow,
// but it needs no NCCL, and ranks may share a GPU. Results have the transport's bits.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace swallow {

class StagedCommunicator final : public Communicator {
 public:
  /// A larger tensor goes through in pieces of at most `staging_bytes`. The memory grows to the
  /// largest need and stays.
  StagedCommunicator(std::unique_ptr<Communicator> inner, Device device,
                     int64_t staging_bytes = int64_t{64} << 20);

  [[nodiscard]] int rank() const noexcept override { return inner_->rank(); }
  [[nodiscard]] int size() const noexcept override { return inner_->size(); }

  void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) override;
  void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) override;
  void all_gather(Stream& stream, const Tensor& output, const Tensor& input) override;
  void broadcast(Stream& stream, const Tensor& tensor, int root) override;
  /// Every transfer has a quarter of the memory, which grows for more than four of that size.
  void exchange(Stream& stream, std::span<const Transfer> transfers) override;
  void barrier() override { inner_->barrier(); }
  void abort(std::string_view reason) noexcept override { inner_->abort(reason); }

 private:
  /// False for tensors in host memory, which need no staging; checks that they lie all there or all
  /// on the stream's device.
  [[nodiscard]] bool is_staged(const Stream& stream, std::initializer_list<Tensor> tensors) const;
  /// A 1-d tensor at `offset` of the staging memory.
  [[nodiscard]] Tensor host_tensor(DType dtype, int64_t count, int64_t offset = 0) const;
  /// Makes room and waits until the last call's copies out of the memory are done.
  void begin(int64_t bytes);
  void end(Stream& stream) { copied_back_.record(stream); }

  std::unique_ptr<Communicator> inner_;
  Device device_;
  int64_t staging_bytes_;
  Stream host_stream_;
  HostBuffer staging_;
  Event copied_back_;
};

}  // namespace swallow
