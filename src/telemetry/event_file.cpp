#include "telemetry/event_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <system_error>

namespace swallow {

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

/// Readers take the files of a folder in the order of their names, so the time comes first; ten
/// digits until the year 2286.
std::string file_name() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  return fmt::format("events.out.tfevents.{:010}.{:06}.{}.{}", micros / 1'000'000,
                     micros % 1'000'000, host_name(), ::getpid());
}

}  // namespace

EventFile::EventFile(std::string folder, int64_t log_interval)
    : folder_(std::move(folder)), log_interval_(log_interval) {}

void EventFile::open(int64_t step) {
  if (!path_.empty()) return;
  std::error_code ignored;  // the file tells
  std::filesystem::create_directories(folder_, ignored);
  path_ = fmt::format("{}/{}", folder_, file_name());
  file_.open(path_, std::ios::binary | std::ios::trunc);
  append(version_event(now()));
  append(start_event(now(), step));
  if (!config_json_.empty())
    append(text_event(now(), step, "config", fmt::format("```json\n{}\n```", config_json_)));
}

void EventFile::append(const std::string& message) {
  if (!good_) return;
  file_ << framed(message);
  good_ = static_cast<bool>(file_);
}

void EventFile::flush() {
  file_.flush();
  good_ = good_ && static_cast<bool>(file_);
}

void EventFile::write(const StepMetrics& metrics, double tflops) {
  open(metrics.step);
  const std::array scalars{Scalar{"lm loss", metrics.loss},
                           Scalar{"learning-rate", metrics.lr},
                           Scalar{"grad-norm", metrics.grad_norm},
                           Scalar{"batch-size", static_cast<double>(metrics.samples)},
                           Scalar{"iteration-time", metrics.seconds},
                           Scalar{"throughput", tflops}};
  append(scalars_event(now(), metrics.step, scalars));
  if (metrics.step % log_interval_ == 0) flush();
}

void EventFile::write(const ValidationMetrics& metrics, std::string_view name) {
  open(metrics.step);
  const std::string loss = fmt::format("lm loss {}", name);
  const std::string perplexity = loss + " ppl";
  const std::array scalars{Scalar{loss, metrics.loss}, Scalar{perplexity, std::exp(metrics.loss)}};
  append(scalars_event(now(), metrics.step, scalars));
  flush();
}

}  // namespace swallow
