#include "checkpoint/hugging_face_tokenizer.h"

#include <algorithm>
#include <compare>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/check.h"
#include "checkpoint/strict_json.h"
#include "data/tokenizer_model.h"

namespace swallow {

namespace {

using Json = nlohmann::json;
using Pieces = std::vector<TokenizerPiece>;

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581

Json vocabulary(const Pieces& pieces, const std::string& file) {
  Json vocab = Json::object();
  for (size_t id = 0; id < pieces.size(); ++id)
    if (!vocab.emplace(pieces[id].text, id).second)
      throw DataError("{}: piece {} is {}, which stands there twice", file, id,
                      in_quotes(pieces[id].text));
  return vocab;
}

/// Symbols that stand for no text of their own: found before anything is merged.
Json added_tokens(const Pieces& pieces) {
  Json added = Json::array();
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].type != PieceType::control && pieces[id].type != PieceType::unknown) continue;
    added.push_back({{"id", id},
                     {"content", pieces[id].text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  return added;
}

bool begins_character(char byte) {
  return (static_cast<uint8_t>(byte) & 0xc0U) != 0x80U;
}

/// SentencePiece merges the pair whose piece scores highest, whatever its halves; here the pairs
/// stand in that order, each piece with every pair that makes it.
Json merges(const Pieces& pieces) {
  std::vector<size_t> order(pieces.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(
      order, [](float a, float b) { return std::weak_order(a, b) > 0; },  // NaN has a place too
      [&](size_t id) { return pieces[id].score; });
  std::unordered_set<std::string_view> known;
  for (const TokenizerPiece& piece : pieces)
    if (piece.type == PieceType::normal) known.insert(piece.text);
  Json pairs = Json::array();
  for (const size_t id : order) {
    const std::string_view text = pieces[id].text;
    if (pieces[id].type != PieceType::normal) continue;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const std::string_view left = text.substr(0, cut);
      const std::string_view right = text.substr(cut);
      if (begins_character(text[cut]) && known.contains(left) && known.contains(right))
        pairs.push_back(std::string(left).append(" ").append(right));
    }
  }
  return pairs;
}

/// <s> before each text, if the model has one.
Json post_processor(const Json& bos, int32_t bos_id) {
  Json single = Json::array();
  Json pair = Json::array();
  Json special = Json::object();
  for (int type = 0; type < 2; ++type) {
    if (!bos.is_null()) pair.push_back({{"SpecialToken", {{"id", bos}, {"type_id", type}}}});
    pair.push_back({{"Sequence", {{"id", type == 0 ? "A" : "B"}, {"type_id", type}}}});
    if (type == 0) single = pair;
  }
  if (!bos.is_null())
    special[bos.get<std::string>()] = {
        {"id", bos}, {"ids", Json::array({bos_id})}, {"tokens", Json::array({bos})}};
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special}};
}

Json replacement(std::string_view from, std::string_view to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

Json normalizer(const TokenizerInfo& info) {
  Json steps = Json::array();
  if (info.dummy_prefix) steps.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  steps.push_back(replacement(" ", kSpace));
  return {{"type", "Sequence"}, {"normalizers", steps}};
}

Json decoder(const TokenizerInfo& info) {
  Json steps = {replacement(kSpace, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (info.dummy_prefix)
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", steps}};
}

/// The piece's text, or null.
Json text_of(const Pieces& pieces, int32_t id) {
  return id < 0 ? Json() : Json(pieces[static_cast<size_t>(id)].text);
}

std::string written(const Json& json, int indent, const std::string& file) {
  try {
    return json.dump(indent) + "\n";
  } catch (const Json::type_error&) {
    throw DataError("{}: a piece is not valid UTF-8", file);
  }
}

}  // namespace

std::optional<HuggingFaceTokenizer> hugging_face_tokenizer(const std::string& model,
                                                           int64_t max_length) {
  const TokenizerInfo info = tokenizer_info(model);
  const Pieces pieces = tokenizer_pieces(model);
  const auto is_user_defined = [](const auto& p) { return p.type == PieceType::user_defined; };
  if (!info.plain_merges || std::ranges::any_of(pieces, is_user_defined)) return std::nullopt;
  const Json bos = text_of(pieces, info.bos);
  const Json unk = text_of(pieces, info.unk);
  const Json tokenizer{{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", added_tokens(pieces)},
                       {"normalizer", normalizer(info)},
                       {"pre_tokenizer", nullptr},
                       {"post_processor", post_processor(bos, info.bos)},
                       {"decoder", decoder(info)},
                       {"model",
                        {{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", unk},
                         {"continuing_subword_prefix", nullptr},
                         {"end_of_word_suffix", nullptr},
                         {"fuse_unk", true},
                         {"byte_fallback", true},
                         {"vocab", vocabulary(pieces, model)},
                         {"merges", merges(pieces)}}}};
  // The class that takes tokenizer.json as it is: LlamaTokenizer of transformers 5 puts rules of
  // its own in place of the file's, and so loses a space of a text that begins with one.
  const Json config{{"tokenizer_class", "PreTrainedTokenizerFast"},
                    {"add_bos_token", info.bos >= 0},
                    {"add_eos_token", false},
                    {"bos_token", bos},
                    {"eos_token", text_of(pieces, info.eos)},
                    {"unk_token", unk},
                    {"clean_up_tokenization_spaces", false},
                    {"legacy", true},  // for LlamaTokenizer, where it is asked for by name
                    {"model_max_length", max_length}};
  return HuggingFaceTokenizer{written(tokenizer, -1, model), written(config, 2, model)};
}

}  // namespace swallow
