// Collectives over one group of ranks (a tensor-, data- or pipeline-parallel group). Every rank of
// the group makes the same calls in the same order; a call that does not match (operation, type,
// size, order) is reported as an error on every rank, never a hang. Sums are taken in rank order in
// the accumulation type (f32 for bf16; f64 and integers in themselves) and rounded once, so the
// same call gives the same bits every time and on every rank.
// NCCL is the exception (comm/nccl.h): it cannot tell that calls differ, and its order of summation
// follows from the algorithm that it picks for the machines at hand, with bf16 rounded on the way.
// The same grid on the same machines gives the same bits again; another transport gives others.
#pragma once

#include <span>
#include <string_view>

#include "device/device.h"
#include "tensor/tensor.h"

namespace swallow {

enum class ReduceOp : uint8_t { sum, max };

/// One half of a grouped point-to-point call.
struct Transfer {
  enum class Direction : uint8_t { send, receive };
  Direction direction = Direction::send;
  int peer = 0;  // rank within the group
  Tensor tensor;
};

/// A call returns when its outputs may be read and its inputs reused by work on `stream`. Tensors
/// lie on the stream's device or, unless the transport refuses them with a ContractError as NCCL
/// does, all in host memory; those are read and written before the call returns, whatever is queued
/// on the stream. Calls on a device may end, and fail, after they have returned: World::synchronize
/// reports that.
/// All of them throw CommError when a peer is lost, disagrees, or is silent beyond the time limit.
class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;  // within the group
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// In place; f32, bf16, f64 or i64.
  virtual void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) = 0;
  /// output = this rank's slice, along dim 0, of the sum of all inputs. output [k, ...], input
  /// [size * k, ...]; output may be that slice of input.
  virtual void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) = 0;
  /// output [size * k, ...] = all inputs [k, ...] along dim 0 in rank order; input may be this
  /// rank's slice of output.
  virtual void all_gather(Stream& stream, const Tensor& output, const Tensor& input) = 0;
  virtual void broadcast(Stream& stream, const Tensor& tensor, int root) = 0;
  /// All transfers of the call progress together, so two ranks may send to each other in it.
  /// Transfers between a pair of ranks match in the order in which they are listed.
  virtual void exchange(Stream& stream, std::span<const Transfer> transfers) = 0;
  virtual void barrier() = 0;
  /// Wakes every rank of the group with a CommError carrying `reason`. Never throws or waits.
  virtual void abort(std::string_view reason) noexcept = 0;
};

}  // namespace swallow
