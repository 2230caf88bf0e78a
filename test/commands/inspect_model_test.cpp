#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "checkpoint/tiny_folder.h"
#include "commands/inspect.h"

using namespace swallow;
using namespace swallow::test;

namespace {

std::string inspect(const std::vector<std::string>& args) {
  std::ostringstream out;
  REQUIRE(run_inspect(args, out) == 0);
  return out.str();
}

std::string damage(const std::string& folder) {
  std::ostringstream out;
  try {
    run_inspect({folder, "--verify"}, out);
    return "";
  } catch (const CheckpointError& error) {
    REQUIRE(out.str().empty());
    return error.what();
  }
}

void flip(const std::string& path, int64_t byte) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(byte);
  const auto old = static_cast<char>(file.get());
  file.seekp(byte);
  file.put(static_cast<char>(old ^ 0x10));
}

}  // namespace

TEST_CASE("inspect tells what a checkpoint holds, and verifies it", "[commands]") {
  const ScratchFolder scratch;
  const std::string save = scratch / "run";
  REQUIRE(save_tiny(save, {2, 2, 1}, 5) == std::vector<std::string>(4));
  for (const std::string& folder : {save, save + "/iter_0000005"}) {
    const auto json = nlohmann::json::parse(inspect({folder, "--json", "--verify"}));
    CHECK(json["format"] == "checkpoint");
    CHECK(json["iteration"] == 5);
    CHECK(json["consumed_train_samples"] == 40);
    CHECK(json["grid"] == nlohmann::json{{"dp", 2}, {"tp", 2}, {"pp", 1}});
    CHECK(json["files"] == 4);
    CHECK(json["verified"] == true);
    REQUIRE(json["tensors"].size() == 21);
    const auto& head = json["tensors"][0];
    CHECK(head["name"] == "lm_head.weight");
    CHECK(head["shape"] == std::vector<int>{37, 16});
    CHECK(head["dtype"] == "BF16");
    CHECK(head["state_dtype"] == "F32");
    CHECK(head["bytes"] == 37 * 16 * (2 + 3 * 4));
    const std::string text = inspect({folder});
    CHECK_THAT(text, Catch::Contains("DP 2 x TP 2 x PP 1") && Catch::Contains("not read") &&
                         Catch::Contains("model.layers.1.self_attn.k_proj.weight"));
  }
}

TEST_CASE("verifying names every damaged range of a checkpoint", "[commands]") {
  const ScratchFolder scratch;
  const std::string save = scratch / "run";
  REQUIRE(save_tiny(save, {1, 2, 1}, 5) == std::vector<std::string>(2));
  const std::string first = save + "/iter_0000005/rank-00000.safetensors";
  const std::string second = save + "/iter_0000005/rank-00001.safetensors";
  const FileTensor tensor = TensorFile(first).at("lm_head.weight");
  flip(first, tensor.offset);
  flip(first, tensor.offset + tensor.bytes - 1);  // the same range
  flip(second, TensorFile(second).size() - 1);
  const std::string message = damage(save);
  CHECK_THAT(message, Catch::Contains("2 damaged ranges") && Catch::Contains("lm_head.weight") &&
                          Catch::Contains(fmt::format("bytes {} to {}", tensor.offset,
                                                      tensor.offset + tensor.bytes)) &&
                          Catch::Contains("rank-00001.safetensors"));
  flip(second, 20);  // in its header
  CHECK(damage(save) != "");
  std::filesystem::remove(second);
  CHECK_THAT(damage(save + "/iter_0000005"), Catch::Contains("rank-00001.safetensors"));
}

TEST_CASE("inspect tells what a Hugging Face folder holds", "[commands]") {
  const ScratchFolder scratch;
  const std::string folder = scratch / "hf";
  write_tiny_folder(folder, {.type = NumberType::f16, .shards = 2});
  const auto json = nlohmann::json::parse(inspect({folder, "--json", "--verify"}));
  CHECK(json["format"] == "hugging_face");
  CHECK(json["files"] == 2);
  CHECK(json["tensors"][0]["dtype"] == "F16");
  CHECK_THAT(inspect({folder}), Catch::Contains("Hugging Face"));
  const std::string file = folder + "/model-00001-of-00002.safetensors";
  const TensorFile opened(file);
  const auto& [name, tensor] = *opened.header().tensors.begin();
  std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(tensor.offset + 2);
  out << "\xff\xff";
  out.close();
  CHECK_THAT(damage(folder), Catch::Contains(name) && Catch::Contains("element 1 is not finite"));
}

TEST_CASE("inspect refuses a folder that is none, and flags of datasets for one", "[commands]") {
  const ScratchFolder scratch;
  std::ostringstream out;
  CHECK_THROWS_WITH(run_inspect({scratch.path().string()}, out),
                    Catch::Contains("Hugging Face folder"));
  write_tiny_folder(scratch / "hf");
  CHECK_THROWS_WITH(run_inspect({scratch / "hf", "--documents", "0:1"}, out),
                    Catch::Contains("--documents") && Catch::Contains("is a folder"));
}
