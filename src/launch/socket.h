// Stream sockets as values: an owned descriptor that knows its peer's name, and the few calls on it
// that the rendezvous and the socket communicator share. Every wait has a deadline, no call raises
// SIGPIPE, every descriptor is closed on exec. Nothing here knows a message format.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "base/awake_clock.h"

namespace swallow {

using Deadline = AwakeClock::time_point;

inline Deadline deadline_after(std::chrono::milliseconds wait) {
  return AwakeClock::now() + wait;
}

/// An owned file descriptor, with the name by which errors call its other end. Sockets made by the
/// functions below are non-blocking; the calls that move data wait by themselves.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd, std::string peer = {}) noexcept : fd_(fd), peer_(std::move(peer)) {}
  Socket(Socket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), peer_(std::move(other.peer_)) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { close(); }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
  [[nodiscard]] const std::string& peer() const noexcept { return peer_; }
  void set_peer(std::string peer) { peer_ = std::move(peer); }
  void close() noexcept;

 private:
  int fd_ = -1;
  std::string peer_;
};

/// Listens on `host` (a name or an address; empty: every interface) and `port` (0: a free one).
/// Throws CommError naming host and port, ResourceError when descriptors run out.
Socket listen_tcp(const std::string& host, int port, int backlog);
/// The same, but nothing when the port is taken.
std::optional<Socket> try_listen_tcp(const std::string& host, int port, int backlog);
/// The port that a socket is bound to.
int local_port(const Socket& socket);
/// The next connection waiting on a listening socket, named by its address; nothing if there is
/// none. Does not wait. Throws ResourceError when descriptors run out.
std::optional<Socket> try_accept(const Socket& listener);

/// Connects, trying each address of `host` once. Throws CommError when the last of them failed.
Socket connect_tcp(const std::string& host, int port, Deadline deadline);
/// The same, but nothing when nobody answers there; `why` then says what happened.
std::optional<Socket> try_connect_tcp(const std::string& host, int port, Deadline deadline,
                                      std::string& why);
/// Two connected sockets of this process.
std::pair<Socket, Socket> socket_pair();

/// Moves exactly `size` bytes; the socket may be blocking or not. Throw CommError naming the peer
/// when it closes the connection or the deadline passes.
void send_all(const Socket& socket, const void* data, size_t size, Deadline deadline);
void recv_all(const Socket& socket, void* data, size_t size, Deadline deadline);

/// For descriptors that were inherited; sockets made here have both properties already.
void set_nonblocking(const Socket& socket);
void set_close_on_exec(const Socket& socket);
/// Makes the kernel notice within about a minute a peer whose machine vanished without a word.
void set_keepalive(const Socket& socket);
/// Milliseconds left, rounded up, as poll() wants them: 0 once the deadline has passed.
int poll_timeout(Deadline deadline);

}  // namespace swallow
