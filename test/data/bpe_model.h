// Small SentencePiece models, written as the protobuf that they are: byte-pair encoding with bytes
// for unknown characters, texts otherwise as they are. The kind that Llama 2's is.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer_model.h"

namespace swallow::test {

/// A field of a protobuf message that has bytes of this length.
inline std::string protobuf_field(unsigned number, std::string_view bytes) {
  std::string out;
  for (unsigned value : {number << 3 | 2U, static_cast<unsigned>(bytes.size())}) {
    for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128U);
    out += static_cast<char>(value);
  }
  return out.append(bytes);
}

/// A piece as a field of a model, with U+2581 for each space of the text; behind a model's bytes it
/// is one more piece.
inline std::string bpe_piece(std::string_view text, PieceType type, float score) {
  std::string spelled;
  for (const char byte : text) spelled += byte == ' ' ? "\xe2\x96\x81" : std::string(1, byte);
  std::string fields =
      protobuf_field(1, spelled) + "\x15" + std::string(sizeof score, '\0') + "\x18";
  std::memcpy(fields.data() + fields.size() - sizeof score - 1, &score, sizeof score);
  return protobuf_field(1, fields + static_cast<char>(type));
}

/// <unk>, <s>, </s>, the 256 bytes, then pieces of these texts: what stands first is merged first.
inline std::string bpe_model(const std::vector<std::string>& texts, bool dummy_prefix = true) {
  std::string model = bpe_piece("<unk>", PieceType::unknown, 0) +
                      bpe_piece("<s>", PieceType::control, 0) +
                      bpe_piece("</s>", PieceType::control, 0);
  for (int byte = 0; byte < 256; ++byte)
    model += bpe_piece(fmt::format("<0x{:02X}>", byte), PieceType::byte, 0);
  for (size_t i = 0; i < texts.size(); ++i)
    model += bpe_piece(texts[i], PieceType::normal, -static_cast<float>(i));
  const std::string byte_pairs("\x18\x02\x98\x02\x01", 5);  // model_type, byte_fallback
  const std::string normalizer = std::string("\x18") + (dummy_prefix ? '\1' : '\0') +
                                 std::string("\x20\x00", 2);  // keeps every space
  return model + protobuf_field(2, byte_pairs) + protobuf_field(3, normalizer);
}

}  // namespace swallow::test
