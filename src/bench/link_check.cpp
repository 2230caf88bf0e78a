#include "bench/link_check.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "bench/greatest.h"
#include "bench/pairing.h"

namespace swallow {

namespace {

constexpr int64_t kElementsOnGpu = int64_t{16} << 20;   // f32: 64 MiB
constexpr int64_t kElementsOnCpu = int64_t{256} << 10;  // 1 MiB
constexpr double kPassMs = 50;
constexpr int kPasses = 2;
constexpr int kParts = 5;  // of a pass; the best of them is told too
constexpr int kMostCalls = 1000;
constexpr int64_t kLatencyBytes = 8;
constexpr int kValues = 13;  // of a pattern; sums of up to 2^16 ranks' are exact in f32

/// Element `i` of what the `rank`-th of a group brings.
float pattern(int rank, int64_t i) {
  return static_cast<float>((rank + 1) * (i % kValues + 1));
}

/// Milliseconds of a call.
struct CallTime {
  double mean = 0;  // over a pass, in the better of two
  double best = 0;
};

class Links {
 public:
  Links(const World& world, const HostMap& hosts, Stream& stream, const LinkCheckOptions& options)
      : world_(world),
        hosts_(hosts),
        stream_(stream),
        options_(options),
        elements_(on_gpu() ? kElementsOnGpu : kElementsOnCpu),
        host_(static_cast<size_t>(elements_)),
        out_(stream.device(), elements_ * 4),
        in_(stream.device(), elements_ * 4),
        cancel_(world) {}

  void group(Communicator& group, const std::string& name, const std::vector<int>& members) {
    if (group.size() == 1) return;
    pairs(group, name, members);
    all_reduce(group, name, members);
    reduce_scatter(group, name, members);
    all_gather(group, name, members);
  }

  /// As training reduces over every rank: along the axes in turn.
  void whole_job() {
    begin_together();
    const std::vector<int> members = range(0, world_.grid.world_size());
    const Tensor data = view(out_, elements_);
    zero(stream_, data);
    const CallTime ms = time([&] { world_.all_reduce_world(stream_, data, ReduceOp::sum); });
    add_bandwidth("all-reduce, all ranks", members, 2, ms);
    fill(data, world_.rank);
    world_.all_reduce_world(stream_, data, ReduceOp::sum);
    check_sum(data, 0, "all-reduce over all ranks", members);
  }

  [[nodiscard]] LinkCheck found() && { return std::move(found_); }

 private:
  [[nodiscard]] bool on_gpu() const { return stream_.device().kind == DeviceKind::cuda; }

  [[nodiscard]] static std::vector<int> range(int begin, int end) {
    std::vector<int> numbers;
    for (int i = begin; i < end; ++i) numbers.push_back(i);
    return numbers;
  }

  [[nodiscard]] Tensor view(const Buffer& buffer, int64_t elements) const {
    return {buffer.data(), DType::f32, {elements}, stream_.device()};
  }

  /// Milliseconds of a call that this rank makes together with others, of which all ranks of the
  /// job make as many: so many that they fill a pass where it takes longest.
  template <class Work>
  [[nodiscard]] CallTime time(const Work& work) {
    work();  // connections are made at the first call
    world_.synchronize(stream_);
    const double slowest = slowest_rank(part_ms(1, work));
    const int calls =
        static_cast<int>(std::clamp(kPassMs / kParts / slowest, 1.0, double{kMostCalls}));
    CallTime time{.mean = std::numeric_limits<double>::infinity(), .best = time.mean};
    for (int pass = 0; pass < kPasses; ++pass) {
      double sum = 0;
      for (int part = 0; part < kParts; ++part) {
        const double ms = part_ms(calls, work) / calls;
        sum += ms;
        time.best = std::min(time.best, ms);
      }
      time.mean = std::min(time.mean, sum / kParts);
    }
    return time;
  }

  template <class Work>
  [[nodiscard]] double part_ms(int calls, const Work& work) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) work();
    world_.synchronize(stream_);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
        .count();
  }

  [[nodiscard]] double slowest_rank(double ms) {
    const auto slowest = greatest_of_all(world_, stream_, static_cast<int64_t>(ms * 1e6));
    return std::max(static_cast<double>(slowest) * 1e-6, 1e-6);
  }

  // ---- pairs

  void pairs(Communicator& group, const std::string& name, const std::vector<int>& members) {
    const auto begin = std::chrono::steady_clock::now();
    for (const auto& partners : pairing_rounds(group.size(), options_.most_rounds)) {
      const bool late = std::chrono::steady_clock::now() - begin > options_.limit;
      // Also what makes the pairs begin together.
      if (greatest_of_all(world_, stream_, late ? 1 : 0) != 0) return;
      const int partner = partners[static_cast<size_t>(group.rank())];
      pair(group, name, partner, partner < 0 ? -1 : members[static_cast<size_t>(partner)]);
    }
  }

  /// `partner` within the group; negative: this rank is left over, and only keeps in step.
  void pair(Communicator& group, const std::string& name, int partner, int other) {
    const auto transfer = [&](int64_t elements) {
      if (partner < 0) return;
      const std::array transfers{
          Transfer{Transfer::Direction::send, partner, view(out_, elements)},
          Transfer{Transfer::Direction::receive, partner, view(in_, elements)}};
      group.exchange(stream_, transfers);
    };
    fill(view(out_, elements_), group.rank());
    const CallTime whole = time([&] { transfer(elements_); });
    if (partner >= 0) check_message(partner, other);
    const CallTime latency = time([&] { transfer(kLatencyBytes / 4); });
    if (partner < 0 || world_.rank > other) return;
    const bool near = hosts_.node_of_rank[static_cast<size_t>(world_.rank)] ==
                      hosts_.node_of_rank[static_cast<size_t>(other)];
    const char* among = near ? "within a host" : "between hosts";
    const double megabytes = static_cast<double>(elements_) * 4 / 1e6;
    found_.readings.push_back({.what = fmt::format("pair, {}", name),
                               .unit = "GB/s",
                               .among = among,
                               .ranks = {world_.rank, other},
                               .value = megabytes / whole.mean,
                               .best = megabytes / whole.best});
    found_.readings.push_back({.what = fmt::format("pair of 8 bytes, {}", name),
                               .unit = "us",
                               .among = among,
                               .ranks = {world_.rank, other},
                               .value = latency.mean * 1e3,
                               .best = latency.best * 1e3,
                               .less_is_better = true});
  }

  void check_message(int partner, int other) {
    const std::span<const float> arrived = read(view(in_, elements_));
    for (int64_t i = 0; i < elements_; ++i) {
      if (arrived[static_cast<size_t>(i)] == pattern(partner, i)) continue;
      return wrong(fmt::format("what rank {} received from rank {} is not what was sent",
                               world_.rank, other),
                   {std::min(world_.rank, other), std::max(world_.rank, other)});
    }
  }

  // ---- collectives

  void all_reduce(Communicator& group, const std::string& name, const std::vector<int>& members) {
    const Tensor data = view(out_, elements_);
    zero(stream_, data);
    begin_together();
    const CallTime ms = time([&] { group.all_reduce(stream_, data, ReduceOp::sum); });
    add_bandwidth(fmt::format("all-reduce, {}", name), members, 2, ms);
    fill(data, group.rank());
    group.all_reduce(stream_, data, ReduceOp::sum);
    check_sum(data, 0, fmt::format("all-reduce of {}", name), members);
  }

  void reduce_scatter(Communicator& group, const std::string& name,
                      const std::vector<int>& members) {
    const int64_t slice = elements_ / group.size();
    const Tensor input = view(in_, slice * group.size());
    const Tensor output = view(out_, slice);
    fill(input, group.rank());
    begin_together();
    const CallTime ms = time([&] { group.reduce_scatter(stream_, output, input); });
    add_bandwidth(fmt::format("reduce-scatter, {}", name), members, 1, ms);
    check_sum(output, slice * group.rank(), fmt::format("reduce-scatter of {}", name), members);
  }

  void all_gather(Communicator& group, const std::string& name, const std::vector<int>& members) {
    const int64_t slice = elements_ / group.size();
    const Tensor input = view(in_, slice);
    const Tensor output = view(out_, slice * group.size());
    fill(input, group.rank());
    begin_together();
    const CallTime ms = time([&] { group.all_gather(stream_, output, input); });
    add_bandwidth(fmt::format("all-gather, {}", name), members, 1, ms);
    const std::span<const float> all = read(output);
    for (int64_t i = 0; i < slice * group.size(); ++i) {
      const auto from = static_cast<int>(i / slice);
      if (all[static_cast<size_t>(i)] == pattern(from, i % slice)) continue;
      const int sender = members[static_cast<size_t>(from)];
      return wrong(fmt::format("an all-gather of {}: rank {} has something else than rank {} gave",
                               name, world_.rank, sender),
                   {std::min(sender, world_.rank), std::max(sender, world_.rank)});
    }
  }

  void begin_together() { greatest_of_all(world_, stream_); }

  /// A ring of n moves `times` (n - 1) / n of the bytes over each of its links.
  void add_bandwidth(const std::string& what, const std::vector<int>& members, double times,
                     const CallTime& ms) {
    if (world_.rank != members.front()) return;
    const auto n = static_cast<double>(members.size());
    const double megabytes = times * (n - 1) / n * static_cast<double>(elements_) * 4 / 1e6;
    found_.readings.push_back({.what = what,
                               .unit = "GB/s",
                               .among = "groups",
                               .ranks = members,
                               .value = megabytes / ms.mean,
                               .best = megabytes / ms.best});
  }

  // ---- contents

  void fill(const Tensor& tensor, int rank) {
    for (int64_t i = 0; i < tensor.numel(); ++i) host_[static_cast<size_t>(i)] = pattern(rank, i);
    copy(stream_, tensor, host_view(std::span(host_).first(static_cast<size_t>(tensor.numel()))));
    world_.synchronize(stream_);
  }

  [[nodiscard]] std::span<const float> read(const Tensor& tensor) {
    const auto host = std::span(host_).first(static_cast<size_t>(tensor.numel()));
    copy(stream_, host_view(host), tensor);
    world_.synchronize(stream_);
    return host;
  }

  /// `sum` begins at element `begin` of the sum of all members' patterns.
  void check_sum(const Tensor& sum, int64_t begin, const std::string& what,
                 const std::vector<int>& members) {
    const auto n = static_cast<int64_t>(members.size());
    const std::span<const float> values = read(sum);
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t element = begin + static_cast<int64_t>(i);
      const auto want = static_cast<float>((element % kValues + 1) * n * (n + 1) / 2);
      if (values[i] == want) continue;
      return wrong(fmt::format("an {} gave rank {} a wrong sum: element {} is {}, expected {}",
                               what, world_.rank, element, values[i], want),
                   {world_.rank});
    }
  }

  void wrong(std::string what, std::vector<int> ranks) {
    found_.wrong.push_back({std::move(what), std::move(ranks)});
  }

  const World& world_;
  const HostMap& hosts_;
  Stream& stream_;
  const LinkCheckOptions& options_;
  int64_t elements_;         // f32 of a message
  std::vector<float> host_;  // [elements]
  Buffer out_, in_;          // [elements] on the device
  LinkCheck found_;
  CancelOnError cancel_;  // last: gone before the memory that calls may still use
};

}  // namespace

LinkCheck check_links(const World& world, const HostMap& hosts, Stream& stream,
                      const LinkCheckOptions& options) {
  Links links(world, hosts, stream, options);
  const ProcessGrid& grid = world.grid;
  links.group(*world.tp, "TP group", grid.tp_group(world.rank));
  links.group(*world.dp, "DP group", grid.dp_group(world.rank));
  links.group(*world.pp, "PP group", grid.pp_group(world.rank));
  const auto [dp, tp, pp] = grid.shape();
  const int axes = (dp > 1 ? 1 : 0) + (tp > 1 ? 1 : 0) + (pp > 1 ? 1 : 0);
  if (axes > 1) links.whole_job();
  return std::move(links).found();
}

}  // namespace swallow
