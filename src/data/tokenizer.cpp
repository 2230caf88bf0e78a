// The only file that knows whether SentencePiece is there.
#include "data/tokenizer.h"

#include "base/check.h"

#ifdef SWALLOW_HAS_SENTENCEPIECE

#include <sentencepiece_processor.h>

#include <span>

#include "data/file.h"
#include "data/text_cuts.h"

namespace swallow {

namespace {

// A second normalizer_spec with add_dummy_prefix off: of a field that is there twice protobuf takes
// the later value. A part of a text must not be given a space of its own.
constexpr std::string_view kNoDummyPrefix("\x1a\x02\x18\x00", 4);

}  // namespace

struct Tokenizer::Library {
  sentencepiece::SentencePieceProcessor processor;
  std::unique_ptr<TextCuts> cuts;  // none: texts are encoded whole

  void append(std::string_view text, std::vector<int32_t>& tokens) const {
    std::vector<int> ids;
    const auto status = processor.Encode(text, &ids);
    if (!status.ok()) throw DataError("SentencePiece cannot encode: {}", status.ToString());
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  }
};

Tokenizer::Tokenizer(const std::string& model_path)
    : info_(tokenizer_info(model_path)), library_(std::make_unique<Library>()) {
  std::vector<std::byte> bytes = InputFile(model_path).read_all();
  if (info_.plain_merges) {
    const auto more = std::as_bytes(std::span(kNoDummyPrefix));
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  const auto status = library_->processor.LoadFromSerializedProto(
      {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!status.ok()) throw DataError("{}: {}", model_path, status.ToString());
  const int pieces = library_->processor.GetPieceSize();
  if (pieces != info_.vocab_size) {
    throw DataError("{}: holds {} pieces, but SentencePiece loads {}", model_path, info_.vocab_size,
                    pieces);
  }
  if (!info_.plain_merges) return;
  library_->cuts = std::make_unique<TextCuts>();
  for (int id = 0; id < pieces; ++id) {
    library_->cuts->add_piece(library_->processor.IdToPiece(id));
  }
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
  while (!text.empty()) {
    const std::string_view part = text.substr(0, library_->cuts->first_part(text));
    text.remove_prefix(part.size());
    if (const std::span<const int32_t> known = cache.find(part); !known.empty()) {
      tokens.insert(tokens.end(), known.begin(), known.end());
    } else {
      const size_t before = tokens.size();
      library_->append(part, tokens);
      cache.keep(part, std::span(tokens).subspan(before));
    }
  }
}

}  // namespace swallow

#else

namespace swallow {

struct Tokenizer::Library {};

Tokenizer::Tokenizer(const std::string& model_path) {
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
