#include "commands/export.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <ostream>

#include "base/check.h"
#include "checkpoint/pending_folder.h"
#include "commands/command_flags.h"
#include "config/value_text.h"
#include "telemetry/number_text.h"

namespace swallow {

namespace {

struct Arguments {
  std::string load, iteration, output, tokenizer_model, dtype, max_shard_size = "5GB";
};

/// True when the command is to run, false when its help was printed.
bool parse(std::vector<std::string> args, Arguments& a, std::ostream& out) {
  CLI::App app(
      "A checkpoint, saved on any grid, to a Hugging Face folder: safetensors, index, "
      "config.json,\n"
      "generation_config.json, the tokenizer's files and README.md. A Hugging Face folder is taken "
      "too, to\n"
      "change its type or shards.",
      "swallow-train export");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("--load", a.load, "folder that --save has written, or a Hugging Face folder")
      ->required();
  app.add_option("--iteration", a.iteration, "of which iteration; else the newest");
  app.add_option("--output", a.output, "a new or an empty folder")->required();
  app.add_option(
      "--tokenizer-model", a.tokenizer_model,
      "SentencePiece model to copy, with the tokenizer files beside it; those that lack are "
      "made from it");
  app.add_option("--dtype", a.dtype,
                 "bf16, fp32 or fp16; else the weights' own. fp32 and fp16 are made from the "
                 "master weights");
  app.add_option("--max-shard-size", a.max_shard_size, "bytes of a file at most")
      ->capture_default_str();
  return parse_flags(app, std::move(args), out);
}

}  // namespace

NumberType default_export_type(const SavedModel& model) {
  const NumberType type = model.weight_type();
  return type == NumberType::f64 ? NumberType::f32 : type;
}

NumberType parse_export_type(const std::string& text) {
  if (text == "bf16") return NumberType::bf16;
  if (text == "fp32") return NumberType::f32;
  if (text == "fp16") return NumberType::f16;
  throw ConfigError("--dtype {}: expected bf16, fp32 or fp16", printable(text));
}

std::string export_summary(const std::filesystem::path& output, const ExportResult& result) {
  return fmt::format("{}: {} of weights in {} file{}; {}\n", output.string(),
                     bytes_text(result.bytes), result.files, result.files == 1 ? "" : "s",
                     result.tokenizer_files == 0
                         ? "no tokenizer: --tokenizer-model names none"
                         : fmt::format("{} tokenizer files", result.tokenizer_files)) +
         (result.notice.empty() ? "" : result.notice + "\n");
}

int run_export(std::vector<std::string> args, std::ostream& out) {
  Arguments a;
  if (!parse(std::move(args), a, out)) return 0;
  std::optional<int64_t> iteration;
  if (!a.iteration.empty()) iteration = parse_integer("--iteration ", a.iteration, {0, 1e15});
  ExportOptions options{.output = a.output, .tokenizer_model = a.tokenizer_model};
  options.max_shard_size = parse_bytes("--max-shard-size ", a.max_shard_size);
  if (!a.dtype.empty()) options.type = parse_export_type(a.dtype);
  const SavedModel model(a.load, iteration);
  if (a.dtype.empty()) options.type = default_export_type(model);
  if (model.hugging_face() != nullptr) {
    for (const std::string& notice : model.hugging_face()->notices()) out << notice << "\n";
    if (a.tokenizer_model.empty()) options.tokenizer_folder = model.folder();
  }
  options.checkpoint = model.manifest();
  options.progress = [&out](const std::string& file, int64_t bytes) {
    out << fmt::format("  {} {}\n", file, bytes_text(bytes)) << std::flush;
  };
  const ExportResult result =
      write_hugging_face(model.weights_as(options.type), model.config(), options);
  out << export_summary(a.output, result);
  return 0;
}

namespace {

/// Whether the run came to its end before and --export-hf has what it left.
bool is_exported(const RunConfig& config) {
  const CheckpointConfig& checkpoint = config.checkpoint;
  const int64_t last = config.training.train_iters;
  return is_hugging_face_folder(checkpoint.export_hf) && find_checkpoint(checkpoint.save) == last &&
         is_export_of(checkpoint.export_hf, *SavedModel(checkpoint.save, last).manifest());
}

}  // namespace

void require_export_place(const RunConfig& config) {
  if (!config.checkpoint.export_hf.empty() && !is_exported(config))
    require_free_folder("--export-hf", config.checkpoint.export_hf);
}

void export_after_training(const RunConfig& config, std::ostream& out) {
  if (is_exported(config)) {
    out << fmt::format("{}: holds iteration {} already\n", config.checkpoint.export_hf,
                       config.training.train_iters);
    return;
  }
  const SavedModel model(config.checkpoint.save);
  const ExportOptions options{.output = config.checkpoint.export_hf,
                              .flag = "--export-hf",
                              .type = default_export_type(model),
                              .tokenizer_model = config.data.tokenizer_model,
                              .checkpoint = model.manifest()};
  const ExportResult result =
      write_hugging_face(model.weights_as(options.type), model.config(), options);
  out << "exported " << export_summary(config.checkpoint.export_hf, result);
}

}  // namespace swallow
