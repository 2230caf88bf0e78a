#include "data/tokenizer_model.h"

#include <vector>

#include "base/check.h"
#include "data/file.h"

namespace swallow {

namespace {

// Field numbers and values of sentencepiece_model.proto.
constexpr uint64_t kModelPieces = 1;
constexpr uint64_t kModelTrainerSpec = 2;
constexpr uint64_t kPieceText = 1;
constexpr uint64_t kPieceType = 3;
constexpr uint64_t kPieceTypeControl = 3;
constexpr uint64_t kTrainerBosPiece = 46;
constexpr uint64_t kTrainerEosPiece = 47;

constexpr int64_t kMaxModelBytes = int64_t{64} << 20;

struct Field {
  uint64_t number = 0;
  uint64_t value = 0;      // of a varint
  std::string_view bytes;  // of a length-delimited field
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
        take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        take(4);
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

}  // namespace

TokenizerInfo parse_tokenizer_model(std::span<const std::byte> bytes, std::string_view file) {
  TokenizerInfo info;
  std::string_view bos = "<s>";
  std::string_view eos = "</s>";
  std::vector<std::string_view> controls;  // pieces of type CONTROL; others are left empty

  MessageReader model({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file, 0);
  for (Field field; model.next(field);) {
    if (field.number == kModelTrainerSpec) {
      MessageReader spec(field.bytes, file, model.offset_of(field.bytes));
      for (Field item; spec.next(item);) {
        if (item.number == kTrainerBosPiece) bos = item.bytes;
        if (item.number == kTrainerEosPiece) eos = item.bytes;
      }
    } else if (field.number == kModelPieces) {
      MessageReader piece(field.bytes, file, model.offset_of(field.bytes));
      std::string_view text;
      bool control = false;
      for (Field item; piece.next(item);) {
        if (item.number == kPieceText) text = item.bytes;
        if (item.number == kPieceType) control = item.value == kPieceTypeControl;
      }
      controls.push_back(control ? text : std::string_view());
    }
  }
  if (controls.empty()) throw DataError("{}: holds no piece: not a SentencePiece model", file);

  info.vocab_size = static_cast<int64_t>(controls.size());
  for (size_t id = 0; id < controls.size(); ++id) {
    if (controls[id].empty()) continue;
    if (controls[id] == bos) info.bos = static_cast<int32_t>(id);
    if (controls[id] == eos) info.eos = static_cast<int32_t>(id);
  }
  return info;
}

TokenizerInfo tokenizer_info(const std::string& path) {
  const InputFile file(path);
  if (file.size() > kMaxModelBytes) {
    throw DataError("{}: {} bytes, a SentencePiece model has at most {}", path, file.size(),
                    kMaxModelBytes);
  }
  return parse_tokenizer_model(file.read_all(), path);
}

}  // namespace swallow
