#include "pipeline/simulator.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace swallow {

namespace {

using Kind = StageTransfer::Kind;

/// The kind under which the peer lists the same message.
Kind mirrored(Kind kind) {
  switch (kind) {
    case Kind::send_activation:
      return Kind::receive_activation;
    case Kind::receive_activation:
      return Kind::send_activation;
    case Kind::send_gradient:
      return Kind::receive_gradient;
    case Kind::receive_gradient:
      return Kind::send_gradient;
  }
  throw ContractError("unknown transfer");
}

size_t peer_of(size_t stage, Kind kind) {
  const bool next = kind == Kind::send_activation || kind == Kind::receive_gradient;
  return next ? stage + 1 : stage - 1;
}

/// Where a micro-batch stands on one stage.
enum class Progress : uint8_t { absent, input_here, forward_done, gradient_here, backward_done };

class Simulation {
 public:
  Simulation(const std::vector<Schedule>& stages, const SimulationCosts& costs)
      : stages_(stages), costs_(costs), next_(stages.size(), 0), clock_(stages.size(), 0.0) {
    result_.peak_in_flight.assign(stages.size(), 0);
    result_.busy.assign(stages.size(), 0.0);
    in_flight_.assign(stages.size(), 0);
    for (const Schedule& schedule : stages)
      progress_.emplace_back(static_cast<size_t>(schedule.num_microbatches), Progress::absent);
    posted_.resize(stages.size());
  }

  SimulationResult run() {
    bool moved = true;
    while (moved && result_.error.empty()) {
      moved = false;
      for (size_t stage = 0; stage < stages_.size() && result_.error.empty(); ++stage)
        while (advance(stage)) moved = true;
    }
    if (result_.error.empty()) check_end();
    result_.time = *std::max_element(clock_.begin(), clock_.end());
    return std::move(result_);
  }

 private:
  const Step* current(size_t stage) const {
    const auto& steps = stages_[stage].steps;
    return next_[stage] < steps.size() ? &steps[next_[stage]] : nullptr;
  }

  /// One step of one stage; false when it must wait or is at its end.
  bool advance(size_t stage) {
    const Step* step = current(stage);
    if (step == nullptr || !result_.error.empty()) return false;
    if (step->kind == Step::Kind::exchange) return exchange(stage, *step);
    compute(stage, *step);
    ++next_[stage];
    return true;
  }

  void compute(size_t stage, const Step& step) {
    const bool first = stage == 0;
    const bool last = stage + 1 == stages_.size();
    Progress& at = progress_[stage][static_cast<size_t>(step.microbatch)];
    const bool forward = step.kind != Step::Kind::backward;
    const Progress needed = forward ? (first ? Progress::absent : Progress::input_here)
                                    : (last ? Progress::forward_done : Progress::gradient_here);
    if (at != needed)
      return fail(stage, fmt::format("{} of micro-batch {} without its input, or twice",
                                     name_of(step.kind), step.microbatch));
    at = forward ? Progress::forward_done : Progress::backward_done;
    const double cost = forward ? costs_.forward : costs_.backward;
    clock_[stage] += cost;
    result_.busy[stage] += cost;
    if (step.kind == Step::Kind::forward) ++in_flight_[stage];
    if (step.kind == Step::Kind::backward) --in_flight_[stage];
    result_.peak_in_flight[stage] = std::max(result_.peak_in_flight[stage], in_flight_[stage]);
  }

  /// Posts what is new, completes messages whose peer has posted too; true when all are complete.
  bool exchange(size_t stage, const Step& step) {
    auto& mine = posted_[stage];
    if (mine.empty()) mine.assign(step.transfers.size(), false);
    for (size_t i = 0; i < step.transfers.size(); ++i)
      if (!mine[i]) mine[i] = meet(stage, step.transfers[i]);
    if (!std::all_of(mine.begin(), mine.end(), [](bool done) { return done; })) return false;
    mine.clear();
    clock_[stage] += costs_.transfer;
    ++next_[stage];
    return true;
  }

  bool meet(size_t stage, const StageTransfer& transfer) {
    const size_t peer = peer_of(stage, transfer.kind);
    const Step* step = current(peer);
    if (step == nullptr || step->kind != Step::Kind::exchange) return false;
    const StageTransfer wanted{mirrored(transfer.kind), transfer.microbatch};
    for (size_t i = 0; i < step->transfers.size(); ++i) {
      if (!(step->transfers[i] == wanted)) continue;
      auto& theirs = posted_[peer];
      if (theirs.empty()) theirs.assign(step->transfers.size(), false);
      theirs[i] = true;
      const double now = std::max(clock_[stage], clock_[peer]);
      clock_[stage] = clock_[peer] = now;
      deliver(stage, transfer);
      deliver(peer, wanted);
      return true;
    }
    return false;
  }

  void deliver(size_t stage, const StageTransfer& transfer) {
    if (transfer.kind == Kind::send_activation || transfer.kind == Kind::send_gradient) {
      check_sent(stage, transfer);
      return;
    }
    Progress& at = progress_[stage][static_cast<size_t>(transfer.microbatch)];
    const bool activation = transfer.kind == Kind::receive_activation;
    if (at != (activation ? Progress::absent : Progress::forward_done))
      return fail(stage, fmt::format("receives micro-batch {} out of order", transfer.microbatch));
    at = activation ? Progress::input_here : Progress::gradient_here;
  }

  void check_sent(size_t stage, const StageTransfer& transfer) {
    const Progress at = progress_[stage][static_cast<size_t>(transfer.microbatch)];
    const Progress needed =
        transfer.kind == Kind::send_activation ? Progress::forward_done : Progress::backward_done;
    if (at != needed)
      fail(stage, fmt::format("sends micro-batch {} before it is computed", transfer.microbatch));
  }

  void check_end() {
    for (size_t stage = 0; stage < stages_.size(); ++stage)
      if (const Step* step = current(stage))
        return fail(stage,
                    fmt::format("deadlock at step {} ({})", next_[stage], name_of(step->kind)));
    for (size_t stage = 0; stage < stages_.size(); ++stage)
      for (size_t i = 0; i < progress_[stage].size(); ++i)
        if (progress_[stage][i] != progress_[0][0] || progress_[stage][i] < Progress::forward_done)
          return fail(stage, fmt::format("micro-batch {} is left unfinished", i));
  }

  void fail(size_t stage, const std::string& what) {
    if (result_.error.empty()) result_.error = fmt::format("stage {}: {}", stage, what);
  }

  const std::vector<Schedule>& stages_;
  SimulationCosts costs_;
  SimulationResult result_;
  std::vector<size_t> next_;                     // index of each stage's next step
  std::vector<double> clock_;                    // each stage's time
  std::vector<int> in_flight_;                   // each stage's forwards without backward
  std::vector<std::vector<Progress>> progress_;  // [stage][micro-batch]
  std::vector<std::vector<bool>> posted_;        // [stage]: completed messages of a posted exchange
};

}  // namespace

SimulationResult simulate(const std::vector<Schedule>& stages, const SimulationCosts& costs) {
  SWALLOW_CHECK(!stages.empty(), "no stages");
  return Simulation(stages, costs).run();
}

}  // namespace swallow
