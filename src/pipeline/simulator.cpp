#include "pipeline/simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

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

struct Times {
  std::vector<double> forward, backward, transfer;
  bool overlapped = true;
};

std::vector<double> filled(const std::vector<double>& costs, size_t count, const char* what) {
  SWALLOW_CHECK(costs.empty() || costs.size() == count, "{} costs of {} for {}", costs.size(), what,
                count);
  return costs.empty() ? std::vector<double>(count, 0.0) : costs;
}

Times times_of(const SimulationCosts& costs, size_t stages) {
  return {filled(costs.forward, stages, "forwards"), filled(costs.backward, stages, "backwards"),
          filled(costs.transfer, stages - 1, "transfers"), costs.sending == Sending::overlapped};
}

/// One stage as the executor has it: a stream that computes and one that exchanges.
struct StageClock {
  double compute = 0;   // end of what was computed last
  double exchange = 0;  // end of the last exchange
  // Ends of the exchanges that sent from the two buffers of outputs and of gradients.
  std::array<double, 2> activation_sent{};
  std::array<double, 2> gradient_sent{};
};

/// An exchange that a stage has come to.
struct Posted {
  bool open = false;
  double begin = 0;
  double end = 0;
  size_t num_met = 0;
  uint64_t met = 0;  // bit i: message i
};

class Simulation {
 public:
  Simulation(const std::vector<Schedule>& stages, const SimulationCosts& costs)
      : stages_(stages),
        times_(times_of(costs, stages.size())),
        next_(stages.size(), 0),
        clock_(stages.size()),
        in_flight_(stages.size(), 0),
        posted_(stages.size()) {
    result_.peak_in_flight.assign(stages.size(), 0);
    result_.busy.assign(stages.size(), 0.0);
    for (const Schedule& schedule : stages)
      progress_.emplace_back(static_cast<size_t>(schedule.num_microbatches), Progress::absent);
  }

  SimulationResult run() {
    bool moved = true;
    while (moved && result_.error.empty()) {
      moved = false;
      for (size_t stage = 0; stage < stages_.size() && result_.error.empty(); ++stage)
        while (advance(stage)) moved = true;
    }
    if (result_.error.empty()) check_end();
    for (const StageClock& clock : clock_)
      result_.time = std::max({result_.time, clock.compute, clock.exchange});
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
    take_time(stage, step);
    if (step.kind == Step::Kind::forward) ++in_flight_[stage];
    if (step.kind == Step::Kind::backward) --in_flight_[stage];
    result_.peak_in_flight[stage] = std::max(result_.peak_in_flight[stage], in_flight_[stage]);
  }

  void take_time(size_t stage, const Step& step) {
    const bool forward = step.kind != Step::Kind::backward;
    StageClock& clock = clock_[stage];
    const auto& sent = forward ? clock.activation_sent : clock.gradient_sent;
    const double begin = std::max(clock.compute, sent[step.microbatch % 2]);
    clock.compute = begin + (forward ? times_.forward : times_.backward)[stage];
    result_.busy[stage] += clock.compute - begin;
    result_.spans.push_back(
        {static_cast<int>(stage), step.kind, step.microbatch, begin, clock.compute});
  }

  Posted& post(size_t stage, const Step& step) {
    Posted& posted = posted_[stage];
    if (posted.open) return posted;
    SWALLOW_CHECK(step.transfers.size() <= 64, "{} messages in one exchange",
                  step.transfers.size());
    const double begin = std::max(clock_[stage].compute, clock_[stage].exchange);
    posted = {.open = true, .begin = begin, .end = begin};
    return posted;
  }

  /// Posts what is new, completes messages whose peer has posted too; true when all are complete.
  bool exchange(size_t stage, const Step& step) {
    Posted& mine = post(stage, step);
    for (size_t i = 0; i < step.transfers.size(); ++i)
      if ((mine.met >> i & 1U) == 0) meet(stage, i, step.transfers[i]);
    if (mine.num_met < step.transfers.size()) return false;
    mine.open = false;
    complete(stage, step, mine.end);
    ++next_[stage];
    return true;
  }

  void meet(size_t stage, size_t index, const StageTransfer& transfer) {
    const size_t peer = peer_of(stage, transfer.kind);
    if (peer >= stages_.size()) return fail(stage, "exchanges with a stage that does not exist");
    const Step* step = current(peer);
    if (step == nullptr || step->kind != Step::Kind::exchange) return;
    const StageTransfer wanted{mirrored(transfer.kind), transfer.microbatch};
    for (size_t i = 0; i < step->transfers.size(); ++i) {
      if (!(step->transfers[i] == wanted)) continue;
      Posted& mine = posted_[stage];
      Posted& theirs = post(peer, *step);
      const double end =
          std::max(mine.begin, theirs.begin) + times_.transfer[std::min(stage, peer)];
      note_met(mine, index, end);
      note_met(theirs, i, end);
      deliver(stage, transfer);
      deliver(peer, wanted);
      return;
    }
  }

  static void note_met(Posted& posted, size_t index, double end) {
    posted.met |= uint64_t{1} << index;
    ++posted.num_met;
    posted.end = std::max(posted.end, end);
  }

  void complete(size_t stage, const Step& step, double end) {
    StageClock& clock = clock_[stage];
    clock.exchange = end;
    bool waits = !times_.overlapped;
    for (const StageTransfer& transfer : step.transfers) {
      if (transfer.kind == Kind::send_activation)
        clock.activation_sent[transfer.microbatch % 2] = end;
      else if (transfer.kind == Kind::send_gradient)
        clock.gradient_sent[transfer.microbatch % 2] = end;
      else
        waits = true;
    }
    if (waits) clock.compute = end;
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
  Times times_;
  SimulationResult result_;
  std::vector<size_t> next_;  // index of each stage's next step
  std::vector<StageClock> clock_;
  std::vector<int> in_flight_;                   // each stage's forwards without backward
  std::vector<std::vector<Progress>> progress_;  // [stage][micro-batch]
  std::vector<Posted> posted_;
};

}  // namespace

SimulationCosts SimulationCosts::uniform(int num_stages, double forward, double backward,
                                         double transfer) {
  const auto stages = static_cast<size_t>(num_stages);
  return {.forward = std::vector<double>(stages, forward),
          .backward = std::vector<double>(stages, backward),
          .transfer = std::vector<double>(stages - 1, transfer)};
}

double SimulationResult::bubble() const {
  const double whole = time * static_cast<double>(busy.size());
  return whole > 0 ? 1.0 - std::accumulate(busy.begin(), busy.end(), 0.0) / whole : 0.0;
}

SimulationResult simulate(const std::vector<Schedule>& stages, const SimulationCosts& costs) {
  SWALLOW_CHECK(!stages.empty(), "no stages");
  return Simulation(stages, costs).run();
}

}  // namespace swallow
