#include "comm/staged_communicator.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/math.h"
#include "comm/call.h"

namespace swallow {

namespace {

// Where a transfer starts in the staging memory, so that no element straddles a cache line.
constexpr int64_t kAlignment = 64;

/// `count` elements of a tensor from element `begin` on, whatever its shape.
Tensor part_of(const Tensor& tensor, int64_t begin, int64_t count) {
  return {static_cast<std::byte*>(tensor.data) + begin * size_of(tensor.dtype),
          tensor.dtype,
          {count},
          tensor.device};
}

/// Calls work(begin, count) for pieces of at most `most` elements, and once for none: every rank
/// takes part in a call on an empty tensor too.
template <class Work>
void for_each_piece(int64_t count, int64_t most, const Work& work) {
  int64_t begin = 0;
  do {
    const int64_t step = std::min(most, count - begin);
    work(begin, step);
    begin += step;
  } while (begin < count);
}

}  // namespace

StagedCommunicator::StagedCommunicator(std::unique_ptr<Communicator> inner, Device device,
                                       int64_t staging_bytes)
    : inner_(std::move(inner)),
      device_(device),
      staging_bytes_(staging_bytes),
      host_stream_(Device{}),
      copied_back_(device) {}

bool StagedCommunicator::is_staged(const Stream& stream,
                                   std::initializer_list<Tensor> tensors) const {
  const Device first = tensors.begin()->device;
  for (const Tensor& tensor : tensors)
    SWALLOW_CHECK(tensor.device == first, "{} is not on {} as the other tensor of the call",
                  to_string(tensor), to_string(first));
  if (first.kind == DeviceKind::cpu) return false;
  SWALLOW_CHECK(first == device_ && stream.device() == device_,
                "{} on a stream of {}; this communicator stages for {}",
                to_string(*tensors.begin()), to_string(stream.device()), to_string(device_));
  return true;
}

Tensor StagedCommunicator::host_tensor(DType dtype, int64_t count, int64_t offset) const {
  return {staging_.data() + offset, dtype, {count}, Device{}};
}

void StagedCommunicator::begin(int64_t bytes) {
  copied_back_.synchronize();
  if (staging_.bytes() < bytes) staging_ = HostBuffer(device_, bytes);
}

void StagedCommunicator::all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) {
  static_cast<void>(all_reduce_call(tensor, op));
  if (!is_staged(stream, {tensor})) return inner_->all_reduce(host_stream_, tensor, op);
  const int64_t most = std::max<int64_t>(1, staging_bytes_ / size_of(tensor.dtype));
  for_each_piece(tensor.numel(), most, [&](int64_t first, int64_t count) {
    const Tensor part = part_of(tensor, first, count);
    begin(part.bytes());
    const Tensor host = host_tensor(tensor.dtype, count);
    copy(stream, host, part);
    stream.synchronize();
    inner_->all_reduce(host_stream_, host, op);
    copy(stream, part, host);
    end(stream);
  });
}

void StagedCommunicator::reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) {
  static_cast<void>(reduce_scatter_call(output, input, size()));
  if (!is_staged(stream, {output, input}))
    return inner_->reduce_scatter(host_stream_, output, input);
  const int64_t most = std::max<int64_t>(1, staging_bytes_ / (size_of(input.dtype) * size()));
  // An output that is a slice of the input is written piece by piece, each after it has been read.
  for_each_piece(output.numel(), most, [&](int64_t first, int64_t count) {
    begin(count * size_of(input.dtype) * size());
    const Tensor host = host_tensor(input.dtype, count * size());
    const auto slice = [&](int owner) { return host.rows(owner * count, (owner + 1) * count); };
    for (int owner = 0; owner < size(); ++owner)
      copy(stream, slice(owner), part_of(input, owner * output.numel() + first, count));
    stream.synchronize();
    inner_->reduce_scatter(host_stream_, slice(rank()), host);
    copy(stream, part_of(output, first, count), slice(rank()));
    end(stream);
  });
}

void StagedCommunicator::all_gather(Stream& stream, const Tensor& output, const Tensor& input) {
  static_cast<void>(all_gather_call(output, input, size()));
  if (!is_staged(stream, {output, input})) return inner_->all_gather(host_stream_, output, input);
  const int64_t most = std::max<int64_t>(1, staging_bytes_ / (size_of(input.dtype) * size()));
  for_each_piece(input.numel(), most, [&](int64_t first, int64_t count) {
    begin(count * size_of(input.dtype) * size());
    const Tensor host = host_tensor(input.dtype, count * size());
    const auto slice = [&](int owner) { return host.rows(owner * count, (owner + 1) * count); };
    copy(stream, slice(rank()), part_of(input, first, count));
    stream.synchronize();
    inner_->all_gather(host_stream_, host, slice(rank()));
    for (int owner = 0; owner < size(); ++owner) {
      const Tensor part = part_of(output, owner * input.numel() + first, count);
      if (part.data != part_of(input, first, count).data) copy(stream, part, slice(owner));
    }
    end(stream);
  });
}

void StagedCommunicator::broadcast(Stream& stream, const Tensor& tensor, int root) {
  static_cast<void>(broadcast_call(tensor, root, size()));
  if (!is_staged(stream, {tensor})) return inner_->broadcast(host_stream_, tensor, root);
  const int64_t most = std::max<int64_t>(1, staging_bytes_ / size_of(tensor.dtype));
  for_each_piece(tensor.numel(), most, [&](int64_t first, int64_t count) {
    const Tensor part = part_of(tensor, first, count);
    begin(part.bytes());
    const Tensor host = host_tensor(tensor.dtype, count);
    if (rank() == root) {
      copy(stream, host, part);
      stream.synchronize();
    }
    inner_->broadcast(host_stream_, host, root);
    if (rank() != root) copy(stream, part, host);
    end(stream);
  });
}

// In rounds: in each every transfer moves its next piece. How a transfer is cut depends on its own
// size alone, so both sides of it cut alike, and its pieces meet in rounds of the same number.
void StagedCommunicator::exchange(Stream& stream, std::span<const Transfer> transfers) {
  bool staged = false;
  int64_t num_rounds = 1;
  int64_t bytes = 0;
  const int64_t most_bytes = std::max<int64_t>(kAlignment, staging_bytes_ / 4);
  for (const Transfer& transfer : transfers) {
    static_cast<void>(transfer_call(transfer, rank(), size()));
    staged = is_staged(stream, {transfers.front().tensor, transfer.tensor});
    const int64_t most = most_bytes / size_of(transfer.tensor.dtype);
    num_rounds = std::max(num_rounds, ceil_div(transfer.tensor.numel(), most));
    bytes += round_up(std::min(transfer.tensor.bytes(), most_bytes), kAlignment);
  }
  if (!staged) return inner_->exchange(host_stream_, transfers);
  std::vector<Transfer> pieces;   // on the device
  std::vector<Transfer> staging;  // the same on the host
  for (int64_t round = 0; round < num_rounds; ++round) {
    pieces.clear();
    staging.clear();
    begin(bytes);
    int64_t offset = 0;
    for (const auto& [direction, peer, tensor] : transfers) {
      const int64_t most = most_bytes / size_of(tensor.dtype);
      const int64_t first = round * most;
      if (round > 0 && first >= tensor.numel()) continue;
      const int64_t count = std::min(most, tensor.numel() - first);
      pieces.push_back({direction, peer, part_of(tensor, first, count)});
      staging.push_back({direction, peer, host_tensor(tensor.dtype, count, offset)});
      offset += round_up(count * size_of(tensor.dtype), kAlignment);
    }
    for (size_t i = 0; i < pieces.size(); ++i)
      if (pieces[i].direction == Transfer::Direction::send)
        copy(stream, staging[i].tensor, pieces[i].tensor);
    stream.synchronize();
    inner_->exchange(host_stream_, staging);
    for (size_t i = 0; i < pieces.size(); ++i)
      if (pieces[i].direction == Transfer::Direction::receive)
        copy(stream, pieces[i].tensor, staging[i].tensor);
    end(stream);
  }
}

}  // namespace swallow
