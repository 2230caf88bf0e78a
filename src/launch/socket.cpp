#include "launch/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <system_error>

#include "base/check.h"

namespace swallow {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

std::string describe(int error) {
  return std::generic_category().message(error);
}

/// Throws for a failed call that leaves no other way to go on.
[[noreturn]] void throw_socket_error(const std::string& what, int error) {
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)
    throw ResourceError("{}: {} (raise the limit of open files: ulimit -n)", what, describe(error));
  throw CommError("{}: {}", what, describe(error));
}

void set_option(int fd, int level, int name, int value) {
  // A kernel that lacks an option leaves a slower or later answer, never a wrong one.
  static_cast<void>(setsockopt(fd, level, name, &value, sizeof value));
}

AddressList resolve(const std::string& host, int port, int flags, std::string& why) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(),
                                &hints, &list);
  if (error != 0) why = gai_strerror(error);
  return {error == 0 ? list : nullptr, &freeaddrinfo};
}

std::string name_of(const sockaddr_storage& address, socklen_t length) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host, sizeof host, port,
                  sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "unknown peer";
  const std::string_view text = host;
  constexpr std::string_view kMapped = "::ffff:";  // IPv4 seen through a dual-stack listener
  return fmt::format("{}:{}", text.starts_with(kMapped) ? text.substr(kMapped.size()) : text, port);
}

/// Binds and listens on one address; the error number, or 0.
int bind_and_listen(const addrinfo& address, int backlog, Socket& result) {
  Socket socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return errno;
  set_option(socket.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
  // Both families on one socket, so that a name may resolve to either on the other hosts.
  if (address.ai_family == AF_INET6) set_option(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(socket.fd(), address.ai_addr, address.ai_addrlen) != 0) return errno;
  if (listen(socket.fd(), backlog) != 0) return errno;
  result = std::move(socket);
  return 0;
}

/// Waits for `events`; false when the deadline has passed, even if they are there: the kernel may
/// call a socket writable and still refuse the data when memory is short.
bool wait_for(int fd, short events, Deadline deadline) {
  while (AwakeClock::now() < deadline) {
    pollfd entry{fd, events, 0};
    const int ready = poll(&entry, 1, poll_timeout(deadline));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) throw_socket_error("poll", errno);
  }
  return false;
}

/// Connects to one address; the error number, or 0.
int connect_to(const addrinfo& address, Deadline deadline, Socket& result) {
  Socket socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return errno;
  if (connect(socket.fd(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return errno;
    if (!wait_for(socket.fd(), POLLOUT, deadline)) return ETIMEDOUT;
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
    if (error != 0) return error;
  }
  // Connecting to a free ephemeral port of one's own machine can meet oneself: nobody is there.
  sockaddr_storage local{};
  sockaddr_storage remote{};
  socklen_t local_length = sizeof local;
  socklen_t remote_length = sizeof remote;
  getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&local), &local_length);
  if (getpeername(socket.fd(), reinterpret_cast<sockaddr*>(&remote), &remote_length) != 0)
    return errno;
  if (local_length == remote_length && std::memcmp(&local, &remote, local_length) == 0)
    return ECONNREFUSED;
  set_option(socket.fd(), IPPROTO_TCP, TCP_NODELAY, 1);
  result = std::move(socket);
  return 0;
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
    peer_ = std::move(other.peer_);
  }
  return *this;
}

void Socket::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::optional<Socket> try_listen_tcp(const std::string& host, int port, int backlog) {
  const std::string name = fmt::format("{}:{}", host.empty() ? "*" : host, port);
  std::string why;
  const AddressList list = resolve(host, port, AI_PASSIVE, why);
  if (!list) throw CommError("cannot listen on {}: {}", name, why);
  int error = 0;
  Socket result;
  // IPv6 first where there is one: such a socket on every interface serves IPv4 as well.
  for (const int family : {AF_INET6, AF_INET}) {
    for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
      if (at->ai_family != family) continue;
      error = bind_and_listen(*at, backlog, result);
      if (error == 0) {
        result.set_peer(name);
        return result;
      }
      if (error == EADDRINUSE) return std::nullopt;
    }
  }
  throw_socket_error("cannot listen on " + name, error);
}

Socket listen_tcp(const std::string& host, int port, int backlog) {
  std::optional<Socket> socket = try_listen_tcp(host, port, backlog);
  if (!socket)
    throw CommError("cannot listen on {}:{}: the port is taken", host.empty() ? "*" : host, port);
  return std::move(*socket);
}

int local_port(const Socket& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    throw_socket_error("getsockname", errno);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
  return ntohs(address.ss_family == AF_INET6 ? v6->sin6_port : v4->sin_port);
}

std::optional<Socket> try_accept(const Socket& listener) {
  while (true) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    const int fd = accept4(listener.fd(), reinterpret_cast<sockaddr*>(&address), &length,
                           SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      Socket socket(fd, name_of(address, length));
      set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
      return socket;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    // A connection that died in the queue is its own trouble, not the listener's.
    if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO)
      throw_socket_error("accept on " + listener.peer(), errno);
  }
}

std::optional<Socket> try_connect_tcp(const std::string& host, int port, Deadline deadline,
                                      std::string& why) {
  const AddressList list = resolve(host, port, 0, why);
  Socket result;
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    const int error = connect_to(*at, deadline, result);
    if (error == 0) {
      result.set_peer(fmt::format("{}:{}", host, port));
      return result;
    }
    if (error == EMFILE || error == ENFILE)
      throw_socket_error(fmt::format("cannot connect to {}:{}", host, port), error);
    why = describe(error);
  }
  return std::nullopt;
}

Socket connect_tcp(const std::string& host, int port, Deadline deadline) {
  std::string why;
  std::optional<Socket> socket = try_connect_tcp(host, port, deadline, why);
  if (!socket) throw CommError("cannot connect to {}:{}: {}", host, port, why);
  return std::move(*socket);
}

std::pair<Socket, Socket> socket_pair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
    throw_socket_error("socketpair", errno);
  return {Socket(fds[0], "this process"), Socket(fds[1], "this process")};
}

void send_all(const Socket& socket, const void* data, size_t size, Deadline deadline) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t sent = send(socket.fd(), at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      at += sent;
      size -= static_cast<size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(socket.fd(), POLLOUT, deadline))
        throw CommError("{} takes no data: the time limit has passed", socket.peer());
    } else if (errno != EINTR) {
      throw_socket_error("sending to " + socket.peer(), errno);
    }
  }
}

void recv_all(const Socket& socket, void* data, size_t size, Deadline deadline) {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t received = recv(socket.fd(), at, size, MSG_DONTWAIT);
    if (received > 0) {
      at += received;
      size -= static_cast<size_t>(received);
    } else if (received == 0) {
      throw CommError("{} has closed the connection", socket.peer());
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(socket.fd(), POLLIN, deadline))
        throw CommError("{} sends no data: the time limit has passed", socket.peer());
    } else if (errno != EINTR) {
      throw_socket_error("receiving from " + socket.peer(), errno);
    }
  }
}

void set_nonblocking(const Socket& socket) {
  const int flags = fcntl(socket.fd(), F_GETFL);
  if (flags < 0 || fcntl(socket.fd(), F_SETFL, flags | O_NONBLOCK) != 0)
    throw_socket_error("fcntl on the socket to " + socket.peer(), errno);
}

void set_close_on_exec(const Socket& socket) {
  const int flags = fcntl(socket.fd(), F_GETFD);
  if (flags < 0 || fcntl(socket.fd(), F_SETFD, flags | FD_CLOEXEC) != 0)
    throw_socket_error("fcntl on the socket to " + socket.peer(), errno);
}

void set_keepalive(const Socket& socket) {
  set_option(socket.fd(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket.fd(), IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set_option(socket.fd(), IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(socket.fd(), IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(socket.fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);  // ms, for unacknowledged data
}

int poll_timeout(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - AwakeClock::now());
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, kMost));
}

}  // namespace swallow
