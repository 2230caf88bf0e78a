#include "commands/import.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "checkpoint/saved_model.h"
#include "checkpoint/tiny_folder.h"

using namespace swallow;
using namespace swallow::test;

namespace fs = std::filesystem;

namespace {

std::string import_model(std::vector<std::string> args) {
  args.insert(args.begin(), "import");
  std::ostringstream out;
  REQUIRE(run_import(parse_command_line(args), out) == 0);
  return out.str();
}

std::string refusal(std::vector<std::string> args) {
  args.insert(args.begin(), "import");
  std::ostringstream out;
  try {
    run_import(parse_command_line(args), out);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

/// A SentencePiece model of these pieces, without anything that splits text.
void write_model(const std::string& path, const std::vector<std::string>& pieces) {
  std::ofstream file(path, std::ios::binary);
  for (const std::string& text : pieces)
    file << '\x0a' << static_cast<char>(text.size() + 2) << '\x0a' << static_cast<char>(text.size())
         << text;
}

std::vector<std::string> numbered_pieces(int count) {
  std::vector<std::string> pieces;
  for (int i = 0; i < count; ++i) pieces.push_back(fmt::format("p{}", i));
  return pieces;
}

/// A folder of `model` whose files have headers and no written number: sparse.
void write_hollow_folder(const std::string& folder, const ModelConfig& model, int64_t shards) {
  fs::create_directory(folder);
  write_json(folder + "/config.json",
             nlohmann::json::parse(hugging_face_config_text({.model = model}, "bfloat16")));
  const auto tensors = canonical_tensors(model);
  HuggingFaceIndex index{.total_size = 0};
  for (int64_t shard = 0; shard < shards; ++shard) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards);
    nlohmann::json header;
    int64_t end = 0;
    for (auto i = static_cast<size_t>(shard); i < tensors.size();
         i += static_cast<size_t>(shards)) {
      const auto& [tensor, shape] = tensors[i];
      const int64_t begin = end;
      end += shape.numel() * 2;
      *index.total_size += shape.numel() * 2;
      header[tensor] = {
          {"dtype", "BF16"}, {"shape", dims_of(shape)}, {"data_offsets", {begin, end}}};
      index.file_of[tensor] = name;
    }
    const std::string text = header.dump();
    const auto length = static_cast<uint64_t>(text.size());
    std::ofstream file(folder + "/" + name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof length);
    file << text;
    file.close();
    fs::resize_file(folder + "/" + name, sizeof length + text.size() + static_cast<size_t>(end));
  }
  std::ofstream(folder + "/" + std::string(kIndexFile)) << hugging_face_index_text(index);
}

}  // namespace

TEST_CASE("the plan of 70B's loading is made without its weights", "[commands]") {
  const ScratchFolder scratch;
  const RunConfig config =
      parse_command_line({"--preset", "70b", "--vocab-size", "32000", "--mock-data"}).config;
  write_hollow_folder(scratch / "70b", config.model, 29);
  const std::vector<std::string> args = {"--dry-run", "--preset", "70b",          "--vocab-size",
                                         "32000",     "--load",   scratch / "70b"};
  CHECK_THAT(import_model(args), Catch::Contains("64 ranks read") && Catch::Contains("29 files"));
  std::vector<std::string> with_json = args;
  with_json.emplace_back("--json");
  const auto plans = nlohmann::json::parse(import_model(with_json));
  REQUIRE(plans.size() == 64);
  int64_t total = 0;
  int64_t norms = 0;
  for (const auto& plan : plans) {
    int64_t bytes = 0;
    for (const auto& read : plan["reads"]) {
      int64_t sum = 0;
      for (const auto& run : read["runs"])
        sum += run["bytes"].get<int64_t>() * run["count"].get<int64_t>();
      bytes += sum;
      if (plan["tp"] != 0 && read["tensor"].get<std::string>().ends_with("norm.weight"))
        norms += sum;
      CHECK(read["for"] == "weight");  // a bf16 file says nothing that a bf16 parameter does not
    }
    CHECK(plan["bytes"] == bytes);
    total += bytes;
  }
  // 161 norms of 8192 numbers are read by seven more ranks each; all else once.
  CHECK(norms == 161 * 8192 * 2 * 7);
  CHECK(total - norms == int64_t{68'976'648'192} * 2);  // Llama 2 70B's parameters
  CHECK_THAT(refusal({"--dry-run", "--preset", "70b", "--load", scratch / "70b"}),
             Catch::Contains("--vocab-size 43176: the folder has 32000"));
}

TEST_CASE("import extends a vocabulary whose old tokens keep their places", "[commands]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "in");
  write_model(scratch / "in/tokenizer.model", numbered_pieces(37));
  write_model(scratch / "new.model", numbered_pieces(45));
  for (const char* init : {"mean", "random"}) {
    const std::string output = scratch / std::string(init);
    CHECK_THAT(import_model({"--load", scratch / "in", "--output", output, "--extend-vocab",
                             scratch / "new.model", "--init", init}),
               Catch::Contains("45 tokens, 8 more"));
    const SavedModel model(output);
    CHECK(model.config().model.vocab_size == 45);
    CHECK(model.tensors(StateKind::weight)->tensors().find("lm_head.weight")->second.shape ==
          Shape{45, 16});
    CHECK(read_file(output + "/tokenizer.model") == read_file(scratch / "new.model"));
  }
}

TEST_CASE("import refuses vocabularies that do not belong together", "[commands]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "in");
  const std::vector<std::string> args = {
      "--load", scratch / "in", "--output",       scratch / "out",
      "--init", "mean",         "--extend-vocab", scratch / "new.model"};
  write_model(scratch / "new.model", numbered_pieces(45));
  CHECK_THAT(refusal(args), Catch::Contains("--tokenizer-model"));
  write_model(scratch / "in/tokenizer.model", numbered_pieces(36));
  CHECK_THAT(refusal(args), Catch::Contains("rows for 37 tokens") && Catch::Contains("has 36"));
  write_model(scratch / "in/tokenizer.model", numbered_pieces(37));
  auto changed = numbered_pieces(45);
  changed[7] = "x";
  write_model(scratch / "new.model", changed);
  CHECK_THAT(refusal(args), Catch::Contains("token 7 is \"x\"") && Catch::Contains("\"p7\""));
  write_model(scratch / "new.model", numbered_pieces(37));
  CHECK_THAT(refusal(args), Catch::Contains("expected more than the 37"));
  CHECK_FALSE(fs::exists(scratch / "out"));

  CHECK_THAT(refusal({"--load", scratch / "in"}), Catch::Contains("--dry-run"));
  CHECK_THAT(refusal({"--dry-run"}), Catch::Contains("--load"));
  CHECK_THAT(refusal({"--load", scratch / "in", "--extend-vocab", scratch / "new.model"}),
             Catch::Contains("--output"));
}
