// Times what stands between a corpus and a batch, on synthetic documents of log-normal length:
//   data_bench order TOKENS [EPOCHS]     the order of samples: seconds and memory
//   data_bench index TOKENS FOLDER       reading and checking an .idx
//   data_bench loader TOKENS FOLDER      batches from the page cache
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <optional>
#include <random>
#include <string>

#include "data/batch_loader.h"
#include "data/gpt_dataset.h"
#include "telemetry/step_metrics.h"

using namespace swallow;

namespace {

constexpr int64_t kSequence = 4096;
constexpr double kMeanLength = 500;
constexpr double kSigma = 1.0;
constexpr int64_t kVocabulary = 32000;

/// Of the processor, with the kernel's share: one thread, which waits for nothing that is cached.
/// Other programs on the machine show less in it than in the time of the clock.
double seconds_of(const std::function<void()>& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

std::vector<int32_t> document_lengths(int64_t tokens) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> length(std::log(kMeanLength) - kSigma * kSigma / 2, kSigma);
  std::vector<int32_t> lengths;
  lengths.reserve(static_cast<size_t>(1.01 * static_cast<double>(tokens) / kMeanLength));
  for (int64_t total = 0; total < tokens; total += lengths.back())
    lengths.push_back(static_cast<int32_t>(std::clamp(length(random), 1.0, 1e6)));
  return lengths;
}

void time_order(int64_t tokens, double epochs) {
  const std::vector<int32_t> lengths = document_lengths(tokens);
  const auto documents = static_cast<int64_t>(lengths.size());
  const int64_t before = peak_memory_bytes();
  const auto samples = static_cast<int64_t>(epochs * static_cast<double>(tokens - 1) / kSequence);
  std::optional<SampleIndex> index;
  const double seconds = seconds_of([&] {
    index.emplace(lengths, SampleOrder{{0, documents}, samples, kSequence});
  });
  fmt::print(
      "order   {:8.1e} tokens, {} documents, {} epochs, {} samples: {:.2f} s, {:.0f} MB kept, "
      "{:.0f} MB more at the peak\n",
      static_cast<double>(tokens), documents, index->plan().epochs, index->size(), seconds,
      static_cast<double>(index->bytes()) / 1e6,
      static_cast<double>(peak_memory_bytes() - before) / 1e6);
}

void write_idx(const std::string& prefix, const std::vector<int32_t>& lengths) {
  OutputFile idx(prefix + ".idx");
  write_index(TokenType::u16, lengths, [&](std::span<const std::byte> part) { idx.write(part); });
  idx.sync();
  idx.commit();
}

void time_index(int64_t tokens, const std::string& folder) {
  const std::string prefix = folder + "/bench";
  write_idx(prefix, document_lengths(tokens));
  const InputFile file(prefix + ".idx");
  const int64_t before = peak_memory_bytes();
  IndexFile index;
  const double seconds =
      seconds_of([&] { index = parse_index(reader_of(file), file.size(), file.path()); });
  fmt::print(
      "index   {:8.1e} tokens, {} documents, {:.2f} GB: {:.2f} s, {:.2f} GB/s, peak {:.0f} MB\n",
      static_cast<double>(index.num_tokens), index.num_documents,
      static_cast<double>(file.size()) / 1e9, seconds,
      static_cast<double>(file.size()) / 1e9 / seconds,
      static_cast<double>(std::max(before, peak_memory_bytes())) / 1e6);
}

void write_bin(const std::string& prefix, int64_t tokens) {
  OutputFile bin(prefix + ".bin");
  std::vector<uint16_t> block(1 << 20);
  uint32_t state = 1;
  for (uint16_t& token : block) {
    state = state * 1664525U + 1013904223U;
    token = static_cast<uint16_t>((state >> 8) % kVocabulary);
  }
  for (int64_t done = 0; done < tokens;) {
    const int64_t count = std::min<int64_t>(tokens - done, static_cast<int64_t>(block.size()));
    bin.write(std::as_bytes(std::span(block).first(static_cast<size_t>(count))));
    done += count;
  }
  bin.sync();
  bin.commit();
}

void time_loader(int64_t tokens, const std::string& folder) {
  const std::string prefix = folder + "/bench";
  const std::vector<int32_t> lengths = document_lengths(tokens);
  int64_t total = 0;
  for (const int32_t length : lengths) total += length;
  write_idx(prefix, lengths);
  write_bin(prefix, total);
  const IndexedDataset files(prefix);
  const GptDataset dataset(files,
                           {{0, files.num_sequences()}, (total - 1) / kSequence, kSequence, 1234});
  for (const int64_t b : {1, 4}) {
    BatchLoader loader(dataset,
                       {.micro_batch_size = b, .seq_length = kSequence, .vocab_size = kVocabulary});
    std::vector<int32_t> memory(static_cast<size_t>(2 * b * kSequence));
    const Tensor batch{memory.data(), DType::i32, {kSequence, b}, {}};
    const Tensor targets{memory.data() + b * kSequence, DType::i32, {kSequence, b}, {}};
    const int64_t batches = dataset.size() / b;
    const auto pass = [&] {
      for (int64_t k = 0; k < batches; ++k) loader.load(0, k, batch, targets);
    };
    pass();  // the page cache has all of it
    const double seconds = seconds_of(pass);
    const auto loaded = static_cast<double>(batches * b * (kSequence + 1));
    fmt::print(
        "loader  {:8.1e} tokens, micro-batches of {} x {}: {:.0f} a second, {:.1f} us each, "
        "{:.2f} GB/s of .bin, {:.2f} GB/s of batches\n",
        static_cast<double>(total), b, kSequence, static_cast<double>(batches) / seconds,
        1e6 * seconds / static_cast<double>(batches), 2 * loaded / seconds / 1e9,
        4 * loaded / seconds / 1e9);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 2) {
    fmt::print(stderr, "usage: data_bench order TOKENS [EPOCHS] | index|loader TOKENS FOLDER\n");
    return 2;
  }
  const auto tokens = static_cast<int64_t>(std::stod(arguments[1]));
  const std::string last = arguments.size() > 2 ? arguments[2] : "1";
  if (arguments[0] == "order") time_order(tokens, std::stod(last));
  if (arguments[0] == "index") time_index(tokens, last);
  if (arguments[0] == "loader") time_loader(tokens, last);
  return 0;
}
