// How the processes of a job find each other: rank 0 listens, all connect, and the connections stay
// open for the whole run as its control connections. Needs nothing but the LaunchEnvironment, so it
// is the same under every launcher.
#pragma once

#include <memory>
#include <string>

#include "launch/control_plane.h"
#include "launch/environment.h"
#include "launch/host_map.h"
#include "launch/rendezvous_server.h"

namespace swallow {

struct RendezvousOptions {
  std::string build_id;       // must be the same on all ranks
  std::string config_digest;  // must be the same on all ranks
  std::string secret;         // by which ranks know each other (job_secret.h); may be empty
  RendezvousTimeouts timeouts;
  HostIdentity host = this_host();
  int stop_fd = -1;  // readable: leave, nothing has begun (StopSignals); -1: none
};

struct Meeting {
  std::unique_ptr<ControlPlane> control;
  HostMap hosts;
  std::string turned_away;  // connections of others while the ranks came together, for the log
};

/// Returns on every rank once all have come; a single process meets nobody and opens no socket.
/// From then on a rank's number is control->rank(): that of the launcher, or one by host where the
/// launcher has spread consecutive ranks over hosts (host_map.h).
/// Throws ConfigError when no address of rank 0 is known, its ports are taken, or ranks disagree on
/// the world size, the build, the configuration or the secret, and CommError naming the ranks that
/// did not come in time, StoppedError by `stop_fd`. The errors are the same on all ranks that
/// reached rank 0. Who cannot prove that it knows the secret is turned away before anything else
/// that it says is looked at.
///
/// A rank that dies, or whose control plane is destroyed by an exception, aborts the job: check(),
/// exchange() and wake_fd() of all others report it with its number and host. Destroying the
/// control plane otherwise is a goodbye; on rank 0 this waits for the goodbyes of all others.
///
/// One thread at a time may be in exchange(); abort() and check() may be called from others. While
/// an exchange is running, wake_fd() may be readable with its answer, which check() leaves alone.
Meeting meet(const LaunchEnvironment& environment, const RendezvousOptions& options);

}  // namespace swallow
