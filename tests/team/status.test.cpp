#include <support/catch.hpp>

#include <peerfold/team/status.hpp>

#include <cstdint>
#include <string>

namespace pf = peerfold;
using Catch::Contains;

namespace {

pf::fault_report report_of(pf::fault_kind kind) {
  pf::fault_report report;
  report.kind = kind;
  report.rank = 2;
  report.peer = 5;
  report.call.which = pf::collective::all_reduce;
  report.channel = 1;
  report.block = 7;
  report.expected = 4294967295u;
  report.seen = 13;
  return report;
}

}  // namespace

TEST_CASE("a report names who waited for whom, where, and for what") {
  const std::string text = pf::to_string(report_of(pf::fault_kind::timeout));
  for (const char* part :
       {"rank 2", "rank 5", "all_reduce", "channel 1", "block 7", "4294967295", "13", "budget"}) {
    CHECK_THAT(text, Contains(part));
  }
}

TEST_CASE("a report of an abort says so, with the awaited rank where there was one") {
  auto report = report_of(pf::fault_kind::aborted);
  CHECK_THAT(pf::to_string(report),
             Contains("rank 2") && Contains("aborted") && Contains("rank 5"));
  report.peer = -1;
  CHECK_THAT(pf::to_string(report), Contains("aborted") && !Contains("-1"));
}

TEST_CASE("a report of a busy channel says what to do") {
  CHECK_THAT(pf::to_string(report_of(pf::fault_kind::channel_busy)),
             Contains("channel 1") && Contains("in use") && Contains("order"));
}

TEST_CASE("a report of transfers that do not match names both ranks") {
  auto report = report_of(pf::fault_kind::unmatched);
  report.rank = 4;
  report.peer = 6;
  CHECK_THAT(pf::to_string(report), Contains("rank 4") && Contains("between it and rank 6"));
}

TEST_CASE("a status collects reports") {
  pf::team_status status;
  CHECK(status.ok());
  CHECK(static_cast<bool>(status));
  CHECK(status.to_string() == "ok");
  status.add(report_of(pf::fault_kind::timeout));
  auto second = report_of(pf::fault_kind::timeout);
  second.rank = 3;
  status.add(second);
  CHECK(!status.ok());
  CHECK(status.size() == 2);
  CHECK(status.end() - status.begin() == 2);
  CHECK_THAT(status.to_string(), Contains("rank 2") && Contains("\nrank 3"));
}

TEST_CASE("a status begins with what names a rank that has not reported") {
  pf::team_status status;
  for (const int rank : {1, 4, 0, 3, 2}) {
    auto report = report_of(pf::fault_kind::timeout);
    report.rank = rank;
    report.peer = rank + 1;
    status.add(report);
  }
  CHECK(status.size() == 5);
  CHECK(status.begin()->rank == 4);
  CHECK(status.begin()->peer == 5);
  int ranks = 0;
  for (const pf::fault_report& report : status) ranks |= 1 << report.rank;
  CHECK(ranks == 0b11111);
}

TEST_CASE("an aborted team is not ok, also without reports") {
  pf::team_status status;
  status.set_aborted();
  CHECK(!status.ok());
  CHECK(status.aborted());
  CHECK_THAT(status.to_string(), Contains("aborted by the host"));
}

namespace {

/// What is said of a call with elements of type T and operator Op.
template <class T, class Op>
std::string said_of() {
  pf::call_signature call;
  call.which = pf::collective::all_reduce;
  call.count = 7;
  call.element = pf::type_number<T>();
  call.operation = pf::type_number<Op>();
  return pf::to_string(call);
}

}  // namespace

TEST_CASE("element types and operators have their names") {
  CHECK_THAT((said_of<__nv_fp8_e4m3, pf::sum>()), Contains("7 fp8_e4m3, sum"));
  CHECK_THAT((said_of<__nv_fp8_e5m2, pf::max>()), Contains("7 fp8_e5m2, max"));
  CHECK_THAT((said_of<bool, pf::bit_or>()), Contains("7 bool, bit_or"));
  CHECK_THAT((said_of<std::int16_t, pf::bit_and>()), Contains("7 int16, bit_and"));
  CHECK_THAT((said_of<std::uint16_t, pf::bit_xor>()), Contains("7 uint16, bit_xor"));
  CHECK_THAT((said_of<pf::value_index<float>, pf::argmin>()), Contains("another type, argmin"));
}

TEST_CASE("what is said of a call tells how its parts are known") {
  const auto said = [](pf::parts_kind kind) {
    pf::call_signature call;
    call.which = pf::collective::send_recv;
    call.count = 7;
    call.element = pf::type_number<std::uint8_t>();
    call.parts_table = pf::parts_table_of(kind, 0x1234'5678'9abc'def0u);
    CHECK(pf::parts_of_call(call) == kind);
    return pf::to_string(call);
  };
  CHECK_THAT(said(pf::parts_kind::equal), Contains("send_recv of 7 uint8"));
  CHECK_THAT(said(pf::parts_kind::unequal), Contains("of up to 7 uint8 in unequal parts"));
  CHECK_THAT(said(pf::parts_kind::exchanged), Contains("of about 7 uint8 in unequal parts"));
  CHECK_THAT(said(pf::parts_kind::tensors), Contains("of a group of 7 uint8"));
  CHECK_THAT(said(pf::parts_kind::transfers), Contains("of a group of transfers, about 7 uint8"));
}
