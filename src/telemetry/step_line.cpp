#include "telemetry/step_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "telemetry/number_text.h"

namespace swallow {
namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;

int digits(int64_t value) {
  return static_cast<int>(fmt::formatted_size("{}", value));
}

/// "  7/200", as wide as the last one will be.
std::string progress(char mark, int64_t step, int64_t train_iters) {
  return fmt::format("{}{:>{}}/{}", mark, step, std::max(digits(train_iters), 4), train_iters);
}

std::string loss_line(char mark, std::string_view name, const ValidationMetrics& metrics,
                      int64_t train_iters) {
  return fmt::format("{} {}  {} loss, perplexity {:.4g}, {} tokens in {:.1f} s",
                     progress(mark, metrics.step, train_iters), fixed_text(metrics.loss, 7, 4),
                     name, std::exp(metrics.loss), count_text(metrics.tokens), metrics.seconds);
}

}  // namespace

std::string step_header(const StepRow& row) {
  const size_t width = progress(' ', 0, row.train_iters).size();
  return fmt::format("{:>{}} {:>7} {:>5} {:>7} {:>8} {:>7} {:>7} {:>7} {}{:>5} {:>6} {:>8}",
                     "step/N", width, "loss", "z", "gnorm", "lr", "ms", "tok/s/r", "TFLOP/r",
                     row.mfu ? "MFU % " : "", "GiB", "tokens", "ETA");
}

std::string step_line(const StepRow& row) {
  const StepMetrics& m = row.metrics;
  const std::string z =
      row.loss_z ? fmt::format("{:+.1f}", std::clamp(*row.loss_z, -99.9, 99.9)) : "-";
  const std::string mfu = row.mfu ? fmt::format("{:5.1f} ", 100.0 * *row.mfu) : "";
  return fmt::format("{} {} {:>5} {} {:8.2e} {} {} {} {}{:5.1f} {:>6} {:>8}{}{}",
                     progress(m.skipped ? '!' : ' ', m.step, row.train_iters),
                     fixed_text(m.loss, 7, 4), z, fixed_text(m.grad_norm, 7, 3), m.lr,
                     fixed_text(m.seconds * 1e3, 7, 0),
                     fixed_text(row.tokens_per_second, 7, row.tokens_per_second < 1000 ? 1 : 0),
                     significant_text(row.tflops, 7), mfu,
                     static_cast<double>(m.peak_memory_bytes) / kGib, count_text(m.consumed_tokens),
                     duration_text(row.eta_seconds), row.note.empty() ? "" : "  ", row.note);
}

std::string megatron_line(const StepRow& row) {
  const StepMetrics& m = row.metrics;
  const auto steps = static_cast<double>(row.interval_steps);
  std::string line = fmt::format(
      " iteration {:8d}/{:8d} | consumed samples: {:12d} | elapsed time per iteration (ms): {:.1f} "
      "| learning rate: {:.3E} | global batch size: {:5d} |",
      m.step, row.train_iters, m.consumed_samples, m.seconds * 1e3, m.lr, m.samples);
  if (m.loss > 0.0) line += fmt::format(" lm loss: {:.6E} |", m.loss);
  line += fmt::format(
      " loss scale: 1.0 | grad norm: {:.3f} | number of skipped iterations: {:3d} | number of nan "
      "iterations: {:3d} | iteration time: {:.3f} s samples/sec: {:.1f} | TFLOPS: {:.1f} | model "
      "TFLOPS (causal): {:.2f} | tokens/sec per rank: {:.1f} |",
      m.grad_norm, row.interval_skipped, row.interval_nan, m.seconds * steps,
      static_cast<double>(m.samples) / m.seconds, row.fork_tflops, row.tflops,
      row.tokens_per_second);
  if (!row.note.empty()) line += fmt::format(" {} |", row.note);
  return line;
}

std::string validation_line(const ValidationMetrics& metrics, int64_t train_iters) {
  return loss_line('V', "validation", metrics, train_iters);
}

std::string test_line(const TestMetrics& metrics, int64_t train_iters) {
  return loss_line('T', "test", metrics, train_iters);
}

std::string save_line(const SaveMetrics& metrics, int64_t train_iters) {
  const bool in_background = metrics.total_seconds > metrics.seconds;
  return fmt::format(
      "{}  saved {} in {:.1f} s{}", progress('S', metrics.step, train_iters), metrics.folder,
      in_background ? metrics.total_seconds : metrics.seconds,
      in_background ? fmt::format(", training stood still for {:.1f} s", metrics.seconds) : "");
}

}  // namespace swallow
