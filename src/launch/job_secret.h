// The secret by which the ranks of a job know each other, so that nobody else on the network can
// join or disturb it. From SWALLOW_SECRET, which `--nproc` sets and a job script may; else from a
// file in the user's home, which the nodes of a cluster share.
#pragma once

#include <string>

#include "launch/environment.h"

namespace swallow {

struct JobSecret {
  std::string bytes;   // empty: there is none, and any process may join
  std::string origin;  // "SWALLOW_SECRET", or the file
  std::string notice;  // something a person should be told, or empty
};

/// SWALLOW_SECRET (16 to 1024 bytes), else $XDG_CONFIG_HOME/swallow-train/rendezvous.key, by
/// default in ~/.config, which is made with random contents if missing: of all ranks that try at
/// the same time one makes it. Throws ConfigError when the variable is too short or long, or the
/// file is not the user's alone. Without a home to write in there is no secret, and a notice.
JobSecret find_job_secret(const EnvironmentLookup& lookup);

/// A fresh one as text, for SWALLOW_SECRET.
std::string new_job_secret();

}  // namespace swallow
