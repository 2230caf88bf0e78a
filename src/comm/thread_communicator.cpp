#include "comm/thread_communicator.h"

#include <algorithm>

#include "base/check.h"
#include "base/math.h"
#include "comm/host_memory.h"
#include "comm/reduction.h"
#include "comm/solo_communicator.h"
#include "comm/thread_board.h"
#include "comm/thread_group.h"

namespace swallow {

namespace {

using Contributions = std::span<const ThreadGroup::Contribution>;

const std::byte* offset(const void* data, int64_t bytes) {
  return static_cast<const std::byte*>(data) + bytes;
}
std::byte* offset(void* data, int64_t bytes) {
  return static_cast<std::byte*>(data) + bytes;
}

/// The contributions' tensors from element `begin` on.
std::vector<const void*> inputs_from(Contributions all, int64_t begin) {
  std::vector<const void*> inputs;
  inputs.reserve(all.size());
  for (const auto& one : all) inputs.push_back(offset(one.input, begin * size_of(one.call.dtype)));
  return inputs;
}

void abort_board(ThreadBoard& board, int rank, std::string_view reason) {
  const std::lock_guard lock(board.mutex());
  board.abort(fmt::format("rank {} has failed: {}", rank, reason));
}

void leave_board(ThreadBoard& board, int rank) {
  const std::lock_guard lock(board.mutex());
  board.leave(rank);
}

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(ThreadGroup& group, int index) : group_(group), index_(index) {}
  ~ThreadCommunicator() override { leave_board(group_.board(), group_.member(index_)); }

  [[nodiscard]] int rank() const noexcept override { return index_; }
  [[nodiscard]] int size() const noexcept override { return group_.size(); }

  void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) override;
  void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) override;
  void all_gather(Stream& stream, const Tensor& output, const Tensor& input) override;
  void broadcast(Stream& stream, const Tensor& tensor, int root) override;
  void exchange(Stream&, std::span<const Transfer> transfers) override {
    group_.exchange(index_, transfers);
  }
  void barrier() override {
    group_.meet(index_, {}, [](Contributions) {});
  }
  void abort(std::string_view reason) noexcept override {
    abort_board(group_.board(), group_.member(index_), reason);
  }

 private:
  ThreadGroup& group_;
  int index_;
};

void ThreadCommunicator::all_reduce(Stream&, const Tensor& tensor, ReduceOp op) {
  const Call call = all_reduce_call(tensor, op);
  // Each rank alone reads and writes its slice of every tensor, so the call works in place.
  group_.meet(index_, {call, tensor.data, tensor.data, tensor.bytes()}, [&](Contributions all) {
    const Slice mine = slice_of(call.count, index_, size());
    const int64_t width = size_of(call.dtype);
    std::byte* result = offset(tensor.data, mine.begin * width);
    reduce_in_order(call.dtype, op, result, inputs_from(all, mine.begin), mine.count());
    for (const auto& one : all)
      copy_if_any(offset(one.output, mine.begin * width), result, mine.count() * width);
  });
}

void ThreadCommunicator::reduce_scatter(Stream&, const Tensor& output, const Tensor& input) {
  const Call call = reduce_scatter_call(output, input, size());
  group_.meet(index_, {call, input.data, nullptr, 0}, [&](Contributions all) {
    reduce_in_order(call.dtype, ReduceOp::sum, output.data, inputs_from(all, index_ * call.count),
                    call.count);
  });
}

void ThreadCommunicator::all_gather(Stream&, const Tensor& output, const Tensor& input) {
  const Call call = all_gather_call(output, input, size());
  group_.meet(index_, {call, input.data, nullptr, input.bytes()}, [&](Contributions all) {
    int64_t position = 0;
    for (const auto& one : all) {
      copy_if_any(offset(output.data, position), one.input, one.bytes);
      position += one.bytes;
    }
  });
}

void ThreadCommunicator::broadcast(Stream&, const Tensor& tensor, int root) {
  const Call call = broadcast_call(tensor, root, size());
  group_.meet(index_, {call, tensor.data, nullptr, tensor.bytes()}, [&](Contributions all) {
    copy_if_any(tensor.data, all[static_cast<size_t>(root)].input, tensor.bytes());
  });
}

class ThreadControlPlane final : public ControlPlane {
 public:
  ThreadControlPlane(ThreadGroup& everyone, int rank) : everyone_(everyone), rank_(rank) {}
  ~ThreadControlPlane() override { leave_board(everyone_.board(), rank_); }

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return everyone_.size(); }

  std::vector<std::string> exchange(std::string_view blob) override;
  void abort(std::string_view reason) noexcept override {
    abort_board(everyone_.board(), rank_, reason);
  }
  void check() override {
    const std::lock_guard lock(everyone_.board().mutex());
    everyone_.board().check();
  }
  [[nodiscard]] int wake_fd() const noexcept override { return everyone_.board().wake_fd(); }

 private:
  ThreadGroup& everyone_;
  int rank_;
};

std::vector<std::string> ThreadControlPlane::exchange(std::string_view blob) {
  constexpr size_t kMaxBlob = size_t{16} << 20;
  SWALLOW_CHECK(blob.size() <= kMaxBlob, "a blob of {} bytes; at most {}", blob.size(), kMaxBlob);
  std::vector<std::string> blobs;
  const ThreadGroup::Contribution mine{
      {.kind = CallKind::exchange_blobs}, blob.data(), nullptr, static_cast<int64_t>(blob.size())};
  everyone_.meet(rank_, mine, [&](Contributions all) {
    for (const auto& one : all)
      blobs.emplace_back(static_cast<const char*>(one.input), static_cast<size_t>(one.bytes));
  });
  return blobs;
}

std::vector<int> all_ranks(int size) {
  std::vector<int> ranks;
  for (int rank = 0; rank < size; ++rank) ranks.push_back(rank);
  return ranks;
}

std::vector<std::unique_ptr<ThreadGroup>> make_groups(ThreadBoard& board, const ProcessGrid& grid,
                                                      const char* name,
                                                      std::vector<int> (ProcessGrid::*group_of)(int)
                                                          const) {
  std::vector<std::unique_ptr<ThreadGroup>> groups(static_cast<size_t>(grid.world_size()));
  for (int rank = 0; rank < grid.world_size(); ++rank) {
    const std::vector<int> members = (grid.*group_of)(rank);
    if (members.front() == rank && members.size() > 1)
      groups[static_cast<size_t>(rank)] = std::make_unique<ThreadGroup>(board, name, members);
  }
  return groups;
}

std::unique_ptr<Communicator> make_communicator(
    const std::vector<std::unique_ptr<ThreadGroup>>& groups, const std::vector<int>& members,
    int rank) {
  if (members.size() == 1) return std::make_unique<SoloCommunicator>();
  const auto place = std::find(members.begin(), members.end(), rank);
  return std::make_unique<ThreadCommunicator>(*groups[static_cast<size_t>(members.front())],
                                              narrow<int>(place - members.begin()));
}

}  // namespace

ThreadJob::ThreadJob(GridShape shape)
    : grid_(shape),
      board_(std::make_unique<ThreadBoard>(grid_.world_size())),
      everyone_(std::make_unique<ThreadGroup>(*board_, "control", all_ranks(grid_.world_size()))),
      tp_(make_groups(*board_, grid_, "tp group", &ProcessGrid::tp_group)),
      dp_(make_groups(*board_, grid_, "dp group", &ProcessGrid::dp_group)),
      pp_(make_groups(*board_, grid_, "pp group", &ProcessGrid::pp_group)) {}

ThreadJob::~ThreadJob() = default;

std::unique_ptr<ControlPlane> ThreadJob::control(int rank) {
  return std::make_unique<ThreadControlPlane>(*everyone_, rank);
}

World ThreadJob::world(int rank) {
  return {.grid = grid_,
          .rank = rank,
          .at = grid_.coordinate(rank),
          .tp = make_communicator(tp_, grid_.tp_group(rank), rank),
          .dp = make_communicator(dp_, grid_.dp_group(rank), rank),
          .pp = make_communicator(pp_, grid_.pp_group(rank), rank),
          .control = control(rank)};
}

}  // namespace swallow
