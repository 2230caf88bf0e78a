#include "pipeline/schedule.h"

#include <algorithm>

#include "base/check.h"
#include "base/math.h"

namespace swallow {

namespace {

using Kind = StageTransfer::Kind;

/// Appends steps to a schedule; transfers that do not exist at the pipeline's ends are dropped.
class Builder {
 public:
  Builder(int stage, int num_stages, int64_t num_microbatches, int num_slots) {
    SWALLOW_CHECK(0 <= stage && stage < num_stages && num_microbatches >= 1,
                  "stage {} of {}, {} micro-batches", stage, num_stages, num_microbatches);
    schedule_ = {stage, num_stages, num_microbatches, num_slots, {}};
  }

  void compute(Step::Kind kind, int64_t microbatch) {
    schedule_.steps.push_back({kind, microbatch, {}});
  }

  void exchange(std::initializer_list<StageTransfer> transfers) {
    Step step{Step::Kind::exchange, 0, {}};
    for (const StageTransfer& transfer : transfers)
      if (exists(transfer)) step.transfers.push_back(transfer);
    if (!step.transfers.empty()) schedule_.steps.push_back(std::move(step));
  }

  Schedule finish() { return std::move(schedule_); }

 private:
  [[nodiscard]] bool exists(const StageTransfer& transfer) const {
    const bool to_next =
        transfer.kind == Kind::send_activation || transfer.kind == Kind::receive_gradient;
    const bool has_peer =
        to_next ? schedule_.stage + 1 < schedule_.num_stages : schedule_.stage > 0;
    return has_peer && 0 <= transfer.microbatch && transfer.microbatch < schedule_.num_microbatches;
  }

  Schedule schedule_;
};

}  // namespace

Schedule one_forward_one_backward(int stage, int num_stages, int64_t num_microbatches) {
  const int64_t m = num_microbatches;
  const int64_t warmup = std::min<int64_t>(num_stages - stage - 1, m);
  Builder b(stage, num_stages, m, narrow<int>(std::min<int64_t>(num_stages - stage, m)));
  // Warm-up: fill the pipeline behind this stage.
  b.exchange({{Kind::receive_activation, 0}});
  for (int64_t i = 0; i < warmup; ++i) {
    b.compute(Step::Kind::forward, i);
    if (i + 1 < warmup || warmup < m)
      b.exchange({{Kind::send_activation, i}, {Kind::receive_activation, i + 1}});
    else
      b.exchange({{Kind::send_activation, i}});
  }
  // Steady state: one forward, one backward. Sends are paired with receives from the same
  // neighbour, without which two stages would wait for each other.
  for (int64_t i = 0; i + warmup < m; ++i) {
    b.compute(Step::Kind::forward, i + warmup);
    b.exchange({{Kind::send_activation, i + warmup}, {Kind::receive_gradient, i}});
    b.compute(Step::Kind::backward, i);
    b.exchange({{Kind::send_gradient, i}, {Kind::receive_activation, i + warmup + 1}});
  }
  // Cool-down: drain.
  for (int64_t i = m - warmup; i < m; ++i) {
    b.exchange({{Kind::receive_gradient, i}});
    b.compute(Step::Kind::backward, i);
    b.exchange({{Kind::send_gradient, i}});
  }
  return b.finish();
}

Schedule gpipe(int stage, int num_stages, int64_t num_microbatches) {
  Builder b(stage, num_stages, num_microbatches, narrow<int>(num_microbatches));
  for (int64_t i = 0; i < num_microbatches; ++i) {
    b.exchange({{Kind::receive_activation, i}});
    b.compute(Step::Kind::forward, i);
    b.exchange({{Kind::send_activation, i}});
  }
  for (int64_t i = 0; i < num_microbatches; ++i) {
    b.exchange({{Kind::receive_gradient, i}});
    b.compute(Step::Kind::backward, i);
    b.exchange({{Kind::send_gradient, i}});
  }
  return b.finish();
}

Schedule forward_only(int stage, int num_stages, int64_t num_microbatches) {
  Builder b(stage, num_stages, num_microbatches, 1);
  for (int64_t i = 0; i < num_microbatches; ++i) {
    b.exchange({{Kind::receive_activation, i}});
    b.compute(Step::Kind::evaluate, i);
    b.exchange({{Kind::send_activation, i}});
  }
  return b.finish();
}

const char* name_of(Step::Kind kind) {
  switch (kind) {
    case Step::Kind::forward:
      return "forward";
    case Step::Kind::backward:
      return "backward";
    case Step::Kind::evaluate:
      return "evaluate";
    case Step::Kind::exchange:
      return "exchange";
  }
  return "?";
}

}  // namespace swallow
