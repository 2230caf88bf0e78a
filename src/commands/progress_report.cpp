#include "commands/progress_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

#include "telemetry/number_text.h"

namespace swallow {

namespace {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ProgressReport::Style style_of_stderr() {
  return ::isatty(STDERR_FILENO) == 1 ? ProgressReport::Style::terminal
                                      : ProgressReport::Style::lines;
}

std::string text_of(const PreprocessProgress& progress, double seconds) {
  const auto done = static_cast<double>(progress.bytes_done);
  const auto total = static_cast<double>(std::max<int64_t>(progress.bytes_total, 1));
  const double rate = static_cast<double>(progress.tokens) / std::max(seconds, 1e-9);
  const double left = done > 0 ? std::max(0.0, total - done) / done * seconds : -1;
  return fmt::format("{:3.0f} %  {} documents  {} tokens  {} tokens/s  ETA {}",
                     std::min(100.0, 100 * done / total), progress.documents,
                     count_text(progress.tokens), count_text(static_cast<int64_t>(rate)),
                     duration_text(left));
}

}  // namespace

ProgressReport::ProgressReport() : ProgressReport(std::cerr, style_of_stderr(), steady_seconds) {}

ProgressReport::ProgressReport(std::ostream& out, Style style, Seconds now)
    : out_(out), style_(style), now_(std::move(now)) {}

ProgressReport::~ProgressReport() {
  if (width_ > 0) out_ << '\r' << std::string(width_, ' ') << '\r' << std::flush;
}

void ProgressReport::show(const PreprocessProgress& progress) {
  const double now = now_();
  if (now - last_ < (style_ == Style::terminal ? 0.1 : 30.0)) return;
  last_ = now;
  std::string text = text_of(progress, now - begin_);
  if (style_ == Style::lines) {
    out_ << text << '\n' << std::flush;
    return;
  }
  const size_t width = text.size();
  if (width < width_) text.append(width_ - width, ' ');  // over the end of a longer line
  width_ = std::max(width, width_);
  out_ << '\r' << text << std::flush;
}

}  // namespace swallow
