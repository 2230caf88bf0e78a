#include "train/saver.h"

#include <spdlog/logger.h>

#include <utility>

#include "checkpoint/checkpoint.h"
#include "checkpoint/retention.h"

namespace swallow {

namespace {

constexpr int kMaxFailures = 3;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Saver::Saver(const SaverContext& context) : c_(context) {
  if (c_.config.async_save) snapshot_.emplace(c_.engine.checkpoint_tensors());
}

void Saver::save(const CheckpointState& state) {
  if (!is_new(state)) return;
  finish();
  try_to(state.iteration, [&] { snapshot_ ? start(state) : write(state); });
  stop_after_failures();
}

void Saver::save_last(const CheckpointState& state) {
  finish();
  if (is_new(state)) write(state);
}

bool Saver::written() const {
  return running_ && running_->save->written();
}

void Saver::commit() {
  finish();
  stop_after_failures();
}

bool Saver::is_new(const CheckpointState& state) const {
  const bool running = running_ && running_->save->iteration() == state.iteration;
  return !c_.config.save.empty() && saved_at_ != state.iteration && !running;
}

void Saver::write(const CheckpointState& state) {
  const auto begin = Clock::now();
  save_checkpoint(c_.config.save, state, c_.engine.checkpoint_tensors(), *c_.world.control);
  const double seconds = seconds_since(begin);
  done(state.iteration, seconds, seconds);
}

void Saver::start(const CheckpointState& state) {
  const auto begin = Clock::now();
  ControlPlane& control = *c_.world.control;
  const CheckpointTensors tensors = c_.engine.checkpoint_tensors();
  auto save = std::make_unique<CheckpointSave>(c_.config.save, state, tensors, control);
  const CheckpointTensors copy = snapshot_->take(tensors);
  running_ = {.save = std::make_unique<BackgroundSave>(std::move(save), copy, control),
              .start = begin,
              .blocked_seconds = seconds_since(begin)};
}

/// Commits what runs in the background, if anything does.
void Saver::finish() {
  if (!running_) return;
  const Running running = *std::exchange(running_, std::nullopt);
  const int64_t iteration = running.save->iteration();
  try_to(iteration, [&] {
    const auto begin = Clock::now();
    running.save->commit();
    done(iteration, running.blocked_seconds + seconds_since(begin), seconds_since(running.start));
  });
}

/// Every rank gets the same error, or none.
void Saver::try_to(int64_t iteration, const std::function<void()>& work) {
  try {
    work();
  } catch (const IoError& error) {
    ++failures_;
    last_failure_ = error.what();
    if (c_.world.rank == 0)
      c_.log.error("iteration {} is not saved: {}; {}; training goes on", iteration, last_failure_,
                   what_is_safe());
  }
}

void Saver::done(int64_t iteration, double blocked_seconds, double seconds) {
  saved_at_ = iteration;
  failures_ = 0;
  if (c_.world.rank != 0) return;
  if (c_.end != nullptr) c_.end->note_save(std::chrono::duration<double>(seconds));
  if (c_.metrics != nullptr)
    c_.metrics->write(SaveMetrics{.step = iteration,
                                  .folder = c_.config.save,
                                  .seconds = blocked_seconds,
                                  .total_seconds = seconds});
  try {
    remove_expired(
        c_.config.save, iteration,
        {.interval = c_.config.save_retain_interval, .most_recent_k = c_.config.most_recent_k});
  } catch (const Error& error) {
    c_.log.warn("an old checkpoint stays: {}", error.what());
  }
}

void Saver::stop_after_failures() const {
  if (failures_ < kMaxFailures) return;
  throw IoError("{} saves in a row have failed, the last by {}; {}", failures_, last_failure_,
                what_is_safe());
}

/// What a job that ends now would resume from.
std::string Saver::what_is_safe() const {
  try {
    const auto found = find_checkpoint(c_.config.save);
    if (found) return fmt::format("iteration {} in {} is whole", *found, c_.config.save);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return fmt::format("there is no whole checkpoint in {}", c_.config.save);
}

}  // namespace swallow
