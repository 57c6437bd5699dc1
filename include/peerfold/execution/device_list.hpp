/// \file
/// Which devices a team may run on: checked here, against an interface that tests can fake.
#pragma once

#include <peerfold/algorithm/spanning_tree.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/link_routes.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/traits.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace peerfold::execution {

/// What a team asks of the machine before it touches it.
class device_layer {
 public:
  device_layer() = default;
  device_layer(const device_layer&) = delete;
  device_layer& operator=(const device_layer&) = delete;
  virtual ~device_layer() = default;

  /// How many devices there are.
  [[nodiscard]] virtual int count() const = 0;
  /// Whether kernels on `device` can reach memory of `peer`.
  [[nodiscard]] virtual bool reaches(int device, int peer) const = 0;
  /// How many multiprocessors a device has.
  [[nodiscard]] virtual int multiprocessors(int device) const = 0;
};

/// How many ranks the fullest device of the list has.
[[nodiscard]] inline int most_ranks_on_a_device(const std::vector<int>& devices) {
  std::ptrdiff_t most = 0;
  for (const int device : devices) {
    most = std::max(most, std::count(devices.begin(), devices.end(), device));
  }
  return static_cast<int>(most);
}

/// Whether no device has more ranks than are launched together.
[[nodiscard]] inline error check_sharing(const std::vector<int>& devices, int most) {
  const int ranks = most_ranks_on_a_device(devices);
  if (ranks <= most) return {};
  return {errc::invalid_argument,
          detail::text_of({"devices: ", ranks,
                           " ranks share a device; a team whose ranks are counted at "
                           "run time has at most ",
                           most, " on one"})};
}

/// Whether every device of the list is there and reaches every other; of ranks that the routes keep
/// apart they need not.
[[nodiscard]] inline error check_devices(const std::vector<int>& devices, const device_layer& layer,
                                         const link_routes& links = {}) {
  const int count = layer.count();
  for (std::size_t r = 0; r < devices.size(); ++r) {
    if (devices[r] < 0 || devices[r] >= count) {
      return {
          errc::no_device,
          detail::text_of(
              {"devices[", r, "]: device ", devices[r],
               (count == 0 ? std::string{"; this machine has no GPU: use a team on threads"}
                           : detail::text_of({"; this machine has devices 0 to ", count - 1}))})};
    }
  }
  for (std::size_t r = 0; r < devices.size(); ++r) {
    for (std::size_t q = 0; q < devices.size(); ++q) {
      if (links.ranks == static_cast<int>(devices.size()) &&
          !links.is_straight(static_cast<int>(r), static_cast<int>(q))) {
        continue;
      }
      if (devices[r] != devices[q] && !layer.reaches(devices[r], devices[q])) {
        return {errc::no_peer_access,
                detail::text_of(
                    {"devices[", r, "]: device ", devices[r], " cannot reach device ", devices[q],
                     "; choose devices with peer access to each other, or options.links "
                     "by which others pass messages on"})};
      }
    }
  }
  return {};
}

/// Pairs of ranks whose devices do not reach each other: on nodes whose GPUs are not all linked.
class ranks_apart {
 public:
  ranks_apart(const std::vector<int>& devices, const device_layer& layer)
      : ranks_{static_cast<int>(devices.size())}, apart_(devices.size() * devices.size()) {
    for (std::size_t r = 0; r < devices.size(); ++r) {
      for (std::size_t q = 0; q < devices.size(); ++q) {
        const bool reaches = devices[r] == devices[q] || layer.reaches(devices[r], devices[q]);
        apart_[r * devices.size() + q] = !reaches;
        any_ = any_ || !reaches;
      }
    }
  }

  [[nodiscard]] bool any() const noexcept { return any_; }
  [[nodiscard]] bool has(int rank, int other) const noexcept {
    return any_ && apart_[static_cast<std::size_t>(rank * ranks_ + other)];
  }

  /// Refuses calls that would have such ranks write to each other, on a team with those routes.
  [[nodiscard]] error check(const call_signature& call, const link_routes& links) const {
    return any_ ? look_at(call, links) : error{};
  }

 private:
  [[nodiscard, gnu::cold]] error look_at(const call_signature& call,
                                         const link_routes& links) const {
    const policy p{static_cast<algorithm_id>(call.algorithm),
                   static_cast<transport_id>(call.transport)};
    const auto which = static_cast<collective>(call.which);
    const bool keeps = keeps_to_routes(which, p);
    for (int r = 0; r < ranks_; ++r) {
      for (int q = 0; q < ranks_; ++q) {
        if (has(r, q) && (!keeps || is_joined(p, links, r, q))) return refuse(which, p, r, q);
      }
    }
    return {};
  }

  /// Whether two ranks are neighbours on the ring, tree or chain of a policy. Relays are among
  /// ranks that are straight with each other, which check_devices() has seen to.
  [[nodiscard]] bool is_joined(const policy& p, const link_routes& links, int r, int q) const {
    if (p.algorithm == algorithm_id::two_shot_relayed) return false;
    const bool is_ring = p.algorithm == algorithm_id::ring;
    const auto at = [&](int position) {
      if (links.ranks == 0) return position;
      return int{p.algorithm == algorithm_id::tree ? links.tree[position] : links.ring[position]};
    };
    for (int position = 0; position < ranks_; ++position) {
      const int other =
          is_ring ? (position + 1) % ranks_ : algorithm::joined_to(shape_of(p), ranks_, position);
      if (other < 0) continue;
      const int a = at(position);
      const int b = at(other);
      if ((a == r && b == q) || (a == q && b == r)) return true;
    }
    return false;
  }

  [[nodiscard, gnu::cold]] error refuse(collective which, const policy& p, int r, int q) const {
    return {errc::no_peer_access,
            detail::text_of({to_string(which), " by ", to_string(p), ": rank ", r,
                             " cannot reach rank ", q,
                             "; on such a node list a policy that keeps to links, such as those of "
                             "linked_policies"})};
  }

  int ranks_;
  std::vector<bool> apart_;  ///< row by row
  bool any_ = false;
};

/// The blocks of each channel, so that all blocks of all channels and ranks of the fullest device
/// are resident together, one a multiprocessor: blocks that wait for a peer must not keep out
/// blocks that this peer waits for. Kernels promise to fit one block on a multiprocessor.
[[nodiscard]] inline error divide_blocks(const std::vector<int>& devices, const device_layer& layer,
                                         const std::vector<channel_options>& channels,
                                         std::vector<int>& blocks) {
  int multiprocessors = layer.multiprocessors(devices.front());
  for (const int device : devices) {
    multiprocessors = std::min(multiprocessors, layer.multiprocessors(device));
  }
  const int room = multiprocessors / most_ranks_on_a_device(devices);
  int asked = 0;
  int open = 0;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (channels[i].blocks < 0) {
      return {errc::invalid_argument,
              detail::text_of({"channels[", i, "].blocks: ", channels[i].blocks,
                               "; use 0 for an equal part of what fits"})};
    }
    asked += std::min(channels[i].blocks, room + 1);
    open += channels[i].blocks == 0 ? 1 : 0;
  }
  if (asked + open > room) {
    return {
        errc::out_of_resources,
        detail::text_of(
            {"channels: they ask for ", asked + open, " or more blocks a rank together, and ", room,
             " fit on a device beside each other; give them fewer, or ranks more devices"})};
  }
  blocks.clear();
  for (const channel_options& channel : channels) {
    blocks.push_back(channel.blocks == 0 ? (room - asked) / open : channel.blocks);
  }
  return {};
}

}  // namespace peerfold::execution
