#include "report/goodput.h"

#include <algorithm>
#include <cmath>

#include "report/curve.h"

namespace swallow {

namespace {

using Kind = TimelineEntry::Kind;

/// What one job did and when.
struct JobTime {
  double begin = NAN, first_step = NAN, end = NAN;
  double before_first_step = 0;  // in evaluations and saves
  double inside = 0;             // in steps, evaluations and saves from the first step on
  bool stepped = false;
};

/// NaN counts as no time.
double positive(double seconds) {
  return seconds > 0 ? seconds : 0;
}

void add_step(const StepRecord& step, JobTime& job, Goodput& sum) {
  if (!job.stepped) job.first_step = step.moment - step.seconds;
  job.stepped = true;
  job.inside += step.seconds;
  (step.redone ? sum.lost : step.skipped ? sum.withheld : sum.useful) += step.seconds;
}

void add_pause(double seconds, JobTime& job, double& part) {
  part += positive(seconds);
  (job.stepped ? job.inside : job.before_first_step) += positive(seconds);
}

std::vector<JobTime> job_times(const RunRecord& run, Goodput& sum) {
  std::vector<JobTime> jobs(run.jobs.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].begin = run.jobs[i].begin;
    jobs[i].end = run.jobs[i].end;
  }
  const auto job_of = [&](int job) -> JobTime& { return jobs[static_cast<size_t>(job)]; };
  for (const TimelineEntry& entry : run.timeline) {
    if (entry.kind == Kind::step) {
      const StepRecord& step = run.steps[entry.index];
      add_step(step, job_of(step.job), sum);
    } else if (entry.kind == Kind::evaluation) {
      const LossRecord& loss = run.validations[entry.index];
      add_pause(loss.seconds, job_of(loss.job), loss.redone ? sum.lost : sum.evaluation);
    } else if (entry.kind == Kind::save) {
      const SaveRecord& save = run.saves[entry.index];
      add_pause(save.seconds, job_of(save.job), sum.save);
    }
  }
  if (run.test) add_pause(run.test->seconds, job_of(run.test->job), sum.evaluation);
  return jobs;
}

}  // namespace

double Goodput::wall() const noexcept {
  double sum = 0;
  for (const GoodputPart& part : goodput_parts()) sum += this->*part.seconds;
  return sum;
}

double Goodput::share() const noexcept {
  const double all = wall();
  return all > 0 ? useful / all : 0;
}

const std::array<GoodputPart, 8>& goodput_parts() {
  static constexpr std::array<GoodputPart, 8> kParts{{
      {"useful steps", "steps whose update is part of the model", &Goodput::useful},
      {"evaluation", "validation and test", &Goodput::evaluation},
      {"save", "training stood still for a checkpoint", &Goodput::save},
      {"lost work", "done again by a later job, as no checkpoint had it", &Goodput::lost},
      {"withheld updates", "steps whose update was withheld", &Goodput::withheld},
      {"start-up", "from a job's first line in the log to its first step", &Goodput::start_up},
      {"downtime", "between the last line of a job and the first of the next", &Goodput::downtime},
      {"other", "between the lines: a step cut short, the end of a job", &Goodput::other},
  }};
  return kParts;
}

Goodput account(const RunRecord& run) {
  Goodput sum;
  const std::vector<JobTime> jobs = job_times(run, sum);
  for (size_t i = 0; i < jobs.size(); ++i) {
    const JobTime& job = jobs[i];
    const double known_end = job.stepped ? job.first_step : job.end;
    const double start_up = positive(known_end - job.begin - job.before_first_step);
    sum.start_up += start_up;
    sum.other += positive(job.end - job.begin - start_up - job.before_first_step - job.inside);
    if (i > 0) sum.downtime += positive(job.begin - jobs[i - 1].end);
  }
  return sum;
}

std::vector<const StepRecord*> slow_steps(const RunRecord& run, size_t most) {
  std::vector<double> seconds;
  for (const StepRecord& step : run.steps) seconds.push_back(step.seconds);
  const double limit = kSlowFactor * quantile(seconds, 0.5);
  std::vector<const StepRecord*> slow;
  for (const StepRecord& step : run.steps)
    if (step.seconds > limit) slow.push_back(&step);
  const size_t count = std::min(most, slow.size());
  std::partial_sort(
      slow.begin(), slow.begin() + static_cast<std::ptrdiff_t>(count), slow.end(),
      [](const StepRecord* a, const StepRecord* b) { return a->seconds > b->seconds; });
  slow.resize(count);
  return slow;
}

}  // namespace swallow
