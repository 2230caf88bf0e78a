#include "checkpoint/canonical_model.h"

#include <algorithm>

#include "config/run_shape.h"
#include "model/params.h"

namespace swallow {

namespace {

/// Position in a forward pass of a tensor's first words: the embedding, each layer, the rest.
int64_t place_of(const std::string& name) {
  constexpr std::string_view kLayers = "model.layers.";
  if (name.starts_with(kLayers)) return 1 + std::stoll(name.substr(kLayers.size()));
  if (name == "model.embed_tokens.weight") return 0;
  return name == "model.norm.weight" ? INT64_MAX - 1 : INT64_MAX;
}

}  // namespace

std::vector<std::pair<std::string, Shape>> canonical_tensors(const ModelConfig& model) {
  RunConfig alone{.model = model};
  alone.training.global_batch_size = 1;
  alone.data.mock_data = true;
  std::vector<std::pair<std::string, Shape>> tensors;
  for (const ParamSpec& spec : param_specs(make_shapes(alone, resolve(alone, 1), {})))
    for (const CanonicalPart& part : spec.parts) tensors.emplace_back(part.name, part.shape);
  std::ranges::stable_sort(tensors, {}, [](const auto& tensor) { return place_of(tensor.first); });
  return tensors;
}

}  // namespace swallow
