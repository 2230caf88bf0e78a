#include "report/step_parser.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "report/json_lines.h"

namespace swallow {

namespace {

using Json = nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int kMaxDepth = 64;

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

/// Where the value of the key just read goes.
class StepHandler final : public nlohmann::json_sax<Json> {
 public:
  explicit StepHandler(StepRecord& record) : record_(record) {
    for (const Field& field : kFields) record_.*field.member = kNone;
    record_.tflops.fill(kNone);
    record_.moment = kNone;
  }

  [[nodiscard]] bool sound() const { return is_step_ && has_step_ && record_.seconds >= 0; }

  bool key(string_t& name) override {
    target_ = nullptr;
    key_ = Key::other;
    if (depth_ != 1) return true;
    if (name == "step") key_ = Key::step;
    if (name == "kind") key_ = Key::kind;
    if (name == "time") key_ = Key::time;
    if (name == "skipped") key_ = Key::skipped;
    if (key_ == Key::other) target_ = target_of(name);
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool value) override {
    if (depth_ == 1 && key_ == Key::skipped) record_.skipped = value;
    return true;
  }
  bool number_integer(number_integer_t value) override { return put(static_cast<double>(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ == 1 && key_ == Key::step && value <= kMostSteps) {
      record_.step = static_cast<int64_t>(value);
      has_step_ = true;
    }
    return put(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override {
    if (depth_ == 1 && key_ == Key::kind) is_step_ = value == "step";
    if (depth_ == 1 && key_ == Key::time) record_.moment = parse_moment(value);
    return true;
  }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ <= kMaxDepth; }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return ++depth_ <= kMaxDepth; }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  enum class Key : uint8_t { other, step, kind, time, skipped };
  static constexpr uint64_t kMostSteps = uint64_t{1} << 53;

  bool put(double value) {
    if (depth_ == 1 && target_ != nullptr) *target_ = value;
    return true;
  }
  bool leave() {
    --depth_;
    target_ = nullptr;
    key_ = Key::other;
    return true;
  }

  double* target_of(std::string_view name) {
    for (const Field& field : kFields)
      if (field.key == name) return &(record_.*field.member);
    if (!name.starts_with(kTflops)) return nullptr;
    for (size_t i = 0; i < kFlopFormulas.size(); ++i)
      if (name.substr(kTflops.size()) == name_of(kFlopFormulas[i])) return &record_.tflops[i];
    return nullptr;
  }

  StepRecord& record_;
  double* target_ = nullptr;
  Key key_ = Key::other;
  int depth_ = 0;
  bool is_step_ = false;
  bool has_step_ = false;
};

}  // namespace

bool looks_like_step(std::string_view line) {
  return line.substr(0, 64).find(R"("kind":"step")") != std::string_view::npos;
}

std::optional<StepRecord> parse_step(std::string_view line) {
  StepRecord record;
  StepHandler handler(record);
  if (!Json::sax_parse(line.begin(), line.end(), &handler) || !handler.sound()) return std::nullopt;
  return record;
}

}  // namespace swallow
