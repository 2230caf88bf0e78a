#include "bench/slice.h"

#include "bench/random_fill.h"
#include "optim/distributed_optimizer.h"

namespace swallow {

StageSlice::StageSlice(const RunConfig& config, const RunShape& run, Stream& stream)
    : stream_(stream),
      stage_index_(run.pp > 2 ? run.pp / 2 : 0),
      shapes_(make_shapes(config, run, {.pp = stage_index_})),
      layout_(param_specs(shapes_), 1, config.parallel.ddp_bucket_size),
      arena_(stream.device(), plan(layout_, shapes_, stream)),
      memory_(take(layout_, shapes_, stream.num_threads(), arena_)),
      tp_(run.tp),
      stage_(shapes_, memory_.stage, bind_params(shapes_, param_views(layout_, memory_.params)),
             bind_params(shapes_, param_views(layout_, memory_.gradients)), stream, tp_) {
  arena_.seal();
  fill();
}

StageSlice::Memory StageSlice::take(const ParamLayout& layout, const ModelShapes& shapes,
                                    int num_threads, Arena& arena) {
  return {.params = arena.take("weights", shapes.dtype, {layout.total()}),
          .gradients = arena.take("gradients", shapes.main_dtype, {layout.total()}),
          .incoming = arena.take("pipeline buffers", shapes.dtype,
                                 {shapes.sequence_local, shapes.batch, shapes.hidden}),
          .stage = take_stage_memory(shapes, 1, num_threads, arena)};
}

Ledger StageSlice::plan(const ParamLayout& layout, const ModelShapes& shapes,
                        const Stream& stream) {
  Arena arena = Arena::plan(stream.device());
  take(layout, shapes, stream.num_threads(), arena);
  return arena.ledger();
}

/// Everything that is read before it is written, and what absent ranks would have written.
void StageSlice::fill() {
  RandomFill random(stream_);
  const std::vector<Tensor> params = param_views(layout_, memory_.params);
  for (size_t i = 0; i < params.size(); ++i) {
    const ParamSpec& spec = layout_.specs()[i];
    const bool norm = spec.init == Init::one;
    random.normal(params[i], norm ? 1 : 0, norm ? 0 : spec.init_std);
  }
  const StageMemory& stage = memory_.stage;
  const SlotMemory& slot = stage.slots.front();
  for (const Tensor& tensor : {memory_.incoming, slot.input, stage.work.delta, stage.work.dnorm,
                               stage.work.gathered, stage.work.partial})
    if (tensor) random.normal(tensor, 0, 1);
  for (const Tensor& ids : {slot.tokens, slot.targets})
    if (ids) random.ids(ids, shapes_.vocab);
  stream_.synchronize();
}

void StageSlice::backward() {
  // The same gradient each time: the stage turns it into that of its input, and again and again it
  // would grow out of range. Of micro-batch 1: all but the first of a step add to weight gradients.
  copy(stream_, stage_.gradient(1), memory_.incoming);
  stage_.backward(1, 1.0 / static_cast<double>(shapes_.sequence * shapes_.batch), nobody_);
}

SliceTimes StageSlice::time(int64_t repeats) {
  SliceTimes times;
  times.both_ms = time_calls(stream_, repeats, [this](int64_t) {
    forward();
    backward();
  });
  times.forward_ms = time_calls(stream_, repeats, [this](int64_t) { forward(); });
  times.backward_ms = time_calls(stream_, repeats, [this](int64_t) { backward(); });
  return times;
}

}  // namespace swallow
