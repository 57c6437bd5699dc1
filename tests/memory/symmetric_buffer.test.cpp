#include <support/catch.hpp>

#include <peerfold/memory/peer_span.hpp>
#include <peerfold/memory/symmetric_buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace pf = peerfold;

namespace {

/// Remembers what it gave out, and to whom.
class counting_provider final : public pf::memory::provider {
 public:
  ~counting_provider() override {
    CHECK(given_.empty());
    *gone_ = true;
  }
  explicit counting_provider(bool& gone) : gone_{&gone} {}

  void* allocate(int rank, std::size_t bytes) noexcept override {
    last_bytes = bytes;
    if (left == 0) return nullptr;
    --left;
    void* memory = ::operator new(bytes, std::align_val_t{256}, std::nothrow);
    given_.emplace(memory, rank);
    return memory;
  }
  void deallocate(int rank, void* memory) noexcept override {
    const auto found = given_.find(memory);
    CHECK((found != given_.end() && found->second == rank));
    if (found != given_.end()) given_.erase(found);
    ::operator delete(memory, std::align_val_t{256});
  }
  bool write(int /*rank*/, void* memory, const void* from, std::size_t bytes) noexcept override {
    std::memcpy(memory, from, bytes);
    return true;
  }

  [[nodiscard]] std::size_t given() const { return given_.size(); }
  int left = 1000;
  std::size_t last_bytes = 0;

 private:
  std::map<void*, int> given_;
  bool* gone_;
};

struct fake_team {
  static constexpr int size = 3;
  using tag_type = void;
  std::shared_ptr<counting_provider> memory;
  [[nodiscard]] int rank_count() const { return size; }
  [[nodiscard]] std::uint64_t id() const { return 17; }
  [[nodiscard]] std::shared_ptr<pf::memory::provider> provider() const { return memory; }
};

using buffer_type = pf::symmetric_buffer<double, 3>;

}  // namespace

TEST_CASE("a buffer takes memory of every rank and gives it back") {
  bool gone = false;
  fake_team team{std::make_shared<counting_provider>(gone)};
  {
    buffer_type buffer(team, 10);
    CHECK(team.memory->given() == 3);
    CHECK(team.memory->last_bytes == 10 * sizeof(double));
    CHECK(buffer.size() == 10);
    CHECK(buffer.team_id() == 17);
    for (int r = 0; r < 3; ++r) {
      CHECK(buffer.data(r) != nullptr);
      CHECK(buffer.span(r).size() == 10);
      CHECK(buffer.span(r).data() == buffer.data(r));
    }
    CHECK(buffer.data(0) != buffer.data(1));
  }
  CHECK(team.memory->given() == 0);
}

TEST_CASE("a buffer outlives its team") {
  bool gone = false;
  {
    fake_team team{std::make_shared<counting_provider>(gone)};
    buffer_type buffer(team, 10);
    team.memory.reset();
    CHECK(!gone);
    buffer.span(2)[9] = 1.5;
    CHECK(buffer.span(2)[9] == 1.5);
  }
  CHECK(gone);
}

TEST_CASE("a buffer moves") {
  bool gone = false;
  fake_team team{std::make_shared<counting_provider>(gone)};
  buffer_type first(team, 10);
  double* const data = first.data(1);
  buffer_type second{std::move(first)};
  CHECK(second.data(1) == data);
  CHECK(second.size() == 10);
  CHECK(first.data(1) == nullptr);
  CHECK(first.size() == 0);
  CHECK(first.team_id() == 0);

  buffer_type third(team, 5);
  CHECK(team.memory->given() == 6);
  third = std::move(second);
  CHECK(team.memory->given() == 3);
  CHECK(third.data(1) == data);
  auto& self = third;
  third = std::move(self);
  CHECK(third.data(1) == data);
  CHECK(third.size() == 10);
  STATIC_REQUIRE(!std::is_copy_constructible_v<buffer_type>);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<buffer_type>);
}

TEST_CASE("a buffer of no elements is one") {
  bool gone = false;
  fake_team team{std::make_shared<counting_provider>(gone)};
  const buffer_type buffer(team, 0);
  CHECK(buffer.size() == 0);
  CHECK(buffer.data(2) != nullptr);
}

#if PEERFOLD_EXCEPTIONS
TEST_CASE("where one rank has no memory left, the others' is given back") {
  bool gone = false;
  fake_team team{std::make_shared<counting_provider>(gone)};
  team.memory->left = 2;
  try {
    buffer_type buffer(team, 10);
    FAIL("not refused");
  } catch (const pf::error& reason) {
    CHECK(reason.code() == pf::errc::out_of_resources);
    CHECK_THAT(reason.what(), Catch::Contains("10 elements of 8 bytes on rank 2"));
  }
  CHECK(team.memory->given() == 0);
}

TEST_CASE("a team that was moved from gives no memory") {
  const fake_team team{};
  try {
    buffer_type buffer(team, 10);
    FAIL("not refused");
  } catch (const pf::error& reason) {
    CHECK(reason.code() == pf::errc::team_empty);
  }
}
#endif

TEST_CASE("a view reaches what the buffer owns") {
  bool gone = false;
  fake_team team{std::make_shared<counting_provider>(gone)};
  buffer_type buffer(team, 10);
  const pf::peer_span<double, 3> view = buffer.view();
  STATIC_REQUIRE(std::is_trivially_copyable_v<pf::peer_span<double, 3>>);
  STATIC_REQUIRE(std::is_trivially_copyable_v<pf::peer_span<float, 8>>);
  CHECK(view.size() == 10);
  for (int r = 0; r < 3; ++r) CHECK(view.data(r) == buffer.data(r));
  const auto part = view.subspan(4, 3);
  CHECK(part.size() == 3);
  CHECK(part.data(2) == buffer.data(2) + 4);
}
