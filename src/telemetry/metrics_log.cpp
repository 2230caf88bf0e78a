#include "telemetry/metrics_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "telemetry/number_text.h"
#include "telemetry/table.h"

namespace swallow {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kWindow = 128;      // steps behind a z-score and the ETA
constexpr size_t kLeastScored = 16;  // fewer say nothing about spread
constexpr int64_t kHeaderEvery = 40;

std::string iso_time() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::localtime(std::time(nullptr)));
}

double mean(const std::deque<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

void push(std::deque<double>& window, double value) {
  window.push_back(value);
  if (window.size() > kWindow) window.pop_front();
}

/// JSON has no NaN or infinity, and decimals hide the last bit: the hexadecimal form tells both.
void put_exact(Json& json, const std::string& key, double value) {
  json[key] = value;
  json[key + "_hex"] = fmt::format("{:a}", value);
}

Json record(const char* kind) {
  return {{"schema", MetricsLog::kSchema}, {"kind", kind}, {"time", iso_time()}};
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json step_record(const StepRow& row, const MetricsLogOptions& options) {
  const StepMetrics& m = row.metrics;
  Json json = record("step");
  json["step"] = m.step;
  json["train_iters"] = row.train_iters;
  put_exact(json, "loss", m.loss);
  put_exact(json, "grad_norm", m.grad_norm);
  json["loss_z"] = row.loss_z ? Json(*row.loss_z) : Json();
  json["lr"] = m.lr;
  json["seconds"] = m.seconds;
  json["samples"] = m.samples;
  json["tokens"] = m.tokens;
  json["consumed_samples"] = m.consumed_samples;
  json["consumed_tokens"] = m.consumed_tokens;
  json["skipped"] = m.skipped;
  json["tokens_per_second_per_rank"] = row.tokens_per_second;
  for (const FlopFormula formula : kFlopFormulas)
    json[fmt::format("tflops_per_rank_{}", name_of(formula))] =
        flops_per_token(formula, options.model) * row.tokens_per_second / 1e12;
  json["mfu"] = row.mfu ? Json(*row.mfu) : Json();
  json["peak_memory_bytes"] = m.peak_memory_bytes;
  json["eta_seconds"] = row.eta_seconds;
  return json;
}

/// Opens for appending; a last line that a crash cut short is closed first.
std::ofstream open_lines(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path file(path);
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), ignored);
  bool torn = false;
  if (std::ifstream old(path, std::ios::binary | std::ios::ate); old && old.tellg() > 0) {
    old.seekg(-1, std::ios::end);
    torn = old.get() != '\n';
  }
  std::ofstream lines(path, std::ios::binary | std::ios::app);
  if (torn) lines << '\n';
  return lines;
}

}  // namespace

MetricsLog::MetricsLog(MetricsLogOptions options, std::ostream& console)
    : options_(std::move(options)),
      console_(console),
      start_(std::chrono::steady_clock::now()),
      ranks_(options_.places) {
  if (!options_.tensorboard_dir.empty())
    events_.emplace(options_.tensorboard_dir, options_.log_interval);
  if (options_.jsonl_path.empty()) return;
  file_ = open_lines(options_.jsonl_path);
  if (!file_)
    print(fmt::format("warning: cannot write {}; the run goes on without it", options_.jsonl_path));
}

void MetricsLog::write_run(const std::string& config_json) {
  Json json = record("run");
  json["build"] = options_.build;
  json["world_size"] = options_.world_size;
  json["parameters"] = parameter_count(options_.model);
  for (const FlopFormula formula : kFlopFormulas)
    json[fmt::format("flops_per_token_{}", name_of(formula))] =
        flops_per_token(formula, options_.model);
  json["config"] = Json::parse(config_json, nullptr, false);
  if (events_) events_->set_config(config_json);
  append(dump(json));
}

void MetricsLog::write_facts(const char* kind, const std::string& json_object) {
  Json json = record(kind);
  json.update(Json::parse(json_object));
  append(dump(json));
}

void MetricsLog::write(const StepMetrics& metrics) {
  const StepRow row = make_row(metrics);
  append(dump(step_record(row, options_)));
  write_event(metrics, row.tflops);

  all_seconds_.push_back(static_cast<float>(metrics.seconds));
  push(recent_seconds_, metrics.seconds);
  if (std::isfinite(metrics.loss)) push(recent_losses_, metrics.loss);
  ++summary_.steps;
  summary_.last_step = metrics.step;
  summary_.tokens += metrics.tokens;
  summary_.last_loss = metrics.loss;
  if (!metrics.skipped) summary_.step_seconds += metrics.seconds;

  add_to_interval(metrics);
  const bool last = metrics.step == options_.train_iters;
  if (metrics.step % options_.log_interval == 0 || last) print_step(row);
}

void MetricsLog::write(const ValidationMetrics& metrics) {
  append_loss("validation", metrics);
  write_event(metrics, "validation");
  summary_.last_validation = metrics;
  if (!summary_.best_validation || metrics.loss < summary_.best_validation->loss)
    summary_.best_validation = metrics;
  print_bold(validation_line(metrics, options_.train_iters));
}

void MetricsLog::write(const TestMetrics& metrics) {
  append_loss("test", metrics);
  write_event(metrics, "test");
  summary_.test = metrics;
  print_bold(test_line(metrics, options_.train_iters));
}

void MetricsLog::write(const SaveMetrics& metrics) {
  Json json = record("save");
  json["step"] = metrics.step;
  json["folder"] = metrics.folder;
  json["seconds"] = metrics.seconds;
  json["total_seconds"] = metrics.total_seconds;
  append(dump(json));
  summary_.last_save = metrics;
  print(save_line(metrics, options_.train_iters));
}

void MetricsLog::write(const RankMetrics& metrics) {
  if (options_.places.stage_of_rank.empty()) return;
  const std::optional<RankMetrics> due = ranks_.add(metrics, RankReport::Clock::now());
  if (!due) return;
  Json json = record("ranks");
  json["step"] = due->step;
  json["steps"] = due->steps;
  json["compute_seconds"] = due->compute_seconds;
  json["waiting_seconds"] = due->waiting_seconds;
  json["data_seconds"] = due->data_seconds;
  json["peak_memory_bytes"] = due->peak_memory_bytes;
  json["slow"] = ranks_.note();
  json["hosts"] = ranks_.places().host_names;
  json["node_of_rank"] = ranks_.places().node_of_rank;
  append(dump(json));
}

StepRow MetricsLog::make_row(const StepMetrics& metrics) const {
  StepRow row;
  row.metrics = metrics;
  row.train_iters = options_.train_iters;
  row.note = ranks_.note();
  row.tokens_per_second =
      static_cast<double>(metrics.tokens) / metrics.seconds / options_.world_size;
  row.tflops = flops_per_token(FlopFormula::causal, options_.model) * row.tokens_per_second / 1e12;
  row.fork_tflops =
      flops_per_token(FlopFormula::fork_c, options_.model) * row.tokens_per_second / 1e12;
  if (options_.peak_tflops > 0.0) row.mfu = row.tflops / options_.peak_tflops;
  row.loss_z = score(metrics.loss);
  const double pace = recent_seconds_.empty() ? metrics.seconds : mean(recent_seconds_);
  row.eta_seconds = pace * static_cast<double>(options_.train_iters - metrics.step);
  return row;
}

/// How many standard deviations `loss` lies from the mean of the steps before it.
std::optional<double> MetricsLog::score(double loss) const {
  if (recent_losses_.size() < kLeastScored || !std::isfinite(loss)) return std::nullopt;
  const double center = mean(recent_losses_);
  double squares = 0.0;
  for (const double value : recent_losses_) squares += (value - center) * (value - center);
  const double deviation = std::sqrt(squares / static_cast<double>(recent_losses_.size()));
  if (deviation == 0.0) return std::nullopt;
  return (loss - center) / deviation;
}

void MetricsLog::add_to_interval(const StepMetrics& metrics) {
  ++interval_.steps;
  interval_.tokens += metrics.tokens;
  interval_.seconds += metrics.seconds;
  if (metrics.skipped)
    ++interval_.skipped;
  else
    interval_.loss += metrics.loss;
  if (!std::isfinite(metrics.loss)) ++interval_.nan;
}

/// Prints `row` with the means over the interval in place of the last step's values.
void MetricsLog::print_step(const StepRow& row) {
  StepMetrics shown = row.metrics;
  const int64_t advanced = interval_.steps - interval_.skipped;
  if (advanced > 0) shown.loss = interval_.loss / static_cast<double>(advanced);
  shown.seconds = interval_.seconds / static_cast<double>(interval_.steps);
  shown.tokens = interval_.tokens / interval_.steps;
  StepRow means = make_row(shown);
  means.loss_z = row.loss_z;
  means.interval_steps = interval_.steps;
  means.interval_skipped = interval_.skipped;
  means.interval_nan = interval_.nan;
  if (options_.style == LineStyle::megatron) {
    print(megatron_line(means));
  } else {
    if (lines_ % kHeaderEvery == 0) print(step_header(means));
    print(step_line(means));
  }
  ++lines_;
  interval_ = {};
}

void MetricsLog::print(const std::string& line) {
  if (!options_.terminal) console_ << iso_time() << ' ';
  console_ << line << '\n' << std::flush;
  console_.clear();  // a closed pipe must not end a run, nor silence it for ever
}

void MetricsLog::print_bold(const std::string& line) {
  print(options_.colour ? "\x1b[1m" + line + "\x1b[0m" : line);
}

void MetricsLog::append_loss(const char* kind, const ValidationMetrics& metrics) {
  Json json = record(kind);
  json["step"] = metrics.step;
  put_exact(json, "loss", metrics.loss);
  json["tokens"] = metrics.tokens;
  json["seconds"] = metrics.seconds;
  append(dump(json));
}

void MetricsLog::append(const std::string& json_line) {
  if (!file_.is_open() || !file_) return;
  file_ << json_line << '\n' << std::flush;
  if (!file_)
    print(
        fmt::format("warning: writing {} failed; the run goes on without it", options_.jsonl_path));
}

template <class... Args>
void MetricsLog::write_event(const Args&... args) {
  if (!events_) return;
  events_->write(args...);
  if (events_->good()) return;
  print(fmt::format("warning: writing {} failed; the run goes on without it", events_->path()));
  events_.reset();
}

RunSummary MetricsLog::summary() const {
  RunSummary summary = summary_;
  summary.slow_rank = ranks_.summary();
  summary.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  if (!all_seconds_.empty()) {
    std::vector<float> sorted = all_seconds_;
    std::sort(sorted.begin(), sorted.end());
    summary.median_seconds = sorted[(sorted.size() - 1) / 2];
    summary.p95_seconds = sorted[(sorted.size() - 1) * 95 / 100];
  }
  return summary;
}

std::string RunSummary::text() const {
  TextTable table{"Summary", {}, {}};
  const auto add = [&table](const char* name, std::string value) {
    table.rows.push_back({name, std::move(value)});
  };
  add("steps", fmt::format("{} (up to step {})", steps, last_step));
  add("tokens", count_text(tokens));
  add("wall time", duration_text(wall_seconds));
  add("goodput", fmt::format("{:.1f} % of it in training steps",
                             wall_seconds > 0 ? 100.0 * step_seconds / wall_seconds : 0.0));
  add("step time", fmt::format("median {:.1f} ms, 95 % within {:.1f} ms", median_seconds * 1e3,
                               p95_seconds * 1e3));
  if (!slow_rank.empty()) add("slow rank", slow_rank);
  add("training loss", fmt::format("{:.4f}", last_loss));
  if (best_validation)
    add("validation loss", fmt::format("best {:.4f} at step {}, last {:.4f}", best_validation->loss,
                                       best_validation->step, last_validation->loss));
  if (test) add("test loss", fmt::format("{:.4f}", test->loss));
  if (last_save) add("checkpoint", fmt::format("{} (step {})", last_save->folder, last_save->step));
  return table.text();
}

}  // namespace swallow
