#include <peerfold/algorithm/spanning_tree.hpp>

#include <support/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace algorithm = peerfold::algorithm;
using algorithm::tree_place;
using algorithm::tree_shape;

namespace {

std::vector<tree_place> places(tree_shape shape, int ranks, int root, std::uint32_t getters) {
  std::vector<tree_place> all;
  for (int r = 0; r < ranks; ++r) {
    all.push_back(algorithm::place_in_tree(shape, ranks, r, root, getters));
  }
  return all;
}

int links(int from, const std::vector<tree_place>& all) {
  int count = 0;
  for (int r = from; all[static_cast<std::size_t>(r)].parent >= 0; ++count) {
    r = all[static_cast<std::size_t>(r)].parent;
    if (count > 32) return -1;  // a circle
  }
  return count;
}

}  // namespace

TEST_CASE("every root makes a tree of the same links") {
  for (const auto shape : {tree_shape::chain, tree_shape::tree}) {
    for (int n = 1; n <= 32; ++n) {
      for (int root = 0; root < n; ++root) {
        const auto all = places(shape, n, root, ~std::uint32_t{0});
        int edges = 0;
        int deepest = 0;
        for (int r = 0; r < n; ++r) {
          const tree_place& at = all[static_cast<std::size_t>(r)];
          CHECK((at.parent < 0) == (r == root));
          CHECK(at.rank == r);
          CHECK(at.depth == links(r, all));
          CHECK(at.wants);
          CHECK(at.wanting == at.children);
          deepest = std::max(deepest, at.depth);
          for (int q = 0; q < n; ++q) {
            CHECK(at.is_child(q) == (all[static_cast<std::size_t>(q)].parent == r));
            if (!at.is_child(q)) continue;
            ++edges;
            CHECK(
                (algorithm::joined_to(shape, n, q) == r || algorithm::joined_to(shape, n, r) == q));
          }
        }
        CHECK(edges == n - 1);
        for (const tree_place& at : all) {
          CHECK(at.height == deepest);
          CHECK(at.deepest == deepest);
        }
      }
    }
  }
}

TEST_CASE("a chain goes through the ranks in their order, a tree has each between its sides") {
  for (int n = 1; n <= 32; ++n) {
    for (const auto& at : places(tree_shape::chain, n, n - 1, 0)) {
      CHECK(at.children == (at.rank == 0 ? 0 : std::uint32_t{1} << (at.rank - 1)));
    }
    const int top = algorithm::natural_root(tree_shape::tree, n);
    const auto all = places(tree_shape::tree, n, top, 0);
    int height = 0;
    while ((2 << height) - 1 < n) ++height;
    for (const tree_place& at : all) {
      CHECK(at.height == height);
      int left = 0;
      int right = 0;
      for (int q = 0; q < n; ++q) {
        if (at.is_child(q)) ++(q < at.rank ? left : right);
      }
      CHECK(left <= 1);
      CHECK(right <= 1);
    }
  }
}

TEST_CASE("results go where they are wanted, and no farther") {
  constexpr int n = 7;
  for (int getter = 0; getter < n; ++getter) {
    const auto all = places(tree_shape::chain, n, n - 1, std::uint32_t{1} << getter);
    for (const tree_place& at : all) {
      CHECK(at.wants == (at.rank >= getter));
      CHECK((at.wanting != 0) == (at.rank > getter));
      CHECK(at.deepest == n - 1 - getter);
      CHECK(at.height == n - 1);
    }
  }
}

TEST_CASE("in a tree, too, results stop at the last that wants them") {
  constexpr int n = 8;
  for (int root = 0; root < n; ++root) {
    for (std::uint32_t getters = 0; getters < (1u << n); ++getters) {
      const auto all = places(tree_shape::tree, n, root, getters);
      for (const tree_place& at : all) {
        bool wants = (getters >> at.rank & 1u) != 0;
        std::uint32_t wanting = 0;
        for (const tree_place& other : all) {
          if (!at.is_child(other.rank)) continue;
          wants |= other.wants;
          if (other.wants) wanting |= std::uint32_t{1} << other.rank;
        }
        CHECK(at.wants == wants);
        CHECK(at.wanting == wanting);
        CHECK(at.deepest <= at.height);
      }
    }
  }
}
