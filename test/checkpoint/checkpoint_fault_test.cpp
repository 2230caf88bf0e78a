// What a crash, a full disk or damaged files may do to a run's checkpoints: never take the last
// good one, never be taken for a good one.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <limits>
#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/file.h"
#include "checkpoint/iteration_folder.h"
#include "checkpoint/manifest.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/tiny_job.h"

using namespace swallow;
using namespace swallow::test;

namespace fs = std::filesystem;

namespace {

const TinyGrid kGrid{2, 1, 1, true};
const std::vector<std::string> kFine(2);

/// A folder with iterations 10 and 20 of the tiny model.
class TwoCheckpoints {
 public:
  TwoCheckpoints() {
    REQUIRE(save_tiny(run(), kGrid, 10) == kFine);
    REQUIRE(save_tiny(run(), kGrid, 20) == kFine);
  }
  [[nodiscard]] std::string run() const { return folder_ / "run"; }
  [[nodiscard]] fs::path at(const std::string& name) const { return fs::path(run()) / name; }
  [[nodiscard]] std::string tracker() const {
    std::ifstream file(at("latest_checkpointed_iteration.txt"));
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  ScratchFolder folder_;
};

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

void flip_bit(const fs::path& path, int64_t bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(bit / 8);
  const int byte = file.get();
  file.seekp(bit / 8);
  file.put(static_cast<char>(byte ^ (1 << (bit % 8))));
}

}  // namespace

TEST_CASE("a save leaves its folder and the tracker, nothing else", "[ranks]") {
  const TwoCheckpoints two;
  CHECK(names_in(two.run()) == std::vector<std::string>{"iter_0000010", "iter_0000020",
                                                        "latest_checkpointed_iteration.txt"});
  CHECK(two.tracker() == "20");
  CHECK(names_in(two.at("iter_0000010")) == std::vector<std::string>{"manifest.json",
                                                                     "rank-00000.safetensors",
                                                                     "rank-00001.safetensors"});
  CHECK(find_checkpoint(two.run()) == 20);
}

TEST_CASE("the tracker is believed when what it names is whole", "[ranks]") {
  const TwoCheckpoints two;
  const fs::path tracker = two.at("latest_checkpointed_iteration.txt");
  write_text(tracker, "10\n");
  CHECK(find_checkpoint(two.run()) == 10);
  for (const char* text : {"", "abc", "-10", "30", "10 20", "99999999999999999999"}) {
    INFO(text);
    write_text(tracker, text);
    CHECK(find_checkpoint(two.run()) == 20);
  }
  fs::remove(tracker);
  CHECK(find_checkpoint(two.run()) == 20);
  fs::create_directory(tracker);
  CHECK(find_checkpoint(two.run()) == 20);
}

TEST_CASE("no folder, an empty one or one without whole checkpoints hold none", "[ranks]") {
  const ScratchFolder folder;
  CHECK(find_checkpoint(folder / "none") == std::nullopt);
  fs::create_directory(folder / "run");
  CHECK(find_checkpoint(folder / "run") == std::nullopt);
  for (const char* name : {"iter_0000005", "iter_5", "iter_", "iter_000000x", "iter_0000006.tmp-1"})
    fs::create_directory(folder.path() / "run" / name);
  CHECK(find_checkpoint(folder / "run") == std::nullopt);
}

TEST_CASE("a newest folder that is not whole is passed over", "[ranks]") {
  const TwoCheckpoints two;
  const fs::path newest = two.at("iter_0000020");
  SECTION("without its manifest") {
    fs::remove(newest / "manifest.json");
  }
  SECTION("with a damaged manifest") {
    flip_bit(newest / "manifest.json", 999);
  }
  SECTION("with a file missing") {
    fs::remove(newest / "rank-00001.safetensors");
  }
  SECTION("with a file cut") {
    fs::resize_file(newest / "rank-00001.safetensors", 4096);
  }
  SECTION("with the manifest of another iteration") {
    fs::copy_file(two.at("iter_0000010") / "manifest.json", newest / "manifest.json",
                  fs::copy_options::overwrite_existing);
  }
  SECTION("with a file that is a link") {
    fs::rename(newest / "rank-00000.safetensors", two.at("elsewhere"));
    fs::create_symlink(two.at("elsewhere"), newest / "rank-00000.safetensors");
  }
  CHECK(find_checkpoint(two.run()) == 10);
  for (const std::string& error : load_tiny(two.run(), kGrid, 20))
    CHECK_THAT(error, Catch::StartsWith("4: rank ") && Catch::Contains("iter_0000020"));
}

TEST_CASE("what a dead save left is never chosen, and the next save clears it", "[ranks]") {
  const TwoCheckpoints two;
  // Died before the rename: complete but for its name.
  fs::copy(two.at("iter_0000020"), two.at("iter_0000030.tmp-1"), fs::copy_options::recursive);
  write_text(two.at("latest_checkpointed_iteration.txt.tmp"), "3");
  CHECK(find_checkpoint(two.run()) == 20);
  REQUIRE(save_tiny(two.run(), kGrid, 30) == kFine);
  CHECK(find_checkpoint(two.run()) == 30);
  CHECK(names_in(two.run()) == std::vector<std::string>{"iter_0000010", "iter_0000020",
                                                        "iter_0000030",
                                                        "latest_checkpointed_iteration.txt"});
}

TEST_CASE("an iteration saved again is replaced and findable at every moment", "[ranks]") {
  const TwoCheckpoints two;
  REQUIRE(save_tiny(two.run(), kGrid, 20, [](TinyRank& mine, int) {
            std::fill(mine.exp_avg.begin(), mine.exp_avg.end(), 1.0F);
          }) == kFine);
  CHECK(names_in(two.run()).size() == 3);
  float seen = 0;
  REQUIRE(load_tiny(two.run(), kGrid, 20, LoadScope::everything, [&](TinyRank& mine, int rank) {
            if (rank == 0) seen = mine.exp_avg[0];
          }) == kFine);
  CHECK(seen == 1.0F);
  // Died between the two renames of a replacement.
  fs::rename(two.at("iter_0000020"), two.at("iter_0000020.old"));
  fs::copy(two.at("iter_0000020.old"), two.at("iter_0000020.tmp-1"), fs::copy_options::recursive);
  CHECK(find_checkpoint(two.run()) == 20);
  CHECK(load_tiny(two.run(), kGrid, 20) == kFine);
  REQUIRE(save_tiny(two.run(), kGrid, 30) == kFine);
  CHECK(fs::exists(two.at("iter_0000020.old")));  // the only one of its iteration
  REQUIRE(save_tiny(two.run(), kGrid, 20) == kFine);
  CHECK_FALSE(fs::exists(two.at("iter_0000020.old")));
  CHECK(find_checkpoint(two.run()) == 20);
}

TEST_CASE("a flipped bit anywhere in a rank's file is found and named", "[ranks]") {
  const TwoCheckpoints two;
  const fs::path file = two.at("iter_0000020") / "rank-00001.safetensors";
  const auto bits = static_cast<int64_t>(fs::file_size(file)) * 8;
  std::mt19937_64 random(11);
  for (int trial = 0; trial < 60; ++trial) {
    // A third of them in the header.
    const int64_t limit = trial % 3 == 0 ? 4096 : bits;
    const int64_t bit = std::uniform_int_distribution<int64_t>(0, limit - 1)(random);
    INFO("bit " << bit);
    flip_bit(file, bit);
    const auto errors = load_tiny(two.run(), {1, 1, 1, true}, 20);
    CHECK_THAT(errors[0], Catch::StartsWith("4: ") && Catch::Contains("rank-00001.safetensors"));
    flip_bit(file, bit);
  }
  CHECK(load_tiny(two.run(), kGrid, 20) == kFine);
}

TEST_CASE("a flipped bit in any region of a checkpoint is named by file, tensor and bytes",
          "[ranks]") {
  const TwoCheckpoints two;
  const fs::path folder = two.at("iter_0000020");
  const auto error_after_flip = [&](const std::string& name, int64_t byte) {
    flip_bit(folder / name, byte * 8 + byte % 8);
    const std::string error = load_tiny(two.run(), kGrid, 20)[0];
    flip_bit(folder / name, byte * 8 + byte % 8);
    return error;
  };
  size_t regions = 0;
  for (const std::string name : {"rank-00000.safetensors", "rank-00001.safetensors"}) {
    const TensorFile file(folder / name);
    int64_t data_begin = file.size();
    for (const auto& [key, tensor] : file.header().tensors) {
      INFO(name << ": " << key);
      CHECK_THAT(error_after_flip(name, tensor.offset + tensor.bytes / 2),
                 Catch::StartsWith("4: rank ") &&
                     Catch::Contains(fmt::format("{}: tensor \"{}\", bytes {} to {}: ", name, key,
                                                 tensor.offset, tensor.offset + tensor.bytes)));
      data_begin = std::min(data_begin, tensor.offset);
      ++regions;
    }
    for (const int64_t byte : {int64_t{0}, int64_t{7}, int64_t{8}, data_begin / 2, data_begin - 1})
      CHECK_THAT(error_after_flip(name, byte),
                 Catch::StartsWith("4: rank ") && Catch::Contains(name));
  }
  size_t pieces = 0;
  for (const auto& [name, tensor] : read_manifest(folder, 20).tensors)
    pieces += tensor.pieces.size();
  CHECK(regions == pieces);
  const auto manifest_bytes = static_cast<int64_t>(fs::file_size(folder / "manifest.json"));
  for (int64_t i = 0; i < 8; ++i)
    CHECK_THAT(error_after_flip("manifest.json", manifest_bytes * i / 8),
               Catch::StartsWith("4: rank ") && Catch::Contains("manifest.json"));
  // The tracker is a hint: damaged, it leads nowhere, and the newest is found without it.
  for (int64_t bit = 0; bit < 16; ++bit) {
    flip_bit(two.at("latest_checkpointed_iteration.txt"), bit);
    CHECK(find_checkpoint(two.run()) == 20);
    flip_bit(two.at("latest_checkpointed_iteration.txt"), bit);
  }
  CHECK(load_tiny(two.run(), kGrid, 20) == kFine);
}

TEST_CASE("a header that still parses but is not what was written is found", "[ranks]") {
  const TwoCheckpoints two;
  const fs::path file = two.at("iter_0000020") / "rank-00001.safetensors";
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  flip_bit(file, static_cast<int64_t>(bytes.find("\"pt\"") + 1) * 8);
  const auto errors = load_tiny(two.run(), kGrid, 20);
  CHECK_THAT(errors[0], Catch::Contains("rank-00001.safetensors: XXH3-128 of the header"));
}

TEST_CASE("swapped files are noticed", "[ranks]") {
  const TwoCheckpoints two;
  const fs::path folder = two.at("iter_0000020");
  fs::rename(folder / "rank-00000.safetensors", folder / "x");
  fs::rename(folder / "rank-00001.safetensors", folder / "rank-00000.safetensors");
  fs::rename(folder / "x", folder / "rank-00001.safetensors");
  const auto errors = load_tiny(two.run(), kGrid, 20);
  CHECK(errors[0] == errors[1]);
  CHECK_THAT(errors[0], Catch::StartsWith("4: rank "));
}

TEST_CASE("a number that is not finite is never saved", "[ranks]") {
  const TwoCheckpoints two;
  const auto errors = save_tiny(two.run(), kGrid, 30, [](TinyRank& mine, int rank) {
    if (rank == 1) mine.exp_avg_sq[0] = std::numeric_limits<float>::quiet_NaN();
  });
  for (const std::string& error : errors) {
    CHECK_THAT(error, Catch::StartsWith("16: rank 1: "));
    CHECK_THAT(error, Catch::Contains("exp_avg_sq"));
  }
  CHECK(names_in(two.run()).size() == 3);
  CHECK(find_checkpoint(two.run()) == 20);
}

TEST_CASE("a rank that cannot write fails the save on all ranks and keeps the last one",
          "[ranks]") {
  const TwoCheckpoints two;
  // In a child, for the limit is the process's; the file of each rank is larger than it.
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit limit{.rlim_cur = 8192, .rlim_max = 8192};
    std::signal(SIGXFSZ, SIG_IGN);
    bool good = setrlimit(RLIMIT_FSIZE, &limit) == 0;
    for (const std::string& error : save_tiny(two.run(), kGrid, 30))
      good = good && error.starts_with("74: rank 0: ") &&
             error.find("rank-00000.safetensors") != std::string::npos &&
             error.find("cannot reserve ") != std::string::npos &&
             error.find("bytes free") != std::string::npos &&
             error.find("; the checkpoint takes ") != std::string::npos &&
             error.find("(1 more ranks failed)") != std::string::npos;
    _exit(good ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(names_in(two.run()).size() == 3);
  CHECK(find_checkpoint(two.run()) == 20);
  CHECK(load_tiny(two.run(), kGrid, 20) == kFine);
}

TEST_CASE("a place that is no folder fails the save on all ranks", "[ranks]") {
  const ScratchFolder folder;
  write_text(folder / "run", "a file");
  for (const std::string& error : save_tiny(folder / "run", kGrid, 1))
    CHECK_THAT(error, Catch::StartsWith("74: rank 0: ") && Catch::Contains("cannot make"));
}

TEST_CASE("a pending iteration that is not committed vanishes", "[unit]") {
  const ScratchFolder folder;
  fs::path temporary;
  {
    PendingIteration pending(folder.path(), 4);
    temporary = pending.path();
    write_text(temporary / "half", "x");
    CHECK(committed_iterations(folder.path()).empty());
    CHECK_THROWS_AS(committed_folder(folder.path(), 4), CheckpointError);
  }
  CHECK_FALSE(fs::exists(temporary));
  PendingIteration pending(folder.path(), 12345678);  // more digits than the padding
  pending.commit();
  CHECK(committed_iterations(folder.path()) == std::vector<int64_t>{12345678});
  CHECK(committed_folder(folder.path(), 12345678).filename() == "iter_12345678");
}
