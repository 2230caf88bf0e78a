// Columns of numbers out of a run's records, as plots take them.
#pragma once

#include <vector>

#include "report/run_record.h"

namespace swallow {

struct Series {
  std::vector<double> x, y;
};

/// `member` over the tokens of the whole run, of the steps that are part of the model.
Series over_tokens(const RunRecord& run, double StepRecord::*member);
/// Likewise of the steps that a later job did again, one series for each job that lost some.
std::vector<Series> redone_over_tokens(const RunRecord& run, double StepRecord::*member);
/// Validation losses over the tokens before them, without those that were done again.
Series validation_over_tokens(const RunRecord& run);

/// Tokens at which a job other than the first began.
std::vector<double> restarts(const RunRecord& run);

/// `member` of all steps in the order of the file.
std::vector<double> values_of(const RunRecord& run, double StepRecord::*member);

/// The last step of the run that is part of the model; nullptr without steps.
const StepRecord* last_step(const RunRecord& run);

}  // namespace swallow
