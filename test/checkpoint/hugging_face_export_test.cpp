#include "checkpoint/hugging_face_export.h"

#include <catch2/catch.hpp>

#include "checkpoint/extended_vocabulary.h"
#include "checkpoint/saved_model.h"
#include "checkpoint/tiny_folder.h"
#include "config/value_text.h"

using namespace swallow;
using namespace swallow::test;

namespace fs = std::filesystem;

namespace {

std::vector<std::byte> bytes_of(const HuggingFaceFolder& folder, const std::string& name) {
  const TensorFile& file = folder.file_of(name);
  std::vector<std::byte> bytes;
  file.read(file.at(name), [&](std::span<const std::byte> chunk, int64_t) {
    bytes.insert(bytes.end(), chunk.begin(), chunk.end());
  });
  return bytes;
}

/// Tensors of tiny_value(kind) in this type, byte by byte.
void require_values(const HuggingFaceFolder& folder, StateKind kind, NumberType type) {
  for (const auto& [name, shape] : canonical_tensors(tiny_model_config())) {
    INFO(name);
    std::vector<double> values;
    for (int64_t i = 0; i < shape.numel(); ++i) {
      const double value = tiny_value(kind, name, i);
      values.push_back(kind == StateKind::weight
                           ? static_cast<double>(convert<float>(convert<bfloat16>(value)))
                           : static_cast<double>(static_cast<float>(value)));
    }
    std::vector<std::byte> want(values.size() * static_cast<size_t>(size_of(type)));
    (void)convert_numbers(std::as_bytes(std::span(values)), NumberType::f64, want, type);
    REQUIRE(folder.tensors().find(name)->second.type == type);
    REQUIRE(bytes_of(folder, name) == want);
  }
}

template <class E>
std::string export_error(const TensorSource& source, const ExportOptions& options,
                         const ModelConfig& model = tiny_model_config()) {
  try {
    write_hugging_face(source, {.model = model}, options);
    return "";
  } catch (const E& error) {
    return error.what();
  }
}

bool is_clean(const ScratchFolder& scratch, size_t entries) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(scratch.path()), {})) == entries;
}

}  // namespace

TEST_CASE("import then export gives back every tensor byte for byte", "[checkpoint]") {
  const ScratchFolder scratch;
  for (const NumberType type : {NumberType::bf16, NumberType::f16, NumberType::f32}) {
    const std::string name(file_dtype(type));
    write_tiny_folder(scratch / name, {.type = type, .shards = 3});
    const SavedModel model(scratch / name);
    REQUIRE(model.weight_type() == type);
    for (const int64_t shard : {int64_t{4096}, kMaxShardSize}) {
      const fs::path output = scratch / fmt::format("{}-{}", name, shard);
      const ExportResult result =
          write_hugging_face(model.weights_as(type), model.config(),
                             {.output = output, .type = type, .max_shard_size = shard});
      const HuggingFaceFolder exported(output);
      for (const auto& [tensor, facts] : exported.tensors())
        REQUIRE(bytes_of(exported, tensor) == bytes_of(*model.hugging_face(), tensor));
      CHECK(exported.notices().empty());  // so total_size is right
      CHECK(std::ssize(exported.files()) == result.files);
      CHECK((result.files == 1) == (shard == kMaxShardSize));
      for (const auto& [file_name, file] : exported.files()) {
        CHECK(file.size() <= shard);
        CHECK(file.header().metadata.at("format") == "pt");
      }
      CHECK_NOTHROW(require_same_model(tiny_model_config(), exported.config().model, "f"));
    }
  }
}

TEST_CASE("a checkpoint of any grid is exported whole and unpadded", "[checkpoint]") {
  const ScratchFolder scratch;
  for (const TinyGrid& grid : {TinyGrid{1, 1, 1}, {2, 2, 2}, {3, 1, 2, false}, {1, 2, 1}}) {
    const std::string save = scratch / fmt::format("{}{}{}", grid.dp, grid.tp, grid.pp);
    REQUIRE(save_tiny(save, grid, 5) == std::vector<std::string>(static_cast<size_t>(grid.size())));
    const SavedModel model(save);
    const auto exported = [&](NumberType type) {
      const fs::path output = save + "-" + std::string(file_dtype(type));
      write_hugging_face(model.weights_as(type), {.model = tiny_model_config()},
                         {.output = output, .type = type});
      return HuggingFaceFolder(output);
    };
    require_values(exported(NumberType::bf16), StateKind::weight, NumberType::bf16);
    require_values(exported(NumberType::f32), StateKind::master, NumberType::f32);
    require_values(exported(NumberType::f16), StateKind::master, NumberType::f16);
  }
}

TEST_CASE("a checkpoint without optimizer state is exported from its weights", "[checkpoint]") {
  const ScratchFolder scratch;
  REQUIRE(save_tiny(scratch / "run", {2, 1, 1}, 7) == std::vector<std::string>(2));
  // The manifest of a folder that holds weights alone.
  const fs::path iteration = scratch.path() / "run" / "iter_0000007";
  Manifest manifest = read_manifest(iteration, 7);
  for (auto& [name, tensor] : manifest.tensors)
    std::erase_if(tensor.pieces, [](const auto& p) { return p.kind != StateKind::weight; });
  std::erase_if(manifest.files,
                [](const auto& file) { return file.first.find("00001") != std::string::npos; });
  fs::remove(iteration / kManifestName);
  write_new_file(iteration / kManifestName, manifest_text(manifest));
  const SavedModel model(iteration);
  CHECK(model.tensors(StateKind::master) == nullptr);
  write_hugging_face(model.weights_as(NumberType::f32), {.model = tiny_model_config()},
                     {.output = scratch / "out", .type = NumberType::f32});
  require_values(HuggingFaceFolder(scratch / "out"), StateKind::weight, NumberType::f32);
}

TEST_CASE("a damaged checkpoint is named and leaves no folder behind", "[checkpoint]") {
  const ScratchFolder scratch;
  REQUIRE(save_tiny(scratch / "run", {1, 2, 1}, 5) == std::vector<std::string>(2));
  const fs::path file = scratch.path() / "run" / "iter_0000005" / "rank-00001.safetensors";
  const FileTensor tensor = TensorFile(file).at("model.layers.1.mlp.down_proj.weight");
  std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(tensor.offset + 7);
  out.put('\x33');
  out.close();
  const SavedModel model(scratch / "run");
  CHECK_THAT(export_error<CheckpointError>(model.weights_as(NumberType::bf16),
                                           {.output = scratch / "out"}),
             Catch::Contains("rank-00001.safetensors") &&
                 Catch::Contains("model.layers.1.mlp.down_proj.weight") &&
                 Catch::Contains("XXH3-128"));
  CHECK(is_clean(scratch, 1));
}

TEST_CASE("an export tells of which checkpoint it is", "[checkpoint]") {
  const ScratchFolder scratch;
  REQUIRE(save_tiny(scratch / "run", {2, 2, 1}, 5) == std::vector<std::string>(4));
  REQUIRE(save_tiny(scratch / "run", {2, 2, 1}, 6) == std::vector<std::string>(4));
  const SavedModel five(scratch / "run", 5);
  const SavedModel six(scratch / "run", 6);
  const auto export_to = [&](const std::string& output, const SavedModel& model) {
    write_hugging_face(model.weights_as(NumberType::bf16), {.model = tiny_model_config()},
                       {.output = output, .max_shard_size = 4096, .checkpoint = model.manifest()});
  };
  export_to(scratch / "out", five);
  CHECK(is_export_of(scratch / "out", *five.manifest()));
  CHECK_FALSE(is_export_of(scratch / "out", *six.manifest()));
  // A file of another export among them, of the same size.
  export_to(scratch / "other", six);
  const std::string name = HuggingFaceFolder(scratch / "out").files().begin()->first;
  fs::copy_file(scratch / ("other/" + name), scratch / ("out/" + name),
                fs::copy_options::overwrite_existing);
  CHECK_FALSE(is_export_of(scratch / "out", *five.manifest()));
  VocabularyExtension extension{.init = RowInit::mean};
  extension.pieces.resize(1);
  ModelConfig larger = tiny_model_config();
  ++larger.vocab_size;
  const ExtendedVocabulary extended(five.weights_as(NumberType::bf16), extension);
  write_hugging_face(extended, {.model = larger},
                     {.output = scratch / "larger", .checkpoint = five.manifest()});
  CHECK_FALSE(is_export_of(scratch / "larger", *five.manifest()));
  CHECK_FALSE(is_export_of(scratch / "run", *five.manifest()));
  CHECK_FALSE(is_export_of(scratch / "nothing", *five.manifest()));
  write_tiny_folder(scratch / "foreign");
  CHECK_FALSE(is_export_of(scratch / "foreign", *five.manifest()));
}

TEST_CASE("a number that fp16 does not have stops an export by name", "[checkpoint]") {
  const ScratchFolder scratch;
  const auto enlarge = [](TinyRank& rank, int) { std::ranges::fill(rank.master, 70000.0F); };
  REQUIRE(save_tiny(scratch / "run", {}, 5, enlarge) == std::vector<std::string>{""});
  const SavedModel model(scratch / "run");
  CHECK_THAT(export_error<CheckpointError>(model.weights_as(NumberType::f16),
                                           {.output = scratch / "out", .type = NumberType::f16}),
             Catch::Contains("tensor \"model.") && Catch::Contains("is not finite as F16"));
  CHECK(is_clean(scratch, 1));
}

TEST_CASE("an export needs a free folder and the model's tensors", "[checkpoint]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "in");
  const SavedModel model(scratch / "in");
  const TensorSource& weights = model.weights_as(NumberType::bf16);
  fs::create_directory(scratch / "used");
  std::ofstream(scratch / "used/file") << "x";
  CHECK_THAT(export_error<ConfigError>(weights, {.output = scratch / "used"}),
             Catch::Contains("--output") && Catch::Contains("used: exists"));
  CHECK_THAT(export_error<ConfigError>(weights, {.output = scratch / "used/file"}),
             Catch::Contains("exists"));
  CHECK_THAT(export_error<ConfigError>(weights, {.output = scratch / "used", .flag = "--other"}),
             Catch::StartsWith("--other"));
  ModelConfig deeper = tiny_model_config();
  deeper.num_layers = 3;
  CHECK_THAT(export_error<CheckpointError>(weights, {.output = scratch / "out"}, deeper),
             Catch::Contains("model.layers.2.") && Catch::Contains("is missing"));
  fs::create_directory(scratch / "empty");
  CHECK(export_error<Error>(weights, {.output = scratch / "empty/"}) == "");
  CHECK(export_error<Error>(weights, {.output = scratch / "new/deep"}) == "");
  CHECK(is_clean(scratch, 4));
}

TEST_CASE("an export takes the tokenizer's files along, and its token ids", "[checkpoint]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "in");
  const SavedModel model(scratch / "in");
  fs::create_directory(scratch / "tokenizer");
  const std::string pieces(
      "\x0a\x09\x0a\x05<unk>\x18\x02\x0a\x08\x0a\x04</s>\x18\x03"
      "\x0a\x07\x0a\x03<s>\x18\x03",
      30);
  std::ofstream(scratch / "tokenizer/new.model") << pieces;
  std::ofstream(scratch / "tokenizer/tokenizer_config.json") << "{}";
  std::ofstream(scratch / "tokenizer/other.txt") << "no";
  const ExportOptions options{.output = scratch / "out",
                              .tokenizer_model = scratch / "tokenizer/new.model"};
  const ExportResult result =
      write_hugging_face(model.weights_as(NumberType::bf16), model.config(), options);
  CHECK(result.tokenizer_files == 2);
  CHECK(read_file(scratch / "out/tokenizer.model").size() == pieces.size());
  CHECK(fs::exists(scratch / "out/tokenizer_config.json"));
  CHECK_FALSE(fs::exists(scratch / "out/other.txt"));
  const HuggingFaceConfig config = read_hugging_face_config(scratch / "out");
  CHECK(config.eos_token_id == 1);
  CHECK(config.bos_token_id == 2);
  // And from a folder as they are.
  write_hugging_face(model.weights_as(NumberType::bf16), config,
                     {.output = scratch / "again", .tokenizer_folder = scratch / "out"});
  CHECK(read_file(scratch / "again/tokenizer.model") == read_file(scratch / "out/tokenizer.model"));
}

TEST_CASE("a size in bytes takes the units of transformers", "[unit][config]") {
  CHECK(parse_bytes("", "5GB") == 5'000'000'000);
  CHECK(parse_bytes("", "64KB") == 64'000);
  CHECK(parse_bytes("", "7") == 7);
  for (const char* text : {"", "GB", "0", "-1MB", "1.5GB", "5GiB", "5 GB", "05", "99999999999GB"})
    CHECK_THROWS_WITH(parse_bytes("--max-shard-size ", text),
                      Catch::Contains("--max-shard-size") && Catch::Contains("expected bytes"));
}
