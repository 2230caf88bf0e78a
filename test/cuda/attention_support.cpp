// Asks the real cuDNN, on a machine without a GPU, whether A100 and H100 have engines for our
// attention graphs, and whether the workspace that we plan is enough. cuDNN answers for a card that
// is described by its properties (a100.json, h100.json beside this file); it computes nothing, so
// numbers are the matter of attention_test.cpp. Ends with 77, "skipped", where cuDNN or any
// libcuda.so.1 is missing (the toolkit's stub will do).
#include <dlfcn.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "attention_graphs.h"
#include "base/check.h"
#include "config/preset.h"
#include "kernels/attention_workspace.h"

using namespace swallow;
using namespace swallow::cuda;

namespace {

constexpr int kSkipped = 77;

struct Card {
  const char* file;
  const char* name;
};
constexpr std::array kCards = {Card{"a100.json", "A100"}, Card{"h100.json", "H100"}};

enum class Pass { forward, backward, deterministic_backward };
constexpr std::array kPasses = {Pass::forward, Pass::backward, Pass::deterministic_backward};

const char* name_of(Pass pass) {
  constexpr std::array kNames = {"forward", "backward", "deterministic"};
  return kNames[static_cast<size_t>(pass)];
}

CudnnDescriptor describe_card(const Cudnn& dnn, const Card& card) {
  const std::string path = std::string(SWALLOW_SOURCE_DIR) + "/test/cuda/" + card.file;
  std::ifstream file(path);
  const std::string json{std::istreambuf_iterator<char>(file), {}};
  if (json.empty()) throw IoError("cannot read {}", path);
  CudnnDescriptor descriptor(dnn, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(json)).finalize();
  return descriptor;
}

/// One rank's attention in every preset, on its own grid and without tensor parallelism.
std::vector<AttentionShape> preset_shapes() {
  std::vector<AttentionShape> shapes;
  for (const std::string& name : preset_names()) {
    RunConfig config;
    apply_preset(name, config);
    const ModelConfig& model = config.model;
    const int64_t kv_heads =
        model.num_query_groups > 0 ? model.num_query_groups : model.num_attention_heads;
    for (const int64_t tp : std::set<int64_t>{1, config.parallel.tensor_model_parallel_size})
      for (const int64_t batch : {1, 2})
        shapes.push_back({.sequence = model.seq_length,
                          .batch = batch,
                          .heads = model.num_attention_heads / tp,
                          .kv_heads = kv_heads / tp,
                          .head_dim = model.hidden_size / model.num_attention_heads});
  }
  return shapes;
}

/// What presets do not cover: odd lengths, every kind of head dimension, long sequences.
std::vector<AttentionShape> odd_shapes() {
  std::vector<AttentionShape> shapes;
  for (const int64_t head_dim : {8, 16, 40, 64, 80, 128})
    for (const int64_t s : {1, 17, 100, 1001, 4099})
      for (const int64_t kv_heads : {2, 4}) shapes.push_back({s, 2, 4, kv_heads, head_dim});
  shapes.push_back({65536, 1, 8, 8, 128});
  shapes.push_back({65536, 1, 8, 1, 64});
  return shapes;
}

struct Answer {
  size_t num_engines = 0;
  int64_t engine = -1;     // of the first
  int64_t workspace = -1;  // of the first
  int64_t most = 0;        // of all
};

Answer ask(const Cudnn& dnn, const CudnnDescriptor& card, Pass pass, const AttentionShape& shape) {
  const CudnnGraph graph =
      pass == Pass::forward
          ? attention_forward_graph(dnn, shape)
          : attention_backward_graph(
                dnn, shape,
                pass == Pass::backward ? Determinism::relaxed : Determinism::deterministic);
  const CudnnDescriptor built = graph.build(nullptr);
  Answer answer;
  for (const CudnnDescriptor& config : engine_configs(dnn, built, &card)) {
    const auto bytes = config.value<int64_t>(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE);
    answer.most = std::max(answer.most, bytes);
    if (answer.num_engines++ > 0) continue;
    answer.workspace = bytes;
    CudnnDescriptor engine(dnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t out = engine.get();
    config.fetch(CUDNN_ATTR_ENGINECFG_ENGINE, {&out, 1});
    answer.engine = engine.value<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  }
  return answer;
}

int64_t planned(Pass pass, const AttentionShape& shape) {
  if (pass == Pass::forward) return gpu_attention_forward_workspace(shape, DType::bf16).library;
  const Determinism determinism =
      pass == Pass::backward ? Determinism::relaxed : Determinism::deterministic;
  return gpu_attention_backward_workspace(shape, DType::bf16, determinism).library;
}

/// Problems found; prints what was asked for when `is_shown`.
int check_shape(const Cudnn& dnn, const CudnnDescriptor& card, const char* card_name,
                const AttentionShape& x, bool is_shown) {
  int problems = 0;
  for (const Pass pass : kPasses) {
    const Answer answer = ask(dnn, card, pass, x);
    const int64_t room = planned(pass, x);
    const bool good = answer.num_engines > 0 && answer.most <= room;
    problems += good ? 0 : 1;
    if (is_shown || !good)
      fmt::print(
          "{} s {} b {} n {} k {} d {} {}: {} engines, first {} asks for {} bytes, most {}, "
          "planned {}{}\n",
          card_name, x.sequence, x.batch, x.heads, x.kv_heads, x.head_dim, name_of(pass),
          answer.num_engines, answer.engine, answer.workspace, answer.most, room,
          good ? "" : "  <-- FAILED");
  }
  return problems;
}

int check_all() {
  const Cudnn dnn;
  int problems = 0;
  int shapes = 0;
  for (const Card& card : kCards) {
    const CudnnDescriptor properties = describe_card(dnn, card);
    for (const AttentionShape& shape : preset_shapes())
      problems += check_shape(dnn, properties, card.name, shape, true), ++shapes;
    for (const AttentionShape& shape : odd_shapes())
      problems += check_shape(dnn, properties, card.name, shape, false), ++shapes;
  }
  fmt::print("cuDNN {}: {} shapes, {} problems\n", dnn.get_version(), shapes, problems);
  return problems == 0 ? 0 : 1;
}

}  // namespace

int main() {
  try {
    for (const char* file : {Cudnn::kFile, "libcuda.so.1"})
      if (const SharedLibrary library(file); !library.problem().empty()) {
        fmt::print("skipped: {}\n", library.problem());
        return kSkipped;
      }
    return check_all();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
