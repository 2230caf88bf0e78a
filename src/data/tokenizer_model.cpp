#include "data/tokenizer_model.h"

#include <cstring>
#include <vector>

#include "base/check.h"
#include "data/file.h"

namespace swallow {

namespace {

// Field numbers and values of sentencepiece_model.proto.
constexpr uint64_t kModelPieces = 1;
constexpr uint64_t kModelTrainerSpec = 2;
constexpr uint64_t kModelNormalizerSpec = 3;
constexpr uint64_t kModelSelfTestData = 4;
constexpr uint64_t kPieceText = 1;
constexpr uint64_t kPieceScore = 2;
constexpr uint64_t kPieceType = 3;
constexpr uint64_t kTrainerModelType = 3;
constexpr uint64_t kTrainerModelTypeBpe = 2;
constexpr uint64_t kTrainerSpaceAsSuffix = 24;
constexpr uint64_t kTrainerByteFallback = 35;
constexpr uint64_t kTrainerBosPiece = 46;
constexpr uint64_t kTrainerEosPiece = 47;
constexpr uint64_t kNormalizerCharsmap = 2;
constexpr uint64_t kNormalizerDummyPrefix = 3;
constexpr uint64_t kNormalizerRemoveSpaces = 4;
constexpr uint64_t kNormalizerEscapeSpaces = 5;

constexpr int64_t kMaxModelBytes = int64_t{64} << 20;

struct Field {
  uint64_t number = 0;
  uint64_t value = 0;      // of a varint
  std::string_view bytes;  // of a field with a length or of a fixed one
};

/// Reads the fields of one message in order.
class MessageReader {
 public:
  /// `origin`: offset of the message in the file, for errors.
  MessageReader(std::string_view bytes, std::string_view file, size_t origin)
      : bytes_(bytes), file_(file), origin_(origin) {}

  bool next(Field& field) {
    if (at_ == bytes_.size()) return false;
    const uint64_t tag = varint();
    field = {tag >> 3, 0, {}};
    if (field.number == 0) fail("field number 0");
    switch (tag & 7) {
      case 0:
        field.value = varint();
        break;
      case 1:
        field.bytes = take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.bytes = take(4);
        break;
      default:
        fail("a wire type that is not used");
    }
    return true;
  }

  /// Offset in the file of bytes that next() gave.
  [[nodiscard]] size_t offset_of(std::string_view part) const {
    return origin_ + static_cast<size_t>(part.data() - bytes_.data());
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) fail("the file ends inside a number");
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7fU) << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    fail("a number of more than 64 bits");
  }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) fail("a field longer than what holds it");
    const std::string_view part = bytes_.substr(at_, static_cast<size_t>(count));
    at_ += static_cast<size_t>(count);
    return part;
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw DataError("{}: offset {}: {}: not a SentencePiece model", file_, origin_ + at_, what);
  }

  std::string_view bytes_;
  std::string_view file_;
  size_t origin_;
  size_t at_ = 0;
};

struct Piece {
  std::string_view text;
  PieceType type = PieceType::normal;
  float score = 0;
};

Piece read_piece(MessageReader message) {
  Piece piece;
  for (Field item; message.next(item);) {
    if (item.number == kPieceText) piece.text = item.bytes;
    // Protobuf passes over an enumerator that it does not know.
    if (item.number == kPieceType && item.value >= 1 &&
        item.value <= static_cast<uint64_t>(PieceType::byte))
      piece.type = static_cast<PieceType>(item.value);
    if (item.number == kPieceScore && item.bytes.size() == sizeof piece.score)
      std::memcpy(&piece.score, item.bytes.data(), sizeof piece.score);
  }
  return piece;
}

/// What is read besides the pieces, with the values that a model has which does not say.
struct Settings {
  std::string_view bos = "<s>";
  std::string_view eos = "</s>";
  bool byte_pairs = false;
  bool byte_fallback = false;
  bool space_as_suffix = false;
  bool charsmap = false;
  bool dummy_prefix = true;
  bool remove_spaces = true;
  bool escape_spaces = true;
  bool self_test = false;
  bool unused_pieces = false;

  void read_trainer(MessageReader spec) {
    for (Field item; spec.next(item);) {
      if (item.number == kTrainerBosPiece) bos = item.bytes;
      if (item.number == kTrainerEosPiece) eos = item.bytes;
      if (item.number == kTrainerModelType) byte_pairs = item.value == kTrainerModelTypeBpe;
      if (item.number == kTrainerByteFallback) byte_fallback = item.value != 0;
      if (item.number == kTrainerSpaceAsSuffix) space_as_suffix = item.value != 0;
    }
  }
  void read_normalizer(MessageReader spec) {
    for (Field item; spec.next(item);) {
      if (item.number == kNormalizerCharsmap) charsmap = !item.bytes.empty();
      if (item.number == kNormalizerDummyPrefix) dummy_prefix = item.value != 0;
      if (item.number == kNormalizerRemoveSpaces) remove_spaces = item.value != 0;
      if (item.number == kNormalizerEscapeSpaces) escape_spaces = item.value != 0;
    }
  }
  // Unused pieces are split again by a rule that looks at the whole text; the library would find
  // its self-test failing when no space is put before it.
  [[nodiscard]] bool plain_merges() const {
    return byte_pairs && byte_fallback && !space_as_suffix && !charsmap && !remove_spaces &&
           escape_spaces && !self_test && !unused_pieces;
  }
};

std::vector<std::byte> read_model(const std::string& path) {
  const InputFile file(path);
  if (file.size() > kMaxModelBytes) {
    throw DataError("{}: {} bytes, a SentencePiece model has at most {}", path, file.size(),
                    kMaxModelBytes);
  }
  return file.read_all();
}

}  // namespace

TokenizerInfo parse_tokenizer_model(std::span<const std::byte> bytes, std::string_view file) {
  TokenizerInfo info;
  Settings settings;
  std::vector<std::string_view> controls;  // pieces of type CONTROL; others are left empty

  MessageReader model({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file, 0);
  for (Field field; model.next(field);) {
    const MessageReader inner(field.bytes, file, model.offset_of(field.bytes));
    if (field.number == kModelTrainerSpec) {
      settings.read_trainer(inner);
    } else if (field.number == kModelNormalizerSpec) {
      settings.read_normalizer(inner);
    } else if (field.number == kModelSelfTestData) {
      settings.self_test = true;
    } else if (field.number == kModelPieces) {
      const Piece piece = read_piece(inner);
      settings.unused_pieces = settings.unused_pieces || piece.type == PieceType::unused;
      if (piece.type == PieceType::unknown) info.unk = static_cast<int32_t>(controls.size());
      controls.push_back(piece.type == PieceType::control ? piece.text : std::string_view());
    }
  }
  if (controls.empty()) throw DataError("{}: holds no piece: not a SentencePiece model", file);

  info.vocab_size = static_cast<int64_t>(controls.size());
  for (size_t id = 0; id < controls.size(); ++id) {
    if (controls[id].empty()) continue;
    if (controls[id] == settings.bos) info.bos = static_cast<int32_t>(id);
    if (controls[id] == settings.eos) info.eos = static_cast<int32_t>(id);
  }
  info.plain_merges = settings.plain_merges();
  info.dummy_prefix = settings.dummy_prefix;
  return info;
}

TokenizerInfo tokenizer_info(const std::string& path) {
  return parse_tokenizer_model(read_model(path), path);
}

std::vector<TokenizerPiece> tokenizer_pieces(const std::string& path) {
  const std::vector<std::byte> bytes = read_model(path);
  std::vector<TokenizerPiece> pieces;
  MessageReader model({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path, 0);
  for (Field field; model.next(field);) {
    if (field.number != kModelPieces) continue;
    const Piece piece = read_piece({field.bytes, path, model.offset_of(field.bytes)});
    pieces.push_back({std::string(piece.text), piece.type, piece.score});
  }
  if (pieces.empty()) throw DataError("{}: holds no piece: not a SentencePiece model", path);
  return pieces;
}

}  // namespace swallow
