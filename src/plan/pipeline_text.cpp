#include "plan/pipeline_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"

namespace swallow {

namespace {

constexpr int kFewestColumns = 40;
constexpr const char* kForward = "░";
constexpr const char* kBackward = "▓";
constexpr const char* kBoth = "▒";
constexpr const char* kGap = " ~ ";  // where the middle is left out

bool is_forward(const PipelineSpan& span) {
  return span.kind != Step::Kind::backward;
}

/// A part of the step, drawn in some columns.
struct Window {
  double begin = 0;
  double end = 0;
  int columns = 0;
  [[nodiscard]] double column_of(double time) const {
    return (time - begin) / (end - begin) * columns;
  }
};

/// Until every stage has been through its first backward, or since the first of them had its last
/// forward, whichever is longer.
double ramp_of(const SimulationResult& result) {
  const size_t stages = result.busy.size();
  std::vector<double> first_backward(stages, result.time);
  std::vector<double> last_forward(stages, 0.0);
  for (const PipelineSpan& span : result.spans) {
    const auto stage = static_cast<size_t>(span.stage);
    if (is_forward(span))
      last_forward[stage] = std::max(last_forward[stage], span.begin);
    else
      first_backward[stage] = std::min(first_backward[stage], span.end);
  }
  return std::max(*std::ranges::max_element(first_backward),
                  result.time - *std::ranges::min_element(last_forward));
}

std::vector<Window> windows_of(const SimulationResult& result, int columns) {
  const double ramp = ramp_of(result);
  if (4.0 * ramp > result.time) return {{0, result.time, columns}};
  const int half = (columns - static_cast<int>(std::string_view(kGap).size())) / 2;
  return {{0, ramp, half}, {result.time - ramp, result.time, half}};
}

/// One stage in one window.
class Row {
 public:
  explicit Row(const Window& window)
      : window_(window),
        forward_(static_cast<size_t>(window.columns), 0.0),
        backward_(static_cast<size_t>(window.columns), 0.0),
        digits_(static_cast<size_t>(window.columns), '\0') {}

  void draw(const PipelineSpan& span) {
    const double begin = std::max(0.0, window_.column_of(span.begin));
    const double end = std::min<double>(window_.columns, window_.column_of(span.end));
    if (begin >= end) return;
    auto& shares = is_forward(span) ? forward_ : backward_;
    for (auto column = static_cast<size_t>(begin); static_cast<double>(column) < end; ++column)
      shares[column] += std::min(end, static_cast<double>(column + 1)) -
                        std::max(begin, static_cast<double>(column));
    write_number(span.microbatch, std::lround(begin), std::lround(end));
  }

  [[nodiscard]] std::string text() const {
    std::string line;
    for (size_t i = 0; i < digits_.size(); ++i)
      line += digits_[i] != '\0' ? std::string(1, digits_[i]) : shade(forward_[i], backward_[i]);
    return line;
  }

 private:
  /// At the end of its columns, if at least one of them keeps its shade.
  void write_number(int64_t number, int64_t begin, int64_t end) {
    const std::string text = std::to_string(number);
    const auto width = static_cast<int64_t>(text.size());
    if (end - begin <= width) return;
    for (int64_t i = 0; i < width; ++i)
      digits_[static_cast<size_t>(end - width + i)] = text[static_cast<size_t>(i)];
  }

  static const char* shade(double forward, double backward) {
    const double busy = forward + backward;
    if (busy < 0.5) return " ";
    if (forward > 0.75 * busy) return kForward;
    return backward > 0.75 * busy ? kBackward : kBoth;
  }

  Window window_;
  std::vector<double> forward_, backward_;  // [columns] share of the column's time
  std::string digits_;                      // [columns] of numbers; 0 elsewhere
};

std::string legend(const SimulationResult& result, const std::vector<Window>& windows) {
  std::string text = fmt::format(
      "{} forward, {} backward, {} both in turn; stages wait {:.1f} % of "
      "the time (the bubble)\n",
      kForward, kBackward, kBoth, 100.0 * result.bubble());
  if (windows.size() > 1)
    text += fmt::format("~ stands for the middle {:.0f} % of the step\n",
                        100.0 * (1.0 - 2.0 * windows.front().end / result.time));
  return text;
}

}  // namespace

std::string pipeline_text(const SimulationResult& result, int columns) {
  SWALLOW_CHECK(result.error.empty() && result.time > 0, "no picture of a schedule: {}",
                result.error.empty() ? "it takes no time" : result.error);
  SWALLOW_CHECK(columns >= kFewestColumns, "a picture of {} columns, expected {} or more", columns,
                kFewestColumns);
  const size_t stages = result.busy.size();
  const size_t digits = std::to_string(stages - 1).size();
  const auto label = static_cast<int>(std::string_view("stage  ||").size() + digits);
  const std::vector<Window> windows = windows_of(result, columns - label);
  std::vector<std::vector<Row>> rows(stages, std::vector<Row>(windows.begin(), windows.end()));
  for (const PipelineSpan& span : result.spans)
    for (Row& row : rows[static_cast<size_t>(span.stage)]) row.draw(span);
  std::string text;
  for (size_t stage = 0; stage < stages; ++stage) {
    text += fmt::format("stage {:>{}} |", stage, digits);
    for (size_t i = 0; i < windows.size(); ++i)
      text += (i == 0 ? "" : kGap) + rows[stage][i].text();
    text += "|\n";
  }
  return text + legend(result, windows);
}

}  // namespace swallow
