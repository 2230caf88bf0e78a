#include "report/overview.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "report/curve.h"
#include "report/goodput.h"
#include "report/html.h"
#include "report/section.h"
#include "report/series.h"
#include "telemetry/number_text.h"

namespace swallow {

namespace {

constexpr double kSpikeScore = 6;  // a loss this many deviations off its like is called a spike
constexpr const char* kUnknown = "-";

std::string plural(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string grid_text(const RunRecord& run) {
  const int64_t tp = run.setting("tensor_model_parallel_size", 0);
  const int64_t pp = run.setting("pipeline_model_parallel_size", 0);
  const int64_t world = run.jobs.empty() ? 0 : run.jobs.back().world_size;
  if (tp < 1 || pp < 1 || world < 1 || tp > world || pp > world) return kUnknown;
  return fmt::format("DP {} × TP {} × PP {}, {}", world / (tp * pp), tp, pp, plural(world, "rank"));
}

std::string dates_text(const RunRecord& run) {
  double begin = NAN;
  double end = NAN;
  for (const JobRecord& job : run.jobs) {
    if (std::isnan(begin)) begin = job.begin;
    if (std::isfinite(job.end)) end = job.end;
  }
  if (std::isnan(begin) || std::isnan(end)) return kUnknown;
  return fmt::format("{} to {}", moment_text(begin), moment_text(end));
}

/// Of the last job that says it.
std::string build_text(const RunRecord& run) {
  for (auto it = run.jobs.rbegin(); it != run.jobs.rend(); ++it)
    if (!it->build.empty()) return it->build;
  return kUnknown;
}

/// Validations that are part of the run, lowest first.
std::vector<const LossRecord*> ranked_validations(const RunRecord& run) {
  std::vector<const LossRecord*> ranked;
  for (const LossRecord& record : run.validations)
    if (!record.redone && std::isfinite(record.loss)) ranked.push_back(&record);
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const LossRecord* a, const LossRecord* b) { return a->loss < b->loss; });
  return ranked;
}

const LossRecord* last_validation(const RunRecord& run) {
  for (auto it = run.validations.rbegin(); it != run.validations.rend(); ++it)
    if (!it->redone) return &*it;
  return nullptr;
}

std::string validation_text(const RunRecord& run) {
  const auto ranked = ranked_validations(run);
  const LossRecord* last = last_validation(run);
  if (ranked.empty() || last == nullptr) return kUnknown;
  return fmt::format("best {:.4f} at step {}, last {:.4f} at step {}", ranked[0]->loss,
                     ranked[0]->step, last->loss, last->step);
}

std::string step_time_text(const RunRecord& run) {
  if (run.steps.empty()) return kUnknown;
  const auto marks =
      quantiles(values_of(run, &StepRecord::seconds), std::vector<double>{0.05, 0.5, 0.95});
  return fmt::format("median {}, 5 % {}, 95 % {}", value_text(marks[1], Unit::seconds),
                     value_text(marks[0], Unit::seconds), value_text(marks[2], Unit::seconds));
}

std::string median_text(const RunRecord& run, double StepRecord::*member, double factor,
                        std::string_view unit) {
  const double median = quantile(values_of(run, member), 0.5);
  return std::isnan(median) ? kUnknown : fmt::format("{:.4g}{}", median * factor, unit);
}

std::string progress_text(const RunRecord& run) {
  const StepRecord* last = last_step(run);
  if (last == nullptr) return "no step";
  const std::string tokens = std::isfinite(last->consumed_tokens)
                                 ? count_text(std::llround(last->consumed_tokens))
                                 : "an unknown number of";
  if (!(last->train_iters > 0)) return fmt::format("step {}, {} tokens", last->step, tokens);
  return fmt::format("step {} of {:.0f}, {} tokens", last->step, last->train_iters, tokens);
}

/// Lost steps, withheld updates, spikes and slow steps, as far as there are any.
std::vector<std::string> disturbances(const RunRecord& run) {
  int64_t redone = 0;
  int64_t skipped = 0;
  int64_t spikes = 0;
  int64_t not_finite = 0;
  for (const StepRecord& step : run.steps) {
    redone += step.redone ? 1 : 0;
    skipped += step.skipped ? 1 : 0;
    spikes += step.loss_z > kSpikeScore ? 1 : 0;
    not_finite += std::isfinite(step.loss) ? 0 : 1;
  }
  const auto slow = static_cast<int64_t>(slow_steps(run, run.steps.size()).size());
  std::vector<std::string> found;
  if (redone > 0)
    found.push_back(fmt::format("{} done again after a restart", plural(redone, "step")));
  if (skipped > 0) found.push_back(fmt::format("{} withheld", plural(skipped, "update")));
  if (not_finite > 0)
    found.push_back(fmt::format("{} with a loss that is not finite", plural(not_finite, "step")));
  if (spikes > 0)
    found.push_back(
        fmt::format("{} of the loss (z above {:.0f})", plural(spikes, "spike"), kSpikeScore));
  if (slow > 0)
    found.push_back(
        fmt::format("{} longer than {} times the median", plural(slow, "step"), kSlowFactor));
  return found;
}

std::string jobs_text(const RunRecord& run) {
  const auto jobs = static_cast<int64_t>(run.jobs.size());
  if (run.attempts.attempts.empty()) return plural(jobs, "job");
  const AttemptRecord& last = run.attempts.attempts.back();
  const auto attempts = static_cast<int64_t>(run.attempts.attempts.size());
  return fmt::format("{}, the last {}", plural(attempts, "job"),
                     last.exit < 0
                         ? "without an end in the log"
                         : fmt::format("ended with {} ({})", last.exit, describe_exit(last.exit)));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> run_facts(const RunRecord& run) {
  const JobRecord& job = run.jobs.back();
  const int64_t batch = run.setting("global_batch_size", 0);
  const int64_t length = run.setting("seq_length", 0);
  const Goodput goodput = account(run);
  const double peak = range_of(values_of(run, &StepRecord::peak_memory_bytes)).high;
  const double tflops_median = [&run] {
    std::vector<double> values;
    for (const StepRecord& step : run.steps) values.push_back(step.tflops[0]);
    return quantile(values, 0.5);
  }();
  const std::string preset = text_or(run.config(), "preset", "");
  return {
      {"from", run.path},
      {"preset", preset.empty() ? kUnknown : preset},
      {"grid", grid_text(run)},
      {"parameters", job.parameters > 0 ? count_text(job.parameters) : kUnknown},
      {"global batch", batch > 0 && length > 0
                           ? fmt::format("{} sequences of {} tokens", batch, length)
                           : kUnknown},
      {"precision", text_or(run.config(), "params_dtype", kUnknown)},
      {"program", build_text(run)},
      {"dates", dates_text(run)},
      {"jobs", jobs_text(run)},
      {"progress", progress_text(run)},
      {"loss",
       last_step(run) == nullptr ? kUnknown : fmt::format("{:.4f} at last", last_step(run)->loss)},
      {"validation", validation_text(run)},
      {"test", run.test ? fmt::format("{:.4f}", run.test->loss) : kUnknown},
      {"goodput", goodput.wall() > 0 ? fmt::format("{:.1f} % of {}", 100 * goodput.share(),
                                                   value_text(goodput.wall(), Unit::seconds))
                                     : kUnknown},
      {"step time", step_time_text(run)},
      {"tokens/s a rank", median_text(run, &StepRecord::tokens_per_second, 1, "")},
      {"TFLOPS a rank, causal",
       std::isnan(tflops_median) ? kUnknown : fmt::format("{:.4g}", tflops_median)},
      {"MFU", median_text(run, &StepRecord::mfu, 100, " %")},
      {"peak memory of a rank", peak > 1 ? value_text(peak, Unit::bytes) : kUnknown},
  };
}

std::string verdict(const RunRecord& run) {
  const StepRecord* last = last_step(run);
  if (last == nullptr) return "No step has been logged.";
  const StepRecord& first = run.steps.front();
  const bool done = last->train_iters > 0 && static_cast<double>(last->step) >= last->train_iters;
  const Goodput goodput = account(run);
  std::string text = fmt::format("The run {} {} in {}; ", done ? "is through:" : "has come to",
                                 progress_text(run), value_text(goodput.wall(), Unit::seconds));
  text += fmt::format("the loss went from {:.4f} to {:.4f}", first.loss, last->loss);
  const auto ranked = ranked_validations(run);
  if (const LossRecord* validation = last_validation(run); !ranked.empty()) {
    const double above = validation->loss - ranked[0]->loss;
    text += above > 0 ? fmt::format(", the validation loss is {:.4f}, {:.4f} above its best",
                                    validation->loss, above)
                      : fmt::format(", the validation loss is {:.4f}, its best", validation->loss);
  }
  text += fmt::format(". Useful steps took {:.1f} % of the time", 100 * goodput.share());
  const GoodputPart* largest = nullptr;
  for (const GoodputPart& part : goodput_parts())
    if (part.seconds != &Goodput::useful &&
        (largest == nullptr || goodput.*part.seconds > goodput.*largest->seconds))
      largest = &part;
  if (largest != nullptr && goodput.*largest->seconds > 0.01 * goodput.wall())
    text += fmt::format("; the largest other part is {} ({:.1f} %)", largest->name,
                        100 * goodput.*largest->seconds / goodput.wall());
  const std::vector<std::string> disturbed = disturbances(run);
  text += disturbed.empty() ? ". Nothing disturbed it."
                            : fmt::format(". It had {}.", fmt::join(disturbed, "; "));
  return text;
}

std::string damage_text(const LineDamage& damage, const std::string& file) {
  std::string text;
  if (damage.damaged > 0)
    text = fmt::format("{}: {} of {} lines could not be read ({}{})", file, damage.damaged,
                       damage.lines, fmt::join(damage.first, "; "),
                       damage.damaged > static_cast<int64_t>(damage.first.size()) ? "; ..." : "");
  if (damage.unknown > 0)
    text += fmt::format("{}{}: {} of {} lines are of a kind that this program does not know",
                        text.empty() ? "" : ". ", file, damage.unknown, damage.lines);
  return text;
}

Section overview_section(const std::vector<RunRecord>& runs) {
  Section section{"overview", "Overview", {}};
  HtmlTable table;
  if (runs.size() > 1) table.header.emplace_back("");
  for (const RunRecord& run : runs) {
    if (runs.size() > 1) table.header.push_back(run.name);
    section.body += paragraph(
        runs.size() == 1 ? verdict(run) : fmt::format("{}: {}", run.name, verdict(run)), "verdict");
    for (const auto& [damage, file] : {std::pair(&run.damage, "metrics.jsonl"),
                                       std::pair(&run.attempts.damage, "attempts.jsonl")})
      if (const std::string text = damage_text(*damage, file); !text.empty())
        section.body += paragraph(text, "notice");
  }
  for (const RunRecord& run : runs) {
    const auto facts = run_facts(run);
    table.rows.resize(facts.size());
    for (size_t i = 0; i < facts.size(); ++i) {
      if (table.rows[i].empty()) table.rows[i].push_back(facts[i].first);
      table.rows[i].push_back(facts[i].second);
    }
  }
  std::erase_if(table.rows, [](const std::vector<std::string>& row) {  // nobody knows it
    return std::all_of(row.begin() + 1, row.end(),
                       [](const std::string& cell) { return cell == kUnknown; });
  });
  section.body += html_table(table);
  return section;
}

}  // namespace swallow
