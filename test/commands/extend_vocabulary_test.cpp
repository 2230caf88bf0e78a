// `swallow-train import --extend-vocab` from command line to file; what SentencePiece says of the
// new pieces is the judge. Built only where SentencePiece and its trainer are.
#include <sentencepiece_processor.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <sstream>

#include "checkpoint/hugging_face_folder.h"
#include "checkpoint/tiny_folder.h"
#include "commands/import.h"
#include "data/bpe_model.h"

using namespace swallow;
using namespace swallow::test;

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kOldTexts = {"th", "the", " the", "se", "sea", " sea", "海を", " ",
                                            "t",  "h",   "e",    "s",  "a",   "海",   "を"};
/// "鳥" is three bytes to the old model; the last is made of spaces alone.
const std::vector<std::string> kNewTexts = {" the sea", "sea海を", "鳥", "theth", "  "};
constexpr int64_t kOld = 3 + 256 + 15;
constexpr int64_t kNew = 5 + 1;  // and a control symbol
constexpr int64_t kColumns = 16;

const std::string kGrown[] = {"model.embed_tokens.weight", "lm_head.weight"};

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string new_model() {
  std::string model = bpe_model(kOldTexts);
  for (const std::string& text : kNewTexts) model += bpe_piece(text, PieceType::normal, -99);
  return model + bpe_piece("<pad>", PieceType::control, 0);
}

ModelConfig old_config() {
  ModelConfig model = tiny_model_config();
  model.vocab_size = kOld;
  return model;
}

/// The tiny model with rows for kOld tokens and their tokenizer, and the extended tokenizer.
void write_inputs(const ScratchFolder& scratch) {
  fs::create_directory(scratch / "in");
  write_json(scratch / "in/config.json",
             nlohmann::json::parse(hugging_face_config_text({.model = old_config()}, "float32")));
  write_tiny_shard(scratch / "in/model.safetensors", canonical_tensors(old_config()),
                   NumberType::f32);
  write_text(scratch / "in/tokenizer.model", bpe_model(kOldTexts));
  write_text(scratch / "new.model", new_model());
}

std::string extend(const ScratchFolder& scratch, const std::string& output,
                   const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {"import", "--load",         scratch / "in",       "--output",
                                   output,   "--extend-vocab", scratch / "new.model"};
  args.insert(args.end(), more.begin(), more.end());
  std::ostringstream out;
  REQUIRE(run_import(parse_command_line(args), out) == 0);
  return out.str();
}

std::vector<float> numbers(const std::string& folder, const std::string& tensor) {
  const TensorFile file(folder + "/model.safetensors");
  std::vector<std::byte> bytes;
  file.read(file.at(tensor), [&](std::span<const std::byte> chunk, int64_t) {
    bytes.insert(bytes.end(), chunk.begin(), chunk.end());
  });
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// What SentencePiece makes of a new piece's text with the old pieces and no space put before it.
std::vector<int> pieces_of(const std::string& text) {
  sentencepiece::SentencePieceProcessor old;
  REQUIRE(old.LoadFromSerializedProto(bpe_model(kOldTexts, false)).ok());
  std::vector<int> ids;
  REQUIRE(old.Encode(text, &ids).ok());
  REQUIRE(ids.size() > 1);
  return ids;
}

/// Of old rows, rounded once.
std::vector<float> mean_of_rows(const std::vector<float>& tensor, const std::vector<int>& rows) {
  std::vector<float> mean;
  for (int64_t c = 0; c < kColumns; ++c) {
    double sum = 0;
    for (const int row : rows) sum += tensor[static_cast<size_t>(row * kColumns + c)];
    mean.push_back(static_cast<float>(sum / static_cast<double>(rows.size())));
  }
  return mean;
}

std::vector<float> row_of(const std::vector<float>& tensor, int64_t row) {
  const auto begin = tensor.begin() + row * kColumns;
  return {begin, begin + kColumns};
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// All but the new rows is as it was, and there are no rows of padding.
void require_old_numbers(const std::string& before, const std::string& after) {
  for (const auto& [name, shape] : canonical_tensors(old_config())) {
    INFO(name);
    const std::vector<float> had = numbers(before, name);
    const std::vector<float> has = numbers(after, name);
    const bool grown = std::ranges::find(kGrown, name) != std::end(kGrown);
    REQUIRE(std::ssize(has) == std::ssize(had) + (grown ? kNew * kColumns : 0));
    REQUIRE(same_bits(had, std::span(has).first(had.size())));
  }
  CHECK(read_hugging_face_config(after).model.vocab_size == kOld + kNew);
}

}  // namespace

TEST_CASE("import gives a new token the mean of what SentencePiece splits it into", "[commands]") {
  const ScratchFolder scratch;
  write_inputs(scratch);
  // A grid that pads the vocabulary to 4 x 128 rows; a folder has none of them.
  CHECK_THAT(extend(scratch, scratch / "out",
                    {"--tensor-model-parallel-size", "4", "--make-vocab-size-divisible-by", "128"}),
             Catch::Contains("280 tokens, 6 more than before"));
  require_old_numbers(scratch / "in", scratch / "out");
  for (const std::string& name : kGrown) {
    const std::vector<float> old = numbers(scratch / "in", name);
    const std::vector<float> grown = numbers(scratch / "out", name);
    for (size_t i = 0; i < kNewTexts.size(); ++i) {
      INFO(name << ", " << kNewTexts[i]);
      CHECK(same_bits(row_of(grown, kOld + static_cast<int64_t>(i)),
                      mean_of_rows(old, pieces_of(kNewTexts[i]))));
    }
    std::vector<int> all(kOld);  // of a symbol without text
    std::iota(all.begin(), all.end(), 0);
    const std::vector<float> last = row_of(grown, kOld + kNew - 1);
    const std::vector<float> mean = mean_of_rows(old, all);
    for (size_t c = 0; c < last.size(); ++c) CHECK(last[c] == Approx(mean[c]));
  }
  CHECK(pieces_of("鳥") == std::vector<int>{3 + 0xe9, 3 + 0xb3, 3 + 0xa5});
  CHECK(read_file(scratch / "out/tokenizer.model").size() == new_model().size());
  CHECK(fs::exists(scratch / "out/tokenizer.json"));
}

TEST_CASE("import's random rows depend on the seed alone", "[commands]") {
  const ScratchFolder scratch;
  write_inputs(scratch);
  extend(scratch, scratch / "means");
  extend(scratch, scratch / "first", {"--init", "random"});
  extend(scratch, scratch / "again", {"--init", "random"});
  extend(scratch, scratch / "other", {"--init", "random", "--seed", "4321"});
  for (const char* name : {"means", "first", "again", "other"})
    require_old_numbers(scratch / "in", scratch / std::string(name));
  for (const std::string& name : kGrown) {
    const std::vector<float> first = numbers(scratch / "first", name);
    CHECK(same_bits(first, numbers(scratch / "again", name)));
    for (int64_t row = kOld; row < kOld + kNew; ++row) {
      INFO(name << ", row " << row);
      CHECK_FALSE(same_bits(row_of(first, row), row_of(numbers(scratch / "means", name), row)));
      CHECK_FALSE(same_bits(row_of(first, row), row_of(numbers(scratch / "other", name), row)));
    }
  }
}
