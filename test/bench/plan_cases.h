// Published training runs (plan_cases.json) and what the model of plan/ predicts for them.
#pragma once

#include <string>
#include <vector>

#include "plan/hardware_profile.h"
#include "plan/software_profile.h"
#include "plan/step_case.h"

namespace swallow {

struct PublishedCase {
  std::string set;       // the table that it is from
  std::string label;     // model and layout
  std::string hardware;  // profile names
  std::string software;
  bool overlaps_gradients = false;
  bool one_layer = false;  // the time is of one layer and micro-batch
  StepCase step;
  double seconds = 0;  // published
};

/// Throws ConfigError when the file is not as expected.
std::vector<PublishedCase> read_published_cases(const std::string& path);

/// Seconds, of what the case's published time is of.
double predict(const PublishedCase& published, const HardwareProfile& hardware,
               SoftwareProfile software);

}  // namespace swallow
