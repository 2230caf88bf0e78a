// How products on a GPU choose and remember their kernels. That they are right at all, for every
// shape and type, is test/kernels/gemm_test.cpp. Refusals are arranged with the emulated library;
// on a GPU nothing refuses, and the same cases hold.
#include "kernels/gemm.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/gemm_cases.h"
#include "support/run_on.h"
#include "support/scratch_folder.h"

using namespace swallow;
using namespace swallow::test;

namespace {

/// Algorithms of the emulated library, by number, that refuse to run while this lives.
class Refusal {
 public:
  explicit Refusal(const char* numbers) {
    ::setenv("SWALLOW_EMULATED_CUBLASLT_REFUSES", numbers, 1);
  }
  Refusal(const Refusal&) = delete;
  Refusal& operator=(const Refusal&) = delete;
  ~Refusal() { ::unsetenv("SWALLOW_EMULATED_CUBLASLT_REFUSES"); }
};

bool is_emulated() {
  return list_devices().front().name == "emulated GPU";
}

const std::vector<GemmCase> kCases = {
    {64, 96, 80, DType::bf16, DType::bf16, {}, Transpose::yes},             // forward
    {64, 80, 96, DType::bf16, DType::bf16},                                 // gradient of the input
    {96, 80, 64, DType::bf16, DType::f32, Transpose::yes, {}, Beta::one},   // of the weight
    {33, 31, 129, DType::f32, DType::f32, {}, Transpose::yes, Beta::one}};  // nothing aligned

/// The product with a workspace of `workspace_bytes` on the GPU, `times` over, between two rows of
/// memory that it must leave alone. Returns c.
TestTensor multiply(Stream& stream, const GemmCase& c, int64_t workspace_bytes, int times = 1) {
  const GemmOperands x = make_operands(c);
  const TestTensor framed = empty_tensor(c.output, {c.m + 2, c.n});
  const double mark = 77;
  from_doubles(framed.tensor, std::vector<double>(static_cast<size_t>((c.m + 2) * c.n), mark));
  const Tensor inner = framed.tensor.rows(1, c.m + 1);
  std::memcpy(inner.data, x.c.tensor.data, static_cast<size_t>(inner.bytes()));

  Gemm op = x.op;
  op.c = framed.tensor;
  DeviceCopies copies(stream, 0);
  for (Tensor* tensor : {&op.a, &op.b, &op.c}) copies.upload(*tensor);
  op.c = op.c.rows(1, c.m + 1);
  const Buffer workspace(stream.device(), workspace_bytes);
  op.workspace = {workspace.data(), DType::u8, {workspace_bytes}, stream.device()};
  for (int i = 0; i < times; ++i) launch(stream, op);
  copies.download();

  const auto n = static_cast<size_t>(c.n);
  const std::vector<double> all = to_doubles(framed.tensor);
  for (size_t i = 0; i < n; ++i) REQUIRE((all[i] == mark && all[all.size() - 1 - i] == mark));
  return clone(inner);
}

/// `got` is c after one product.
void check(const GemmCase& c, const TestTensor& got) {
  require_close(got.tensor, reference(c, make_operands(c)), bound(c, DeviceKind::cuda));
}

GemmRecord record_of_only_shape(Stream& stream) {
  const std::vector<GemmRecord> records = gemm_records(stream);
  REQUIRE(records.size() == 1);
  return records.front();
}

}  // namespace

TEST_CASE("a GPU refuses products of f64", "[cuda][gemm]") {
  const auto gpu = find_gpu("the refusal of f64");
  if (!gpu) return;
  Stream stream(*gpu);
  REQUIRE_THROWS_WITH(run_on(stream, make_operands({3, 4, 5, DType::f64, DType::f64}).op),
                      Catch::Matchers::Contains("bf16 or f32"));
}

TEST_CASE("a stream remembers the kernel of each shape of product", "[cuda][gemm]") {
  const auto gpu = find_gpu("the memory for shapes");
  if (!gpu) return;
  Stream stream(*gpu);
  CHECK(gemm_records(stream).empty());
  for (const GemmCase& c : kCases) multiply(stream, c, 0, 3);
  multiply(stream, kCases[1], 0);
  std::vector<int64_t> launches;
  for (const GemmRecord& record : gemm_records(stream)) {
    CHECK(record.choice == GemmChoice::heuristic);
    CHECK(record.num_candidates > record.candidate);
    launches.push_back(record.launches);
  }
  CHECK(launches == std::vector<int64_t>{3, 4, 3, 3});  // in the order of their shapes
}

TEST_CASE("a CPU has no records of products", "[unit][gemm]") {
  Stream stream(Device{});
  configure_gemm(stream, {.enabled = true, .cache_folder = "/nowhere"});
  run_on(stream, make_operands({3, 4, 5, DType::f32, DType::f32}).op);
  CHECK(gemm_records(stream).empty());
  CHECK(gemm_workspace_bytes(Device{}) == 0);
}

TEST_CASE("a workspace only adds to the kernels on offer", "[cuda][gemm]") {
  const auto gpu = find_gpu("the workspace");
  if (!gpu) return;
  for (const GemmCase& c : kCases) {
    INFO(describe(c));
    Stream without(*gpu);
    Stream with(*gpu);
    check(c, multiply(without, c, 0));
    check(c, multiply(with, c, gemm_workspace_bytes(*gpu)));
    const int fewer = record_of_only_shape(without).num_candidates;
    const int more = record_of_only_shape(with).num_candidates;
    CHECK((is_emulated() ? more > fewer : more >= fewer));
  }
}

TEST_CASE("no kernel is promised more alignment than a product has", "[cuda][gemm]") {
  const auto gpu = find_gpu("the alignment of products");
  if (!gpu) return;
  for (const GemmCase& c : {kCases[0], kCases[1], kCases[2]}) {
    INFO(describe(c));
    Stream stream(*gpu);
    for (int shifted = 0; shifted <= 3; ++shifted) {  // none, a, b, c
      const GemmOperands x = make_operands(c);
      Gemm op = x.op;
      DeviceCopies even(stream, 0);
      DeviceCopies odd(stream, 1);
      (shifted == 1 ? odd : even).upload(op.a);
      (shifted == 2 ? odd : even).upload(op.b);
      (shifted == 3 ? odd : even).upload(op.c);
      launch(stream, op);
      even.download();
      odd.download();
      check(c, x.c);
    }
    const std::vector<GemmRecord> records = gemm_records(stream);
    CHECK(records.size() == 4);
    if (is_emulated())
      for (const GemmRecord& record : records) CHECK(record.candidate == 0);  // none refused
  }
}

TEST_CASE("measuring products changes nothing but the kernel", "[cuda][gemm]") {
  const auto gpu = find_gpu("the tuning of products");
  if (!gpu) return;
  for (const GemmCase& c : kCases)
    for (const int64_t workspace : {int64_t{0}, gemm_workspace_bytes(*gpu)}) {
      INFO(describe(c) << " workspace " << workspace);
      Stream stream(*gpu);
      configure_gemm(stream, {.enabled = true});
      check(c, multiply(stream, c, workspace));
      const GemmRecord record = record_of_only_shape(stream);
      CHECK(record.choice == GemmChoice::measured);
      CHECK(record.launches == 1);
    }
}

TEST_CASE("a tuned kernel is stored and used by later runs", "[cuda][gemm]") {
  const auto gpu = find_gpu("the file of tuned kernels");
  if (!gpu) return;
  const ScratchFolder folder;
  const std::string cache = folder / "new/cache";
  const int64_t workspace = gemm_workspace_bytes(*gpu);
  for (const GemmCase& c : kCases) {
    INFO(describe(c));
    Stream first(*gpu);
    configure_gemm(first, {.enabled = true, .cache_folder = cache});
    const TestTensor want = multiply(first, c, workspace);
    REQUIRE(record_of_only_shape(first).choice == GemmChoice::measured);
    for (const bool enabled : {false, true}) {
      Stream later(*gpu);
      configure_gemm(later, {.enabled = enabled, .cache_folder = cache});
      const TestTensor got = multiply(later, c, workspace);
      CHECK(record_of_only_shape(later).choice == GemmChoice::stored);
      CHECK(same_bits(got.tensor, want.tensor));
    }
  }
  // Two files: the table and its lock.
  int tables = 0;
  for (const auto& entry : std::filesystem::directory_iterator(cache))
    if (entry.path().extension() == ".json") {
      ++tables;
      std::ofstream(entry.path(), std::ios::app) << "damage";
    }
  CHECK(tables == 1);
  Stream again(*gpu);
  configure_gemm(again, {.enabled = true, .cache_folder = cache});
  check(kCases[0], multiply(again, kCases[0], workspace));
  CHECK(record_of_only_shape(again).choice == GemmChoice::measured);
}

TEST_CASE("a stored algorithm that the library does not know is measured again", "[cuda][gemm]") {
  const auto gpu = find_gpu("the check of stored kernels");
  if (!gpu) return;
  const ScratchFolder folder;
  const GemmCase& c = kCases[0];
  const GemmTuning tuning{.enabled = true, .cache_folder = folder.path().string()};
  Stream first(*gpu);
  configure_gemm(first, tuning);
  multiply(first, c, 0);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream file(entry.path());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string field = "\"algorithm\": \"";
    text.replace(text.find(field) + field.size(), 128, std::string(128, 'f'));
    std::ofstream(entry.path()) << text;
  }
  for (const GemmChoice want : {GemmChoice::measured, GemmChoice::stored}) {
    Stream stream(*gpu);
    configure_gemm(stream, tuning);
    check(c, multiply(stream, c, 0));
    CHECK(record_of_only_shape(stream).choice == want);
  }
}

TEST_CASE("a kernel that refuses to run makes place for the next", "[cuda][gemm]") {
  const auto gpu = find_gpu("the refusal of a kernel");
  if (!gpu) return;
  const bool tuned = GENERATE(false, true);
  const auto* numbers = GENERATE("1", "2", "1,2");
  const Refusal refusal(numbers);
  for (const GemmCase& c : kCases) {
    INFO(describe(c) << " tuned " << tuned << " refusing " << numbers);
    Stream stream(*gpu);
    configure_gemm(stream, {.enabled = tuned});
    check(c, multiply(stream, c, gemm_workspace_bytes(*gpu)));
    const GemmRecord record = record_of_only_shape(stream);
    CHECK(record.launches == 1);
    CHECK(record.choice == (tuned ? GemmChoice::measured : GemmChoice::heuristic));
    // The next is the one that needs the workspace, then comes the last.
    if (is_emulated() && !tuned && numbers == std::string("1"))
      CHECK(record.candidate == record.num_candidates - 2);
  }
}

TEST_CASE("a product that every kernel refuses is an error", "[cuda][gemm]") {
  const auto gpu = find_gpu("the refusal of all kernels");
  if (!gpu || !is_emulated()) return;
  const Refusal refusal("1,2,3,4");
  const bool tuned = GENERATE(false, true);
  Stream stream(*gpu);
  configure_gemm(stream, {.enabled = tuned});
  CHECK_THROWS_WITH(multiply(stream, kCases[0], 0),
                    Catch::Matchers::Contains("CUBLAS_STATUS_NOT_SUPPORTED"));
}
