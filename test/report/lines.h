// What the tests of reports share: a run's folder with lines written by hand.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <string>

#include "support/scratch_folder.h"

namespace swallow::test {

class RunFolder {
 public:
  /// Seconds are those of one hour of one day.
  static std::string time(int seconds) {
    return fmt::format("2026-03-02T12:{:02}:{:02}", seconds / 60, seconds % 60);
  }

  void line(const std::string& text) {
    std::ofstream(folder_ / "metrics.jsonl", std::ios::app | std::ios::binary) << text << "\n";
  }
  void run(int at) {
    line(fmt::format(R"({{"schema":1,"kind":"run","time":"{}","world_size":8,"parameters":250432,)"
                     R"("config":{{"preset":"tiny","tensor_model_parallel_size":2,)"
                     R"("pipeline_model_parallel_size":2,"micro_batch_size":2,)"
                     R"("global_batch_size":16,"seq_length":64,"params_dtype":"bf16"}}}})",
                     time(at)));
  }
  void step(int at, int step, double seconds, const std::string& loss = "2.5",
            const std::string& more = "") {
    line(fmt::format(R"({{"schema":1,"kind":"step","time":"{}","step":{},"train_iters":10,)"
                     R"("loss":{},"grad_norm":0.5,"loss_z":null,"lr":0.001,"seconds":{},)"
                     R"("tokens":1024,"consumed_tokens":{},"consumed_samples":{},)"
                     R"("tokens_per_second_per_rank":128,"tflops_per_rank_causal":0.25{}}})",
                     time(at), step, loss, seconds, 1024 * step, 16 * step, more));
  }
  void validation(int at, int step, double loss, double seconds) {
    line(fmt::format(
        R"({{"schema":1,"kind":"validation","time":"{}","step":{},"loss":{},"seconds":{}}})",
        time(at), step, loss, seconds));
  }
  void save(int at, int step, double seconds) {
    line(fmt::format(
        R"({{"schema":1,"kind":"save","time":"{}","step":{},"seconds":{},"total_seconds":{}}})",
        time(at), step, seconds, seconds));
  }
  void attempts(const std::string& text) {
    std::ofstream(folder_ / "attempts.jsonl", std::ios::app | std::ios::binary) << text;
  }
  void file(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  [[nodiscard]] std::string path() const { return folder_.path().string(); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return folder_ / name; }

 private:
  ScratchFolder folder_;
};

}  // namespace swallow::test
