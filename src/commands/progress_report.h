// How far a long command has come: one line that rewrites itself on a terminal, a line now and then
// in a batch log.
#pragma once

#include <chrono>
#include <functional>
#include <ostream>
#include <string>

#include "data/preprocess.h"

namespace swallow {

class ProgressReport {
 public:
  enum class Style { terminal, lines };
  using Seconds = std::function<double()>;  // since any moment, never falling

  /// To standard error: its style is what that is, and its time the machine's.
  ProgressReport();
  ProgressReport(std::ostream& out, Style style, Seconds now);
  ProgressReport(const ProgressReport&) = delete;
  ProgressReport& operator=(const ProgressReport&) = delete;
  /// Clears the line of a terminal: the next one begins on a clean one.
  ~ProgressReport();

  /// Ten times a second at most on a terminal, else every 30 seconds at most; the first line comes
  /// after that time, so that a short command says nothing.
  void show(const PreprocessProgress& progress);

  /// Since the beginning.
  [[nodiscard]] double seconds() const { return now_() - begin_; }

 private:
  std::ostream& out_;
  Style style_;
  Seconds now_;
  double begin_ = now_();
  double last_ = begin_;
  size_t width_ = 0;  // of what stands on the terminal's line
};

}  // namespace swallow
