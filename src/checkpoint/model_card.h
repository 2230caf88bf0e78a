// README.md of an exported folder, which model hubs show first: what the weights are and how to
// load them, from what is known and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "config/run_config.h"

namespace swallow {

struct ModelCard {
  const ModelConfig* model = nullptr;
  int64_t parameters = 0;
  std::string_view dtype;                // as config.json has it
  const CheckpointState* run = nullptr;  // that the weights are of; null: not known
  bool has_tokenizer = false;
};

/// Markdown. What the checkpoint's file says is shown as text, whatever it holds.
std::string model_card_text(const ModelCard& card);

/// `text` on one line, with what Markdown or HTML would take for markup escaped.
std::string markdown_text(std::string_view text);

}  // namespace swallow
