#include "comm/call.h"

#include "base/check.h"

namespace swallow {

namespace {

std::string_view name_of(CallKind kind) {
  switch (kind) {
    case CallKind::all_reduce:
      return "all_reduce";
    case CallKind::reduce_scatter:
      return "reduce_scatter";
    case CallKind::all_gather:
      return "all_gather";
    case CallKind::broadcast:
      return "broadcast";
    case CallKind::barrier:
      return "barrier";
    case CallKind::exchange_blobs:
      return "an exchange of blobs";
    case CallKind::send:
      return "send";
    case CallKind::receive:
      return "receive";
  }
  return "an unknown call";
}

void check_reducible(DType dtype) {
  SWALLOW_CHECK(
      dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f64 || dtype == DType::i64,
      "{} cannot be reduced; f32, bf16, f64 and i64 can", name_of(dtype));
}

}  // namespace

std::string to_string(const Call& call) {
  const std::string elements = fmt::format("{} x {}", call.count, name_of(call.dtype));
  switch (call.kind) {
    case CallKind::all_reduce:
      return fmt::format("all_reduce({}, {})", call.reduce == ReduceOp::sum ? "sum" : "max",
                         elements);
    case CallKind::broadcast:
      return fmt::format("broadcast({}, root {})", elements, call.root);
    case CallKind::barrier:
    case CallKind::exchange_blobs:
      return std::string(name_of(call.kind));
    default:
      return fmt::format("{}({})", name_of(call.kind), elements);
  }
}

Call all_reduce_call(const Tensor& tensor, ReduceOp op) {
  check_reducible(tensor.dtype);
  return {.kind = CallKind::all_reduce,
          .dtype = tensor.dtype,
          .reduce = op,
          .root = -1,
          .count = tensor.numel()};
}

Call reduce_scatter_call(const Tensor& output, const Tensor& input, int size) {
  check_reducible(input.dtype);
  SWALLOW_CHECK(output.dtype == input.dtype && input.numel() == output.numel() * size,
                "reduce_scatter over {} ranks from {} to {}", size, to_string(input),
                to_string(output));
  return {.kind = CallKind::reduce_scatter,
          .dtype = output.dtype,
          .reduce = ReduceOp::sum,
          .root = -1,
          .count = output.numel()};
}

Call all_gather_call(const Tensor& output, const Tensor& input, int size) {
  SWALLOW_CHECK(output.dtype == input.dtype && output.numel() == input.numel() * size,
                "all_gather over {} ranks from {} to {}", size, to_string(input),
                to_string(output));
  return {.kind = CallKind::all_gather,
          .dtype = input.dtype,
          .reduce = ReduceOp::sum,
          .root = -1,
          .count = input.numel()};
}

Call broadcast_call(const Tensor& tensor, int root, int size) {
  SWALLOW_CHECK(0 <= root && root < size, "broadcast from rank {} of {}", root, size);
  return {.kind = CallKind::broadcast,
          .dtype = tensor.dtype,
          .reduce = ReduceOp::sum,
          .root = root,
          .count = tensor.numel()};
}

Call transfer_call(const Transfer& transfer, int rank, int size) {
  const int peer = transfer.peer;
  SWALLOW_CHECK(0 <= peer && peer < size && peer != rank,
                "rank {} of {} cannot exchange with rank {}", rank, size, peer);
  const bool sends = transfer.direction == Transfer::Direction::send;
  return {.kind = sends ? CallKind::send : CallKind::receive,
          .dtype = transfer.tensor.dtype,
          .reduce = ReduceOp::sum,
          .root = -1,
          .count = transfer.tensor.numel()};
}

bool matches(const Call& send, const Call& receive) {
  return send.kind == CallKind::send && receive.kind == CallKind::receive &&
         send.dtype == receive.dtype && send.count == receive.count;
}

}  // namespace swallow
