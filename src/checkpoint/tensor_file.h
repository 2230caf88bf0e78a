// The safetensors format, written for crash safety and read with suspicion: an 8-byte little-endian
// header length N, N bytes of JSON, then the tensors' bytes without a gap.
// (https://github.com/huggingface/safetensors, section "Format".)
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "checkpoint/file.h"
#include "checkpoint/number_type.h"
#include "tensor/tensor.h"

namespace swallow {

/// Bytes of a file that are read, hashed or written at a time.
inline constexpr int64_t kFileChunk = int64_t{4} << 20;

/// The format's name of a type: "F32", "BF16" ...
std::string_view file_dtype(DType dtype);

/// A shape as the format has it.
std::vector<int64_t> dims_of(const Shape& shape);

/// A tensor in a file. `dtype` is the format's name, which may be one that DType lacks.
struct FileTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  int64_t offset = 0;  // bytes from the start of the file
  int64_t bytes = 0;
};

struct TensorFileHeader {
  std::map<std::string, FileTensor, std::less<>> tensors;
  std::map<std::string, std::string> metadata;
  std::string hash;  // XXH3-128 of everything before the tensors
};

/// Length of the part of a file before the tensors, from its first 8 bytes (fewer is an error).
int64_t tensor_header_length(std::span<const std::byte> prefix, int64_t file_size,
                             const std::string& file);

/// Checks every rule of the format against a file of `file_size` bytes that begins with `prefix`,
/// at least its header. Throws CheckpointError naming `file` and the offset or tensor.
TensorFileHeader parse_tensor_header(std::span<const std::byte> prefix, int64_t file_size,
                                     const std::string& file);

/// An open safetensors file whose header has been checked.
class TensorFile {
 public:
  explicit TensorFile(const std::filesystem::path& path, Links links = Links::refuse);

  [[nodiscard]] const TensorFileHeader& header() const noexcept { return header_; }
  [[nodiscard]] std::string path() const { return file_.path().string(); }
  [[nodiscard]] int64_t size() const { return file_.size(); }
  /// Throws CheckpointError when there is no such tensor.
  [[nodiscard]] const FileTensor& at(std::string_view name) const;

  /// Fills `bytes` with those of a tensor from byte `offset` of it on, unchecked.
  void read_part(const FileTensor& tensor, int64_t offset, std::span<std::byte> bytes) const;

  /// Hands over all bytes of a tensor in pieces of at most kFileChunk, with their offset in the
  /// tensor; returns their XXH3-128.
  std::string read(
      const FileTensor& tensor,
      const std::function<void(std::span<const std::byte>, int64_t offset)>& consume) const;

 private:
  File file_;
  TensorFileHeader header_;
};

/// A tensor to be written.
struct TensorToWrite {
  std::string name;
  NumberType type = NumberType::f32;
  std::vector<int64_t> shape;
  /// At most kFileChunk of its bytes from `offset` on, valid until the next call. Asked for once
  /// each, in order.
  std::function<std::span<const std::byte>(int64_t offset, int64_t bytes)> bytes;
};

/// What a written file must hold when it is read again.
struct WrittenTensorFile {
  int64_t size = 0;
  std::string header_hash;
  std::vector<std::string> hashes;  // of the tensors, in the order given
};

/// Writes a new file, reserving its space first; it is on the disk when the call returns. Give
/// wider types first, so that every tensor is aligned to its type. `metadata` is added to the
/// format's name. Throws IoError.
WrittenTensorFile write_tensor_file(const std::filesystem::path& path,
                                    std::span<const TensorToWrite> tensors,
                                    const std::map<std::string, std::string>& metadata = {});

}  // namespace swallow
