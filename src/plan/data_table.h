// What data a run takes, by split and file.
#pragma once

#include <string>

#include "data/datasets.h"

namespace swallow {

/// A row for each file of each split, and below them what the user should know.
std::string data_table(const Datasets& datasets);

}  // namespace swallow
