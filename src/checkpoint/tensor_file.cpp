#include "checkpoint/tensor_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/content_hash.h"
#include "base/math.h"
#include "checkpoint/strict_json.h"

namespace swallow {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr size_t kMaxTensors = 100'000;      // more is an attack on the parser's time
constexpr size_t kMaxRank = 8;
constexpr size_t kMaxName = 512;  // bytes

/// Bytes of an element; 0 for a type that the format does not have.
int64_t element_bytes(std::string_view dtype) {
  static constexpr std::pair<std::string_view, int64_t> kTypes[] = {
      {"F64", 8}, {"I64", 8},     {"U64", 8},     {"F32", 4}, {"I32", 4},
      {"U32", 4}, {"F16", 2},     {"BF16", 2},    {"I16", 2}, {"U16", 2},
      {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"U8", 1},  {"BOOL", 1},
  };
  for (const auto& [name, bytes] : kTypes)
    if (name == dtype) return bytes;
  return 0;
}

/// Elements times their size; nullopt when that does not fit 63 bits.
std::optional<int64_t> checked_bytes(const std::vector<int64_t>& shape, int64_t element) {
  int64_t bytes = element;
  for (const int64_t dim : shape)
    if (__builtin_mul_overflow(bytes, dim, &bytes)) return std::nullopt;
  return bytes;
}

FileTensor parse_tensor(const nlohmann::json& json, const std::string& where, int64_t data_begin) {
  StrictObject object(json, where);
  FileTensor tensor{.dtype = object.text("dtype"), .shape = object.integers("shape", kMaxRank)};
  const std::vector<int64_t> offsets = object.integers("data_offsets", 2);
  object.finish();
  const int64_t element = element_bytes(tensor.dtype);
  if (element == 0) throw CheckpointError("{}: unknown dtype {}", where, in_quotes(tensor.dtype));
  if (offsets.size() != 2 || offsets[0] > offsets[1])
    object.refuse("data_offsets", "[begin, end] with begin <= end");
  tensor.bytes = offsets[1] - offsets[0];
  if (checked_bytes(tensor.shape, element) != tensor.bytes)
    throw CheckpointError("{}: {} bytes do not hold shape [{}] of {}", where, tensor.bytes,
                          fmt::join(tensor.shape, ", "), tensor.dtype);
  if (__builtin_add_overflow(data_begin, offsets[0], &tensor.offset))
    object.refuse("data_offsets", "inside the file");
  return tensor;
}

std::map<std::string, std::string> parse_metadata(const nlohmann::json& json,
                                                  const std::string& file) {
  std::map<std::string, std::string> metadata;
  const std::string where = file + ": __metadata__";
  StrictObject object(json, where);
  for (const auto& [key, value] : json.items()) metadata[key] = object.text(key);
  return metadata;
}

/// Tensors lie one after the other from the end of the header to the end of the file.
void check_contiguous(const TensorFileHeader& header, int64_t data_begin, int64_t file_size,
                      const std::string& file) {
  std::vector<const std::pair<const std::string, FileTensor>*> order;
  for (const auto& entry : header.tensors) order.push_back(&entry);
  std::ranges::sort(order, {}, [](const auto* entry) {
    return std::pair(entry->second.offset, entry->second.bytes);
  });
  int64_t end = data_begin;
  for (const auto* entry : order) {
    if (entry->second.offset != end)
      throw CheckpointError("{}: tensor {} begins at byte {}, the one before ends at {}", file,
                            in_quotes(entry->first), entry->second.offset, end);
    if (__builtin_add_overflow(end, entry->second.bytes, &end) || end > file_size)
      throw CheckpointError("{}: tensor {} reaches beyond the file's {} bytes", file,
                            in_quotes(entry->first), file_size);
  }
  if (end != file_size)
    throw CheckpointError("{}: the tensors end at byte {}, the file at {}", file, end, file_size);
}

/// The JSON text must begin with '{' and may be followed by spaces only, so that no other format's
/// file is also a valid one of this.
std::span<const std::byte> header_text(std::span<const std::byte> text, const std::string& file) {
  if (text.empty() || text.front() != std::byte{'{'})
    throw CheckpointError("{}: byte {}: the header must begin with '{{'", file, kLengthBytes);
  while (text.back() == std::byte{' '}) text = text.first(text.size() - 1);
  if (text.back() != std::byte{'}'})
    throw CheckpointError("{}: byte {}: only spaces may follow the header's JSON", file,
                          kLengthBytes + static_cast<int64_t>(text.size()) - 1);
  return text;
}

/// The header of a new file, padded so that the tensors begin at a multiple of 8 bytes.
std::string header_bytes(std::span<const TensorToWrite> tensors,
                         const std::map<std::string, std::string>& metadata, int64_t* data_bytes) {
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", "pt"}};  // what `transformers` asks for
  for (const auto& [key, value] : metadata) header["__metadata__"][key] = value;
  int64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    const auto bytes = checked_bytes(tensor.shape, size_of(tensor.type));
    SWALLOW_CHECK(bytes && !header.contains(tensor.name), "bad tensor {}", tensor.name);
    header[tensor.name] = {{"dtype", file_dtype(tensor.type)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + *bytes}}};
    offset += *bytes;
  }
  *data_bytes = offset;
  std::string text = header.dump();
  text.resize(static_cast<size_t>(round_up(static_cast<int64_t>(text.size()), 8)), ' ');
  const auto length = static_cast<uint64_t>(text.size());
  std::string bytes(kLengthBytes, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + text;
}

}  // namespace

std::string_view file_dtype(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "F64";
    case DType::f32:
      return "F32";
    case DType::bf16:
      return "BF16";
    case DType::i64:
      return "I64";
    case DType::i32:
      return "I32";
    case DType::u8:
      return "U8";
    case DType::u16:
      return "U16";
  }
  throw ContractError("no such dtype: {}", static_cast<int>(dtype));
}

std::vector<int64_t> dims_of(const Shape& shape) {
  std::vector<int64_t> dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

int64_t tensor_header_length(std::span<const std::byte> prefix, int64_t file_size,
                             const std::string& file) {
  uint64_t length = 0;
  if (prefix.size() < sizeof length)
    throw CheckpointError("{}: {} bytes are too few for a safetensors file", file, prefix.size());
  std::memcpy(&length, prefix.data(), sizeof length);
  if (length > kMaxHeader || static_cast<int64_t>(length) > file_size - kLengthBytes)
    throw CheckpointError("{}: byte 0: header of {} bytes; at most {} and the file's {} bytes",
                          file, length, kMaxHeader, file_size);
  return kLengthBytes + static_cast<int64_t>(length);
}

TensorFileHeader parse_tensor_header(std::span<const std::byte> prefix, int64_t file_size,
                                     const std::string& file) {
  const int64_t data_begin = tensor_header_length(prefix, file_size, file);
  if (static_cast<int64_t>(prefix.size()) < data_begin)
    throw CheckpointError("{}: byte {}: the header ends early", file, prefix.size());
  prefix = prefix.first(static_cast<size_t>(data_begin));
  const nlohmann::json json =
      parse_strict_json(header_text(prefix.subspan(kLengthBytes), file), file, kLengthBytes);
  if (json.size() > kMaxTensors)
    throw CheckpointError("{}: {} tensors; at most {}", file, json.size(), kMaxTensors);
  TensorFileHeader header{.hash = content_hash(prefix)};
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      header.metadata = parse_metadata(value, file);
      continue;
    }
    if (name.size() > kMaxName)
      throw CheckpointError("{}: tensor {}...: name longer than {} bytes", file,
                            in_quotes(name.substr(0, 64)), kMaxName);
    header.tensors.emplace(
        name, parse_tensor(value, fmt::format("{}: tensor {}", file, in_quotes(name)), data_begin));
  }
  check_contiguous(header, data_begin, file_size, file);
  return header;
}

TensorFile::TensorFile(const std::filesystem::path& path, Links links)
    : file_(File::open(path, links)) {
  const int64_t size = file_.size();
  std::vector<std::byte> prefix(static_cast<size_t>(std::min(size, kLengthBytes)));
  file_.read(prefix, 0);
  prefix.resize(static_cast<size_t>(tensor_header_length(prefix, size, path.string())));
  file_.read(prefix, 0);
  header_ = parse_tensor_header(prefix, size, path.string());
}

const FileTensor& TensorFile::at(std::string_view name) const {
  const auto found = header_.tensors.find(name);
  if (found == header_.tensors.end())
    throw CheckpointError("{}: there is no tensor {}", path(), in_quotes(name));
  return found->second;
}

void TensorFile::read_part(const FileTensor& tensor, int64_t offset,
                           std::span<std::byte> bytes) const {
  SWALLOW_CHECK(offset >= 0 && offset <= tensor.bytes &&
                    static_cast<int64_t>(bytes.size()) <= tensor.bytes - offset,
                "bytes {} to {} of {}", offset, offset + static_cast<int64_t>(bytes.size()),
                tensor.bytes);
  file_.read(bytes, tensor.offset + offset);
}

std::string TensorFile::read(
    const FileTensor& tensor,
    const std::function<void(std::span<const std::byte>, int64_t offset)>& consume) const {
  ContentHash hash;
  std::vector<std::byte> chunk(static_cast<size_t>(std::min(tensor.bytes, kFileChunk)));
  for (int64_t offset = 0; offset < tensor.bytes; offset += kFileChunk) {
    const auto part =
        std::span(chunk).first(static_cast<size_t>(std::min(kFileChunk, tensor.bytes - offset)));
    file_.read(part, tensor.offset + offset);
    hash.update(part);
    consume(part, offset);
  }
  return hash.hex();
}

WrittenTensorFile write_tensor_file(const std::filesystem::path& path,
                                    std::span<const TensorToWrite> tensors,
                                    const std::map<std::string, std::string>& metadata) {
  int64_t data_bytes = 0;
  const std::string header = header_bytes(tensors, metadata, &data_bytes);
  auto offset = static_cast<int64_t>(header.size());
  WrittenTensorFile written{.size = offset + data_bytes,
                            .header_hash = content_hash(std::as_bytes(std::span(header)))};
  File file = File::create(path);
  file.reserve(written.size);
  file.write(std::as_bytes(std::span(header)), 0);
  for (const TensorToWrite& tensor : tensors) {
    const int64_t bytes = checked_bytes(tensor.shape, size_of(tensor.type)).value();
    ContentHash hash;
    for (int64_t begin = 0; begin < bytes; begin += kFileChunk) {
      const std::span part = tensor.bytes(begin, std::min(kFileChunk, bytes - begin));
      hash.update(part);  // while the chunk is in the cache
      file.write(part, offset + begin);
    }
    written.hashes.push_back(hash.hex());
    offset += bytes;
  }
  file.sync_and_close();
  return written;
}

}  // namespace swallow
