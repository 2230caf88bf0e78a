#include "launch/rendezvous_server.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "launch/helper_thread.h"

namespace swallow {
namespace {

constexpr std::chrono::seconds kGreetingTime{10};
constexpr std::chrono::seconds kFailureGrace{2};  // for the reason to reach everybody
constexpr size_t kMostGreetingBytes = 1 << 16;
constexpr size_t kMostWaiting = 64;  // strangers at a time, beside twice the ranks that may come
constexpr int kAcceptsAtATime = 16;  // then those that are in get their turn

/// A rank, with its launcher's number where that is another.
std::string name_of(int rank, const Greeting& greeting) {
  const std::string name = fmt::format("rank {} on {}", rank, greeting.host.name);
  return greeting.rank == rank ? name : fmt::format("{} (the launcher's {})", name, greeting.rank);
}

double seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

std::string RendezvousServer::Peer::name(const std::vector<Greeting>& greetings) const {
  if (rank < 0) return socket.peer();
  return name_of(rank, greetings[static_cast<size_t>(rank)]);
}

RendezvousServer::RendezvousServer(Socket listener, Socket own, Greeting greeting,
                                   std::string secret, RendezvousTimeouts timeouts)
    : listener_(std::move(listener)),
      run_id_(greeting.run_id),
      secret_(std::move(secret)),
      world_size_(static_cast<size_t>(greeting.world_size)),
      timeouts_(timeouts),
      port_(local_port(listener_)),
      greetings_(world_size_),
      present_(world_size_, 0),
      has_left_(world_size_, 0),
      statuses_(world_size_),
      meet_by_(deadline_after(timeouts.meet)),
      blobs_(world_size_),
      has_blob_(world_size_, 0) {
  peers_.push_back(
      {.socket = std::move(own), .greet_by = Deadline::max(), .rank = 0, .accepted = true});
  greetings_[0] = std::move(greeting);
  present_[0] = 1;
  num_present_ = 1;
  thread_ = start_without_signals([this] { serve(); });
}

RendezvousServer::~RendezvousServer() {
  thread_.join();
}

void RendezvousServer::serve() {
  try {
    while (!finished()) poll_once();
  } catch (const std::exception&) {
    // Out of memory or the like: closing the connections tells every rank that rank 0 is gone.
  }
  peers_.clear();
  listener_.close();
}

/// Rank 0 is the last to go: all connections are closed, its own included.
bool RendezvousServer::finished() const {
  return std::none_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.accepted; });
}

void RendezvousServer::poll_once() {
  std::vector<pollfd> entries;
  entries.reserve(peers_.size() + 1);
  for (const Peer& peer : peers_) {
    const bool sending = peer.reply_left > 0 || !peer.out.empty();
    entries.push_back(
        {peer.socket.fd(), static_cast<short>(sending ? POLLIN | POLLOUT : POLLIN), 0});
  }
  entries.push_back({listener_.fd(), POLLIN, 0});  // ignored by poll once closed (-1)
  if (poll(entries.data(), entries.size(), poll_timeout(next_deadline())) < 0 && errno != EINTR)
    throw CommError("poll: {}", std::strerror(errno));

  for (size_t i = 0; i < peers_.size(); ++i)
    if ((entries[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive(peers_[i]);
  // Not if the last greeting has just closed it.
  if (entries.back().revents != 0 && listener_.valid()) accept_some();
  check_deadlines();
  for (Peer& peer : peers_) send_pending(peer);
  std::erase_if(peers_, [](const Peer& peer) { return peer.dropped; });
}

Deadline RendezvousServer::next_deadline() const {
  Deadline next = std::min(exchange_by_, leave_by_);
  if (!met_ && failure_.empty()) next = std::min(next, meet_by_);
  for (const Peer& peer : peers_)
    if (!peer.accepted) next = std::min(next, peer.greet_by);
  return next;
}

void RendezvousServer::check_deadlines() {
  const Deadline now = AwakeClock::now();
  if (!met_ && failure_.empty() && now >= meet_by_)
    fail(ExitCode::peer_lost,
         fmt::format(
             "of {} ranks these did not come to the rendezvous on port {} within {} s: {}{}",
             world_size_, port_, seconds(timeouts_.meet), format_ranks(ranks_without(present_)),
             strangers_.empty() ? "" : "; " + strangers_.text()));
  if (failure_.empty() && now >= exchange_by_)
    fail(ExitCode::peer_lost,
         fmt::format("these ranks did not come to an exchange within {} s: {}",
                     seconds(timeouts_.exchange), format_ranks(ranks_without(has_blob_))) +
             suspects());
  if (now >= leave_by_) {
    if (!failure_.empty())
      for (Peer& peer : peers_) peer.dropped = true;
    else
      fail(ExitCode::peer_lost, "rank 0 has ended, and others were still running long after it");
    leave_by_ = now + kFailureGrace;
  }
  for (Peer& peer : peers_)
    if (!peer.accepted && now >= peer.greet_by) turn_away(peer, "it did not greet in time");
}

std::vector<int> RendezvousServer::ranks_without(const std::vector<char>& present) const {
  std::vector<int> ranks;
  for (size_t rank = 0; rank < present.size(); ++rank)
    if (present[rank] == 0) ranks.push_back(static_cast<int>(rank));
  return ranks;
}

void RendezvousServer::accept_some() {
  try {
    for (int i = 0; i < kAcceptsAtATime; ++i) {
      auto socket = try_accept(listener_);
      if (!socket) return;
      set_keepalive(*socket);
      make_room();
      peers_.push_back({.socket = std::move(*socket),
                        .greet_by = deadline_after(kGreetingTime),
                        .challenge = Challenge::of_run(run_id_)});
      Peer& peer = peers_.back();
      peer.out = encode_message(MessageType::challenge, peer.challenge.encode());
    }
  } catch (const Error& error) {
    listener_.close();
    fail(error.code(), fmt::format("rank 0: {}", error.what()));
  }
}

/// Whoever opens many connections and greets on none of them must not use up the descriptors: the
/// oldest one that has not greeted makes room for the next.
void RendezvousServer::make_room() {
  const auto waits = [](const Peer& peer) { return !peer.accepted && !peer.dropped; };
  const auto waiting = static_cast<size_t>(std::ranges::count_if(peers_, waits));
  if (waiting < kMostWaiting + 2 * world_size_) return;
  const auto oldest = std::ranges::find_if(peers_, waits);
  turn_away(*oldest, "too many connections did not greet");
  oldest->socket.close();
}

/// Drops a connection that is no rank's, and keeps account of it.
void RendezvousServer::turn_away(Peer& peer, std::string_view how) {
  if (peer.dropped) return;
  peer.dropped = true;
  strangers_.note(peer.socket.peer(), how);
}

void RendezvousServer::receive(Peer& peer) {
  constexpr size_t kChunk = 1 << 16;
  char buffer[kChunk];
  while (!peer.dropped) {
    const ssize_t received = recv(peer.socket.fd(), buffer, kChunk, MSG_DONTWAIT);
    if (received > 0) {
      peer.in.append(buffer, static_cast<size_t>(received));
      parse(peer);
      if (static_cast<size_t>(received) < kChunk) return;
    } else if (received == 0) {
      return lose(peer, "the connection was closed");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } else if (errno != EINTR) {
      return lose(peer, std::strerror(errno));
    }
  }
}

/// Takes every complete message out of the bytes received so far.
void RendezvousServer::parse(Peer& peer) {
  MessageHeader header;
  size_t at = 0;
  while (!peer.dropped && peer.in.size() - at >= sizeof header) {
    std::memcpy(&header, peer.in.data() + at, sizeof header);
    const HeaderFault fault = check_header(header);
    const bool too_long = !peer.accepted && header.length > kMostGreetingBytes;
    if (fault == HeaderFault::other_version)
      return lose(peer, "it is another version of this program");
    if (fault != HeaderFault::none || too_long)
      return lose(peer, "it sent something that is no message of this program");
    if (peer.in.size() - at - sizeof header < header.length) break;
    std::string payload = peer.in.substr(at + sizeof header, header.length);
    at += sizeof header + header.length;
    handle(peer, static_cast<MessageType>(header.type), std::move(payload));
  }
  peer.in.erase(0, at);
}

void RendezvousServer::handle(Peer& peer, MessageType type, std::string payload) {
  if (peer.accepted == (type == MessageType::greeting))
    return lose(peer, "it sent a message out of order");
  switch (type) {
    case MessageType::greeting:
      return admit(peer, payload);
    case MessageType::blob:
      return take_blob(peer, std::move(payload));
    case MessageType::abort:
      return fail(ExitCode::peer_lost,
                  fmt::format("{}: {}", peer.name(greetings_), payload) + suspects());
    case MessageType::goodbye:
      if (peer.rank >= 0) has_left_[static_cast<size_t>(peer.rank)] = 1;
      return check_nobody_left();
    case MessageType::status:
      return take_status(peer, payload);
    default:
      return lose(peer, "it sent a message out of order");
  }
}

/// Decides about a greeting. One without proof of the secret is not looked into.
void RendezvousServer::admit(Peer& peer, std::string_view payload) {
  const auto checked = check_greeting(secret_, peer.challenge, payload);
  if (!checked) return refuse(peer);
  std::optional<Greeting> greeting = Greeting::decode(checked->greeting);
  if (!greeting || greeting->run_id != run_id_) return lose(peer, "its greeting is malformed");
  peer.accepted = true;
  peer.out +=
      encode_message(MessageType::accepted, sign_welcome(secret_, peer.challenge, checked->nonce));
  if (failure_.empty())
    take_in(peer, std::move(*greeting));
  else
    peer.out += failure_;
}

/// Tells the other end, if it waits for it, and does not listen to it any more.
void RendezvousServer::refuse(Peer& peer) {
  const std::string answer = encode_message(MessageType::refused, {});
  static_cast<void>(
      send(peer.socket.fd(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  turn_away(peer, "it does not know this job's secret");
}

/// What belongs to this run but cannot be right ends the job at once: waiting would not mend it.
void RendezvousServer::take_in(Peer& peer, Greeting greeting) {
  const auto rank = static_cast<size_t>(greeting.rank);
  const std::string who = fmt::format("rank {} on {}", rank, greeting.host.name);
  if (static_cast<size_t>(greeting.world_size) != world_size_)
    return fail(ExitCode::config, fmt::format("{} was started as one of {} ranks, rank 0 of {}",
                                              who, greeting.world_size, world_size_));
  if (rank >= world_size_)
    return fail(ExitCode::config, fmt::format("{}: the job has {} ranks", who, world_size_));
  if (present_[rank] != 0)
    return fail(ExitCode::config,
                fmt::format("two processes were started as rank {}, on {} and {}", rank,
                            greetings_[rank].host.name, greeting.host.name));
  peer.rank = greeting.rank;
  present_[rank] = 1;
  greetings_[rank] = std::move(greeting);
  if (++num_present_ == world_size_) complete_meeting();
}

void RendezvousServer::complete_meeting() {
  const std::string mismatch = describe_mismatch(greetings_);
  if (!mismatch.empty()) return fail(ExitCode::config, mismatch);
  RankTable table{.rows = {}, .turned_away = strangers_.text()};
  for (const int rank : grouped_by_host(hosts_of(greetings_))) {
    const Greeting& greeting = greetings_[static_cast<size_t>(rank)];
    table.rows.push_back({greeting.rank, greeting.host});
  }
  number_anew(table);
  const std::string message = encode_message(MessageType::table, table.encode());
  for (Peer& peer : peers_) {
    if (peer.accepted)
      peer.out += message;
    else
      peer.dropped = true;
  }
  met_ = true;
  listener_.close();
}

/// From here on a rank's number is its row in the table.
void RendezvousServer::number_anew(const RankTable& table) {
  std::vector<Greeting> greetings(world_size_);
  for (size_t rank = 0; rank < world_size_; ++rank)
    greetings[rank] = std::move(greetings_[static_cast<size_t>(table.rows[rank].launcher_rank)]);
  greetings_ = std::move(greetings);
  for (Peer& peer : peers_)
    if (peer.rank >= 0) peer.rank = table.rank_of(peer.rank);
}

void RendezvousServer::take_blob(Peer& peer, std::string payload) {
  const auto rank = static_cast<size_t>(peer.rank);
  if (!failure_.empty()) return;  // the reason is on its way to this rank
  if (!met_ || has_blob_[rank] != 0) return lose(peer, "it sent a message out of order");
  if (num_blobs_++ == 0) exchange_by_ = deadline_after(timeouts_.exchange);
  has_blob_[rank] = 1;
  blobs_[rank] = std::move(payload);
  if (num_blobs_ < world_size_) return check_nobody_left();
  // Every rank has sent a blob, so every rank has read the whole of the reply before.
  std::string sizes;
  for (const std::string& blob : blobs_) {
    const auto size = static_cast<uint32_t>(blob.size());
    sizes.append(reinterpret_cast<const char*>(&size), sizeof size);
  }
  reply_ = encode_message(MessageType::sizes, sizes);
  for (std::string& blob : blobs_) reply_ += std::exchange(blob, {});
  for (Peer& each : peers_)
    if (each.rank >= 0) each.reply_left = reply_.size();
  std::fill(has_blob_.begin(), has_blob_.end(), 0);
  num_blobs_ = 0;
  exchange_by_ = Deadline::max();
}

/// An exchange that a rank has left behind can never complete.
void RendezvousServer::check_nobody_left() {
  if (num_blobs_ == 0) return;
  for (size_t rank = 0; rank < world_size_; ++rank)
    if (has_left_[rank] != 0 && has_blob_[rank] == 0)
      return fail(ExitCode::peer_lost,
                  fmt::format("{} has ended while others wait for it",
                              name_of(static_cast<int>(rank), greetings_[rank])));
}

void RendezvousServer::take_status(Peer& peer, std::string_view payload) {
  auto status = RankStatus::decode(payload);
  if (!met_ || !status) return lose(peer, "it sent a message out of order");
  statuses_.note(peer.rank, peer.name(greetings_), std::move(*status), AwakeClock::now());
}

std::string RendezvousServer::suspects() const {
  return statuses_.suspects(AwakeClock::now());
}

/// The end of a connection: a rank's goodbye, its death, or a stranger's.
void RendezvousServer::lose(Peer& peer, std::string_view how) {
  if (!peer.accepted) return turn_away(peer, how);
  peer.dropped = true;
  if (peer.rank >= 0 && has_left_[static_cast<size_t>(peer.rank)] == 0)
    fail(ExitCode::peer_lost, fmt::format("{} is gone ({}){}", peer.name(greetings_), how,
                                          statuses_.last_words(peer.rank, AwakeClock::now())));
  if (peer.rank == 0)
    leave_by_ =
        failure_.empty() ? deadline_after(timeouts_.exchange) : deadline_after(kFailureGrace);
}

void RendezvousServer::send_pending(Peer& peer) {
  while (!peer.dropped && (peer.reply_left > 0 || !peer.out.empty())) {
    const bool replying = peer.reply_left > 0;
    const char* data =
        replying ? reply_.data() + (reply_.size() - peer.reply_left) : peer.out.data();
    const size_t size = replying ? peer.reply_left : peer.out.size();
    const ssize_t sent = send(peer.socket.fd(), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      if (replying)
        peer.reply_left -= static_cast<size_t>(sent);
      else
        peer.out.erase(0, static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } else if (errno != EINTR) {
      return lose(peer, std::strerror(errno));
    }
  }
  // After the reason nothing follows; the end of the stream keeps the rank's descriptor readable.
  if (!peer.dropped && peer.accepted && !failure_.empty() && !peer.shut) {
    shutdown(peer.socket.fd(), SHUT_WR);
    peer.shut = true;
  }
}

void RendezvousServer::fail(ExitCode code, const std::string& reason) {
  if (!failure_.empty()) return;
  failure_ = encode_message(MessageType::abort, encode_failure(code, reason));
  exchange_by_ = Deadline::max();
  for (Peer& peer : peers_)
    if (peer.accepted) peer.out += failure_;
  // With rank 0 gone already, the others get the usual grace and no more.
  if (leave_by_ != Deadline::max()) leave_by_ = deadline_after(kFailureGrace);
}

}  // namespace swallow
