// The numbers of a run for TensorBoard, under the tags that Megatron-LM writes, so that one board
// shows both. A file of its own for each process; in the reader a resumed run replaces the steps
// that it does again. Megatron's tags "... vs samples" are left out: that replacement goes by the
// step alone, and with a batch of fixed size they would show the same curves.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "telemetry/event_record.h"
#include "telemetry/step_metrics.h"

namespace swallow {

class EventFile {
 public:
  /// `folder` is made where it is missing; `config` is shown as text. The file is opened by the
  /// first write, which is when the first step of this process is known.
  EventFile(std::string folder, int64_t log_interval);

  void set_config(std::string config_json) { config_json_ = std::move(config_json); }

  /// `tflops`: of one rank. Handed to the system with every log interval.
  void write(const StepMetrics& metrics, double tflops);
  /// `name`: "validation" or "test".
  void write(const ValidationMetrics& metrics, std::string_view name);

  /// False once something could not be written: nothing more will be.
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  void open(int64_t step);
  void append(const std::string& message);
  void flush();

  std::string folder_;
  int64_t log_interval_;
  std::string config_json_;
  std::string path_;  // empty until it is opened
  std::ofstream file_;
  bool good_ = true;
};

}  // namespace swallow
