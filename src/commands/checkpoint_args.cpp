#include "commands/checkpoint_args.h"

#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "checkpoint/hugging_face_folder.h"
#include "config/config_json.h"
#include "data/tokenizer_model.h"

namespace swallow {

namespace {

/// The model in a folder; none where nothing is saved yet.
std::optional<ModelConfig> model_in(const std::string& folder) {
  if (folder.empty()) return {};
  if (is_hugging_face_folder(folder)) return read_hugging_face_config(folder).model;
  const std::optional<int64_t> iteration = find_checkpoint(folder);
  if (!iteration) return {};
  return config_from_json(read_checkpoint_state(folder, *iteration).config_json, folder).model;
}

}  // namespace

void complete_model(ParsedCommandLine& parsed) {
  RunConfig& config = parsed.config;
  const bool groups = parsed.use_checkpoint_args &&
                      parsed.origins.at("num_query_groups").kind == OriginKind::built_in;
  if (config.model.vocab_size != 0 && !groups) return;
  std::optional<ModelConfig> saved = model_in(config.checkpoint.load);
  if (!saved) saved = model_in(config.checkpoint.pretrained_checkpoint);
  if (saved && groups) config.model.num_query_groups = saved->num_query_groups;
  if (config.model.vocab_size != 0) return;
  if (saved)
    config.model.vocab_size = saved->vocab_size;
  else if (!config.data.tokenizer_model.empty())
    config.model.vocab_size = tokenizer_info(config.data.tokenizer_model).vocab_size;
}

}  // namespace swallow
