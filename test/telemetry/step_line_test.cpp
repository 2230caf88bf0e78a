#include "telemetry/step_line.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "telemetry/number_text.h"
#include "telemetry/table.h"

using namespace swallow;

namespace {

StepRow swallow_row() {
  StepRow row;
  row.metrics = {.step = 123,
                 .loss = 2.345678,
                 .grad_norm = 0.81234,
                 .lr = 9.5e-5,
                 .seconds = 42.2,
                 .samples = 1024,
                 .tokens = 4'194'304,
                 .consumed_samples = 125'952,
                 .consumed_tokens = 515'899'392,
                 .peak_memory_bytes = 30LL << 30};
  row.train_iters = 25'000;
  row.tokens_per_second = 3106.0;
  row.tflops = 134.02;
  row.fork_tflops = 167.3;
  row.eta_seconds = 86'400.0 * 12 + 3600.0 * 4;
  return row;
}

StepRow extreme_row(double value) {
  StepRow row = swallow_row();
  row.train_iters = 9'999'999;
  row.metrics.step = 9'999'998;
  row.metrics.loss = value;
  row.metrics.grad_norm = value;
  row.metrics.seconds = std::abs(value);
  row.metrics.consumed_tokens = 999'949'999'999'999;
  row.metrics.peak_memory_bytes = 999LL << 30;
  row.tokens_per_second = value;
  row.tflops = value;
  row.mfu = 0.999;
  row.loss_z = value;
  row.eta_seconds = value;
  return row;
}

}  // namespace

TEST_CASE("the step line shows its fields in fixed columns", "[unit][telemetry]") {
  const StepRow row = swallow_row();
  CHECK(
      step_header(row) ==
      "      step/N    loss     z   gnorm       lr      ms tok/s/r TFLOP/r   GiB tokens      ETA");
  CHECK(
      step_line(row) ==
      "   123/25000  2.3457     -   0.812 9.50e-05   42200    3106     134  30.0 515.9M  12d 04h");
}

TEST_CASE("a note stands behind the last column and nowhere else", "[unit][telemetry]") {
  StepRow row = swallow_row();
  const std::string line = step_line(row);
  const std::string megatron = megatron_line(row);
  row.note = "slow: rank 37 (host b07) +18 %";
  CHECK(step_line(row) == line + "  slow: rank 37 (host b07) +18 %");
  CHECK(megatron_line(row) == megatron + " slow: rank 37 (host b07) +18 % |");
}

TEST_CASE("MFU and the z-score appear when they are known", "[unit][telemetry]") {
  StepRow row = swallow_row();
  row.mfu = 0.4312;
  row.loss_z = -1.25;
  row.metrics.skipped = true;
  CHECK(step_header(row) ==
        "      step/N    loss     z   gnorm       lr      ms tok/s/r TFLOP/r "
        "MFU %   GiB tokens      ETA");
  CHECK(step_line(row) ==
        "!  123/25000  2.3457  -1.2   0.812 9.50e-05   42200    3106     134  "
        "43.1  30.0 515.9M  12d 04h");
}

TEST_CASE("no value makes the line wider than 120 columns with a time before it",
          "[unit][telemetry]") {
  const size_t time = std::string("2026-01-01T00:00:00 ").size();
  for (const double value :
       {0.0, 1e-12, 1e-3, 123456.789, 1e12, 1e300, -1e300, std::nan(""),
        std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    const StepRow row = extreme_row(value);
    CAPTURE(value, step_line(row));
    CHECK(step_line(row).size() == step_header(row).size());
    CHECK(step_line(row).size() + time <= 120);
  }
}

TEST_CASE("the Megatron line carries the fork's fields, spelled and spaced as there",
          "[unit][telemetry]") {
  StepRow row = swallow_row();
  row.interval_steps = 10;
  row.interval_skipped = 2;
  row.interval_nan = 1;
  CHECK(
      megatron_line(row) ==
      " iteration      123/   25000 | consumed samples:       125952 | elapsed time per iteration "
      "(ms): 42200.0 | learning rate: 9.500E-05 | global batch size:  1024 | lm loss: "
      "2.345678E+00 | loss scale: 1.0 | grad norm: 0.812 | number of skipped iterations:   2 | "
      "number of nan iterations:   1 | iteration time: 422.000 s samples/sec: 24.3 | TFLOPS: "
      "167.3 | model TFLOPS (causal): 134.02 | tokens/sec per rank: 3106.0 |");
}

TEST_CASE("validation, test and save lines are marked in the first column", "[unit][telemetry]") {
  CHECK(validation_line({.step = 100, .loss = 2.0, .tokens = 40'960, .seconds = 1.23}, 25'000) ==
        "V  100/25000  2.0000  validation loss, perplexity 7.389, 41.0K tokens in 1.2 s");
  CHECK(test_line({{.step = 100, .loss = 2.0, .tokens = 40'960, .seconds = 1.23}}, 25'000) ==
        "T  100/25000  2.0000  test loss, perplexity 7.389, 41.0K tokens in 1.2 s");
  CHECK(save_line({.step = 100, .folder = "run/x", .seconds = 1.25}, 200) ==
        "S 100/200  saved run/x in 1.2 s");
  CHECK(save_line({.step = 100, .folder = "run/x", .seconds = 0.25, .total_seconds = 8}, 200) ==
        "S 100/200  saved run/x in 8.0 s, training stood still for 0.2 s");
}

TEST_CASE("numbers keep to their columns", "[unit][telemetry]") {
  CHECK(count_text(0) == "0");
  CHECK(count_text(999) == "999");
  CHECK(count_text(1000) == "1.00K");
  CHECK(count_text(999'949) == "999.9K");
  CHECK(count_text(999'951) == "1.00M");
  CHECK(count_text(104'857'600'000) == "104.9B");
  CHECK(duration_text(7) == "0:07");
  CHECK(duration_text(754) == "12:34");
  CHECK(duration_text(12'069) == "3:21:09");
  CHECK(duration_text(86'399.6) == "1d 00h");
  CHECK(duration_text(-1) == "-");
  CHECK(duration_text(1e30) == "> 999d");
  CHECK(duration_text(std::nan("")) == "-");
  CHECK(bytes_text(640) == "640 B");
  CHECK(bytes_text(640 << 10) == "640 KiB");
  CHECK(bytes_text(5LL << 28) == "1.25 GiB");
  CHECK(fixed_text(1234567.5, 7, 3) == "  1e+06");
  CHECK(fixed_text(std::nan(""), 7, 3) == "    nan");
}

TEST_CASE("tables align words left and numbers right", "[unit][telemetry]") {
  const TextTable table{"Memory per rank",
                        {"part", "bytes", "share"},
                        {{"weights", "1.25 GiB", "62 %"}, {"重み", "10 MiB", "0.5 %"}, {"end"}}};
  CHECK(table.text() ==
        "Memory per rank\n"
        "  part        bytes  share\n"
        "  weights  1.25 GiB   62 %\n"
        "  重み       10 MiB  0.5 %\n"
        "  end\n");
}
