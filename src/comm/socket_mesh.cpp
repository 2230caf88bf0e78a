#include "comm/socket_mesh.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <system_error>

#include "base/check.h"
#include "base/math.h"
#include "comm/random_key.h"
#include "launch/socket.h"

namespace swallow {

namespace {

/// Sent by the rank that connects. Strangers (a scan of ports, a rank of another job that has the
/// address from an earlier one) do not know the job's key and are turned away.
struct Greeting {
  uint32_t magic = 0x53574d48;  // "SWMH"
  uint32_t axis = 0;            // index into the mesh's groups
  int32_t from = 0;
  int32_t to = 0;
  uint64_t key = 0;
};
static_assert(sizeof(Greeting) == 24);

/// A connection whose greeting has not come in whole.
struct Caller {
  Socket socket;
  std::array<std::byte, sizeof(Greeting)> bytes{};
  size_t received = 0;
};

/// How a rank can be reached: "<port> <key> <host>".
struct Address {
  int port = 0;
  uint64_t key = 0;
  std::string host;
};

std::string write_address(const Address& address) {
  return fmt::format("{} {} {}", address.port, address.key, address.host);
}

Address read_address(int rank, const std::string& text) {
  Address address;
  const char* end = text.data() + text.size();
  const auto port = std::from_chars(text.data(), end, address.port);
  if (port.ec != std::errc{} || port.ptr == end)
    throw CommError("rank {} gave no usable address: '{}'", rank, text);
  const auto key = std::from_chars(port.ptr + 1, end, address.key);
  if (key.ec != std::errc{} || key.ptr == end)
    throw CommError("rank {} gave no usable address: '{}'", rank, text);
  address.host.assign(key.ptr + 1, end);
  return address;
}

/// Where to listen for ranks that call at `host`. A host's own name may mean the loopback to itself
/// and its network address to the others, so only a loopback address is taken at its word;
/// strangers that get in by another interface are turned away by the key.
std::string interface_of(const std::string& host) {
  const bool loopback = host.starts_with("127.") || host == "::1" || host == "localhost";
  return loopback ? host : std::string();
}

class MeshBuilder {
 public:
  MeshBuilder(const GroupPlaces& places, const std::array<bool, 3>& wanted, ControlPlane& control,
              const TransportOptions& options);

  void connect_to_lower_ranks(const std::vector<Address>& addresses);
  void accept_higher_ranks(const Socket& listener);
  [[nodiscard]] std::array<PeerSockets, 3> take() && { return std::move(mesh_); }

  void set_key(uint64_t key) { key_ = key; }

 private:
  [[nodiscard]] std::string missing_ranks();
  void wait_for_callers(const Socket& listener);
  /// False when the caller is done with: admitted or turned away.
  bool listen_to(Caller& caller);
  void admit(Caller& caller);
  void adopt(PeerSockets& group, size_t place, Socket socket);

  int rank_;
  ControlPlane& control_;
  Deadline deadline_;
  uint64_t key_ = 0;
  std::array<PeerSockets, 3> mesh_;  // no sockets: not wanted
  std::vector<Caller> callers_;
  std::vector<pollfd> polled_;
};

MeshBuilder::MeshBuilder(const GroupPlaces& places, const std::array<bool, 3>& wanted,
                         ControlPlane& control, const TransportOptions& options)
    : rank_(control.rank()), control_(control), deadline_(deadline_after(options.timeout)) {
  for (size_t axis = 0; axis < places.size(); ++axis) {
    mesh_[axis] = {places[axis], {}};
    if (wanted[axis]) mesh_[axis].sockets.resize(places[axis].members.size());
  }
}

void MeshBuilder::adopt(PeerSockets& group, size_t place, Socket socket) {
  set_keepalive(socket);
  set_nonblocking(socket);
  socket.set_peer(fmt::format("rank {}", group.members[place]));
  group.sockets[place] = std::move(socket);
}

void MeshBuilder::connect_to_lower_ranks(const std::vector<Address>& addresses) {
  for (uint32_t axis = 0; axis < mesh_.size(); ++axis) {
    PeerSockets& group = mesh_[axis];
    if (group.sockets.empty()) continue;
    for (size_t place = 0; place < static_cast<size_t>(group.index); ++place) {
      const int peer = group.members[place];
      const Address& address = addresses[static_cast<size_t>(peer)];
      std::string why;
      std::optional<Socket> socket = try_connect_tcp(address.host, address.port, deadline_, why);
      if (!socket) {
        control_.check();  // a rank that is gone is the better explanation
        throw CommError("rank {} cannot connect to rank {} at {}:{}: {}", rank_, peer, address.host,
                        address.port, why);
      }
      Greeting greeting;
      greeting.axis = axis;
      greeting.from = rank_;
      greeting.to = peer;
      greeting.key = key_;
      send_all(*socket, &greeting, sizeof greeting, deadline_);
      adopt(group, place, std::move(*socket));
    }
  }
}

std::string MeshBuilder::missing_ranks() {
  std::string text;
  for (const PeerSockets& group : mesh_)
    for (size_t place = 0; place < group.sockets.size(); ++place)
      if (group.members[place] != rank_ && !group.sockets[place].valid())
        text +=
            fmt::format("{}{} ({})", text.empty() ? "" : ", ", group.members[place], group.name);
  return text;
}

void MeshBuilder::accept_higher_ranks(const Socket& listener) {
  while (!missing_ranks().empty()) {
    if (AwakeClock::now() >= deadline_)
      throw CommError("rank {}: no connection in time from rank {}", rank_, missing_ranks());
    wait_for_callers(listener);
    std::erase_if(callers_, [&](Caller& caller) { return !listen_to(caller); });
  }
}

void MeshBuilder::wait_for_callers(const Socket& listener) {
  polled_.assign({{listener.fd(), POLLIN, 0}, {control_.wake_fd(), POLLIN, 0}});
  for (const Caller& caller : callers_) polled_.push_back({caller.socket.fd(), POLLIN, 0});
  if (poll(polled_.data(), polled_.size(), poll_timeout(deadline_)) < 0 && errno != EINTR)
    throw CommError("rank {}: poll: {}", rank_, std::generic_category().message(errno));
  if (polled_[1].revents != 0) control_.check();
  while (std::optional<Socket> socket = try_accept(listener))
    callers_.push_back({std::move(*socket), {}, 0});
}

bool MeshBuilder::listen_to(Caller& caller) {
  while (caller.received < sizeof(Greeting)) {
    const ssize_t got = recv(caller.socket.fd(), caller.bytes.data() + caller.received,
                             sizeof(Greeting) - caller.received, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (got <= 0) return false;
    caller.received += static_cast<size_t>(got);
  }
  admit(caller);
  return false;
}

void MeshBuilder::admit(Caller& caller) {
  Greeting greeting;
  std::memcpy(&greeting, caller.bytes.data(), sizeof greeting);
  if (greeting.magic != Greeting{}.magic || greeting.key != key_ || greeting.to != rank_ ||
      greeting.axis >= mesh_.size() || mesh_[greeting.axis].sockets.empty())
    return;
  PeerSockets& group = mesh_[greeting.axis];
  const auto found = std::find(group.members.begin(), group.members.end(), greeting.from);
  const auto place = static_cast<size_t>(found - group.members.begin());
  if (found == group.members.end() || greeting.from <= rank_ || group.sockets[place].valid())
    return;
  adopt(group, place, std::move(caller.socket));
}

}  // namespace

std::array<PeerSockets, 3> connect_mesh(const GroupPlaces& places,
                                        const std::array<bool, 3>& wanted, ControlPlane& control,
                                        const TransportOptions& options) {
  MeshBuilder builder(places, wanted, control, options);
  // A connection waits in the backlog until its turn, so connecting first cannot deadlock. The
  // system lowers the number to what it allows (4096 on Linux).
  const Socket listener =
      listen_tcp(interface_of(options.host), 0, std::numeric_limits<int>::max());
  const std::vector<std::string> texts =
      control.exchange(write_address({local_port(listener), random_key(), options.host}));
  std::vector<Address> addresses;
  for (const std::string& text : texts)
    addresses.push_back(read_address(narrow<int>(addresses.size()), text));
  builder.set_key(addresses.front().key);  // rank 0's, so that all agree
  builder.connect_to_lower_ranks(addresses);
  builder.accept_higher_ranks(listener);
  return std::move(builder).take();
}

}  // namespace swallow
