// NCCL's and hwloc's XML, and files of any kind, as peerfold-topo reads them.
#include <import.hpp>
#include <report.hpp>

#include <support/catch.hpp>

#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using peerfold::topology::graph;
using peerfold::topology::path_kind;

namespace {

graph read(const std::string& text) { return topo::import_topology({"t", text}); }

std::string refusal(const std::string& text) {
  try {
    static_cast<void>(read(text));
  } catch (const topo::bad_source& reason) {
    return reason.what();
  }
  return "taken";
}

/// A GPU of NCCL's XML.
std::string nccl_gpu(const std::string& bus, int dev, const std::string& links) {
  return "<pci busid=\"" + bus + "\" class=\"0x030200\"><gpu dev=\"" + std::to_string(dev) +
         "\" sm=\"90\">" + links + "</gpu></pci>";
}
std::string link_to(const std::string& target, int count, const std::string& kind = "0x030200") {
  return "<nvlink target=\"" + target + "\" count=\"" + std::to_string(count) + "\" tclass=\"" +
         kind + "\"/>";
}
std::string in_cpu(const std::string& inside) {
  return "<system version=\"1\"><cpu numaid=\"0\">" + inside + "</cpu></system>";
}

/// hwloc's XML of GPUs under one host bridge, of device `id` of NVIDIA's.
std::string hwloc(const std::string& id, int gpus, const std::string& rest) {
  std::string text =
      "<?xml version=\"1.0\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n<topology "
      "version=\"3.0\"><object type=\"Package\" nodeset=\"0x1\" gp_index=\"1\"><object "
      "type=\"Bridge\" bridge_type=\"0-1\" bridge_pci=\"0000:[00-10]\" gp_index=\"2\">";
  for (int i = 0; i < gpus; ++i) {
    const std::string n = std::to_string(i);
    text += "<object type=\"PCIDev\" gp_index=\"1" + n + "\" pci_busid=\"0000:0" + n +
            ":00.0\" pci_type=\"0302 [10de:" + id +
            "] [10de:116b] a1 00\"><object type=\"OSDev\" " + "gp_index=\"2" + n +
            "\" name=\"cuda" + n + "\"/><object type=\"OSDev\" gp_index=\"3" + n +
            "\" name=\"nvml" + n + "\"/></object>";
  }
  return text + "</object></object>" + rest + "</topology>";
}

}  // namespace

TEST_CASE("NCCL's links between GPUs stand at both ends and are not added up") {
  const graph g = read("\n<!-- a machine -->\n" +
                       in_cpu(nccl_gpu("0000:0B:00.0", 1, link_to("0000:0a:00.0", 2)) +
                              nccl_gpu("0000:0a:00.0", 0, link_to("0000:0b:00.0", 2)) +
                              nccl_gpu("0000:0c:00.0", 2, "")));
  REQUIRE(g.size() == 3);
  CHECK(g.gpu_at(0).bus_id == "0000:0a:00.0");  // by CUDA's numbers
  CHECK(g.gpu_at(1).bus_id == "0000:0b:00.0");
  CHECK(g.gpu_at(0).numa_node == 0);
  CHECK(g.gpu_at(0).sm == 90);
  CHECK(g.at(0, 1).links == 2);
  CHECK(g.at(1, 0).links == 2);
  CHECK(g.at(0, 1).path == path_kind::nvlink);
  CHECK(g.at(0, 1).through_switch == false);
  CHECK(g.at(0, 1).gbps == 2 * 26.5625);
  CHECK(g.at(0, 2).links == 0);
  CHECK(g.at(0, 2).path == path_kind::phb);
}

TEST_CASE("links to NVSwitches, seen or not, join all their GPUs") {
  const std::string uneven =
      link_to("0000:1a:00.0", 4, "0x068000") + link_to("0000:1b:00.0", 14, "0x068000");
  const graph seen =
      read(in_cpu(nccl_gpu("0000:0a:00.0", 0, uneven) + nccl_gpu("0000:0b:00.0", 1, uneven)));
  const std::string hidden = link_to("fffffff:ffff:ff", 18, "0x068000");
  const graph unseen = read("<system><cpu numaid=\"-1\">" + nccl_gpu("0000:0a:00.0", 0, hidden) +
                            nccl_gpu("0000:0b:00.0", 1, hidden) + "</cpu></system>");
  for (const graph* g : {&seen, &unseen}) {
    CHECK(g->at(0, 1).links == 18);
    CHECK(g->at(0, 1).through_switch == true);
    CHECK(g->at(0, 1).gbps == 18 * 26.5625);
  }
  CHECK_FALSE(unseen.gpu_at(0).numa_node.has_value());
}

TEST_CASE("a GPU linked to itself, or no <gpu> at all, says nothing of links") {
  const graph self = read(in_cpu(nccl_gpu("0001:00:00.0", 0, link_to("0001:00:00.0", 12)) +
                                 nccl_gpu("0002:00:00.0", 1, link_to("0002:00:00.0", 12))));
  CHECK_FALSE(self.at(0, 1).links.has_value());
  CHECK(self.at(0, 1).path == path_kind::phb);
  const graph bare = read(
      "<system><cpu numaid=\"1\"><pci busid=\"ffff:ff:01.0\" class=\"0x060400\"><pci "
      "busid=\"0001:00:00.0\" class=\"0x030200\"/><pci busid=\"0002:00:00.0\" class=\"0x030200\"/>"
      "</pci></cpu><cpu numaid=\"0\"><pci busid=\"0003:00:00.0\" "
      "class=\"0x030200\"/></cpu></system>");
  REQUIRE(bare.size() == 3);
  CHECK_FALSE(bare.at(0, 1).links.has_value());
  CHECK(bare.at(0, 1).path == path_kind::pix);
  CHECK(bare.at(0, 2).path == path_kind::sys);
  CHECK(bare.gpu_at(0).numa_node == 1);
}

TEST_CASE("NCCL's XML that is wrong is refused, with its place") {
  const auto says = [](const std::string& text, const std::string& what) {
    CHECK(refusal(text) == what);
  };
  says("", "t:1:1: empty");
  says("<system>\n<cpu>", "t:2:5: cut off: Start-end tags mismatch");
  says("<graphs version=\"1\"/>",
       "t:1:2: the root is <graphs>; a topology of NCCL begins with <system>");
  says("<system>\n <cpu numaid=\"0\"/></system>",
       "t:1:2: no GPU: no <gpu>, and no <pci> of class 0x0302");
  says("<system>\n <cpu numaid=\"x\"/></system>", "t:2:3: numaid=\"x\" is no whole number");
  const std::string begin = "<system>\n<cpu>\n";
  const std::string end = "</cpu></system>";
  says(begin + "<pci class=\"0x030200\"/>" + end, "t:3:2: <pci> without busid");
  says(begin + "<pci busid=\"1\" class=\"0x030200\"/>\n<pci busid=\"1\" class=\"0x030200\"/>" + end,
       "t:4:2: a second GPU at \"1\"");
  const auto linked = [&](const std::string& l) {
    return begin + "<pci busid=\"1\"><gpu dev=\"0\">\n" + l + "</gpu></pci>" + end;
  };
  says(linked(link_to("2", 1)), "t:4:2: a link to \"2\", which is not there");
  says(linked(link_to("2", 0)), "t:4:2: count=\"0\"; this GPU has 1 to 18 links");
  says(linked(link_to("2", 99)), "t:4:2: count=\"99\"; this GPU has 1 to 18 links");
  const std::string volta = "<pci busid=\"1\"><gpu dev=\"0\" sm=\"70\">";
  says(begin + volta + "\n" + link_to("2", 7) + "</gpu></pci>" + end,
       "t:4:2: count=\"7\"; this GPU has 1 to 6 links");
  says(begin + volta + "\n" + link_to("2", 4, "0x068000") + "\n" + link_to("3", 3, "0x068000") +
           "</gpu></pci>" + end,
       "t:5:2: more than 6 links of one GPU");
  says(linked(link_to("2", 3, "0x068000") + "\n" + link_to("2", 3, "0x068000")),
       "t:5:2: a second <nvlink> to \"2\"");
  says(linked(link_to("2", 10, "0x068000") + "\n" + link_to("3", 9, "0x068000")),
       "t:5:2: more than 18 links of one GPU");
  says(begin + "<pci busid=\"1\"><gpu dev=\"0\">" + link_to("2", 1) +
           "</gpu></pci>\n<pci busid=\"2\"><gpu dev=\"1\">" + link_to("1", 2) + "</gpu></pci>" +
           end,
       "t:4:30: 2 links to \"1\", elsewhere 1");
  says(begin + "<pci busid=\"1\"><gpu dev=\"0\">" + link_to("2", 1) +
           "</gpu></pci>\n<pci busid=\"2\"><gpu dev=\"1\"/></pci>" + end,
       "t:3:30: a link to \"2\", which does not have it");
  says(linked(link_to("2", 1, "0x068000") + "</gpu></pci><pci busid=\"" + std::string(65, 'b') +
              "\"><gpu dev=\"1\">"),
       "t:4:62: busid=\"" + std::string(40, 'b') + "…\", too long");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<pci busid=\"b\">";
  for (int i = 0; i < 100; ++i) deep += "</pci>";
  CHECK(refusal(begin + deep + end).find("bridges below bridges, 64 deep") != std::string::npos);
  std::string many;
  for (int i = 0; i < 1000; ++i) {
    many += "<pci busid=\"" + std::to_string(i) + "\" class=\"0x030200\"/>\n";
  }
  says(begin + many + end, "t:259:2: more than 256 GPUs");
}

TEST_CASE("hwloc's distances between GPUs, switches and processors") {
  const graph pascal =
      read(hwloc("15f9", 2,
                 "<distances2hetero nbobjs=\"3\" name=\"NVLinkBandwidth\"><indexes>"
                 "OSDev:30 OSDev:31 Package:1</indexes><u64values>1000000 40000 "
                 "40000 40000</u64values><u64values>1000000 0 40000 0 1000000"
                 "</u64values></distances2hetero>"));
  REQUIRE(pascal.size() == 2);
  CHECK(pascal.gpu_at(0).name == "nvml0");
  CHECK(pascal.gpu_at(0).numa_node == 0);
  CHECK(pascal.at(0, 1).links == 2);
  CHECK(pascal.at(0, 1).gbps == 40);
  CHECK(pascal.gpu_at(0).links_to_cpu == 2);
  CHECK(pascal.gpu_at(1).links_to_cpu == 0);

  const graph bare = read(hwloc("15f9", 2,
                                "<distances2 type=\"OSDev\" name=\"NVLinkBandwidth\"><indexes>30 "
                                "31</indexes><u64values>0 40000 40000 0</u64values></distances2>"));
  CHECK(bare.at(1, 0).links == 2);

  // Two GPUs at switches that no distance joins: those of a node are one fabric.
  const graph volta = read(hwloc(
      "1db8", 2,
      "<object type=\"PCIDev\" subtype=\"NVSwitch\" gp_index=\"90\"/><object type=\"PCIDev\" "
      "subtype=\"NVSwitch\" gp_index=\"91\"/><distances2hetero name=\"NVLinkBandwidth\"><indexes>"
      "OSDev:30 OSDev:31 PCIDev:90 PCIDev:91</indexes><u64values>0 0 150000 0 0 0 0 150000 0 0 0 0 "
      "0 "
      "0 0 0</u64values></distances2hetero>"));
  CHECK(volta.at(0, 1).links == 6);
  CHECK(volta.at(0, 1).through_switch == true);
  CHECK(volta.at(0, 1).gbps == 150);
}

TEST_CASE("the ports of a PCIe switch are one bridge") {
  int id = 0;
  const auto object = [&](const std::string& attributes, const std::string& inside) {
    return "<object gp_index=\"" + std::to_string(++id) + "\" " + attributes + ">" + inside +
           "</object>";
  };
  const auto bridge = [&](const std::string& bus, const std::string& inside) {
    return object("type=\"Bridge\" bridge_type=\"1-1\" pci_busid=\"" + bus + "\"", inside);
  };
  const auto device = [&](int number) {
    const std::string n = std::to_string(number);
    return object("type=\"PCIDev\" pci_busid=\"0000:f" + n + ":00.0\"",
                  object("type=\"OSDev\" name=\"nvml" + n + "\"", ""));
  };
  const auto hosted = [&](const std::string& inside) {
    return read("<topology>" +
                object("type=\"Bridge\" bridge_type=\"0-1\" bridge_pci=\"0000:[00-ff]\"", inside) +
                "</topology>");
  };
  // A root port, a switch, and below two of its ports a GPU and another switch with two GPUs; then
  // a GPU at another root port.
  const graph two_switches = hosted(
      bridge("0000:00:01.0",
             bridge("0000:01:00.0",
                    bridge("0000:02:00.0", device(0)) + bridge("0000:02:01.0", device(1)) +
                        bridge("0000:02:02.0",
                               bridge("0000:05:00.0", bridge("0000:06:00.0", device(2)) +
                                                          bridge("0000:06:10.0", device(3)))))) +
      bridge("0000:00:02.0", device(4)));
  REQUIRE(two_switches.size() == 5);
  CHECK(two_switches.at(0, 1).path == path_kind::pix);
  CHECK(two_switches.at(2, 3).path == path_kind::pix);
  CHECK(two_switches.at(0, 2).path == path_kind::pxb);
  CHECK(two_switches.at(3, 1).path == path_kind::pxb);
  CHECK(two_switches.at(0, 4).path == path_kind::phb);
  CHECK(two_switches.gpu_at(2).bridges ==
        std::vector<std::string>{"0000:00:01.0", "0000:01:00.0", "0000:05:00.0"});

  // As in a virtual machine, where the switch is next to the host bridge.
  const graph bare = hosted(bridge(
      "0000:01:00.0", bridge("0000:02:00.0", device(0)) + bridge("0000:02:01.0", device(1))));
  CHECK(bare.at(0, 1).path == path_kind::pix);
  const graph shared = hosted(bridge("0000:01:00.0", device(0) + device(1)));
  CHECK(shared.at(0, 1).path == path_kind::pix);
  // Bridges that cannot be told apart are not taken for one.
  const graph nameless = hosted(bridge("", device(0)) + bridge("", device(1)));
  CHECK(nameless.at(0, 1).path == path_kind::unknown);
}

TEST_CASE("links of GPUs of one known and one unknown kind are the same in both directions") {
  std::string text = hwloc("15f9", 2,
                           "<distances2 name=\"NVLinkBandwidth\"><indexes>30 31</indexes>"
                           "<u64values>0 40000 40000 0</u64values></distances2>");
  const auto second = text.rfind("10de:15f9");
  text.replace(second, 9, "10de:1d01");
  const graph g = read(text);
  CHECK_FALSE(g.gpu_at(1).sm.has_value());
  CHECK(g.at(0, 1).links == 2);
  CHECK(g.at(1, 0).links == 2);
}

TEST_CASE("hwloc's XML that is wrong is refused") {
  const auto distances = [](const std::string& inside) {
    return hwloc("1db8", 2,
                 "\n<distances2hetero name=\"NVLinkBandwidth\">" + inside + "</distances2hetero>");
  };
  const auto ends_with = [](const std::string& text, const std::string& what) {
    const std::string said = refusal(text);
    CAPTURE(said);
    CHECK(said.ends_with(what));
  };
  ends_with("<topology/>", "t:1:2: no GPU: no object nvml0, nvml1, … or cuda0, …");
  ends_with(distances("<indexes>OSDev:77</indexes>"),
            "t:4:2: distances of \"OSDev:77\", which is not there");
  ends_with(distances("<indexes>OSDev:30 OSDev:31</indexes><u64values>1 2 3</u64values>"),
            "t:4:2: 3 distances between 2 objects");
  ends_with(distances("<indexes>OSDev:30 OSDev:31</indexes><u64values>0 -5 -5 0</u64values>"),
            "t:4:2: \"-5\" is no distance");
  ends_with(distances("<indexes>OSDev:30 OSDev:31</indexes><u64values>0 99999999999999999999 "
                      "99999999999999999999 0</u64values>"),
            "t:4:2: \"99999999999999999999\" is no distance");
  ends_with(distances("<indexes>OSDev:30 OSDev:31</indexes><u64values>0 25000 0 0</u64values>"),
            "t:4:2: \"0\", but in the other direction \"25000\"");
  ends_with(
      distances("<indexes>OSDev:30 OSDev:31</indexes><u64values>0 9999999 9999999 0</u64values>"),
      "t:4:2: 9999999 MB/s are no number of links of \"nvml0\"");
  ends_with(distances("<indexes>OSDev:30 PCIDev:10</indexes><u64values>0 0 0 0</u64values>"),
            "t:4:2: distances of \"nvml0\" twice");
  ends_with(distances("<indexes>OSDev:30 OSDev:31 Package:1</indexes><u64values>"
                      "0 75000 100000 75000 0 0 100000 0 0</u64values>"),
            "t:4:2: more than 6 links of \"nvml0\"");
  ends_with(hwloc("1db8", 2,
                  "<distances2 name=\"NVLinkBandwidth\"><indexes/></distances2>\n"
                  "<distances2hetero name=\"NVLinkBandwidth\"><indexes/></distances2hetero>"),
            "t:4:2: a second NVLinkBandwidth");
  // 300000 MB/s are 12 links of one and 11 of the other.
  std::string unlike = distances(
      "<indexes>OSDev:30 OSDev:31</indexes><u64values>0 300000 300000 0"
      "</u64values>");
  unlike.replace(unlike.find("10de:1db8"), 9, "10de:20b0");
  unlike.replace(unlike.rfind("10de:1db8"), 9, "10de:2330");
  ends_with(unlike, "t:4:2: 300000 MB/s are no number of links of \"nvml0\"");
}

TEST_CASE("a JSON has a pair for each GPU and each other one") {
  std::ostringstream out;
  topo::print_json(out, read("GPU0 GPU1\nGPU0 X NV4\nGPU1 NV4 X\n"), "a \"name\"");
  const std::string text = out.str();
  CHECK(text.find("\"source\": \"a \\\"name\\\"\"") != std::string::npos);
  CHECK(text.find("\"from\": 0,\n   \"to\": 1,\n   \"path\": \"NVLINK\",\n   \"links\": 4,\n   "
                  "\"through_switch\": null,\n   \"gbps\": null") != std::string::npos);
  CHECK(text.find("\"from\": 1,\n   \"to\": 0") != std::string::npos);
}

TEST_CASE("a JSON has the nodes, with null for what is not known") {
  const auto json_of = [](const graph& g) {
    std::ostringstream out;
    topo::print_json(out, g, "s");
    std::string text;
    for (const char c : out.str()) text += c == '\n' || c == ' ' ? "" : std::string(1, c);
    return text;
  };
  const auto has = [](const std::string& text, const std::string& what) {
    CAPTURE(text, what);
    CHECK(text.find(what) != std::string::npos);
  };
  const std::string links =
      link_to("0000:1a:00.0", 5, "0x068000") + link_to("fffffff:ffff:ff", 4, "0x068000");
  const std::string known =
      json_of(read(in_cpu("<pci busid=\"0000:01:00.0\">" + nccl_gpu("0000:0a:00.0", 0, links) +
                          "</pci>" + nccl_gpu("0000:0b:00.0", 1, links))));
  has(known, "\"nvlink_generation\":4,\"host_bridge\":\"cpu0\",\"bridges\":[\"0000:01:00.0\"],");
  has(known, "\"ports\":[{\"nvswitch\":0,\"links\":5},{\"nvswitch\":1,\"links\":4}]");
  has(known, "\"nvswitches\":[{\"bus_id\":\"0000:1a:00.0\"},{\"bus_id\":null}]");
  has(known,
      "\"peer_access\":null,\"latency_us\":null,\"expected_latency_us\":0.65,\"native_atomics\":"
      "null,"
      "\"ipc\":null}");

  const std::string unknown = json_of(read("GPU0 GPU1\nGPU0 X NV4\nGPU1 NV4 X\n"));
  has(unknown, "\"nvlink_generation\":null,\"host_bridge\":null,\"bridges\":null,");
  has(unknown, "\"ports\":null}");
  has(unknown, "\"nvswitches\":[]");
  // None, and that is known.
  has(json_of(read("GPU0 GPU1\nGPU0 X PIX\nGPU1 PIX X\n")), "\"ports\":[]}");

  graph measured = read("GPU0 GPU1\nGPU0 X PIX\nGPU1 PIX X\n");
  measured.at(0, 1).latency_us = 1.5;
  measured.at(0, 1).native_atomics = true;
  measured.at(0, 1).ipc = false;
  has(json_of(measured),
      "\"latency_us\":1.5,\"expected_latency_us\":1.0,\"native_atomics\":true,\"ipc\":false}");
}

TEST_CASE("tables have a line for each GPU of which something is known") {
  const auto text_of = [](const graph& g) {
    std::ostringstream out;
    topo::print_tables(out, g, "s");
    return out.str();
  };
  const std::string links = link_to("0000:1a:00.0", 5, "0x068000");
  const std::string known = text_of(
      read(in_cpu("<pci busid=\"0000:01:00.0\">" + nccl_gpu("0000:0a:00.0", 0, links) + "</pci>")));
  CHECK(
      known.ends_with("\n\nGPU 0: NUMA node 0; cpu0 > 0000:01:00.0; NVSwitch:links 0:5\n"
                      "NVSwitch 0: 0000:1a:00.0\n"));
  CHECK(text_of(read("GPU0\nGPU0 X\n")).find("GPU 0:") == std::string::npos);
}

TEST_CASE("files that are none") {
  CHECK_THROWS_WITH(topo::source_text::read("/nowhere/at/all"),
                    "/nowhere/at/all: No such file or directory");
  CHECK_THROWS_WITH(topo::source_text::read("/tmp"), "/tmp: a directory");
  CHECK_THROWS_WITH(topo::source_text::read("/dev/zero"),
                    "/dev/zero:1:1: larger than 16 MiB; a topology is not");
}
