#include "commands/bench.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>

#include "bench/record.h"
#include "bench/slice.h"
#include "commands/job.h"
#include "config/help.h"
#include "config/value_text.h"
#include "data/batch_loader.h"
#include "data/datasets.h"
#include "optim/param_layout.h"
#include "plan/step_case.h"
#include "telemetry/number_text.h"
#include "telemetry/step_metrics.h"
#include "telemetry/table.h"
#include "train/engine.h"
#include "train/trainer.h"

namespace swallow {

namespace {

struct BenchOptions {
  int64_t warmup_iters = 3;
  int64_t bench_iters = 10;
  double peak_bandwidth = 0;  // GB/s; 0: measured
  bool slice = false;
  bool ops = false;
  std::string output;
};

BenchOptions read_options(const ParsedCommandLine& parsed) {
  BenchOptions options;
  const auto read = [&](const char* name, auto parse) {
    const auto found = parsed.own.find(name);
    if (found != parsed.own.end()) parse(fmt::format("--{} ", name), found->second);
  };
  read("warmup-iters", [&](const std::string& where, const std::string& text) {
    options.warmup_iters = parse_integer(where, text, {0, 1'000'000});
  });
  read("bench-iters", [&](const std::string& where, const std::string& text) {
    options.bench_iters = parse_integer(where, text, {1, 1'000'000});
  });
  read("peak-bandwidth", [&](const std::string& where, const std::string& text) {
    options.peak_bandwidth = parse_real(where, text, {.low = 0, .high = 1e6});
  });
  read("output", [&](const std::string&, const std::string& text) { options.output = text; });
  options.slice = parsed.own.contains("slice");
  options.ops = parsed.own.contains("ops");
  return options;
}

/// --slice and --ops run one rank's part of the whole grid alone.
RunShape resolve_alone(const RunConfig& config) {
  const ParallelConfig& p = config.parallel;
  return resolve(config,
                 static_cast<int>(p.tensor_model_parallel_size * p.pipeline_model_parallel_size));
}

double peak_tflops(const RunConfig& config, Device device) {
  if (config.log.peak_tflops > 0) return config.log.peak_tflops;
  return device.kind == DeviceKind::cuda ? known_peak_tflops(device_name(device)) : 0;
}

/// Found out before anything is timed.
void require_writable(const std::string& output) {
  if (output.empty()) return;
  if (!std::ofstream(output, std::ios::app))
    throw ConfigError("--output {}: cannot write there", printable(output));
}

void finish(Json record, const TextTable& table, Stream& stream, const BenchOptions& options) {
  const std::vector<GemmRecord> products = gemm_records(stream);
  record["products"] = to_json(products);
  std::cout << table.text() << gemm_table(products);
  if (options.output.empty()) return;
  std::ofstream file(options.output, std::ios::trunc);
  file << record.dump(1) << std::endl;
  if (!file) throw IoError("--output {}: writing failed", printable(options.output));
  std::cout << "record: " << options.output << std::endl;
}

TextTable table_of(const RunConfig& config, const std::string& what, const Stream& stream) {
  return {.title = fmt::format(
              "{}, {}", what,
              config.preset.empty() ? "no preset" : fmt::format("preset {}", config.preset)),
          .rows = {{"device", device_name(stream.device())}}};
}

// ---- whole steps

struct StepTimes {
  std::vector<double> ms;
  StepResult first, last;
  bool all_updated = true;
};

/// The interval between returns of train_step, as training runs: the optimizer's last kernels of a
/// step overlap with the host's work for the next.
StepTimes time_steps(const RunConfig& config, const RunShape& run, const World& world,
                     TrainingEngine& engine, const BenchOptions& options) {
  const int64_t steps = options.warmup_iters + options.bench_iters;
  const int64_t batch = config.training.global_batch_size;
  DataOptions data = data_options(config);
  data.train_iters = std::max(data.train_iters, steps);
  const Datasets datasets = open_datasets(data);
  BatchLoader loader(*datasets.train, {.micro_batch_size = config.training.micro_batch_size,
                                       .seq_length = config.model.seq_length,
                                       .vocab_size = config.model.vocab_size,
                                       .dp_rank = world.at.dp,
                                       .dp_size = run.dp});
  StepTimes times;
  auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < steps; ++i) {
    const LoadMicrobatch load = [&](int64_t microbatch, const Tensor& tokens,
                                    const Tensor& targets) {
      loader.load(i * batch, microbatch, tokens, targets);
    };
    times.last = engine.train_step(load, i);
    if (i == 0) times.first = times.last;
    times.all_updated = times.all_updated && times.last.updated;
    const auto end = std::chrono::steady_clock::now();
    const std::chrono::duration<double, std::milli> elapsed = end - begin;
    if (i >= options.warmup_iters) times.ms.push_back(elapsed.count());
    begin = end;
  }
  return times;
}

/// What each rank tells rank 0.
Json rank_record(const World& world, const Stream& stream, const TrainingEngine& engine,
                 const std::optional<ClockSummary>& clocks) {
  return {{"rank", world.rank},
          {"host", this_host().name},
          {"device", to_string(stream.device())},
          {"planned_bytes", engine.ledger().total()},
          {"peak_host_bytes", peak_memory_bytes()},
          {"device_bytes_in_use", device_memory_used(stream.device())},
          {"clocks", to_json(clocks)}};
}

int bench_steps(const ParsedCommandLine& parsed, const BenchOptions& options,
                std::unique_ptr<World>& world) {
  const RunConfig& config = parsed.config;
  Job job = join_job(parsed, world);
  if (world->rank == 0) require_writable(options.output);
  TrainingEngine engine(config, job.run, job.stream, *world);
  engine.initialise();
  ClockLog clock_log(job.stream.device());
  const StepTimes times = time_steps(config, job.run, *world, engine, options);
  const std::optional<ClockSummary> clocks = clock_log.stop();
  const std::vector<std::string> ranks =
      world->control->exchange(rank_record(*world, job.stream, engine, clocks).dump());
  if (world->rank != 0) return static_cast<int>(ExitCode::ok);

  const Statistics ms = summarise(times.ms);
  const int64_t tokens = config.training.global_batch_size * config.model.seq_length;
  const Throughput rates =
      throughput(model_size(config.model, job.run), static_cast<double>(tokens), ms.median / 1e3,
                 job.run.world_size, peak_tflops(config, job.stream.device()));
  Json record = record_head("step", version_text(), config, job.run, job.stream);
  record["warmup_iters"] = options.warmup_iters;
  record["step_ms"] = to_json(ms);
  record["throughput"] = to_json(rates);
  record["loss_first"] = times.first.loss;
  record["loss_last"] = times.last.loss;
  record["grad_norm_last"] = times.last.grad_norm;
  record["all_updated"] = times.all_updated;
  record["planned_memory_rank_0"] = to_json(engine.ledger());
  for (const std::string& rank : ranks) record["ranks"].push_back(Json::parse(rank));
  record["transports"] = world->transports;

  TextTable table = table_of(
      config, fmt::format("Training steps of {} tokens on {} ranks", tokens, job.run.world_size),
      job.stream);
  append_rows(table.rows, "step", ms);
  append_rows(table.rows, rates);
  table.rows.push_back(
      {"loss", fmt::format("{:.5f} at first, {:.5f} at last{}", times.first.loss, times.last.loss,
                           times.all_updated ? "" : "; updates were withheld")});
  append_rows(table.rows, clocks);
  for (const auto& [category, bytes] : engine.ledger().rows())
    table.rows.push_back({"planned " + category, bytes_text(bytes)});
  table.rows.push_back({"planned memory, rank 0", bytes_text(engine.ledger().total())});
  table.rows.push_back({"resident on the host, rank 0", bytes_text(peak_memory_bytes())});
  finish(std::move(record), table, job.stream, options);
  return static_cast<int>(ExitCode::ok);
}

// ---- a slice

int bench_slice(const RunConfig& config, const BenchOptions& options) {
  const RunShape run = resolve_alone(config);
  require_writable(options.output);
  Stream stream = take_device(config, 0, 1);
  StageSlice slice(config, run, stream);
  slice.forward();
  slice.backward();
  stream.synchronize();
  const int64_t left_out_calls = slice.left_out().calls();
  const int64_t left_out_bytes = slice.left_out().bytes();
  ClockLog clock_log(stream.device());
  const SliceTimes times = slice.time(options.bench_iters);
  const std::optional<ClockSummary> clocks = clock_log.stop();

  const ModelShapes& m = slice.shapes();
  ModelSize size = model_size(config.model, run);
  size.num_layers = m.layers.size();
  if (!m.has_head) size.vocab_size = 0;
  const auto tokens = static_cast<double>(m.sequence * m.batch);
  // Each of the TP ranks does 1/TP of the work of the tokens.
  const Throughput rates = throughput(size, tokens, times.both_ms.median / 1e3, run.tp,
                                      peak_tflops(config, stream.device()));
  Json record = record_head("slice", version_text(), config, run, stream);
  record["slice"] = {{"stage", slice.stage_index()},
                     {"layers", m.layers.size()},
                     {"embedding", m.has_embedding},
                     {"head", m.has_head},
                     {"left_out", "tensor-parallel collectives, pipeline transfers, optimizer"},
                     {"left_out_tp_calls_per_microbatch", left_out_calls},
                     {"left_out_tp_bytes_per_microbatch", left_out_bytes}};
  record["forward_ms"] = to_json(times.forward_ms);
  record["backward_ms"] = to_json(times.backward_ms);
  record["microbatch_ms"] = to_json(times.both_ms);
  record["ms_per_layer"] = times.both_ms.median / static_cast<double>(m.layers.size());
  record["throughput"] = to_json(rates);
  record["planned_memory"] = to_json(slice.ledger());
  record["clocks"] = to_json(clocks);

  TextTable table = table_of(
      config,
      fmt::format("{} layers of stage {} of {}, one of TP {}{}{}", m.layers.size(),
                  slice.stage_index(), run.pp, run.tp, m.has_embedding ? ", with embedding" : "",
                  m.has_head ? ", with head" : ""),
      stream);
  append_rows(table.rows, "micro-batch", times.both_ms);
  append_rows(table.rows, "forward", times.forward_ms);
  append_rows(table.rows, "backward", times.backward_ms);
  append_rows(table.rows, rates);
  append_rows(table.rows, clocks);
  table.rows.push_back({"planned memory", bytes_text(slice.ledger().total())});
  table.rows.push_back(
      {"left out", fmt::format("the optimizer, pipeline transfers, and {} TP collectives a "
                               "micro-batch (a rank sends {})",
                               left_out_calls, bytes_text(left_out_bytes))});
  finish(std::move(record), table, stream, options);
  return static_cast<int>(ExitCode::ok);
}

// ---- single ops

int bench_ops(const RunConfig& config, const BenchOptions& options) {
  // Of the optimizer's share, so that the op tensors of the largest model fit any device.
  constexpr int64_t kMostFlatElements = int64_t{1} << 28;
  constexpr int64_t kMostFlatElementsOnCpu = int64_t{1} << 24;
  const RunShape run = resolve_alone(config);
  require_writable(options.output);
  Stream stream = take_device(config, 0, 1);
  const ParamLayout layout(param_specs(make_shapes(config, run, {})), 1,
                           config.parallel.ddp_bucket_size);
  ModelShapes shapes = make_shapes(config, run, {});
  shapes.has_head = true;  // whichever stage it is on
  const bool gpu = stream.device().kind == DeviceKind::cuda;
  const int64_t flat = std::min(layout.total(), gpu ? kMostFlatElements : kMostFlatElementsOnCpu);
  configure_gemm(stream, {.enabled = true});
  ClockLog clock_log(stream.device());
  const Ceilings ceilings = find_ceilings(stream, shapes.dtype, config.log.peak_tflops,
                                          options.peak_bandwidth, options.bench_iters);
  RandomFill random(stream);
  std::vector<OpTiming> timings;
  for (const OpCase& op : op_cases(shapes, layout.total(), flat, stream.num_threads()))
    timings.push_back(time_op(stream, random, op, options.bench_iters));
  const std::optional<ClockSummary> clocks = clock_log.stop();

  Json record = record_head("ops", version_text(), config, run, stream);
  record["ceilings"] = to_json(ceilings);
  for (const OpTiming& timing : timings) record["ops"].push_back(to_json(timing, ceilings));
  record["clocks"] = to_json(clocks);
  TextTable table = table_of(config, "Single ops", stream);
  append_rows(table.rows, clocks);
  std::cout << op_table(timings, ceilings) << "\n";
  finish(std::move(record), table, stream, options);
  return static_cast<int>(ExitCode::ok);
}

}  // namespace

void prepare_bench(ParsedCommandLine& parsed) {
  const BenchOptions options = read_options(parsed);
  if (options.slice && options.ops)
    throw ConfigError("--slice and --ops are both given; expected one");
  if ((options.slice || options.ops) && parsed.nproc > 1)
    throw ConfigError("--nproc {}: expected 1 with --{}, which runs one rank alone", parsed.nproc,
                      options.slice ? "slice" : "ops");
  DataConfig& data = parsed.config.data;
  if (!data.data_path.empty() || !data.train_data_path.empty())
    throw ConfigError(
        "bench with --data-path or --train-data-path: its tokens are generated; "
        "expected neither");
  data.mock_data = true;
}

int run_bench(const ParsedCommandLine& parsed, std::unique_ptr<World>& world) {
  const BenchOptions options = read_options(parsed);
  if (options.slice) return bench_slice(parsed.config, options);
  if (options.ops) return bench_ops(parsed.config, options);
  return bench_steps(parsed, options, world);
}

}  // namespace swallow
