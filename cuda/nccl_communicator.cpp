// Collectives between GPUs: each call is checked, handed to NCCL on the caller's stream, and queued
// there on return. Also how the ranks of a job find each other (comm/nccl.h).
#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/math.h"
#include "comm/nccl.h"
#include "nccl_session.h"

namespace swallow::cuda {

namespace {

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return ncclFloat32;
    case DType::bf16:
      return ncclBfloat16;
    case DType::f64:
      return ncclFloat64;
    case DType::i32:
      return ncclInt32;
    case DType::i64:
      return ncclInt64;
    case DType::u8:
      return ncclUint8;
    case DType::u16:
      break;
  }
  throw ContractError("NCCL has no type for {}", name_of(dtype));
}

ncclRedOp_t operation_of(ReduceOp op) {
  return op == ReduceOp::sum ? ncclSum : ncclMax;
}

/// NCCL takes a call as in place when the slice is exactly the rank's part of the whole; any other
/// overlap would be read and written at the same time.
void check_aliasing(const Tensor& whole, const Tensor& slice, int rank) {
  const auto* begin = static_cast<const std::byte*>(whole.data);
  const auto* part = static_cast<const std::byte*>(slice.data);
  const bool apart = part + slice.bytes() <= begin || begin + whole.bytes() <= part;
  SWALLOW_CHECK(apart || part == begin + rank * slice.bytes(),
                "{} overlaps {}, but is not the slice of rank {}", to_string(slice),
                to_string(whole), rank);
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(NcclSession& session, NcclSession::Group& group)
      : session_(session),
        nccl_(session.nccl()),
        group_(group),
        rank_(group.index),
        size_(group.size()) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }

  void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) override;
  void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) override;
  void all_gather(Stream& stream, const Tensor& output, const Tensor& input) override;
  void broadcast(Stream& stream, const Tensor& tensor, int root) override;
  void exchange(Stream& stream, std::span<const Transfer> transfers) override;
  void barrier() override { session_.barrier(group_); }
  void abort(std::string_view reason) noexcept override { session_.abort(reason); }

 private:
  void check_place(const Stream& stream, const Tensor& tensor) const {
    SWALLOW_CHECK(tensor.device == session_.device() && stream.device() == session_.device(),
                  "NCCL on {} was given {} in memory of {}, on a stream of {}",
                  to_string(session_.device()), to_string(tensor), to_string(tensor.device),
                  to_string(stream.device()));
  }
  ncclResult_t launch_transfers(std::span<const Transfer> transfers, ncclComm_t communicator,
                                cudaStream_t queue) const;

  NcclSession& session_;
  const Nccl& nccl_;
  NcclSession::Group& group_;
  int rank_;
  int size_;
};

// Empty tensors move nothing, on no rank, so no rank calls NCCL for them.

void NcclCommunicator::all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) {
  const Call call = all_reduce_call(tensor, op);
  if (call.count == 0) return session_.check();
  check_place(stream, tensor);
  session_.run(group_, stream, call, [&](ncclComm_t communicator, cudaStream_t queue) {
    return nccl_.all_reduce(tensor.data, tensor.data, static_cast<size_t>(call.count),
                            type_of(call.dtype), operation_of(op), communicator, queue);
  });
}

void NcclCommunicator::reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) {
  const Call call = reduce_scatter_call(output, input, size_);
  if (call.count == 0) return session_.check();
  check_place(stream, output);
  check_place(stream, input);
  check_aliasing(input, output, rank_);
  session_.run(group_, stream, call, [&](ncclComm_t communicator, cudaStream_t queue) {
    return nccl_.reduce_scatter(input.data, output.data, static_cast<size_t>(call.count),
                                type_of(call.dtype), ncclSum, communicator, queue);
  });
}

void NcclCommunicator::all_gather(Stream& stream, const Tensor& output, const Tensor& input) {
  const Call call = all_gather_call(output, input, size_);
  if (call.count == 0) return session_.check();
  check_place(stream, output);
  check_place(stream, input);
  check_aliasing(output, input, rank_);
  session_.run(group_, stream, call, [&](ncclComm_t communicator, cudaStream_t queue) {
    return nccl_.all_gather(input.data, output.data, static_cast<size_t>(call.count),
                            type_of(call.dtype), communicator, queue);
  });
}

void NcclCommunicator::broadcast(Stream& stream, const Tensor& tensor, int root) {
  const Call call = broadcast_call(tensor, root, size_);
  if (call.count == 0) return session_.check();
  check_place(stream, tensor);
  session_.run(group_, stream, call, [&](ncclComm_t communicator, cudaStream_t queue) {
    return nccl_.broadcast(tensor.data, tensor.data, static_cast<size_t>(call.count),
                           type_of(call.dtype), root, communicator, queue);
  });
}

void NcclCommunicator::exchange(Stream& stream, std::span<const Transfer> transfers) {
  const Transfer* moving = nullptr;
  for (const Transfer& transfer : transfers) {
    const Call call = transfer_call(transfer, rank_, size_);
    if (call.count == 0) continue;
    check_place(stream, transfer.tensor);
    moving = &transfer;
  }
  if (moving == nullptr) return session_.check();
  session_.run(group_, stream, transfer_call(*moving, rank_, size_),
               [&](ncclComm_t communicator, cudaStream_t queue) {
                 return launch_transfers(transfers, communicator, queue);
               });
}

// A group that was started must be ended, also after a failure in it, which its end then returns.
ncclResult_t NcclCommunicator::launch_transfers(std::span<const Transfer> transfers,
                                                ncclComm_t communicator, cudaStream_t queue) const {
  ncclResult_t result = nccl_.group_start();
  if (result != ncclSuccess) return result;
  for (const auto& [direction, peer, tensor] : transfers) {
    if (tensor.numel() == 0) continue;
    const auto count = static_cast<size_t>(tensor.numel());
    const ncclDataType_t type = type_of(tensor.dtype);
    result = direction == Transfer::Direction::send
                 ? nccl_.send(tensor.data, count, type, peer, communicator, queue)
                 : nccl_.recv(tensor.data, count, type, peer, communicator, queue);
    if (result != ncclSuccess && result != ncclInProgress) break;
  }
  const ncclResult_t end = nccl_.group_end();
  return result != ncclSuccess && result != ncclInProgress ? result : end;
}

struct Axis {
  const char* name;
  std::vector<int> members;
  std::unique_ptr<Communicator>* communicator;
};

}  // namespace

NcclGroups connect_nccl(const ProcessGrid& grid, int rank, ControlPlane& control,
                        const TransportOptions& options) {
  const SharedLibrary probe(Nccl::kFile);
  if (!probe.problem().empty())
    throw ConfigError(
        "NCCL cannot be opened ({}); expected it where the loader looks (LD_LIBRARY_PATH), or "
        "--comm host, which does without at the speed of host memory",
        probe.problem());
  NcclGroups groups;
  auto session = std::make_unique<NcclSession>(options.device, control, options.timeout);
  const std::array<Axis, 3> axes{{{"tp group", grid.tp_group(rank), &groups.tp},
                                  {"dp group", grid.dp_group(rank), &groups.dp},
                                  {"pp group", grid.pp_group(rank), &groups.pp}}};
  // The first rank of each group makes its id; one exchange brings all of them to everybody.
  std::string ids;
  for (const Axis& axis : axes) {
    const bool makes_id = axis.members.size() > 1 && axis.members.front() == rank;
    ids += makes_id ? session->make_id() : std::string(NCCL_UNIQUE_ID_BYTES, '\0');
  }
  const std::vector<std::string> ids_of_rank = control.exchange(ids);
  // Axis by axis on every rank: a rank waits only for ranks that connect the same axis.
  for (size_t i = 0; i < axes.size(); ++i) {
    const std::vector<int>& members = axes[i].members;
    if (members.size() == 1) continue;
    const std::string& made = ids_of_rank.at(static_cast<size_t>(members.front()));
    if (made.size() != ids.size())
      throw CommError("rank {} gave no usable NCCL id", members.front());
    const auto place = std::find(members.begin(), members.end(), rank);
    NcclSession::Group& group = session->connect(
        {.name = axes[i].name, .members = members, .index = narrow<int>(place - members.begin())},
        made.substr(i * NCCL_UNIQUE_ID_BYTES, NCCL_UNIQUE_ID_BYTES));
    *axes[i].communicator = std::make_unique<NcclCommunicator>(*session, group);
  }
  groups.watch = std::move(session);
  return groups;
}

}  // namespace swallow::cuda
