#include "report/step_parser.h"

#include <array>
#include <cmath>
#include <limits>

#include "report/flat_object.h"
#include "report/json_lines.h"

namespace swallow {

namespace {

using Json = nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kMostSteps = 1e15;  // below 2^53, so that a double holds it

struct Field {
  std::string_view key;
  double StepRecord::*member;
};

constexpr std::array<Field, 12> kFields{{
    {"loss", &StepRecord::loss},
    {"grad_norm", &StepRecord::grad_norm},
    {"loss_z", &StepRecord::loss_z},
    {"lr", &StepRecord::lr},
    {"seconds", &StepRecord::seconds},
    {"tokens", &StepRecord::tokens},
    {"consumed_tokens", &StepRecord::consumed_tokens},
    {"consumed_samples", &StepRecord::consumed_samples},
    {"tokens_per_second_per_rank", &StepRecord::tokens_per_second},
    {"mfu", &StepRecord::mfu},
    {"train_iters", &StepRecord::train_iters},
    {"peak_memory_bytes", &StepRecord::peak_memory_bytes},
}};

constexpr std::string_view kTflops = "tflops_per_rank_";

/// Takes the values of one line, in whatever order.
class StepBuilder {
 public:
  StepBuilder() {
    for (const Field& field : kFields) record_.*field.member = kNone;
    record_.tflops.fill(kNone);
    record_.moment = kNone;
  }

  void take(std::string_view key, const FlatValue& value) {
    using Kind = FlatValue::Kind;
    if (value.kind == Kind::number) take_number(key, measurement(value.number));
    if (value.kind == Kind::boolean && key == "skipped") record_.skipped = value.boolean;
    if (value.kind == Kind::text && key == "kind") is_step_ = value.text == "step";
    if (value.kind == Kind::text && key == "time") record_.moment = parse_moment(value.text);
  }

  [[nodiscard]] std::optional<StepRecord> result() const {
    const bool sound = is_step_ && has_step_ && record_.seconds >= 0;
    return sound ? std::optional(record_) : std::nullopt;
  }

 private:
  void take_number(std::string_view key, double value) {
    if (key == "step") {
      has_step_ = value >= 0 && value <= kMostSteps && value == std::floor(value);
      if (has_step_) record_.step = static_cast<int64_t>(value);
    } else if (key.starts_with(kTflops)) {
      for (size_t i = 0; i < kFlopFormulas.size(); ++i)
        if (key.substr(kTflops.size()) == name_of(kFlopFormulas[i])) record_.tflops[i] = value;
    } else {
      for (const Field& field : kFields)
        if (field.key == key) record_.*field.member = value;
    }
  }

  StepRecord record_;
  bool is_step_ = false;
  bool has_step_ = false;
};

FlatValue flat_value(const Json& value) {
  using Kind = FlatValue::Kind;
  if (value.is_boolean()) return {Kind::boolean, value.get<bool>(), 0, {}};
  if (value.is_number()) return {Kind::number, false, value.get<double>(), {}};
  if (value.is_string()) return {Kind::text, false, 0, value.get_ref<const std::string&>()};
  return {};
}

}  // namespace

bool looks_like_step(std::string_view line) {
  return line.starts_with(R"({"schema":1,"kind":"step",)");
}

std::optional<StepRecord> parse_step(std::string_view line) {
  StepBuilder flat;
  if (read_flat_object(
          line, [&flat](std::string_view key, const FlatValue& value) { flat.take(key, value); }))
    return flat.result();
  const Json whole = parse_line(line);
  if (whole.is_discarded()) return std::nullopt;
  StepBuilder builder;
  for (const auto& [key, value] : whole.items()) builder.take(key, flat_value(value));
  return builder.result();
}

}  // namespace swallow
