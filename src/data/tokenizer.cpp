// The only file that knows whether SentencePiece is there.
#include "data/tokenizer.h"

#include "base/check.h"

#ifdef SWALLOW_HAS_SENTENCEPIECE

#include <sentencepiece_processor.h>

#include <array>
#include <span>

#include "data/file.h"
#include "data/text_cuts.h"

namespace swallow {

struct Tokenizer::Library {
  sentencepiece::SentencePieceProcessor processor;
  std::unique_ptr<TextCuts> cuts;  // none: texts are encoded whole

  void append(std::string_view text, std::vector<int32_t>& tokens) const {
    std::vector<int> ids;
    const auto status = processor.Encode(text, &ids);
    if (!status.ok()) throw DataError("SentencePiece cannot encode: {}", status.ToString());
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  }

  /// Part by part, with `cuts`, what is not in the cache as a whole.
  void append_parts(const TokenCache::Key& block, TokenCache& cache,
                    std::vector<int32_t>& tokens) const;
};

namespace {

constexpr size_t kAhead = 32;  // blocks whose places in the cache are fetched while others are read

/// Cuts the first `bytes` off `text`.
std::string_view take(std::string_view& text, size_t bytes) {
  const std::string_view front = text.substr(0, bytes);
  text.remove_prefix(bytes);
  return front;
}

// A second normalizer_spec to stand behind the file's bytes: of a field that is there twice
// protobuf takes the later value. A part of a text must not be given a space of its own
// (add_dummy_prefix), nor lose one (remove_extra_whitespaces) where all of it is wanted.
constexpr std::string_view kNoDummyPrefix("\x1a\x02\x18\x00", 4);
constexpr std::string_view kVerbatim("\x1a\x04\x18\x00\x20\x00", 6);

std::string model_bytes(const std::string& path, TextPreparation preparation,
                        const TokenizerInfo& info) {
  const std::vector<std::byte> bytes = InputFile(path).read_all();
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (preparation == TextPreparation::verbatim)
    text += kVerbatim;
  else if (info.plain_merges)
    text += kNoDummyPrefix;
  return text;
}

}  // namespace

Tokenizer::Tokenizer(const std::string& model_path, TextPreparation preparation)
    : info_(tokenizer_info(model_path)), library_(std::make_unique<Library>()) {
  const auto status =
      library_->processor.LoadFromSerializedProto(model_bytes(model_path, preparation, info_));
  if (!status.ok()) throw DataError("{}: {}", model_path, status.ToString());
  if (preparation == TextPreparation::verbatim) info_.dummy_prefix = false;
  const int pieces = library_->processor.GetPieceSize();
  if (pieces != info_.vocab_size) {
    throw DataError("{}: holds {} pieces, but SentencePiece loads {}", model_path, info_.vocab_size,
                    pieces);
  }
  if (!info_.plain_merges) return;
  std::vector<std::string> texts;
  for (int id = 0; id < pieces; ++id) texts.push_back(library_->processor.IdToPiece(id));
  library_->cuts = std::make_unique<TextCuts>(texts);
}

void Tokenizer::Library::append_parts(const TokenCache::Key& block, TokenCache& cache,
                                      std::vector<int32_t>& tokens) const {
  const size_t begin = tokens.size();
  for (std::string_view rest = block.part; !rest.empty();) {
    const TokenCache::Key part = cache.key_of(take(rest, cuts->first_part(rest)));
    if (cache.append(part, tokens)) continue;
    const size_t before = tokens.size();
    append(part.part, tokens);
    cache.keep(part, std::span(tokens).subspan(before));
  }
  cache.keep(block, std::span(tokens).subspan(begin));
}

void Tokenizer::encode(std::string_view text, TokenCache& cache,
                       std::vector<int32_t>& tokens) const {
  if (library_->cuts == nullptr) {
    library_->append(text, tokens);
    return;
  }
  if (text.empty()) return;
  std::string prefixed;
  if (info_.dummy_prefix) text = prefixed.append(" ").append(text);
  std::array<TokenCache::Key, kAhead> blocks;
  while (!text.empty()) {
    size_t count = 0;
    while (count < blocks.size() && !text.empty())
      blocks[count++] = cache.key_of(take(text, library_->cuts->first_block(text)));
    for (const TokenCache::Key& block : std::span(blocks).first(count))
      if (!cache.append(block, tokens)) library_->append_parts(block, cache, tokens);
  }
}

}  // namespace swallow

#else

namespace swallow {

struct Tokenizer::Library {};

Tokenizer::Tokenizer(const std::string& model_path, TextPreparation /*preparation*/) {
  throw ConfigError(
      "--tokenizer-model {}: this binary was built without SentencePiece; install "
      "libsentencepiece-dev (Debian, Ubuntu) and build again",
      model_path);
}

void Tokenizer::encode(std::string_view /*text*/, TokenCache& /*cache*/,
                       std::vector<int32_t>& /*tokens*/) const {
  throw ContractError("encode() without SentencePiece");
}

}  // namespace swallow

#endif

namespace swallow {

Tokenizer::~Tokenizer() = default;

}  // namespace swallow
