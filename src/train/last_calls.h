// The last collectives of each rank as files, for whoever looks into a job that was lost: which
// rank was in which call, and for how long.
#pragma once

#include <filesystem>

#include "comm/world.h"

namespace swallow {

/// Of the files below, in the folder of the log.
std::filesystem::path last_calls_folder(const std::filesystem::path& log_folder);

/// Writes rank-00003.txt there over an earlier one. An empty `log_folder`: nothing. It comes while
/// a job is ending, so what cannot be written is left out.
void write_last_calls(const std::filesystem::path& log_folder, const World& world) noexcept;

}  // namespace swallow
