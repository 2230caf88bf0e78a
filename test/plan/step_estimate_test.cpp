#include "plan/step_estimate.h"

#include <catch2/catch.hpp>

#include "config/preset.h"
#include "plan/collective_costs.h"
#include "plan/ideal_hardware.h"
#include "plan/pipeline_time.h"

using namespace swallow;

namespace {

/// A preset of the paper on `ranks` ranks.
StepCase preset_case(const std::string& preset, int ranks, int64_t tp, int64_t pp) {
  RunConfig config;
  apply_preset(preset, config);
  config.data.mock_data = true;
  config.parallel.tensor_model_parallel_size = tp;
  config.parallel.pipeline_model_parallel_size = pp;
  return step_case(config, resolve(config, ranks));
}

const SoftwareProfile& ours() {
  return software_profile("swallow-train");
}

SoftwareProfile without_losses() {
  SoftwareProfile software = ours();
  software.gemm_efficiency = 1;
  software.host_us_per_layer = 0;
  return software;
}

double seconds_of(const MicrobatchSeconds& m) {
  return m.forward.total() + m.backward.total();
}

}  // namespace

TEST_CASE("a layer of 7B does the operations and moves the bytes of the hand calculation",
          "[unit][plan]") {
  const StepCase c = preset_case("7b", 1, 1, 1);
  CHECK(layer_gemm_flops(c) == Approx(6 * 202.4e6 * 4096).epsilon(1e-3));
  HardwareProfile hw = ideal_hardware();
  const MicrobatchSeconds layer = layer_seconds(hw, without_losses(), c);
  // 4.97 TF; attention 137 GF forward, 344 backward; 268 + 134 + 271 MB forward, 268 + 134 + 451
  // MB backward; and 40 % of 8 bytes a weight.
  const double weights_pass = 0.4 * 8 * 202.4e6 / 1e12;
  CHECK(layer.forward.gemm + layer.backward.gemm ==
        Approx(4.97e12 / 100e12 + weights_pass).epsilon(2e-3));
  CHECK(layer.forward.attention == Approx(137.4e9 / 50e12).epsilon(1e-3));
  CHECK(layer.backward.attention == Approx(343.6e9 / 40e12).epsilon(1e-3));
  CHECK(layer.forward.memory == Approx((268e6 + 134e6 + 271e6) / 1e12).epsilon(3e-3));
  CHECK(layer.backward.memory == Approx((268e6 + 134e6 + 451e6) / 1e12).epsilon(3e-3));
  CHECK(layer.forward.tp == 0);
}

TEST_CASE("layers on an A100 without communication take the time of the hand calculation",
          "[unit][plan]") {
  // Products at 265 TFLOPS, attention at 173, 1.4 TB/s: 23.1, 35.0 and 89.2 ms a layer.
  HardwareProfile hw = ideal_hardware();
  hw.peak_tflops = 265;
  hw.attention_forward_tflops = hw.attention_backward_tflops = 173;
  hw.memory_gbytes_per_second = 1400;
  CHECK(seconds_of(layer_seconds(hw, without_losses(), preset_case("7b", 1, 1, 1))) ==
        Approx(23.1e-3).epsilon(5e-3));
  CHECK(seconds_of(layer_seconds(hw, without_losses(), preset_case("13b", 1, 1, 1))) ==
        Approx(35.0e-3).epsilon(5e-3));
  CHECK(seconds_of(layer_seconds(hw, without_losses(), preset_case("70b", 1, 1, 1))) ==
        Approx(89.2e-3).epsilon(1e-2));
}

TEST_CASE("recompute costs what it computes again", "[unit][plan]") {
  const HardwareProfile hw = ideal_hardware();
  StepCase c = preset_case("7b", 1, 1, 1);
  const MicrobatchSeconds none = layer_seconds(hw, without_losses(), c);
  c.recompute = Recompute::selective;
  const MicrobatchSeconds selective = layer_seconds(hw, without_losses(), c);
  c.recompute = Recompute::full;
  const MicrobatchSeconds full = layer_seconds(hw, without_losses(), c);
  CHECK(selective.forward.total() == none.forward.total());
  // Two norms of one read and one write, SwiGLU of two reads and one write.
  const double tokens = 4096;
  CHECK(selective.backward.total() - none.backward.total() ==
        Approx(tokens * (8 * 4096 + 6 * 11008) / 1e12));
  // The forward without the product of h by f.
  CHECK(full.backward.gemm - none.backward.gemm ==
        Approx(none.forward.gemm - 2 * tokens * 4096 * 11008 / 100e12));
  CHECK(full.backward.attention - none.backward.attention == Approx(none.forward.attention));
  // Megatron computes the whole layer again, and selectively nothing that flash attention keeps.
  SoftwareProfile megatron = without_losses();
  megatron.recompute = RecomputeStyle::megatron;
  const MicrobatchSeconds theirs = layer_seconds(hw, megatron, c);
  CHECK(theirs.backward.total() - none.backward.total() == Approx(none.forward.total()));
  c.recompute = Recompute::selective;
  CHECK(layer_seconds(hw, megatron, c).backward.total() == none.backward.total());
}

TEST_CASE("tensor-parallel traffic is four collectives forward and six backward", "[unit][plan]") {
  const HardwareProfile hw = ideal_hardware();
  StepCase c = preset_case("7b", 2, 2, 1);
  REQUIRE(c.sequence_parallel);
  const double one = 0.5 * 2 * 4096 * 4096 / 100e9;  // half of [s, h] in bf16
  MicrobatchSeconds layer = layer_seconds(hw, without_losses(), c);
  CHECK(layer.forward.tp == Approx(4 * one));
  CHECK(layer.backward.tp == Approx(6 * one));
  SoftwareProfile hiding = without_losses();
  hiding.hides_tp_backward = true;  // behind products that take longer
  layer = layer_seconds(hw, hiding, c);
  CHECK(layer.forward.tp == Approx(4 * one));
  CHECK(layer.backward.tp == Approx(2 * one));
  c.sequence_parallel = false;  // all-reduces: two of twice the traffic each way
  layer = layer_seconds(hw, without_losses(), c);
  CHECK(layer.forward.tp == Approx(4 * one));
  CHECK(layer.backward.tp == Approx(4 * one));
}

TEST_CASE("rings leaving a node share its network", "[unit][plan]") {
  const HardwareProfile hw = ideal_hardware();  // 8 ranks, 100 GB/s links, 40 GB/s network
  CHECK(data_link(hw, preset_case("7b", 8, 2, 1)).bytes_per_second == 100e9);
  CHECK(data_link(hw, preset_case("7b", 64, 2, 2)).bytes_per_second == 20e9);
  CHECK(data_link(hw, preset_case("70b", 256, 8, 8)).bytes_per_second == 5e9);
  CHECK(pipeline_link(hw, preset_case("7b", 8, 2, 2)).bytes_per_second == 100e9);
  CHECK(pipeline_link(hw, preset_case("7b", 64, 2, 2)).bytes_per_second == 5e9);
  CHECK(tensor_link(hw, preset_case("70b", 256, 8, 8)).bytes_per_second == 100e9);

  const Link link{10e9, 1e-3};
  CHECK(gather_seconds(link, 4, 40e9) == Approx(3.001));
  CHECK(all_reduce_seconds(link, 4, 40e9) == Approx(6.001));
  CHECK(send_seconds(link, 40e9) == Approx(4.001));
  CHECK(gather_seconds(link, 1, 40e9) == 0);
}

TEST_CASE("a stage holds the parameters of the hand calculation", "[unit][plan]") {
  // In billions on the first stage of the paper's layouts; the preset pads 43176 for TP.
  const auto first = [](const std::string& preset, int ranks, int64_t tp, int64_t pp) {
    return parameters_of_stage(preset_case(preset, ranks, tp, pp), 0) / 1e9;
  };
  CHECK(first("7b", 64, 2, 2) == Approx(1.708).epsilon(3e-3));
  CHECK(first("13b", 64, 2, 4) == Approx(1.697).epsilon(3e-3));
  CHECK(first("70b", 256, 8, 8) == Approx(1.114).epsilon(3e-3));
}

TEST_CASE("data-parallel traffic of an unhidden step is 6 bytes a parameter", "[unit][plan]") {
  const HardwareProfile hw = ideal_hardware();
  const StepCase c = preset_case("7b", 64, 2, 2);
  SoftwareProfile software = without_losses();
  software.overlaps_gradients = software.overlaps_params = false;
  const double parameters = std::max(parameters_of_stage(c, 0), parameters_of_stage(c, 1));
  const StepEstimate bare = estimate_step(hw, software, c);
  CHECK(bare.dp == Approx(15.0 / 16 * 6 * parameters / 20e9));
  const StepEstimate hidden = estimate_step(hw, without_losses(), c);
  CHECK(hidden.dp < bare.dp);
  CHECK(hidden.dp >= 40e6 / parameters * bare.dp * 0.999);  // the last bucket
}

TEST_CASE("the bubble is the schedule's, and that of equal stages the formula's", "[unit][plan]") {
  const auto bubble = [](PipelineSchedule schedule, int p, int64_t m) {
    const auto costs = SimulationCosts::uniform(p, 1.0, 2.0);
    return pipeline_seconds(schedule, m, costs) - 3.0 * static_cast<double>(m);
  };
  for (const PipelineSchedule schedule : {PipelineSchedule::one_f_one_b, PipelineSchedule::gpipe})
    for (const int p : {1, 2, 4, 8})
      for (const int64_t m : {1, 3, 8, 200}) {
        CAPTURE(p, m);
        CHECK(bubble(schedule, p, m) == Approx(3.0 * (p - 1)).margin(1e-9));
      }
}

TEST_CASE("a long schedule takes what playing all of it takes", "[unit][plan]") {
  SimulationCosts costs{.forward = {1.0, 1.1, 0.9, 1.4}, .backward = {2.0, 2.3, 1.9, 2.2}};
  for (const Sending sending : {Sending::overlapped, Sending::blocking})
    for (const double transfer : {0.0, 0.13}) {
      costs.transfer = {transfer, 2 * transfer, transfer};
      costs.sending = sending;
      std::vector<Schedule> stages;
      for (int stage = 0; stage < 4; ++stage)
        stages.push_back(one_forward_one_backward(stage, 4, 300));
      CAPTURE(transfer);
      CHECK(pipeline_seconds(PipelineSchedule::one_f_one_b, 300, costs) ==
            Approx(simulate(stages, costs).time).epsilon(1e-3));
    }
}

TEST_CASE("the parts of a step add up and give its rates", "[unit][plan]") {
  const HardwareProfile hw = load_hardware_profile("a100-40");
  const StepCase c = preset_case("70b", 256, 8, 8);
  const StepEstimate e = estimate_step(hw, ours(), c);
  const double sum = e.gemm + e.attention + e.memory + e.host + e.tp + e.pp + e.bubble + e.dp +
                     e.optimizer + e.shared;
  CHECK(e.total() == Approx(sum));
  for (const double part : {e.gemm, e.attention, e.memory, e.tp, e.pp, e.bubble, e.dp, e.optimizer})
    CHECK(part > 0);
  CHECK(e.stages.size() == 8);
  CHECK(e.tokens_per_second == Approx(1024.0 * 4096 / sum / 256));
  CHECK(e.tflops[0] ==
        Approx(e.tokens_per_second * 1799.1e15 / (1024 * 4096) / 1e12).epsilon(1e-3));
  CHECK(e.days(1e12, 256) == Approx(1e12 / (1024.0 * 4096) * sum / 86400));
  CHECK(e.tflops[1] < 312);
}

TEST_CASE("more of anything never makes a step slower", "[unit][plan]") {
  const StepCase c = preset_case("13b", 64, 2, 4);
  const HardwareProfile hw = load_hardware_profile("a100-40");
  const double base = estimate_step(hw, ours(), c).total();
  const auto faster = [&](auto change) {
    HardwareProfile better = hw;
    change(better);
    return estimate_step(better, ours(), c).total();
  };
  CHECK(faster([](HardwareProfile& h) { h.peak_tflops *= 1.1; }) < base);
  CHECK(faster([](HardwareProfile& h) { h.memory_gbytes_per_second *= 1.1; }) < base);
  CHECK(faster([](HardwareProfile& h) { h.link_gbytes_per_second *= 1.1; }) < base);
  CHECK(faster([](HardwareProfile& h) { h.network_gbytes_per_second *= 1.1; }) < base);
  CHECK(faster([](HardwareProfile& h) { h.attention_backward_tflops *= 1.1; }) < base);
  CHECK(faster([](HardwareProfile& h) { h.link_latency_us /= 2; }) < base);
  StepCase fewer_layers = c;
  fewer_layers.layers_of_stage[1] -= 1;
  CHECK(estimate_step(hw, ours(), fewer_layers).total() <= base);
  StepCase recomputed = c;
  recomputed.recompute = Recompute::full;
  CHECK(estimate_step(hw, ours(), recomputed).total() > base);
}

TEST_CASE("ranks that share cores wait for each other but leave no core idle", "[unit][plan]") {
  HardwareProfile hw = ideal_hardware();
  const StepCase two = preset_case("7b", 2, 1, 2);
  const StepCase eight = preset_case("7b", 8, 1, 8);
  const double alone = estimate_step(hw, without_losses(), two).total();
  hw.shared_cores = 2;
  CHECK(estimate_step(hw, without_losses(), two).shared == 0);
  const StepEstimate crowded = estimate_step(hw, without_losses(), eight);
  CHECK(crowded.shared > 0);
  // The same work on the same two cores: no less time than without the bubble of two stages.
  CHECK(crowded.total() > 0.9 * alone);
}
