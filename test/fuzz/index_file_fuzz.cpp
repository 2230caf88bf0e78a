// An `.idx` is refused, or is exactly what its parsed form says.
#include <algorithm>
#include <cstring>

#include "data/index_file.h"
#include "fuzz/fuzz_target.h"

using namespace swallow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = fuzz::bytes_of(data, size);
  IndexFile index;
  if (!fuzz::accepted([&] { index = parse_index(bytes, "input.idx"); })) return 0;

  const auto sequences = static_cast<int64_t>(index.lengths.size());
  const IndexHeader header{.type = index.type,
                           .sequences = sequences,
                           .document_entries = index.num_documents + 1,
                           .multimodal = index.multimodal};
  const auto modes = static_cast<size_t>(index.multimodal ? sequences : 0);
  fuzz::require(static_cast<size_t>(header.modes_at()) + modes == size);
  // Up to the document index nothing is free; there it may group the sequences.
  std::vector<std::byte> written;
  write_index(index.type, index.lengths, [&](std::span<const std::byte> part) {
    written.insert(written.end(), part.begin(), part.end());
  });
  const std::vector<std::byte> front = header_bytes(header);
  fuzz::require(std::equal(front.begin(), front.end(), bytes.begin()));
  fuzz::require(std::equal(bytes.begin() + header.lengths_at(),
                           bytes.begin() + header.documents_at(),
                           written.begin() + header.lengths_at()));
  int64_t previous = 0;
  for (int64_t entry = 0; entry <= index.num_documents; ++entry) {
    int64_t first = 0;
    std::memcpy(&first, bytes.data() + header.documents_at() + 8 * entry, sizeof first);
    fuzz::require(first >= previous && (entry > 0 || first == 0));
    previous = first;
  }
  fuzz::require(previous == sequences);
  int64_t tokens = 0;
  for (const int32_t length : index.lengths) tokens += length;
  fuzz::require(tokens == index.num_tokens);
  return 0;
}
