#include "comm/shared_communicator.h"

#include <algorithm>

#include "comm/host_memory.h"
#include "comm/reduction.h"

namespace swallow {

namespace {

// Up to here, over all ranks, an all-reduce shows the whole tensor to everybody: one meeting
// instead of two, at the price of reading all of it from all.
constexpr int64_t kWholeBytes = int64_t{64} << 10;

void check_host(const Tensor& tensor) {
  require_host(tensor, "the shared-memory transport");
}

/// The part of a slice, [begin, end), that is `done` elements after its begin and at most `step`
/// long.
Slice part_of(const Slice& slice, int64_t done, int64_t step) {
  const int64_t begin = std::min(slice.begin + done, slice.end);
  return {begin, std::min(begin + step, slice.end)};
}

template <class SliceOfRank>
int64_t longest(int size, const SliceOfRank& slice_of_rank) {
  int64_t count = 0;
  for (int rank = 0; rank < size; ++rank) count = std::max(count, slice_of_rank(rank).count());
  return count;
}

}  // namespace

SharedCommunicator::SharedCommunicator(SharedSegment segment, GroupPlace place,
                                       ControlPlane& control, SharedBoard::Waiting waiting)
    : board_(std::move(segment), std::move(place), control, waiting),
      exchange_(board_),
      inputs_(static_cast<size_t>(board_.size())) {}

void SharedCommunicator::all_reduce(Stream&, const Tensor& tensor, ReduceOp op) {
  check_host(tensor);
  const Call call = all_reduce_call(tensor, op);
  std::byte* const data = bytes_of(tensor);
  board_.begin(call);
  if (tensor.bytes() * (size() - 1) <= kWholeBytes) {
    reduce_whole(call, data);
  } else {
    const auto slice = [&](int owner) { return slice_of(call.count, owner, size()); };
    std::byte* const mine = data + slice(rank()).begin * size_of(call.dtype);
    reduce_slices(call, mine, data, slice);
    gather_slices(call, data, mine, slice);
  }
  board_.end();
}

void SharedCommunicator::reduce_whole(const Call& call, std::byte* data) {
  copy_if_any(board_.own_window(), data, call.count * size_of(call.dtype));
  board_.meet(call);
  for (int peer = 0; peer < size(); ++peer)
    inputs_[static_cast<size_t>(peer)] = peer == rank() ? data : board_.window(peer);
  reduce_in_order(call.dtype, call.reduce, data, inputs_, call.count);
}

// output = the reduction of this rank's slice of everybody's `input`, where slice_of_rank(r) gives
// the elements that rank r owns. `output` may be that slice of `input`: nobody else is shown it. A
// window holds a piece for each other owner, in rank order.
template <class SliceOfRank>
void SharedCommunicator::reduce_slices(const Call& call, std::byte* output, const std::byte* input,
                                       const SliceOfRank& slice_of_rank) {
  const int64_t width = size_of(call.dtype);
  const int64_t stride = board_.layout().window_bytes() / (size() - 1) / 64 * 64;
  const auto place = [&](int of, int owner) { return (owner < of ? owner : owner - 1) * stride; };
  const int64_t step = stride / width;
  const int64_t count = longest(size(), slice_of_rank);
  int64_t done = 0;
  do {
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank()) continue;
      const Slice part = part_of(slice_of_rank(peer), done, step);
      copy_if_any(board_.own_window() + place(rank(), peer), input + part.begin * width,
                  part.count() * width);
    }
    board_.meet(call);
    const Slice mine = part_of(slice_of_rank(rank()), done, step);
    for (int peer = 0; peer < size(); ++peer)
      inputs_[static_cast<size_t>(peer)] =
          peer == rank() ? input + mine.begin * width : board_.window(peer) + place(peer, rank());
    reduce_in_order(call.dtype, call.reduce, output + done * width, inputs_, mine.count());
    done += step;
  } while (done < count);
}

// output = everybody's slice, of which `mine` is this rank's; it may lie where it belongs.
template <class SliceOfRank>
void SharedCommunicator::gather_slices(const Call& call, std::byte* output, const std::byte* mine,
                                       const SliceOfRank& slice_of_rank) {
  const int64_t width = size_of(call.dtype);
  const int64_t step = board_.layout().window_bytes() / width;
  const int64_t count = longest(size(), slice_of_rank);
  int64_t done = 0;
  do {
    const Slice own = part_of(slice_of_rank(rank()), done, step);
    copy_if_any(board_.own_window(), mine + done * width, own.count() * width);
    copy_if_any(output + own.begin * width, mine + done * width, own.count() * width);
    board_.meet(call);
    for (int peer = 0; peer < size(); ++peer) {
      const Slice part = part_of(slice_of_rank(peer), done, step);
      if (peer != rank())
        copy_if_any(output + part.begin * width, board_.window(peer), part.count() * width);
    }
    done += step;
  } while (done < count);
}

void SharedCommunicator::reduce_scatter(Stream&, const Tensor& output, const Tensor& input) {
  check_host(output);
  check_host(input);
  const Call call = reduce_scatter_call(output, input, size());
  board_.begin(call);
  reduce_slices(call, bytes_of(output), bytes_of(input), [&](int owner) {
    return Slice{call.count * owner, call.count * (owner + 1)};
  });
  board_.end();
}

void SharedCommunicator::all_gather(Stream&, const Tensor& output, const Tensor& input) {
  check_host(output);
  check_host(input);
  const Call call = all_gather_call(output, input, size());
  const int64_t count = input.numel();
  board_.begin(call);
  gather_slices(call, bytes_of(output), bytes_of(input), [&](int owner) {
    return Slice{count * owner, count * (owner + 1)};
  });
  board_.end();
}

void SharedCommunicator::broadcast(Stream&, const Tensor& tensor, int root) {
  check_host(tensor);
  const Call call = broadcast_call(tensor, root, size());
  const int64_t bytes = tensor.bytes();
  const int64_t step = board_.layout().window_bytes();
  std::byte* const data = bytes_of(tensor);
  board_.begin(call);
  int64_t done = 0;
  do {
    const int64_t piece = std::min(step, bytes - done);
    if (rank() == root) copy_if_any(board_.own_window(), data + done, piece);
    board_.meet(call);
    if (rank() != root) copy_if_any(data + done, board_.window(root), piece);
    done += step;
  } while (done < bytes);
  board_.end();
}

void SharedCommunicator::exchange(Stream&, std::span<const Transfer> transfers) {
  if (transfers.empty()) return;
  for (const Transfer& transfer : transfers) check_host(transfer.tensor);
  exchange_.run(transfers);
}

void SharedCommunicator::barrier() {
  const Call call{.kind = CallKind::barrier};
  board_.begin(call);
  board_.meet(call);
  board_.end();
}

}  // namespace swallow
