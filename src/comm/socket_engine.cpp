#include "comm/socket_engine.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/check.h"
#include "comm/lost_peer.h"

namespace swallow {

namespace {

constexpr uint32_t kMagic = 0x53574c57;  // "SWLW"

// Pieces given to one system call; a header and its payload are two.
constexpr size_t kMaxPieces = 16;

}  // namespace

SocketEngine::SocketEngine(PeerSockets peers, ControlPlane& control,
                           std::chrono::milliseconds timeout)
    : peers_(std::move(peers)),
      control_(control),
      timeout_(timeout),
      sends_(peers_.members.size()),
      receives_(peers_.members.size()),
      polled_(peers_.members.size() + 1) {}

SocketEngine::~SocketEngine() {
  if (!usable_) drain();
}

// To close a connection whose bytes were not all read resets it, and the peer may lose what had
// arrived before: the header that shows why this rank has gone.
void SocketEngine::drain() noexcept {
  for (const Socket& socket : peers_.sockets)
    if (socket.valid()) shutdown(socket.fd(), SHUT_WR);
  const Deadline deadline = deadline_after(kReasonGrace);
  for (const Socket& socket : peers_.sockets) {
    if (!socket.valid()) continue;
    std::array<std::byte, 1 << 14> bytes;
    pollfd readable{socket.fd(), POLLIN, 0};
    while (AwakeClock::now() < deadline && poll(&readable, 1, poll_timeout(deadline)) > 0 &&
           recv(socket.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
  }
}

void SocketEngine::send_header(int peer, const Call& call, uint64_t number) {
  Piece& piece = sends(peer).pieces.emplace_back();
  piece.bytes = sizeof(Header);
  piece.header = {.magic = kMagic,
                  .kind = static_cast<uint8_t>(call.kind),
                  .dtype = static_cast<uint8_t>(call.dtype),
                  .reduce = static_cast<uint8_t>(call.reduce),
                  .padding = 0,
                  .root = call.root,
                  .rank = global(index()),
                  .count = call.count,
                  .number = number};
}

void SocketEngine::receive_header(int peer, const Call& call, uint64_t number) {
  Piece& piece = receives(peer).pieces.emplace_back();
  piece.bytes = sizeof(Header);
  piece.expected = call;
  piece.number = number;
}

void SocketEngine::send(int peer, const void* data, int64_t bytes) {
  if (bytes == 0) return;
  Piece& piece = sends(peer).pieces.emplace_back();
  piece.data = static_cast<std::byte*>(const_cast<void*>(data));  // only read
  piece.bytes = static_cast<size_t>(bytes);
}

void SocketEngine::receive(int peer, void* data, int64_t bytes) {
  if (bytes == 0) return;
  Piece& piece = receives(peer).pieces.emplace_back();
  piece.data = static_cast<std::byte*>(data);
  piece.bytes = static_cast<size_t>(bytes);
}

void SocketEngine::run(const Call& doing) {
  if (!usable_)
    throw CommError("{}: rank {} called {} after an earlier call had failed", peers_.name,
                    global(index()), to_string(doing));
  usable_ = false;
  doing_ = &doing;
  Deadline deadline = deadline_after(timeout_);
  // Headers are small and leave at once, so every peer learns of this call even if it fails here.
  for (int peer = 0; peer < size(); ++peer) {
    if (move(peer, Way::out) == Progress::closed) throw_lost(peer);
  }
  for (int peer = 0; peer < size(); ++peer) {
    if (move(peer, Way::in) == Progress::closed) throw_lost(peer);
  }
  const auto busy = [](const Queue& queue) { return !queue.empty(); };
  while (std::any_of(sends_.begin(), sends_.end(), busy) ||
         std::any_of(receives_.begin(), receives_.end(), busy)) {
    if (wait(deadline) == Progress::some)
      deadline = deadline_after(timeout_);
    else if (AwakeClock::now() >= deadline)
      throw_silent();
  }
  for (std::vector<Queue>* queues : {&sends_, &receives_}) {
    for (Queue& queue : *queues) {
      queue.pieces.clear();
      queue.next = 0;
    }
  }
  usable_ = true;
}

// Moves what the system takes or gives at once.
SocketEngine::Progress SocketEngine::move(int peer, Way way) {
  Queue& queue = way == Way::out ? sends(peer) : receives(peer);
  Progress progress = Progress::none;
  while (!queue.empty()) {
    std::array<iovec, kMaxPieces> parts;
    size_t count = 0;
    for (size_t i = queue.next; i < queue.pieces.size() && count < kMaxPieces; ++i, ++count) {
      Piece& piece = queue.pieces[i];
      auto* start =
          piece.data != nullptr ? piece.data : reinterpret_cast<std::byte*>(&piece.header);
      const size_t moved = i == queue.next ? queue.moved : 0;
      parts[count] = {start + moved, piece.bytes - moved};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
    const ssize_t moved =
        way == Way::out ? sendmsg(fd(peer), &message, kFlags) : recvmsg(fd(peer), &message, kFlags);
    if (moved > 0) {
      advance(peer, queue, way, static_cast<size_t>(moved));
      progress = Progress::some;
    } else if (moved < 0 && errno == EINTR) {
      continue;
    } else if (moved < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return progress;
    } else {
      return Progress::closed;
    }
  }
  return progress;
}

void SocketEngine::advance(int peer, Queue& queue, Way way, size_t bytes) {
  while (bytes > 0) {
    const Piece& piece = queue.pieces[queue.next];
    const size_t step = std::min(bytes, piece.bytes - queue.moved);
    queue.moved += step;
    bytes -= step;
    if (queue.moved < piece.bytes) return;
    if (way == Way::in && piece.data == nullptr) check_header(peer, piece);
    queue.moved = 0;
    ++queue.next;
  }
}

void SocketEngine::check_header(int peer, const Piece& piece) const {
  const Header& header = piece.header;
  if (header.magic != kMagic || header.rank != global(peer))
    throw CommError("{}: rank {} got bytes from rank {} that are not the start of a message",
                    peers_.name, global(index()), global(peer));
  const Call theirs{.kind = static_cast<CallKind>(header.kind),
                    .dtype = static_cast<DType>(header.dtype),
                    .reduce = static_cast<ReduceOp>(header.reduce),
                    .root = header.root,
                    .count = header.count};
  const bool agree = piece.expected.kind == CallKind::receive ? matches(theirs, piece.expected)
                                                              : theirs == piece.expected;
  if (!agree) throw CommError("{}", differing_calls(peers_, piece.expected, peer, theirs));
  if (header.number != piece.number)
    throw CommError("{}: {} is call number {} of rank {}, but number {} of rank {}", peers_.name,
                    to_string(theirs), piece.number, global(index()), header.number, global(peer));
}

// Receiving comes first: what a peer sent before it closed the connection may say why.
SocketEngine::Progress SocketEngine::move_both(int peer) {
  const Progress in = move(peer, Way::in);
  if (in == Progress::closed) return in;
  const Progress out = move(peer, Way::out);
  return out == Progress::none ? in : out;
}

SocketEngine::Progress SocketEngine::wait(Deadline deadline) {
  for (int peer = 0; peer < size(); ++peer) {
    const int events = (sends(peer).empty() ? 0 : POLLOUT) | (receives(peer).empty() ? 0 : POLLIN);
    // poll() passes over negative descriptors.
    polled_[static_cast<size_t>(peer)] = {events == 0 ? -1 : fd(peer), static_cast<short>(events),
                                          0};
  }
  polled_.back() = {control_.wake_fd(), POLLIN, 0};
  if (poll(polled_.data(), polled_.size(), poll_timeout(deadline)) < 0 && errno != EINTR)
    throw CommError("{}: poll: {}", peers_.name, std::generic_category().message(errno));
  if (polled_.back().revents != 0) control_.check();
  Progress progress = Progress::none;
  for (int peer = 0; peer < size(); ++peer) {
    if (polled_[static_cast<size_t>(peer)].revents == 0) continue;
    const Progress moved = move_both(peer);
    if (moved == Progress::closed) throw_lost(peer);
    if (moved == Progress::some) progress = moved;
  }
  return progress;
}

void SocketEngine::throw_lost(int peer) {
  // Somebody else's header may show that calls differ, which is why the peer has gone.
  for (int other = 0; other < size(); ++other) static_cast<void>(move(other, Way::in));
  await_reason(control_, timeout_);
  throw CommError("{}: rank {} called {}, but rank {} has closed the connection", peers_.name,
                  global(index()), to_string(*doing_), global(peer));
}

void SocketEngine::throw_silent() {
  std::vector<int> silent;
  for (int peer = 0; peer < size(); ++peer) {
    const auto i = static_cast<size_t>(peer);
    if (!sends_[i].empty() || !receives_[i].empty()) silent.push_back(peer);
  }
  swallow::throw_silent(control_, peers_, *doing_, timeout_, silent);
}

}  // namespace swallow
