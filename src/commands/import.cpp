#include "commands/import.h"

#include <fmt/format.h>

#include <filesystem>
#include <ostream>

#include "base/check.h"
#include "checkpoint/extended_vocabulary.h"
#include "checkpoint/saved_model.h"
#include "commands/export.h"
#include "config/value_text.h"
#include "data/new_pieces.h"

namespace swallow {

namespace fs = std::filesystem;

namespace {

std::string own(const ParsedCommandLine& parsed, const std::string& name,
                const std::string& absent = "") {
  const auto found = parsed.own.find(name);
  return found == parsed.own.end() ? absent : found->second;
}

RowInit parse_init(const std::string& text) {
  if (text == "mean-of-pieces") return RowInit::mean_of_pieces;
  if (text == "mean") return RowInit::mean;
  if (text == "random") return RowInit::random;
  throw ConfigError("--init {}: expected mean-of-pieces, mean or random", printable(text));
}

/// The tokenizer that the folder's rows belong to.
std::string old_tokenizer(const RunConfig& config) {
  if (!config.data.tokenizer_model.empty()) return config.data.tokenizer_model;
  fs::path beside = fs::path(config.checkpoint.load) / "tokenizer.model";
  if (!fs::exists(beside))
    throw ConfigError("--extend-vocab: {} is not there; expected --tokenizer-model <old model>",
                      beside.string());
  return beside.string();
}

VocabularyExtension make_extension(const ParsedCommandLine& parsed, const std::string& old_model,
                                   const std::string& new_model, int64_t rows) {
  VocabularyExtension extension{.init = parse_init(own(parsed, "init", "mean-of-pieces")),
                                .seed = static_cast<uint64_t>(parsed.config.training.seed),
                                .std = parsed.config.model.init_method_std};
  const VocabularySizes sizes = check_extension(old_model, new_model);
  if (sizes.old != rows)
    throw ConfigError("--load {}: has rows for {} tokens, {} has {}; expected as many",
                      parsed.config.checkpoint.load, rows, old_model, sizes.old);
  if (extension.init == RowInit::mean_of_pieces)
    extension.pieces = split_new_pieces(old_model, new_model);
  else
    extension.pieces.resize(static_cast<size_t>(sizes.extended - sizes.old));
  return extension;
}

int extend_vocabulary(const ParsedCommandLine& parsed, std::ostream& out) {
  const RunConfig& config = parsed.config;
  const std::string new_model = own(parsed, "extend-vocab");
  const std::string output = own(parsed, "output");
  if (output.empty()) throw ConfigError("import --extend-vocab needs --output <folder>");
  ExportOptions options{.output = output, .tokenizer_model = new_model};
  options.max_shard_size = parse_bytes("--max-shard-size ", own(parsed, "max-shard-size", "5GB"));
  const SavedModel model(config.checkpoint.load);
  options.checkpoint = model.manifest();
  const std::string dtype = own(parsed, "dtype");
  options.type = dtype.empty() ? default_export_type(model) : parse_export_type(dtype);
  HuggingFaceConfig extended = model.config();
  const int64_t rows = extended.model.vocab_size;
  const VocabularyExtension extension =
      make_extension(parsed, old_tokenizer(config), new_model, rows);
  extended.model.vocab_size += std::ssize(extension.pieces);
  const ExtendedVocabulary source(model.weights_as(options.type), extension);
  const ExportResult result = write_hugging_face(source, extended, options);
  out << fmt::format("vocabulary: {} tokens, {} more than before\n", extended.model.vocab_size,
                     std::ssize(extension.pieces))
      << export_summary(output, result);
  return 0;
}

}  // namespace

int run_import(const ParsedCommandLine& parsed, std::ostream& out) {
  const bool dry_run = parsed.own.contains("dry-run");
  const bool extend = parsed.own.contains("extend-vocab");
  if (parsed.config.checkpoint.load.empty()) throw ConfigError("import needs --load <folder>");
  if (dry_run == extend)
    throw ConfigError(
        "import: expected --extend-vocab <new model> or --dry-run; a run takes a "
        "Hugging Face folder as it is by --load");
  return dry_run ? run_import_plan(parsed, out) : extend_vocabulary(parsed, out);
}

}  // namespace swallow
