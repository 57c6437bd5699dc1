/// \file
/// What is particular to GPUs: CUDA graphs, streams of the caller's, and who may use a channel.
#pragma once

#include <peerfold/all_reduce.hpp>

#include <support/contract.hpp>
#include <support/contract_gpu.cuh>
#include <support/graphs.cuh>

#include "faults.hpp"

#include <cuda_runtime.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace peerfold::test {
namespace detail {

/// Team calls of all policies in one graph, replayed with new data, with eager calls in between.
template <class Place, int N>
void replayed_graph(report& result) {
  if (!Place::has(N)) return result.skip();
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  auto& team = bench.team;
  owned_graph graph;
  capture_team(team, graph, [&] {
    for (const auto& chosen : tried_policies<N>::list) bench.call_team(on_channel(chosen, 1));
  });
  result.check(bench.holds(0), "a call ran while it was captured");
  for (int round = 1; round <= 5; ++round) {
    for (int r = 0; r < N; ++r) {
      const std::vector<float> values(bench.count, static_cast<float>(round * (1 << r)));
      bench.place.upload(r, reinterpret_cast<std::byte*>(bench.in[static_cast<std::size_t>(r)]),
                         bytes_of(values));
    }
    bench.place.wait();
    must(cudaSetDevice(team.device(0)), "selecting a device");
    must(cudaGraphLaunch(graph.executable, team.stream(0)), "launching a graph");
    bench.place.wait();
    result.check(bench.holds(static_cast<float>(round) * bench.sum),
                 "a wrong sum in replay " + std::to_string(round));
    if (round % 2 == 0) bench.call_team(on_channel(one_shot_packet, 1));
    if (round == 3) bench.call_team(on_channel(two_shot_store, 1));
    result.count(N * tried_policies<N>::size, N * bench.count);
  }
  result.check(bench.place.wait().empty(), "the device failed");
  result.check(team.status().ok(), team.status().to_string());
}

/// Every rank captures its own call and launches its own graph.
template <class Place, int N>
void graph_of_each_rank(report& result) {
  // Ranks that share a GPU need not run beside each other there.
  if (!Place::has(N) || N > gpus_wanted()) return result.skip();
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  std::array<owned_graph, N> graphs;
  for (int r = 0; r < N; ++r) {
    must(cudaSetDevice(bench.team.device(r)), "selecting a device");
    const cudaStream_t stream = bench.place.stream(r, 0);
    begin_capture(stream);
    for (const auto& chosen : tried_policies<N>::list) bench.call_rank(r, on_channel(chosen, 0));
    graphs[static_cast<std::size_t>(r)].end(stream);
  }
  for (int round = 0; round < 3; ++round) {
    for (int r = 0; r < N; ++r) {
      must(cudaSetDevice(bench.team.device(r)), "selecting a device");
      must(
          cudaGraphLaunch(graphs[static_cast<std::size_t>(r)].executable, bench.place.stream(r, 0)),
          "launching a graph");
    }
    bench.place.wait();
    result.check(bench.holds(bench.sum), "a wrong sum");
    result.count(N * tried_policies<N>::size, N * bench.count);
  }
  result.check(bench.team.status().ok(), bench.team.status().to_string());
}

/// Calls on one channel from alternating streams, each on the result of the one before, with no
/// order between the streams but the channel's.
template <class Place, int N>
void alternating_streams(report& result) {
  if (!Place::has(N)) return result.skip();
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  auto& team = bench.team;
  bench.call_team(on_channel(one_shot_packet, 0));
  float expected = bench.sum;
  for (int round = 0; round < 12; ++round) {
    const auto& chosen =
        tried_policies<N>::list[static_cast<std::size_t>(round) % tried_policies<N>::size];
    auto options = on_channel(chosen, 0);
    for (int r = 0; r < N; ++r) {
      auto* data = bench.out[static_cast<std::size_t>(r)];
      // A stream of every rank's own, in turn one of two.
      options.stream = bench.place.stream(r, round % 2);
      all_reduce<tried_policies<N>>(team.rank(r), static_cast<const float*>(data), data,
                                    bench.count, peerfold::sum{}, options);
    }
    expected *= N;
    if (round % 5 == 4) {
      std::array<const float*, N> from;
      std::copy(bench.out.begin(), bench.out.end(), from.begin());
      all_reduce<tried_policies<N>>(team, from, bench.out, bench.count, peerfold::sum{},
                                    on_channel(chosen, 0));
      expected *= N;
    }
  }
  result.check(bench.place.wait().empty(), "the device failed");
  result.check(team.status().ok(), team.status().to_string());
  result.check(bench.holds(expected), "a wrong sum: a stream did not wait for the other");
  result.count(13 * N, N * bench.count);
}

/// Two branches of a capture must not use one channel, unless something orders them.
template <class Place, int N>
void capture_conflict(report& result) {
  if (!Place::has(N)) return result.skip();
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  auto& team = bench.team;
  const int device = team.device(0);
  const owned_stream a{device};
  const owned_stream b{device};
  const auto call = [&](cudaStream_t stream, int channel) {
    auto options = on_channel(one_shot_packet, channel);
    options.stream = stream;
    all_reduce<tried_policies<N>>(team.rank(0), static_cast<const float*>(bench.in[0]),
                                  bench.out[0], bench.count, peerfold::sum{}, options);
  };
  const auto conflict = [&](const std::string& what, std::initializer_list<std::string> needles,
                            auto&& f) {
    expect_refusal(result, what, errc::channel_conflict, needles, f);
  };
  {
    owned_graph graph;
    begin_capture(a.stream);
    order(a.stream, device, b.stream);
    call(a.stream, 0);
    conflict("a second branch on the channel", {"options.stream", "branch", "another channel"},
             [&] { call(b.stream, 0); });
    bench.call_team(on_channel(one_shot_packet, 0));  // outside the capture: nothing to it
    conflict("a second branch after an eager call", {"options.stream", "branch"},
             [&] { call(b.stream, 0); });
    call(b.stream, 1);
    order(a.stream, device, b.stream);
    call(b.stream, 0);
    conflict("the first branch again", {"options.stream", "branch"}, [&] { call(a.stream, 0); });
    order(b.stream, device, a.stream);
    call(a.stream, 0);
    graph.end(a.stream);
  }
  bench.call_team();
  result.check(bench.place.wait().empty() && bench.holds(bench.sum),
               "the team is not usable after the refused calls");
  {
    owned_graph graph;
    begin_capture(team.stream(0));
    conflict("a stream beside the team's, which is being captured",
             {"options.stream", "captured", "another channel"}, [&] { call(a.stream, 0); });
    graph.end(team.stream(0));
  }
  bench.call_team();
  result.check(bench.place.wait().empty() && bench.holds(bench.sum),
               "the team is not usable after the capture");
}

/// A call of the team goes into the captures of all its devices, or into none.
template <class Place, int N>
void partial_capture(report& result) {
  const auto devices = devices_of(N);
  if (!Place::has(N) || std::set<int>(devices.begin(), devices.end()).size() < 2) {
    return result.skip();
  }
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  auto& team = bench.team;
  owned_graph graph;
  must(cudaSetDevice(team.device(0)), "selecting a device");
  begin_capture(team.stream(0));
  expect_refusal(result, "one stream of several captured", errc::channel_conflict,
                 {"team", "captured", "all ranks, or none"}, [&] { bench.call_team(); });
  graph.end(team.stream(0));
  bench.call_team();
  result.check(bench.place.wait().empty() && bench.holds(bench.sum),
               "the team is not usable after the refused call");
}

/// Two threads call for the team at once, on a channel each: the devices see the calls in one
/// order.
template <class Place, int N>
void concurrent_team_calls(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr int rounds = 100;
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  auto& team = bench.team;
  const symmetric_buffer<float, N> in(team, 10);
  std::vector<symmetric_buffer<float, N>> outs;
  std::vector<std::thread> threads;
  for (int channel = 0; channel < 2; ++channel) outs.emplace_back(team, 10);
  for (int channel = 0; channel < 2; ++channel) {
    threads.emplace_back([&, channel] {
      recording(result, "channel " + std::to_string(channel), [&] {
        for (int round = 0; round < rounds; ++round) {
          all_reduce<tried_policies<N>>(
              team, in, outs[static_cast<std::size_t>(channel)], peerfold::sum{},
              on_channel(tried_policies<N>::list[static_cast<std::size_t>(round) %
                                                 tried_policies<N>::size],
                         channel));
        }
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  result.check(bench.place.wait().empty(), "the device failed");
  result.check(team.status().ok(), team.status().to_string());
  result.count(2 * rounds * N, 10);
}

/// Ranks of one device that call for themselves need a stream each.
template <class Place, int N>
void shared_stream(report& result) {
  if (!Place::has(N)) return result.skip();
  // With another rank on its device.
  using two_more = gpu_team<N + 2>;
  team_options options = fault_options(std::chrono::seconds{60});
  auto team = two_more::on_devices(devices_of(N + 2), options);
  const symmetric_buffer<float, N + 2> in(team, 10);
  symmetric_buffer<float, N + 2> out(team, 10);
  using only_one = policies<one_shot_packet>;
  call_options unset;
  expect_refusal(result, "no stream", errc::invalid_argument,
                 {"options.stream", "ranks 0 and 1", "share device 0", "stream of its own"}, [&] {
                   all_reduce<only_one>(team.rank(0), static_cast<const float*>(in.data(0)),
                                        out.data(0), 10, peerfold::sum{}, unset);
                 });
  const owned_stream stream{0};
  unset.stream = stream.stream;
  const auto call = [&](int rank) {
    all_reduce<only_one>(team.rank(rank), static_cast<const float*>(in.data(rank)), out.data(rank),
                         10, peerfold::sum{}, unset);
  };
  {
    owned_graph graph;
    begin_capture(stream.stream);
    call(0);
    expect_refusal(result, "another rank's captured stream", errc::channel_conflict,
                   {"options.stream", "rank 0", "a stream each"}, [&] { call(1); });
    graph.end(stream.stream);
  }
  call(0);
  expect_refusal(result, "another rank's stream", errc::channel_conflict,
                 {"options.stream", "rank 0", "a stream each"}, [&] { call(1); });
  team.abort();
  must(cudaStreamSynchronize(stream.stream), "the call that waited for the refused one");
}

/// Ranks of one device may take each other's streams from call to call.
template <class Place, int N>
void swapped_streams(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr int ranks = N + 2;
  using only_one = policies<one_shot_packet>;
  auto team =
      gpu_team<ranks>::on_devices(devices_of(ranks), fault_options(std::chrono::seconds{20}));
  const symmetric_buffer<float, ranks> in(team, 10);
  symmetric_buffer<float, ranks> out(team, 10);
  std::vector<std::unique_ptr<owned_stream>> streams;
  for (int r = 0; r < ranks; ++r) {
    streams.push_back(std::make_unique<owned_stream>(team.device(r)));
  }
  constexpr int rounds = 6;
  for (int round = 0; round < rounds; ++round) {
    for (int r = 0; r < ranks; ++r) {
      // The ranks of a device in turn take the streams of its first two.
      int first = r;
      while (first > 0 && team.device(first - 1) == team.device(r)) --first;
      const bool swapped = round % 2 == 1 && r < first + 2;
      call_options options;
      options.stream = streams[static_cast<std::size_t>(swapped ? 2 * first + 1 - r : r)]->stream;
      all_reduce<only_one>(team.rank(r), static_cast<const float*>(in.data(r)), out.data(r), 10,
                           peerfold::sum{}, options);
    }
  }
  for (const auto& stream : streams) {
    must(cudaStreamSynchronize(stream->stream), "the ranks' calls");
  }
  result.check(team.status().ok(), team.status().to_string());
  result.count(rounds * ranks, 0);
}

/// A graph that is replayed while the channel is in use poisons the team instead of hanging.
template <class Place, int N>
void replay_conflict(report& result) {
  if (!Place::has(N)) return result.skip();
  fault_bench<Place, N> bench{fault_options(std::chrono::minutes{10})};
  auto& team = bench.team;
  const int device = team.device(0);
  const owned_stream a{device};
  const owned_stream b{device};
  owned_graph graphs[2];
  for (auto& graph : graphs) {
    begin_capture(a.stream);
    auto options = on_channel(one_shot_packet, 0);
    options.stream = a.stream;
    all_reduce<tried_policies<N>>(team.rank(0), static_cast<const float*>(bench.in[0]),
                                  bench.out[0], bench.count, peerfold::sum{}, options);
    graph.end(a.stream);
  }
  // Both wait for the other ranks, which do not come.
  must(cudaGraphLaunch(graphs[0].executable, a.stream), "launching a graph");
  must(cudaGraphLaunch(graphs[1].executable, b.stream), "launching a graph");
  const auto begin = fault_clock::now();
  result.check(bench.place.wait().empty(), "the device failed");
  result.check(fault_clock::now() - begin < slack, "the conflict was not noticed in time");
  const team_status status = team.status();
  result.check(status.size() >= 1, "no rank has a report");
  for (const fault_report& report : status) {
    result.check(report.kind == fault_kind::channel_busy && report.rank == 0, to_string(report));
  }
  expect_refusal(result, "the next call", errc::team_faulted, {"channel", "in use"},
                 [&] { bench.call_team(); });
}

/// What only GPUs refuse.
template <class Place, int N>
void refused_devices(report& result) {
  if (!Place::has(N)) return result.skip();
  int found = 0;
  must(cudaGetDeviceCount(&found), "counting devices");
  const auto refuse = [&](const std::string& what, errc code,
                          std::initializer_list<std::string> needles,
                          const std::vector<int>& devices) {
    expect_refusal(result, what, code, needles,
                   [&] { static_cast<void>(gpu_team<N>::on_devices(devices)); });
  };
  auto devices = devices_of(N);
  devices.pop_back();
  refuse("a device too few", errc::invalid_argument,
         {"devices", std::to_string(N - 1), "team of " + std::to_string(N)}, devices);
  devices.push_back(found);
  refuse("a device that is not there", errc::no_device,
         {"devices[" + std::to_string(N - 1) + "]", std::to_string(found), "0 to"}, devices);
  devices.back() = -1;
  refuse("a device below 0", errc::no_device, {"devices", "-1"}, devices);
  devices.push_back(0);
  refuse("a device too many", errc::invalid_argument, {"devices", std::to_string(N + 1)}, devices);
}

}  // namespace detail

/// Streams and graphs in teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_streams() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    const auto add = [](int ranks, const char* what, void (*run)(report&)) {
      registration("streams", std::to_string(ranks) + " ranks: " + what, run);
    };
    (add(First + I, "a graph replayed", &detail::replayed_graph<Place, First + I>), ...);
    (add(First + I, "a graph of each rank", &detail::graph_of_each_rank<Place, First + I>), ...);
    (add(First + I, "alternating streams", &detail::alternating_streams<Place, First + I>), ...);
    (add(First + I, "conflict in capture", &detail::capture_conflict<Place, First + I>), ...);
    (add(First + I, "capture in part", &detail::partial_capture<Place, First + I>), ...);
    (add(First + I, "calls of the team at once", &detail::concurrent_team_calls<Place, First + I>),
     ...);
    (add(First + I, "a shared stream", &detail::shared_stream<Place, First + I>), ...);
    (add(First + I, "swapped streams", &detail::swapped_streams<Place, First + I>), ...);
    (add(First + I, "conflict in replay", &detail::replay_conflict<Place, First + I>), ...);
    (add(First + I, "refused devices", &detail::refused_devices<Place, First + I>), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
