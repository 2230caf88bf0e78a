#include "report/series.h"

#include <cmath>

namespace swallow {

Series over_tokens(const RunRecord& run, double StepRecord::*member) {
  Series series;
  for (const StepRecord& step : run.steps) {
    if (step.redone) continue;
    series.x.push_back(step.consumed_tokens);
    series.y.push_back(step.*member);
  }
  return series;
}

std::vector<Series> redone_over_tokens(const RunRecord& run, double StepRecord::*member) {
  std::vector<Series> lost;
  int job = -1;
  for (const StepRecord& step : run.steps) {
    if (!step.redone) continue;
    if (step.job != job) lost.emplace_back();
    job = step.job;
    lost.back().x.push_back(step.consumed_tokens);
    lost.back().y.push_back(step.*member);
  }
  return lost;
}

Series validation_over_tokens(const RunRecord& run) {
  Series series;
  for (const LossRecord& record : run.validations) {
    if (record.redone) continue;
    series.x.push_back(record.consumed_tokens);
    series.y.push_back(record.loss);
  }
  return series;
}

std::vector<double> restarts(const RunRecord& run) {
  std::vector<double> tokens;
  int job = run.steps.empty() ? 0 : run.steps.front().job;
  for (const StepRecord& step : run.steps) {
    if (step.job == job) continue;
    job = step.job;
    tokens.push_back(step.consumed_tokens - step.tokens);
  }
  return tokens;
}

std::vector<double> values_of(const RunRecord& run, double StepRecord::*member) {
  std::vector<double> values;
  values.reserve(run.steps.size());
  for (const StepRecord& step : run.steps) values.push_back(step.*member);
  return values;
}

const StepRecord* last_step(const RunRecord& run) {
  for (auto it = run.steps.rbegin(); it != run.steps.rend(); ++it)
    if (!it->redone) return &*it;
  return nullptr;
}

}  // namespace swallow
