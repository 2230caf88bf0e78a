// A job of ranks that are threads, each with the checkpoint tensors of a tiny model on some grid.
// Every number is a function of kind, canonical name and canonical element alone.
#pragma once

#include <condition_variable>
#include <exception>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/philox.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/pieces.h"
#include "model/params.h"
#include "support/scratch_folder.h"

namespace swallow::test {

/// Meeting place of the ranks; one exchange at a time.
struct Meeting {
  explicit Meeting(int num_ranks) : size(num_ranks), blobs(static_cast<size_t>(num_ranks)) {}
  int size;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> blobs, result;
  int arrived = 0;
  int64_t round = 0;
};

class MeetingControl : public ControlPlane {
 public:
  MeetingControl(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}
  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return meeting_.size; }
  std::vector<std::string> exchange(std::string_view blob) override {
    std::unique_lock lock(meeting_.mutex);
    meeting_.blobs[static_cast<size_t>(rank_)] = blob;
    const int64_t round = meeting_.round;
    if (++meeting_.arrived == meeting_.size) {
      meeting_.arrived = 0;
      meeting_.result = meeting_.blobs;
      ++meeting_.round;
      meeting_.changed.notify_all();
    }
    // A rank that never comes must fail the test, not hang it.
    if (!meeting_.changed.wait_for(lock, std::chrono::seconds(60),
                                   [&] { return meeting_.round > round; }))
      throw CommError("a rank did not come");
    return meeting_.result;
  }
  void abort(std::string_view) noexcept override {}
  void check() override {}

 private:
  Meeting& meeting_;
  int rank_;
};

struct TinyGrid {
  int dp = 1, tp = 1, pp = 1;
  bool sharded = true;   // distributed optimizer
  int64_t layers = 2;    // of the model: pp divides them
  int64_t kv_heads = 2;  // likewise, tp divides them
  [[nodiscard]] int size() const { return dp * tp * pp; }
};

inline ModelShapes tiny_shapes(const TinyGrid& grid, int tp_rank, int pp_rank, int64_t layers) {
  RunConfig config;
  config.model = {.num_layers = layers,
                  .hidden_size = 16,
                  .ffn_hidden_size = 24,
                  .num_attention_heads = 2 * grid.kv_heads,
                  .num_query_groups = grid.kv_heads,
                  .vocab_size = 37};
  const int64_t padded = 40;  // tp = 2: 20 and 17 rows and three of padding
  const RunShape run{.world_size = grid.size(),
                     .tp = grid.tp,
                     .pp = grid.pp,
                     .dp = grid.dp,
                     .kv_heads = grid.kv_heads,
                     .head_dim = 8 / grid.kv_heads,
                     .padded_vocab_size = padded};
  return make_shapes(config, run, {.dp = 0, .tp = tp_rank, .pp = pp_rank});
}

inline double tiny_value(StateKind kind, const std::string& name, int64_t element) {
  return philox_normal(7 + static_cast<uint64_t>(kind), stream_of(name),
                       static_cast<uint64_t>(element));
}

/// What one rank holds.
struct TinyRank {
  TinyRank(const TinyGrid& grid, int rank) : TinyRank(grid, rank, grid.layers) {}
  TinyRank(const TinyGrid& grid, int rank, int64_t layers, int64_t bucket_size = 1024)
      : tp_rank(rank % grid.tp),
        dp_rank(rank / grid.tp % grid.dp),
        layout(param_specs(tiny_shapes(grid, tp_rank, rank / grid.tp / grid.dp, layers)),
               grid.sharded ? grid.dp : 1, bucket_size),
        shard_rank(grid.sharded ? dp_rank : 0),
        writes_state(grid.sharded || dp_rank == 0),
        params(static_cast<size_t>(layout.total())),
        master(static_cast<size_t>(layout.shard_size())),
        exp_avg(master),
        exp_avg_sq(master) {}

  /// Written by walking rows and columns of each part, then cutting the flat buffer into the shard.
  void fill() {
    params = flat<bfloat16>(StateKind::weight);
    master = shard(flat<float>(StateKind::master));
    exp_avg = shard(flat<float>(StateKind::exp_avg));
    exp_avg_sq = shard(flat<float>(StateKind::exp_avg_sq));
  }

  /// What must not survive a load.
  void spoil() {
    std::fill(params.begin(), params.end(), bfloat16(-77.0F));
    for (auto* state : {&master, &exp_avg, &exp_avg_sq})
      std::fill(state->begin(), state->end(), -77.0F);
  }

  [[nodiscard]] CheckpointTensors tensors() {
    const auto view = [](auto& data) {
      using T = typename std::decay_t<decltype(data)>::value_type;
      return Tensor{
          .data = data.data(), .dtype = kDTypeOf<T>, .shape = {static_cast<int64_t>(data.size())}};
    };
    return {.layout = &layout,
            .shard_rank = shard_rank,
            .writes_params = dp_rank == 0,
            .writes_state = writes_state,
            .writes_replicated = tp_rank == 0,
            .params = view(params),
            .master = view(master),
            .exp_avg = view(exp_avg),
            .exp_avg_sq = view(exp_avg_sq)};
  }

  template <class T>
  [[nodiscard]] std::vector<T> flat(StateKind kind) const {
    std::vector<T> result(static_cast<size_t>(layout.total()));
    for (size_t i = 0; i < layout.specs().size(); ++i)
      for (const CanonicalPart& part : layout.specs()[i].parts) {
        const int64_t width = part.shape.rank() == 2 ? part.shape[1] : 1;
        int64_t at = layout.param(i).begin + part.local_row * part.columns();
        for (int64_t row = part.row_begin; row < part.row_end; ++row)
          for (int64_t column = part.column_begin; column < part.column_end; ++column)
            result[static_cast<size_t>(at++)] =
                convert<T>(tiny_value(kind, part.name, row * width + column));
      }
    return result;
  }

  [[nodiscard]] std::vector<float> shard(const std::vector<float>& flat) const {
    std::vector<float> result(static_cast<size_t>(layout.shard_size()));
    for (const ShardPiece& piece : layout.pieces(shard_rank))
      std::copy_n(flat.begin() + piece.flat, piece.size(), result.begin() + piece.shard);
    return result;
  }

  friend bool operator==(const TinyRank& a, const TinyRank& b) {
    return a.params == b.params && a.master == b.master && a.exp_avg == b.exp_avg &&
           a.exp_avg_sq == b.exp_avg_sq;
  }

  int tp_rank;
  int dp_rank;
  ParamLayout layout;
  int shard_rank;
  bool writes_state;
  std::vector<bfloat16> params;
  std::vector<float> master, exp_avg, exp_avg_sq;
};

/// Runs `fn` on every rank of the grid; returns what each threw, "" for nothing.
inline std::vector<std::string> run_job(
    const TinyGrid& grid, const std::function<void(int rank, ControlPlane& control)>& fn) {
  Meeting meeting(grid.size());
  std::vector<std::string> errors(static_cast<size_t>(grid.size()));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < grid.size(); ++rank)
    threads.emplace_back([&, rank] {
      MeetingControl control(meeting, rank);
      try {
        fn(rank, control);
      } catch (const Error& error) {
        errors[static_cast<size_t>(rank)] =
            fmt::format("{}: {}", static_cast<int>(error.code()), error.what());
      }
    });
  for (std::thread& thread : threads) thread.join();
  return errors;
}

inline CheckpointState tiny_state(const TinyGrid& grid, int64_t iteration) {
  return {.iteration = iteration,
          .consumed_train_samples = iteration * 8,
          .consumed_valid_samples = iteration * 2,
          .config_json = R"({"model":{"num_layers":2},"lr":1e-05})",
          .dp = grid.dp,
          .tp = grid.tp,
          .pp = grid.pp};
}

/// Saves the tiny model; returns each rank's error.
inline std::vector<std::string> save_tiny(const std::string& folder, const TinyGrid& grid,
                                          int64_t iteration,
                                          const std::function<void(TinyRank&, int)>& change = {}) {
  return run_job(grid, [&](int rank, ControlPlane& control) {
    TinyRank mine(grid, rank);
    mine.fill();
    if (change) change(mine, rank);
    save_checkpoint(folder, tiny_state(grid, iteration), mine.tensors(), control);
  });
}

/// Loads the tiny model over spoiled memory and hands each rank to `see`; returns the errors.
inline std::vector<std::string> load_tiny(const std::string& folder, const TinyGrid& grid,
                                          int64_t iteration,
                                          LoadScope scope = LoadScope::everything,
                                          const std::function<void(TinyRank&, int)>& see = {}) {
  return run_job(grid, [&](int rank, ControlPlane& control) {
    TinyRank mine(grid, rank);
    mine.spoil();
    load_checkpoint(folder, iteration, scope, mine.tensors(), control);
    if (see) see(mine, rank);
  });
}

}  // namespace swallow::test
