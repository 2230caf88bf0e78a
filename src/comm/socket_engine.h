// The poll loop under the socket transport: moves a set of messages between this rank and its
// peers, all at the same time, in the calling thread, so that no order of calls on the two sides of
// a connection can block both. Knows bytes and calls, not tensors.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <vector>

#include "comm/call.h"
#include "comm/group_place.h"
#include "launch/control_plane.h"
#include "launch/socket.h"

namespace swallow {

/// A group's connections; the index of a peer is its rank within the group.
struct PeerSockets : GroupPlace {
  std::vector<Socket> sockets;  // connected and non-blocking; none at `index`
};

class SocketEngine {
 public:
  /// `control` ends a wait when the job is aborted; it outlives the engine's last call. `timeout`:
  /// how long a wait may pass without a byte moving.
  SocketEngine(PeerSockets peers, ControlPlane& control, std::chrono::milliseconds timeout);
  SocketEngine(const SocketEngine&) = delete;
  SocketEngine& operator=(const SocketEngine&) = delete;
  /// After a failed call it lets the peers read to the end what was sent to them, for a moment.
  ~SocketEngine();

  [[nodiscard]] int index() const noexcept { return peers_.index; }
  [[nodiscard]] int size() const noexcept { return peers_.size(); }
  [[nodiscard]] ControlPlane& control() noexcept { return control_; }

  // These queue what run() will do, in order for each peer and direction. Memory must stay until
  // run() has returned; empty pieces are allowed.

  /// Tells `peer` which call this is; `number` counts the calls between the two.
  void send_header(int peer, const Call& call, uint64_t number);
  /// Expects the header of the peer's side of the same call.
  void receive_header(int peer, const Call& call, uint64_t number);
  void send(int peer, const void* data, int64_t bytes);
  void receive(int peer, void* data, int64_t bytes);

  /// Returns when everything queued has been handed to the system or has arrived. `doing` is for
  /// messages. Throws CommError when a peer's call differs from ours, a connection has closed,
  /// nothing moves within the time limit or the job is aborted; the engine cannot be used after.
  void run(const Call& doing);

 private:
  struct Header {
    uint32_t magic = 0;
    uint8_t kind = 0, dtype = 0, reduce = 0, padding = 0;
    int32_t root = 0;
    int32_t rank = 0;  // global
    int64_t count = 0;
    uint64_t number = 0;
  };
  static_assert(sizeof(Header) == 32);

  struct Piece {
    std::byte* data = nullptr;  // null: the header below
    size_t bytes = 0;
    Header header;        // to send, or as it arrives
    Call expected;        // of a header to receive
    uint64_t number = 0;  // likewise
  };
  struct Queue {
    std::vector<Piece> pieces;  // kept for the next run
    size_t next = 0;
    size_t moved = 0;  // bytes of the next piece
    [[nodiscard]] bool empty() const noexcept { return next == pieces.size(); }
  };
  enum class Progress : uint8_t { none, some, closed };
  enum class Way : uint8_t { out, in };

  [[nodiscard]] Queue& sends(int peer) { return sends_[static_cast<size_t>(peer)]; }
  [[nodiscard]] Queue& receives(int peer) { return receives_[static_cast<size_t>(peer)]; }
  [[nodiscard]] int fd(int peer) const { return peers_.sockets[static_cast<size_t>(peer)].fd(); }
  [[nodiscard]] int global(int peer) const { return peers_.global(peer); }

  Progress move(int peer, Way way);
  void advance(int peer, Queue& queue, Way way, size_t bytes);
  void check_header(int peer, const Piece& piece) const;
  Progress move_both(int peer);
  [[nodiscard]] Progress wait(Deadline deadline);
  [[noreturn]] void throw_lost(int peer);
  [[noreturn]] void throw_silent();
  void drain() noexcept;

  PeerSockets peers_;
  ControlPlane& control_;
  std::chrono::milliseconds timeout_;
  std::vector<Queue> sends_, receives_;  // by peer
  std::vector<pollfd> polled_;           // by peer, then the control plane's
  const Call* doing_ = nullptr;
  bool usable_ = true;
};

}  // namespace swallow
