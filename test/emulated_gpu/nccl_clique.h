// What collectives and transfers of the emulated NCCL do when streams come to them: pieces of work
// that are tried until the other ranks' streams have come too. Knows nothing of how NCCL is called.
#pragma once

#include <nccl.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace emulated_gpu {

enum class Kind { all_reduce, reduce_scatter, all_gather, broadcast };

struct Collective {
  Kind kind;
  size_t count;
  ncclDataType_t type;
  ncclRedOp_t op;
  int root;
  bool operator==(const Collective&) const = default;
};

/// What a rank brings to a collective.
struct Part {
  const void* input = nullptr;
  void* output = nullptr;
};

struct Meeting {
  Collective collective;
  std::vector<Part> parts;
  size_t num_arrived = 0;
  size_t num_left = 0;
};

/// A message on its way; the sender's memory is valid until `taken` or the sender is aborted.
struct Parcel {
  const void* data;
  size_t bytes;
  bool taken = false;
  bool withdrawn = false;
};

/// The ranks that share a unique id.
struct Clique {
  std::mutex mutex;
  std::vector<int> devices;  // -1: has not come
  std::map<uint64_t, Meeting> meetings;
  std::map<std::pair<int, int>, std::deque<std::shared_ptr<Parcel>>> boxes;  // [from, to]
};

/// A rank of a clique. Work on streams may outlive the communicator.
struct Member {
  std::shared_ptr<Clique> clique;
  int rank = 0;
  int device = 0;
  std::atomic<bool> aborted = false;
  bool finalized = false;
  uint64_t num_collectives = 0;
  int polls_left = 0;
  bool ready = false;
  ncclResult_t error = ncclSuccess;
  std::vector<std::function<void()>> launches;  // when the call is no longer in progress
};

struct PendingTransfer {
  bool sends;
  void* data;
  size_t bytes;
  int peer;
};

[[nodiscard]] size_t size_of(ncclDataType_t type);

/// A rank's part in collective `number`, tried until it returns true.
class CollectiveWork {
 public:
  CollectiveWork(std::shared_ptr<Member> member, uint64_t number, const Collective& call, Part part)
      : member_(std::move(member)), number_(number), call_(call), part_(part) {}

  bool operator()();

 private:
  std::shared_ptr<Member> member_;
  uint64_t number_;
  Collective call_;
  Part part_;
  bool arrived_ = false;
};

/// A group's sends and receives of one rank.
class TransferWork {
 public:
  TransferWork(std::shared_ptr<Member> member, std::vector<PendingTransfer> transfers)
      : member_(std::move(member)),
        transfers_(std::move(transfers)),
        sent_(transfers_.size()),
        received_(transfers_.size(), false) {}

  bool operator()();

 private:
  void send(size_t i);
  void receive(size_t i);
  [[nodiscard]] bool in_order(size_t i) const;
  [[nodiscard]] auto& box(int from, int to) { return member_->clique->boxes[{from, to}]; }

  std::shared_ptr<Member> member_;
  std::vector<PendingTransfer> transfers_;
  std::vector<std::shared_ptr<Parcel>> sent_;
  std::vector<bool> received_;
};

}  // namespace emulated_gpu
