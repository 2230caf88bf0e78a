// What a rank asks of a communicator, as plain data: transports compare calls between ranks and
// name both sides when they differ.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "comm/communicator.h"

namespace swallow {

enum class CallKind : uint8_t {
  all_reduce,
  reduce_scatter,
  all_gather,
  broadcast,
  barrier,
  exchange_blobs,  // ControlPlane::exchange
  send,
  receive,
};

struct Call {
  CallKind kind = CallKind::barrier;
  DType dtype = DType::u8;
  ReduceOp reduce = ReduceOp::sum;
  int32_t root = -1;  // of a broadcast, within the group
  int64_t count = 0;  // elements of the smaller tensor of the call
  friend bool operator==(const Call&, const Call&) = default;
};

/// For a person: "all_reduce(sum, 12 x f32)".
[[nodiscard]] std::string to_string(const Call& call);

/// The calls of Communicator's methods. They throw ContractError when the arguments contradict each
/// other: types that differ, sizes that do not fit a group of `size` ranks, a root or a peer
/// outside it, a type that cannot be reduced.
[[nodiscard]] Call all_reduce_call(const Tensor& tensor, ReduceOp op);
[[nodiscard]] Call reduce_scatter_call(const Tensor& output, const Tensor& input, int size);
[[nodiscard]] Call all_gather_call(const Tensor& output, const Tensor& input, int size);
[[nodiscard]] Call broadcast_call(const Tensor& tensor, int root, int size);
[[nodiscard]] Call transfer_call(const Transfer& transfer, int rank, int size);

/// Whether a sent message is the one that the receiver waits for.
[[nodiscard]] bool matches(const Call& send, const Call& receive);

}  // namespace swallow
