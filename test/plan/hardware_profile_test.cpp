#include "plan/hardware_profile.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "base/check.h"
#include "plan/gemm_cost.h"
#include "plan/ideal_hardware.h"
#include "plan/sourced_json.h"
#include "support/scratch_folder.h"

using namespace swallow;
using swallow::test::ScratchFolder;
using Json = nlohmann::ordered_json;

namespace {

Json a100() {
  return read_json_file(SWALLOW_SOURCE_DIR "/presets/gpu/a100-40.json");
}

HardwareProfile load(const ScratchFolder& folder, const std::string& text) {
  const std::string path = (folder.path() / "mine.json").string();
  std::ofstream(path) << text;
  return load_hardware_profile(path);
}

}  // namespace

TEST_CASE("the profiles of GPUs hold the data sheets' figures", "[unit][plan]") {
  CHECK(hardware_profile_names() == std::vector<std::string>{"a100-40", "a100-80", "h100", "h200"});
  struct Expected {
    const char* name;
    double tflops, bandwidth, network, gib;  // data sheets'
  };
  for (const Expected& e :
       {Expected{"a100-40", 312, 1555, 100, 39.6}, Expected{"a100-80", 312, 2039, 200, 79.3},
        Expected{"h100", 989, 3350, 400, 79.2}, Expected{"h200", 989, 4800, 400, 139.8}}) {
    CAPTURE(e.name);
    const HardwareProfile p = load_hardware_profile(e.name);
    CHECK(p.name == e.name);
    CHECK(p.peak_tflops == e.tflops);
    CHECK(p.memory_gbytes_per_second == Approx(0.85 * e.bandwidth).epsilon(0.01));
    CHECK(p.network_gbytes_per_second == Approx(0.8 * e.network));
    CHECK(static_cast<double>(p.memory_bytes) / (1 << 30) == Approx(e.gib).margin(0.1));
    CHECK(p.ranks_per_node == 8);
    CHECK(p.shared_cores == 0);
  }
}

TEST_CASE("a profile with a mistake is refused by file, key and value", "[unit][plan]") {
  const ScratchFolder folder;
  const auto refused = [&](const Json& json, const std::string& part) {
    CAPTURE(json.dump(1), part);
    CHECK_THROWS_WITH(load(folder, json.dump()),
                      Catch::Contains("mine.json") && Catch::Contains(part));
    CHECK_THROWS_AS(load(folder, json.dump()), ConfigError);
  };
  Json json = a100();
  CHECK_NOTHROW(load(folder, json.dump()));
  json.erase("peak_tflops");
  refused(json, "key \"peak_tflops\" is missing");
  json = a100();
  json["peak_tflop"] = json["peak_tflops"];
  refused(json, "did you mean peak_tflops?");
  json = a100();
  json["peak_tflops"] = 312;
  refused(json, "\"peak_tflops\" 312: expected {\"value\": ..., \"source\"");
  json = a100();
  json["peak_tflops"]["source"] = "";
  refused(json, "where it is from");
  json = a100();
  json["gemm_efficiency"]["value"] = 1.2;
  refused(json, "\"gemm_efficiency\" 1.2: expected a finite decimal number, above 0 and at most 1");
  json = a100();
  json["ranks_per_node"]["value"] = 7.5;
  refused(json, "\"ranks_per_node\" 7.5: expected a whole number");
  json = a100();
  json["gemm_tiles"]["value"] = {{128, 128}};
  refused(json, "\"gemm_tiles\" array: expected a list of rows of 3 numbers");
  json = a100();
  json["pass_gbytes_per_second"] = {{"value", {{"norm", 5}}}, {"source", "a guess"}};
  refused(json, "\"norm\": expected one of norm_forward|");
  CHECK_THROWS_WITH(load(folder, R"({"name": "a", "name": "b"})"),
                    Catch::Contains("key \"name\" is given twice"));
  CHECK_THROWS_WITH(load(folder, "{"), Catch::Contains("not valid JSON"));
  CHECK_THROWS_WITH(load_hardware_profile("a100-4"), Catch::Contains("did you mean a100-40?"));
  CHECK_THROWS_WITH(load_hardware_profile("nowhere/x.json"), Catch::Contains("cannot be read"));
}

TEST_CASE("a pass over memory goes at its own rate, or else at that of all", "[unit][plan]") {
  HardwareProfile hw = ideal_hardware();
  hw.pass_gbytes_per_second[MemoryPass::adamw] = 250;
  CHECK(hw.pass_seconds(MemoryPass::adamw, 1e9) == Approx(4e-3));
  CHECK(hw.pass_seconds(MemoryPass::rope, 1e9) == Approx(1e-3));
}

TEST_CASE("a product takes whole waves of tiles", "[unit][plan]") {
  HardwareProfile hw = ideal_hardware();
  hw.multiprocessors = 100;
  hw.gemm_tiles = {{128, 128, 1}};
  // 10 x 10 tiles are one wave of 100; an eleventh row of tiles makes it two.
  const double one_wave = gemm_seconds(hw, {{1280, 1280, 4096, false}});
  CHECK(one_wave == Approx(2.0 * 1280 * 1280 * 4096 / 100e12));
  CHECK(gemm_seconds(hw, {{1281, 1280, 4096, false}}) == Approx(2 * one_wave));
  CHECK(gemm_seconds(hw, {{2560, 1280, 4096, false}}) == Approx(2 * one_wave));
  hw.gemm_ramp = 64;
  CHECK(gemm_seconds(hw, {{1280, 1280, 4096, false}}) == Approx(one_wave * (1 + 64.0 / 4096)));
  // Smaller tiles fill the second wave better: 220 of 64 x 128 in three waves of half the work.
  hw.gemm_ramp = 0;
  hw.gemm_tiles.push_back({64, 128, 0.9});
  CHECK(gemm_seconds(hw, {{1281, 1280, 4096, false}}) == Approx(1.5 / 0.9 * one_wave));
}

TEST_CASE("a product with little arithmetic takes the time to move its matrices", "[unit][plan]") {
  const HardwareProfile hw = ideal_hardware();
  const double elements = 4096 * 8 + 8 * 4096;
  CHECK(gemm_seconds(hw, {{4096, 4096, 8, false}}) ==
        Approx((2 * elements + 2.0 * 4096 * 4096) / 1e12));
  CHECK(gemm_seconds(hw, {{4096, 4096, 8, true}}) ==
        Approx((2 * elements + 8.0 * 4096 * 4096) / 1e12));
}

TEST_CASE("measured products take the place of estimates, from either kind of file",
          "[unit][plan]") {
  const ScratchFolder folder;
  std::ofstream(folder.path() / "table.json") << R"({"format": 1, "products": [
    {"m": 64, "n": 128, "k": 256, "accumulate": false, "chosen_ms": 0.5},
    {"m": 64, "n": 128, "k": 256, "accumulate": false, "chosen_ms": 0.25},
    {"m": 64, "n": 128, "k": 256, "accumulate": true, "chosen_ms": 2}]})";
  Json json = a100();
  json["gemm_table"] = "table.json";
  const HardwareProfile hw = load(folder, json.dump());
  CHECK(gemm_seconds(hw, {{64, 128, 256, false}}) == Approx(0.25e-3));
  CHECK(gemm_seconds(hw, {{64, 128, 256, true}}) == Approx(2e-3));
  CHECK(gemm_seconds(hw, {{64, 128, 255, false}}) < 0.1e-3);

  std::ofstream(folder.path() / "record.json") << R"({"kind": "bench", "products": [],
    "ops": [{"gemm": false, "shape": "4 x 4", "ms": {"median": 1}},
            {"gemm": true, "shape": "16 x 32 x 64 TN, f32 +=", "ms": {"median": 3}}]})";
  const GemmMeasurements record = read_gemm_measurements((folder.path() / "record.json").string());
  CHECK(record == GemmMeasurements{{{16, 32, 64, true}, 3e-3}});

  for (const char* text :
       {R"({"products": []})", R"({"kind": "train"})", R"({"products": [{"m": 1}]})"}) {
    std::ofstream(folder.path() / "bad.json") << text;
    CHECK_THROWS_AS(read_gemm_measurements((folder.path() / "bad.json").string()), ConfigError);
  }
}
