#include "checkpoint/model_card.h"

#include <fmt/format.h>

namespace swallow {

namespace {

std::string row(std::string_view name, std::string_view value) {
  return fmt::format("| {} | {} |\n", name, value);
}

std::string facts(const ModelCard& card) {
  std::string text = "| | |\n| --- | --- |\n";
  if (card.run != nullptr) {
    const CheckpointState& run = *card.run;
    text += row("iteration", fmt::format("{}", run.iteration));
    text += row("training sequences", fmt::format("{}", run.consumed_train_samples));
    text += row("training tokens",
                fmt::format("{}", run.consumed_train_samples * card.model->seq_length));
    if (!run.build.empty()) text += row("program", markdown_text(run.build));
    if (!run.config_digest.empty())
      text += row("digest of the configuration", markdown_text(run.config_digest));
  }
  text += row("parameters", fmt::format("{}", card.parameters));
  text += row("type of the weights", card.dtype);
  text += row("vocabulary", fmt::format("{} tokens", card.model->vocab_size));
  return text + row("longest context", fmt::format("{} tokens", card.model->seq_length));
}

std::string transformers_example(const ModelCard& card) {
  std::string text = "With transformers:\n\n```python\n";
  text += card.has_tokenizer ? "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
                             : "from transformers import AutoModelForCausalLM\n\n";
  text += "folder = \"path/to/this/folder\"\n";
  if (card.has_tokenizer) text += "tokenizer = AutoTokenizer.from_pretrained(folder)\n";
  text += "model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=\"auto\")\n```\n";
  if (!card.has_tokenizer)
    text +=
        "\nThe folder holds no tokenizer; text needs the one that the model was trained with.\n";
  return text;
}

std::string vllm_example(const ModelCard& card) {
  if (card.dtype != "float32") return "With vLLM:\n\n```\nvllm serve path/to/this/folder\n```\n";
  return "With vLLM, which rounds float32 weights to 16 bits unless told otherwise:\n\n```\n"
         "vllm serve path/to/this/folder --dtype float32\n```\n";
}

}  // namespace

std::string markdown_text(std::string_view text) {
  constexpr std::string_view kMarkup = "\\`*_~#[]<>&|!";
  std::string result;
  for (const char byte : text) {
    if (kMarkup.find(byte) != std::string_view::npos) result += '\\';
    const bool control = static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f;
    result += control ? ' ' : byte;
  }
  return result;
}

std::string model_card_text(const ModelCard& card) {
  const std::string origin =
      card.run != nullptr
          ? fmt::format("Exported from iteration {} of a swallow-train run.", card.run->iteration)
          : "Written by swallow-train from another Hugging Face folder.";
  return "---\nlibrary_name: transformers\npipeline_tag: text-generation\n---\n\n"
         "# A Llama model\n\n" +
         origin + "\n\n" + facts(card) + "\n## Loading\n\n" + transformers_example(card) + "\n" +
         vllm_example(card) +
         "\n## Licence\n\nThe licence of these weights is that of the base model whose training "
         "they continue; this folder\nadds none.\n";
}

}  // namespace swallow
