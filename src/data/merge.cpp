#include "data/merge.h"

#include <algorithm>
#include <span>

#include "base/check.h"
#include "data/dataset_facts.h"
#include "data/file.h"
#include "data/index_file.h"
#include "data/indexed_dataset.h"

namespace swallow {

namespace {

constexpr int64_t kBlockBytes = int64_t{1} << 20;

/// An input. Its files are opened when they are read: there may be more inputs than descriptors.
struct Part {
  std::string prefix;
  IndexSummary summary;
};

void check_types(const Part& first, const Part& other) {
  const TokenType a = first.summary.header.type;
  const TokenType b = other.summary.header.type;
  if (a == b) return;
  throw DataError(
      "{}.idx: offset 17: elements are {}, but {}.idx has {}; expected inputs of one type",
      other.prefix, name_of(b), first.prefix, name_of(a));
}

/// All inputs or none have modes; one without sequences has them either way.
void check_modes(const std::vector<Part>& parts) {
  const Part* first = nullptr;
  for (const Part& part : parts) {
    const IndexHeader& header = part.summary.header;
    if (header.sequences == 0) continue;
    if (first == nullptr) first = &part;
    const bool modes = first->summary.header.multimodal;
    if (header.multimodal == modes) continue;
    throw DataError("{}.idx: {} a mode for every sequence, but {}.idx {}; expected one kind",
                    part.prefix, modes ? "lacks" : "has", first->prefix, modes ? "has" : "lacks");
  }
}

/// Appends bytes [begin, begin + count) of a file, telling `done` after each block.
template <class Done>
void copy_bytes(const InputFile& file, int64_t begin, int64_t count, OutputFile& out,
                const Done& done) {
  std::vector<std::byte> block;
  for (int64_t copied = 0; copied < count;) {
    block.resize(static_cast<size_t>(std::min(kBlockBytes, count - copied)));
    file.read(begin + copied, block);
    out.write(block);
    copied += static_cast<int64_t>(block.size());
    done(static_cast<int64_t>(block.size()));
  }
}

/// Appends `count` i64 values from `begin` on, each raised by `added`.
void copy_raised(const InputFile& file, int64_t begin, int64_t count, int64_t added,
                 OutputFile& out) {
  const ByteReader read = reader_of(file);
  ArrayReader<int64_t> values(read, begin, count);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t value = values.next() + added;
    out.write(std::as_bytes(std::span(&value, 1)));
  }
}

void write_joined_index(const std::vector<Part>& parts, const IndexHeader& joined,
                        OutputFile& out) {
  const auto each_index = [&parts](const auto& fn) {
    for (const Part& part : parts) fn(part.summary, InputFile(part.prefix + ".idx"));
  };
  const auto nothing = [](int64_t) {};
  out.write(header_bytes(joined));
  each_index([&](const IndexSummary& summary, const InputFile& idx) {
    const IndexHeader& header = summary.header;
    copy_bytes(idx, header.lengths_at(), 4 * header.sequences, out, nothing);
  });
  int64_t bytes = 0;  // of `.bin` in the inputs before
  each_index([&](const IndexSummary& summary, const InputFile& idx) {
    const IndexHeader& header = summary.header;
    copy_raised(idx, header.pointers_at(), header.sequences, bytes, out);
    bytes += summary.num_tokens * size_of(header.type);
  });
  // The last entry of an input is the first of the next, so each but the first gives all after its
  // leading 0.
  int64_t sequences = 0;
  int64_t skipped = 0;
  each_index([&](const IndexSummary& summary, const InputFile& idx) {
    const IndexHeader& header = summary.header;
    copy_raised(idx, header.documents_at() + 8 * skipped, header.document_entries - skipped,
                sequences, out);
    sequences += header.sequences;
    skipped = 1;
  });
  if (!joined.multimodal) return;
  each_index([&](const IndexSummary& summary, const InputFile& idx) {
    copy_bytes(idx, summary.header.modes_at(), summary.header.sequences, out, nothing);
  });
}

}  // namespace

MergeResult merge_datasets(const MergeOptions& options,
                           const std::function<void(const PreprocessProgress&)>& progress) {
  if (options.inputs.empty()) throw ConfigError("--input: no dataset given");
  if (options.output_prefix.empty()) throw ConfigError("--output-prefix: not given");
  std::vector<std::string> input_files;
  for (const std::string& input : options.inputs) {
    for (const char* ending : {".bin", ".idx"}) {
      input_files.push_back(dataset_prefix(input) + ending);
    }
  }
  claim_output(options.output_prefix, options.existing, input_files);

  std::vector<Part> parts;
  IndexHeader joined;
  MergeResult result;
  int64_t bin_bytes = 0;
  for (const std::string& input : options.inputs) {
    const std::string prefix = dataset_prefix(input);
    const DatasetFiles files(prefix);
    const IndexHeader& header = files.summary.header;
    parts.push_back({prefix, files.summary});
    check_types(parts.front(), parts.back());
    joined.type = header.type;
    joined.sequences += header.sequences;
    joined.document_entries += header.documents();
    joined.multimodal = joined.multimodal || header.multimodal;
    result.tokens += files.summary.num_tokens;
    bin_bytes += files.bin.size();
    result.input_bytes += files.bin.size() + files.idx.size();
  }
  check_modes(parts);
  result.documents = joined.documents();

  OutputFile bin(options.output_prefix + ".bin");
  OutputFile idx(options.output_prefix + ".idx");
  PreprocessProgress state{.bytes_total = bin_bytes};
  for (const Part& part : parts) {
    const InputFile file(part.prefix + ".bin");
    check_size(file, joined.type, part.summary.num_tokens);
    copy_bytes(file, 0, file.size(), bin, [&](int64_t bytes) {
      state.bytes_done += bytes;
      state.tokens = state.bytes_done / size_of(joined.type);
      if (progress) progress(state);
    });
    state.documents += part.summary.header.documents();
  }
  write_joined_index(parts, joined, idx);
  commit_pair(bin, idx);
  result.output_bytes = bin.size() + idx.size();
  return result;
}

}  // namespace swallow
