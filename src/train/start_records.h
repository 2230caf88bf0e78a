// What is known before step 1, as members of JSON objects for the metrics file: the same facts as
// in the tables of plan/data_table.h and plan/memory_table.h.
#pragma once

#include <string>

#include "config/run_config.h"
#include "config/run_shape.h"
#include "data/datasets.h"
#include "device/device.h"

namespace swallow {

/// {"sources":[{"split":"train","prefix":"...","share":x,"documents":N,"tokens":N,"samples":N,
/// "epochs":N}, ...]}
std::string data_record(const Datasets& datasets);

/// {"stages":[{"stage":0,"bytes":{"weights":N, ...}}, ...]}, planned for one rank of each stage.
std::string memory_record(const RunConfig& config, const RunShape& run, Device device,
                          int num_threads);

}  // namespace swallow
