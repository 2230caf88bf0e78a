// A safetensors file is refused, or its tensors tile the bytes after the header.
#include <string>

#include "checkpoint/tensor_file.h"
#include "fuzz/fuzz_target.h"

using namespace swallow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = fuzz::bytes_of(data, size);
  // The tensors need not be there to be described: a file much longer than what is read of it.
  for (const int64_t file_size : {static_cast<int64_t>(size), static_cast<int64_t>(size) + 4096}) {
    TensorFileHeader header;
    if (!fuzz::accepted([&] { header = parse_tensor_header(bytes, file_size, "input"); })) continue;
    int64_t total = 0;
    for (const auto& [name, tensor] : header.tensors) {
      fuzz::require(tensor.bytes >= 0 && tensor.offset >= 8 &&
                    tensor.offset + tensor.bytes <= file_size);
      total += tensor.bytes;
    }
    fuzz::require(tensor_header_length(bytes, file_size, "input") + total == file_size);
  }
  return 0;
}
