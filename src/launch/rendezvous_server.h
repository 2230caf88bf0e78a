// Rank 0's side of the control connections: one thread that sleeps in poll, gathers the ranks,
// plays the exchanges, and tells everybody when one of them fails or vanishes. Rank 0 itself is a
// client like the others. Nothing here is shared between threads: the server thread owns all state.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "launch/greeting.h"
#include "launch/handshake.h"
#include "launch/message.h"
#include "launch/rank_status.h"
#include "launch/rank_table.h"
#include "launch/socket.h"
#include "launch/stranger_log.h"

namespace swallow {

struct RendezvousTimeouts {
  std::chrono::milliseconds meet{300'000};      // until all ranks have come
  std::chrono::milliseconds exchange{600'000};  // from the first to the last rank of an exchange
  std::chrono::milliseconds refused{10'000};    // that a rank goes on knocking where it is refused
};

class RendezvousServer {
 public:
  /// Takes connections from `listener`, and `own` as that of rank 0, whose greeting says what the
  /// others must agree with and `secret` what they must know. Starts the thread.
  RendezvousServer(Socket listener, Socket own, Greeting greeting, std::string secret,
                   RendezvousTimeouts timeouts);
  RendezvousServer(const RendezvousServer&) = delete;
  RendezvousServer& operator=(const RendezvousServer&) = delete;
  /// Waits until every rank has left: at most the exchange time limit, 2 s once the job has failed.
  /// Rank 0's own connection must be closed by then.
  ~RendezvousServer();

 private:
  /// One connection.
  struct Peer {
    Socket socket;
    Deadline greet_by;      // one that has not proved by then that it belongs here is dropped
    Challenge challenge{};  // what it has to prove that with
    int rank = -1;          // -1: has not been admitted
    bool accepted = false;  // belongs to this job, so it is told of a failure
    bool dropped = false;   // to be removed
    bool shut = false;      // nothing more will be sent
    std::string in{};       // bytes of an incomplete message
    size_t reply_left = 0;  // bytes of reply_ not yet sent; go out before `out`
    std::string out{};      // other bytes to send
    [[nodiscard]] std::string name(const std::vector<Greeting>& greetings) const;
  };

  void serve();
  [[nodiscard]] bool finished() const;
  void poll_once();
  void check_deadlines();
  [[nodiscard]] Deadline next_deadline() const;

  void accept_some();
  void receive(Peer& peer);
  void parse(Peer& peer);
  void handle(Peer& peer, MessageType type, std::string payload);
  void admit(Peer& peer, std::string_view payload);
  void take_in(Peer& peer, Greeting greeting);
  void refuse(Peer& peer);
  void make_room();
  void turn_away(Peer& peer, std::string_view how);
  void complete_meeting();
  void number_anew(const RankTable& table);
  void take_blob(Peer& peer, std::string payload);
  void check_nobody_left();
  void take_status(Peer& peer, std::string_view payload);
  void lose(Peer& peer, std::string_view how);
  void send_pending(Peer& peer);

  /// What the ranks said of themselves that bears on a failure.
  [[nodiscard]] std::string suspects() const;
  /// Ends the job: queues the reason for everybody. Only the first call counts.
  void fail(ExitCode code, const std::string& reason);
  [[nodiscard]] std::vector<int> ranks_without(const std::vector<char>& present) const;

  Socket listener_;
  const std::string run_id_;
  const std::string secret_;
  const size_t world_size_;
  const RendezvousTimeouts timeouts_;
  const int port_;

  std::vector<Peer> peers_;
  std::vector<Greeting> greetings_;  // [world size]
  std::vector<char> present_;        // [world size] has been admitted
  std::vector<char> has_left_;       // [world size] has said goodbye
  RankStatuses statuses_;
  size_t num_present_ = 0;
  bool met_ = false;
  Deadline meet_by_;
  StrangerLog strangers_;

  std::vector<std::string> blobs_;  // [world size] of the exchange under way
  std::vector<char> has_blob_;      // [world size]
  size_t num_blobs_ = 0;
  Deadline exchange_by_ = Deadline::max();
  std::string reply_;  // sizes and blobs of the last exchange, the same for all

  std::string failure_;  // the abort message, once the job has failed
  Deadline leave_by_ = Deadline::max();
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace swallow
