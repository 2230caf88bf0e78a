#include "launch/rendezvous.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.h"
#include "launch/greeting.h"
#include "launch/handshake.h"
#include "launch/message.h"
#include "launch/proof.h"
#include "launch/rank_status.h"
#include "launch/rank_table.h"

namespace swallow {
namespace {

using namespace std::chrono_literals;

constexpr int kNumPorts = 16;  // the first, and those tried when it is taken
constexpr int kLastPort = 65535;

/// Waits for bytes on `fd`; true when `stop_fd`, unless it is -1, was readable before.
bool wait_unless_stopped(int fd, int stop_fd, Deadline deadline) {
  pollfd entries[] = {{fd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
  while (AwakeClock::now() < deadline) {
    if (poll(entries, 2, poll_timeout(deadline)) < 0 && errno != EINTR)
      throw CommError("poll: {}", std::strerror(errno));
    if (entries[0].revents != 0) return false;
    if (entries[1].revents != 0) return true;
  }
  return false;
}

/// A job of one rank.
class SingleControlPlane final : public ControlPlane {
 public:
  [[nodiscard]] int rank() const noexcept override { return 0; }
  [[nodiscard]] int size() const noexcept override { return 1; }
  std::vector<std::string> exchange(std::string_view blob) override { return {std::string(blob)}; }
  void abort(std::string_view) noexcept override { aborted_ = true; }
  void check() override {
    if (aborted_) throw CommError("the job was aborted");
  }

 private:
  std::atomic<bool> aborted_ = false;
};

/// A rank's end of its control connection; on rank 0 with the server behind it.
class SocketControlPlane final : public ControlPlane {
 public:
  SocketControlPlane(Socket socket, std::unique_ptr<RendezvousServer> server,
                     const LaunchEnvironment& environment, const RendezvousTimeouts& timeouts)
      : server_(std::move(server)),
        socket_(std::move(socket)),
        rank_(environment.rank),
        size_(environment.world_size),
        timeouts_(timeouts),
        exceptions_at_birth_(std::uncaught_exceptions()) {}

  ~SocketControlPlane() override {
    if (std::uncaught_exceptions() > exceptions_at_birth_)
      abort("ended by an error");
    else
      send_quietly(MessageType::goodbye, {});
  }

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }
  [[nodiscard]] int wake_fd() const noexcept override { return socket_.fd(); }

  std::vector<std::string> exchange(std::string_view blob) override {
    SWALLOW_CHECK(blob.size() <= kMostMessageBytes, "a blob of {} bytes; the most is {}",
                  blob.size(), kMostMessageBytes);
    const std::lock_guard receiving(receive_mutex_);
    throw_if_failed();
    // The server keeps the time and names who is late; this limit is for a server that hangs.
    const Deadline deadline = deadline_after(timeouts_.exchange + 30s);
    std::vector<std::string> blobs;
    try {
      {
        const std::lock_guard sending(send_mutex_);
        const std::string message = encode_message(MessageType::blob, blob);
        send_all(socket_, message.data(), message.size(), deadline);
      }
      blobs = receive_blobs(deadline);
    } catch (const Error& error) {
      set_failure(error);
    }
    throw_if_failed();
    return blobs;
  }

  void tell(double busy_seconds, std::string_view doing) noexcept override {
    pollfd room{socket_.fd(), POLLOUT, 0};
    if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) return;
    try {
      send_quietly(MessageType::status,
                   RankStatus{.busy_seconds = busy_seconds, .doing = std::string(doing)}.encode());
    } catch (const std::exception&) {
      // No memory for a line of text: the next one may find some.
    }
  }

  void abort(std::string_view reason) noexcept override {
    send_quietly(MessageType::abort, reason.substr(0, 4096));
  }

  void check() override {
    throw_if_failed();
    // An exchange under way in another thread reads the connection itself, and reports.
    const std::unique_lock receiving(receive_mutex_, std::try_to_lock);
    if (!receiving.owns_lock()) return;
    char byte = 0;
    const ssize_t received = recv(socket_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    try {
      const Message message = receive_message(socket_, deadline_after(5s));
      if (message.type == MessageType::abort) throw_failure(message.payload);
      throw CommError("rank 0 sent a message out of order");
    } catch (const Error& error) {
      set_failure(error);
    }
    throw_if_failed();
  }

  /// Waits for the end of the meeting and takes the number that this rank has from then on. Throws
  /// what rank 0 says went wrong, and StoppedError when `stop_fd` becomes readable first.
  RankTable receive_table(int stop_fd) {
    const Deadline deadline = deadline_after(timeouts_.meet + 30s);
    if (wait_unless_stopped(socket_.fd(), stop_fd, deadline)) {
      constexpr auto kReason = "stopped by a signal before all ranks had come";
      abort(kReason);
      throw StoppedError("{}; nothing was begun", kReason);
    }
    const Message message = receive_message(socket_, deadline);
    if (message.type == MessageType::abort) throw_failure(message.payload);
    auto table = RankTable::decode(message.payload, size_);
    if (message.type != MessageType::table || !table || table->rank_of(rank_) < 0)
      throw CommError("rank 0 sent a message out of order");
    socket_.set_peer(fmt::format("rank 0 on {}", table->rows[0].host.name));
    rank_ = table->rank_of(rank_);
    return std::move(*table);
  }

 private:
  std::vector<std::string> receive_blobs(Deadline deadline) {
    const Message message = receive_message(socket_, deadline);
    if (message.type == MessageType::abort) throw_failure(message.payload);
    std::vector<uint32_t> sizes(static_cast<size_t>(size_));
    const size_t bytes = sizes.size() * sizeof sizes[0];
    if (message.type != MessageType::sizes || message.payload.size() != bytes)
      throw CommError("rank 0 sent a message out of order");
    std::memcpy(sizes.data(), message.payload.data(), bytes);
    // One read for all blobs: at 256 ranks two reads a blob took ten times as long.
    std::string all(std::accumulate(sizes.begin(), sizes.end(), size_t{0}), '\0');
    recv_all(socket_, all.data(), all.size(), deadline);
    std::vector<std::string> blobs;
    size_t at = 0;
    for (const uint32_t size : sizes) {
      blobs.push_back(all.substr(at, size));
      at += size;
    }
    return blobs;
  }

  void send_quietly(MessageType type, std::string_view payload) noexcept {
    try {
      const std::lock_guard sending(send_mutex_);
      const std::string message = encode_message(type, payload);
      send_all(socket_, message.data(), message.size(), deadline_after(1s));
    } catch (const std::exception&) {
      // The connection is gone, and with it whoever could be told; the others see that as well.
    }
  }

  /// After any failure the connection is at an unknown place, so the first one stands for good.
  void set_failure(const Error& error) {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = error;
  }
  void throw_if_failed() {
    const std::lock_guard lock(failure_mutex_);
    if (failure_) throw CommError("{}", failure_->what());
  }

  std::unique_ptr<RendezvousServer> server_;  // outlives the socket: it waits for that to close
  Socket socket_;
  int rank_;  // until the meeting is complete: the launcher's
  const int size_;
  const RendezvousTimeouts timeouts_;
  const int exceptions_at_birth_;
  std::mutex send_mutex_;
  std::mutex receive_mutex_;
  std::mutex failure_mutex_;
  std::optional<Error> failure_;
};

int last_port(int first) {
  return std::min(first + kNumPorts - 1, kLastPort);
}

Socket open_listener(const LaunchEnvironment& environment) {
  if (environment.listen_fd >= 0) {
    Socket inherited(environment.listen_fd, "the launcher's socket");
    int listening = 0;
    socklen_t length = sizeof listening;
    if (getsockopt(inherited.fd(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 ||
        listening == 0)
      throw ConfigError("SWALLOW_LISTEN_FD={}: not a listening socket", environment.listen_fd);
    set_nonblocking(inherited);
    set_close_on_exec(inherited);
    return inherited;
  }
  const std::string& host = environment.rendezvous_host;
  const bool loopback = host == "localhost" || host == "::1" || host.starts_with("127.");
  const int first = environment.rendezvous_port;
  for (int port = first; port <= last_port(first); ++port)
    if (auto socket = try_listen_tcp(loopback ? host : "", port, environment.world_size + 64))
      return std::move(*socket);
  throw ConfigError("rank 0 cannot listen: ports {} to {} are taken; give --rendezvous host:port",
                    first, last_port(first));
}

/// Who listens at a port: our rank 0, one of our run that does not take our proof, another.
enum class Answer : uint8_t { accepted, refused, nobody };

/// Greets whoever listens at one port; `why` says what was wrong when that is not our rank 0.
Answer greet(const Socket& socket, const Greeting& greeting, const std::string& secret,
             std::string& why) {
  constexpr auto kAnswerTime = 30s;  // a busy machine may take a while, a foreign service for ever
  try {
    Message message = receive_message(socket, deadline_after(kAnswerTime));
    const auto challenge = Challenge::decode(message.payload);
    if (message.type != MessageType::challenge || !challenge)
      throw CommError("{} sent a message out of order", socket.peer());
    if (!challenge->is_of_run(greeting.run_id))
      throw CommError("{} belongs to another run", socket.peer());
    const std::string nonce = random_bytes(kNonceBytes);
    const std::string hello = encode_message(
        MessageType::greeting, sign_greeting(secret, *challenge, nonce, greeting.encode()));
    send_all(socket, hello.data(), hello.size(), deadline_after(kAnswerTime));
    message = receive_message(socket, deadline_after(kAnswerTime));
    if (message.type == MessageType::accepted &&
        check_welcome(secret, *challenge, nonce, message.payload))
      return Answer::accepted;
    why = fmt::format("{} is of this run, but its secret is another", socket.peer());
    return Answer::refused;
  } catch (const CommError& error) {
    why = error.what();
    return Answer::nobody;
  }
}

/// Knocks at every candidate address and port in turn until rank 0 answers.
Socket find_rank_zero(const LaunchEnvironment& environment, const Greeting& greeting,
                      const RendezvousOptions& options) {
  const RendezvousTimeouts& timeouts = options.timeouts;
  const Deadline deadline = deadline_after(timeouts.meet);
  std::optional<Deadline> refused_until;
  std::string refusal;
  std::vector<std::string> hosts = environment.other_hosts;
  hosts.insert(hosts.begin(), environment.rendezvous_host);
  const int first = environment.rendezvous_port;
  std::string why;
  for (auto pause = 2ms;; pause = std::min(pause * 2, 200ms)) {
    for (const std::string& host : hosts) {
      for (int port = first; port <= last_port(first); ++port) {
        const Deadline give_up = std::min(deadline, deadline_after(2s));
        if (auto socket = try_connect_tcp(host, port, give_up, why)) {
          const Answer answer = greet(*socket, greeting, options.secret, why);
          if (answer == Answer::accepted) {
            socket->set_peer(fmt::format("rank 0 at {}:{}", host, port));
            return std::move(*socket);
          }
          // A run of the same name may be in the way of ours, but hardly for long.
          if (answer == Answer::refused) {
            refusal = why;
            if (!refused_until) refused_until = deadline_after(timeouts.refused);
          }
        } else if (AwakeClock::now() >= give_up) {
          break;  // packets vanish there: the other ports of this host would be as silent
        }
      }
    }
    const Deadline next = AwakeClock::now() + pause;
    if (refused_until && next >= *refused_until)
      throw ConfigError(
          "rank {} on {}: {}; expected the same SWALLOW_SECRET on all ranks, or a home folder that "
          "they share",
          environment.rank, greeting.host.name, refusal);
    if (next >= deadline)
      throw CommError("rank {} on {} did not find rank 0 at {} ports {} to {} within {} s: {}",
                      environment.rank, greeting.host.name, fmt::join(hosts, ", "), first,
                      last_port(first), std::chrono::duration<double>(timeouts.meet).count(), why);
    if (wait_unless_stopped(-1, options.stop_fd, next))
      throw StoppedError("rank {} on {}: stopped by a signal while it looked for rank 0",
                         environment.rank, greeting.host.name);
  }
}

}  // namespace

Meeting meet(const LaunchEnvironment& environment, const RendezvousOptions& options) {
  if (environment.world_size == 1)
    return {.control = std::make_unique<SingleControlPlane>(),
            .hosts = HostMap::from({options.host})};
  if (environment.rendezvous_host.empty())
    throw ConfigError(
        "nothing in the environment says where rank 0 of {} is ({}): set MASTER_ADDR to its host, "
        "or give --rendezvous host:port",
        environment.world_size, environment.source);
  Greeting greeting{.run_id = environment.run_id,
                    .rank = environment.rank,
                    .world_size = environment.world_size,
                    .host = options.host,
                    .build_id = options.build_id,
                    .config_digest = options.config_digest};
  Socket socket;
  std::unique_ptr<RendezvousServer> server;
  if (environment.rank == 0) {
    Socket listener = open_listener(environment);
    auto [client, served] = socket_pair();
    socket = std::move(client);
    server =
        std::make_unique<RendezvousServer>(std::move(listener), std::move(served),
                                           std::move(greeting), options.secret, options.timeouts);
  } else {
    socket = find_rank_zero(environment, greeting, options);
    set_keepalive(socket);
  }
  auto control = std::make_unique<SocketControlPlane>(std::move(socket), std::move(server),
                                                      environment, options.timeouts);
  RankTable table = control->receive_table(options.stop_fd);
  return {.control = std::move(control),
          .hosts = table.hosts(),
          .turned_away = std::move(table.turned_away)};
}

}  // namespace swallow
