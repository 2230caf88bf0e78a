// Files that lie: each is refused when the data are opened, with the file, the place and what would
// be right, and nothing else is ever thrown.
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "base/check.h"
#include "data/datasets.h"
#include "data/fixtures.h"

using namespace swallow;
using swallow::test::message_of;
using swallow::test::read_file;
using swallow::test::TemporaryFolder;
using swallow::test::write_file;
namespace fs = std::filesystem;

namespace {

DataOptions options_for(const std::string& prefix) {
  return {.data_path = {prefix},
          .split = "1",
          .seq_length = 4,
          .global_batch_size = 2,
          .train_iters = 2};
}

struct Lie {
  const char* what;
  void (*tell)(const std::string& prefix);
  const char* message;  // after the prefix
};

void flip(const std::string& path, size_t offset) {
  std::string bytes = read_file(path);
  bytes.at(offset) ^= 0x10;
  write_file(path, bytes);
}

void resize_by(const std::string& path, int64_t change) {
  fs::resize_file(path, static_cast<uintmax_t>(static_cast<int64_t>(fs::file_size(path)) + change));
}

void put(const std::string& path, size_t offset, uint64_t value, size_t bytes) {
  std::string all = read_file(path);
  std::memcpy(all.data() + offset, &value, bytes);
  write_file(path, all);
}

// Of four documents of 6, 0, 5 and 9 tokens of u16: the arrays begin at 34, 50 and 82.
const std::vector<int32_t> kLengths = {6, 0, 5, 9};
const std::vector<Lie> kLies = {
    {"an index cut in its lengths", [](auto& p) { fs::resize_file(p + ".idx", 40); },
     ".idx: offset 18: 4 sequences and 5 document entries cannot lie in 40 bytes"},
    {"an index cut by one byte", [](auto& p) { resize_by(p + ".idx", -1); },
     ".idx: 121 bytes, but 4 sequences and 5 document entries take 122 (or 126 with modes)"},
    {"an index padded by one byte", [](auto& p) { resize_by(p + ".idx", 1); },
     ".idx: 123 bytes, but 4 sequences"},
    {"an index of nothing", [](auto& p) { fs::resize_file(p + ".idx", 0); },
     ".idx: 0 bytes, but the header of an index alone has 34"},
    {"tokens of nothing", [](auto& p) { fs::resize_file(p + ".bin", 0); },
     ".bin: 0 bytes, but its index promises 20 tokens of u16 = 40 bytes"},
    {"tokens cut in the middle of one", [](auto& p) { resize_by(p + ".bin", -1); },
     ".bin: 39 bytes, but its index promises 20 tokens of u16 = 40 bytes"},
    {"tokens of another corpus", [](auto& p) { resize_by(p + ".bin", 2); }, ".bin: 42 bytes, but"},
    {"the two files exchanged",
     [](auto& p) {
       fs::rename(p + ".bin", p + ".x");
       fs::rename(p + ".idx", p + ".bin");
       fs::rename(p + ".x", p + ".idx");
     },
     ".idx: offset 0: does not begin with MMIDIDX: not a Megatron index"},
    {"the index of another corpus",
     [](auto& p) {
       test::write_dataset(p + "-other", std::vector<int32_t>{3, 4});
       fs::rename(p + "-other.idx", p + ".idx");
     },
     ".bin: 40 bytes, but its index promises 7 tokens of u16 = 14 bytes"},
    {"a flipped bit in a length", [](auto& p) { flip(p + ".idx", 34); },
     ".idx: offset 58: sequence 1 begins at byte 12, the lengths before it say 44"},
    {"a flipped bit in a pointer", [](auto& p) { flip(p + ".idx", 66); },
     ".idx: offset 66: sequence 2 begins at byte 28, the lengths before it say 12"},
    {"a negative length", [](auto& p) { put(p + ".idx", 38, 0xffffffff, 4); },
     ".idx: offset 38: sequence 1 has length -1, expected 0 or more"},
    {"another element size", [](auto& p) { put(p + ".idx", 17, 4, 1); },
     ".idx: offset 58: sequence 1 begins at byte 12, the lengths before it say 24"},
    {"elements that are no integers", [](auto& p) { put(p + ".idx", 17, 7, 1); }, ".idx: offset "},
    {"2^60 sequences", [](auto& p) { put(p + ".idx", 18, uint64_t{1} << 60, 8); },
     ".idx: offset 18: 1152921504606846976 sequences"},
    {"documents that go back", [](auto& p) { put(p + ".idx", 98, 0, 8); },
     ".idx: offset 98: document 2 begins at sequence 0, expected 1 to 4"},
    {"a folder in place of the tokens",
     [](auto& p) {
       fs::remove(p + ".bin");
       fs::create_directory(p + ".bin");
     },
     ".bin: is not a regular file"},
    {"no index", [](auto& p) { fs::remove(p + ".idx"); }, ".idx: cannot be opened: No such file"},
    {"documents without a token",
     [](auto& p) {
       test::write_dataset(p, std::vector<int32_t>{0, 0, 0});
     },
     ": its train split holds no token: 3 of 3 documents by --split 1"},
    {"no document", [](auto& p) { test::write_dataset(p, std::vector<int32_t>{}); },
     ": its train split holds no token: 0 of 0 documents by --split 1"},
};

}  // namespace

TEST_CASE("files that lie are refused by name and place", "[unit][data]") {
  for (const Lie& lie : kLies) {
    CAPTURE(lie.what);
    const TemporaryFolder folder;
    const std::string prefix = folder / "d";
    test::write_dataset(prefix, kLengths);
    REQUIRE_NOTHROW(open_datasets(options_for(prefix)));
    lie.tell(prefix);
    REQUIRE_THAT(message_of<DataError>([&] { (void)open_datasets(options_for(prefix)); }),
                 Catch::StartsWith(prefix + lie.message));
  }
}

TEST_CASE("with any bit of an index flipped, data are refused or have the same tokens",
          "[unit][data]") {
  const TemporaryFolder folder;
  const std::string prefix = folder / "d";
  test::write_dataset(prefix, kLengths);
  const std::string good = read_file(prefix + ".idx");
  const Datasets straight = open_datasets(options_for(prefix));
  std::vector<int32_t> want(5);
  std::vector<int32_t> got(5);
  size_t passed = 0;
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    CAPTURE(bit);
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    write_file(prefix + ".idx", bytes);
    try {
      const Datasets data = open_datasets(options_for(prefix));
      REQUIRE(data.train->size() == straight.train->size());
      for (int64_t i = 0; i < data.train->size(); ++i) {
        data.train->sample(i, got);
        straight.train->sample(i, want);
        REQUIRE(got == want);
      }
      ++passed;
    } catch (const DataError&) {
    }
  }
  // Samples are cut from sequences: how these are grouped into documents does not matter, and is
  // all that no other byte contradicts.
  REQUIRE(passed > 0);
  REQUIRE(passed < 10);
}

TEST_CASE("offsets above 4 GiB and sums above 2^32 tokens are right", "[unit][data]") {
  const TemporaryFolder folder;
  const std::string prefix = folder / "big";
  // Four sequences of 2^30 + 5 tokens of i32: 16 GiB that nobody wrote, but for a token at each
  // end.
  constexpr int32_t kLength = (1 << 30) + 5;
  const std::vector<int32_t> lengths(4, kLength);
  {
    OutputFile idx(prefix + ".idx");
    write_index(TokenType::i32, lengths, [&](std::span<const std::byte> part) { idx.write(part); });
    idx.sync();
    idx.commit();
  }
  write_file(prefix + ".bin", "");
  fs::resize_file(prefix + ".bin", uintmax_t{16} * kLength);  // a hole
  std::fstream bin(prefix + ".bin", std::ios::binary | std::ios::in | std::ios::out);
  const auto mark = [&](int64_t token, int32_t value) {
    bin.seekp(4 * token);
    bin.write(reinterpret_cast<const char*>(&value), sizeof value);
  };
  for (int32_t i = 0; i < 4; ++i) {
    mark(int64_t{i} * kLength, 100 + i);
    mark(int64_t{i + 1} * kLength - 1, 200 + i);
  }
  bin.close();

  const IndexedDataset files(prefix);
  REQUIRE(files.num_tokens() == int64_t{4} * kLength);
  REQUIRE(files.describe(3, kLength - 1).find("(byte 17179869260)") != std::string::npos);
  std::vector<int32_t> token(1);
  for (int32_t i = 0; i < 4; ++i) {
    files.read(i, 0, token);
    REQUIRE(token[0] == 100 + i);
    files.read(i, kLength - 1, token);
    REQUIRE(token[0] == 200 + i);
  }
  // The order, over two epochs of more tokens than 32 bits count: in the last sample of an epoch.
  constexpr int64_t kSequence = 1 << 20;
  const int64_t tokens = files.num_tokens();
  const SampleIndex order(files.lengths(), {{0, 4}, 2 * ((tokens - 1) / kSequence), kSequence, 1});
  REQUIRE(order.plan().epochs == 2);
  REQUIRE(order.size() == (2 * tokens - 1) / kSequence);
  const auto at = order.position(order.size());
  REQUIRE(at.entry * kLength + at.offset == order.size() * kSequence);
}
