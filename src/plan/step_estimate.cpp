#include "plan/step_estimate.h"

#include <algorithm>

#include "base/check.h"
#include "plan/collective_costs.h"
#include "plan/pipeline_time.h"

namespace swallow {

namespace {

/// Layers, and the embedding and head on the first and last stage.
MicrobatchSeconds stage_seconds(const StepCase& c, int64_t stage, const MicrobatchSeconds& layer,
                                const MicrobatchSeconds& embedding, const MicrobatchSeconds& head) {
  const auto layers = static_cast<double>(c.layers_of_stage[static_cast<size_t>(stage)]);
  MicrobatchSeconds seconds{layers * layer.forward, layers * layer.backward};
  const auto add = [&](const MicrobatchSeconds& part) {
    seconds.forward += part.forward;
    seconds.backward += part.backward;
  };
  if (stage == 0) add(embedding);
  if (stage == c.pp - 1) add(head);
  return seconds;
}

double both(const MicrobatchSeconds& stage) {
  return stage.forward.total() + stage.backward.total();
}

double transfer_seconds(const HardwareProfile& hw, const SoftwareProfile& sw, const StepCase& c) {
  if (c.pp == 1) return 0;
  const double whole =
      static_cast<double>(c.tokens_per_microbatch() * c.size.hidden_size) * c.element_bytes;
  const Link link = pipeline_link(hw, c);
  const double share = whole / static_cast<double>(c.tp);
  if (c.sequence_parallel) return send_seconds(link, share);
  if (!sw.scatters_transfers) return send_seconds(link, whole);
  return send_seconds(link, share) + gather_seconds(tensor_link(hw, c), c.tp, whole);
}

/// Bubble and transfers of the real schedule, or by formula (arXiv 2104.04473, section 2.2) of an
/// interleaved one.
void add_pipeline(const HardwareProfile& hw, const SoftwareProfile& sw, const StepCase& c,
                  const MicrobatchSeconds& slowest, StepEstimate& e) {
  const auto m = static_cast<double>(c.num_microbatches);
  if (c.pp == 1) return;
  if (c.interleave > 1) {
    const auto v = static_cast<double>(c.interleave);
    e.bubble = static_cast<double>(c.pp - 1) / v * both(slowest);
    e.pp = 2 * m * v * e.transfer * (1 - sw.pp_overlap);
    return;
  }
  SimulationCosts costs = simulation_costs(hw, sw, e);
  const double with_transfers = pipeline_seconds(c.schedule, c.num_microbatches, costs);
  costs.transfer.assign(e.stages.size() - 1, 0);
  const double without_transfers = pipeline_seconds(c.schedule, c.num_microbatches, costs);
  e.bubble = without_transfers - m * both(slowest);
  e.pp = with_transfers - without_transfers;
}

/// The computation that gradients of a stage are reduced behind, or parameters gathered: its last
/// backward or first forward pass. Of interleaved stages all chunks but one are done while others
/// of the pipeline's micro-batches go on with the rest.
double overlap_window(double pass, const StepCase& c) {
  const auto v = static_cast<double>(c.interleave);
  return pass / v * (1 + static_cast<double>(c.pp) * (v - 1));
}

/// What a window of computation leaves of a transfer that goes bucket by bucket: at least the last
/// bucket, which is complete when the window closes.
double exposed_behind(double seconds, double window, double parameters, const StepCase& c) {
  const double last_bucket =
      seconds * std::min(1.0, static_cast<double>(c.bucket_elements) / parameters);
  return std::max(last_bucket, seconds - window);
}

double data_parallel_seconds(const HardwareProfile& hw, const SoftwareProfile& sw,
                             const StepCase& c, double parameters, const MicrobatchSeconds& stage) {
  const Link link = data_link(hw, c);
  const double gradients = parameters * sw.gradient_bytes;
  const double weights = parameters * c.element_bytes;
  const double reduce = c.sharded_optimizer ? reduce_scatter_seconds(link, c.dp, gradients)
                                            : all_reduce_seconds(link, c.dp, gradients);
  const double gather = c.sharded_optimizer ? gather_seconds(link, c.dp, weights) : 0;
  const double exposed_reduce =
      sw.overlaps_gradients
          ? exposed_behind(reduce, overlap_window(stage.backward.total(), c), parameters, c)
          : reduce;
  const double exposed_gather =
      sw.overlaps_params
          ? exposed_behind(gather, overlap_window(stage.forward.total(), c), parameters, c)
          : gather;
  return exposed_reduce + exposed_gather;
}

double optimizer_seconds(const HardwareProfile& hw, const SoftwareProfile& sw, const StepCase& c,
                         double parameters) {
  const double owned = c.sharded_optimizer ? parameters / static_cast<double>(c.dp) : parameters;
  return hw.pass_seconds(MemoryPass::adamw, owned * (sw.bytes.optimizer + c.element_bytes - 2)) +
         hw.pass_seconds(MemoryPass::gradient_norm, owned * sw.bytes.gradient_norm) +
         hw.pass_seconds(MemoryPass::gradient_zero, parameters * sw.bytes.gradients);
}

/// The rest of a step on ranks that share cores: cores are never idle while a rank can run.
double waiting_for_cores(const HardwareProfile& hw, const StepCase& c, const StepEstimate& e) {
  if (hw.shared_cores == 0 || c.world_size() <= hw.shared_cores) return 0;
  double busy = 0;
  for (const MicrobatchSeconds& stage : e.stages) busy += both(stage);
  busy = busy * static_cast<double>(c.tp * c.dp * c.num_microbatches) +
         static_cast<double>(c.world_size()) * (e.pp + e.dp + e.optimizer);
  return std::max(0.0, busy / static_cast<double>(hw.shared_cores) - e.total());
}

void add_rates(const StepCase& c, StepEstimate& e) {
  e.tokens_per_second =
      static_cast<double>(c.tokens_per_step()) / e.total() / static_cast<double>(c.world_size());
  for (size_t i = 0; i < kFlopFormulas.size(); ++i)
    e.tflops[i] = e.tokens_per_second * flops_per_token(kFlopFormulas[i], c.size) / 1e12;
}

}  // namespace

SimulationCosts simulation_costs(const HardwareProfile& hw, const SoftwareProfile& sw,
                                 const StepEstimate& e) {
  SimulationCosts costs;
  for (const MicrobatchSeconds& stage : e.stages) {
    costs.forward.push_back(stage.forward.total());
    costs.backward.push_back(stage.backward.total());
  }
  costs.transfer.assign(e.stages.size() - 1, e.transfer * (1 - sw.pp_overlap));
  costs.sending = hw.shared_cores > 0 ? Sending::blocking : sw.sending;
  return costs;
}

double parameters_of_stage(const StepCase& c, int64_t stage) {
  const ModelSize& m = c.size;
  const int64_t matrices =
      m.hidden_size * (2 * m.num_attention_heads + 2 * m.kv_heads) * m.head_dim +
      (c.feed_forward == FeedForward::gated ? 3 : 2) * m.hidden_size * m.ffn_hidden_size;
  const int64_t vocabulary = m.hidden_size * c.padded_vocab_size;
  const int64_t ends = (stage == 0 ? 1 : 0) + (stage == c.pp - 1 ? 1 : 0);
  const int64_t layers = c.layers_of_stage[static_cast<size_t>(stage)];
  const auto t = static_cast<double>(c.tp);
  return static_cast<double>(layers * matrices + ends * vocabulary) / t +
         static_cast<double>(2 * layers * m.hidden_size);
}

StepEstimate estimate_step(const HardwareProfile& hardware, const SoftwareProfile& sw,
                           const StepCase& c) {
  SWALLOW_CHECK(static_cast<int64_t>(c.layers_of_stage.size()) == c.pp, "{} stages, {} counts",
                c.pp, c.layers_of_stage.size());
  HardwareProfile hw = hardware;
  hw.gemm_efficiency *= sw.gemm_efficiency;
  const MicrobatchSeconds layer = layer_seconds(hw, sw, c);
  const MicrobatchSeconds embedding = embedding_seconds(hw, sw, c);
  const MicrobatchSeconds head = head_seconds(hw, sw, c);
  StepEstimate e;
  for (int64_t stage = 0; stage < c.pp; ++stage)
    e.stages.push_back(stage_seconds(c, stage, layer, embedding, head));
  const MicrobatchSeconds& slowest =
      *std::max_element(e.stages.begin(), e.stages.end(),
                        [](const auto& a, const auto& b) { return both(a) < both(b); });
  e.transfer = transfer_seconds(hw, sw, c);
  const auto m = static_cast<double>(c.num_microbatches);
  WorkSeconds work = slowest.forward;
  work += slowest.backward;
  e.gemm = m * work.gemm;
  e.attention = m * work.attention;
  e.memory = m * work.memory;
  e.host = m * work.host;
  e.tp = m * work.tp;
  add_pipeline(hw, sw, c, slowest, e);
  for (int64_t stage = 0; stage < c.pp; ++stage) {
    const double parameters = parameters_of_stage(c, stage);
    const MicrobatchSeconds& seconds = e.stages[static_cast<size_t>(stage)];
    e.dp = std::max(e.dp, data_parallel_seconds(hw, sw, c, parameters, seconds));
    e.optimizer = std::max(e.optimizer, optimizer_seconds(hw, sw, c, parameters));
  }
  e.shared = waiting_for_cores(hw, c, e);
  add_rates(c, e);
  return e;
}

}  // namespace swallow
