// Parses, dispatches to a command, and holds the only catch: an error is printed once, the other
// ranks are told, and its code becomes the exit status.
#include <csignal>
#include <cstdio>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "commands/commands.h"
#include "commands/train.h"

namespace {

/// The rank's place in the job, as far as it is known.
std::string place_of(const swallow::World* world) {
  if (world == nullptr || world->grid.world_size() == 1) return "";
  return fmt::format(" on rank {} (dp {} tp {} pp {})", world->rank, world->at.dp, world->at.tp,
                     world->at.pp);
}

int fail(const swallow::World* world, swallow::ExitCode code, const std::string& what) {
  std::cerr << fmt::format("swallow-train: error{}: {}\n", place_of(world), what) << std::flush;
  if (world != nullptr) world->abort(what);
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe must not end a run
  std::signal(SIGXFSZ, SIG_IGN);  // nor a file size limit: writes report it
  std::unique_ptr<swallow::World> world;
  try {
    return swallow::run_command({argv + 1, argv + argc}, argv, world);
  } catch (const swallow::Error& error) {
    return fail(world.get(), error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(world.get(), swallow::ExitCode::resources, "out of host memory");
  } catch (const std::exception& error) {
    return fail(world.get(), swallow::ExitCode::internal, error.what());
  }
}
