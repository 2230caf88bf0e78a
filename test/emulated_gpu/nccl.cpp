// NCCL between ranks that are threads of one process, as unhelpful as the real one may be: a call
// on a non-blocking communicator is in progress at first and gets onto its stream only when the
// caller asks for its state; using the communicator before that is an error; a collective ends when
// all ranks' streams have come to it, or when the communicator is aborted. What the real one would
// not notice (calls that differ, memory that is no device's) ends the program with a message.
// Declarations are those of nccl.h.
#include <nccl.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

#include "executor.h"
#include "memory.h"
#include "nccl_clique.h"
#include "stream.h"

using namespace emulated_gpu;

namespace {

// How often a call's state is "in progress" before it is done.
constexpr int kPolls = 3;

struct Process {
  std::mutex mutex;
  uint64_t num_ids = 0;
  std::map<std::string, std::shared_ptr<Clique>> cliques;
  std::set<ncclComm_t> communicators;  // alive
};

Process& process() {
  static Process instance;
  return instance;
}

/// What a thread has called since ncclGroupStart.
struct GroupState {
  struct Calls {
    std::vector<std::function<void()>> collectives;
    std::vector<PendingTransfer> transfers;
    cudaStream_t stream = nullptr;  // of the transfers
  };
  int depth = 0;
  ncclResult_t error = ncclSuccess;
  std::map<std::shared_ptr<Member>, Calls> calls;
};

GroupState& group_state() {
  thread_local GroupState state;
  return state;
}

void require_device_memory(const void* data, size_t bytes) {
  const auto* begin = static_cast<const std::byte*>(data);
  if (bytes > 0 &&
      !(emulated_gpu::is_device_memory(begin) && emulated_gpu::is_device_memory(begin + bytes - 1)))
    fail("NCCL: an argument is not device memory");
}

/// In place means the rank's own part of the larger buffer; no other overlap is allowed.
void require_apart_or_in_place(const void* whole, const void* slice, size_t bytes, size_t size,
                               size_t rank) {
  const auto* begin = static_cast<const std::byte*>(whole);
  const auto* part = static_cast<const std::byte*>(slice);
  if (part + bytes > begin && begin + bytes * size > part && part != begin + rank * bytes)
    fail("NCCL: buffers overlap and are not in place");
}

}  // namespace

struct ncclComm {
  std::shared_ptr<Member> member;
};

namespace {

std::shared_ptr<Member> member_of(ncclComm_t communicator) {
  const std::lock_guard lock(process().mutex);
  if (process().communicators.count(communicator) == 0)
    fail("NCCL: a communicator is used that does not exist (any more)");
  return communicator->member;
}

/// The state of the last call; a launch that was in progress gets onto its stream here.
ncclResult_t poll(Member& member) {
  if (member.error != ncclSuccess) return member.error;
  if (!member.ready) {
    const std::lock_guard lock(member.clique->mutex);
    const std::vector<int>& devices = member.clique->devices;
    if (std::count(devices.begin(), devices.end(), -1) > 0) return ncclInProgress;
    const std::set<int> different(devices.begin(), devices.end());
    if (different.size() < devices.size()) return member.error = ncclInvalidUsage;
    member.ready = true;
  }
  if (member.polls_left > 0) {
    --member.polls_left;
    return ncclInProgress;
  }
  for (const auto& launch : member.launches) launch();
  member.launches.clear();
  return ncclSuccess;
}

ncclResult_t set_group_error(ncclResult_t error) {
  GroupState& group = group_state();
  if (error != ncclSuccess && group.error == ncclSuccess) group.error = error;
  return error;
}

/// Whether a call may be made; the caller is inside a group.
ncclResult_t check_call(Member& member, cudaStream_t stream, int root) {
  int device = 0;
  cudaGetDevice(&device);
  if (device != member.device) fail("NCCL: called with another device current");
  if (stream == nullptr) fail("NCCL: work on the legacy default stream");
  if (member.error != ncclSuccess) return member.error;
  if (!member.ready || member.polls_left > 0 || !member.launches.empty() || member.finalized)
    return ncclInvalidArgument;  // the call before is still in progress
  return root < 0 || root >= static_cast<int>(member.clique->devices.size()) ? ncclInvalidArgument
                                                                             : ncclSuccess;
}

ncclResult_t call(ncclComm_t communicator, cudaStream_t stream, const Collective& collective,
                  Part part) {
  ncclGroupStart();
  const auto member = member_of(communicator);
  if (set_group_error(check_call(*member, stream, collective.root)) == ncclSuccess) {
    const size_t size = member->clique->devices.size();
    const size_t bytes = collective.count * size_of(collective.type);
    const bool scatters = collective.kind == Kind::reduce_scatter;
    const bool gathers = collective.kind == Kind::all_gather;
    require_device_memory(part.input, scatters ? bytes * size : bytes);
    require_device_memory(part.output, gathers ? bytes * size : bytes);
    const auto rank = static_cast<size_t>(member->rank);
    if (scatters) require_apart_or_in_place(part.input, part.output, bytes, size, rank);
    if (gathers) require_apart_or_in_place(part.output, part.input, bytes, size, rank);
    const uint64_t number = member->num_collectives++;
    group_state().calls[member].collectives.push_back([=] {
      auto work = std::make_shared<CollectiveWork>(member, number, collective, part);
      emulated_gpu::enqueue_attempt(stream, [work] { return (*work)(); });
    });
  }
  return ncclGroupEnd();
}

ncclResult_t transfer(ncclComm_t communicator, cudaStream_t stream, PendingTransfer pending) {
  ncclGroupStart();
  const auto member = member_of(communicator);
  if (set_group_error(check_call(*member, stream, pending.peer)) == ncclSuccess) {
    require_device_memory(pending.data, pending.bytes);
    auto& calls = group_state().calls[member];
    if (calls.stream != nullptr && calls.stream != stream)
      fail("NCCL: a group's transfers on different streams are not emulated");
    calls.stream = stream;
    calls.transfers.push_back(pending);
  }
  return ncclGroupEnd();
}

void forget(ncclComm_t communicator) {
  const std::lock_guard lock(process().mutex);
  process().communicators.erase(communicator);
  delete communicator;
}

}  // namespace

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    default:
      return "an error of the emulated NCCL";
  }
}
const char* ncclGetLastError(ncclComm_t) {
  return "emulated NCCL";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::lock_guard lock(process().mutex);
  std::memset(id->internal, 0, sizeof id->internal);
  const uint64_t number = ++process().num_ids;
  std::memcpy(id->internal, &number, sizeof number);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* communicator, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  *communicator = nullptr;
  const ncclConfig_t initial = NCCL_CONFIG_INITIALIZER;
  if (config == nullptr || config->size != initial.size || config->magic != initial.magic ||
      size < 1 || rank < 0 || rank >= size)
    return ncclInvalidArgument;
  if (config->blocking != 0) fail("NCCL: only non-blocking communicators are emulated");
  auto member = std::make_shared<Member>();
  member->rank = rank;
  cudaGetDevice(&member->device);
  const std::lock_guard lock(process().mutex);
  auto& clique = process().cliques[{id.internal, sizeof id.internal}];
  if (clique == nullptr) {
    clique = std::make_shared<Clique>();
    clique->devices.assign(static_cast<size_t>(size), -1);
  }
  const std::lock_guard clique_lock(clique->mutex);
  int& device = clique->devices.at(static_cast<size_t>(rank));
  if (clique->devices.size() != static_cast<size_t>(size) || device != -1)
    fail("NCCL: a rank connects twice, or with another number of ranks");
  device = member->device;
  member->clique = clique;
  member->polls_left = kPolls;
  *communicator = new ncclComm{member};
  process().communicators.insert(*communicator);
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t communicator, ncclResult_t* state) {
  *state = poll(*member_of(communicator));
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t communicator) {
  const auto member = member_of(communicator);
  if (poll(*member) != ncclSuccess || member->finalized) return ncclInvalidArgument;
  member->finalized = true;
  member->polls_left = kPolls;
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t communicator) {
  if (poll(*member_of(communicator)) != ncclSuccess) return ncclInvalidArgument;
  forget(communicator);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t communicator) {
  member_of(communicator)->aborted = true;
  forget(communicator);
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* input, void* output, size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t communicator, cudaStream_t stream) {
  return call(communicator, stream, {Kind::all_reduce, count, type, op, 0}, {input, output});
}
ncclResult_t ncclReduceScatter(const void* input, void* output, size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t communicator, cudaStream_t stream) {
  return call(communicator, stream, {Kind::reduce_scatter, count, type, op, 0}, {input, output});
}
ncclResult_t ncclAllGather(const void* input, void* output, size_t count, ncclDataType_t type,
                           ncclComm_t communicator, cudaStream_t stream) {
  return call(communicator, stream, {Kind::all_gather, count, type, ncclSum, 0}, {input, output});
}
ncclResult_t ncclBroadcast(const void* input, void* output, size_t count, ncclDataType_t type,
                           int root, ncclComm_t communicator, cudaStream_t stream) {
  return call(communicator, stream, {Kind::broadcast, count, type, ncclSum, root}, {input, output});
}
ncclResult_t ncclSend(const void* data, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t communicator, cudaStream_t stream) {
  return transfer(communicator, stream,
                  {true, const_cast<void*>(data), count * size_of(type), peer});
}
ncclResult_t ncclRecv(void* data, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t communicator, cudaStream_t stream) {
  return transfer(communicator, stream, {false, data, count * size_of(type), peer});
}

ncclResult_t ncclGroupStart() {
  ++group_state().depth;
  return ncclSuccess;
}

// All members of a group are in progress together.
ncclResult_t ncclGroupEnd() {
  GroupState& group = group_state();
  if (group.depth == 0) return ncclInvalidUsage;
  if (--group.depth > 0) return group.error;
  const auto calls = std::move(group.calls);
  group.calls.clear();
  const ncclResult_t error = std::exchange(group.error, ncclSuccess);
  if (error != ncclSuccess) return error;
  for (const auto& [member, called] : calls) {
    member->launches = called.collectives;
    member->polls_left = kPolls;
    if (called.transfers.empty()) continue;
    member->launches.push_back(
        [member = member, transfers = called.transfers, stream = called.stream] {
          auto work = std::make_shared<TransferWork>(member, transfers);
          emulated_gpu::enqueue_attempt(stream, [work] { return (*work)(); });
        });
  }
  return calls.empty() ? ncclSuccess : ncclInProgress;
}
