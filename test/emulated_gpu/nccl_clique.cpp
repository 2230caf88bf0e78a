#include "nccl_clique.h"

#include <cstring>

#include "executor.h"

namespace emulated_gpu {

size_t size_of(ncclDataType_t type) {
  switch (type) {
    case ncclUint8:
      return 1;
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclFloat32:
      return 4;
    default:
      return 8;
  }
}

namespace {

template <class T, class A>
void reduce(ncclRedOp_t op, const std::vector<const void*>& inputs, size_t begin, size_t count,
            void* output) {
  std::vector<T> result(count);
  for (size_t i = 0; i < count; ++i) {
    A value{};
    for (size_t rank = 0; rank < inputs.size(); ++rank) {
      const A next = static_cast<A>(static_cast<const T*>(inputs[rank])[begin + i]);
      if (rank == 0)
        value = next;
      else
        value = op == ncclSum ? value + next : value < next ? next : value;
    }
    result[i] = static_cast<T>(value);
  }
  std::memcpy(output, result.data(), count * sizeof(T));
}

void reduce(const Collective& call, const std::vector<const void*>& inputs, size_t begin,
            size_t count, void* output) {
  switch (call.type) {
    case ncclFloat32:
      return reduce<float, float>(call.op, inputs, begin, count, output);
    case ncclBfloat16:
      return reduce<__nv_bfloat16, float>(call.op, inputs, begin, count, output);
    case ncclFloat64:
      return reduce<double, double>(call.op, inputs, begin, count, output);
    case ncclInt64:
      return reduce<int64_t, int64_t>(call.op, inputs, begin, count, output);
    default:
      fail("NCCL: a reduction of a type that is not emulated");
  }
}

/// All ranks have come: does the work of all of them.
void perform(const Meeting& meeting) {
  const Collective& call = meeting.collective;
  const size_t size = meeting.parts.size();
  const size_t bytes = call.count * size_of(call.type);
  // Inputs are copied first, as outputs may be the same memory.
  std::vector<std::vector<std::byte>> copies;
  std::vector<const void*> inputs;
  for (const Part& part : meeting.parts) {
    const auto* begin = static_cast<const std::byte*>(part.input);
    const size_t length = call.kind == Kind::reduce_scatter ? bytes * size : bytes;
    copies.emplace_back(begin, begin + length);
  }
  for (const auto& copy : copies) inputs.push_back(copy.data());
  for (size_t rank = 0; rank < size; ++rank) {
    auto* output = static_cast<std::byte*>(meeting.parts[rank].output);
    switch (call.kind) {
      case Kind::all_reduce:
        reduce(call, inputs, 0, call.count, output);
        break;
      case Kind::reduce_scatter:
        reduce(call, inputs, rank * call.count, call.count, output);
        break;
      case Kind::all_gather:
        for (size_t from = 0; from < size; ++from)
          std::memcpy(output + from * bytes, inputs[from], bytes);
        break;
      case Kind::broadcast:
        std::memcpy(output, inputs[static_cast<size_t>(call.root)], bytes);
        break;
    }
  }
}

}  // namespace

bool CollectiveWork::operator()() {
  Clique& clique = *member_->clique;
  const std::lock_guard lock(clique.mutex);
  if (member_->aborted) return true;
  Meeting& meeting = clique.meetings[number_];
  const size_t size = clique.devices.size();
  if (!arrived_) {
    arrived_ = true;
    if (meeting.parts.empty()) {
      meeting.parts.resize(size);
      meeting.collective = call_;
    }
    if (!(meeting.collective == call_)) fail("NCCL: ranks of a group make different calls");
    meeting.parts[static_cast<size_t>(member_->rank)] = part_;
    if (++meeting.num_arrived == size) perform(meeting);
  }
  if (meeting.num_arrived < size) return false;
  if (++meeting.num_left == size) clique.meetings.erase(number_);
  return true;
}

bool TransferWork::operator()() {
  const std::lock_guard lock(member_->clique->mutex);
  bool all_done = true;
  for (size_t i = 0; i < transfers_.size(); ++i) {
    if (transfers_[i].sends)
      send(i);
    else
      receive(i);
    all_done = all_done && (transfers_[i].sends ? sent_[i] != nullptr && sent_[i]->taken
                                                : static_cast<bool>(received_[i]));
  }
  return all_done || member_->aborted;
}

void TransferWork::send(size_t i) {
  if (member_->aborted) {
    if (sent_[i] != nullptr) sent_[i]->withdrawn = true;
  } else if (sent_[i] == nullptr) {
    sent_[i] = std::make_shared<Parcel>(Parcel{transfers_[i].data, transfers_[i].bytes});
    box(member_->rank, transfers_[i].peer).push_back(sent_[i]);
  }
}

void TransferWork::receive(size_t i) {
  auto& parcels = box(transfers_[i].peer, member_->rank);
  if (received_[i] || !in_order(i) || parcels.empty() || parcels.front()->withdrawn) return;
  Parcel& parcel = *parcels.front();
  if (parcel.bytes != transfers_[i].bytes) fail("NCCL: a receive of another size than its send");
  std::memcpy(transfers_[i].data, parcel.data, parcel.bytes);
  parcel.taken = true;
  parcels.pop_front();
  received_[i] = true;
}

/// Receives from one peer take its parcels in the order in which they were called.
bool TransferWork::in_order(size_t i) const {
  for (size_t earlier = 0; earlier < i; ++earlier)
    if (!transfers_[earlier].sends && transfers_[earlier].peer == transfers_[i].peer &&
        !received_[earlier])
      return false;
  return true;
}

}  // namespace emulated_gpu
