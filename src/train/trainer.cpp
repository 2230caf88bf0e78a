#include "train/trainer.h"

#include <spdlog/logger.h>

#include <chrono>

#include "checkpoint/checkpoint.h"
#include "checkpoint/hugging_face_load.h"
#include "config/config_json.h"
#include "config/help.h"
#include "telemetry/number_text.h"

namespace swallow {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool due(int64_t iteration, int64_t interval) {
  return interval > 0 && iteration % interval == 0;
}

std::unique_ptr<BatchLoader> make_loader(const TrainerContext& c, const SampleSource* source) {
  if (source == nullptr) return nullptr;
  return std::make_unique<BatchLoader>(
      *source, BatchLoaderOptions{.micro_batch_size = c.config.training.micro_batch_size,
                                  .seq_length = c.config.model.seq_length,
                                  .vocab_size = c.config.model.vocab_size,
                                  .dp_rank = c.world.at.dp,
                                  .dp_size = c.run.dp});
}

}  // namespace

Trainer::Trainer(const TrainerContext& context)
    : c_(context),
      engine_(c_.config, c_.run, c_.stream, c_.world),
      train_data_(make_loader(c_, c_.datasets.train.get())),
      valid_data_(make_loader(c_, c_.datasets.valid.get())),
      test_data_(make_loader(c_, c_.datasets.test.get())),
      data_options_(data_options(c_.config, c_.start)),
      survey_(c_.world, c_.stream),
      tracing_(c_.config.log, c_.world, c_.stream, engine_, c_.log),
      saver_({c_.config.checkpoint, c_.world, engine_, c_.log, c_.metrics, c_.end}) {}

std::optional<std::string> Trainer::start() {
  started_ = true;
  if (!c_.start.checkpoint) {
    if (c_.start.folder.empty())
      engine_.initialise();
    else
      load_folder();
    return std::nullopt;
  }
  try {
    load(*c_.start.checkpoint);
    return std::nullopt;
  } catch (const CheckpointError& error) {
    return error.what();
  }
}

ExitCode Trainer::train() {
  const TrainingConfig& t = c_.config.training;
  if (!started_)
    if (const auto reason = start()) throw CheckpointError("{}", *reason);
  if (c_.start.weights_only) evaluate();
  tracing_.start_after(iteration_);
  while (iteration_ < t.train_iters) {
    const StepResult result = train_step();
    if (result.saved) saver_.commit();
    if (result.stop || result.finish) return end_early(result.finish);
    if (due(iteration_, t.eval_interval)) evaluate();
    enter(Phase::save);
    if (due(iteration_, t.exit_interval)) {
      saver_.save_last(state());
      return ExitCode::ok;
    }
    if (due(iteration_, c_.config.checkpoint.save_interval)) saver_.save(state());
  }
  evaluate();
  enter(Phase::save);
  saver_.save_last(state());  // before the test, whose data may be refused
  test();
  return ExitCode::ok;
}

/// What this rank asks of all, and on rank 0 why.
Votes Trainer::votes() {
  Votes votes{.stop = c_.signals.received() != 0, .saved = saver_.written()};
  if (c_.end == nullptr) return votes;
  const std::optional<std::string> reason = c_.end->time_is_up();
  if (reason && !votes.stop) c_.log.info("this step is the last: {}", *reason);
  votes.finish = c_.end->killed();
  if (votes.finish)
    c_.log.info("this step is the last: --kill-switch {} is there", c_.config.training.kill_switch);
  votes.stop = votes.stop || reason.has_value();
  return votes;
}

/// Leaves the state for a later job; without a save when the scheduler would kill the job in it.
ExitCode Trainer::end_early(bool for_good) {
  enter(Phase::save);
  const bool late = c_.end != nullptr && !c_.end->save_fits();
  const bool save = c_.world.control->exchange(late ? "late" : "").front().empty();
  c_.log.info("stopping after iteration {} {}", iteration_,
              for_good ? "for good, by the kill switch" : "as asked by a signal or the clock");
  if (save)
    saver_.save_last(state());
  else
    c_.log.warn("iteration {} is not saved: the job ends before a save would", iteration_);
  if (due(iteration_, c_.config.training.eval_interval)) evaluate();  // if there is time left
  return for_good ? ExitCode::ok : ExitCode::stopped;
}

void Trainer::enter(Phase phase) {
  if (c_.watchdog != nullptr) c_.watchdog->enter(phase, iteration_);
}

StepResult Trainer::train_step() {
  if (c_.watchdog != nullptr)
    c_.watchdog->enter(stepped_ ? Phase::step : Phase::first_step, iteration_ + 1);
  const LogConfig& log = c_.config.log;
  if (log.profile_step_start == iteration_ + 1) start_profiling(c_.stream.device());
  if (log.profile_step_end == iteration_ + 1) stop_profiling(c_.stream.device());
  tracing_.before_step(iteration_ + 1);
  const Waits before = engine_.waits();
  const auto start = std::chrono::steady_clock::now();
  const StepResult result =
      engine_.train_step(loader(train_data_.get(), consumed_samples_), iteration_, votes());
  stepped_ = true;
  if (!result.updated) stop_non_finite(result);
  ++iteration_;
  consumed_samples_ += c_.config.training.global_batch_size;
  const double seconds = seconds_since(start);
  const Waits after = engine_.waits();
  const double waiting = after.ranks - before.ranks;
  const double data = after.data - before.data;
  survey_.add_step({.compute = seconds - waiting - data, .waiting = waiting, .data = data});
  if (c_.end != nullptr) c_.end->note_step(std::chrono::duration<double>(seconds));
  tracing_.after_step(iteration_, is_last(result));
  report_step(result, seconds);
  return result;
}

bool Trainer::is_last(const StepResult& result) const {
  const TrainingConfig& t = c_.config.training;
  return result.stop || result.finish || iteration_ == t.train_iters ||
         due(iteration_, t.exit_interval);
}

void Trainer::report_step(const StepResult& result, double seconds) {
  const bool last = is_last(result);
  if (iteration_ == 1 || due(iteration_, c_.config.log.log_interval) || last) survey_ranks(last);
  if (c_.metrics == nullptr) return;
  const int64_t samples = c_.config.training.global_batch_size;
  const int64_t s = c_.config.model.seq_length;
  c_.metrics->write(StepMetrics{.step = iteration_,
                                .loss = result.loss,
                                .grad_norm = result.grad_norm,
                                .lr = result.lr,
                                .seconds = seconds,
                                .samples = samples,
                                .tokens = samples * s,
                                .consumed_samples = consumed_samples_,
                                .consumed_tokens = consumed_samples_ * s,
                                .peak_memory_bytes = peak_memory_bytes_});
}

void Trainer::survey_ranks(bool last) {
  RankMetrics ranks = survey_.gather(iteration_);
  ranks.last = last;
  peak_memory_bytes_ = ranks.most_memory();
  if (c_.metrics != nullptr) c_.metrics->write(ranks);
}

void Trainer::stop_non_finite(const StepResult& result) {
  std::string not_saved;
  try {
    saver_.save_last(state());  // the state before the update that was withheld
  } catch (const IoError& error) {
    not_saved = fmt::format(". Nor was the state saved: {}", error.what());
  }
  throw NonFiniteError(
      "iteration {}: loss {} and gradient norm {} are not finite; the weights were not updated. "
      "Samples {} to {} of the run were in the batch{}",
      iteration_ + 1, result.loss, result.grad_norm, consumed_samples_,
      consumed_samples_ + c_.config.training.global_batch_size - 1, not_saved);
}

void Trainer::evaluate() {
  const TrainingConfig& t = c_.config.training;
  if (t.eval_iters == 0 || t.eval_interval == 0 || evaluated_at_ == iteration_) return;
  evaluated_at_ = iteration_;
  const ValidationMetrics metrics =
      measure(valid_data_.get(), consumed_valid_samples(data_options_, iteration_));
  if (c_.metrics != nullptr) c_.metrics->write(metrics);
}

void Trainer::test() {
  // Stages in the middle open no data; rank 0 is on the first.
  if (c_.world.control->exchange(test_data_ ? "test" : "").front().empty()) return;
  const TestMetrics metrics{measure(test_data_.get(), 0)};
  if (c_.metrics != nullptr) c_.metrics->write(metrics);
}

ValidationMetrics Trainer::measure(BatchLoader* source, int64_t consumed_samples) {
  const TrainingConfig& t = c_.config.training;
  enter(Phase::evaluation);
  const auto start = std::chrono::steady_clock::now();
  const double loss =
      engine_.evaluate(loader(source, consumed_samples), t.eval_iters * c_.run.num_microbatches);
  return {.step = iteration_,
          .loss = loss,
          .tokens = t.eval_iters * t.global_batch_size * c_.config.model.seq_length,
          .seconds = seconds_since(start)};
}

CheckpointState Trainer::state() const {
  return {.iteration = iteration_,
          .consumed_train_samples = consumed_samples_,
          .consumed_valid_samples = consumed_valid_samples(data_options_, iteration_),
          .config_json = config_json(c_.config),
          .dp = c_.run.dp,
          .tp = c_.run.tp,
          .pp = c_.run.pp,
          .build = version_text(),
          .config_digest = config_digest(c_.config)};
}

void Trainer::load_folder() {
  const std::string& folder = c_.start.folder;
  const FolderLoad loaded =
      load_hugging_face(folder, engine_.checkpoint_tensors(), *c_.world.control);
  engine_.gather_params();
  if (c_.world.rank != 0) return;
  for (const std::string& notice : loaded.notices) c_.log.warn("{}", notice);
  c_.log.info(
      "loaded the weights from the Hugging Face folder {}: this rank read {}; iteration, "
      "optimizer and data start anew",
      folder, bytes_text(loaded.bytes_read));
}

void Trainer::load(int64_t iteration) {
  const StartPoint& from = c_.start;
  const LoadScope scope = from.weights_only ? LoadScope::weights_only : LoadScope::everything;
  const auto begin = std::chrono::steady_clock::now();
  load_checkpoint(from.folder, iteration, scope, engine_.checkpoint_tensors(), *c_.world.control);
  engine_.gather_params();
  iteration_ = from.iteration;
  consumed_samples_ = from.consumed_samples;
  if (!from.weights_only && from.folder == c_.config.checkpoint.save) saver_.note_saved(iteration_);
  if (c_.world.rank == 0)
    c_.log.info("loaded {} of iteration {} from {} in {:.2f} s",
                from.weights_only ? "the weights" : "everything", iteration, from.folder,
                seconds_since(begin));
}

LoadMicrobatch Trainer::loader(BatchLoader* source, int64_t consumed_samples) const {
  return
      [source, consumed_samples](int64_t microbatch, const Tensor& tokens, const Tensor& targets) {
        if (source != nullptr) source->load(consumed_samples, microbatch, tokens, targets);
      };
}

}  // namespace swallow
