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

void DocumentEncoder::encode(EncodedChunk& chunk) const {
  chunk.keys.resize(options_.json_keys.size());
  int64_t number = chunk.chunk.first_line;
  for (const LineChunk::Line& line : chunk.chunk.lines) {
    if (line.too_long) {
      chunk.bad_lines.push_back(
          fmt::format("{}:{}: longer than {} bytes", chunk.file, number, kMaxLineBytes));
    } else {
      encode_line(chunk, chunk.chunk.view(line), number);
    }
    ++number;
  }
}

void DocumentEncoder::encode_line(EncodedChunk& chunk, std::string_view line,
                                  int64_t number) const {
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
    add_document(json.texts[i], chunk, chunk.keys[i]);
  }
}

void DocumentEncoder::add_document(std::string_view text, EncodedChunk& chunk,
                                   DocumentTokens& documents) const {
  const size_t before = documents.tokens.size();
  documents.tokens.push_back(tokenizer_.info().bos);
  const std::vector<int32_t> tokens = tokenizer_.encode(text);
  // Kept all the same, as Megatron keeps it: document i of every key comes from the same line.
  if (tokens.empty()) ++chunk.empty_texts;
  documents.tokens.insert(documents.tokens.end(), tokens.begin(), tokens.end());
  if (options_.append_eod) documents.tokens.push_back(tokenizer_.info().eos);
  documents.lengths.push_back(narrow<int32_t>(documents.tokens.size() - before));
}

}  // namespace swallow
