#include "comm/socket_communicator.h"

#include <algorithm>

#include "base/math.h"
#include "comm/host_memory.h"
#include "comm/reduction.h"

namespace swallow {

namespace {

// Up to here an all-reduce sends the whole tensor to everybody: one round trip instead of two, at
// the price of (size - 1) times the traffic of the sliced way's first half.
constexpr int64_t kWholeBytes = int64_t{64} << 10;

// Slices are summed in steps of this size per peer, so that staging stays small and in the cache.
constexpr int64_t kStepBytes = int64_t{256} << 10;

void check_host(const Tensor& tensor) {
  require_host(tensor, "the socket transport");
}

}  // namespace

SocketCommunicator::SocketCommunicator(PeerSockets peers, ControlPlane& control,
                                       std::chrono::milliseconds timeout)
    : engine_(std::move(peers), control, timeout),
      inputs_(static_cast<size_t>(engine_.size())),
      num_sent_(static_cast<size_t>(engine_.size())),
      num_received_(static_cast<size_t>(engine_.size())) {}

// Every collective tells everybody what it is, also where no data flows, so that a call that
// differs is found by all ranks in that very call.
void SocketCommunicator::queue_headers(const Call& call) {
  const uint64_t number = num_collectives_++;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    engine_.send_header(peer, call, number);
    engine_.receive_header(peer, call, number);
  }
}

void SocketCommunicator::reserve_scratch(int64_t bytes_per_peer) {
  scratch_stride_ = round_up(bytes_per_peer, 64);
  const int64_t bytes = scratch_stride_ * size();
  if (scratch_.bytes() < bytes) scratch_ = Buffer(Device{}, bytes);
}

std::byte* SocketCommunicator::scratch(int peer) const {
  return scratch_.data() + scratch_stride_ * peer;
}

void SocketCommunicator::all_reduce(Stream&, const Tensor& tensor, ReduceOp op) {
  check_host(tensor);
  const Call call = all_reduce_call(tensor, op);
  queue_headers(call);
  if (tensor.bytes() <= kWholeBytes) return reduce_whole(call, bytes_of(tensor));

  const int64_t width = size_of(call.dtype);
  const auto slice = [&](int owner) { return slice_of(call.count, owner, size()); };
  const Slice mine = slice(rank());
  std::byte* data = bytes_of(tensor);
  reduce_slices(call, data + mine.begin * width, data, slice);
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    engine_.send(peer, data + mine.begin * width, mine.count() * width);
    engine_.receive(peer, data + slice(peer).begin * width, slice(peer).count() * width);
  }
  engine_.run(call);
}

void SocketCommunicator::reduce_whole(const Call& call, std::byte* data) {
  const int64_t bytes = call.count * size_of(call.dtype);
  reserve_scratch(bytes);
  for (int peer = 0; peer < size(); ++peer) {
    inputs_[static_cast<size_t>(peer)] = peer == rank() ? data : scratch(peer);
    if (peer == rank()) continue;
    engine_.send(peer, data, bytes);
    engine_.receive(peer, scratch(peer), bytes);
  }
  engine_.run(call);
  reduce_in_order(call.dtype, call.reduce, data, inputs_, call.count);
}

// output = the reduction of this rank's slice of everybody's `input`, where slice_of_rank(r) gives
// the elements that rank r owns. `output` may be that slice of `input`: nobody else is sent it.
template <class SliceOfRank>
void SocketCommunicator::reduce_slices(const Call& call, std::byte* output, const std::byte* input,
                                       const SliceOfRank& slice_of_rank) {
  const int64_t width = size_of(call.dtype);
  const int64_t step = kStepBytes / width;
  int64_t longest = 0;
  for (int peer = 0; peer < size(); ++peer)
    longest = std::max(longest, slice_of_rank(peer).count());
  reserve_scratch(std::min(longest, step) * width);
  int64_t done = 0;
  do {
    const auto part = [&](int owner) {
      const Slice slice = slice_of_rank(owner);
      const int64_t begin = std::min(slice.begin + done, slice.end);
      return Slice{begin, std::min(begin + step, slice.end)};
    };
    const Slice mine = part(rank());
    for (int peer = 0; peer < size(); ++peer) {
      inputs_[static_cast<size_t>(peer)] =
          peer == rank() ? input + mine.begin * width : scratch(peer);
      if (peer == rank()) continue;
      engine_.send(peer, input + part(peer).begin * width, part(peer).count() * width);
      engine_.receive(peer, scratch(peer), mine.count() * width);
    }
    engine_.run(call);
    reduce_in_order(call.dtype, call.reduce, output + done * width, inputs_, mine.count());
    done += step;
  } while (done < longest);
}

void SocketCommunicator::reduce_scatter(Stream&, const Tensor& output, const Tensor& input) {
  check_host(output);
  check_host(input);
  const Call call = reduce_scatter_call(output, input, size());
  queue_headers(call);
  reduce_slices(call, bytes_of(output), bytes_of(input), [&](int owner) {
    return Slice{call.count * owner, call.count * (owner + 1)};
  });
}

void SocketCommunicator::all_gather(Stream&, const Tensor& output, const Tensor& input) {
  check_host(output);
  check_host(input);
  const Call call = all_gather_call(output, input, size());
  const int64_t bytes = input.bytes();
  queue_headers(call);
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    engine_.send(peer, input.data, bytes);
    engine_.receive(peer, bytes_of(output) + peer * bytes, bytes);
  }
  engine_.run(call);
  copy_if_any(bytes_of(output) + rank() * bytes, input.data, bytes);
}

void SocketCommunicator::broadcast(Stream&, const Tensor& tensor, int root) {
  check_host(tensor);
  const Call call = broadcast_call(tensor, root, size());
  queue_headers(call);
  if (rank() != root) engine_.receive(root, tensor.data, tensor.bytes());
  for (int peer = 0; peer < size(); ++peer) {
    if (rank() == root && peer != root) engine_.send(peer, tensor.data, tensor.bytes());
  }
  engine_.run(call);
}

void SocketCommunicator::exchange(Stream&, std::span<const Transfer> transfers) {
  if (transfers.empty()) return;
  // Checked before anything is queued, so that a wrong argument leaves nothing behind.
  for (const Transfer& transfer : transfers) {
    check_host(transfer.tensor);
    static_cast<void>(transfer_call(transfer, rank(), size()));
  }
  for (const Transfer& transfer : transfers) {
    const Call call = transfer_call(transfer, rank(), size());
    const auto peer = static_cast<size_t>(transfer.peer);
    if (transfer.direction == Transfer::Direction::send) {
      engine_.send_header(transfer.peer, call, num_sent_[peer]++);
      engine_.send(transfer.peer, transfer.tensor.data, transfer.tensor.bytes());
    } else {
      engine_.receive_header(transfer.peer, call, num_received_[peer]++);
      engine_.receive(transfer.peer, transfer.tensor.data, transfer.tensor.bytes());
    }
  }
  engine_.run(transfer_call(transfers.front(), rank(), size()));
}

void SocketCommunicator::barrier() {
  const Call call{.kind = CallKind::barrier};
  queue_headers(call);
  engine_.run(call);
}

}  // namespace swallow
