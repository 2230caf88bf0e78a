// Threads beside the one that trains.
#pragma once

#include <functional>
#include <thread>

namespace swallow {

/// A thread to which no signal is delivered: those are for the thread that trains.
std::thread start_without_signals(std::function<void()> work);

}  // namespace swallow
