#include "commands/inspect_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <set>

#include "base/check.h"
#include "checkpoint/saved_model.h"
#include "checkpoint/verify.h"
#include "telemetry/number_text.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

struct TensorRow {
  std::string name;
  Shape shape;
  std::string type;    // of the weights
  std::string state;   // types of master and moments, or empty
  int64_t bytes = 0;   // of everything stored
  int64_t pieces = 0;  // that hold it
};

struct Report {
  std::vector<TensorRow> tensors;
  int64_t parameters = 0;
  int64_t files = 0;
  int64_t file_bytes = 0;
  std::optional<int64_t> verified_bytes;
};

void add_checkpoint(const Manifest& manifest, Report& report) {
  for (const auto& [name, stored] : manifest.tensors) {
    TensorRow row{.name = name, .shape = stored.shape};
    std::set<std::string_view> state;
    for (const StoredPiece& piece : stored.pieces) {
      ++row.pieces;
      row.bytes += piece.range.size() * size_of(piece.dtype);
      if (piece.kind == StateKind::weight)
        row.type = file_dtype(number_type(piece.dtype));
      else
        state.insert(file_dtype(number_type(piece.dtype)));
    }
    row.state = fmt::format("{}", fmt::join(state, " "));
    report.tensors.push_back(std::move(row));
  }
  report.files = std::ssize(manifest.files);
  for (const auto& [name, file] : manifest.files) report.file_bytes += file.size;
}

void add_folder(const HuggingFaceFolder& folder, Report& report) {
  for (const auto& [name, tensor] : folder.tensors())
    report.tensors.push_back({.name = name,
                              .shape = tensor.shape,
                              .type = std::string(file_dtype(tensor.type)),
                              .bytes = tensor.shape.numel() * size_of(tensor.type),
                              .pieces = 1});
  report.files = std::ssize(folder.files());
  for (const auto& [name, file] : folder.files()) report.file_bytes += file.size();
}

Report make_report(const SavedModel& model) {
  Report report;
  if (model.manifest() != nullptr)
    add_checkpoint(*model.manifest(), report);
  else
    add_folder(*model.hugging_face(), report);
  for (const TensorRow& row : report.tensors) report.parameters += row.shape.numel();
  return report;
}

int64_t verify(const SavedModel& model) {
  const Verification result = verify_model(model);
  if (!result.damage.empty())
    throw CheckpointError("{}: {} damaged range{}:\n  {}", model.folder().string(),
                          result.damage.size(), result.damage.size() == 1 ? "" : "s",
                          fmt::join(result.damage, "\n  "));
  return result.bytes;
}

nlohmann::ordered_json json_of(const SavedModel& model, const Report& report) {
  nlohmann::ordered_json json{
      {"folder", model.folder().string()},
      {"format", model.manifest() != nullptr ? "checkpoint" : "hugging_face"},
      {"parameters", report.parameters},
      {"files", report.files},
      {"file_bytes", report.file_bytes},
      {"verified", report.verified_bytes.has_value()},
  };
  if (const Manifest* manifest = model.manifest()) {
    const CheckpointState& state = manifest->state;
    json["iteration"] = state.iteration;
    json["consumed_train_samples"] = state.consumed_train_samples;
    json["consumed_valid_samples"] = state.consumed_valid_samples;
    json["grid"] = {{"dp", state.dp}, {"tp", state.tp}, {"pp", state.pp}};
    json["manifest_xxh3_128"] = manifest->hash;
  }
  for (const TensorRow& row : report.tensors) {
    json["tensors"].push_back({{"name", row.name},
                               {"shape", dims_of(row.shape)},
                               {"dtype", row.type},
                               {"state_dtype", row.state},
                               {"bytes", row.bytes},
                               {"pieces", row.pieces}});
  }
  return json;
}

void print_tables(const SavedModel& model, const Report& report, std::ostream& out) {
  TextTable facts{.title = model.folder().string()};
  const auto add = [&facts](std::string_view name, std::string value, std::string note = "") {
    facts.rows.push_back({std::string(name), std::move(value), std::move(note)});
  };
  if (const Manifest* manifest = model.manifest()) {
    const CheckpointState& state = manifest->state;
    add("iteration", fmt::format("{}", state.iteration));
    add("consumed samples", fmt::format("{}", state.consumed_train_samples),
        fmt::format("and {} of validation", state.consumed_valid_samples));
    add("grid", fmt::format("DP {} x TP {} x PP {}", state.dp, state.tp, state.pp));
    add("manifest", manifest->hash, "XXH3-128, checked");
  } else {
    add("format", "Hugging Face", "weights only");
  }
  add("parameters", fmt::format("{}", report.parameters), count_text(report.parameters));
  add("files", fmt::format("{}", report.files), bytes_text(report.file_bytes));
  if (report.verified_bytes)
    add("tensors", bytes_text(*report.verified_bytes),
        model.manifest() != nullptr ? "read, every hash is right" : "read, all numbers are finite");
  else
    add("tensors", "not read", "--verify reads them all");
  TextTable tensors{.title = "Tensors",
                    .header = {"name", "shape", "type", "state", "bytes", "pieces"}};
  for (const TensorRow& row : report.tensors)
    tensors.rows.push_back({row.name, to_string(row.shape), row.type, row.state,
                            fmt::format("{}", row.bytes), fmt::format("{}", row.pieces)});
  out << facts.text() << "\n" << tensors.text();
}

}  // namespace

void inspect_model(const InspectOptions& options, std::ostream& out) {
  const SavedModel model(options.path);
  Report report = make_report(model);
  if (options.verify) report.verified_bytes = verify(model);
  if (options.json)
    out << json_of(model, report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
        << "\n";
  else
    print_tables(model, report, out);
}

}  // namespace swallow
