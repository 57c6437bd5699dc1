#include "result_file.hpp"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace bench {
namespace {

using json = nlohmann::ordered_json;

json of(const rate& r) {
  json out{{"gbps", r.gigabytes_per_second}};
  if (r.blocks > 0) out["blocks"] = r.blocks;
  return out;
}

json of(const std::vector<rate>& rates) {
  json out = json::array();
  for (const rate& r : rates) out.push_back(of(r));
  return out;
}

json of(const machine& m, const options& how, const std::string& nccl) {
  json gpus = json::array();
  for (const gpu& g : m.gpus) {
    json entry{{"index", g.index},
               {"name", g.name},
               {"multiprocessors", g.multiprocessors},
               {"memory_bytes", g.memory_bytes},
               {"l2_bytes", g.l2_bytes}};
    entry["nvlinks"] = g.nvlinks < 0 ? json(nullptr) : json(g.nvlinks);
    gpus.push_back(std::move(entry));
  }
  return {{"gpus", std::move(gpus)},        {"driver", m.driver}, {"cuda_driver", m.cuda_driver},
          {"cuda_runtime", m.cuda_runtime}, {"nccl", nccl},       {"link", m.link(how.devices)}};
}

json of(const options& how) {
  json which = json::array();
  for (const collective each : how.which) which.push_back(name_of(each));
  return {{"collectives", std::move(which)},
          {"type", name_of(how.type)},
          {"op", name_of(how.op)},
          {"ranks", how.ranks},
          {"devices", how.devices},
          {"run_time_ranks", how.run_time_ranks},
          {"timing", how.graph ? "graph" : "eager"},
          {"replays", how.replays},
          {"iterations", how.iterations == 0 ? json("by size") : json(how.iterations)},
          {"max_blocks", how.max_blocks}};
}

json of(const limits& l) {
  json out{{"gpus", l.gpus}, {"launch_us", l.launch_us}};
  if (l.cooperative_us) out["cooperative_launch_us"] = *l.cooperative_us;
  out["flag_relaxed_us"] = l.flag_relaxed_us;
  out["flag_release_acquire_us"] = l.flag_ordered_us;
  if (l.stores) out["stores"] = of(*l.stores);
  if (l.stores_alone) out["stores_alone"] = of(*l.stores_alone);
  if (l.loads) out["loads"] = of(*l.loads);
  if (l.copy_engine) out["copy_engine"] = of(*l.copy_engine);
  if (!l.stores_by_blocks.empty()) out["stores_by_blocks"] = of(l.stores_by_blocks);
  if (!l.loads_by_blocks.empty()) out["loads_by_blocks"] = of(l.loads_by_blocks);
  out["local_copy"] = of(l.local_copy);
  return out;
}

json of(const implementation::identity& who) {
  json out{{"implementation", who.library}};
  out["policy"] = who.policy.empty() ? json(nullptr) : json(who.policy);
  out["memory"] = who.memory;
  return out;
}

// A measurement stands for itself: what it was of is repeated in each.
json of(const table& t, const row& r, const figure& f, bool in_place, const results& all) {
  const options& how = all.how;
  json out{{"collective", name_of(t.which)}};
  out.update(of(t.who));
  out.update(json{{"type", type_column(t.which, how.type)},
                  {"op", op_column(t.which, how.op)},
                  {"root", root_column(t.which)},
                  {"ranks", how.ranks},
                  {"devices", how.devices},
                  {"run_time_ranks", t.who.run_time_ranks},
                  {"tensors", t.who.tensors},
                  {"shift", t.who.shift},
                  {"skewed", t.who.skewed},
                  {"bytes", r.bytes},
                  {"count", r.count},
                  {"in_place", in_place},
                  {"time_us", f.time_us},
                  {"algbw_gbps", f.algorithm_gbps},
                  {"busbw_gbps", f.bus_gbps},
                  {"wrong", f.wrong}});
  out["floor_us"] = r.floor_us ? json(*r.floor_us) : json(nullptr);
  if (f.shape) {
    int multiprocessors = 1 << 20;
    for (const int device : how.devices) {
      const gpu& g = all.where.gpus[static_cast<std::size_t>(device)];
      multiprocessors = std::min(multiprocessors, g.multiprocessors);
    }
    out["grid"] = {{"blocks", f.shape->blocks}, {"threads", f.shape->threads}};
    out["sms"] = std::min(f.shape->blocks, static_cast<unsigned>(multiprocessors));
  }
  return out;
}

}  // namespace

void write_results(const std::string& path, const results& all) {
  json rows = json::array();
  for (const table& t : all.tables) {
    for (const row& r : t.rows) {
      rows.push_back(of(t, r, r.out_of_place, false, all));
      if (r.in_place) rows.push_back(of(t, r, *r.in_place, true, all));
    }
  }
  json pairs = json::array();
  for (const comparison& c : all.comparisons) {
    if (c.made == 0) continue;  // the run broke off
    pairs.push_back({{"policy", c.generic.policy},
                     {"memory", c.generic.memory},
                     {"bytes", c.bytes},
                     {"made", c.made},
                     {"generic_us", c.generic_us()},
                     {"hand_us", c.hand_us()},
                     {"ratio", c.ratio()}});
  }
  json document{{"schema", "peerfold-bench/1"},
                {"commit", all.where.commit},
                {"date", all.where.date},
                {"complete", all.complete},
                {"machine", of(all.where, all.how, all.nccl)},
                {"configuration", of(all.how)}};
  document["limits"] = all.floors ? of(*all.floors) : json(nullptr);
  document["results"] = std::move(rows);
  document["comparisons"] = std::move(pairs);

  std::ofstream file(path);
  file << document.dump(1) << '\n';
  if (!file.flush()) throw std::runtime_error("--json: cannot write " + path);
}

}  // namespace bench
