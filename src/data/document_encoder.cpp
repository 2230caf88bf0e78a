#include "data/document_encoder.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/math.h"
#include "data/json_text.h"

namespace swallow {

DocumentEncoder::DocumentEncoder(EncoderOptions options)
    : options_(std::move(options)), tokenizer_(options_.tokenizer_model) {
  if (tokenizer_.info().bos < 0) {
    throw DataError("{}: has no <s>, which begins every document", options_.tokenizer_model);
  }
  if (options_.append_eod && tokenizer_.info().eos < 0) {
    throw DataError("{}: has no </s>, which --append-eod asks for", options_.tokenizer_model);
  }
}

void DocumentEncoder::encode(EncodedChunk& chunk, TokenCache& cache) const {
  chunk.keys.resize(options_.json_keys.size());
  int64_t number = chunk.chunk.first_line;
  for (const LineChunk::Line& line : chunk.chunk.lines) {
    if (line.too_long) {
      chunk.bad_lines.push_back(
          fmt::format("{}:{}: longer than {} bytes", chunk.file, number, kMaxLineBytes));
    } else {
      encode_line(chunk.chunk.view(line), number, chunk, cache);
    }
    ++number;
  }
}

void DocumentEncoder::encode_line(std::string_view line, int64_t number, EncodedChunk& chunk,
                                  TokenCache& cache) const {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
    ++chunk.blank_lines;
    return;
  }
  const JsonTexts json = json_texts(line, options_.json_keys);
  if (!json.problem.empty()) {
    chunk.bad_lines.push_back(fmt::format("{}:{}: {}", chunk.file, number, json.problem));
    return;
  }
  for (size_t i = 0; i < json.texts.size(); ++i) {
    std::vector<int32_t>& tokens = chunk.keys[i].tokens;
    const size_t before = tokens.size();
    tokens.push_back(tokenizer_.info().bos);
    tokenizer_.encode(json.texts[i], cache, tokens);
    // Kept all the same, as Megatron keeps it: document i of every key comes from the same line.
    if (tokens.size() == before + 1) ++chunk.empty_texts;
    if (options_.append_eod) tokens.push_back(tokenizer_.info().eos);
    chunk.keys[i].lengths.push_back(narrow<int32_t>(tokens.size() - before));
  }
}

}  // namespace swallow
