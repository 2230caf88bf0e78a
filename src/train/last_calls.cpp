#include "train/last_calls.h"

#include <fmt/format.h>

#include <fstream>

namespace swallow {

std::filesystem::path last_calls_folder(const std::filesystem::path& log_folder) {
  return log_folder / "last-calls";
}

void write_last_calls(const std::filesystem::path& log_folder, const World& world) noexcept {
  if (log_folder.empty() || world.calls == nullptr) return;
  try {
    const std::filesystem::path folder = last_calls_folder(log_folder);
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    std::ofstream file(folder / fmt::format("rank-{:05}.txt", world.rank));
    file << fmt::format("rank {} (dp {} tp {} pp {}): {}\n", world.rank, world.at.dp, world.at.tp,
                        world.at.pp, world.calls->doing().text)
         << world.calls->text();
  } catch (const std::exception&) {
    // The reason of the failure is told elsewhere; this was a help.
  }
}

}  // namespace swallow
